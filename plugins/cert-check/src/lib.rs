//! The `cert-check` plugin: looks at certificates in files and at endpoints, and says what is wrong with them or soon
//! will be. See README.md for what is checked. Everything but `task` is pure, and tested without a host.

pub mod certificate;
pub mod chain;
pub mod checks;
pub mod container;
pub mod finding;
pub mod key;
pub mod name;
pub mod signature;
pub mod survey;
mod task;

/// A certificate of the directory `fixtures`.
#[cfg(test)]
fn fixture(name: &str) -> certificate::Certificate {
    let path = format!("{}/fixtures/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let contents = container::read(&std::fs::read(path).unwrap(), &[]);
    contents.certificates.into_iter().next().unwrap()
}
