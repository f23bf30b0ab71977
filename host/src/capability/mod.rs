//! The rooms: what the host can offer to a plugin. Each is one directory of the same five files (see any of them), and
//! one line in `rooms!` below. Rooms never import each other.

pub mod binding;
pub mod command;
pub mod docker;
pub mod files;
pub mod history;
pub mod http;
pub mod load;
pub mod network;
pub mod redis;
pub mod sql;
pub mod state;
pub mod stream;
pub mod system;
pub mod tls;
pub mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::{Schema, SchemaGenerator};
use wasmtime::component::{HasData, Linker, ResourceTable};

pub use binding::{Binding, BindingError, Secret};
pub use load::Load;

use crate::gate::Gate;

/// What every room is.
pub trait Room: Send + Sync + 'static {
    /// The command line's flag, a slot's `capability`, and the interface's name in `wit/`.
    const NAME: &'static str;
    /// The words for access; binding a slot grants the first.
    const ACCESS: &'static [&'static str];
    /// What this room's effects are counted in, for budgets.
    const BUDGETS: &'static [&'static str];
    /// Whether a slot may be bound to several targets, by repeating the flag.
    const SEVERAL_TARGETS: bool = false;
    /// How the target is written, for usage messages.
    const TARGET: &'static str;
    /// A target that is well-formed and stands for nothing: with it, a grant's settings can be checked without the
    /// credential.
    const EXAMPLE: &'static str;
    /// The words of access with which a run can destroy what does not come back.
    const DESTROYS: &'static [&'static str] = &[];
    /// The settings that are paths.
    const PATHS: &'static [&'static str] = &[];
    /// The settings that hold a credential: looked up where they are written `env:NAME` or `file:PATH`, and never shown.
    const SECRETS: &'static [&'static str] = &[];

    /// What an operator bound to a slot. The default grants nothing. Read from a table with `deny_unknown_fields`, in
    /// which `target` is what stands before the first comma of a flag, and `access` a list of words.
    type Grant: Clone + Debug + Default + Send + Sync + serde::de::DeserializeOwned;
    /// What all runs of this process share, such as connection pools.
    type Shared: Default + Send + Sync;
    /// One run's open handles and grants.
    type State: Send;

    /// The words of [`ACCESS`](Self::ACCESS) that the grant holds.
    fn access(grant: &Self::Grant) -> Vec<&'static str>;

    /// What of the grant cannot be told from its form: a target that makes no sense. Pure.
    ///
    /// # Errors
    /// What is wrong and what to write instead, without the target's secrets.
    fn check(grant: &Self::Grant) -> Result<(), String>;

    /// The target with a relative path in it counted from `base`, for targets that are or hold one.
    fn anchored(target: &str, _base: &Path) -> String {
        target.into()
    }

    /// What the account behind a grant can do beyond it: a sentence, without secrets. It is asked of the target itself; a
    /// room whose targets have no accounts asks nobody.
    ///
    /// # Errors
    /// Why it could not be asked.
    fn excess(_grant: &Self::Grant) -> impl Future<Output = Result<Option<String>, String>> + Send {
        async { Ok(None) }
    }

    /// Takes the files that the settings name, and that are settings themselves, into the settings.
    ///
    /// # Errors
    /// A file that cannot be read or makes no sense, with its line.
    fn expand(_settings: &mut toml::Table) -> Result<(), String> {
        Ok(())
    }

    /// Every mistake in the settings that are tables themselves. Pure.
    fn examine(_settings: &toml::Table) -> Vec<Mistake> {
        vec![]
    }

    /// What the grant needs and this machine does not have, and what in it is unwise.
    fn doubts(_grant: &Self::Grant) -> Vec<Doubt> {
        vec![]
    }

    /// The settings as lists of grants show them, where that is not as they are written.
    fn shown(_settings: &toml::Table) -> Option<Vec<String>> {
        None
    }

    /// The JSON Schema of the settings that are tables themselves, by name.
    fn schema(_generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
        vec![]
    }

    /// The state of a new run. Opens nothing.
    fn state(shared: Arc<Self::Shared>, grants: BTreeMap<String, Self::Grant>, run: &RunContext) -> Self::State;

    /// Gives the interface to a linker.
    ///
    /// # Errors
    /// A name that is defined twice: a bug.
    fn link<T: Send + 'static>(
        linker: &mut Linker<T>,
        view: fn(&mut T) -> View<'_, Self::State>,
    ) -> wasmtime::Result<()>;

    /// Ends what a run left behind, however the run ended: rolls back, drops scratch databases, removes half-written
    /// files. Called after the store is gone.
    fn finish(state: Self::State) -> impl Future<Output = ()> + Send;
}

