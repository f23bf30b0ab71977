//! Asks a component what it is, trusting nothing: every import traps, time and memory are short.

use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use super::bindings::PluginPre;
use super::description::Description;
use super::limits::Limits;

/// How long, and with how much memory, a plugin may take to describe itself.
#[derive(Clone, Copy, Debug)]
pub struct DescribeLimits {
    /// Wall-clock time.
    pub timeout: Duration,
    /// Bytes of linear memory.
    pub memory: u64,
}

impl Default for DescribeLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(100), memory: 16 << 20 }
    }
}

/// Why a component has no description.
pub(super) enum NoDescription {
    /// It does not export what a plugin exports.
    OtherWorld(String),
    /// It does, and asking failed.
    Failed(String),
}

/// Calls `describe` in a store of its own.
pub(super) async fn describe(
    engine: &Engine,
    component: &Component,
    allowed: DescribeLimits,
) -> Result<Description, NoDescription> {
    let failed = |error: wasmtime::Error| NoDescription::Failed(first_line(&error));
    let mut linker: Linker<Limits> = Linker::new(engine);
    for_interpreters(&mut linker, engine, component).map_err(failed)?;
    linker.define_unknown_imports_as_traps(component).map_err(failed)?;
    let pre = linker.instantiate_pre(component).map_err(failed)?;
    let pre = PluginPre::new(pre).map_err(|error| NoDescription::OtherWorld(first_line(&error)))?;
    let mut store = Store::new(engine, Limits::new(allowed.memory));
    store.limiter(|limits| limits);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let asked = async {
        let plugin = pre.instantiate_async(&mut store).await?;
        plugin.taskhost_host_task().call_describe(&mut store).await
    };
    let raw = match tokio::time::timeout(allowed.timeout, asked).await {
        Ok(Ok(raw)) => raw,
        Ok(Err(_)) if store.data().memory_refused => {
            return Err(NoDescription::Failed(format!(
                "`describe` wants more than {}; raise it with --describe-memory",
                crate::policy::units::Size(allowed.memory)
            )));
        }
        Ok(Err(error)) => {
            return Err(NoDescription::Failed(format!(
                "`describe` trapped ({}); it must not call anything",
                super::run::trap_reason(&error)
            )));
        }
        Err(_) => {
            return Err(NoDescription::Failed(format!(
                "`describe` did not return within {} ms; raise it with --describe-timeout",
                allowed.timeout.as_millis()
            )));
        }
    };
    Description::check(raw).map_err(|reason| {
        // It quotes what is refused.
        let reason = crate::policy::text::clean_line(&reason, 1000);
        NoDescription::Failed(format!("`describe` returned nonsense: {reason}"))
    })
}

/// The most random bytes that are handed out at once.
const MOST_BYTES: u64 = 4096;

/// What an interpreter asks for before the plugin's own code begins: an environment, which is empty, and random numbers
/// for its hash tables, which are always the same. So a description depends on the plugin alone. Nothing else is answered.
fn for_interpreters(linker: &mut Linker<Limits>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    let kind = component.component_type();
    for (name, _) in kind.imports(engine) {
        match name.rsplit_once("@0.2.").map(|(interface, _)| interface) {
            Some("wasi:cli/environment") => {
                let mut environment = linker.instance(name)?;
                environment.func_wrap("get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
                environment.func_wrap("get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
                environment.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))?;
            }
            Some("wasi:random/random") => {
                let mut random = linker.instance(name)?;
                random.func_wrap("get-random-u64", |_, (): ()| Ok((0_u64,)))?;
                random.func_wrap("get-random-bytes", |_, (length,): (u64,)| {
                    let length = usize::try_from(length.min(MOST_BYTES))?;
                    Ok((vec![0_u8; length],))
                })?;
            }
            Some("wasi:random/insecure-seed") => {
                linker.instance(name)?.func_wrap("insecure-seed", |_, (): ()| Ok(((0_u64, 0_u64),)))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The root of an error, on one line.
pub(super) fn first_line(error: &wasmtime::Error) -> String {
    crate::policy::text::clean_line(error.root_cause().to_string().lines().next().unwrap_or_default(), 300)
}
