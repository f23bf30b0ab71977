//! A world for `cert-renew`: certbot's directories, a script in certbot's place, the directory of a server, and a server of
//! the test's own that presents what it is told to.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;
use taskhost_tests::certificates::{Authority, Leaf};
use taskhost_tests::{Host, Output, host};

pub(crate) const NAME: &str = "www.example.org";

/// Does what certbot does: new files in archive/, and links in live/ that lead to them.
const CERTBOT: &str = r#"#!/bin/sh
echo "$*" >> done
if [ -f fails ]; then cat fails >&2; exit 1; fi
[ -d next ] || exit 0
for name in fullchain privkey; do
    cp "next/$name.pem" "letsencrypt/archive/www.example.org/${name}2.pem"
    ln -sf "../../archive/www.example.org/${name}2.pem" "letsencrypt/live/www.example.org/$name.pem"
done
"#;

const TEMPLATES: &str = "[template.renew]\nargv = [\"./certbot\", \"renew\"]\n";

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) root: Authority,
    pub(crate) signing: Authority,
}

impl World {
    /// What is installed, and issued by certbot, ends in so many days.
    pub(crate) fn new(days: i64) -> Self {
        let root = Authority::root("Example Root").unwrap();
        let signing = root.intermediate("Example Signing").unwrap();
        let world = Self { directory: tempfile::tempdir().unwrap(), root, signing };
        for directory in ["letsencrypt/live/www.example.org", "letsencrypt/archive/www.example.org", "ssl"] {
            std::fs::create_dir_all(world.path(directory)).unwrap();
        }
        let old = world.leaf(days);
        for (name, text) in [("fullchain", world.chain(&old)), ("privkey", old.key)] {
            let archived = format!("letsencrypt/archive/www.example.org/{name}1.pem");
            world.write(&archived, &text, if name == "privkey" { 0o600 } else { 0o644 });
            let link = world.path(&format!("letsencrypt/live/www.example.org/{name}.pem"));
            symlink(format!("../../archive/www.example.org/{name}1.pem"), link).unwrap();
            world.write(&format!("ssl/{name}.pem"), &text, if name == "privkey" { 0o600 } else { 0o644 });
        }
        world.write("certbot", CERTBOT, 0o755);
        world.write("templates.toml", TEMPLATES, 0o644);
        world.write("root.pem", world.root.pem(), 0o644);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The text of a file; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        self.path(name).symlink_metadata().unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn leaf(&self, days: i64) -> Leaf {
        self.signing.leaf(&[NAME, "127.0.0.1"], -60, days).unwrap()
    }

    pub(crate) fn chain(&self, leaf: &Leaf) -> String {
        format!("{}{}", leaf.certificate, self.signing.pem())
    }

    /// What the script will issue.
    pub(crate) fn next(&self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
        self.write("next/fullchain.pem", chain, 0o644);
        self.write("next/privkey.pem", key, 0o600);
    }

    /// A good one that it will issue.
    pub(crate) fn next_of(&self, days: i64) -> Leaf {
        let leaf = self.leaf(days);
        self.next(self.chain(&leaf), &leaf.key);
        leaf
    }

    pub(crate) fn installed(&self) -> [String; 2] {
        [self.text("ssl/fullchain.pem"), self.text("ssl/privkey.pem")]
    }

    pub(crate) fn pair(&self, leaf: &Leaf) -> [String; 2] {
        [self.chain(leaf), leaf.key.clone()]
    }

    pub(crate) fn kept(&self) -> [String; 2] {
        [self.text("ssl/fullchain.pem.previous"), self.text("ssl/privkey.pem.previous")]
    }

    /// With all grants but those of docker and tls.
    pub(crate) fn host(&self, mode: &str, arguments: &[&str]) -> Host {
        let place = self.directory.path().display();
        let unless_given = |name: &str, argument: &'static str| {
            arguments.iter().all(|given| !given.starts_with(name)).then_some(argument)
        };
        host()
            .args([mode, "cert-renew", "lineage=live/www.example.org"])
            .args(["--command", &format!("renew={place},run,templates={place}/templates.toml")])
            .args(["--files", &format!("issued={place}/letsencrypt")])
            .args(["--files", &format!("installed={place}/ssl,write")])
            .args(unless_given("settle=", "settle=1s"))
            .args(unless_given("--format=", "--format=json"))
            .args(arguments.iter().copied())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.quiet(self.host("run", arguments).run())
    }

    /// No line of any key is in what the run left.
    #[track_caller]
    pub(crate) fn quiet(&self, output: Output) -> Output {
        for name in ["ssl/privkey.pem", "next/privkey.pem", "letsencrypt/archive/www.example.org/privkey1.pem"] {
            let key = self.text(name);
            for line in key.lines().filter(|line| line.len() > 20 && !line.starts_with("-----")) {
                assert!(!output.stdout.contains(line) && !output.stderr.contains(line), "{name} is shown: {output}");
            }
        }
        output
    }

    /// The slot of an endpoint that trusts the world's root.
    pub(crate) fn endpoint(&self, port: u16) -> String {
        format!("endpoint=127.0.0.1:{port},ca={}", self.path("root.pem").display())
    }

    /// Everything below, with modes: to be compared.
    pub(crate) fn all(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        fn walk(directory: &Path, all: &mut Vec<(PathBuf, u32, Vec<u8>)>) {
            for entry in directory.read_dir().unwrap().map(Result::unwrap) {
                let (path, meta) = (entry.path(), entry.path().symlink_metadata().unwrap());
                if meta.is_dir() {
                    walk(&path, all);
                    continue;
                }
                let content = match std::fs::read_link(&path) {
                    Ok(target) => target.into_os_string().into_encoded_bytes(),
                    Err(_) => std::fs::read(&path).unwrap(),
                };
                all.push((path, meta.permissions().mode(), content));
            }
        }
        let mut all = Vec::new();
        walk(self.directory.path(), &mut all);
        all.sort();
        all
    }
}

/// Serves on a free port of the loopback until the test ends: for each connection `choose` says which files it presents, or
/// nothing, for something that is no TLS.
pub(crate) fn serve(choose: impl FnMut() -> Option<[String; 2]> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut choose = choose;
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            match choose().and_then(|[chain, key]| config(&chain, &key)) {
                // A client that only looks may go away before the end.
                Some(config) => {
                    if let Ok(mut connection) = ServerConnection::new(config) {
                        let _ = connection.complete_io(&mut stream);
                    }
                }
                None => drop(stream.write_all(b"220 hello\r\n")),
            }
        }
    });
    port
}

/// None where a server would not start: the key is not that of the certificate.
fn config(chain: &str, key: &str) -> Option<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    config.with_no_client_auth().with_single_cert(chain, key).ok().map(Arc::new)
}

/// What a server reads that watches its files.
pub(crate) fn watched(world: &World) -> impl FnMut() -> Option<[String; 2]> + Send + 'static {
    let directory = world.path("ssl");
    move || {
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
        Some([read("fullchain.pem")?, read("privkey.pem")?])
    }
}

/// Severity, subject and title of what was found.
pub(crate) fn found(report: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let one = |finding: &Value| ["severity", "subject", "title"].map(|key| text(finding, key)).join(" | ");
    report["findings"].as_array().unwrap().iter().map(one).collect()
}

pub(crate) fn summary(report: &Value) -> &str {
    report["summary"].as_str().unwrap()
}