/// Something wrong in settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The keys that lead to it, below those of the settings.
    pub keys: Vec<String>,
    /// What it is and what to write instead, without secrets.
    pub message: String,
}

/// Something about a grant that its form does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// A run could not go on without it.
    pub lacking: bool,
    /// What it is, without secrets.
    pub message: String,
}

/// What rooms see of the run they serve.
#[derive(Clone)]
pub struct RunContext {
    /// Every effect goes through here.
    pub gate: Arc<Gate>,
    /// What the operator should know, and is no finding of the plugin's.
    pub notices: Notices,
    /// Counts what calls bring, where they are kept waiting with it.
    pub load: Load,
    /// The task's name.
    pub task: Arc<str>,
}

/// A fault of the host's own. A room wraps what it traps with in it (see [`fault`]); all else that breaks a run is the
/// guest's doing.
#[derive(Debug, thiserror::Error)]
#[error("a fault of the host")]
pub struct HostFault;

/// What a room traps with. A table of handles that is full is no fault of the host's: the guest filled it.
pub fn fault(error: wasmtime::Error) -> wasmtime::Error {
    use wasmtime::component::ResourceTableError;
    match error.downcast_ref() {
        Some(ResourceTableError::Full) => error,
        _ => error.context(HostFault),
    }
}

/// Warnings of the host about the run, each kept once.
#[derive(Clone, Default)]
pub struct Notices(Arc<Mutex<BTreeSet<String>>>);

/// Bytes of one notice.
const NOTICE_LIMIT: usize = 4096;

