//! What the server says of saving and replication, whichever version says it. Pure.

use taskhost_sdk::redis::{self, Info};

/// One server's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Seconds since 1970, by the server's clock.
    pub(crate) now: Option<u64>,
    pub(crate) uptime: u64,
    pub(crate) used: u64,
    pub(crate) loading: Option<Loading>,
    pub(crate) rdb: Rdb,
    /// None: off.
    pub(crate) aof: Option<Aof>,
    /// How long the last fork stopped the server, in microseconds.
    pub(crate) fork_us: u64,
    pub(crate) role: Role,
    /// Bytes of the stream of changes so far.
    pub(crate) offset: u64,
    /// Bytes that a replica may fall behind without having to copy everything anew.
    pub(crate) backlog: u64,
    pub(crate) replicas: Vec<Replica>,
    /// Full copies to replicas since the server started.
    pub(crate) full_syncs: u64,
    /// Replicas that are near enough, where `min-replicas-to-write` is set.
    pub(crate) good_replicas: Option<u64>,
    pub(crate) settings: Settings,
}

/// Loading its data; it answers nothing else until then.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loading {
    pub(crate) percent: Option<f64>,
    /// Seconds.
    pub(crate) remaining: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rdb {
    /// Seconds since 1970; the server's start where it has not saved since.
    pub(crate) last_save: u64,
    /// Changes since.
    pub(crate) changes: u64,
    /// Whether the last save ended well.
    pub(crate) good: bool,
    /// Seconds of the save that runs.
    pub(crate) running: Option<u64>,
    /// Saves since the server started; from Redis 7.
    pub(crate) saves: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Aof {
    /// Whether the last rewrite ended well.
    pub(crate) rewrite_good: bool,
    /// Failed rewrites one after the other; from Redis 7.
    pub(crate) failures: Option<u64>,
    /// Whether the last write to the file did.
    pub(crate) write_good: bool,
    /// Seconds of the rewrite that runs.
    pub(crate) running: Option<u64>,
    pub(crate) size: u64,
    /// After the last rewrite.
    pub(crate) base: u64,
    /// Times that a write waited for the disk, since the server started.
    pub(crate) delayed: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Role {
    #[default]
    Master,
    Replica(Link),
}

/// A replica's link to its master.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Link {
    /// `host:port`.
    pub(crate) master: String,
    pub(crate) up: bool,
    /// Seconds for which it has been down.
    pub(crate) down: Option<u64>,
    /// Seconds since it last heard anything.
    pub(crate) silent: Option<u64>,
    /// A full copy is under way.
    pub(crate) copying: bool,
    /// Bytes of it that are still to come, where it is known.
    pub(crate) to_come: Option<u64>,
    /// Bytes that have come and are not yet applied; from Redis 7.
    pub(crate) unapplied: u64,
    pub(crate) read_only: bool,
}

/// A replica as its master sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Replica {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) state: String,
    /// Bytes of the stream that it has said to have.
    pub(crate) offset: u64,
    /// Seconds since it said so.
    pub(crate) lag: Option<u64>,
}

/// What CONFIG says; absent where the server's user may not ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// When to save; empty for never.
    pub(crate) save: Option<String>,
    /// Whether writes are refused after a save that failed.
    pub(crate) stops_writes: Option<bool>,
    /// `always`, `everysec` or `no`.
    pub(crate) fsync: Option<String>,
    /// Growth in per cent from which the append-only file is rewritten by itself; 0 for never.
    pub(crate) rewrite_percent: Option<u64>,
    /// Replicas without which writes are refused.
    pub(crate) min_replicas: Option<u64>,
}

/// What [`Settings`] asks for.
pub(crate) const SETTINGS: [&str; 5] =
    ["save", "stop-writes-on-bgsave-error", "appendfsync", "auto-aof-rewrite-percentage", "min-replicas-to-write"];

impl Settings {
    pub(crate) fn new(settings: &[(String, String)]) -> Self {
        let text = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        Self {
            save: text("save").map(Into::into),
            stops_writes: text("stop-writes-on-bgsave-error").map(|value| value == "yes"),
            fsync: text("appendfsync").map(Into::into),
            rewrite_percent: text("auto-aof-rewrite-percentage").and_then(|value| value.parse().ok()),
            min_replicas: text("min-replicas-to-write").and_then(|value| value.parse().ok()),
        }
    }
}

