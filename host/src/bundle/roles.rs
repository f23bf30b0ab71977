//! Who a bundle's tasks are to the servers that they reach, which only the servers can tell. It looks, changes nothing, and
//! waits for nobody long: a check is also made where no server can be reached.

use std::time::Duration;

use futures::StreamExt as _;

use super::{Checked, Problem, Ready, SlotGrant};

/// How long one server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many are asked at a time.
const AT_ONCE: usize = 16;

/// A target, by the first grant of it.
struct Asked<'a> {
    ready: &'a Ready<'a>,
    grant: &'a SlotGrant,
    /// How many more grants of it there are.
    others: usize,
}

impl Checked<'_> {
    /// Warns of each grant whose account can do more than any grant needs, such as a superuser behind a read grant. A target
    /// whose credential is not set, or that a program would hand out, is not asked; those that did not answer are returned, a
    /// line each.
    pub async fn ask_roles(&mut self) -> Vec<String> {
        let (mut problems, mut unasked) = (Vec::new(), Vec::new());
        let mut answers = futures::stream::iter(targets(&self.ready))
            .map(async |asked| {
                let excess = asked.ready.grants.excess(asked.grant.capability, &asked.grant.slot);
                let silent = |_| Err(format!("nothing answered within {} s", PATIENCE.as_secs()));
                (tokio::time::timeout(PATIENCE, excess).await.unwrap_or_else(silent), asked)
            })
            .buffered(AT_ONCE);
        while let Some((answer, asked)) = answers.next().await {
            match answer {
                Ok(None) => {}
                Ok(Some(excess)) => problems.push(problem(&asked, &excess)),
                Err(error) => unasked.push(format!("{}: {error}", named(&asked))),
            }
        }
        drop(answers);
        self.add(problems);
        unasked
    }
}

/// Each target once.
fn targets<'a>(ready: &'a [Ready<'a>]) -> Vec<Asked<'a>> {
    let mut targets: Vec<Asked<'a>> = Vec::new();
    for ready in ready {
        for grant in ready.task.grants.iter().filter(|grant| !ready.stand_ins.contains(&grant.slot)) {
            let same = |asked: &&mut Asked<'_>| {
                asked.grant.capability == grant.capability && asked.grant.sources == grant.sources
            };
            match targets.iter_mut().find(same) {
                Some(asked) => asked.others += 1,
                None => targets.push(Asked { ready, grant, others: 0 }),
            }
        }
    }
    targets
}

fn named(asked: &Asked<'_>) -> String {
    match &asked.grant.connection {
        Some(name) => format!("connection `{name}`"),
        None => format!("task `{}`, slot `{}`", asked.ready.task.name, asked.grant.slot),
    }
}

fn problem(asked: &Asked<'_>, excess: &str) -> Problem {
    let message = format!("task `{}`: slot `{}`: {excess}", asked.ready.task.name, asked.grant.slot);
    let problem = Problem::warning(message, asked.grant.place.clone());
    match asked.others {
        0 => problem,
        1 => problem.help("one more grant is of the same role"),
        others => problem.help(format!("{others} more grants are of the same role")),
    }
}
