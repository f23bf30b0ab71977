//! `redis-keys` beside `redis-cli --bigkeys`.

use std::process::Command;

use crate::measure::{Comparison, ratio, side_by_side};
use crate::process::{Places, peak, run};

const KEYS: u64 = 1_000_000;
const FEW: u64 = 100_000;

pub(super) fn compare(places: &Places, url: &str) -> anyhow::Result<Comparison> {
    let slot = format!("cache={}", url.replace(',', "%2C"));
    let ours = || places.host(&["run", "redis-keys", "--redis", &slot]);
    empty(url)?;
    fill(url, 0, FEW)?;
    let few = peak(ours())?;
    fill(url, FEW, KEYS)?;
    let many = peak(ours())?;
    let rounds = 3;
    let times = side_by_side(
        rounds,
        &mut [
            ("Taskhost", Box::new(|| run(&mut ours(), &[0, 1]).map(drop))),
            ("redis-cli --bigkeys", Box::new(|| run(cli(url).arg("--bigkeys"), &[0]).map(drop))),
            ("redis-cli --memkeys", Box::new(|| run(cli(url).arg("--memkeys"), &[0]).map(drop))),
        ],
    )?;
    empty(url)?;
    let met = matches!(times.as_slice(), [(_, ours), (_, bigkeys), ..] if ratio(*ours, *bigkeys) <= 1.0 / 3.0);
    Ok(Comparison {
        title: "redis-keys over a million keys".into(),
        aim: "three times faster than --bigkeys, peak memory flat".into(),
        method: format!(
            "{KEYS} keys of five kinds and 1,000 prefixes. `--bigkeys` asks for kind and length; redis-keys asks for kind, \
             length, memory and expiry, and sums them by prefix. Peak memory of the host: {} MiB at {FEW} keys, {} MiB at {KEYS}.",
            few >> 20,
            many >> 20
        ),
        times,
        met,
        rounds,
        missed: "It asks the server four questions a key where `--bigkeys` asks two, among them MEMORY USAGE, which \
                 `--memkeys` asks alone. `sample=10` asks them of a tenth of the keys."
            .into(),
    })
}

fn cli(url: &str) -> Command {
    let mut command = Command::new("redis-cli");
    // Not with `-u`: for `--bigkeys`, version 7.0 makes an empty user name of none.
    if let Ok(url) = url::Url::parse(url) {
        command.args(["-h", url.host_str().unwrap_or("127.0.0.1"), "-p", &url.port().unwrap_or(6379).to_string()]);
        command.env("REDISCLI_AUTH", url.password().unwrap_or_default());
    }
    command
}

/// Takes all keys away.
pub(super) fn empty(url: &str) -> anyhow::Result<()> {
    run(cli(url).arg("FLUSHDB"), &[0]).map(drop)
}

/// Keys of several kinds, a thousand prefixes.
pub(super) fn fill(url: &str, from: u64, to: u64) -> anyhow::Result<()> {
    let script = "for i=ARGV[1],ARGV[2]-1 do local k='p'..(i%1000)..':'..i; local t=i%10; \
                  if t<6 then redis.call('SET',k,string.rep('x',i%200)) \
                  elseif t<8 then redis.call('HSET',k,'a',i,'b',i) \
                  elseif t==8 then redis.call('RPUSH',k,i,i,i) else redis.call('ZADD',k,i,'m') end; \
                  if i%4==0 then redis.call('EXPIRE',k,86400) end end";
    for begin in (from..to).step_by(50_000) {
        let (begin, end) = (begin.to_string(), (begin + 50_000).min(to).to_string());
        run(cli(url).args(["EVAL", script, "0", &begin, &end]), &[0])?;
    }
    Ok(())
}
