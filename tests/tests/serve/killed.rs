//! A host that is killed at moments that nobody chose, for two minutes and more: what was due ran once, and what ran is
//! accounted for.

use super::*;

const BUNDLE: &str = r#"
name = "shop"
history = "history.db"
defaults = { catch-up = "all", overlap = "queue" }
limits.runs = 3
"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_due_time_is_lost_or_doubled_however_often_the_host_is_killed() {
    let mut bundle = BUNDLE.to_owned();
    for number in 0..12 {
        bundle += &format!(
            "[tasks.task-{number}]\nplugin = ERRAND\nschedule = \"* * * * *\"\n\
             grants.directory = {{ files = \"files\", access = [\"write\"] }}\nparameters = {{ times = 3, errand = \"write\" }}\n"
        );
    }
    let world = World::new(&bundle);
    let begun = Instant::now();
    let mut chance = u64::from(std::process::id());
    let mut kills = 0;
    while begun.elapsed() < Duration::from_secs(130) {
        let serving = world.serve(&[]);
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Near a full minute much begins and ends: there, it is not left in peace for long.
        let second = jiff::Timestamp::now().as_second() % 60;
        let longest = if (57..60).contains(&second) || second < 4 { 700 } else { 9_000 };
        tokio::time::sleep(Duration::from_millis(300 + (chance >> 33) % longest)).await;
        serving.kill_hard();
        kills += 1;
    }
    let serving = world.serve(&[]);
    // What waits still gets its turn.
    world.settled().await;
    serving.interrupt();
    serving.wait().expect_code(0);
    world.holds();
    let mut interrupted = 0;
    for (task, since, until, waiting) in world.pasts().await {
        let runs = world.runs(&task);
        assert_eq!(runs.len() + waiting, (until - since) / 60, "{task}, after {kills} kills: {runs:#?}");
        interrupted += runs.iter().filter(|run| run["outcome"] == "interrupted").count();
        assert!(runs.iter().all(|run| run["outcome"] == "ok" || run["outcome"] == "interrupted"), "{runs:#?}");
    }
    println!("{kills} kills, {interrupted} runs interrupted");
    assert!(kills > 20);
}

impl World {
    /// Each task with the minute from which it was served, the one until which it was, and what waits.
    async fn pasts(&self) -> Vec<(String, usize, usize, usize)> {
        let mut connection = self.history().await;
        let pasts: Vec<(String, String)> =
            sqlx::query_as("SELECT task, past FROM schedule ORDER BY task").fetch_all(&mut connection).await.unwrap();
        let (first,): (i64,) = sqlx::query_as("SELECT min(noted) FROM events WHERE what = 'served'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let since = usize::try_from(first / 1_000_000_000).unwrap() / 60 * 60;
        let read = |(task, past): (String, String)| {
            let past: Value = serde_json::from_str(&past).unwrap();
            let until: jiff::Timestamp = past["considered"].as_str().unwrap().parse().unwrap();
            let until = usize::try_from(until.as_second()).unwrap();
            (task, since, until, past["waiting"].as_array().unwrap().len())
        };
        pasts.into_iter().map(read).collect()
    }

    async fn settled(&self) {
        let begun = Instant::now();
        loop {
            let waits: usize = self.pasts().await.iter().map(|(_, _, _, waiting)| waiting).sum();
            let runs = (0..12).flat_map(|number| self.runs(&format!("task-{number}")));
            if waits == 0 && runs.into_iter().all(|run| !run["outcome"].is_null()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{waits} wait");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}