impl Figures {
    /// None where INFO does not say what the server is: it was no answer of a server's.
    pub(crate) fn new(info: &Info, settings: Settings) -> Option<Self> {
        let number = |name: &str| info.number::<u64>(name);
        let or_zero = |name: &str| number(name).unwrap_or_default();
        let good = |name: &str| info.get(name).is_none_or(|status| status == "ok");
        // -1 is no number here: nothing runs.
        let running = |flag: &str, seconds: &str| info.is_set(flag).then(|| or_zero(seconds));
        let is_replica = info.get("role")? != "master";
        Some(Self {
            now: number("server_time_usec").map(|micros| micros / 1_000_000),
            uptime: or_zero("uptime_in_seconds"),
            used: or_zero("used_memory"),
            loading: info.is_set("loading").then(|| Loading {
                percent: info.number("loading_loaded_perc"),
                remaining: number("loading_eta_seconds"),
            }),
            rdb: Rdb {
                last_save: or_zero("rdb_last_save_time"),
                changes: or_zero("rdb_changes_since_last_save"),
                good: good("rdb_last_bgsave_status"),
                running: running("rdb_bgsave_in_progress", "rdb_current_bgsave_time_sec"),
                saves: number("rdb_saves"),
            },
            aof: info.is_set("aof_enabled").then(|| Aof {
                rewrite_good: good("aof_last_bgrewrite_status"),
                failures: number("aof_rewrites_consecutive_failures"),
                write_good: good("aof_last_write_status"),
                running: running("aof_rewrite_in_progress", "aof_current_rewrite_time_sec"),
                size: or_zero("aof_current_size"),
                base: or_zero("aof_base_size"),
                delayed: or_zero("aof_delayed_fsync"),
            }),
            fork_us: or_zero("latest_fork_usec"),
            role: if is_replica { Role::Replica(link(info)) } else { Role::Master },
            offset: or_zero("master_repl_offset"),
            backlog: or_zero("repl_backlog_size"),
            replicas: ["slave", "replica"]
                .iter()
                .flat_map(|prefix| info.numbered(prefix))
                .map(|(_, line)| replica(line))
                .collect(),
            full_syncs: or_zero("sync_full"),
            good_replicas: number("min_slaves_good_slaves").or_else(|| number("min_replicas_good_replicas")),
            settings,
        })
    }
}

/// A value under its old name, or the new one.
fn either<'a>(info: &'a Info, old: &str, new: &str) -> Option<&'a str> {
    info.get(old).or_else(|| info.get(new))
}

fn link(info: &Info) -> Link {
    let number = |name: &str| info.number::<u64>(name);
    let part = |name: &str| info.get(name).unwrap_or("?");
    let applied = either(info, "slave_repl_offset", "replica_repl_offset").and_then(|value| value.parse::<u64>().ok());
    let read = either(info, "slave_read_repl_offset", "replica_read_repl_offset").and_then(|value| value.parse().ok());
    Link {
        master: format!("{}:{}", part("master_host"), part("master_port")),
        up: info.get("master_link_status") == Some("up"),
        down: number("master_link_down_since_seconds"),
        silent: number("master_last_io_seconds_ago"),
        copying: info.is_set("master_sync_in_progress"),
        to_come: number("master_sync_left_bytes"),
        unapplied: read.zip(applied).map_or(0, |(read, applied): (u64, u64)| read.saturating_sub(applied)),
        read_only: either(info, "slave_read_only", "replica_read_only") != Some("0"),
    }
}

