//! Docker plugins beside the docker command line, on a private engine.

use std::process::Command;
use std::time::{Duration, Instant};

use taskhost_tests::docker::{Engine, engine};

use crate::measure::{Comparison, median, ratio, side_by_side};
use crate::process::{Places, run};

const IMAGES: usize = 30;
const ENDED: usize = 15;
const RUNNING: usize = 8;
const ROUNDS: usize = 5;

/// `docker-prune` beside `docker container prune` and `docker image prune`.
pub(super) fn prune(places: &Places) -> anyhow::Result<Comparison> {
    let engine = engine();
    let slot = engine.slot("engine", ",prune");
    let filter = format!("label={}", engine.label());
    let ours = || {
        let arguments = ["run", "docker-prune", "what=containers,images", "older-than=0s", "keep=0", "--docker", &slot];
        run(&mut places.host(&arguments), &[0]).map(drop)
    };
    let theirs = || {
        run(docker(&engine).args(["container", "prune", "--force", "--filter", &filter]), &[0])?;
        run(docker(&engine).args(["image", "prune", "--all", "--force", "--filter", &filter]), &[0]).map(drop)
    };
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (prune, times) in [(&ours as &dyn Fn() -> anyhow::Result<()>, &mut own), (&theirs, &mut other)] {
            fill(&engine);
            let begun = Instant::now();
            prune()?;
            if round > 0 {
                times.push(begun.elapsed());
            }
            anyhow::ensure!(engine.list(&["images"], "{{.ID}}").is_empty(), "everything unused is gone");
            anyhow::ensure!(engine.list(&["ps", "--all"], "{{.ID}}").is_empty(), "everything ended is gone");
        }
        eprint!(".");
    }
    eprintln!();
    let times = vec![("Taskhost".to_owned(), median(own)), ("docker ... prune, twice".to_owned(), median(other))];
    let met = matches!(times.as_slice(), [(_, ours), (_, theirs)] if ratio(*ours, *theirs) <= 1.5);
    Ok(Comparison {
        title: "docker-prune".into(),
        aim: "at most 1.5 times the docker command".into(),
        method: format!(
            "{ENDED} containers that ended and {IMAGES} images of a label. Ours lists what each would free, and removes one \
             by one, so that a budget can stop between two and each is journaled; the docker command asks the engine to \
             remove all with one request for containers and one for images."
        ),
        times,
        met,
        rounds: ROUNDS,
        missed:
            "A request for each thing, where the command has one for all: what it buys is the list, the budget and \
                 the journal."
                .into(),
    })
}

/// `container-stats` beside `docker stats --no-stream`.
pub(super) fn stats(places: &Places) -> anyhow::Result<Comparison> {
    let engine = engine();
    let image = engine.name("app:1");
    engine.image(&image, "app", &[]);
    for index in 0..RUNNING {
        engine.start(&format!("app-{index}"), &[], &image, &["busybox", "sleep", "3600"]);
    }
    let slot = engine.slot("engine", "");
    let filter = engine.name("");
    let names = engine.list(&["ps"], "{{.Names}}");
    anyhow::ensure!(names.len() == RUNNING && names.iter().all(|name| name.starts_with(&filter)), "{names:?}");
    let ours = ["run", "container-stats", "samples=2", "--docker", &slot];
    let times = side_by_side(
        ROUNDS,
        &mut [
            ("Taskhost", Box::new(|| run(&mut places.host(&ours), &[0, 1, 2]).map(drop))),
            (
                "docker stats --no-stream",
                Box::new(|| run(docker(&engine).args(["stats", "--no-stream"]).args(&names), &[0]).map(drop)),
            ),
        ],
    )?;
    let met = matches!(times.as_slice(), [(_, ours), (_, theirs)] if ratio(*ours, *theirs) <= 1.0);
    Ok(Comparison {
        title: "container-stats of two samples".into(),
        aim: "not slower than docker stats".into(),
        method: format!(
            "{RUNNING} containers that run. The engine measures once a second, and a rate of CPU takes two measurements: \
             both wait for them. Ours also reads the health, restarts and ends of all containers."
        ),
        times,
        met,
        rounds: ROUNDS,
        missed: format!(
            "Both wait for the engine's clock, which ticks once a second; the rest is {} questions for health and restarts.",
            RUNNING + 1
        ),
    })
}

/// Containers that ended, each of an image of its own, and images that nothing uses.
fn fill(engine: &Engine) {
    for index in 0..IMAGES {
        let image = engine.name(&format!("image-{index}:1"));
        engine.image(&image, &format!("content {index}"), &[]);
        if index < ENDED {
            let label = engine.label();
            engine.docker([
                "create",
                "--label",
                &label,
                "--name",
                &engine.name(&format!("ended-{index}")),
                &image,
                "true",
            ]);
        }
    }
    // The engine counts whole seconds since something was made.
    std::thread::sleep(Duration::from_secs(1));
}

fn docker(engine: &Engine) -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_HOST", engine.url()).env_remove("DOCKER_CONTEXT");
    command
}
