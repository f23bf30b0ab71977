//! Takes the owner out of a MariaDB or MySQL view, trigger or routine. Only who may act for others can make one for
//! another, and a role that can do so is not confined to a scratch database; there its own role owns it just as well.

use crate::capability::sql::grant::Dialect;
use crate::capability::sql::lexis::{CodeComments, Kind, Token, Tokens};

/// `statement` of a dump without its `DEFINER = user@host`; as it is where it has none.
pub(crate) fn without_definer(statement: String) -> String {
    match span(&statement) {
        Some((start, end)) => {
            let (before, rest) = statement.split_at(start);
            [before, rest.get(end - start..).unwrap_or_default()].concat()
        }
        None => statement,
    }
}

/// Where the clause begins and ends: before the kind of what is made, so never in a body.
fn span(statement: &str) -> Option<(usize, usize)> {
    const KINDS: &[&str] = &["view", "trigger", "procedure", "function", "event", "package", "table"];
    let mut tokens = Tokens::new(Dialect::Mysql, statement, CodeComments::Code).map_while(Result::ok);
    let at = |token: &Token<'_>| token.raw.as_ptr() as usize - statement.as_ptr() as usize;
    tokens.next().filter(|first| first.is("create"))?;
    let definer = tokens.by_ref().take_while(|token| !KINDS.iter().any(|kind| token.is(kind)));
    let start = definer.into_iter().find(|token| token.is("definer")).map(|token| at(&token))?;
    tokens.next().filter(|token| token.is_symbol('='))?;
    let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Text);
    let user = tokens.next().filter(is_name)?;
    let end = |token: &Token<'_>| at(token) + token.raw.len();
    let mut rest = tokens.clone();
    match rest.next() {
        Some(sign) if sign.is_symbol('@') => Some((start, end(&rest.next().filter(is_name)?))),
        _ => Some((start, end(&user))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clause_is_taken_out() {
        for (statement, left) in [
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER r AFTER INSERT ON t FOR EACH ROW SET @a=1*/",
                "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER r AFTER INSERT ON t FOR EACH ROW SET @a=1*/",
            ),
            ("CREATE DEFINER = 'a'@'b' PROCEDURE `p`() SELECT 1", "CREATE  PROCEDURE `p`() SELECT 1"),
            (
                "CREATE OR REPLACE DEFINER=admin FUNCTION f() RETURNS int RETURN 1",
                "CREATE OR REPLACE  FUNCTION f() RETURNS int RETURN 1",
            ),
            ("CREATE DEFINER=`a``=`@`b` VIEW v AS SELECT 1", "CREATE  VIEW v AS SELECT 1"),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*!50001 VIEW v AS SELECT 1 */",
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013  SQL SECURITY DEFINER */\n/*!50001 VIEW v AS SELECT 1 */",
            ),
        ] {
            assert_eq!(without_definer(statement.into()), left);
        }
        for statement in [
            "CREATE PROCEDURE p() SELECT 'DEFINER=`a`@`b`', definer = x FROM t",
            "CREATE TABLE t (definer int DEFAULT (definer = 1))",
            "INSERT INTO t VALUES ('CREATE DEFINER=`a`@`b` VIEW')",
            "CREATE VIEW v AS SELECT 1",
            "CREATE DEFINER",
            "",
        ] {
            assert_eq!(without_definer(statement.into()), statement);
        }
    }
}
