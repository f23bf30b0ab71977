//! The `cert-check` plugin: looks at certificates in files and at endpoints, and says what is wrong with them or soon
//! will be. See README.md for what is checked. Everything but `task` is pure, and tested without a host.

pub mod checks;
pub mod finding;
pub mod survey;
mod task;

/// The bytes of a fixture that the crate of certificates has.
#[cfg(test)]
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../sdk/shared/certificates/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The first certificate of one.
#[cfg(test)]
fn fixture(name: &str) -> certificates::Certificate {
    let contents = certificates::container::read(&bytes(&format!("{name}.pem")), &[]);
    contents.certificates.into_iter().next().unwrap()
}

/// The cases read nothing outside of the plugin's directory.
#[test]
fn the_fixtures_of_the_cases_are_those_of_the_crate() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes(name), "{name}: make.sh there copies it");
    }
}
