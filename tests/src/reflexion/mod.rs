//! The system of the reference bundle `plugins/reflexion.toml`, small but real: its directory, a database with old rows, a
//! Redis database, a container, and what stands in for the application and for the services that no package brings. Made
//! for `cargo xtask demo` and for the bundle's own tests; all of it goes with the value.

mod files;
mod stand_in;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::docker::{Engine, engine};
use super::{Database, PrometheusServer, RedisDatabase, postgres, redis};
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
    _database: Database,
    _redis: RedisDatabase,
    _engine: Engine,
    _stand_in: StandIn,
    _prometheus: PrometheusServer,
}

impl World {
    /// Makes it in a directory, which must not be there yet.
    pub async fn make(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).expect("a new directory");
        let directory = directory.canonicalize().expect("a directory");
        std::fs::copy(BUNDLE, directory.join("reflexion.toml")).expect("the bundle is in the repository");
        let database = postgres().await;
        database.execute(TABLES).await;
        let role = database.role(&OWNER).await;
        let scratch = database.role(&["ALTER ROLE {role} CREATEDB"]).await;
        files::make(&directory, &dump(&role));

        let redis = redis();
        redis.client().run_all((0..200).map(|number| {
            let key = if number % 4 == 0 { format!("job:{number}:expired") } else { format!("session:{number}") };
            ["SET", &key, "x", "EX", "86400"].map(Into::into).to_vec()
        }));

        let engine = engine();
        let image = engine.name("reflexion-app");
        engine.image(&image, "app", &[&format!("LABEL {PROJECT}")]);
        engine.start("app", &["--label", PROJECT, "--memory=64m"], &image, &["/bin/busybox", "sleep", "3600"]);

        let stand_in = StandIn::start();
        let prometheus =
            PrometheusServer::start(&WATCHED.replace("{application}", &stand_in.address()), "groups: []", &[]);
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
            _database: database,
            _redis: redis,
            _engine: engine,
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
}

/// What Prometheus watches: itself, and the application.
const WATCHED: &str = r#"
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: prometheus, static_configs: [{ targets: ["{self}"] }] }
  - { job_name: reflexion, static_configs: [{ targets: ["{application}"] }] }
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

/// Old rows, orphans and dead rows, as the runbook has them.
const TABLES: &[&str] = &[
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
    "DELETE FROM application_logs WHERE id % 3 = 0",
    "ANALYZE",
];

/// What `pg_dump` makes of the database: its program came with the server.
fn dump(database: &url::Url) -> Vec<u8> {
    let output = Command::new("pg_dump").arg("--no-owner").arg(database.as_str()).output();
    let output = output.expect("pg_dump is installed with the server");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
