//! From a file to a plugin: find, read, digest, compile or take from the cache, describe.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::bindings::PluginPre;
use super::cache::{self, Cache};
use super::describe::{DescribeLimits, NoDescription, describe, first_line};
use super::error::{LoadError, nearest_word};
use super::store::{self, Ctx};
use super::{Description, error::RequestError};
use crate::capability::{self, Shared};
use crate::policy::text::clean_line;
use crate::policy::units::{Seconds, Size};
use crate::report::PluginId;

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Where compiled plugins are kept; none for the user's cache directory.
    pub cache: Option<PathBuf>,
    /// Keep memory for so many runs at once, so that an instance is made faster. For long-lived hosts.
    pub pooled: Option<u32>,
    /// How long a plugin may take to compile. What takes longer is given up, and the thread that is at it with the
    /// process.
    pub compile_timeout: Duration,
    /// What `describe` may take.
    pub describe: DescribeLimits,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { cache: None, pooled: None, compile_timeout: COMPILE_TIMEOUT, describe: DescribeLimits::default() }
    }
}

/// Enough for an interpreter of forty million bytes on two slow cores. A file of a few hundred kilobytes can be made to
/// take minutes.
const COMPILE_TIMEOUT: Duration = Duration::from_mins(2);

/// The engine and what all runs of this process share. Make one, and load plugins with it.
pub struct Host {
    pub(super) engine: Engine,
    cache: Option<Cache>,
    compile_timeout: Duration,
    describe: DescribeLimits,
    pub(super) shared: Shared,
}

/// A loaded plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    description: Description,
    digest: String,
    size: u64,
    imports: Vec<String>,
    component: Component,
    /// One a set of linked rooms; nearly always there is one.
    linked: Mutex<Vec<(BTreeSet<String>, PluginPre<Ctx>)>>,
}

/// The most bytes of a plugin's file. An interpreter with its library has some forty million.
const SIZE_LIMIT: u64 = 256 << 20;
/// Bytes of the name of an import that are shown.
const IMPORT_LIMIT: usize = 300;

/// How often running guests are interrupted to let others run and deadlines be seen.
const TICK: Duration = Duration::from_millis(10);

impl Host {
    /// Sets up the engine.
    ///
    /// # Errors
    /// A machine on which wasmtime cannot run.
    pub fn new(config: HostConfig) -> wasmtime::Result<Self> {
        let mut settings = Config::new();
        settings.wasm_component_model_async(true).epoch_interruption(true);
        // What no compiler for wasm32-wasip2 uses is no way in.
        settings.wasm_memory64(false).wasm_gc(false).wasm_function_references(false).wasm_exceptions(false);
        if let Some(instances) = config.pooled {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(instances)
                .total_core_instances(instances.saturating_mul(8))
                .total_memories(instances.saturating_mul(2))
                .total_tables(instances.saturating_mul(8))
                .total_stacks(instances.saturating_mul(4));
            settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        let engine = Engine::new(&settings)?;
        let weak = engine.weak();
        std::thread::Builder::new().name("ticker".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        let cache = config.cache.or_else(cache::default_root).and_then(|root| Cache::open(&root, &engine));
        let HostConfig { compile_timeout, describe, .. } = config;
        Ok(Self { engine, cache, compile_timeout, describe, shared: Shared::default() })
    }

    /// Reads, compiles and describes a plugin.
    ///
    /// # Errors
    /// A file that is missing or no plugin; each says what it is instead.
    pub async fn load(&self, path: &Path) -> Result<Plugin, LoadError> {
        let bytes = read(path).await?;
        let digest = format!("sha256:{}", hex(&Sha256::digest(&bytes)));
        let size = bytes.len() as u64;
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&self.engine, &digest));
        let (component, description) = match cached {
            Some(cached) => cached,
            None => self.compile(path, bytes, &digest).await?,
        };
        let imports =
            component.component_type().imports(&self.engine).map(|(name, _)| clean_line(name, IMPORT_LIMIT)).collect();
        Ok(Plugin(Arc::new(Inner { description, digest, size, imports, component, linked: Mutex::default() })))
    }

    async fn compile(&self, path: &Path, bytes: Vec<u8>, digest: &str) -> Result<(Component, Description), LoadError> {
        let path = path.to_owned();
        if !is_component(&bytes) {
            return Err(if bytes.starts_with(b"\0asm\x01\0\0\0") {
                LoadError::CoreModule { path }
            } else {
                LoadError::NotAComponent { path, reason: "it does not begin as one".into() }
            });
        }
        if is_cut_short(&bytes) {
            let reason = "it ends in the middle of a section; the file was cut short, copy or build it again".into();
            return Err(LoadError::NotAComponent { path, reason });
        }
        let engine = self.engine.clone();
        let compiling = tokio::task::spawn_blocking(move || Component::from_binary(&engine, &bytes));
        let Ok(compiled) = tokio::time::timeout(self.compile_timeout, compiling).await else {
            return Err(LoadError::SlowToCompile { path, limit: Seconds(self.compile_timeout.as_secs()) });
        };
        let component = match compiled {
            Ok(Ok(component)) => component,
            Ok(Err(error)) => return Err(LoadError::NotAComponent { path, reason: first_line(&error) }),
            Err(error) => return Err(LoadError::NotAComponent { path, reason: error.to_string() }),
        };
        let description = match describe(&self.engine, &component, self.describe).await {
            Ok(description) => description,
            Err(NoDescription::OtherWorld(reason)) => return Err(LoadError::OtherWorld { path, reason }),
            Err(NoDescription::Failed(reason)) => return Err(LoadError::Describe { path, reason }),
        };
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(digest, &component, &description)
        {
            tracing::warn!("the compiled plugin could not be kept: {error}");
        }
        Ok((component, description))
    }
}

