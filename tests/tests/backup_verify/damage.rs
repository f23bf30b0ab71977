//! Backups that are cut short, damaged, empty, or not what they are said to be, of every kind that is looked into.

use std::io::{Read as _, Write as _};

use super::scene::{Backups, dump, gzip, sha256, tar};

const NOT_ITS: &str = "backup is not what its checksum is of";
const UNUSABLE: &str = "what lies beside the backup cannot be used";
const CUT: &str = "backup is cut short or damaged";

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

/// Bytes that do not compress away.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes / 8).flat_map(|_| next()).collect()
}

#[test]
fn every_kind_of_whole_backup_is_called_whole() {
    let members = tar(&[("a", &noise(300_000)), ("b", b"")], 7);
    let long = format!("{}/name", "directory/".repeat(30));
    let long = tar(&[(&long, b"content")], 7);
    for (name, content, what) in [
        ("a.sql", dump(1_000).into_bytes(), "a dump by pg_dump to its last line"),
        ("a.sql.gz", gzip(dump(1_000).as_bytes()), "compressed, a dump by pg_dump to its last line"),
        ("a.sql.zst", zstd(dump(1_000).as_bytes()), "compressed, a dump by pg_dump to its last line"),
        ("a.dump", b"CREATE TABLE t (a int);\n".to_vec(), "text without marks"),
        ("a.tar", members.clone(), "a tar of 2 members, 293.0 KiB"),
        ("a.tar.gz", gzip(&members), "a compressed tar of 2 members, 293.0 KiB"),
        ("a.tar.zst", zstd(&long), "a compressed tar of 1 member, 7 B"),
        (
            "a.tgz",
            [gzip(&members[..1_000]), gzip(&members[1_000..])].concat(),
            "a compressed tar of 2 members, 293.0 KiB",
        ),
        ("b.dump", b"PGDMP\x01\x0e\0".to_vec(), "a custom-format archive of pg_dump"),
        ("b.dump.gz", gzip(b"PGDMP\x01\x0e\0"), "compressed, and in it what is a custom-format archive of pg_dump"),
        ("a.zip", [b"PK\x03\x04".as_slice(), &[0; 500], b"PK\x05\x06", &[0; 18]].concat(), "a zip archive"),
        (
            "a.sql.xz",
            [b"\xfd7zXZ\0".as_slice(), &[0; 500], b"YZ"].concat(),
            "compressed with a program other than gzip and zstd",
        ),
    ] {
        let backups = Backups::new();
        backups.write(name, content, 0);
        let ran = backups.verify(&[]);
        assert_eq!(ran.complaints(), [""; 0], "{name}");
        assert_eq!(ran.detail("backup is readable to its last byte"), what, "{name}");
    }
}

