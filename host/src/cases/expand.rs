//! A case that names several servers for a database is several cases. Pure.

use std::collections::BTreeMap;

use super::Server;
use super::file::Sql;

/// Each choice of a server for every database, with words that tell it from the others.
#[expect(clippy::type_complexity, reason = "the words, and what is chosen by them")]
pub(super) fn variants(databases: &BTreeMap<String, (Vec<Server>, Sql)>) -> Vec<(String, Vec<(String, Server)>)> {
    let mut choices: Vec<(Vec<&'static str>, Vec<(String, Server)>)> = vec![(vec![], vec![])];
    for (name, (servers, _)) in databases {
        choices = choices
            .into_iter()
            .flat_map(|(words, chosen)| {
                servers.iter().map(move |server| {
                    let mut words = words.clone();
                    // What there is no choice of tells nothing apart.
                    if servers.len() > 1 {
                        words.push(server.word());
                    }
                    let mut chosen = chosen.clone();
                    chosen.push((name.clone(), *server));
                    (words, chosen)
                })
            })
            .collect();
    }
    choices.into_iter().map(|(words, chosen)| (words.join(", "), chosen)).collect()
}

impl Server {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }

    /// The variable of the environment that names one; none for a file.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("TASKHOST_TEST_POSTGRES"),
            Self::MariaDb => Some("TASKHOST_TEST_MYSQL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_servers_is_a_case() {
        let sql = |servers: &[Server]| {
            let sql =
                Sql { server: crate::capability::binding::OneOrMany::default(), statements: String::new(), file: None };
            (servers.to_vec(), sql)
        };
        let databases = BTreeMap::from([
            ("a".to_owned(), sql(&[Server::Sqlite, Server::Postgres])),
            ("b".to_owned(), sql(&[Server::Sqlite])),
            ("c".to_owned(), sql(&[Server::Postgres, Server::MariaDb])),
        ]);
        let names: Vec<String> = variants(&databases).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["sqlite, postgres", "sqlite, mariadb", "postgres, postgres", "postgres, mariadb"]);
        assert_eq!(variants(&BTreeMap::new()), [(String::new(), vec![])]);
    }
}
