//! The whole of it on the files of a machine that was made up, of which every figure is known, and on files that are missing
//! or say nonsense.

use std::path::Path;

use super::*;

const MEMINFO: &str = include_str!("../testdata/meminfo");

/// The files of a machine.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        world.write("proc/stat", STAT);
        world.write("proc/meminfo", MEMINFO);
        world.write("proc/loadavg", "0.15 1.00 12.42 3/428 2496\n");
        world.write("proc/uptime", "93784.61 1999.98\n");
        world.write(
            "proc/self/mountinfo",
            "1 0 8:2 / / rw - ext4 /dev/sda2 rw\n2 1 8:3 / /no-such-place rw - ext4 /dev/sda3 rw\n",
        );
        world.write("proc/self/cgroup", "0::/\n");
        world.write("proc/diskstats", "8 2 sda2 1 0 8 4 1 0 16 4 0 8 8\n");
        world.write("proc/net/dev", DEV);
        world.write("proc/sys/kernel/osrelease", "6.1.0-test\n");
        world.write("sys/class/net/eth0/speed", "1000\n");
        world.write("sys/class/net/lo/speed", "-1\n");
        world.write("etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        world.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnonsense\n");
        world
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.0.path().join(path)).unwrap();
    }

    fn roots(&self) -> Roots {
        let under = |name: &str| self.0.path().join(name);
        Roots { proc: under("proc"), sys: under("sys"), etc: under("etc") }
    }

    fn machine(&self) -> Machine {
        Machine { roots: Arc::new(self.roots()), space: Arc::default() }
    }
}

const STAT: &str = "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 100 0 100 700 100 0 0 0 0 0\nctxt 1\nbtime 1\nprocesses 1\n";
const DEV: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets\n\
    lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n  eth0: 5000 50 2 3 0 0 0 0 7000 70 4 5 0 0 0 0\n";
const SPAN: Duration = Duration::from_millis(100);

fn grant(settings: &str) -> Grant {
    toml::from_str(&format!("target = 'local'\naccess = ['read']\n{settings}")).unwrap()
}

#[tokio::test]
async fn every_figure_is_in_its_place() {
    let world = World::new();
    world.write("proc/pressure/cpu", "some avg10=12.08 avg60=9.30 avg300=4.93 total=29498211\n");
    world.write(
        "proc/pressure/memory",
        "some avg10=0.50 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    world.write("proc/pressure/io", "some avg10=3.52 avg60=1.03 avg300=0.32 total=3\n");
    let snapshot = world.machine().measure(&grant(""), SPAN, &Notices::default()).await.unwrap();
    assert_eq!((snapshot.load.one, snapshot.load.five, snapshot.load.fifteen), (0.15, 1.0, 12.42));
    assert_eq!(snapshot.uptime, 93_784);
    let system = format!("Debian GNU/Linux 12 (bookworm), Linux 6.1.0-test, {}", std::env::consts::ARCH);
    assert_eq!(snapshot.system, system);
    let memory = snapshot.memory;
    assert_eq!((memory.total, memory.available, memory.swap_free), (8_000_000 * 1024, 6_000_000 * 1024, 900 * 1024));
    let pressure = snapshot.pressure.unwrap();
    assert_eq!((pressure.processor, pressure.memory, pressure.disks), (12.08, 0.5, 3.52));
    // The root of this machine answers for the one that was made up; the other mount is not there.
    let [disk] = snapshot.disks.as_slice() else { panic!("{:?}", snapshot.disks) };
    assert_eq!((disk.mount.as_str(), disk.device.as_str(), disk.busy_percent), ("/", "/dev/sda2", Some(0.0)));
    let [eth0, lo] = snapshot.networks.as_slice() else { panic!("{:?}", snapshot.networks) };
    assert_eq!((eth0.speed, lo.speed), (Some(125_000_000), None));
    assert_eq!((eth0.received, eth0.receive_errors, eth0.receive_dropped), (5_000, 2, 3));
    assert_eq!((eth0.transmitted, eth0.transmit_errors, eth0.transmit_dropped), (7_000, 4, 5));
    assert_eq!((eth0.received_packets, eth0.transmitted_packets), (50, 70));
    assert!(snapshot.measured >= 0.1);
}

#[tokio::test]
async fn mounts_and_interfaces_are_those_of_the_grant() {
    let grant = grant("mount = '/srv'\ninterface = 'eth*'");
    let snapshot = World::new().machine().measure(&grant, SPAN, &Notices::default()).await.unwrap();
    assert!(snapshot.disks.is_empty());
    assert_eq!(snapshot.networks.iter().map(|network| network.name.as_str()).collect::<Vec<_>>(), ["eth0"]);
}

#[test]
fn what_lies_between_two_readings_makes_shares_and_rates() {
    let world = World::new();
    let before = Counters::read(&world.roots()).unwrap();
    // 200 ticks of which 50 were user's, 10 stolen, 100 idle; and 40 waiting.
    let later = "150 0 100 800 140 0 0 10 0 0";
    world.write("proc/stat", &STAT.replace("100 0 100 700 100 0 0 0 0 0", later));
    world.write("proc/diskstats", "8 2 sda2 1 0 2056 4 1 0 4112 4 0 58 8\n");
    world.write("proc/net/dev", &DEV.replace("5000 50", "15000 60"));
    std::thread::sleep(SPAN);
    let after = Counters::read(&world.roots()).unwrap();
    let seconds = counters::seconds(&before, &after);
    let processor = counters::processor(&before, &after);
    let shares = (processor.busy_percent, processor.io_wait_percent, processor.steal_percent);
    assert_eq!(shares, (30.0, Some(20.0), Some(5.0)));
    assert_eq!((processor.count, processor.each_percent), (1, vec![30.0]));
    let mounts = mounts::real(&mounts::read(&world.roots()).unwrap(), |_| true);
    let work = counters::work(&before, &after, mounts.first().unwrap()).unwrap();
    let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6 * expected, "{value} {expected}");
    near(work.busy_percent, 5.0 / seconds);
    near(work.read_rate, 2048.0 * 512.0 / seconds);
    near(work.write_rate, 4096.0 * 512.0 / seconds);
    let networks = counters::networks(&world.roots(), &before, &after);
    near(networks.iter().find(|network| network.name == "eth0").unwrap().receive_rate, 10_000.0 / seconds);
}

