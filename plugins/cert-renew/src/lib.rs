//! Renews a certificate: has it issued, checks what came out, copies it to where servers read it, restarts them, and looks
//! whether they present it. What does not end well is put back.
//!
//! It must never copy what was not checked, restart before both files are there, leave a key wider open than it was, or
//! show one.

mod due;
mod judge;
mod pair;
mod place;
mod renewal;
mod said;
mod server;
mod trouble;

use std::time::{SystemTime, UNIX_EPOCH};

use taskhost_sdk::command::Template;
use taskhost_sdk::prelude::*;

use place::Place;
use renewal::Renewal;
use server::Server;

const RENEW: command::Slot = command::Slot::new("renew", "a template of it has the certificate issued").run();
const ISSUED: files::Slot =
    files::Slot::new("issued", "where the issued certificate and key are put, and the files that links there lead to")
        .read();
const INSTALLED: files::Slot =
    files::Slot::new("installed", "where servers read certificate and key: both are replaced").write();
const SERVER: docker::Slot =
    docker::Slot::new("server", "its containers are restarted when both files are there").control().optional();
const ENDPOINT: tls::Slot =
    tls::Slot::new("endpoint", "must present the new certificate after the restart").connect().optional();

/// Seconds of a day.
const DAY: i64 = 86_400;

#[derive(Parameters)]
struct Options {
    /// The template of `renew` that has the certificate issued, such as certbot renew.
    #[parameter(default = "renew")]
    template: String,
    /// The directory below `issued` with fullchain.pem and privkey.pem, as in live/example.org.
    #[parameter(default = "")]
    lineage: String,
    /// The file of the certificate's chain, in `installed`.
    #[parameter(default = "fullchain.pem")]
    certificate: String,
    /// The file of the private key, in `installed`.
    #[parameter(default = "privkey.pem")]
    key: String,
    /// Renew what is valid for no longer.
    #[parameter(default = "30d", min = "1h", max = "3650d")]
    renew_before: Duration,
    /// What the certificate must be valid for; none means all that the installed one is valid for.
    #[parameter(default = "")]
    names: Vec<String>,
    /// Take a certificate of a staging issuer, or a self-signed one, too.
    #[parameter(default = false)]
    staging: bool,
    /// Refuse a chain that does not hold the issuer of its first certificate.
    #[parameter(default = true)]
    require_issuer: bool,
    /// Containers to restart, in their order.
    #[parameter(default = "")]
    containers: Vec<String>,
    /// The name to ask the endpoint for, where it is granted as an address.
    server_name: Option<String>,
    /// How long it may take until the endpoint presents the new certificate.
    #[parameter(default = "30s", min = "1s", max = "10m")]
    settle: Duration,
    /// How long a container has to stop when it is restarted.
    #[parameter(default = "10s", min = "1s", max = "10m")]
    grace: Duration,
}

#[task(
    summary = "renews a certificate, checks and installs it, restarts what serves it, and puts it back when that fails",
    slots = [RENEW, ISSUED, INSTALLED, SERVER, ENDPOINT]
)]
async fn cert_renew(options: Options) -> Result<String> {
    let template = offered(&RENEW.templates()?, &options.template).map_err(Failure::invalid)?;
    let server = Server::open(
        (&ENDPOINT, options.server_name.as_ref()),
        (&SERVER, &options.containers),
        (options.grace, options.settle),
    )?;
    let lineage = options.lineage.trim_end_matches('/');
    let below = |name: &str| if lineage.is_empty() { name.to_owned() } else { format!("{lineage}/{name}") };
    let issued = Place { directory: ISSUED.open()?, certificate: below("fullchain.pem"), key: below("privkey.pem") };
    let installed = Place { directory: INSTALLED.open()?, certificate: options.certificate, key: options.key };
    if installed.certificate == installed.key {
        return Err(Failure::invalid("certificate and key are one file; name two"));
    }
    server.check().await?;
    if !installed.fits().await? {
        return Ok("not begun: the installed files are not as they must be".into());
    }
    let renewal = Renewal {
        command: RENEW.template(&template),
        issued,
        installed,
        server,
        settings: judge::Settings {
            names: &options.names,
            staging: options.staging,
            require_issuer: options.require_issuer,
            now: now(),
        },
        before: i64::try_from(options.renew_before.as_secs()).unwrap_or(i64::MAX),
    };
    renewal.run().await
}

/// The template's name, if it can be run as it is.
fn offered(templates: &[Template], name: &str) -> Result<String, String> {
    let Some(template) = templates.iter().find(|one| one.name == name) else {
        let known = templates.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no template `{name}`; there are {known}; add template=NAME"));
    };
    if !template.granted {
        return Err(format!("template `{name}` is not granted; add `,run` to --command renew=..."));
    }
    match template.placeholders.iter().find(|one| one.required) {
        Some(one) => Err(format!("template `{name}` needs a value for `{}`; write it down whole", one.name)),
        None => Ok(name.into()),
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The bytes of a fixture that the crate of certificates has.
#[cfg(test)]
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../sdk/shared/certificates/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The pair of a certificate alone and a key.
#[cfg(test)]
fn pair(certificate: &str, key: &str) -> pair::Pair {
    chain(&[&format!("{certificate}.pem")], key)
}

/// The pair of several certificates and a key.
#[cfg(test)]
fn chain(files: &[&str], key: &str) -> pair::Pair {
    pair::Pair::read(files.iter().flat_map(|file| bytes(file)).collect(), bytes(key)).unwrap()
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::command::{Impact, Placeholder};

    use super::*;

    #[test]
    fn a_template_is_one_that_can_be_run_as_it_is() {
        let template = |name: &str, granted, required| Template {
            name: name.into(),
            summary: String::new(),
            impact: Impact::Change,
            placeholders: vec![Placeholder { name: "domain".into(), kind: "name".into(), required }],
            granted,
        };
        let templates =
            [template("renew", true, false), template("closed", false, false), template("open", true, true)];
        assert_eq!(offered(&templates, "renew").as_deref(), Ok("renew"));
        for (name, said) in [
            ("certbot", "there is no template `certbot`; there are renew, closed, open"),
            ("closed", "add `,run`"),
            ("open", "needs a value for `domain`"),
        ] {
            let message = offered(&templates, name).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
    }
}
