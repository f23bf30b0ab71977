//! The system of the reference bundle `plugins/reflexion.toml`, small but real: its directory, a database with old rows, a
//! Redis database, a container, and what stands in for the application and for the services that no package brings. Made
//! for `cargo xtask demo` and for the bundle's own tests; all of it goes with the value.

mod files;
mod site;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::docker::{Engine, engine};
use super::{Database, PrometheusServer, RedisDatabase, postgres, redis};
use site::Site;
use stand_in::StandIn;

/// The bundle as it is shipped; the system's directory has a copy.
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/reflexion.toml");
/// What Docker Compose labels the project's containers with.
const PROJECT: &str = "com.docker.compose.project=reflexion";

/// The system, as long as it is kept.
#[derive(Debug)]
pub struct World {
    directory: PathBuf,
    environment: Vec<(&'static str, String)>,
    names: Vec<(String, &'static str)>,
    database: Database,
    engine: Engine,
    _redis: RedisDatabase,
    _site: Site,
    _stand_in: StandIn,
    _prometheus: PrometheusServer,
}

impl World {
    /// Makes it in a directory, which must not be there yet.
    pub async fn make(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).expect("a new directory");
        let directory = directory.canonicalize().expect("a directory");
        let database = postgres().await;
        database.execute(TABLES).await;
        let role = database.role(&OWNER).await;
        let scratch = database.role(&["ALTER ROLE {role} CREATEDB"]).await;
        // Statements that take long, for whoever asks which do.
        database.execute(&[SLOW; 5]).await;
        // Each by a connection of its own, at whose end the server counts what it did.
        database.execute(&["ANALYZE"]).await;
        database.execute(&["DELETE FROM application_logs WHERE id % 3 = 0"]).await;
        files::make(&directory, &dump(&role));
        repository(&directory);

        let redis = redis();
        redis.client().run_all((0..200).map(|number| {
            let key = if number % 4 == 0 { format!("job:{number}:expired") } else { format!("session:{number}") };
            ["SET", &key, "x", "EX", "86400"].map(Into::into).to_vec()
        }));

        let engine = engine();
        containers(&engine);

        let (stand_in, site) = (StandIn::start(), Site::start(&directory.join("ssl")));
        let watched = WATCHED.replace("{application}", &stand_in.address());
        let prometheus = PrometheusServer::start(&watched, RULES, &["--web.enable-lifecycle"]);
        // Before discovery has run, there is nothing to be said of its targets.
        prometheus.wait("targets", |data| {
            let targets = data.get("activeTargets").and_then(serde_json::Value::as_array);
            targets.is_some_and(|all| {
                all.len() == 3 && all.iter().all(|one| one.get("health").is_some_and(|health| health != "unknown"))
            })
        });
        prometheus.wait("alerts", |data| data.pointer("/alerts/0/state").is_some_and(|state| state == "firing"));
        let names = bundle(&directory, &engine, &site);
        let environment = vec![
            ("REFLEXION_DATABASE_URL", role.to_string()),
            ("REFLEXION_SCRATCH_URL", scratch.to_string()),
            ("REFLEXION_REDIS_URL", redis.url().to_string()),
            ("REFLEXION_URL", stand_in.url()),
            ("REFLEXION_PROMETHEUS_URL", prometheus.url()),
            ("REFLEXION_GRAFANA_URL", stand_in.url()),
            ("REFLEXION_PYPI_URL", stand_in.url()),
            ("REFLEXION_OSV_URL", stand_in.url()),
            ("GRAFANA_API_KEY", "a-token-of-the-demo".into()),
            ("DOCKER_HOST", engine.url().into()),
            // What pg_dump reads.
            ("PGHOST", role.host_str().unwrap_or_default().into()),
            ("PGPORT", role.port().unwrap_or(5432).to_string()),
            ("PGUSER", role.username().into()),
            ("PGPASSWORD", role.password().unwrap_or_default().into()),
            ("PGDATABASE", database.name().into()),
        ];
        Self {
            directory,
            environment,
            names,
            database,
            engine,
            _redis: redis,
            _site: site,
            _stand_in: stand_in,
            _prometheus: prometheus,
        }
    }

    /// The system's directory, with the bundle in it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The variables that the bundle's connections name.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    /// What has a name of its own here, such as the engine's registry, with the name that the bundle has for it.
    pub fn names(&self) -> &[(String, &'static str)] {
        &self.names
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The engine, of which the system's containers have the test's label.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Writes the bundle, with names in it that can be reached from here, and gives those.
fn bundle(directory: &Path, engine: &Engine, site: &Site) -> Vec<(String, &'static str)> {
    let mut text = std::fs::read_to_string(BUNDLE).expect("the bundle is in the repository");
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "the bundle has no `{from}`");
        text = text.replace(from, to);
    };
    let mut names = Vec::new();
    for (repository, tag) in IMAGES {
        let image = engine.in_registry(repository);
        replace(&format!("\"{repository}:{tag}\""), &format!("\"{image}:{tag}\""));
        names.push((image, repository));
    }
    replace(
        "image = [\"python\", \"postgres\", \"redis\"]",
        &format!("image = [\"{}\"]", IMAGES.map(|(name, _)| engine.in_registry(name)).join("\", \"")),
    );
    // Compose is no part of every engine's command.
    replace("\"docker\", \"compose\"", "\"./scripts/compose\"");
    names.push(("./scripts/compose".into(), "docker compose"));
    replace("tls = \"reflexion.example.org:443\"", &format!("tls = \"{}\"\nca = \"ca.pem\"", site.address()));
    names.push((site.address(), "reflexion.example.org:443"));
    std::fs::write(directory.join("reflexion.toml"), text).expect("a new file");
    names
}

/// The project's containers, and what its images are made from, of which the registry has a newer one.
fn containers(engine: &Engine) {
    let label = engine.label();
    let project = format!("LABEL {PROJECT}");
    let image = engine.name("reflexion-app");
    engine.image(&image, "app", &[&project]);
    // One that nothing uses any more.
    let older = format!("{}:older", engine.name("reflexion-worker"));
    engine.image(&older, "worker", &[&project]);
    let mut images = vec![("reflexion-app-1", image.clone()), ("reflexion-nginx-1", image)];
    for (repository, tag) in IMAGES {
        let image = format!("{}:{tag}", engine.in_registry(repository));
        engine.image(&image, repository, &[&project]);
        engine.docker(["push", "--quiet", &image]);
        if repository == "redis" {
            // What runs is older than what the registry has now.
            engine.image(&image, "newer", &[&project]);
            engine.docker(["push", "--quiet", &image]);
            engine.docker(["rmi", &image]);
            engine.image(&image, repository, &[&project]);
            images.push(("reflexion-redis-1", image));
        }
    }
    for (name, image) in images {
        // Left by a system that was not ended as it should be.
        engine.docker(["rm", "--force", name]);
        engine.docker([
            "run",
            "--detach",
            "--network=none",
            "--name",
            name,
            "--label",
            &label,
            "--label",
            PROJECT,
            "--memory=64m",
            "--stop-timeout=1",
            &image,
            "/bin/busybox",
            "sleep",
            "3600",
        ]);
    }
}

/// Makes the directory one of git's, with an origin that is one commit ahead.
fn repository(directory: &Path) {
    let git = |at: &Path, arguments: &[&str]| -> Output {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=reflexion", "-c", "user.email=reflexion@example.org"]).args(arguments);
        let output = command.current_dir(at).output().expect("git is installed");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    std::fs::write(directory.join(".gitignore"), "*\n").expect("a new file");
    let origin = directory.join("origin.git");
    git(directory, &["init", "--quiet", "--initial-branch=main"]);
    git(directory, &["add", "--force", "requirements.txt", "requirements.in", "scripts/build.sh", "scripts/deploy.sh"]);
    git(directory, &["commit", "--quiet", "--message", "1.4.2"]);
    git(directory, &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
    let url = origin.display().to_string();
    git(directory, &["remote", "add", "origin", &url]);
    std::fs::write(directory.join("CHANGES"), "1.5.0\n").expect("a new file");
    git(directory, &["add", "--force", "CHANGES"]);
    git(directory, &["commit", "--quiet", "--message", "1.5.0"]);
    git(directory, &["push", "--quiet", "origin", "main"]);
    git(directory, &["reset", "--quiet", "--hard", "HEAD~1"]);
}

/// Base images that the bundle names.
const IMAGES: [(&str, &str); 3] = [("python", "3.11-slim"), ("postgres", "15-alpine"), ("redis", "7-alpine")];

/// What Prometheus watches: itself, the application, and an exporter that is not there.
const WATCHED: &str = r#"
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules.yml]
scrape_configs:
  - { job_name: prometheus, static_configs: [{ targets: ["{self}"] }] }
  - { job_name: reflexion, static_configs: [{ targets: ["{application}"] }] }
  - { job_name: redis-exporter, static_configs: [{ targets: ["127.0.0.1:1"] }] }
"#;

const RULES: &str = r#"
groups:
  - name: reflexion
    rules:
      - { alert: TargetDown, expr: up == 0, labels: { severity: warning }, annotations: { summary: "{{ $labels.job }} is down" } }
"#;

/// A role that owns the tables and sees what others do, and is no superuser.
const OWNER: [&str; 6] = [
    "ALTER TABLE sessions OWNER TO {role}",
    "ALTER TABLE application_logs OWNER TO {role}",
    "ALTER TABLE agents OWNER TO {role}",
    "ALTER TABLE memory_episodes OWNER TO {role}",
    "GRANT pg_read_all_stats TO {role}",
    "GRANT CREATE ON SCHEMA public TO {role}",
];

const SLOW: &str = "SELECT count(*) FROM memory_episodes, pg_sleep(1.1) WHERE agent_id = 7";

/// Old rows, orphans and dead rows, as the runbook has them.
const TABLES: &[&str] = &[
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE agents (id int PRIMARY KEY, name text NOT NULL UNIQUE)",
    "CREATE TABLE sessions (id bigserial PRIMARY KEY, agent_id int, created_at timestamptz NOT NULL)",
    "CREATE INDEX sessions_created_at ON sessions (created_at)",
    "CREATE TABLE application_logs (id bigserial PRIMARY KEY, \"timestamp\" timestamptz NOT NULL, message text)",
    "CREATE TABLE memory_episodes (id bigserial PRIMARY KEY, agent_id int, content text)",
    "INSERT INTO agents SELECT n, 'agent ' || n FROM generate_series(1, 20) n",
    "INSERT INTO sessions (agent_id, created_at)
     SELECT 1 + n % 20, now() - n * interval '20 minutes' FROM generate_series(1, 4000) n",
    "INSERT INTO application_logs (\"timestamp\", message)
     SELECT now() - n * interval '30 minutes', 'request ' || n || ' served' FROM generate_series(1, 6000) n",
    "INSERT INTO memory_episodes (agent_id, content)
     SELECT n % 25, 'an episode of agent ' || n % 25 FROM generate_series(1, 1000) n",
    // It is the bundle that vacuums it, not the server on its own.
    "ALTER TABLE application_logs SET (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1)",
];

/// As the bundle has it.
const DUMPED: [&str; 3] = ["--no-owner", "--no-comments", "--extension=plpgsql"];

/// What `pg_dump` makes of the database: its program came with the server.
fn dump(database: &url::Url) -> Vec<u8> {
    let output = Command::new("pg_dump").args(DUMPED).arg(database.as_str()).output();
    let output = output.expect("pg_dump is installed with the server");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
