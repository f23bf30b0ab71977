//! gzip, zstd and tar against what other programs make and read; ranges, limits, appending, hashes.

use std::io::{Read as _, Write as _};
use std::process::Command;

use super::scene::{Scene, noise, sha256, shown};

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(vec![], 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn gunzipped(stored: &[u8]) -> Vec<u8> {
    let mut content = vec![];
    flate2::read::GzDecoder::new(stored).read_to_end(&mut content).unwrap();
    content
}

/// Text that compresses, and ends in the middle of a line.
fn log() -> Vec<u8> {
    (0..40_000).map(|number| format!("line {number} of the log\n")).collect::<String>().into_bytes()
}

#[test]
fn what_is_compressed_is_read_by_others_and_what_they_compress_is_read() {
    let scene = Scene::new();
    for (case, content) in [("empty", vec![]), ("one byte", vec![b'x']), ("log", log()), ("noise", noise(700_001))] {
        scene.file("plain", &content).file("theirs.gz", gzipped(&content)).file("theirs.zst", zstandard(&content));
        // Two members after another are one stream, as `cat a.gz b.gz` makes them.
        let (first, second) = content.split_at(content.len() / 2);
        scene.file("twice.gz", [gzipped(first), gzipped(second)].concat());
        scene.file("twice.zst", [zstandard(first), zstandard(second)].concat());
        let script = [
            "compress gzip plain ours.gz",
            "compress zstd plain ours.zst",
            "copy none plain auto copied.gz",
            "copy auto theirs.gz auto recoded.zst",
            "read auto theirs.gz",
            "read gzip twice.gz",
            "read auto theirs.zst",
            "read zstd twice.zst",
            "read auto ours.gz",
            "read auto ours.zst",
            "read auto plain",
        ];
        let ran = scene.run(",write", &script);
        assert_eq!(gunzipped(&scene.content("ours.gz")), content, "{case}");
        assert_eq!(gunzipped(&scene.content("copied.gz")), content, "{case}");
        assert_eq!(zstd::decode_all(scene.content("ours.zst").as_slice()).unwrap(), content, "{case}");
        assert_eq!(zstd::decode_all(scene.content("recoded.zst").as_slice()).unwrap(), content, "{case}");
        assert!(Command::new("gzip").arg("-t").arg(scene.path("ours.gz")).status().unwrap().success(), "{case}");
        let expected = shown(&content, "");
        let sum = expected.split(' ').take(2).collect::<Vec<_>>().join(" ");
        for (index, line) in script.iter().enumerate().skip(4) {
            assert!(ran.done(index).starts_with(&sum), "{case}: {line}: {}, not {sum}", ran.done(index));
        }
        for (index, name) in ["ours.gz", "ours.zst", "copied.gz", "recoded.zst"].into_iter().enumerate() {
            let stored = scene.content(name);
            assert_eq!(ran.done(index), format!("{} {}", stored.len(), sha256(&stored)), "{case}: {name}");
        }
        for name in scene.names() {
            std::fs::remove_file(scene.path(&name)).unwrap();
        }
    }
}

#[test]
fn a_stream_that_is_cut_short_or_damaged_is_an_error_that_says_where() {
    let scene = Scene::new();
    let content = noise(600_000);
    let (gzip, zstandard) = (gzipped(&content), zstandard(&content));
    let flipped = |stream: &[u8], at: usize| {
        let mut stream = stream.to_vec();
        stream[at] ^= 0x55;
        stream
    };
    for (case, codec, stored, message) in [
        ("cut", "gzip", gzip[..gzip.len() / 2].to_vec(), "the gzip stream in `file` ends early at byte"),
        ("cut in the trailer", "gzip", gzip[..gzip.len() - 4].to_vec(), "the gzip stream in `file` ends early at byte"),
        ("cut in the header", "gzip", gzip[..5].to_vec(), "the gzip stream in `file` ends early at byte 5"),
        (
            "a wrong checksum",
            "gzip",
            flipped(&gzip, gzip.len() - 6),
            "the gzip stream in `file` is damaged at or before byte",
        ),
        ("damaged", "gzip", flipped(&gzip, 12), "the gzip stream in `file` is damaged at or before byte"),
        ("something else", "gzip", b"plain text".to_vec(), "the gzip stream in `file` is damaged at or before byte 10"),
        ("cut", "zstd", zstandard[..zstandard.len() / 2].to_vec(), "the zstd stream in `file` ends early at byte"),
        (
            "a wrong checksum",
            "zstd",
            flipped(&zstandard, zstandard.len() - 2),
            "the zstd stream in `file` is damaged at or before byte",
        ),
        ("something else", "zstd", b"plain text".to_vec(), "the zstd stream in `file` is damaged at or before byte 10"),
    ] {
        scene.file("file", &stored);
        let read = format!("read {codec} file");
        let search = format!("search file ~~ decode={codec}");
        let ran = scene.run("", &[&read, &search, "digest file"]);
        for index in [0, 1] {
            let (outcome, detail) = ran.line(index);
            assert_eq!(outcome, "invalid", "{codec}: {case}: {detail}");
            assert!(detail.starts_with(message), "{codec}: {case}: {detail}");
        }
        assert!(ran.effects()[0].ends_with("read file failed"), "{:?}", ran.effects());
        assert_eq!(ran.done(2), format!("{} {}", stored.len(), sha256(&stored)));
    }
}

#[test]
fn an_archive_holds_what_it_was_told_and_nothing_else() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("tree/empty")).unwrap();
    let long = "n".repeat(200);
    scene
        .file("tree/b", noise(100_000))
        .file("tree/a", "a")
        .file(&format!("tree/{long}"), "long")
        .file("left-out", "x");
    std::os::unix::fs::symlink("a", scene.path("tree/link")).unwrap();
    scene.file("beside", "beside");
    let ran = scene.run(",write", &["archive gzip all.tar.gz beside tree", "archive zstd all.tar.zst tree"]);
    let (gzip, zstandard) = (scene.content("all.tar.gz"), scene.content("all.tar.zst"));
    assert_eq!(ran.done(0), format!("{} {}", gzip.len(), sha256(&gzip)));
    assert_eq!(ran.done(1), format!("{} {}", zstandard.len(), sha256(&zstandard)));

    let unpacked = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(scene.path("all.tar.gz")).arg("-C").arg(unpacked.path()).status();
    assert!(tar.unwrap().success());
    for name in ["beside", "tree/a", "tree/b", &format!("tree/{long}")] {
        assert_eq!(std::fs::read(unpacked.path().join(name)).unwrap(), scene.content(name), "{name}");
        let modified = |path: &std::path::Path| path.metadata().unwrap().modified().unwrap();
        let (there, here) = (modified(&unpacked.path().join(name)), modified(&scene.path(name)));
        assert!(here.duration_since(there).unwrap().as_secs() < 1, "{name}");
    }
    assert_eq!(std::fs::read_link(unpacked.path().join("tree/link")).unwrap().to_str(), Some("a"));
    assert!(unpacked.path().join("tree/empty").is_dir() && !unpacked.path().join("left-out").exists());

    let plain = zstd::decode_all(zstandard.as_slice()).unwrap();
    let mut archive = tar::Archive::new(plain.as_slice());
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    let expected = ["tree/", "tree/a", "tree/b", "tree/empty/", "tree/link", &format!("tree/{long}")];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn ranges_limits_appends_and_hashes() {
    let scene = Scene::new();
    let big = noise(1_000_000);
    scene.file("ten", "0123456789").file("big", &big).file("empty", "").file("ten.gz", gzipped(b"0123456789"));
    for (line, content) in [
        ("read none ten 0", "0123456789"),
        ("read none ten 3", "3456789"),
        ("read none ten 3 4", "3456"),
        ("read none ten 3 0", ""),
        ("read none ten 9 100", "9"),
        ("read none ten 10", ""),
        ("read none ten 1000", ""),
        ("read none empty", ""),
        ("read auto ten.gz 0", "0123456789"),
    ] {
        assert_eq!(scene.run("", &[line]).done(0).trim_end(), shown(content.as_bytes(), content), "{line}");
    }
    let offset = u64::MAX.to_string();
    assert_eq!(scene.run("", &[&format!("read none ten {offset}")]).line(0).0, "invalid");

    let script = [
        "read-all 10 ten empty big missing ../outside/secret ten",
        "read-all 9 ten",
        "digest big",
        "digest empty",
        "write append none ten ab",
        "write append gzip ten.gz more",
        "read gzip ten.gz",
        "stat ten",
    ];
    let ran = scene.run(",write", &script);
    let kinds: Vec<_> = ran.done(0).lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(kinds, ["done", "done", "invalid", "not-found", "refused", "done"]);
    assert_eq!(ran.done(1), "invalid: `ten` has 10 bytes or more, over the limit of 9");
    assert_eq!(ran.done(2), format!("1000000 {}", sha256(&big)));
    assert_eq!(ran.done(3), format!("0 {}", sha256(b"")));
    assert_eq!(ran.done(4), format!("2 {}", sha256(b"ab")));
    assert_eq!(scene.content("ten"), b"0123456789ab");
    assert_eq!(ran.done(6), shown(b"0123456789more", "0123456789more"));
    assert!(ran.done(7).starts_with("ten Kind::File 12 "), "{}", ran.done(7));
}
