//! The demo's backups.

use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use time::{Duration, OffsetDateTime};

/// How many nights there is a backup of.
const NIGHTS: i64 = 5;

/// Writes `app-YYYYMMDD.sql.gz` for each of the last nights, all but the newest whole.
pub(super) fn make(directory: &Path, dump: &str) -> anyhow::Result<()> {
    std::fs::create_dir(directory)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(dump.as_bytes())?;
    let whole = encoder.finish()?;
    let (cut_short, _) = whole.split_at(whole.len() / 2);
    let now = OffsetDateTime::now_utc();
    for nights_ago in 0..NIGHTS {
        let made = now - Duration::days(nights_ago) - Duration::minutes(10);
        let name = format!("app-{:04}{:02}{:02}.sql.gz", made.year(), u8::from(made.month()), made.day());
        let path = directory.join(name);
        std::fs::write(&path, if nights_ago == 0 { cut_short } else { &whole })?;
        std::fs::File::options().write(true).open(path)?.set_modified(SystemTime::from(made))?;
    }
    Ok(())
}
