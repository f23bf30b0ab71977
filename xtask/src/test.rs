//! `cargo xtask test`: everything that must pass, one heading a step.

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use tokio::process::Command;

use crate::servers::Servers;
use crate::workspace::Workspace;
use crate::{guests, process, python, workspace};

/// What `test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Go on after a step failed, and name all that failed at the end.
    #[arg(long)]
    keep_going: bool,
}

pub(crate) async fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let mut steps = Steps { begun: Instant::now(), keep_going: options.keep_going, failed: vec![], done: 0 };
    let (plugins, fixtures) = (workspace.plugins()?, workspace.fixtures()?);
    let all = || plugins.iter().chain(&fixtures);

    steps.cargo("formatting", workspace.cargo(&["fmt", "--all", "--", "--check"])).await?;
    steps.cargo("host", workspace.cargo(&["build"])).await?;
    let built = async {
        guests::ensure_target(workspace).await?;
        guests::build(workspace, all()).await
    };
    steps.step("plugins and test guests, to WebAssembly", built).await?;
    steps.step("plugins in Python, to WebAssembly", python::build(workspace)).await?;

    let host = ["clippy", "--all-targets", "--", "--deny", "warnings"];
    steps.cargo("lints of the host", workspace.cargo(&host)).await?;
    steps.cargo("lints of plugins and test guests", workspace.cargo(&guests::clippy(all()))).await?;

    steps.step("unit tests of plugins in Python", python::test(workspace)).await?;

    let mut servers = None;
    steps
        .step("servers", async {
            servers = Some(Servers::start(workspace).await?);
            Ok(())
        })
        .await?;
    if let Some(servers) = &servers {
        for (name, arguments) in [
            ("unit and integration tests", &["test", "--lib", "--bins", "--tests"][..]),
            ("examples in the documentation", &["test", "--doc"]),
        ] {
            let mut cargo = workspace.cargo(arguments);
            // A snapshot that differs fails and leaves no file behind; `cargo insta` is for reviewing them.
            cargo.envs(servers.environment()).env("TASKHOST_TEST_HOST", workspace.binary("host"));
            cargo.env("INSTA_UPDATE", "no");
            if options.keep_going {
                cargo.arg("--no-fail-fast");
            }
            steps.cargo(name, cargo).await?;
        }
    }
    drop(servers);

    let mut documentation = workspace.cargo(&["doc", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "--deny warnings");
    steps.cargo("documentation", documentation).await?;
    // Without its advisory database, which takes a network.
    if workspace::program("cargo-deny", &[]).is_some() {
        steps.cargo("licences and sources", workspace.cargo(&["deny", "check", "bans", "licenses", "sources"])).await?;
    }
    steps.end()
}

/// Steps done so far.
struct Steps {
    begun: Instant,
    keep_going: bool,
    failed: Vec<&'static str>,
    done: usize,
}

impl Steps {
    async fn cargo(&mut self, name: &'static str, mut command: Command) -> anyhow::Result<()> {
        self.step(name, process::succeed(&mut command)).await
    }

    async fn step(&mut self, name: &'static str, step: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        println!("\n== {name}");
        let begun = Instant::now();
        let ended = step.await;
        self.done += 1;
        let seconds = begun.elapsed().as_secs_f64();
        match ended {
            Ok(()) => println!("-- {name}: passed in {seconds:.1} s"),
            Err(error) if self.keep_going => {
                println!("-- {name}: failed after {seconds:.1} s: {error:#}");
                self.failed.push(name);
            }
            Err(error) => return Err(error.context(format!("{name} failed after {seconds:.1} s"))),
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        let total = self.begun.elapsed().as_secs();
        if self.failed.is_empty() {
            println!("\nall {} steps passed in {} min {} s", self.done, total / 60, total % 60);
            return Ok(());
        }
        bail!("{} of {} steps failed: {}", self.failed.len(), self.done, self.failed.join(", "))
    }
}
