//! SQLite: indexes by what is unused on their pages, which `dbstat` tells exactly by reading them. REINDEX keeps other
//! writers out while it builds one index, and leaves the pages that it wins in the file, for the next rows.

use std::time::Instant;

use taskhost_sdk::prelude::*;
use taskhost_sdk::report::next_action_on;
use taskhost_sdk::words::{size, some_of, span};

use crate::choice::{self, Candidate, Fate, Limits};
use crate::memory::Memory;
use crate::turn::{self, Tally, Turn, bytes};
use crate::{MEMORY, Options};

/// Indexes that get a finding and metrics of their own.
const DETAILED: usize = 20;

const INDEXES: &str = "
select m.name as name, m.tbl_name as table_name from sqlite_schema m where m.type = 'index' and m.rootpage > 0
order by m.name";

const PAGES: &str = "
select coalesce(sum(d.pgsize), 0) as bytes, coalesce(sum(d.unused), 0) as unused from dbstat d where d.name = ?";

/// Rebuilds what is worth it.
pub(crate) async fn run(database: &sql::Database, server: &sql::Server, options: &Options) -> Result<String> {
    let begun = Instant::now();
    let limits = Limits { percent: f64::from(options.bloat_percent), bytes: options.bloat_size.0 };
    let key = format!("indexes of {}", server.database);
    let mut memory = Memory::recall(&MEMORY, &key).await?;
    let mut indexes = Vec::new();
    for row in database.query_all(INDEXES, params![]).await? {
        let name: String = row.get("name")?;
        let mut index = measure(database, &name).await?;
        index.named = options.indexes.contains(&name);
        index.remembered = memory.of(&name);
        log::info(format!("{name} on {}: {}", row.get::<String>("table_name")?, line(&index)));
        indexes.push(index);
    }
    for name in &options.indexes {
        if !indexes.iter().any(|index| index.name == *name) {
            Finding::warning(name, "no such index")
                .detail("`indexes` names it, and the file has none of that name")
                .report();
        }
    }
    let all = turn::indexes(indexes.len());
    indexes.retain(|index| choice::fate(index, &limits) == Fate::Rebuild);
    indexes.sort_by(choice::order);
    let gain: u64 = indexes.iter().map(Candidate::gain).sum();
    bytes("index_bloat_bytes", gain).report();

    let mut tally = Tally::default();
    let mut late = Vec::new();
    for (done, index) in indexes.iter().enumerate() {
        if begun.elapsed() >= options.stop_after {
            late.push(index.name.as_str());
            continue;
        }
        progress(done as u64, Some(indexes.len() as u64), &index.name);
        let target = sql::IndexTarget::Index(sql::Table { schema: None, name: index.name.clone() });
        let turn = turn::reindex(database, target, false).await?;
        if !matches!(turn, Turn::Done) {
            tally.left += 1;
            turn::left(&index.name, &turn, "run again when no other program writes to the file");
            continue;
        }
        let detailed = done < DETAILED;
        if detailed {
            bytes("index_bytes_before", index.bytes).subject(&index.name).report();
        }
        if rehearsing() {
            tally.rebuilt(index.bytes, index.rebuilt.unwrap_or(index.bytes));
            if detailed {
                Finding::ok(&index.name, "would be rebuilt").detail(line(index)).report();
            }
            continue;
        }
        let after = measure(database, &index.name).await?;
        memory.keep(&index.name, after.bytes);
        tally.rebuilt(index.bytes, after.bytes);
        if detailed {
            bytes("index_bytes_after", after.bytes).subject(&index.name).report();
            let detail = format!("before: {}\nafter: {}", line(index), line(&after));
            Finding::ok(&index.name, "rebuilt").detail(detail).report();
        }
    }
    tally.left += late.len();
    if !late.is_empty() {
        Finding::ok("stop-after", "left: the time is up")
            .detail(format!("no rebuild is begun after {}: {}", span(options.stop_after.as_secs()), some_of(&late, 20)))
            .report();
        next_action_on("stop-after", "run again, or give it more time");
    }
    memory.remember(&MEMORY, &key).await?;
    tally.report();
    Ok(tally.summary(&all, indexes.len(), gain, &limits))
}

async fn measure(database: &sql::Database, name: &str) -> Result<Candidate> {
    let row = database.query_one(PAGES, params![name]).await?;
    let (bytes, unused): (u64, u64) = (row.get("bytes")?, row.get("unused")?);
    Ok(Candidate {
        name: name.into(),
        bytes,
        rebuilt: Some(bytes.saturating_sub(unused)),
        permitted: true,
        ..Candidate::default()
    })
}

fn line(index: &Candidate) -> String {
    format!("{}, {} of it unused ({:.0} %)", size(index.bytes), size(index.gain()), index.percent())
}
