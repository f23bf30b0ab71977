//! The server's figures, whichever version gives them. Pure.

use taskhost_sdk::redis::{self, Client, Info};

/// What INFO says of memory. What a version does not give is absent, or 0 where it could only add.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Bytes that the server asked its allocator for.
    pub(crate) used: u64,
    /// Bytes of the machine's memory that the process takes.
    pub(crate) rss: u64,
    pub(crate) peak: u64,
    /// Used before there was any key.
    pub(crate) startup: u64,
    /// Used for anything but keys and values, `startup` with it.
    pub(crate) overhead: u64,
    pub(crate) dataset: u64,
    /// 0: no limit.
    pub(crate) maxmemory: u64,
    pub(crate) policy: String,
    /// It follows a master, which evicts for both: `maxmemory` counts for nothing here unless
    /// `replica-ignore-maxmemory` is no.
    pub(crate) is_replica: bool,
    /// Buffers that `maxmemory` does not count.
    pub(crate) not_counted: u64,
    /// The machine's memory.
    pub(crate) system: Option<u64>,
    pub(crate) allocator: Option<Allocator>,
    pub(crate) defragmenting: bool,
    /// Buffers of clients that are no replicas.
    pub(crate) clients: u64,
    /// The replication backlog and replicas' buffers.
    pub(crate) replication: u64,
    /// Interpreters, cached scripts and functions.
    pub(crate) scripts: u64,
    pub(crate) cached_scripts: u64,
    /// Keys evicted since the server started.
    pub(crate) evicted: u64,
    /// Milliseconds for which it has been over its limit without getting below it.
    pub(crate) exceeded_ms: u64,
    /// Keys of all databases.
    pub(crate) keys: u64,
    /// Those of them with a TTL.
    pub(crate) expiring: u64,
    /// Seconds.
    pub(crate) uptime: u64,
    /// Another after each start.
    pub(crate) run_id: String,
    /// Seconds since 1970, by the server's clock.
    pub(crate) now: Option<u64>,
}

/// Where the allocator's memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocator {
    /// Given out.
    pub(crate) allocated: u64,
    /// In pages of which something is given out.
    pub(crate) active: u64,
    /// In pages that it has from the machine.
    pub(crate) resident: u64,
}

impl Figures {
    /// None where INFO does not say how much is used: it was no answer of a server's.
    pub(crate) fn new(info: &Info) -> Option<Self> {
        let number = |name: &str| info.number::<u64>(name);
        let or_zero = |name: &str| number(name).unwrap_or_default();
        let used = number("used_memory")?;
        let allocator = number("allocator_allocated").zip(number("allocator_active")).zip(number("allocator_resident"));
        let keyspace = |part: &str| {
            let databases = info.numbered("db").flat_map(|(_, value)| redis::pairs(value));
            databases.filter(|(name, _)| *name == part).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
        };
        // From Redis 7 the replicas' buffers and the backlog are the same bytes, and have a figure of their own.
        let apart = or_zero("mem_replication_backlog").saturating_add(or_zero("mem_clients_slaves"));
        let vm = number("used_memory_vm_total").unwrap_or_else(|| or_zero("used_memory_lua"));
        Some(Self {
            used,
            rss: number("used_memory_rss").unwrap_or(used),
            peak: or_zero("used_memory_peak").max(used),
            startup: or_zero("used_memory_startup"),
            overhead: or_zero("used_memory_overhead"),
            dataset: or_zero("used_memory_dataset"),
            maxmemory: or_zero("maxmemory"),
            policy: info.get("maxmemory_policy").unwrap_or("noeviction").into(),
            is_replica: info.get("role").is_some_and(|role| role != "master"),
            not_counted: or_zero("mem_not_counted_for_evict"),
            system: number("total_system_memory").filter(|bytes| *bytes > 0),
            allocator: allocator.map(|((allocated, active), resident)| Allocator { allocated, active, resident }),
            defragmenting: or_zero("active_defrag_running") > 0,
            clients: or_zero("mem_clients_normal"),
            replication: or_zero("mem_total_replication_buffers").max(apart),
            scripts: vm.saturating_add(or_zero("used_memory_scripts")),
            cached_scripts: or_zero("number_of_cached_scripts"),
            evicted: or_zero("evicted_keys"),
            exceeded_ms: or_zero("current_eviction_exceeded_time"),
            keys: keyspace("keys"),
            expiring: keyspace("expires"),
            uptime: or_zero("uptime_in_seconds"),
            run_id: info.get("run_id").unwrap_or_default().into(),
            now: number("server_time_usec").map(|micros| micros / 1_000_000),
        })
    }

    /// What counts against `maxmemory`.
    pub(crate) fn counted(&self) -> u64 {
        self.used.saturating_sub(self.not_counted)
    }