impl Plugin {
    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// SHA-256 of its file: `sha256:` and lower-case hex.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// As a report names it.
    pub fn id(&self) -> PluginId {
        let Description { name, version, .. } = self.description();
        PluginId { name: name.clone(), version: version.clone(), digest: self.digest().into() }
    }

    /// Bytes of its file.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The interfaces it imports.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// The component, linked with the capabilities named and no other.
    pub(super) fn linked(&self, host: &Host, capabilities: &BTreeSet<String>) -> Result<PluginPre<Ctx>, RequestError> {
        let mut linked = self.0.linked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pre)) = linked.iter().find(|(rooms, _)| rooms == capabilities) {
            return Ok(pre.clone());
        }
        let refused = |error: wasmtime::Error| RequestError(vec![self.unlinked(&error)]);
        let mut linker = Linker::new(&host.engine);
        store::link(&mut linker).map_err(refused)?;
        super::sockets::link(&mut linker, &host.engine, &self.0.component).map_err(refused)?;
        capability::link(&mut linker, capabilities).map_err(refused)?;
        let pre = linker.instantiate_pre(&self.0.component).and_then(PluginPre::new).map_err(refused)?;
        linked.push((capabilities.clone(), pre.clone()));
        Ok(pre)
    }

    /// Why the component could not be linked, by what it imports.
    fn unlinked(&self, error: &wasmtime::Error) -> String {
        let name = &self.0.description.name;
        let foreign = self.0.imports.iter().find(|import| {
            let own = import.strip_prefix("taskhost:host/").and_then(|rest| rest.split('@').next());
            match own {
                Some("report" | "task") => false,
                Some(room) => !self.0.description.slots.iter().any(|slot| slot.capability == room),
                None => import.starts_with("wasi:http") || !import.starts_with("wasi:"),
            }
        });
        match foreign {
            Some(import) if import.starts_with("taskhost:host/") => format!(
                "{name} imports {import} and declares no slot for it: what has no slot cannot be granted; \
                 its author must add one"
            ),
            Some(import) => {
                format!("{name} imports {import}, which no plugin is given; it reaches the world through slots only")
            }
            None => format!("{name} cannot be linked: {}", first_line(error)),
        }
    }
}

/// The file of the plugin that `name` means: a path, or a name on the plugin path.
///
/// # Errors
/// A name that is in none of `directories`.
pub fn find(name: &str, directories: &[PathBuf]) -> Result<PathBuf, LoadError> {
    let path = Path::new(name);
    if is_path(name) && path.is_file() {
        return Ok(path.into());
    }
    if is_path(name) {
        return Err(LoadError::Unreadable { path: path.into(), error: std::io::ErrorKind::NotFound.into() });
    }
    let found = directories.iter().map(|directory| directory.join(format!("{name}.wasm"))).find(|path| path.is_file());
    found.ok_or_else(|| {
        let known: Vec<String> = directories.iter().flat_map(|directory| names(directory)).collect();
        let nearest = nearest_word(name, known.iter().map(String::as_str)).map(String::from);
        LoadError::Unknown { name: name.into(), nearest, searched: directories.to_vec() }
    })
}

/// Whether a plugin is meant by its path, not by its name.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "wasm")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".wasm")?.to_owned())).collect()
}

/// The file, whole. What is compiled is what was digested, whatever becomes of the file meanwhile.
async fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: path.into(), error };
    // A pipe or a device could be read for ever.
    if !tokio::fs::metadata(path).await.map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is no plain file")));
    }
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(LoadError::TooLarge { path: path.into(), limit: Size(SIZE_LIMIT) });
    }
    Ok(bytes)
}

/// Whether `bytes` begin as a component's binary does: the magic, and layer 1.
fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") && bytes.get(6..8) == Some(&[1, 0])
}

/// Whether the last section of a binary says that it is longer than what is there.
fn is_cut_short(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((_, section)) = rest.split_first() {
        let Some((length, contents)) = leb128(section) else { return true };
        let Some(next) = contents.get(length..) else { return true };
        rest = next;
    }
    false
}

/// An unsigned 32-bit number in LEB128, and what follows it; none where it does not end.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (digits, rest) = bytes.split_at(end + 1);
    let number = digits.iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((usize::try_from(number).ok()?, rest))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_short_is_told_from_a_whole_one() {
        let whole = *b"\0asm\x0d\0\x01\0\x00\x03abc\x00\x81\x00d";
        assert!(is_component(&whole));
        for length in [8, 13, whole.len()] {
            assert!(!is_cut_short(&whole[..length]), "{length}");
        }
        for length in [9, 10, 12, 14, 15, 16] {
            assert!(is_cut_short(&whole[..length]), "{length}");
        }
    }
}
