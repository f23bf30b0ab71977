//! Which packages a project is pinned to, and how their versions compare: what plugins share that look after
//! dependencies.
//!
//! [`read`] makes a list of packages from the bytes of a lockfile or a bill of materials; [`survey`] does so for a
//! directory behind a slot. [`Version`] compares by the ecosystem's own rules. [`Exception`] is what an operator lets
//! pass until a day.
//!
//! Files are what strangers wrote. Whatever is in one, reading it ends with packages and [`Problem`]s, in memory that is
//! a small multiple of the file's size: it must never panic, run anything, or take a package to be there that a file
//! does not pin.

pub mod bounded;
mod cargo;
mod debian;
mod ecosystem;
mod exception;
mod file;
mod golang;
mod npm;
mod pnpm;
mod purl;
mod python;
mod requirements;
mod sbom;
pub mod survey;
mod tables;
mod version;
mod yarn;

pub use ecosystem::Ecosystem;
pub use exception::{Exception, Exceptions, rfc3339};
pub use file::{Contents, Format, Package, Problem, read};
pub use time::{Date, OffsetDateTime};
pub use version::{Jump, Version};
