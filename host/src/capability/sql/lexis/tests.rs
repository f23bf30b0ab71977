//! Named texts and the tokens in them.

use super::*;

fn raws(dialect: Dialect, text: &str) -> Result<Vec<&str>, LexisError> {
    Tokens::new(dialect, text, CodeComments::Refuse).map(|token| token.map(|token| token.raw)).collect()
}

#[test]
fn each_dialect_ends_strings_names_and_comments_in_its_own_way() {
    use Dialect::{Mysql, Postgres, Sqlite};
    for (dialect, text, expected) in [
        (Postgres, "a/*x/*y*/z*/b", &["a", "b"][..]),
        (Mysql, "a/*x/*y*/z", &["a", "z"]),
        (Postgres, "a--b\rc", &["a", "c"]),
        (Sqlite, "a--b\rc", &["a"]),
        (Mysql, "a-- b\nc#d\ne", &["a", "c", "e"]),
        (Postgres, "a#b", &["a", "#", "b"]),
        (Postgres, "'it''s' E'it\\'s' $q$it's$q$", &["'it''s'", "E'it\\'s'", "$q$it's$q$"]),
        (Postgres, "$1 $$a$b$$ a$b$c", &["$1", "$$a$b$$", "a$b$c"]),
        (Postgres, "\"a\"\"b\"", &["\"a\"\"b\""]),
        (Mysql, "'a\\\\' `b``c` \"d\"", &["'a\\\\'", "`b``c`", "\"d\""]),
        (Sqlite, "[a]b] 'x\\' ?1 :n", &["[a]", "b", "]", "'x\\'", "?1", ":n"]),
        (Postgres, "x'ff' B'1' n'a' nx'a'", &["x'ff'", "B'1'", "n'a'", "nx", "'a'"]),
        (Postgres, "1.5e-3+.5 1e 0xff", &["1.5e-3", "+", ".", "5", "1", "e", "0xff"]),
        (Postgres, "größe", &["größe"]),
    ] {
        assert_eq!(raws(dialect, text).as_deref(), Ok(expected), "{dialect:?} {text}");
    }
}

#[test]
fn what_servers_may_read_in_two_ways_is_an_error() {
    use Dialect::{Mysql, Postgres, Sqlite};
    for (dialect, text, expected) in [
        (Mysql, "'a\\' OR 1=1 -- '", LexisError::BackslashQuote),
        (Mysql, "\"a\\\" OR 1\"", LexisError::BackslashQuote),
        (Postgres, "'a\\' OR 1=1 --'", LexisError::BackslashQuote),
        (Mysql, "SELECT 1 /*!50000 INTO OUTFILE 'x'*/", LexisError::CommentIsCode),
        (Mysql, "SELECT /*M!100100 1 */", LexisError::CommentIsCode),
        (Mysql, "SELECT /*+ SET_VAR(sql_mode='') */ 1", LexisError::CommentIsCode),
        (Mysql, "1--1", LexisError::Dashes),
        (Postgres, "U&'\\0061'", LexisError::UnicodeEscapes),
        (Postgres, "u&\"\\0061\"", LexisError::UnicodeEscapes),
        (Postgres, "'open", LexisError::Unterminated("string")),
        (Postgres, "$a$ open $b$", LexisError::Unterminated("dollar-quoted string")),
        (Postgres, "/* /* */", LexisError::Unterminated("comment")),
        (Sqlite, "\"open", LexisError::Unterminated("quoted name")),
        (Sqlite, "a\0b", LexisError::Control),
    ] {
        assert_eq!(raws(dialect, text), Err(expected), "{dialect:?} {text}");
    }
}

#[test]
fn the_code_in_a_dumps_comments_is_code() {
    let text = "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*M!100100 x */ y";
    let tokens: Vec<_> =
        Tokens::new(Dialect::Mysql, text, CodeComments::Code).map(|token| token.unwrap().raw).collect();
    assert_eq!(tokens, ["CREATE", "DEFINER", "=", "`a`", "@", "`b`", "x", "y"]);
}

#[test]
fn strings_are_spelled_out() {
    for (raw, expected) in [
        ("'a'", Ok("'a'")),
        ("E'a\\'b''c'", Ok("'a''b''c'")),
        ("e'\\x41\\u00e9\\U0001F600\\101\\n\\q'", Ok("'A\u{e9}\u{1f600}A\nq'")),
        ("$t$it's$t$", Ok("'it''s'")),
        ("$$$$", Ok("''")),
        ("E'\\000'", Err(LexisError::Escape)),
        ("E'\\xff'", Err(LexisError::Escape)),
        ("E'\\u12'", Err(LexisError::Escape)),
    ] {
        assert_eq!(plain_string(raw).as_deref(), expected.as_deref(), "{raw}");
    }
}

#[test]
fn names_are_folded_as_the_server_folds_them() {
    for (dialect, text, name) in [
        (Dialect::Postgres, "Orders", "orders"),
        (Dialect::Postgres, "\"Or\"\"ders\"", "Or\"ders"),
        (Dialect::Mysql, "`Or``ders`", "Or`ders"),
        (Dialect::Mysql, "Orders", "Orders"),
        (Dialect::Sqlite, "[Or ders]", "Or ders"),
    ] {
        let token = Tokens::new(dialect, text, CodeComments::Refuse).next().unwrap().unwrap();
        assert_eq!(token.name(dialect).as_deref(), Some(name), "{text}");
    }
}
