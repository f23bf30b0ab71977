//! Certificates and private keys as files and endpoints have them: what they say, how they hang together, and whether a
//! key is a certificate's. Pure. It keeps no private key: of each, only the public half leaves [`container::read`].

pub mod certificate;
pub mod chain;
pub mod container;
pub mod key;
pub mod name;
pub mod signature;
pub mod words;

pub use certificate::Certificate;

/// A certificate of the directory `fixtures`.
#[cfg(test)]
fn fixture(name: &str) -> Certificate {
    let path = format!("{}/fixtures/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let contents = container::read(&std::fs::read(path).unwrap(), &[]);
    contents.certificates.into_iter().next().unwrap()
}
