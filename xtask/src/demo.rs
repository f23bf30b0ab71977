//! `cargo xtask demo`: a small world of things to maintain, and four plugins at work on it, one by one and as a bundle, without
//! any server; then the day's tasks of the reference bundle on private servers, as those of the tests are. Nothing is left
//! outside the build directory.

use anyhow::bail;

use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{guests, process};

/// What each plugin is shown on: why, and its command line after `host`.
const SCENES: [(&str, &[&str]); 6] = [
    (
        "Certificates: one expires in 12 days, one is expired, one chain is broken, one is good",
        &["run", "cert-check", "--files", "certs={demo}/certs"],
    ),
    ("A database of which most is dead space", &["run", "vacuum", "--sql", "database=sqlite:{demo}/app.db,maintain"]),
    (
        "Backups of which the newest was cut short: restored into a scratch database, and dropped again",
        &["run", "backup-test", "--files", "backups={demo}/backups", "--sql", "database=sqlite:{demo}/app.db,scratch"],
    ),
    (
        "Old logs: what would be removed, rehearsed, so nothing is",
        &["plan", "file-cleanup", "older-than=30d", "--files", "directory={demo}/logs,delete"],
    ),
    ("All of it as one file that a team reviews: who may touch what", &["grants", "{demo}/bundle.toml"]),
    ("The day's tasks of that file, rehearsed", &["plan", "{demo}/bundle.toml", "--kind", "daily"]),
];

pub(crate) async fn run(workspace: &Workspace) -> anyhow::Result<()> {
    heading("Building the host and the plugins (the first time takes some minutes)");
    // By `--bin` for the reason that .cargo/config.toml gives.
    process::succeed(&mut workspace.cargo(&["build", "--bin", "host", "--bin", "world"])).await?;
    guests::ensure_target(workspace).await?;
    guests::build(workspace, &workspace.plugins()?).await?;

    let demo = workspace.target.join("demo");
    heading(&format!("Making a small world in {}", workspace.shown(&demo)));
    process::succeed(workspace.command(workspace.binary("world")).arg("demo").arg(&demo)).await?;

    let demo = workspace.shown(&demo);
    for (why, arguments) in SCENES {
        heading(why);
        let mut host = workspace.command(workspace.binary("host"));
        host.args(arguments.iter().map(|argument| argument.replace("{demo}", &demo)));
        // Another set of plugins may be on the caller's plugin path.
        host.env_remove("TASKHOST_PLUGINS");
        let line = process::line(&host);
        println!("$ host{}\n", line.trim_start_matches(|character| character != ' '));
        shown(process::status(&mut host).await?.code())?;
    }
    runbook(workspace).await?;

    let host = workspace.shown(&workspace.binary("host"));
    heading("What to try next");
    println!(
        "`host` is {host}\n\
         {host} inspect vacuum            what a plugin asks for, and why\n\
         {host} run vacuum                what happens when nothing is granted\n\
         {host} run file-cleanup older-than=30d --files directory={demo}/logs,delete --budget directory.files=1\n\
         {host} run cert-check --files certs={demo}/certs --format json\n\
         {host} check {demo}/bundle.toml    what is wrong with a bundle, or unwise; change something in it first\n\
         {host} run {demo}/bundle.toml --all --format markdown    an entry for a maintenance log\n\
         The smallest plugin of your own is in README.md."
    );
    Ok(())
}

/// The day's part of the reference bundle, on a system made for it.
async fn runbook(workspace: &Workspace) -> anyhow::Result<()> {
    heading("A whole runbook: the servers that its system is made of");
    let servers = match Servers::start(workspace).await {
        Ok(servers) => servers,
        Err(error) => {
            println!("left out: {error:#}");
            return Ok(());
        }
    };
    heading("The day's tasks of plugins/reflexion.toml, on a system that is small but real");
    let system = workspace.target.join("demo-reflexion");
    println!("$ cd {} && host run reflexion.toml --kind daily\n", workspace.shown(&system));
    let mut world = workspace.command(workspace.binary("world"));
    world.arg("reflexion").arg(&system).arg(workspace.binary("host")).args([
        "run",
        "reflexion.toml",
        "--kind",
        "daily",
    ]);
    world.envs(servers.environment()).env_remove("TASKHOST_PLUGINS");
    shown(process::status(&mut world).await?.code())
}

/// Says what an exit code means.
fn shown(code: Option<i32>) -> anyhow::Result<()> {
    match code {
        Some(0) => println!("\n(exit code 0: all is well)"),
        Some(1) => println!("\n(exit code 1: there are warnings, as there should be)"),
        Some(2) => println!("\n(exit code 2: something is critical, as it should be)"),
        _ => bail!("the demo's own world should not make `host` fail"),
    }
    Ok(())
}

fn heading(text: &str) {
    println!("\n== {text}");
}