#[test]
fn what_tar_and_gzip_write_is_whole() {
    let backups = Backups::new();
    backups.write("in/a file with a name that is not short", noise(9_000), 0);
    let directory = backups.path("");
    for (name, format) in [("a.tar.gz", "gnu"), ("b.tar.gz", "pax"), ("c.tar.gz", "ustar"), ("d.tar.gz", "v7")] {
        let tar = std::process::Command::new("tar")
            .args([&format!("--format={format}"), "-czf", name, "in"])
            .current_dir(&directory)
            .status();
        assert!(tar.unwrap().success(), "{format}");
        std::fs::set_permissions(backups.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let ran = backups.verify(&["pattern=*.tar.gz"]);
    assert_eq!(ran.complaints(), [""; 0]);
    assert_eq!(ran.summary(), "4 series, 4 backups: 4 read to the last byte");
}

#[test]
fn every_kind_of_broken_backup_is_critical() {
    let members = tar(&[("a", &noise(300_000)), ("b", b"bbb")], 7);
    let rows = dump(20_000);
    let (packed, packed_tar, frame) = (gzip(rows.as_bytes()), gzip(&members), zstd(rows.as_bytes()));
    let flipped = |content: &[u8], at: usize| {
        let mut content = content.to_vec();
        content[at] ^= 0x10;
        content
    };
    let sqlite = {
        let mut head = vec![0; 4_096];
        head[..16].copy_from_slice(b"SQLite format 3\0");
        head[16..18].copy_from_slice(&4_096_u16.to_be_bytes());
        head[28..32].copy_from_slice(&9_u32.to_be_bytes());
        head
    };
    for (case, name, content, title) in [
        ("empty", "a.sql", vec![], "backup is empty"),
        ("empty, compressed", "a.sql.gz", gzip(b""), "backup is empty"),
        ("a tar without members", "a.tar", vec![0; 10_240], "backup is empty"),
        ("a dump without its last line", "a.sql", rows.as_bytes()[..rows.len() / 2].to_vec(), CUT),
        ("the same, compressed whole", "a.sql.gz", gzip(&rows.as_bytes()[..rows.len() / 2]), CUT),
        ("gzip cut in the middle", "a.sql.gz", packed[..packed.len() / 2].to_vec(), CUT),
        ("gzip without its last byte", "a.sql.gz", packed[..packed.len() - 1].to_vec(), CUT),
        ("gzip with a bit flipped", "a.sql.gz", flipped(&packed, packed.len() / 2), CUT),
        ("gzip with a wrong checksum at its end", "a.sql.gz", flipped(&packed, packed.len() - 6), CUT),
        ("gzip with something behind it", "a.sql.gz", [packed.clone(), b"more".to_vec()].concat(), CUT),
        ("zstd cut in the middle", "a.sql.zst", frame[..frame.len() / 2].to_vec(), CUT),
        ("zstd without its last byte", "a.sql.zst", frame[..frame.len() - 1].to_vec(), CUT),
        ("a tar cut in a member", "a.tar", members[..100_000].to_vec(), CUT),
        ("a tar cut in a header", "a.tar", members[..300_700].to_vec(), CUT),
        ("a tar without its end mark", "a.tar", members[..members.len() - 1_024].to_vec(), CUT),
        ("a tar with a damaged header", "a.tar", flipped(&members, 20), CUT),
        ("a tar cut and compressed whole", "a.tar.gz", gzip(&members[..200_000]), CUT),
        ("a compressed tar that is cut", "a.tar.gz", packed_tar[..packed_tar.len() - 5].to_vec(), CUT),
        ("a zip archive without its end", "a.zip", [b"PK\x03\x04".as_slice(), &vec![0; 90_000]].concat(), CUT),
        ("xz without its end", "a.sql.xz", [b"\xfd7zXZ\0".as_slice(), &[0; 500]].concat(), CUT),
        ("a database with fewer pages than it says", "a.dump", sqlite, CUT),
        (
            "a dump that met errors",
            "a.sql",
            b"PRAGMA foreign_keys=OFF;\nBEGIN;\nROLLBACK; -- due to errors\n".to_vec(),
            "backup was made with errors",
        ),
    ] {
        let backups = Backups::new();
        backups.write(name, content, 0);
        let ran = backups.verify(&[]);
        assert_eq!((ran.code, ran.complaints()), (2, vec![format!("critical {name} {title}")]), "{case}");
        assert!(ran.summary().ends_with(&format!("{name} is broken")), "{case}: {}", ran.summary());
    }
}

#[test]
fn a_backup_is_held_against_what_lies_beside_it() {
    let content = dump(100).into_bytes();
    let (right, wrong) = (sha256(&content), sha256(b"other"));
    for (beside, text, expected) in [
        ("a.sql.sha256", format!("{right}  a.sql\n"), None),
        ("a.sql.sha256", wrong.clone(), Some(NOT_ITS)),
        ("a.sql.sha256sum", format!("{wrong} *a.sql"), Some(NOT_ITS)),
        ("a.sql.sha256", "no checksum".into(), Some(UNUSABLE)),
        ("SHA256SUMS", format!("{wrong}  b.sql\n{right}  a.sql\n"), None),
        ("SHA256SUMS", format!("{right}  b.sql\n{wrong}  a.sql\n"), Some(NOT_ITS)),
        ("SHA256SUMS", format!("{wrong}  b.sql\n"), None),
        ("a.sql.manifest.json", format!("{{\"sha256\": \"{right}\", \"bytes\": {}}}", content.len()), None),
        ("a.manifest.json", format!("{{\"sha256\": \"{wrong}\"}}"), Some(NOT_ITS)),
        ("a.manifest.json", "{\"bytes\": 12}".into(), Some("backup is not of the size that its manifest says")),
        ("a.manifest.json", "{".into(), Some(UNUSABLE)),
        ("a.manifest.json", "{\"tables\": {\"public.t\": 100}}".into(), None),
    ] {
        let backups = Backups::new();
        backups.write("a.sql", &content, 0);
        backups.write(beside, &text, 0);
        let expected: Vec<String> = expected.iter().map(|title| format!("critical a.sql {title}")).collect();
        assert_eq!(backups.verify(&[]).complaints(), expected, "{beside}: {text}");
    }
    let backups = Backups::new();
    backups.write("a.sql", &content, 0);
    assert_eq!(backups.verify(&["require-checksum=true"]).complaints(), ["warning a.sql backup has no checksum"]);
}

#[test]
fn an_archive_of_a_gigabyte_is_walked_in_little_memory() {
    let backups = Backups::new();
    let mut encoder = flate2::write::GzEncoder::new(
        std::fs::File::create(backups.path("big.tar.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(1 << 30);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take((1 << 30) + 1_024), &mut encoder).unwrap();
    encoder.finish().unwrap();
    std::fs::set_permissions(backups.path("big.tar.gz"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ran = backups.verify(&[]);
    assert_eq!(ran.detail("backup is readable to its last byte"), "a compressed tar of 1 member, 1 GiB");
    assert!(ran.peak_memory < 300 << 20, "{} MiB", ran.peak_memory >> 20);
}
