//! `read`, `read-all`, `digest`, `search`, `tail`.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use super::*;

pub(super) fn pattern(text: &str) -> SearchOptions {
    SearchOptions {
        pattern: text.into(),
        ignore_case: false,
        invert: false,
        max_matches: None,
        count_only: false,
        tail_bytes: None,
        range: None,
        decode: Codec::None,
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_range_is_read() {
    let world = World::new();
    world.files(&[("a", "0123456789")]);
    for (offset, length, expected) in [
        (0, None, "0123456789"),
        (3, None, "3456789"),
        (3, Some(4), "3456"),
        (8, Some(100), "89"),
        (10, None, ""),
        (1_000, Some(1), ""),
        (0, Some(0), ""),
    ] {
        let (given, content) = world.read_with("a", range(offset, length));
        assert_eq!(content.unwrap(), expected.as_bytes(), "{offset} {length:?}");
        assert_eq!(given, expected.len() as u64);
    }
    assert!(matches!(world.read_with("a", range(u64::MAX, None)).1, Err(Error::Invalid(_))));
}

#[test]
fn what_is_compressed_is_read_whole_or_not_at_all() {
    let world = World::new();
    // Not to be compressed away, so that a cut falls into the content.
    let content: Vec<u8> = (0..900_000_u64).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let two = [gzip(&content), gzip(b"second")].concat();
    let frames = [zstd::encode_all(&content[..], 1).unwrap(), zstd::encode_all(&b"second"[..], 1).unwrap()].concat();
    let whole = [&content[..], b"second"].concat();
    let mut damaged = two.clone();
    damaged[two.len() / 2] ^= 0xff;
    for (name, stored) in [("two.gz", &two), ("two.zst", &frames), ("damaged.gz", &damaged)] {
        fs::write(world.root.join(name), stored).unwrap();
    }
    fs::write(world.root.join("cut.gz"), &two[..two.len() - 3]).unwrap();
    fs::write(world.root.join("cut.zst"), &frames[..frames.len() / 2]).unwrap();
    fs::write(world.root.join("plain"), "plain").unwrap();
    let auto = || ReadOptions { range: None, decode: Codec::Auto };
    for name in ["two.gz", "two.zst"] {
        assert!(world.read_with(name, auto()).1.unwrap() == whole, "{name}");
    }
    assert_eq!(world.read_with("plain", auto()).1.unwrap(), b"plain");
    for (name, message) in [
        ("cut.gz", format!("the gzip stream in `cut.gz` ends early at byte {}", two.len() - 3)),
        ("cut.zst", format!("the zstd stream in `cut.zst` ends early at byte {}", frames.len() / 2)),
        ("damaged.gz", "the gzip stream in `damaged.gz` is damaged at or before byte".to_owned()),
    ] {
        let (_, ended) = world.read_with(name, auto());
        assert!(matches!(&ended, Err(Error::Invalid(reason)) if reason.starts_with(&message)), "{name}: {ended:?}");
    }
    let (_, ended) = world.read_with("plain", ReadOptions { range: None, decode: Codec::Gzip });
    assert!(matches!(ended, Err(Error::Invalid(_))), "{ended:?}");
}

#[test]
fn many_small_files_are_read_in_the_order_asked() {
    let world = World::new();
    world.files(&[("a/1", "one"), ("a/2", "two"), ("b", "larger"), ("dir/", "")]);
    let found: Vec<_> = world
        .read_all(&["a/2", "b", "a/1", "none", "dir", "../outside/secret", "a\\q"], 5)
        .into_iter()
        .map(|content| content.map(|content| String::from_utf8(content).unwrap()).map_err(|error| error.to_string()))
        .collect();
    assert_eq!(found[0].as_deref(), Ok("two"));
    assert_eq!(found[1], Err("`b` has 6 bytes or more, over the limit of 5".into()));
    assert_eq!(found[2].as_deref(), Ok("one"));
    assert_eq!(found[3], Err("`none` does not exist".into()));
    assert_eq!(found[4], Err("`dir` is a directory; a plain file is needed".into()));
    assert_eq!(found[5], Err("`../outside/secret` leads upwards by `..`; no path leaves the slot's directory".into()));
    assert!(found[6].as_ref().unwrap_err().contains("escape"));
    assert_eq!(world.journal(), [("read-all".to_owned(), "7 files".to_owned(), "done".to_owned())]);
}

#[test]
fn the_files_of_one_call_are_bounded_together() {
    let world = World::new();
    for name in ["a", "b"] {
        File::create(world.root.join(name)).unwrap().set_len(40 << 20).unwrap();
    }
    let found = world.read_all(&["a", "b"], u64::MAX);
    assert!(found[0].is_ok());
    assert!(matches!(&found[1], Err(Error::Invalid(reason)) if reason.contains("64 MiB")));
}

#[test]
fn a_digest_is_that_of_the_stored_bytes() {
    let world = World::new();
    world.files(&[("a", "abc")]);
    assert_eq!(world.digest("a").unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn lines_are_searched() {
    let world = World::new();
    world.files(&[("log", "INFO start\nERROR one\r\ninfo more\nERROR two\nlast")]);
    fs::write(world.root.join("log.gz"), gzip(&fs::read(world.root.join("log")).unwrap())).unwrap();
    let plain = pattern;
    for (case, path, options, expected, matches) in [
        ("by pattern", "log", plain("^ERROR"), vec![(2, 11, "ERROR one"), (4, 32, "ERROR two")], 2),
        (
            "case ignored",
            "log",
            SearchOptions { ignore_case: true, ..plain("^info") },
            vec![(1, 0, "INFO start"), (3, 22, "info more")],
            2,
        ),
        ("inverted", "log", SearchOptions { invert: true, ..plain("ERROR|(?i)info") }, vec![(5, 42, "last")], 1),
        ("the first", "log", SearchOptions { max_matches: Some(1), ..plain("ERROR") }, vec![(2, 11, "ERROR one")], 1),
        ("counted", "log", SearchOptions { count_only: true, ..plain("ERROR") }, vec![], 2),
        ("at the end", "log", SearchOptions { tail_bytes: Some(14), ..plain("ERROR") }, vec![(1, 32, "ERROR two")], 1),
        (
            "a part",
            "log",
            SearchOptions { range: Some(Range { offset: 11, length: Some(21) }), ..plain("ERROR") },
            vec![(1, 11, "ERROR one")],
            1,
        ),
        ("compressed", "log.gz", SearchOptions { decode: Codec::Auto, ..plain("two$") }, vec![(4, 32, "ERROR two")], 1),
        ("nothing", "log", plain("absent"), vec![], 0),
        ("none wanted", "log", SearchOptions { max_matches: Some(0), ..plain("ERROR") }, vec![], 0),
    ] {
        let (lines, searched) = world.search(path, &options).unwrap();
        let lines: Vec<_> = lines.iter().map(|line| (line.number, line.offset, line.text.as_str())).collect();
        assert_eq!(lines, expected, "{case}");
        assert_eq!(searched.matches, matches, "{case}");
    }
}

#[test]
fn a_pattern_that_is_wrong_or_would_take_too_much_is_refused() {
    let world = World::new();
    world.files(&[("log", "x\n")]);
    let long = "a".repeat(100_000);
    for text in ["a(", "(?P<n", "x{1000}{1000}{1000}", long.as_str()] {
        let ended = world.search("log", &pattern(text)).map(drop);
        assert!(matches!(ended, Err(Error::Invalid(_))), "{ended:?}");
    }
}

#[test]
fn a_line_of_any_length_is_searched_at_its_start_and_the_next_one_has_its_place() {
    let world = World::new();
    let file = File::create(world.root.join("huge")).unwrap();
    file.set_len(200 << 20).unwrap();
    file.write_all_at(b"ERROR first\nERROR long ", 0).unwrap();
    file.write_all_at(b" ERROR at its end\nERROR last", 200 << 20).unwrap();
    let (lines, searched) = world.search("huge", &pattern("ERROR")).unwrap();
    let places: Vec<_> = lines.iter().map(|line| (line.number, line.offset, &line.text[..10])).collect();
    let last = (200 << 20) + 18;
    assert_eq!(places, [(1, 0, "ERROR firs"), (2, 12, "ERROR long"), (3, last, "ERROR last")]);
    assert_eq!((searched.lines, searched.bytes), (3, last + 10));
    assert_eq!(world.search("huge", &pattern("at its end")).unwrap().1.matches, 0);
}

#[test]
fn a_search_through_a_damaged_stream_says_so() {
    let world = World::new();
    let whole = gzip(&b"line\n".repeat(100_000));
    fs::write(world.root.join("cut.gz"), &whole[..whole.len() - 4]).unwrap();
    let ended = world.search("cut.gz", &SearchOptions { decode: Codec::Auto, ..pattern("x") }).map(drop);
    assert!(matches!(&ended, Err(Error::Invalid(reason)) if reason.contains("ends early at byte")), "{ended:?}");
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    let world = World::new();
    File::create(world.root.join("large")).unwrap().write_all(&b"no match here\n".repeat(1_000_000)).unwrap();
    let (_permit, opened) = world.runtime.block_on(world.call.open_file("search", "large")).unwrap();
    let options = pattern("absent");
    let asked = std::cell::Cell::new(0);
    let wanted = || {
        asked.set(asked.get() + 1);
        asked.get() < 3
    };
    let matcher = search::pattern(&options).unwrap();
    let (searched, ended) = search::search(&opened, &matcher, &options, &wanted, |_| Ok(()));
    assert!(matches!(ended, Err(Error::GivenUp)));
    assert!(searched.bytes < 1_000_000, "{}", searched.bytes);
}

#[test]
fn the_last_lines_are_given_oldest_first() {
    let world = World::new();
    let many: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    world.files(&[("few", "a\nb\r\nc\n"), ("open", "a\nb"), ("empty", ""), ("ends", "\n\n"), ("many", &many)]);
    for (path, lines, expected) in [
        ("few", 2, vec!["b", "c"]),
        ("few", 10, vec!["a", "b", "c"]),
        ("few", 0, vec![]),
        ("open", 1, vec!["b"]),
        ("empty", 5, vec![]),
        ("ends", 5, vec!["", ""]),
        ("many", 2, vec!["line 49998", "line 49999"]),
    ] {
        assert_eq!(world.tail(path, lines).unwrap(), expected, "{path} {lines}");
    }
    assert_eq!(world.tail("many", 20_000).unwrap()[0], "line 30000");
    assert!(matches!(world.tail("many", u32::MAX), Err(Error::Invalid(_))));
}

#[test]
fn the_last_line_of_a_file_without_lines_is_bounded() {
    let world = World::new();
    let file = File::create(world.root.join("huge")).unwrap();
    file.set_len(10 << 30).unwrap();
    file.write_all_at(b"end", (10 << 30) - 3).unwrap();
    let lines = world.tail("huge", 3).unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() <= 64 * 1024);
}
