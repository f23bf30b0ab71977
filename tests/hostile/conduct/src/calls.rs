//! Too many calls at once, and streams that nobody reads.

use std::time::Duration;

use futures::future::join_all;

use crate::exports::taskhost::host::task::Failure;
use crate::failed;
use crate::taskhost::host::files::{self, Codec, Directory, ReadOptions};
use crate::taskhost::host::sql::{self, Database, Value};
use crate::taskhost::host::tls;

/// Calls at once.
const MANY: usize = 10_000;
/// Calls at once that each bring a large argument.
const MANY_LARGE: usize = 160;
/// Bytes of such an argument.
const LARGE: usize = 8 << 20;

pub(crate) async fn run(case: &str) -> Option<Result<String, Failure>> {
    let answer = match case {
        "many-stats" => at_once(|directory: &Directory| async { directory.stat("file".into()).await.is_ok() }).await,
        "many-read-alls" => {
            at_once(|directory: &Directory| async {
                let files = directory.read_all(vec!["large".into()], u64::MAX).await;
                files.iter().all(Result::is_ok)
            })
            .await
        }
        "many-queries" => many_queries(false).await,
        "many-large-queries" => many_queries(true).await,
        "many-connections" => many_connections().await,
        "abandon-reads" => abandon_reads().await,
        "hold-reads" => hold_reads().await,
        "abandon-queries" => abandon_queries().await,
        "hold-query" => hold_query().await,
        "hold-queries" => hold_queries().await,
        "texts" => texts().await,
        "leak-streams" => leak_streams(),
        "connect-anywhere" => connect_anywhere().await,
        _ => return None,
    };
    Some(answer)
}

fn directory() -> Result<Directory, Failure> {
    files::open("directory").map_err(|error| failed(format!("{error:?}")))
}

fn database() -> Result<Database, Failure> {
    sql::open("database").map_err(|error| failed(format!("{error:?}")))
}

/// How many of so many calls at once went well; the others must have been answered too.
async fn at_once<'a, F: Future<Output = bool>>(call: impl Fn(&'a Directory) -> F) -> Result<String, Failure> {
    // The calls borrow it for as long as the run lasts.
    let directory: &'a Directory = Box::leak(Box::new(directory()?));
    let answers = join_all((0..MANY).map(|_| call(directory))).await;
    Ok(format!("{} of {} answered well", answers.iter().filter(|well| **well).count(), answers.len()))
}

async fn many_queries(large: bool) -> Result<String, Failure> {
    let database = database()?;
    let text = if large { "SELECT length(?)" } else { "SELECT 1" };
    let bytes = if large { vec![b'x'; LARGE] } else { Vec::new() };
    shared::keep(&bytes);
    // The guest's memory would not hold the same bytes so often: each call is told of one and the same place.
    let parameters = || if large { vec![Value::Blob(shared::again(&bytes))] } else { vec![] };
    let many = if large { MANY_LARGE } else { MANY };
    let calls = (0..many).map(|_| database.query(text.into(), parameters()));
    let answers = join_all(calls).await;
    Ok(format!("{} answered", answers.len()))
}

/// Bytes with many owners, of which none gives them back.
mod shared {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering};

    static KEPT: AtomicUsize = AtomicUsize::new(0);

    struct Keeping;

    #[global_allocator]
    static ALLOCATOR: Keeping = Keeping;

    // SAFETY: the system's allocator does the work; what is kept is only never freed.
    unsafe impl GlobalAlloc for Keeping {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            if pointer.addr() != KEPT.load(Ordering::Relaxed) {
                // SAFETY: as the caller promises.
                unsafe { System.dealloc(pointer, layout) }
            }
        }
    }

    pub(super) fn keep(bytes: &[u8]) {
        KEPT.store(bytes.as_ptr().addr(), Ordering::Relaxed);
    }

    /// One more owner of what is kept.
    pub(super) fn again(bytes: &[u8]) -> Vec<u8> {
        // SAFETY: nobody writes to them, and they are never freed.
        unsafe { Vec::from_raw_parts(bytes.as_ptr().cast_mut(), bytes.len(), bytes.len()) }
    }
}

async fn many_connections() -> Result<String, Failure> {
    let endpoints = tls::endpoints("endpoints").map_err(|error| failed(format!("{error:?}")))?;
    let endpoint = endpoints.first().ok_or_else(|| failed("no endpoint"))?;
    let calls = (0..MANY).map(|_| tls::connect("endpoints".into(), endpoint.clone(), None));
    Ok(format!("{} answered", join_all(calls).await.len()))
}

