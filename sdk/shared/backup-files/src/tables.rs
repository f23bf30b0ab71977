//! The questions that list a database's tables, so that who counts rows for a manifest and who counts what was restored
//! count the same ones under the same names. Columns: `table_schema` (null but for PostgreSQL), `name`, `estimate` and
//! `keyed`.

/// Of the database at hand.
pub const POSTGRES_TABLES: &str = include_str!("tables/postgres.sql");
/// Of the database that the parameter names.
pub const MARIADB_TABLES: &str = include_str!("tables/mariadb.sql");
/// Of the main database.
pub const SQLITE_TABLES: &str = include_str!("tables/sqlite.sql");

/// What a manifest calls a table: `schema.table` for PostgreSQL, else `table`.
pub fn table_label(schema: Option<&str>, name: &str) -> String {
    schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
}
