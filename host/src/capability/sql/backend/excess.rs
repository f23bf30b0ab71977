//! What a role can do beyond its grant: a read-only transaction and a checked text hold a plugin to the grant, and a superuser
//! behind them leaves nothing else to hold it. Looks, and changes nothing.

use super::{Connection, Dialect, Error, Purpose, Target};
use crate::capability::sql::grant::Grant;

/// A sentence, when the role that is connected can do more than any grant needs.
pub(super) async fn of(connection: &mut Connection, grant: &Grant) -> Result<Option<String>, Error> {
    Ok(connection.powers().await?.map(|powers| {
        format!(
            "the role of {} {powers}, which is more than the grant ({}) needs; bind it to a role that can do no more than \
             that",
            grant.shown_target(),
            grant.words().join(", "),
        )
    }))
}

/// The same, of a connection made for it alone. A file has no roles, and is not opened.
pub(crate) async fn ask(grant: &Grant) -> Result<Option<String>, Error> {
    let target = Target::new(grant)?;
    if target.dialect == Dialect::Sqlite {
        return Ok(None);
    }
    let mut connection = Connection::connect(&target, Purpose::Read).await?;
    let found = of(&mut connection, grant).await;
    connection.close().await;
    found
}