async fn abandon_reads() -> Result<String, Failure> {
    let directory = directory()?;
    for number in 0..MANY {
        let options = ReadOptions { range: None, decode: Codec::None };
        match directory.read("large".into(), options).await {
            Ok(streams) => drop(streams),
            Err(error) => return Err(failed(format!("{number}: {error:?}"))),
        }
    }
    Ok("all abandoned".into())
}

async fn hold_reads() -> Result<String, Failure> {
    let directory = directory()?;
    let mut held = Vec::new();
    loop {
        let options = ReadOptions { range: None, decode: Codec::None };
        match directory.read("large".into(), options).await {
            Ok(streams) => held.push(streams),
            Err(error) => return Ok(format!("{} held, then {error:?}", held.len())),
        }
    }
}

/// More rows than anyone would wait for.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) \
                       SELECT i, hex(zeroblob(1000)) FROM n";

async fn abandon_queries() -> Result<String, Failure> {
    let database = database()?;
    for number in 0..200 {
        match database.query(ENDLESS.into(), vec![]).await {
            Ok(streams) => drop(streams),
            Err(error) => return Err(failed(format!("{number}: {error:?}"))),
        }
    }
    Ok("all abandoned".into())
}

async fn hold_query() -> Result<String, Failure> {
    let database = database()?;
    let streams = database.query(ENDLESS.into(), vec![]).await.map_err(|error| failed(format!("{error:?}")))?;
    std::thread::sleep(Duration::from_millis(500));
    std::mem::forget(streams);
    Ok("never read".into())
}

async fn hold_queries() -> Result<String, Failure> {
    let database = database()?;
    let mut held = Vec::new();
    loop {
        match database.query(ENDLESS.into(), vec![]).await {
            Ok(streams) => held.push(streams),
            Err(error) => {
                std::thread::sleep(Duration::from_millis(1500));
                return Ok(format!("{} held, then {error:?}", held.len()));
            }
        }
    }
}

fn leak_streams() -> Result<String, Failure> {
    for _ in 0..1_000_000 {
        std::mem::forget(crate::wit_stream::new::<u8>());
    }
    Ok("all leaked".into())
}

/// Every way to write an address of the host's own network that a resolver knows.
const INWARD: &[&str] = &[
    "localhost",
    "localhost.",
    "LOCALHOST",
    "db.localhost",
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "::",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "64:ff9b::7f00:1",
    "fe80::1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127.0.0.1\u{3002}",
    "example.org@127.0.0.1",
    "example.org:443@127.0.0.1",
    "127.0.0.1#.example.org",
    "127.0.0.1/.example.org",
    "127.0.0.1%2f.example.org",
    "127.0.0.1\0.example.org",
    "example.org\0",
    " example.org",
    "example.org.evil.example",
    "evil.example/example.org",
];

async fn connect_anywhere() -> Result<String, Failure> {
    for host in INWARD {
        let endpoint = tls::Endpoint { host: (*host).into(), port: 443, starttls: tls::Starttls::None };
        match tls::connect("endpoints".into(), endpoint, None).await {
            Err(tls::Error::Refused(_) | tls::Error::Invalid(_)) => {}
            other => return Err(failed(format!("{host}: {other:?}"))),
        }
    }
    Ok(format!("{} refused", INWARD.len()))
}

/// Zero bytes where texts are taken.
async fn texts() -> Result<String, Failure> {
    let directory = directory()?;
    let database = database()?;
    let mut answers = Vec::new();
    for path in ["a\0b", "\0", "file\0"] {
        answers.push(format!("{:?}", directory.stat(path.into()).await.map(|entry| entry.path)));
    }
    for text in ["SELECT 1\0", "SELECT '\0'", "\0"] {
        answers.push(format!("{:?}", database.query(text.into(), vec![]).await.map(|_| "was answered")));
    }
    let parameters = vec![Value::Text("a\0b".into())];
    answers.push(format!("{:?}", database.query("SELECT length(?)".into(), parameters).await.map(|_| "was answered")));
    let endpoint = tls::Endpoint { host: "example.org\0.evil".into(), port: 443, starttls: tls::Starttls::None };
    answers.push(format!("{:?}", tls::connect("endpoints".into(), endpoint, None).await.map(|_| "was answered")));
    Ok(answers.join(" // "))
}
