//! What people read, and what is said of parameters that make no sense.

use taskhost_tests::host;

use super::scene::{Logs, clock};

#[test]
fn the_reports_are_written_for_people() {
    let mut log = String::new();
    for number in 0..2_000_u64 {
        let line = match number % 100 {
            0 => format!("ERROR db: connection to 10.0.0.{} timed out after {} ms", number % 7, number),
            50 => format!("CRITICAL disk: \"/var/{number}\" is full"),
            _ => format!("INFO served in response_time={}ms", 20 + number % 37 * 3),
        };
        log += &format!("{} {line}\n", clock(number * 10));
    }
    let access: String = (0..500_u64)
        .map(|n| {
            let status = if n % 50 == 0 { 502 } else { 200 };
            format!(
                "203.0.113.{} - - [23/Nov/2026:03:10:{:02} +0000] \"GET /a/{n} HTTP/1.1\" {status} 12\n",
                n % 3,
                n % 60
            )
        })
        .collect();
    let logs = Logs::new(&[("app.log", &log), ("web/access.log", &access), ("empty.log", "")]);
    let slot = format!("logs={}", logs.path("").display());
    let arguments = ["field=response_time", "warn-error-percent=1.5", "warn-above=0.1"];
    let output = host().args(["run", "log-analyze", "--files", &slot]).args(arguments).run().expect_code(1);
    insta::assert_snapshot!(format!("$ host run log-analyze {}\n{}", arguments.join(" "), output.stdout));
}

#[test]
fn what_makes_no_sense_is_said() {
    let logs = Logs::new(&[("app.log", "ERROR\n")]);
    let directory = logs.path("").display().to_string();
    let mut messages = String::new();
    for arguments in [
        &["errors=("][..],
        &["errors=a\\nb"],
        &["field=a:0"],
        &["mask=("],
        &["pattern=["],
        &["percentile=101"],
        &["pattern=*.txt"],
        &["field=nothing"],
    ] {
        let host = host().args(["run", "log-analyze", "--files", &format!("logs={directory}")]);
        let output = host.args(arguments.iter().copied()).run();
        messages += &format!("$ host run log-analyze {}\n{}{}\n", arguments.join(" "), output.stdout, output.stderr);
    }
    insta::assert_snapshot!(messages);
}