    /// Whether writes fail at `maxmemory`.
    pub(crate) fn fails_when_full(&self) -> bool {
        self.maxmemory > 0 && !self.is_replica && !self.can_evict()
    }

    /// Whether the server can make room by itself at its limit.
    fn can_evict(&self) -> bool {
        match self.policy.as_str() {
            "noeviction" => false,
            policy if policy.starts_with("volatile-") => self.expiring > 0,
            _ => true,
        }
    }
}

/// What one client holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) name: String,
    /// The last command.
    pub(crate) command: String,
    /// One letter each, as CLIENT LIST says.
    pub(crate) flags: String,
    /// Replies that wait for it.
    pub(crate) output: u64,
    /// All that it takes.
    pub(crate) total: u64,
}

impl Holder {
    fn new(client: &Client) -> Self {
        let text = |name: &str| redis::field(client, name).unwrap_or_default().to_owned();
        let number = |name: &str| redis::field(client, name).and_then(|value| value.parse::<u64>().ok());
        let output = number("omem").unwrap_or_default();
        // Before Redis 6.2 there is no total.
        let parts = ["qbuf", "qbuf-free", "argv-mem"].map(|name| number(name).unwrap_or_default());
        Self {
            id: text("id"),
            address: text("addr"),
            name: text("name"),
            command: text("cmd"),
            flags: text("flags"),
            output,
            total: number("tot-mem")
                .unwrap_or_else(|| parts.iter().fold(output, |sum, part| sum.saturating_add(*part))),
        }
    }
}

/// The clients, the one that holds the most first.
pub(crate) fn holders(clients: &[Client]) -> Vec<Holder> {
    let mut holders: Vec<_> = clients.iter().map(Holder::new).collect();
    holders.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.id.cmp(&b.id)));
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_gives_is_found() {
        let six = "used_memory:100\r\nused_memory_lua:7\r\nused_memory_scripts:2\r\nmem_replication_backlog:10\r\n\
                   mem_clients_slaves:5\r\nmaxmemory_policy:volatile-lru\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n\
                   db7:keys=4,expires=1,avg_ttl=9\r\n";
        let figures = Figures::new(&Info::parse(six)).unwrap();
        assert_eq!((figures.scripts, figures.replication, figures.allocator), (9, 15, None));
        assert_eq!((figures.keys, figures.expiring, figures.now, figures.system), (7, 1, None, None));
        assert_eq!((figures.peak, figures.rss), (100, 100));

        let seven = "used_memory:100\r\nused_memory_lua:7\r\nused_memory_vm_total:20\r\nused_memory_scripts:2\r\n\
                     mem_replication_backlog:10\r\nmem_clients_slaves:5\r\nmem_total_replication_buffers:12\r\n\
                     allocator_allocated:1\r\nallocator_active:2\r\nallocator_resident:3\r\n\
                     server_time_usec:1795490032087177\r\ntotal_system_memory:0\r\n";
        let figures = Figures::new(&Info::parse(seven)).unwrap();
        assert_eq!((figures.scripts, figures.replication, figures.now), (22, 15, Some(1_795_490_032)));
        assert_eq!(figures.allocator, Some(Allocator { allocated: 1, active: 2, resident: 3 }));
        assert_eq!(figures.system, None, "0 is how a server says that it does not know");

        assert_eq!(Figures::new(&Info::parse("role:master\r\n")), None);
    }

    #[test]
    fn room_is_made_by_the_policies_that_find_keys_to_evict() {
        for (policy, expiring, expected) in [
            ("noeviction", 5, false),
            ("volatile-lru", 0, false),
            ("volatile-ttl", 1, true),
            ("allkeys-lru", 0, true),
            ("allkeys-random", 0, true),
        ] {
            let figures = Figures { policy: policy.into(), expiring, ..Figures::default() };
            assert_eq!(figures.can_evict(), expected, "{policy}");
        }
    }

    #[test]
    fn clients_are_ordered_by_all_that_they_hold() {
        let client =
            |text: &str| -> Client { redis::pairs(text).map(|(name, value)| (name.into(), value.into())).collect() };
        let old = client("id=1,omem=5,qbuf=1,qbuf-free=2");
        let new = client("id=2,addr=10.0.0.2:1,omem=50,tot-mem=9000,cmd=get,flags=N");
        let none = client("id=3");
        let holders = holders(&[old, none, new]);
        let seen: Vec<_> = holders.iter().map(|holder| (holder.id.as_str(), holder.total)).collect();
        assert_eq!(seen, [("2", 9000), ("1", 8), ("3", 0)]);
        assert_eq!((holders[0].address.as_str(), holders[0].output), ("10.0.0.2:1", 50));
    }
}
