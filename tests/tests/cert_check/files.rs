//! Certificates in files.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;
use taskhost_tests::Host;
use taskhost_tests::certificates::Authority;

use super::{Found, cert_check, expected, findings};

/// Two authorities, and a directory of what they issued.
struct World {
    directory: tempfile::TempDir,
    root: Authority,
    signing: Authority,
}

impl World {
    fn new() -> Self {
        let root = Authority::root("Example Root").unwrap();
        let signing = root.intermediate("Example Signing").unwrap();
        Self { directory: tempfile::tempdir().unwrap(), root, signing }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A chain of a leaf and its issuer, and the leaf's key.
    fn chain(&self, name: &str, from_day: i64, to_day: i64) -> (String, String) {
        let leaf = self.signing.leaf(&[name], from_day, to_day).unwrap();
        (leaf.certificate + self.signing.pem(), leaf.key)
    }

    fn host(&self) -> Host {
        cert_check().args(["--files", &format!("certs={}", self.directory.path().display())])
    }

    fn report(&self, code: i32, arguments: &[&str]) -> Value {
        self.host().args(["--format=json"]).args(arguments.iter().copied()).run().expect_code(code).report()
    }
}

/// What `sdk/shared/certificates/fixtures/make.sh` made with OpenSSL; it is valid for a hundred years.
fn made_with_openssl(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/shared/certificates/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_file_alone_is_found_to_be_what_it_is() {
    let world = World::new();
    let absent = world.root.intermediate("Example Absent").unwrap();
    let (good, key) = world.chain("www.example.org", -10, 80);
    let (_, other_key) = world.chain("other.example.org", -10, 80);
    let leaf =
        |to_day| world.signing.leaf(&["www.example.org"], -90, to_day).unwrap().certificate + world.signing.pem();
    let cut_off = absent.leaf(&["shop.example.org"], -10, 80).unwrap().certificate;
    let reversed = {
        let leaf = world.signing.leaf(&["www.example.org"], -10, 80).unwrap();
        format!("{}{}", world.signing.pem(), leaf.certificate)
    };
    let truncated = &good[..good.len() - 200];
    let both = format!("{good}{key}");
    let wrong = format!("{good}{other_key}");
    let early = world.chain("www.example.org", 5, 90).0;
    let p12 = ["modern.p12", "legacy.p12", "locked.p12"].map(made_with_openssl);
    let cases: [(&str, Vec<u8>, i32, Found); 20] = [
        ("good.pem", good.clone().into(), 0, &[]),
        ("with-key.pem", both.into(), 0, &[]),
        ("other-key.pem", wrong.into(), 2, &[("critical", "key does not match")]),
        ("month.crt", leaf(31).into(), 0, &[]),
        ("soon.crt", leaf(12).into(), 1, &[("warning", "expires soon")]),
        ("week.cer", leaf(7).into(), 1, &[("warning", "expires soon")]),
        ("days.cer", leaf(6).into(), 2, &[("critical", "expires soon")]),
        ("expired.pem", leaf(-40).into(), 2, &[("critical", "expired")]),
        ("early.pem", early.into(), 1, &[("warning", "not yet valid")]),
        ("reversed.pem", reversed.into(), 1, &[("warning", "chain out of order")]),
        ("alone.pem", cut_off.clone().into(), 1, &[("warning", "missing intermediate")]),
        (
            "broken.pem",
            [cut_off.as_bytes(), world.signing.pem().as_bytes()].concat(),
            1,
            &[("warning", "missing intermediate")],
        ),
        (
            "truncated.pem",
            truncated.into(),
            1,
            &[("warning", "damaged certificate"), ("warning", "missing intermediate")],
        ),
        ("empty.pem", b"".into(), 1, &[("warning", "no certificate")]),
        ("garbage.pem", b"\x7fELF\0\0\xff\xfe".into(), 1, &[("warning", "no certificate")]),
        ("garbage.der", b"\x30\x82\x05\x00nothing".into(), 1, &[("warning", "damaged certificate")]),
        ("modern.p12", p12[0].clone(), 0, &[]),
        ("legacy.pfx", p12[1].clone(), 0, &[]),
        ("locked.p12", p12[2].clone(), 1, &[("warning", "locked")]),
        ("whatever.txt", b"nothing that is looked at".into(), 0, &[]),
    ];
    for (name, bytes, code, found) in cases {
        let alone = World::new();
        alone.write(name, bytes);
        let found: Vec<_> = found.iter().map(|(severity, title)| (*severity, name, *title)).collect();
        let mut told = findings(&alone.report(code, &[]));
        for (_, subject, _) in &mut told {
            // The certificate's number is not what this is about.
            subject.truncate(name.len());
        }
        assert_eq!(told, expected(&found), "{name}");
    }
}

#[test]
fn what_lies_beside_and_below_and_behind_links_is_seen_together() {
    let world = World::new();
    let outside = World::new();
    let (good, key) = world.chain("www.example.org", -10, 80);
    let (_, other_key) = world.chain("other.example.org", -10, 80);
    world.write("www/cert.pem", &good);
    world.write("www/privkey.pem", &key);
    world.write("shop/deep/er/shop.pem", world.chain("shop.example.org", -78, 12).0);
    world.write("api.pem", world.chain("api.example.org", -10, 80).0);
    world.write("api.key", &other_key);
    // Its issuer lies in another directory.
    world.write("leaf-only.pem", world.signing.leaf(&["leaf.example.org"], -10, 80).unwrap().certificate);
    world.write("authorities/signing.pem", world.signing.pem());
    world.write("store/locked.p12", made_with_openssl("locked.p12"));
    world.write("store/locked.p12.password", "secret\n");
    world.write("store/big.pem", vec![b'x'; (4 << 20) + 1]);
    outside.write("elsewhere.pem", outside.chain("elsewhere.example.org", -90, -40).0);
    symlink("www/cert.pem", world.path("current.pem")).unwrap();
    symlink("shop", world.path("linked.pem")).unwrap();
    symlink("no-such-file", world.path("dangling.pem")).unwrap();
    symlink(outside.path("elsewhere.pem"), world.path("outside.pem")).unwrap();
    symlink(outside.directory.path(), world.path("outside")).unwrap();

    let report = world.report(2, &[]);
    let all = expected(&[
        ("critical", "api.pem", "key does not match"),
        ("warning", "dangling.pem", "cannot be read"),
        ("warning", "links", "leads out of the directory"),
        ("warning", "shop/deep/er/shop.pem", "expires soon"),
        ("warning", "store/big.pem", "cannot be read"),
    ]);
    assert_eq!(findings(&report), all);
    assert!(!report.to_string().contains("elsewhere.example.org"), "what lies outside was read");
    assert!(report["effects"].as_array().unwrap().iter().all(|effect| effect["impact"] == "observe"));
    let mended = ["exclude=api.*,dangling.pem,outside.pem,shop,big.pem"];
    assert_eq!(findings(&world.report(0, &mended)), []);
}

#[test]
fn parameters_move_the_bounds() {
    let world = World::new();
    world.write("soon.pem", world.chain("www.example.org", -78, 12).0);
    world.write("alone.txt", world.signing.leaf(&["www.example.org"], -10, 80).unwrap().certificate);
    for (arguments, code, title) in [
        (&["warn-days=12"][..], 0, None),
        (&["warn-days=13"], 1, Some("expires soon")),
        (&["critical-days=13"], 2, Some("expires soon")),
        (&["warn-days=12", "host-name=www.example.org"], 0, None),
        (&["warn-days=12", "host-name=example.org"], 2, Some("wrong host name")),
        (&["pattern=alone.*"], 1, Some("missing intermediate")),
        (&["pattern=alone.*", "require-issuer=false"], 0, None),
        (&["pattern=*.none"], 0, None),
    ] {
        let titles: Vec<_> = findings(&world.report(code, arguments)).into_iter().map(|(_, _, title)| title).collect();
        assert_eq!(titles, title.into_iter().collect::<Vec<_>>(), "{arguments:?}");
    }
    let output = world.host().args(["warn-days=5"]).run().expect_code(3);
    assert!(output.stdout.contains("critical-days=7 is more than warn-days=5"), "{output}");
}

#[test]
fn every_format_tells_the_same() {
    let world = World::new();
    world.write("www.pem", world.chain("www.example.org", -10, 80).0);
    world.write("api.pem", world.chain("api.example.org", -78, 12).0);
    world.write("old.pem", world.chain("old.example.org", -90, -40).0);
    let mut all = String::new();
    for format in ["text", "nagios", "markdown"] {
        let output = world.host().env("USER", "ada").env("LOGNAME", "ada").args([&format!("--format={format}")]).run();
        all += &format!("$ host run cert-check --format {format}\n{}\n", output.expect_code(2).stdout);
    }
    insta::with_settings!({ filters => [
        (r"\d{4}-\d\d-\d\d", "DATE"), (r"Duration: [\d.]+ s", "Duration: N s"), (r"Run [-0-9a-f]+ of", "Run ID of"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
    ] }, { insta::assert_snapshot!(all) });
    assert!(all.matches("old.pem: expired").count() == 3 && all.matches("api.pem: expires soon").count() == 3);
    for heading in [
        "Date:",
        "Maintainer:",
        "Type:",
        "Tasks Completed:",
        "Issues Found:",
        "Performance Metrics:",
        "Next Actions:",
        "Notes:",
    ] {
        assert_eq!(all.lines().filter(|line| line.starts_with(heading)).count(), 1, "{heading}");
    }
    let nagios = all.lines().find(|line| line.starts_with("CERT-CHECK CRITICAL - ")).unwrap();
    let data = nagios.split_once(" | ").unwrap().1;
    for datum in data.split(" '") {
        let (label, value) = datum.trim_start_matches('\'').split_once("'=").unwrap_or_else(|| panic!("{datum}"));
        assert!(!label.is_empty() && value.split(';').next().unwrap().parse::<f64>().is_ok(), "{datum}");
    }
    let report = world.report(2, &[]);
    assert_eq!(report["run"]["outcome"], "critical");
    assert_eq!(report["metrics"].as_array().unwrap().len(), data.split(" '").count());
}
