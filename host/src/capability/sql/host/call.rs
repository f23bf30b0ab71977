//! One call on its way through the gate to a database: what its statement may do, and that it is done within the grant.

use std::sync::Arc;

use super::{Database, describe};
use crate::capability::sql::backend::{Lease, Purpose, ScratchDatabase, Slot, check_count, unconfined};
use crate::capability::sql::bindings::taskhost::host::sql as wit;
use crate::capability::sql::error::Error;
use crate::capability::sql::grant::TableName;
use crate::capability::sql::statement::{self, Changing, Reading};
use crate::gate::{Impact, Permit, Refusal};

/// What a statement may do, told from its text.
pub(super) enum Checked {
    Reading(Reading),
    Scratch(statement::Scratch),
}

impl Checked {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Reading(reading) => &reading.text,
            Self::Scratch(scratch) => &scratch.text,
        }
    }

    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Reading(reading) => reading.parameters,
            Self::Scratch(scratch) => scratch.parameters,
        }
    }
}

impl Database {
    /// Enters the gate with a statement that reads.
    pub(super) fn enter_reading(&self, operation: &'static str, text: &str) -> Result<(Permit, Checked), Error> {
        let slot = &self.slot;
        let checked = match &self.scratch {
            None => slot
                .grant
                .allows_read(slot.named())
                .and_then(|()| statement::reading(slot.dialect(), text, slot.grant.functions()).map(Checked::Reading)),
            Some(scratch) => statement::any(slot.dialect(), text, &scratch.name).map(Checked::Scratch),
        };
        let shown = checked.as_ref().map_or(text, Checked::text);
        let permit = slot.enter(operation, Impact::Observe, shown, as_verdict(&checked))?;
        Ok((permit, checked?))
    }

    /// Enters the gate with a statement that changes rows of granted tables.
    pub(super) fn enter_changing(&self, text: &str) -> Result<(Permit, Changing), Error> {
        let slot = &self.slot;
        let checked = statement::changing(slot.dialect(), text, slot.grant.functions())
            .and_then(|changing| slot.grant.allows_write(slot.named(), &changing.targets).map(|()| changing));
        let (impact, shown) = match &checked {
            Ok(changing) => (changing.impact, changing.text.as_str()),
            Err(_) => (Impact::Change, text),
        };
        let permit = slot.enter("execute", impact, shown, as_verdict(&checked))?;
        Ok((permit, checked?))
    }

    /// Enters the gate with what is only for scratch databases, and leaves nothing.
    pub(super) fn enter_scratch(&self, operation: &'static str) -> Result<(Permit, Arc<ScratchDatabase>), Error> {
        let verdict = self.scratch.as_ref().ok_or_else(|| {
            Refusal::NotGranted(format!("{operation} is for scratch databases; call it on what `scratch` returns"))
        });
        let shown = self.scratch.as_ref().map_or("", |scratch| scratch.name.as_str());
        let permit = self.slot.enter(operation, Impact::Observe, shown, as_verdict(&verdict))?;
        Ok((permit, Arc::clone(verdict?)))
    }

    pub(super) async fn lease(&self, purpose: Purpose) -> Result<Lease, Error> {
        self.slot.lease(self.scratch.as_deref(), purpose).await
    }

    /// What a function's body could do is what the role could.
    pub(super) async fn check_confined(&self, checked: &Checked, lease: &mut Lease) -> Result<(), Error> {
        match checked {
            Checked::Scratch(statement::Scratch { confined: Some(why), .. })
                if !lease.connection()?.is_confined().await? =>
            {
                Err(Refusal::NotGranted(unconfined(why)).into())
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn execute(&self, text: &str, parameters: &[wit::Value]) -> Result<u64, Error> {
        if self.scratch.is_some() {
            let (mut permit, checked) = self.enter_reading("execute", text)?;
            let result = async {
                check_count(checked.parameters(), parameters.len())?;
                let mut lease = self.lease(Purpose::Scratch).await?;
                self.check_confined(&checked, &mut lease).await?;
                let rows = lease.connection()?.change(checked.text(), parameters).await;
                lease.give_back().await;
                rows
            };
            let result = result.await;
            if let Ok(rows) = &result {
                permit.rows(*rows);
            }
            return permit.finish(result);
        }
        let (mut permit, changing) = self.enter_changing(text)?;
        let result = async {
            check_count(changing.parameters, parameters.len())?;
            let mut lease = self.lease(Purpose::Write).await?;
            lease.connection()?.begin(false).await?;
            let result = change(&mut lease, &self.slot, &changing, parameters, &mut permit).await;
            match &result {
                Ok(_) if !permit.rehearse() => lease.connection()?.commit().await?,
                _ => {}
            }
            lease.give_back().await;
            result
        };
        let result = result.await;
        permit.finish(result)
    }

    pub(super) async fn maintain(&self, operation: &wit::Maintenance) -> Result<(), Error> {
        let slot = &self.slot;
        let (impact, shown, table) = describe(operation);
        if self.scratch.is_some() {
            let permit = slot.enter("maintain", Impact::Observe, &shown, Ok(()))?;
            return permit.finish(self.maintain_with(operation, Purpose::Scratch, false).await);
        }
        let (table, missing) = match operation {
            wit::Maintenance::Reindex(wit::Reindex { target: wit::IndexTarget::Index(index), .. })
                if slot.grant.words().contains(&"maintain")
                    && slot.grant.allows_maintain(slot.named(), None).is_err() =>
            {
                // The grant names tables, and an index is its table's.
                match self.table_of_index(index).await {
                    Ok(table) => (Some(table), None),
                    Err(error) => (None, Some(error)),
                }
            }
            _ => (table, None),
        };
        let verdict = if missing.is_some() { Ok(()) } else { slot.grant.allows_maintain(slot.named(), table.as_ref()) };
        let permit = slot.enter("maintain", impact, &shown, verdict)?;
        if let Some(error) = missing {
            return permit.finish(Err(error));
        }
        let rehearse = permit.rehearse();
        permit.finish(self.maintain_with(operation, Purpose::Maintain, rehearse).await)
    }

    pub(super) async fn table_of_index(&self, index: &wit::Table) -> Result<TableName, Error> {
        let mut lease = self.lease(Purpose::Read).await?;
        let table = lease.connection()?.table_of_index(index).await;
        lease.give_back().await;
        table
    }

    pub(super) async fn maintain_with(
        &self,
        operation: &wit::Maintenance,
        purpose: Purpose,
        rehearse: bool,
    ) -> Result<(), Error> {
        let mut lease = self.lease(purpose).await?;
        let result = lease.connection()?.maintain(operation, rehearse).await;
        lease.give_back().await;
        result
    }
}

/// Runs a change in the open transaction: counted, and charged before anything of it can be made lasting.
pub(super) async fn change(
    lease: &mut Lease,
    slot: &Slot,
    changing: &Changing,
    parameters: &[wit::Value],
    permit: &mut Permit,
) -> Result<u64, Error> {
    let connection = lease.connection()?;
    connection.check_targets(&changing.targets, &slot.grant.default_schema()).await?;
    let rows = connection.change(&changing.text, parameters).await?;
    permit.rows(rows);
    permit.charge("rows", rows)?;
    Ok(rows)
}

pub(super) fn as_verdict<T>(checked: &Result<T, Refusal>) -> Result<(), Refusal> {
    checked.as_ref().map(|_| ()).map_err(Clone::clone)
}
