//! Fresh databases on the servers that the environment names. Each is its test's own, and is dropped with it, together
//! with the roles made for it.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, PgConnection, SqlSafeStr as _};
use url::Url;

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    server: Server,
    /// The server's administrator.
    administrator: Url,
    name: String,
    roles: std::sync::Mutex<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    MariaDb,
}

/// A fresh, empty database on the PostgreSQL server.
pub async fn postgres() -> Database {
    Database::create(Server::Postgres, "TASKHOST_TEST_POSTGRES").await
}

/// A fresh, empty database on the MariaDB server.
pub async fn mariadb() -> Database {
    Database::create(Server::MariaDb, "TASKHOST_TEST_MYSQL").await
}

/// The certificate that the private servers' certificates are signed with; `localhost` and 127.0.0.1 are their names.
pub fn server_authority() -> PathBuf {
    required("TASKHOST_TEST_SERVER_CA").into()
}

pub(crate) fn required(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "this test needs a database server: run `cargo xtask test`, which starts the servers, or name one by the \
             URL of its administrator in {variable}"
        )
    })
}

impl Database {
    async fn create(server: Server, variable: &str) -> Self {
        let written = required(variable);
        let administrator = Url::parse(&written).unwrap_or_else(|error| panic!("{variable} is no URL: {error}"));
        Self::on(server, administrator)
            .await
            .unwrap_or_else(|error| panic!("failed to create a database on the server that {variable} names: {error}"))
    }

    /// A fresh one on the server of that administrator.
    pub(crate) async fn on(server: Server, administrator: Url) -> Result<Self, sqlx::Error> {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let database = Self { server, administrator, name, roles: std::sync::Mutex::default() };
        on_server(&database.administrator, &[format!("CREATE DATABASE {}", database.name)]).await?;
        Ok(database)
    }

    /// Its name, which is fit for an identifier without quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL for the administrator, password and all.
    pub fn url(&self) -> Url {
        let mut url = self.administrator.clone();
        url.set_path(&self.name);
        url
    }

    /// Makes a role that may log in and nothing else, runs `grants` in the database with `{role}` put in, and returns
    /// the database's URL for it.
    pub async fn role(&self, grants: &[&str]) -> Url {
        let mut roles = self.roles.lock().unwrap().clone();
        // MariaDB takes no name of more than 80 characters.
        let name = format!("{}_{}", self.name, roles.len());
        let password = uuid::Uuid::now_v7().simple().to_string();
        let (role, create) = match self.server {
            Server::Postgres => (name.clone(), format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")),
            Server::MariaDb => (format!("{name}@'%'"), format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'")),
        };
        roles.push(role.clone());
        *self.roles.lock().unwrap() = roles;
        let grants = grants.iter().map(|grant| grant.replace("{role}", &role));
        let statements: Vec<_> = std::iter::once(create).chain(grants).collect();
        on_server(&self.url(), &statements).await.expect("the administrator may make roles");
        let mut url = self.url();
        url.set_username(&name).expect("the URL names a server");
        url.set_password(Some(&password)).expect("the URL names a server");
        url
    }

    /// Runs statements as the administrator, each by itself.
    pub async fn execute(&self, statements: &[&str]) {
        let statements: Vec<_> = statements.iter().map(ToString::to_string).collect();
        on_server(&self.url(), &statements).await.unwrap_or_else(|error| panic!("{statements:?}: {error}"));
    }

    /// One whole number that the administrator reads, such as a count.
    pub async fn number(&self, query: &str) -> i64 {
        let (url, scalar) = (self.url(), AssertSqlSafe(query).into_sql_str());
        let row = match self.server {
            Server::Postgres => {
                let mut connection = PgConnection::connect(url.as_str()).await.expect("the administrator may connect");
                sqlx::query_scalar(scalar).fetch_one(&mut connection).await
            }
            Server::MariaDb => {
                let mut connection =
                    MySqlConnection::connect(url.as_str()).await.expect("the administrator may connect");
                sqlx::query_scalar(scalar).fetch_one(&mut connection).await
            }
        };
        row.unwrap_or_else(|error| panic!("{query}: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let force = if self.server == Server::Postgres { " WITH (FORCE)" } else { "" };
        let roles = std::mem::take(&mut *self.roles.lock().unwrap());
        let drop_role = |role| match self.server {
            Server::Postgres => format!("DROP ROLE {role}"),
            Server::MariaDb => format!("DROP USER {role}"),
        };
        let mut statements = vec![format!("DROP DATABASE IF EXISTS {}{force}", self.name)];
        statements.extend(roles.into_iter().map(drop_role));
        let administrator = self.administrator.clone();
        // The test's own runtime may be ending, and cannot be blocked on from here.
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(sqlx::Error::Io)?;
            runtime.block_on(on_server(&administrator, &statements))
        })
        .join();
        if !std::thread::panicking() {
            dropped.expect("dropping does not panic").expect("the administrator may drop what it made");
        }
    }
}

async fn on_server(url: &Url, statements: &[String]) -> Result<(), sqlx::Error> {
    let statements = statements.iter().map(|statement| AssertSqlSafe(statement.as_str()).into_sql_str());
    if url.scheme().starts_with("postgres") {
        let mut connection = PgConnection::connect(url.as_str()).await?;
        for statement in statements {
            connection.execute(statement).await?;
        }
        connection.close().await
    } else {
        let mut connection = MySqlConnection::connect(url.as_str()).await?;
        for statement in statements {
            connection.execute(statement).await?;
        }
        connection.close().await
    }
}
