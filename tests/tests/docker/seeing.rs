//! The scope: what is outside is not there.

use taskhost_tests::docker::engine;
use taskhost_tests::{fixture, host};

use super::{call, said};

#[test]
fn only_what_the_scope_names_is_listed_and_nothing_else_can_be_named() {
    let (mine, theirs) = (engine(), engine());
    let image = mine.name("app:1");
    mine.image(&image, "mine", &[]);
    let their_image = theirs.name("app:1");
    theirs.image(&their_image, "theirs", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    let other = theirs.start("web", &[], &their_image, &["busybox", "sleep", "600"]);
    let other_id = theirs.docker(["inspect", "--format", "{{.Id}}", &other]);
    mine.docker(["volume", "create", "--label", &mine.label(), &mine.name("data")]);
    theirs.docker(["volume", "create", "--label", &theirs.label(), &theirs.name("data")]);
    mine.docker(["network", "create", "--label", &mine.label(), &mine.name("net")]);

    assert_eq!(said(&mine, "", "containers"), format!("{web} {image} ContainerState::Running"));
    assert_eq!(said(&mine, "", "images"), format!("{image} used 1"));
    assert_eq!(said(&mine, "", "volumes"), format!("{} used 0", mine.name("data")));
    assert_eq!(said(&mine, "", "networks"), mine.name("net"));
    assert!(said(&mine, "", &format!("container {web}")).starts_with(&web));

    let all = ",control";
    for name in
        [other.as_str(), &other_id, &other_id[..12], "nobody", "../images", "x?force=1", "x#y", "%2e%2e", "", "\n"]
    {
        for verb in ["container", "stats NAME 1", "logs", "start", "stop", "restart"] {
            let what = if verb.contains("NAME") { verb.replace("NAME", name) } else { format!("{verb} {name}") };
            let answer = said(&mine, all, &what);
            assert!(answer.starts_with("not found: there is no container"), "{what}: {answer}");
        }
    }
    assert!(said(&mine, "", &format!("image {their_image}")).starts_with("not found"));
    assert_eq!(theirs.list(&["ps"], "{{.State}}"), ["running"], "nobody else's was touched");
    // A filter of the guest's narrows the scope, and never widens it.
    let label = format!("containers label={}", theirs.label());
    assert_eq!(said(&mine, "", &label), "");
    assert_eq!(said(&mine, "", "containers label=nobody=has"), "", "a label that matches nothing is no error");
    assert_eq!(said(&mine, ",image=nobody/*", "containers"), "");
    assert_eq!(said(&mine, ",name=db-*", "containers"), "");
    assert_eq!(
        said(&mine, &format!(",name={}-*", mine.name("").trim_end_matches('-')), "containers").lines().count(),
        1
    );
}

#[test]
fn values_that_may_be_secret_stay_with_the_host() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "x", &["LABEL db.password=hunter2", "LABEL com.example.note=hunter2", "LABEL tier=web"]);
    let options = ["--env", "TOKEN=hunter2", "--memory", "64m"];
    let web = mine.start("web", &options, &image, &["busybox", "sleep", "600"]);
    let output = call("run", &mine, ",secret-label=com.example.*", &format!("container {web}")).run().expect_code(0);
    let said = super::summary(&output);
    assert!(said.contains("TOKEN") && said.contains("tier=web") && said.contains("memory=Some(67108864)"), "{said}");
    assert!(said.contains("db.password=(kept)") && said.contains("com.example.note=(kept)"), "{said}");
    assert!(!format!("{output}").contains("hunter2"), "{output}");
}

#[test]
fn a_container_whose_tag_went_to_another_image_keeps_its_name() {
    let mine = engine();
    let image = mine.name("app:1");
    mine.image(&image, "old", &[]);
    let web = mine.start("web", &[], &image, &["busybox", "sleep", "600"]);
    mine.image(&image, "new", &[]);
    assert_eq!(said(&mine, "", "containers"), format!("{web} {image} ContainerState::Running"));
}

#[test]
fn an_engine_that_is_not_there_is_named_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.sock");
    let run = |target: &str| {
        let output = host()
            .arg("run")
            .arg(fixture("docker"))
            .args(["call=info", "--format=json", "--docker", &format!("engine={target}")])
            .run();
        super::summary(&output)
    };
    let answer = run(&missing.display().to_string());
    assert!(answer.contains("unavailable") && answer.contains("is the engine running"), "{answer}");
    // Something that is no engine.
    let path = directory.path().join("odd.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(stream);
        }
    });
    let answer = run(&format!("unix://{}", path.display()));
    assert!(answer.starts_with("unavailable: the Docker engine went away"), "{answer}");
}
