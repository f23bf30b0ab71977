//! What a file is, by its first bytes. Pure.

/// Bytes of a file's start and end that are looked at.
pub const PEEK: u64 = 4096;

/// What a file is, by its first stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text, as far as one can tell.
    Plain,
    /// With gzip or zstd: the host undoes the compression on the way.
    Compressed,
    /// A tar archive.
    Tar,
    /// Something that is neither a dump in plain SQL nor a tar of files.
    Foreign(Foreign),
}

/// Files of other kinds that are kept as backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// What `pg_dump --format=custom` writes.
    Custom,
    /// The file of a SQLite database.
    Sqlite,
    /// A zip archive.
    Zip,
    /// xz.
    Xz,
    /// bzip2, lz4.
    Packed,
    /// age, PGP.
    Encrypted,
}

impl Foreign {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Custom => "a custom-format archive of pg_dump",
            Self::Sqlite => "a SQLite database file",
            Self::Zip => "a zip archive",
            Self::Xz | Self::Packed => "compressed with a program other than gzip and zstd",
            Self::Encrypted => "encrypted",
        }
    }
}

/// What the stored bytes begin with.
pub fn form(head: &[u8]) -> Form {
    let known: [(&[u8], Form); 11] = [
        (b"\x1f\x8b", Form::Compressed),
        (b"\x28\xb5\x2f\xfd", Form::Compressed),
        (b"PGDMP", Form::Foreign(Foreign::Custom)),
        (b"SQLite format 3\0", Form::Foreign(Foreign::Sqlite)),
        (b"BZh", Form::Foreign(Foreign::Packed)),
        (b"\xfd7zXZ\0", Form::Foreign(Foreign::Xz)),
        (b"\x04\x22\x4d\x18", Form::Foreign(Foreign::Packed)),
        (b"PK\x03\x04", Form::Foreign(Foreign::Zip)),
        (b"age-encryption.org/", Form::Foreign(Foreign::Encrypted)),
        (b"-----BEGIN PGP MESSAGE", Form::Foreign(Foreign::Encrypted)),
        (b"-----BEGIN AGE ENCRYPTED FILE", Form::Foreign(Foreign::Encrypted)),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return Form::Tar;
    }
    known.into_iter().find(|(magic, _)| head.starts_with(magic)).map_or(Form::Plain, |(_, form)| form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_by_its_first_bytes() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (head, expected) in [
            (&b"-- PostgreSQL database dump"[..], Form::Plain),
            (b"", Form::Plain),
            (b"\x1f\x8b\x08\0", Form::Compressed),
            (b"\x28\xb5\x2f\xfd\x04", Form::Compressed),
            (b"PGDMP\x01\x0e", Form::Foreign(Foreign::Custom)),
            (b"SQLite format 3\0\x10", Form::Foreign(Foreign::Sqlite)),
            (b"BZh91AY", Form::Foreign(Foreign::Packed)),
            (b"PK\x03\x04\x14", Form::Foreign(Foreign::Zip)),
            (b"age-encryption.org/v1\n", Form::Foreign(Foreign::Encrypted)),
            (&tar, Form::Tar),
        ] {
            assert_eq!(form(head), expected, "{:?}", String::from_utf8_lossy(&head[..head.len().min(20)]));
        }
    }
}
