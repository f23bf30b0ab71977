//! The system's directory: logs, backups, certificates, scripts, pinned packages, dashboards.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::certificates::Authority;

/// Nights of which there is a backup.
const NIGHTS: u64 = 6;
const DAY: u64 = 86_400;

/// Makes all of it. `dump` is the database's.
pub(super) fn make(root: &Path, dump: &[u8]) {
    for directory in
        ["logs/archive", "backups", "data/temp/render", "ssl", "scripts", "monitoring/dashboards", "reports"]
    {
        std::fs::create_dir_all(root.join(directory)).expect("a new directory");
    }
    logs(&root.join("logs"));
    backups(&root.join("backups"), dump);
    for (name, days) in
        [("render/frame-1.tmp", 9), ("render/frame-2.tmp", 8), ("upload-77.tmp", 30), ("upload-78.tmp", 1)]
    {
        write(&root.join("data/temp").join(name), "x".repeat(20_000).as_bytes(), days);
    }
    write(&root.join("data/agents.json"), br#"{"agents": 20}"#, 2);
    certificates(root);
    scripts(&root.join("scripts"));
    write(
        &root.join("requirements.txt"),
        b"fastapi==0.110.0\nredis==5.0.1\nrequests==2.31.0\nsqlalchemy==2.0.25\n",
        60,
    );
    write(&root.join("requirements.in"), b"fastapi\nredis\nrequests\nsqlalchemy\n", 60);
    let dashboard = r#"{"uid": "reflexion", "title": "Reflexion", "schemaVersion": 39,
        "panels": [{"id": 1, "type": "timeseries", "title": "Requests", "datasource": {"type": "prometheus", "uid": "prometheus"}}]}"#;
    write(&root.join("monitoring/dashboards/reflexion.json"), dashboard.as_bytes(), 5);
}

fn logs(logs: &Path) {
    let now = OffsetDateTime::now_utc();
    let (mut application, mut access, mut auth) = (String::new(), String::new(), String::new());
    for line in 0_u32..3_000 {
        let at = now - Duration::from_secs(u64::from(3_000 - line) * 20);
        let stamp = at.format(&Rfc3339).expect("a time of today");
        let (level, message) = match line % 500 {
            77 => ("ERROR", format!("failed to reach agent {line}: connection timeout after 30 s")),
            311 => ("CRITICAL", format!("worker {line} ended without an answer")),
            number if number % 100 == 5 => ("INFO", format!("memory_usage {}", 400 + line / 100)),
            number if number % 90 == 8 => ("WARNING", format!("slow query: {} ms", 1_200 + line)),
            _ => ("INFO", format!("episode {line} stored")),
        };
        writeln!(application, "{stamp} {level} reflexion.core {message}").expect("a text");
        let status = if line % 150 == 3 { 502 } else { 200 };
        let clock = at.time();
        writeln!(
            access,
            "10.0.{}.{} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"GET /api/agents HTTP/1.1\" {status} {} response_time {}",
            line % 3,
            1 + line % 7,
            at.day(),
            month(at),
            at.year(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            300 + line,
            20 + line % 180
        )
        .expect("a text");
        if line % 40 == 0 {
            let outcome = if line % 200 == 0 { "failure" } else { "success" };
            writeln!(auth, "{stamp} authentication {outcome} user=agent{} address=10.0.0.{}", line % 9, 1 + line % 7)
                .expect("a text");
        }
    }
    write(&logs.join("reflexion.log"), application.as_bytes(), 0);
    write(&logs.join("access.log"), access.as_bytes(), 0);
    write(&logs.join("auth.log"), auth.as_bytes(), 0);
    // Rotated by hand, and not archived.
    write(&logs.join("reflexion.log.1"), "INFO a line of yesterday\n".repeat(9_000).as_bytes(), 2);
    for (name, days) in [("worker-1.log", 34), ("worker-2.log", 61), ("worker-3.log", 12)] {
        write(&logs.join(name), "INFO an old line\n".repeat(4_000).as_bytes(), days);
    }
}

fn month(at: OffsetDateTime) -> &'static str {
    match u8::from(at.month()) {
        1 => "Jan",
        2 => "Feb",
        3 => "Mar",
        4 => "Apr",
        5 => "May",
        6 => "Jun",
        7 => "Jul",
        8 => "Aug",
        9 => "Sep",
        10 => "Oct",
        11 => "Nov",
        _ => "Dec",
    }
}

