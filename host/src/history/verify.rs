//! Whether a history is what was written: the chain from its first link to its last, and every record against the
//! digest in its link.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::chain::{COLUMNS, Link, What};
use super::change::MANY;
use super::error::{Error, Fault};
use super::issues::Closed;
use super::reader::Reader;
use super::rows::{END, START, TABLES, digest_of_run};
use super::sql::{Row, Value, places, values};
use super::words::{of_word, word};
use super::{RUNNING, digest::Digest};
use super::{checklist, serving};

/// Links that are read at once.
const PAGE: u32 = 1_000;
/// What is wrong, at most so much of it.
const MOST: usize = 100;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Links of the chain.
    pub links: u64,
    /// Runs whose record was looked at.
    pub runs: u64,
    /// The number of the newest link and its hash: noted elsewhere, it shows later that nothing before it was made anew.
    pub head: String,
    /// What does not hold, at most a hundred of it.
    pub problems: Vec<String>,
}

impl Verdict {
    fn wrong(&mut self, problem: impl Into<String>) {
        if self.problems.len() < MOST {
            self.problems.push(problem.into());
        }
    }
}

/// What the chain says of one run or tick: its newest link.
struct Last {
    what: String,
    digest: String,
    started: Option<String>,
}

impl Reader {
    /// Looks at everything. `head` is a link that was noted elsewhere, as `NUMBER:HASH`.
    pub async fn verify(&self, head: Option<&str>) -> Result<Verdict, Error> {
        self.freeze().await?;
        let verdict = self.verify_all(head).await;
        self.thaw().await;
        verdict
    }

    async fn verify_all(&self, head: Option<&str>) -> Result<Verdict, Error> {
        let mut verdict = Verdict::default();
        let last = self.verify_chain(head, &mut verdict).await?;
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        loop {
            let statement =
                format!("SELECT {}, {} FROM runs WHERE id > $1 ORDER BY id LIMIT {MANY}", START.names(), END.names());
            let rows = self.rows(statement, &values![&after]).await?;
            let Some(newest) = rows.last() else { break };
            let newest = newest.get(0).map_err(|error| self.fault(error))?;
            self.verify_runs(&rows, &last, &mut verdict).await?;
            for row in &rows {
                seen.insert(row.get::<String>(0).map_err(|error| self.fault(error))?);
            }
            after = newest;
        }
        self.verify_deeds(&last, &mut seen, &mut verdict).await?;
        for (subject, last) in &last {
            if !seen.contains(subject) {
                verdict.wrong(format!("{subject}: its record is missing; the chain says `{}` of it", last.what));
            }
        }
        self.verify_strays(&mut verdict).await?;
        Ok(verdict)
    }

    fn fault(&self, error: sqlx::Error) -> Error {
        Fault::from(error).at(self.target())
    }

    async fn verify_chain(&self, head: Option<&str>, verdict: &mut Verdict) -> Result<BTreeMap<String, Last>, Error> {
        let mut subjects: BTreeMap<String, Last> = BTreeMap::new();
        let mut before: Option<Link> = None;
        let mut begins: Option<(i64, String)> = None;
        let mut removed: Vec<(String, String)> = Vec::new();
        let mut noted = head.map(|_| false);
        loop {
            let from = before.as_ref().map_or(0, |link| link.seq);
            let statement = format!("SELECT {COLUMNS} FROM journal WHERE seq > $1 ORDER BY seq LIMIT {PAGE}");
            let links = self.list(statement, &values![from], Link::read).await?;
            if links.is_empty() {
                break;
            }
            for link in links {
                verdict.links += 1;
                follows(before.as_ref(), &link, verdict);
                if before.is_none() {
                    begins = Some((link.seq, link.previous.clone()));
                }
                if head == Some(&*format!("{}:{}", link.seq, link.hash)) {
                    noted = Some(true);
                }
                match of_word(&link.what) {
                    Some(What::Removed) => removed.push((link.subject.clone(), link.digest.clone())),
                    Some(What::Started) => {
                        let started = Some(link.digest.clone());
                        let last = Last { what: link.what.clone(), digest: String::new(), started };
                        subjects.insert(link.subject.clone(), last);
                    }
                    Some(_) => {
                        let started = subjects.remove(&link.subject).and_then(|last| last.started);
                        let last = Last { what: link.what.clone(), digest: link.digest.clone(), started };
                        subjects.insert(link.subject.clone(), last);
                    }
                    None => verdict.wrong(format!("link {} is of no kind that is known: `{}`", link.seq, link.what)),
                }
                before = Some(link);
            }
        }
        if let Some((first, previous)) = begins.filter(|(first, _)| *first != 1) {
            let through = (first - 1).to_string();
            if !removed.iter().any(|(subject, hash)| *subject == through && *hash == previous) {
                verdict.wrong(format!("the chain begins with link {first}, and says of no removal before it"));
            }
        }
        let (seq, hash) = before.map_or((0, String::new()), |link| (link.seq, link.hash));
        verdict.head = format!("{seq}:{hash}");
        let ends = self.list("SELECT seq, hash FROM head", &[], |row| Ok((row.get::<i64>(0)?, row.get(1)?))).await?;
        if ends != [(seq, hash)] {
            let end = ends.first().map_or(0, |(seq, _)| *seq);
            verdict.wrong(format!("the chain ends with link {seq}, and should with link {end}"));
        }
        if noted == Some(false) {
            verdict.wrong("the link that was noted is not in the chain: it was made anew, or removed by its age");
        }
        Ok(subjects)
    }