impl Notices {
    /// Adds one; `notice` must name no secret.
    pub fn add(&self, notice: impl Into<String>) {
        let notice = crate::policy::text::clean_line(&notice.into(), NOTICE_LIMIT);
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.contains(&notice) {
            tracing::warn!("{notice}");
            notices.insert(notice);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A room's state and the run's table of handles, borrowed from the store for one call.
pub struct View<'a, S> {
    /// The room's own state.
    pub state: &'a mut S,
    /// The handles that the guest holds, of all rooms.
    pub table: &'a mut ResourceTable,
}

/// Names the [`View`] of a room to wasmtime; the host traits are implemented on it.
pub struct Data<R>(std::marker::PhantomData<R>);

impl<R: Room> HasData for Data<R> {
    type Data<'a> = View<'a, R::State>;
}

/// The one list of rooms: everything that must know them all is made from it.
macro_rules! rooms {
    ($($field:ident: $room:ty),* $(,)?) => {
        /// What all runs of this process share, by room.
        #[derive(Default)]
        pub struct Shared { $($field: Arc<<$room as Room>::Shared>,)* }

        /// What an operator bound, by room and slot. Empty by default.
        #[derive(Clone, Debug, Default)]
        pub struct Grants { $($field: BTreeMap<String, <$room as Room>::Grant>,)* }

        /// One run's state of every room.
        pub struct States { $($field: <$room as Room>::State,)* }

        /// The rooms' names, words and budgets, for usage and for checking.
        pub const ROOMS: &[RoomWords] = &[$(RoomWords {
            name: <$room>::NAME,
            access: <$room>::ACCESS,
            budgets: <$room>::BUDGETS,
            target: <$room>::TARGET,
            example: <$room>::EXAMPLE,
            several_targets: <$room>::SEVERAL_TARGETS,
            destroys: <$room>::DESTROYS,
            paths: <$room>::PATHS,
            secrets: <$room>::SECRETS,
            anchored: <$room>::anchored,
            examine: <$room>::examine,
            shown: <$room>::shown,
            schema: <$room>::schema,
        },)*];

        impl Grants {
            /// Binds one slot.
            ///
            /// # Errors
            /// A binding that its room does not understand, or that binds a slot again.
            pub fn bind(&mut self, capability: &str, slot: &str, bindings: Vec<Binding>) -> Result<(), BindingError> {
                match capability {
                    $(<$room>::NAME => {
                        let grant: <$room as Room>::Grant = binding::grant::<$room>(slot, bindings)?;
                        self.$field.insert(slot.into(), grant);
                        Ok(())
                    })*
                    _ => Err(BindingError::UnknownCapability { capability: capability.into() }),
                }
            }

            /// The access that `slot` was given, or none when it is not bound in that capability.
            pub fn access(&self, capability: &str, slot: &str) -> Option<Vec<&'static str>> {
                match capability {
                    $(<$room>::NAME => self.$field.get(slot).map(<$room>::access),)*
                    _ => None,
                }
            }

            /// What the account behind a slot's grant can do beyond it; see [`Room::excess`].
            ///
            /// # Errors
            /// Why it could not be asked.
            pub async fn excess(&self, capability: &str, slot: &str) -> Result<Option<String>, String> {
                match capability {
                    $(<$room>::NAME => match self.$field.get(slot) {
                        Some(grant) => <$room>::excess(grant).await,
                        None => Ok(None),
                    },)*
                    _ => Ok(None),
                }
            }

            /// What is to be doubted of a slot's grant, here and now.
            pub fn doubts(&self, capability: &str, slot: &str) -> Vec<Doubt> {
                match capability {
                    $(<$room>::NAME => self.$field.get(slot).map(<$room>::doubts).unwrap_or_default(),)*
                    _ => vec![],
                }
            }

            /// Each bound slot with its capability.
            pub fn slots(&self) -> impl Iterator<Item = (&'static str, &str)> {
                std::iter::empty()$(.chain(self.$field.keys().map(|slot| (<$room>::NAME, slot.as_str()))))*
            }
        }

        impl States {
            /// The states of a new run.
            pub fn new(shared: &Shared, grants: Grants, run: &RunContext) -> Self {
                Self { $($field: <$room>::state(Arc::clone(&shared.$field), grants.$field, run),)* }
            }

            /// Ends what the run left behind, in every room at once.
            pub async fn finish(self) {
                tokio::join!($(<$room>::finish(self.$field)),*);
            }
        }

        /// Gives `linker` the capabilities named, and no other.
        ///
        /// # Errors
        /// A name that is defined twice: a bug.
        pub fn link<T: HasRooms>(linker: &mut Linker<T>, capabilities: &BTreeSet<String>) -> wasmtime::Result<()> {
            $(if capabilities.contains(<$room>::NAME) {
                <$room>::link(linker, |store: &mut T| {
                    let (states, table) = store.rooms();
                    View { state: &mut states.$field, table }
                })?;
            })*
            Ok(())
        }
    };
}

rooms! {
    sql: sql::Sql,
    files: files::Files,
    tls: tls::Tls,
    docker: docker::Docker,
    redis: redis::Redis,
    state: state::State,
    system: system::System,
    http: http::Http,
    command: command::Command,
    history: history::History,
}

/// A room's words.
#[derive(Clone, Copy, Debug)]
pub struct RoomWords {
    /// See [`Room::NAME`].
    pub name: &'static str,
    /// See [`Room::ACCESS`].
    pub access: &'static [&'static str],
    /// See [`Room::BUDGETS`].
    pub budgets: &'static [&'static str],
    /// See [`Room::TARGET`].
    pub target: &'static str,
    /// See [`Room::EXAMPLE`].
    pub example: &'static str,
    /// See [`Room::SEVERAL_TARGETS`].
    pub several_targets: bool,
    /// See [`Room::DESTROYS`].
    pub destroys: &'static [&'static str],
    /// See [`Room::PATHS`].
    pub paths: &'static [&'static str],
    /// See [`Room::SECRETS`].
    pub secrets: &'static [&'static str],
    /// See [`Room::anchored`].
    pub anchored: fn(&str, &Path) -> String,
    /// See [`Room::examine`].
    pub examine: fn(&toml::Table) -> Vec<Mistake>,
    /// See [`Room::shown`].
    pub shown: fn(&toml::Table) -> Option<Vec<String>>,
    /// See [`Room::schema`].
    pub schema: fn(&mut SchemaGenerator) -> Vec<(&'static str, Schema)>,
}

/// The room of that name.
pub fn room(name: &str) -> Option<&'static RoomWords> {
    ROOMS.iter().find(|room| room.name == name)
}

/// A store's data that holds the rooms' states.
pub trait HasRooms: Send + 'static {
    /// The states and the table of handles.
    fn rooms(&mut self) -> (&mut States, &mut ResourceTable);
}