fn replica(line: &str) -> Replica {
    let part = |name: &str| redis::pairs(line).find(|(known, _)| *known == name).map(|(_, value)| value);
    Replica {
        address: format!("{}:{}", part("ip").unwrap_or("?"), part("port").unwrap_or("?")),
        state: part("state").unwrap_or("?").into(),
        offset: part("offset").and_then(|value| value.parse().ok()).unwrap_or_default(),
        lag: part("lag").and_then(|value| value.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Redis 6.0, which has no clock of its own and no counts of saves.
    const SIX: &str = "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
                       master_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:1\r\nmaster_sync_left_bytes:4096\r\n\
                       slave_repl_offset:100\r\nmaster_link_down_since_seconds:12\r\nslave_read_only:0\r\nloading:0\r\n\
                       rdb_changes_since_last_save:3\r\nrdb_bgsave_in_progress:0\r\nrdb_last_save_time:1700000000\r\n\
                       rdb_last_bgsave_status:ok\r\nrdb_current_bgsave_time_sec:-1\r\naof_enabled:0\r\n\
                       aof_last_bgrewrite_status:ok\r\naof_last_write_status:ok\r\n";

    /// Of Redis 7 and Valkey.
    const SEVEN: &str = "role:master\r\nserver_time_usec:1795490032087177\r\nloading:1\r\nloading_loaded_perc:42.50\r\n\
                         loading_eta_seconds:9\r\nrdb_last_bgsave_status:err\r\nrdb_bgsave_in_progress:1\r\n\
                         rdb_current_bgsave_time_sec:77\r\nrdb_saves:4\r\naof_enabled:1\r\naof_rewrite_in_progress:1\r\n\
                         aof_current_rewrite_time_sec:5\r\naof_last_bgrewrite_status:err\r\n\
                         aof_rewrites_consecutive_failures:3\r\naof_last_write_status:err\r\naof_current_size:500\r\n\
                         aof_base_size:100\r\naof_delayed_fsync:6\r\nconnected_slaves:2\r\n\
                         slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=0,type=main-conn\r\n\
                         slave1:ip=10.0.0.3,port=6380,state=wait_bgsave,offset=0,lag=-1\r\nmaster_repl_offset:1000\r\n\
                         min_slaves_good_slaves:1\r\nslaves_of_no_number:1\r\n";

    #[test]
    fn a_replica_of_redis_6_is_read() {
        let figures = Figures::new(&Info::parse(SIX), Settings::default()).unwrap();
        let Role::Replica(link) = &figures.role else { panic!("a replica") };
        let expected = Link {
            master: "10.0.0.1:6379".into(),
            up: false,
            down: Some(12),
            silent: None,
            copying: true,
            to_come: Some(4096),
            unapplied: 0,
            read_only: false,
        };
        assert_eq!(*link, expected);
        assert_eq!((figures.now, figures.loading, figures.aof), (None, None, None));
        let rdb = Rdb { last_save: 1_700_000_000, changes: 3, good: true, running: None, saves: None };
        assert_eq!(figures.rdb, rdb);
    }

    #[test]
    fn a_master_of_redis_7_is_read() {
        let figures = Figures::new(&Info::parse(SEVEN), Settings::default()).unwrap();
        assert_eq!((figures.now, &figures.role, figures.good_replicas), (Some(1_795_490_032), &Role::Master, Some(1)));
        assert_eq!(figures.loading, Some(Loading { percent: Some(42.5), remaining: Some(9) }));
        assert_eq!(figures.rdb, Rdb { good: false, running: Some(77), saves: Some(4), ..Rdb::default() });
        let aof = Aof {
            rewrite_good: false,
            failures: Some(3),
            write_good: false,
            running: Some(5),
            size: 500,
            base: 100,
            delayed: 6,
        };
        assert_eq!(figures.aof, Some(aof));
        let replica = |address: &str, state: &str, offset, lag| Replica {
            address: address.into(),
            state: state.into(),
            offset,
            lag,
        };
        let expected =
            [replica("10.0.0.2:6379", "online", 900, Some(0)), replica("10.0.0.3:6380", "wait_bgsave", 0, None)];
        assert_eq!(figures.replicas, expected);
    }

    #[test]
    fn what_is_no_server_s_answer_is_told_and_what_config_hides_is_absent() {
        assert_eq!(Figures::new(&Info::parse("used_memory:1\r\n"), Settings::default()), None);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = Settings::new(&[
            pair("save", "3600 1 300 100"),
            pair("stop-writes-on-bgsave-error", "yes"),
            pair("appendfsync", "everysec"),
            pair("auto-aof-rewrite-percentage", "100"),
            pair("min-replicas-to-write", "1"),
        ]);
        let expected = Settings {
            save: Some("3600 1 300 100".into()),
            stops_writes: Some(true),
            fsync: Some("everysec".into()),
            rewrite_percent: Some(100),
            min_replicas: Some(1),
        };
        assert_eq!(settings, expected);
        assert_eq!(Settings::new(&[]), Settings::default());
    }
}
