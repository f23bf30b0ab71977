//! Which functions a statement may call.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Dialect;

/// Functions that act on the server or its files, run a text, or tie a connection up, whatever the grant says of
/// others. A second line behind [`is_harmless`]: found by name in the final text, and all there is in scratch databases,
/// where functions are the point. `*` at the end stands for any rest.
const FORBIDDEN: &[(Dialect, &str)] = &[
    (
        Dialect::Postgres,
        "pg_read_* pg_ls_* pg_stat_file pg_file_* pg_current_logfile lo_import lo_export \
         pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile* pg_log_backend_memory_contexts \
         dblink* postgres_fdw_* pg_logical_* pg_create_* pg_copy_* pg_drop_replication_slot pg_replication_* \
         pg_sync_replication_slots pg_switch_wal pg_promote pg_backup_* pg_start_backup pg_stop_backup \
         pg_wal_replay_* pg_export_snapshot pg_import_system_collations query_to_xml* cursor_to_xml* database_to_xml* \
         schema_to_xml* ts_stat pg_notify pg_stat_reset* pg_advisory_* pg_try_advisory_* pg_sleep* \
         binary_upgrade_* pg_nextoid pg_stop_making_pinned_objects pg_set_relation_stats pg_execute_server_program \
         plpgsql_inline_handler plpython3_inline_handler plperlu_inline_handler \
         copy_to_file copy_from_file file_fdw_*",
    ),
    (
        Dialect::Mysql,
        "load_file get_lock release_lock release_all_locks is_free_lock is_used_lock sleep benchmark sys_exec sys_eval \
         sys_get sys_set master_pos_wait master_gtid_wait source_pos_wait wait_for_executed_gtid_set \
         wait_until_sql_thread_after_gtids mysql_query_rewrite* keyring_* group_replication_* asynchronous_connection_* \
         service_get_* load_default*",
    ),
    (Dialect::Sqlite, "load_extension readfile writefile edit fts3_tokenizer sqlite_log usleep lsmode zipfile shell_*"),
];

static HARMLESS: LazyLock<[HashSet<&str>; 3]> = LazyLock::new(|| {
    [
        words(include_str!("functions/postgres.txt")),
        words(include_str!("functions/mysql.txt")),
        words(include_str!("functions/sqlite.txt")),
    ]
});

fn words(text: &str) -> HashSet<&str> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}

/// Whether `name`, already folded, is a built-in function that reads no more than its arguments, the tables and the
/// server's statistics.
pub(super) fn is_harmless(dialect: Dialect, name: &str) -> bool {
    let [postgres, mysql, sqlite] = &*HARMLESS;
    match dialect {
        Dialect::Postgres => postgres.contains(name) || name.starts_with("pg_stat_get_"),
        Dialect::Mysql => mysql.contains(name.to_ascii_lowercase().as_str()),
        Dialect::Sqlite => sqlite.contains(name.to_ascii_lowercase().as_str()),
    }
}

/// The names of the harmless functions, in order.
pub(crate) fn harmless(dialect: Dialect) -> Vec<&'static str> {
    let [postgres, mysql, sqlite] = &*HARMLESS;
    let of_dialect = match dialect {
        Dialect::Postgres => postgres,
        Dialect::Mysql => mysql,
        Dialect::Sqlite => sqlite,
    };
    let mut names: Vec<_> = of_dialect.iter().copied().collect();
    names.sort_unstable();
    names
}

/// Whether `name` is a function that no statement may call, in whatever schema and however it is quoted.
pub(crate) fn forbidden(dialect: Dialect, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FORBIDDEN
        .iter()
        .filter(|(of, _)| *of == dialect)
        .flat_map(|(_, names)| names.split_ascii_whitespace())
        .any(|pattern| pattern.strip_suffix('*').map_or_else(|| pattern == name, |prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_is_both_harmless_and_forbidden() {
        for (dialect, names) in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite].into_iter().zip(HARMLESS.iter()) {
            assert!(names.len() > 100, "{dialect:?}");
            for name in names {
                assert!(!forbidden(dialect, name), "{name}");
                assert!(is_harmless(dialect, name), "{name}");
            }
        }
    }
}