/// One of each night, and two that are too old to be kept.
fn backups(backups: &Path, dump: &[u8]) {
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
    };
    let data = |night: u64| {
        let mut archive = tar::Builder::new(Vec::new());
        let content = format!("{{\"agents\": 20, \"night\": {night}}}");
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, "data/agents.json", content.as_bytes()).expect("memory");
        packed(&archive.into_inner().expect("memory"))
    };
    for night in (1..=NIGHTS).chain([100, 130]) {
        let at = OffsetDateTime::now_utc() - Duration::from_secs(night * DAY);
        let stamp = format!("{:04}{:02}{:02}T023000Z", at.year(), u8::from(at.month()), at.day());
        if night <= NIGHTS {
            let night = format!("-- night {night}\n");
            let dump = [dump, night.as_bytes()].concat();
            secret(&backups.join(format!("reflexion-{stamp}.sql.gz")), &packed(&dump), at);
        }
        secret(&backups.join(format!("data-backup-{stamp}.tar.gz")), &data(night), at);
    }
}

fn secret(path: &Path, bytes: &[u8], at: OffsetDateTime) {
    std::fs::write(path, bytes).expect("a new file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("the file is ours");
    let file = File::options().write(true).open(path).expect("the file is ours");
    file.set_modified(SystemTime::from(at)).expect("the file is ours");
}

/// The one that is served ends in 12 days; certbot has another, and links to it.
fn certificates(root: &Path) {
    let names = ["reflexion.example.org", "127.0.0.1"];
    let trusted = Authority::root("Reflexion Root").expect("certificates can be made");
    write(&root.join("ca.pem"), trusted.pem().as_bytes(), 66);
    let authority = trusted.intermediate("Reflexion Signing").expect("certificates can be made");
    let served = authority.leaf(&names, -78, 12).expect("certificates can be made");
    let served_chain = format!("{}{}", served.certificate, authority.pem());
    write(&root.join("ssl/fullchain.pem"), served_chain.as_bytes(), 66);
    write(&root.join("ssl/privkey.pem"), served.key.as_bytes(), 66);
    std::fs::set_permissions(root.join("ssl/privkey.pem"), std::fs::Permissions::from_mode(0o600)).expect("ours");
    let [live, archive] =
        ["live", "archive"].map(|name| root.join("letsencrypt").join(name).join("reflexion.example.org"));
    for directory in [&live, &archive] {
        std::fs::create_dir_all(directory).expect("a new directory");
    }
    let renewed = authority.leaf(&names, -1, 89).expect("certificates can be made");
    let renewed_chain = format!("{}{}", renewed.certificate, authority.pem());
    for (name, text) in [("fullchain", &renewed_chain), ("privkey", &renewed.key)] {
        write(&archive.join(format!("{name}2.pem")), text.as_bytes(), 1);
        let target = format!("../../archive/reflexion.example.org/{name}2.pem");
        std::os::unix::fs::symlink(target, live.join(format!("{name}.pem"))).expect("a new link");
    }
}

/// What the runbook calls: they say what they would do, and leave a line in `scripts/done`.
fn scripts(scripts: &Path) {
    for (name, content) in [
        ("compose", COMPOSE),
        ("build.sh", "#!/bin/sh\nset -e\necho \"build $*\" >> \"$(dirname \"$0\")/done\"\necho built and tested\n"),
        (
            "deploy.sh",
            "#!/bin/sh\nset -e\ncase \"$1\" in\nversion) echo 1.4.2 ;;\nhealth) echo healthy ;;\n\
             *) echo \"deploy $*\" >> \"$(dirname \"$0\")/done\"; echo \"$1 done\" ;;\nesac\n",
        ),
    ] {
        let path = scripts.join(name);
        std::fs::write(&path, content).expect("a new file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    }
}

/// What Compose does in this system: `certbot` has renewed already, and `apt` and `pip-compile` find something newer.
const COMPOSE: &str = r#"#!/bin/sh
set -e
case "$*" in
*"apt list"*) ;;
*) echo "compose $*" >> "$(dirname "$0")/done" ;;
esac
case "$*" in
*pip-compile*) sed -i 's/^requests==.*/requests==2.32.5/' requirements.txt ;;
*"apt list"*)
    echo "Listing..."
    echo "libssl3/stable-security 3.0.17-1~deb12u3 amd64 [upgradable from: 3.0.11-1~deb12u2]"
    echo "tzdata/stable-updates 2026b-0+deb12u1 all [upgradable from: 2024a-0+deb12u1]"
    ;;
*pytest*) echo "212 passed in 8.41s" ;;
*) echo "done" ;;
esac
"#;

/// A file that was last changed so many days ago.
fn write(path: &Path, bytes: &[u8], days: u64) {
    std::fs::write(path, bytes).expect("a new file");
    let modified = SystemTime::now() - Duration::from_secs(days * DAY);
    let file = File::options().write(true).open(path).expect("the file is ours");
    file.set_modified(modified).expect("the file is ours");
}
