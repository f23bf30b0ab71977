//! The demo's logs.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Logs by name, size in bytes and age in days.
const LOGS: [(&str, usize, u64); 7] = [
    ("app.log", 40_000, 0),
    ("app-1.log", 120_000, 12),
    ("app-2.log", 180_000, 34),
    ("app-3.log", 150_000, 61),
    ("nginx/access.log", 90_000, 0),
    ("nginx/access-1.log", 400_000, 45),
    ("nginx/error-1.log", 20_000, 200),
];

/// Writes `logs`, and beside it a directory to which a link in `logs` leads: what is old in there must stay.
pub(super) fn make(directory: &Path) -> anyhow::Result<()> {
    let logs = directory.join("logs");
    std::fs::create_dir_all(logs.join("nginx"))?;
    for (name, size, days) in LOGS {
        write(&logs.join(name), size, days)?;
    }
    let outside = directory.join("not-logs");
    std::fs::create_dir(&outside)?;
    write(&outside.join("precious.log"), 10_000, 400)?;
    std::os::unix::fs::symlink("../not-logs", logs.join("linked"))?;
    Ok(())
}

fn write(path: &Path, size: usize, days: u64) -> anyhow::Result<()> {
    let line = "level=info msg=\"request served\" status=200\n";
    std::fs::write(path, line.repeat(size / line.len()))?;
    let modified = SystemTime::now() - Duration::from_secs(days * 86_400);
    Ok(File::options().write(true).open(path)?.set_modified(modified)?)
}
