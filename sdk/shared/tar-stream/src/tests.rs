//! Archives written by hand, whole and broken, in pieces of every size.

use super::*;

/// A header of `ustar`, with its checksum.
fn header(path: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14524770400\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sealed(block)
}

fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].copy_from_slice(b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(BLOCK), 0);
    padded
}

fn member(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    [header(path, kind, content.len() as u64), padded(content)].concat()
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

/// What is told of an archive in pieces of so many bytes: each member with its content, whether that was all of it, and
/// how the archive ended.
#[expect(clippy::type_complexity, reason = "members, and how the archive ended")]
fn walked(archive: &[u8], piece: usize) -> (Vec<(String, Kind, String, bool)>, Result<Summary, Damage>) {
    let (mut walker, mut members) = (Walker::new(), Vec::<(String, Kind, String, bool)>::new());
    for mut input in archive.chunks(piece) {
        loop {
            match walker.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Member(member))) => {
                    members.push((String::from_utf8_lossy(&member.path).into(), member.kind, String::new(), false));
                }
                Ok(Some(Event::Content(content))) => {
                    assert!(!content.is_empty());
                    members.last_mut().unwrap().2 += &String::from_utf8_lossy(content);
                }
                Ok(Some(Event::MemberEnd)) => members.last_mut().unwrap().3 = true,
                Err(damage) => return (members, Err(damage)),
            }
        }
    }
    (members, walker.finish())
}

fn whole() -> Vec<u8> {
    let long = "d/".repeat(80) + "name";
    let pax = format!("{} path=via/pax\n", "15 path=via/pax\n".len());
    let mut sparse = header("sparse", b'S', 3);
    sparse[482] = 1;
    let (mut first, last) = (vec![0; BLOCK], vec![0; BLOCK]);
    first[504] = 1;
    [
        member("a", b'0', b"content of a"),
        member("empty", 0, b""),
        member("dir/", b'5', b""),
        member("././@LongLink", b'L', long.as_bytes()),
        member("cut", b'0', &[b'x'; 512]),
        member("pax", b'x', pax.as_bytes()),
        member("other", b'0', b"p"),
        member("global", b'g', b"11 a=bcdef\n"),
        header("link", b'2', 0),
        header("hard", b'1', 700),
        sealed(sparse),
        first,
        last,
        padded(b"abc"),
        member("strange", b'Z', b"z"),
        end(),
        vec![0; 7 * BLOCK],
    ]
    .concat()
}

#[test]
fn members_and_their_content_are_told_whatever_pieces_they_come_in() {
    let archive = whole();
    let long = "d/".repeat(80) + "name";
    let x = "x".repeat(512);
    let expected = [
        ("a", Kind::File, "content of a"),
        ("empty", Kind::File, ""),
        ("dir/", Kind::Directory, ""),
        (&long, Kind::File, &x),
        ("via/pax", Kind::File, "p"),
        ("link", Kind::Link, ""),
        ("hard", Kind::Link, ""),
        ("sparse", Kind::Other, "abc"),
        ("strange", Kind::Other, "z"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(path, kind, content)| ((*path).to_owned(), *kind, (*content).to_owned(), true)).collect();
    for piece in [1, 2, 7, 511, 512, 513, 1024, 4096, archive.len()] {
        let (members, ended) = walked(&archive, piece);
        assert_eq!(members, expected, "pieces of {piece}");
        assert_eq!(ended, Ok(Summary { members: 9, content: 12 + 512 + 1 + 3 + 1 }), "pieces of {piece}");
    }
}

#[test]
fn a_long_name_that_is_cut_behind_a_slash_is_no_directory() {
    let (cut, long) = ("directory/".repeat(10), "directory/".repeat(30) + "name");
    let record = format!("{} path={long}\n", "314 path=\n".len() + long.len());
    for extension in [member("././@LongLink", b'L', long.as_bytes()), member("pax", b'x', record.as_bytes())] {
        let archive = [extension, member(&cut, b'0', b"content"), end()].concat();
        let (members, ended) = walked(&archive, 4096);
        assert_eq!(members, [(long.clone(), Kind::File, "content".into(), true)]);
        assert_eq!(ended, Ok(Summary { members: 1, content: 7 }));
    }
    let (members, _) = walked(&[member("old/", b'0', b""), end()].concat(), 4096);
    assert_eq!(members, [("old/".into(), Kind::Directory, String::new(), true)]);
}

#[test]
fn an_archive_that_is_cut_anywhere_is_not_whole() {
    let archive = whole();
    let content = archive.len() - 9 * BLOCK;
    for length in 0..content + BLOCK {
        let (_, ended) = walked(&archive[..length], 4096);
        assert!(ended.is_err(), "cut at {length} of {content}");
    }
    // One block of zeros will do; what is behind the end is no part of it.
    for length in [content + BLOCK, content + 2 * BLOCK, content + 2 * BLOCK + 100] {
        assert!(walked(&archive[..length], 4096).1.is_ok(), "cut at {length}");
    }
}

#[test]
fn a_byte_that_is_changed_in_a_header_is_seen() {
    let archive = [member("a", b'0', b"content"), end()].concat();
    // The last byte of the checksum is a blank that nobody reads.
    for at in (0..BLOCK).filter(|at| *at != 155) {
        let mut damaged = archive.clone();
        damaged[at] ^= 0x40;
        let (_, ended) = walked(&damaged, 4096);
        assert!(ended.is_err(), "byte {at}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let huge = format!("{:011o}", 1_u64 << 32);
    let mut too_large = header("x", b'x', 0);
    too_large[124..135].copy_from_slice(huge.as_bytes());
    for (case, archive, expected) in [
        ("nothing", vec![], "the archive is empty at byte 0"),
        ("no end", member("a", b'0', b"a"), "the archive ends without its end mark at byte 1024"),
        ("no archive", vec![b'x'; 512], "a header whose checksum is no number at byte 512"),
        ("cut in a header", member("a", b'0', b"")[..100].to_vec(), "the archive is cut short at byte 100"),
        (
            "more after zeros",
            [vec![0; BLOCK], member("a", b'0', b"")].concat(),
            "something follows a block of zeros that is no end mark at byte 1024",
        ),
        ("a name without end", sealed(too_large), "an extended header of more than 1 MiB at byte 512"),
        (
            "records that are none",
            [member("x", b'x', b"99 path=a\n"), end()].concat(),
            "an extended header that cannot be read at byte 522",
        ),
    ] {
        let (_, ended) = walked(&archive, 4096);
        assert_eq!(ended.unwrap_err().to_string(), expected, "{case}");
    }
}

#[test]
fn random_bytes_and_random_damage_never_break_it() {
    let archive = whole();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..2_000 {
        let mut damaged = archive.clone();
        for _ in 0..=random() % 20 {
            let at = usize::try_from(random() % damaged.len() as u64).unwrap();
            damaged[at] = random().to_le_bytes()[0];
        }
        let piece = usize::try_from(random() % 600 + 1).unwrap();
        let (members, ended) = walked(&damaged, piece);
        if let Ok(summary) = ended {
            assert_eq!(summary.members, members.len() as u64);
        }
    }
}
