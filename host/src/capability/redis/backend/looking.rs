//! What a server says of itself.

use redis::Value;

use super::super::bindings::{InfoField, Server, SlowCall};
use super::super::command::{Described, Name};
use super::super::error::Error;
use super::super::info;
use super::pool::Lease;
use super::reply;

/// INFO of every section, or of those named.
pub(in super::super) async fn info(lease: &mut Lease, sections: &[String]) -> Result<Vec<InfoField>, Error> {
    // Servers before 7 take one section at a time.
    let asked: Vec<_> = match sections {
        [] => vec![reply::command(&["INFO", "everything"])],
        sections => sections.iter().map(|section| reply::command(&["INFO", section])).collect(),
    };
    let replies = reply::all_good(lease.ask(&asked).await?)?;
    let texts = replies.iter().map(|reply| reply::text(reply).ok_or_else(|| reply::strange("INFO")));
    texts.map(|text| text.map(|text| info::parse(&text))).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
}

/// What the server is.
pub(in super::super) async fn server(lease: &mut Lease, database: u32) -> Result<Server, Error> {
    Ok(info::server(&identifying(lease).await?, database))
}

/// The sections that tell one server from another.
pub(super) async fn identifying(lease: &mut Lease) -> Result<Vec<InfoField>, Error> {
    info(lease, &["server".into(), "replication".into()]).await
}

/// DBSIZE.
pub(in super::super) async fn size(lease: &mut Lease) -> Result<u64, Error> {
    let size = reply::number(&lease.ask_one(&["DBSIZE"]).await?).and_then(|size| size.try_into().ok());
    size.ok_or_else(|| reply::strange("DBSIZE"))
}

/// CONFIG GET, without what is secret.
pub(in super::super) async fn configuration(
    lease: &mut Lease,
    patterns: &[String],
) -> Result<Vec<(String, String)>, Error> {
    let asked: Vec<_> = patterns.iter().map(|pattern| reply::command(&["CONFIG", "GET", pattern])).collect();
    let mut settings: Vec<(String, String)> = Vec::new();
    for reply in reply::all_good(lease.ask(&asked).await?)? {
        let words = reply::items(reply).ok_or_else(|| reply::strange("CONFIG GET"))?;
        for pair in words.chunks(2) {
            let [name, value] = pair else { continue };
            let (name, value) = (reply::text(name).unwrap_or_default(), reply::text(value).unwrap_or_default());
            if !info::is_secret(&name) && !settings.iter().any(|(known, _)| *known == name) {
                settings.push((name, value));
            }
        }
    }
    Ok(settings)
}

/// SLOWLOG GET; the arguments only where `with_arguments` says so.
pub(in super::super) async fn slowlog(
    lease: &mut Lease,
    count: u32,
    with_arguments: bool,
) -> Result<Vec<SlowCall>, Error> {
    let reply = lease.ask_one(&["SLOWLOG", "GET", &count.to_string()]).await?;
    let calls = reply::items(reply).ok_or_else(|| reply::strange("SLOWLOG GET"))?;
    let one = |call: Value| {
        let mut fields = reply::items(call)?.into_iter();
        let mut number = || reply::number(&fields.next()?);
        let (id, at, duration) = (number()?, number()?, number()?);
        let mut words = reply::items(fields.next()?)?.into_iter().filter_map(reply::bytes);
        let command = words.next().map(|word| super::super::shown::key(&word)).unwrap_or_default();
        let mut text = || fields.next().as_ref().and_then(reply::text).unwrap_or_default();
        Some(SlowCall {
            id,
            at,
            duration_us: duration.try_into().unwrap_or(0),
            command,
            arguments: if with_arguments { words.collect() } else { vec![] },
            client_address: text(),
            client_name: text(),
        })
    };
    calls.into_iter().map(|call| one(call).ok_or_else(|| reply::strange("SLOWLOG GET"))).collect()
}

/// CLIENT LIST.
pub(in super::super) async fn clients(lease: &mut Lease) -> Result<Vec<Vec<(String, String)>>, Error> {
    let text = reply::text(&lease.ask_one(&["CLIENT", "LIST"]).await?);
    text.map(|text| info::clients(&text)).ok_or_else(|| reply::strange("CLIENT LIST"))
}

/// LASTSAVE, in seconds since 1970.
pub(in super::super) async fn last_save(lease: &mut Lease) -> Result<i64, Error> {
    reply::number(&lease.ask_one(&["LASTSAVE"]).await?).ok_or_else(|| reply::strange("LASTSAVE"))
}

/// BGSAVE.
pub(in super::super) async fn background_save(lease: &mut Lease) -> Result<(), Error> {
    lease.ask_one(&["BGSAVE"]).await.map(|_| ())
}

/// What the server says of a command; none where it has no such command.
pub(in super::super) async fn describe(lease: &mut Lease, name: &Name) -> Result<Option<Described>, Error> {
    lease.describe(&name.for_server(), &name.command().to_ascii_lowercase()).await
}