    async fn verify_runs(
        &self,
        rows: &[Row],
        last: &BTreeMap<String, Last>,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        let failed = |error| self.fault(error);
        let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>().map_err(failed)?;
        let names: Vec<Value<'_>> = ids.iter().map(Value::from).collect();
        let mut children: BTreeMap<String, [Vec<Vec<Value<'static>>>; TABLES.len()]> = BTreeMap::new();
        for (index, table) in TABLES.iter().enumerate() {
            let statement = format!(
                "SELECT run, {} FROM {} WHERE run IN ({}) ORDER BY run, position",
                table.names(),
                table.name,
                places(1, names.len())
            );
            for row in self.rows(statement, &names).await? {
                let run: String = row.get(0).map_err(failed)?;
                let values = table.values(&row, 1).map_err(failed)?;
                if let Some(rows) = children.entry(run).or_default().get_mut(index) {
                    rows.push(values);
                }
            }
        }
        let mut closed: BTreeMap<String, Vec<Closed>> = BTreeMap::new();
        for (run, issue) in self.closed(&ids).await? {
            closed.entry(run).or_default().push(issue);
        }
        for (row, id) in rows.iter().zip(&ids) {
            verdict.runs += 1;
            let start = START.values(row, 0).map_err(failed)?;
            let end = END.values(row, START.columns.len()).map_err(failed)?;
            let Some(last) = last.get(id) else {
                verdict.wrong(format!("run {id} is in no link of the chain"));
                continue;
            };
            if last.started.as_ref().is_some_and(|digest| *digest != start_digest(&start)) {
                verdict.wrong(format!("run {id}: what was noted at its start was changed"));
            }
            let running = end.contains(&Value::from(RUNNING));
            if running != (last.what == word(What::Started)) {
                verdict.wrong(format!("run {id}: the chain says `{}` of it, and its record does not", last.what));
            } else if !running {
                let none = Default::default();
                let children = children.get(id).unwrap_or(&none);
                let tables = TABLES.iter().map(|table| table.name).zip(children.iter().map(Vec::as_slice));
                let closed = closed.get(id).map(Vec::as_slice).unwrap_or_default();
                if digest_of_run(&start, &end, tables, closed) != last.digest {
                    verdict.wrong(format!("run {id}: its record was changed"));
                }
            }
        }
        Ok(())
    }

    async fn closed(&self, runs: &[String]) -> Result<Vec<(String, Closed)>, Error> {
        let statement = format!("{} IN ({})", super::change::CLOSED, places(1, runs.len()));
        let names: Vec<Value<'_>> = runs.iter().map(Value::from).collect();
        let mut all = self.list(statement, &names, super::change::read_closed).await?;
        all.sort_by(|(_, first), (_, second)| first.id.cmp(&second.id));
        Ok(all)
    }

    async fn verify_deeds(
        &self,
        last: &BTreeMap<String, Last>,
        seen: &mut BTreeSet<String>,
        verdict: &mut Verdict,
    ) -> Result<(), Error> {
        let statement = format!("SELECT {} FROM ticks ORDER BY id", checklist::DIGESTED);
        let ticks = self.list(statement, &[], |row| Ok((row.get::<String>(0)?, checklist::digest(row)?))).await?;
        for (id, digest) in ticks {
            match last.get(&id) {
                None => verdict.wrong(format!("tick {id} is in no link of the chain")),
                Some(last) if last.digest != digest => verdict.wrong(format!("tick {id} was changed")),
                Some(_) => {}
            }
            seen.insert(id);
        }
        let statement = format!("SELECT {} FROM events ORDER BY id", serving::EVENT);
        for (id, digest) in self.list(statement, &[], serving::digest).await? {
            match last.get(&id) {
                None => verdict.wrong(format!("event {id} is in no link of the chain")),
                Some(last) if last.digest != digest => verdict.wrong(format!("event {id} was changed")),
                Some(_) => {}
            }
            seen.insert(id);
        }
        Ok(())
    }

    /// Rows of runs that are not there.
    async fn verify_strays(&self, verdict: &mut Verdict) -> Result<(), Error> {
        for table in TABLES {
            let statement = format!(
                "SELECT DISTINCT run FROM {0} WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = {0}.run) LIMIT 10",
                table.name
            );
            for run in self.list(statement, &[], |row| row.get::<String>(0)).await? {
                verdict.wrong(format!("{} of run {run} are there, and the run is not", table.name));
            }
        }
        Ok(())
    }
}

fn start_digest(start: &[Value<'_>]) -> String {
    let mut digest = Digest::new();
    digest.row(START.name, start);
    digest.finish()
}

/// Whether a link follows the one before.
fn follows(before: Option<&Link>, link: &Link, verdict: &mut Verdict) {
    if link.expected() != link.hash {
        verdict.wrong(format!("link {} was changed: its hash is not that of what it says", link.seq));
    }
    let Some(before) = before else {
        if link.seq == 1 && !link.previous.is_empty() {
            verdict.wrong("link 1 follows one that is not there");
        }
        return;
    };
    if link.seq > before.seq + 1 {
        let (first, last) = (before.seq + 1, link.seq - 1);
        let which = if first == last { format!("link {first} is") } else { format!("links {first} to {last} are") };
        verdict.wrong(format!("{which} missing"));
    } else if link.previous != before.hash {
        verdict.wrong(format!("link {} does not follow link {}: they were moved or changed", link.seq, before.seq));
    }
}
