//! The functions of a transaction: several statements, one outcome.

use std::sync::Arc;

use wasmtime::component::{Accessor, Resource};

use super::{Rows, Transaction, change, hand_over, transaction};
use crate::capability::Data;
use crate::capability::sql::Sql;
use crate::capability::sql::backend::{self, Lease, check_count};
use crate::capability::sql::bindings::taskhost::host::sql as wit;
use crate::capability::sql::error::Error;
use crate::gate::{Impact, Refusal};

impl Transaction {
    /// The lease, for one call at a time.
    async fn lease(&self) -> Result<tokio::sync::OwnedMutexGuard<Option<Lease>>, Error> {
        let wait = self.database.slot.grant.lock_timeout();
        let lease = tokio::time::timeout(wait, Arc::clone(&self.lease).lock_owned()).await;
        let lease = lease.map_err(|_| {
            Error::Invalid("rows of an earlier query are still open; read them to the end or drop them".into())
        })?;
        if lease.is_none() {
            return Err(Error::Invalid("the transaction has ended".into()));
        }
        Ok(lease)
    }

    /// Ends it; what `end` leaves open is rolled back.
    async fn end(&self, commit: bool) -> Result<(), Error> {
        let mut guard = self.lease().await?;
        let mut lease = guard.take().ok_or_else(|| Error::Invalid("the transaction has ended".into()))?;
        let result = if commit { lease.connection()?.commit().await } else { Ok(()) };
        lease.give_back().await;
        result
    }
}

impl<T: Send + 'static> wit::HostTransactionWithStore<T> for Data<Sql> {
    async fn query(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<Rows, Error> {
        let transaction = transaction(accessor, &this)?;
        let held = transaction.database.slot.hold(statement.len() + backend::size_of_all(&parameters))?;
        let (permit, checked) = transaction.database.enter_reading("query", &statement)?;
        if let Err(error) = check_count(checked.parameters(), parameters.len()) {
            return permit.finish(Err(error));
        }
        let mut lease = match transaction.lease().await {
            Ok(lease) => lease,
            Err(error) => return permit.finish(Err(error)),
        };
        let (mut sink, source) = backend::channel();
        let slot = Arc::clone(&transaction.database.slot);
        let job = slot.jobs.run(async move {
            let _held = held;
            let connection = lease.as_mut().ok_or(Error::Abandoned)?;
            transaction.database.check_confined(&checked, connection).await?;
            let read_only = transaction.database.scratch.is_none();
            let result = backend::read_within(connection, read_only, checked.text(), &parameters, &mut sink).await;
            // Free for the next call before the guest sees the end of the rows.
            drop(lease);
            drop(sink);
            result
        });
        hand_over(accessor, &slot, permit, job, source).await
    }

    async fn execute(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, Error> {
        let transaction = transaction(accessor, &this)?;
        let database = &transaction.database;
        let _held = database.slot.hold(statement.len() + backend::size_of_all(&parameters))?;
        if database.scratch.is_some() {
            let (mut permit, checked) = database.enter_reading("execute", &statement)?;
            let result = async {
                check_count(checked.parameters(), parameters.len())?;
                let mut guard = transaction.lease().await?;
                let lease = guard.as_mut().ok_or(Error::Abandoned)?;
                database.check_confined(&checked, lease).await?;
                lease.connection()?.change(checked.text(), &parameters).await
            };
            let result = result.await;
            if let Ok(rows) = &result {
                permit.rows(*rows);
            }
            return permit.finish(result);
        }
        let (mut permit, changing) = database.enter_changing(&statement)?;
        let result = async {
            check_count(changing.parameters, parameters.len())?;
            let mut guard = transaction.lease().await?;
            let lease = guard.as_mut().ok_or(Error::Abandoned)?;
            let result = change(lease, &database.slot, &changing, &parameters, &mut permit).await;
            if matches!(result, Err(Error::Refused(Refusal::OverBudget(_)))) {
                // What was over the budget is done in the transaction, and must not be committed with the rest.
                if let Some(lease) = guard.take() {
                    lease.give_back().await;
                }
            }
            result
        };
        let result = result.await;
        permit.finish(result)
    }

    async fn commit(accessor: &Accessor<T, Self>, this: Resource<Transaction>) -> Result<(), Error> {
        let transaction = accessor.with(|mut store| store.get().table.delete(this))?;
        let slot = &transaction.database.slot;
        let impact = if transaction.database.scratch.is_some() { Impact::Observe } else { Impact::Change };
        let permit = slot.enter("commit", impact, "", Ok(()))?;
        let lasting = !permit.rehearse();
        permit.finish(transaction.end(lasting).await)
    }

    async fn rollback(accessor: &Accessor<T, Self>, this: Resource<Transaction>) -> Result<(), Error> {
        let transaction = accessor.with(|mut store| store.get().table.delete(this))?;
        let permit = transaction.database.slot.enter("rollback", Impact::Observe, "", Ok(()))?;
        permit.finish(transaction.end(false).await)
    }
}
