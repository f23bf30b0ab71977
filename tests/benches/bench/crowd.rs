//! What many runs at once cost in one process, and what the gate costs a call.

use std::path::Path;
use std::time::{Duration, Instant};

use taskhost::gate::{Budgets, Effect, Gate, Impact, Mode};
use taskhost::plugin::{Host, HostConfig};

use crate::inprocess::request;
use crate::measure::{Comparison, median};

const AT_ONCE: u32 = 1_000;
const CALLS: u32 = 200_000;

/// A thousand runs begun in the same moment, beside as many one after another.
pub(super) fn runs(plugin: &Path) -> anyhow::Result<Comparison> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let cache = tempfile::tempdir()?;
        let config = HostConfig { cache: Some(cache.path().into()), pooled: Some(AT_ONCE), ..HostConfig::default() };
        let host = Host::new(config)?;
        let loaded = host.load(plugin).await?;
        let before = resident();
        let rounds = 5;
        let (mut together, mut single, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begun = Instant::now();
            let all = (0..AT_ONCE).map(|_| async {
                let report = host.run(&loaded, request()).await;
                (begun.elapsed(), report.run.outcome.exit_code())
            });
            let ended = futures::future::join_all(all).await;
            together.push(begun.elapsed() / AT_ONCE);
            anyhow::ensure!(ended.iter().all(|(_, code)| *code == 0), "a run failed");
            ends.extend(ended.into_iter().map(|(end, _)| end));
            let begun = Instant::now();
            for _ in 0..AT_ONCE {
                host.run(&loaded, request()).await;
            }
            single.push(begun.elapsed() / AT_ONCE);
        }
        let grown = resident().saturating_sub(before) / u64::from(AT_ONCE);
        ends.sort_unstable();
        let at = |share: usize| ends.get(ends.len() * share / 100).copied().unwrap_or_default();
        Ok(Comparison {
            title: "1,000 runs at once in one process, a run".into(),
            aim: "no slower than one after another".into(),
            method: format!(
                "The fixture `empty`, {AT_ONCE} runs polled together. From the common start to a run's end: median {:.1} \
                 ms, 99th percentile {:.1} ms. Memory of the process grew by {grown} bytes a run.",
                at(50).as_secs_f64() * 1e3,
                at(99).as_secs_f64() * 1e3
            ),
            met: median(together.clone()).as_secs_f64() <= median(single.clone()).as_secs_f64() * 1.05,
            times: vec![("Taskhost".into(), median(together)), ("one after another".into(), median(single))],
            rounds,
            missed: String::new(),
        })
    })
}

/// One effect through the gate: in, counted, out, journaled.
pub(super) fn gate() -> anyhow::Result<Comparison> {
    let rounds = 11;
    let (mut ours, mut clock) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut budgets = Budgets::default();
        budgets.set("logs", "files", u64::MAX);
        let gate = Gate::new(Mode::Perform, budgets, Instant::now);
        let begun = Instant::now();
        for _ in 0..CALLS {
            let effect = Effect::new("files", "logs", "remove", Impact::Destroy, "app/2026-11-24.log");
            let mut permit = gate.enter(effect, Ok(()))?;
            permit.charge("files", 1)?;
            permit.bytes(1_000);
            permit.succeed();
        }
        ours.push(begun.elapsed() / CALLS);
        let begun = Instant::now();
        for _ in 0..CALLS {
            std::hint::black_box((Instant::now(), Instant::now()));
        }
        clock.push(begun.elapsed() / CALLS);
    }
    let (ours, clock) = (median(ours), median(clock));
    Ok(Comparison {
        title: "The gate, a budget and the journal, a call".into(),
        aim: "under 1 us".into(),
        method: format!(
            "{CALLS} effects with a budget, each journaled with its target, beside the two looks at the clock that it takes."
        ),
        met: ours < Duration::from_micros(1),
        times: vec![("Taskhost".into(), ours), ("two looks at the clock".into(), clock)],
        rounds,
        missed: String::new(),
    })
}

/// Bytes of memory that this process has now.
pub(super) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or_default() * 1024
}
