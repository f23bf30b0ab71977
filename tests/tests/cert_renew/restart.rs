//! Containers are restarted when both files are there, and not before.

use taskhost_tests::docker::{Engine, engine};

use super::world::{World, found, serve, summary};

fn started(engine: &Engine, container: &str) -> String {
    engine.docker(["inspect", "--format", "{{.State.StartedAt}}", container])
}

/// Reads its files when it starts, as servers do, and not again.
const LOADS: &str = "/bin/busybox cp /ssl/fullchain.pem /ssl/privkey.pem /loaded/ && exec /bin/busybox sleep 600";

/// Presents what a container loaded.
fn of_container(world: &World) -> u16 {
    let directory = world.path("loaded");
    let read = move |name| std::fs::read_to_string(directory.join(name)).ok();
    serve(move || Some([read("fullchain.pem")?, read("privkey.pem")?]))
}

#[test]
fn a_container_is_restarted_after_the_copies_and_serves_the_new_certificate() {
    let (world, engine) = (World::new(5), engine());
    let new = world.next_of(89);
    let image = engine.name("image");
    engine.image(&image, "app", &[]);
    std::fs::create_dir(world.path("loaded")).unwrap();
    let mounts = [("ssl", ":ro"), ("loaded", "")]
        .map(|(name, words)| format!("--volume={}:/{name}{words}", world.path(name).display()));
    let mounts = mounts.each_ref().map(String::as_str);
    let container = engine.start("web", &mounts, &image, &["/bin/busybox", "sh", "-c", LOADS]);
    let endpoint = world.endpoint(of_container(&world));
    let containers = format!("containers={container}");
    let grants = |words: &str| {
        let slot = engine.slot("server", words);
        [containers.as_str(), "grace=1s", "--tls", endpoint.as_str(), "--docker", slot.as_str()].map(str::to_owned)
    };
    let arguments = grants(",control");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let begun = started(&engine, &container);

    // Neither a rehearsal nor a grant that reads only restarts it.
    world.host("plan", &arguments).run().expect_code(0);
    let reading = grants("");
    let reading: Vec<&str> = reading.iter().map(String::as_str).collect();
    let report = world.run(&reading).expect_code(3).report();
    assert_eq!(report["run"]["outcome"], "refused", "{report:#}");
    assert_eq!((started(&engine, &container), world.text("done")), (begun.clone(), String::new()));

    let report = world.run(&arguments).expect_code(0).report();
    assert!(summary(&report).ends_with("; 1 container restarted, the endpoint presents it"), "{report:#}");
    assert_eq!(world.installed(), world.pair(&new));
    assert_ne!(started(&engine, &container), begun);

    let renewed = started(&engine, &container);
    world.run(&arguments).expect_code(0);
    assert_eq!(started(&engine, &container), renewed, "nothing was due");
    let missing = engine.name("nobody");
    let slot = engine.slot("server", ",control");
    world.run(&[&format!("containers={missing}"), "--docker", &slot]).expect_code(3);
}

#[test]
fn a_container_that_does_not_stay_up_gets_the_old_pair_back() {
    let (world, engine) = (World::new(5), engine());
    world.next_of(89);
    let before = world.installed();
    world.write("ssl/accepted.pem", &before[0], 0o644);
    let image = engine.name("image");
    engine.image(&image, "app", &[]);
    let mount = format!("{}:/ssl:ro", world.path("ssl").display());
    let check = "busybox cmp -s /ssl/fullchain.pem /ssl/accepted.pem && exec /bin/busybox sleep 600; exit 1";
    let container = engine.start("web", &["--volume", &mount], &image, &["/bin/busybox", "sh", "-c", check]);
    let slot = engine.slot("server", ",control");
    let arguments = [&format!("containers={container}"), "grace=1s", "--docker", &slot];
    let report = world.run(&arguments).expect_code(2).report();
    assert_eq!(
        found(&report),
        [
            "critical | fullchain.pem | the new certificate is not served",
            "warning | fullchain.pem | the old pair was put back",
        ]
    );
    assert!(report["findings"][0]["detail"].as_str().unwrap().contains("does not run"), "{report:#}");
    assert_eq!(world.installed(), before);
    let running = engine.docker(["inspect", "--format", "{{.State.Running}}", &container]);
    assert_eq!(running, "true");
}
