//! Reading and restoring with PostgreSQL, beside a native program and `psql`.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use futures::TryStreamExt as _;
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::measure::{Comparison, ratio, side_by_side};
use crate::process::{Places, run};

pub(super) const ROWS: &str = "SELECT id, name, amount, created FROM bench_rows";

/// Makes the table that is read.
pub(super) async fn prepare(url: &str) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    connection
        .execute(
            "DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows AS SELECT g::bigint AS id, 'name ' || g AS name, \
             (g * 0.37)::double precision AS amount, now() - g * interval '1 second' AS created \
             FROM generate_series(1, 1000000) g",
        )
        .await?;
    // By itself: several statements in one text are one transaction, in which it cannot run.
    connection.execute("VACUUM ANALYZE bench_rows").await?;
    connection.close().await?;
    Ok(())
}

/// A million rows of four columns in a plugin, beside a native sqlx program and `psql -c`.
pub(super) fn rows(places: &Places, url: &str) -> anyhow::Result<Comparison> {
    let slot = format!("database={}", url.replace(',', "%2C"));
    let statement = format!("statement={ROWS}");
    let fixture = places.fixture("measure");
    let arguments = ["run", &fixture, "work=rows", &statement, "--sql", &slot];
    let ours = run(&mut places.host(&arguments), &[0])?;
    anyhow::ensure!(ours.contains("1000000 rows"), "{ours}");
    let native = std::env::current_exe()?;
    let rounds = 5;
    let times = side_by_side(
        rounds,
        &mut [
            ("Taskhost", Box::new(|| run(&mut places.host(&arguments), &[0]).map(drop))),
            (
                "a native sqlx program",
                Box::new(|| run(Command::new(&native).args(["native-rows", url]), &[0]).map(drop)),
            ),
            ("psql -c", Box::new(|| run(Command::new("psql").args([url, "-Atc", ROWS]), &[0]).map(drop))),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, native), ..] if ratio(*ours, *native) <= 1.3);
    Ok(Comparison {
        missed: "Three processes' work has two cores: PostgreSQL makes the rows, one thread of the host decodes them as the \
                 native program does, and another lowers each value into the plugin's memory, where an allocation is a \
                 call into the plugin. That second thread's work, about as much as the decoding, overlaps with it only \
                 as far as PostgreSQL leaves a core free. Tried: another allocator, which took it \
                     from 1.6 to 1.4 and is kept; batches of 64 to 4,096 rows, of which those from 1,024 are alike and \
                     smaller ones slower."
                .into(),
        title: "Reading a million rows of four columns from PostgreSQL".into(),
        aim: "at most 1.3 times the native time".into(),
        method: "bigint, text, double precision and timestamptz. The native program fetches the rows through sqlx and \
                 decodes each value to the same kind of Rust value, in a process of its own; psql prints them."
            .into(),
        times,
        met,
        rounds,
    })
}

/// What the native program does.
pub(super) async fn native_rows(url: &str) -> anyhow::Result<()> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let mut rows = sqlx::query(ROWS).fetch(&mut connection);
    let (mut count, mut sum, mut bytes) = (0_u64, 0_i64, 0_usize);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum = sum.wrapping_add(row.try_get::<i64, _>(0)?);
        bytes += row.try_get::<String, _>(1)?.len();
        bytes += usize::from(row.try_get::<f64, _>(2)? > 0.0);
        bytes += row.try_get::<time::OffsetDateTime, _>(3)?.to_string().len();
    }
    println!("{count} rows, {sum}, {bytes}");
    Ok(())
}

/// Writes a plain dump of some `megabytes`.
pub(super) fn dump(path: &Path, megabytes: usize) -> anyhow::Result<()> {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    writeln!(file, "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';")?;
    let mut written = 0;
    for table in 0..5 {
        writeln!(
            file,
            "\nCREATE TABLE public.orders_{table} (id bigint NOT NULL, customer text, note text, total numeric(12,2));"
        )?;
        writeln!(file, "\nCOPY public.orders_{table} (id, customer, note, total) FROM stdin;")?;
        let mut id = 0_u64;
        while written < (table + 1) * megabytes * 1_000_000 / 5 {
            let line = format!(
                "{id}\tcustomer {}\tnote about order {id} with some more words to fill the line, as notes have\t{}.{:02}\n",
                id % 9973,
                id % 10_000,
                id % 100
            );
            file.write_all(line.as_bytes())?;
            written += line.len();
            id += 1;
        }
        writeln!(file, "\\.")?;
    }
    for table in 0..5 {
        writeln!(
            file,
            "\nALTER TABLE ONLY public.orders_{table} ADD CONSTRAINT orders_{table}_pkey PRIMARY KEY (id);"
        )?;
    }
    writeln!(file, "\n--\n-- PostgreSQL database dump complete\n--")?;
    file.flush()?;
    Ok(())
}

/// `backup-test` beside `psql -f` into a database made for it.
pub(super) fn restore(places: &Places, url: &str, backups: &Path, megabytes: usize) -> anyhow::Result<Comparison> {
    let files = format!("backups={}", backups.display());
    let slot = format!("database={},scratch", url.replace(',', "%2C"));
    let (server, _) = url.rsplit_once('/').unwrap_or((url, ""));
    let target = format!("{server}/bench_restore");
    let file = backups.join("bench.sql").display().to_string();
    let arguments = ["run", "backup-test", "--files", &files, "--sql", &slot];
    let rounds = 3;
    let times = side_by_side(
        rounds,
        &mut [
            ("Taskhost", Box::new(|| run(&mut places.host(&arguments), &[0, 1, 2]).map(drop))),
            (
                "psql -f",
                Box::new(|| {
                    let psql = |arguments: &[&str]| {
                        run(Command::new("psql").args(["-qX", "-v", "ON_ERROR_STOP=1"]).args(arguments), &[0]).map(drop)
                    };
                    psql(&[url, "-c", "CREATE DATABASE bench_restore"])?;
                    psql(&[&target, "-f", &file])?;
                    psql(&[url, "-c", "DROP DATABASE bench_restore"])
                }),
            ),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, psql)] if ratio(*ours, *psql) <= 1.1);
    Ok(Comparison {
        title: "backup-test on a plain dump of 500 MB".into(),
        aim: "at most 1.1 times psql -f".into(),
        method: format!(
            "{megabytes} MB in five tables of COPY lines with a primary key each. Ours makes the scratch database, \
             restores, compares and drops; psql creates, restores and drops."
        ),
        times,
        met,
        rounds,
        missed: String::new(),
    })
}
