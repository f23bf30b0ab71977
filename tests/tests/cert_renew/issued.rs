//! What came out of the renewal is checked before anything is copied.

use taskhost_tests::certificates::{Authority, Leaf};

use super::world::{NAME, World, found, summary};

/// What the script issues, both PEM.
type Issued = (Vec<u8>, Vec<u8>);

fn of(chain: impl Into<Vec<u8>>, key: &str) -> Issued {
    (chain.into(), key.into())
}

/// One that signed itself.
fn own(name: &str) -> Leaf {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    Leaf { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[test]
fn what_is_not_in_order_is_not_copied() {
    let world = World::new(5);
    let good = world.leaf(89);
    let chain = world.chain(&good);
    let stranger = Authority::root("Example Root").unwrap().intermediate("Example Signing").unwrap();
    let staging = world.root.intermediate("(STAGING) Wannabe Watercress R11").unwrap();
    let staged = staging.leaf(&[NAME, "127.0.0.1"], -1, 89).unwrap();
    let (fewer, late) = (world.signing.leaf(&[NAME], -1, 89).unwrap(), world.leaf(-1));
    let early = world.signing.leaf(&[NAME, "127.0.0.1"], 2, 89).unwrap();
    let (shorter, own) = (world.leaf(3), own(NAME));
    let cases: Vec<(&str, Issued, &[&str])> = vec![
        ("half a certificate", of(&chain.as_bytes()[..300], &good.key), &["damaged certificate"]),
        ("half a chain", of(&chain.as_bytes()[..chain.len() - 80], &good.key), &["damaged certificate"]),
        ("nothing", of("", &good.key), &["no certificate"]),
        ("a page of an error", of("<html>502 Bad Gateway</html>", &good.key), &["no certificate"]),
        ("no key", of(chain.clone(), ""), &["no private key"]),
        ("half a key", of(chain.clone(), &good.key[..60]), &["no private key"]),
        ("another's key", of(chain.clone(), &late.key), &["key does not match"]),
        (
            "the key in the open file",
            of(format!("{chain}{}", good.key), &good.key),
            &["private key in the certificate's file"],
        ),
        ("huge", of(chain.repeat(2_000), &good.key), &["cannot be read"]),
        ("many", of(chain.repeat(20), &good.key), &["too many certificates"]),
        ("a huge key", of(chain.clone(), &good.key.repeat(1_000)), &["cannot be read"]),
        ("without its issuer", of(good.certificate.clone(), &good.key), &["missing intermediate"]),
        (
            "with another's issuer",
            of(format!("{}{}", good.certificate, stranger.pem()), &good.key),
            &["missing intermediate"],
        ),
        ("a name lost", of(world.chain(&fewer), &fewer.key), &["names are missing"]),
        ("expired", of(world.chain(&late), &late.key), &["expired", "not newer"]),
        ("too early", of(world.chain(&early), &early.key), &["not yet valid"]),
        ("ends earlier", of(world.chain(&shorter), &shorter.key), &["not newer"]),
        ("staging", of(format!("{}{}", staged.certificate, staging.pem()), &staged.key), &["staging issuer"]),
        ("self-signed", of(own.certificate.clone(), &own.key), &["names are missing", "self-signed"]),
    ];
    let before = world.installed();
    for (case, (chain, key), titles) in cases {
        world.next(chain, key);
        let report = world.run(&[]).expect_code(2).report();
        let subject = "live/www.example.org/fullchain.pem";
        let expected: Vec<_> = titles.iter().map(|title| format!("critical | {subject} | {title}")).collect();
        assert_eq!(found(&report), expected, "{case}: {report:#}");
        assert!(summary(&report).starts_with("not installed: "), "{case}: {report:#}");
        assert_eq!((world.installed(), world.kept()), (before.clone(), [String::new(), String::new()]), "{case}");
    }
}

#[test]
fn what_the_operator_means_is_taken() {
    let world = World::new(5);
    let fewer = world.signing.leaf(&[NAME], -1, 89).unwrap();
    world.next(world.chain(&fewer), &fewer.key);
    world.run(&["names=www.example.org,shop.example.org"]).expect_code(2);
    world.run(&["names=www.example.org"]).expect_code(0);
    assert_eq!(world.installed(), world.pair(&fewer));

    let world = World::new(5);
    let (staging, alone) = (world.root.intermediate("(STAGING) Wannabe Watercress R11").unwrap(), world.leaf(89));
    let staged = staging.leaf(&[NAME, "127.0.0.1"], -1, 89).unwrap();
    world.next(format!("{}{}", staged.certificate, staging.pem()), &staged.key);
    world.run(&["staging=true"]).expect_code(0);
    assert_eq!(world.text("ssl/privkey.pem"), staged.key);
    let world = World::new(5);
    world.next(&alone.certificate, &alone.key);
    world.run(&["require-issuer=false"]).expect_code(0);
}

#[test]
fn a_hostile_name_does_no_harm() {
    let world = World::new(5);
    let name = "\u{1b}[31mroot\n-----BEGIN \u{202e}";
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    world.next(parameters.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let report = world.run(&[]).expect_code(2).report();
    assert_eq!(found(&report).len(), 2, "{report:#}");
    let text = world.quiet(world.host("run", &["--format=text"]).run()).expect_code(2);
    assert!(!text.stdout.contains('\u{1b}') && !text.stdout.contains('\u{202e}'), "{text}");
    assert!(!text.stdout.contains("\n-----BEGIN"), "{text}");
}

#[test]
fn a_renewal_that_fails_is_told_of_without_the_key_that_it_printed() {
    let world = World::new(5);
    world.write("fails", format!("rate limited\n{}", world.text("ssl/privkey.pem")), 0o644);
    let before = world.installed();
    let report = world.run(&[]).expect_code(2).report();
    assert_eq!(found(&report), ["critical | renew | the renewal failed"]);
    assert_eq!(report["findings"][0]["detail"], "ended with code 1: rate limited");
    assert_eq!(world.installed(), before);

    // One that says it did, and did nothing.
    for (days, severity) in [(20, "warning"), (5, "critical")] {
        let world = World::new(days);
        let report = world.run(&[]).report();
        assert_eq!(found(&report), [format!("{severity} | live/www.example.org/fullchain.pem | not renewed")]);
    }
}