#[test]
fn a_counter_that_goes_back_or_stands_still_makes_no_nonsense() {
    let world = World::new();
    world.write("proc/stat", &STAT.replace("700 100", "700 900"));
    let before = Counters::read(&world.roots()).unwrap();
    world.write("proc/stat", STAT);
    let after = Counters::read(&world.roots()).unwrap();
    for (before, after) in [(&before, &after), (&after, &after)] {
        let processor = counters::processor(before, after);
        assert_eq!((processor.busy_percent, processor.io_wait_percent), (0.0, Some(0.0)));
    }
}

#[tokio::test]
async fn what_a_machine_does_not_tell_is_none_and_what_every_one_tells_is_named() {
    let world = World::new();
    for path in ["proc/diskstats", "proc/net/dev", "proc/self/cgroup", "etc/os-release", "etc/passwd"] {
        world.remove(path);
    }
    world.write("proc/pressure/cpu", "");
    world.write("proc/stat", &STAT.replace("700 100 0 0 0 0 0", "700"));
    let measure = async || world.machine().measure(&grant(""), SPAN, &Notices::default()).await;
    let snapshot = measure().await.unwrap();
    assert!(snapshot.pressure.is_none() && snapshot.networks.is_empty());
    assert_eq!((snapshot.processor.io_wait_percent, snapshot.processor.steal_percent), (None, None));
    assert_eq!((snapshot.disks[0].busy_percent, snapshot.disks[0].read_rate), (None, None));
    for name in ["stat", "meminfo", "loadavg", "uptime", "self/mountinfo"] {
        let path = format!("proc/{name}");
        let text = std::fs::read_to_string(world.0.path().join(&path)).unwrap();
        world.remove(&path);
        let error = measure().await.unwrap_err().to_string();
        assert!(error.contains("failed to read") && error.contains(name), "{error}");
        world.write(&path, "\u{1b}[2J nonsense \u{0}");
        let nonsense = measure().await;
        let understood = name == "self/mountinfo" && nonsense.as_ref().is_ok_and(|found| found.disks.is_empty());
        assert!(understood || nonsense.unwrap_err().to_string().contains("failed to understand"), "{name}");
        world.write(&path, &text);
    }
}

#[tokio::test]
async fn a_mount_that_does_not_answer_is_named_and_holds_nobody_up() {
    fn never(point: &Path) -> Option<space::Space> {
        loop {
            std::thread::park();
            assert_eq!(point, Path::new("/"));
        }
    }
    let world = World::new();
    world.write("proc/self/mountinfo", "1 0 0:50 / / rw - nfs4 nas:/export rw\n");
    let machine =
        Machine { roots: Arc::new(world.roots()), space: Arc::new(Asker::new(never, Duration::from_millis(50))) };
    let notices = Notices::default();
    for _ in 0..2 {
        let snapshot = machine.measure(&grant(""), SPAN, &notices).await.unwrap();
        assert_eq!((snapshot.disks.len(), snapshot.silent_mounts), (0, vec!["/".to_owned()]));
    }
    assert_eq!(notices.all(), ["/ did not answer within 3 s and is left out"]);
}

/// The line of a process, of which the ticks and the pages are set.
fn process(world: &World, number: u32, name: &str, ticks: u64, pages: u64) {
    let rest = format!("S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 1000 0 {pages} 0");
    let line = format!("{number} ({name}) {rest}{}", " 0".repeat(27));
    world.write(&format!("proc/{number}/stat"), &line);
}

#[tokio::test]
async fn processes_are_the_busiest_and_the_largest_by_their_names() {
    let world = World::new();
    for number in 1..=9 {
        process(&world, number, "idle", 5, 1);
    }
    process(&world, 20, "large", 5, 500);
    process(&world, 21, ") 1 (\u{1b}[2J\nevil", 5, 1);
    let before = processes::read(&world.roots()).unwrap();
    process(&world, 21, ") 1 (\u{1b}[2J\nevil", 25, 1);
    process(&world, 22, "new", 15, 1);
    world.write("proc/30/stat", "no line of a process");
    let found = processes::most(&world.roots(), &before, 2).unwrap();
    let names: Vec<_> = found.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, [") 1 (\\u{1b}[2J evil", "new", "large", "idle"]);
    assert!(found[0].busy_percent > found[1].busy_percent && found[1].busy_percent > 0.0);
    assert!(found[2].busy_percent < f64::EPSILON);
    assert_eq!(found[2].memory, 500 * u64::try_from(rustix::param::page_size()).unwrap());
    let own = std::os::unix::fs::MetadataExt::uid(&world.0.path().metadata().unwrap());
    assert_eq!(found[0].user, if own == 0 { "root".into() } else { own.to_string() });
    assert_eq!(found[0].age, 93_784 - 1000 / rustix::param::clock_ticks_per_second());
    assert_eq!(processes::most(&world.roots(), &before, 1000).unwrap().len(), 12);
}
