//! An empty run in one process: the whole path of `Host::run`, report and all, beside the least that wasmtime itself
//! can do for the same component.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost::capability::Grants;
use taskhost::gate::{Budgets, Mode};
use taskhost::plugin::{Host, HostConfig, Request};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Store};

use crate::measure::{Comparison, median, ratio};

mod bindings {
    wasmtime::component::bindgen!({ path: "../wit", world: "plugin", exports: { default: async } });
}

const RUNS: usize = 5_000;

pub(super) fn compare(plugin: &Path) -> anyhow::Result<Comparison> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let cache = tempfile::tempdir()?;
        let host =
            Host::new(HostConfig { cache: Some(cache.path().into()), pooled: Some(64), ..HostConfig::default() })?;
        let loaded = host.load(plugin).await?;
        let bare = Bare::new(plugin)?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for index in 0..RUNS + 100 {
            let begun = Instant::now();
            let report = host.run(&loaded, request()).await;
            let took = begun.elapsed();
            anyhow::ensure!(report.run.outcome.exit_code() == 0, "{:?}", report.error);
            let begun = Instant::now();
            bare.run().await?;
            if index >= 100 {
                ours.push(took);
                theirs.push(begun.elapsed());
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        Ok(Comparison {
            title: "An empty run in a fresh instance, in-process".into(),
            aim: "at most 60 us, median".into(),
            method: format!(
                "{RUNS} runs of the fixture `empty`, each in a fresh instance from a pool: parameters, grants, store, \
                 deadline, call, report. Beside it the same component in wasmtime alone: a store, an instance, a call. \
                 Ours is {:.2} times the bare time.",
                ratio(ours, theirs)
            ),
            met: ours <= Duration::from_micros(60),
            times: vec![("Taskhost".into(), ours), ("wasmtime alone".into(), theirs)],
            rounds: RUNS,
            missed: String::new(),
        })
    })
}

pub(super) fn request() -> Request {
    Request {
        task: None,
        mode: Mode::Perform,
        arguments: vec![],
        grants: Grants::default(),
        budgets: Budgets::default(),
        timeout: Duration::from_secs(10),
        memory: None,
        observer: Arc::new(|_| {}),
        cancel: tokio_util::sync::CancellationToken::new(),
    }
}

struct Bare {
    engine: Engine,
    pre: bindings::PluginPre<()>,
}

impl Bare {
    fn new(plugin: &Path) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model_async(true).allocation_strategy(InstanceAllocationStrategy::pooling());
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, plugin)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component)?;
        let pre = bindings::PluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    async fn run(&self) -> anyhow::Result<()> {
        let mut store = Store::new(&self.engine, ());
        let plugin = self.pre.instantiate_async(&mut store).await?;
        let returned = store
            .run_concurrent(async |accessor| plugin.taskhost_host_task().call_run(accessor, vec![]).await)
            .await??;
        anyhow::ensure!(returned.is_ok(), "the plugin failed");
        Ok(())
    }
}
