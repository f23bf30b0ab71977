//! Names and strings as they stand in a statement, quoted so that they end where they should.

use super::{Dialect, TableName};

/// A name in its dialect's quotes. No name holds a NUL byte.
pub(super) fn name(dialect: Dialect, name: &str) -> String {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for character in name.chars().filter(|character| *character != '\0') {
        if character == quote {
            out.push(quote);
        }
        out.push(character);
    }
    out.push(quote);
    out
}

/// A table's name with its schema.
pub(super) fn table(dialect: Dialect, table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", name(dialect, schema), name(dialect, &table.name)),
        None => name(dialect, &table.name),
    }
}

/// A string between single quotes. Not for MySQL text that may hold a backslash.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_early() {
        let hostile = TableName { schema: Some("a\"b".into()), name: "c`d\"; DROP TABLE e".into() };
        assert_eq!(table(Dialect::Postgres, &hostile), "\"a\"\"b\".\"c`d\"\"; DROP TABLE e\"");
        assert_eq!(table(Dialect::Mysql, &hostile), "`a\"b`.`c``d\"; DROP TABLE e`");
        assert_eq!(name(Dialect::Sqlite, "nul\0"), "\"nul\"");
        assert_eq!(text("it's"), "'it''s'");
    }
}
