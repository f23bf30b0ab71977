//! Calls that can change something.

use super::super::backend::{self, Expiry, Lease};
use super::super::bindings::Node;
use super::super::command::{self, Class, Kind, Name};
use super::super::error::Error;
use super::super::grant::Access;
use super::super::shown;
use super::call::{Call, settle};
use crate::gate::{Impact, Permit, Refusal};

/// Bytes that the arguments of one command may have together. They are sent twice: once to learn the keys.
const ARGUMENTS_LIMIT: usize = 16 << 20;

impl Call {
    /// Removes keys; all are counted before the first goes.
    pub(super) async fn unlink(&self, keys: Vec<Vec<u8>>) -> Result<u64, Error> {
        let verdict = self.grant.allows_keys(self.named(), Access::Write, &keys);
        let mut permit = self.enter("unlink", Impact::Destroy, &shown::list("", &keys), verdict)?;
        let removed = self.unlink_with(&mut permit, keys).await;
        settle(permit, removed)
    }

    async fn unlink_with(&self, permit: &mut Permit, keys: Vec<Vec<u8>>) -> Result<u64, Error> {
        let mut lease = self.lease().await?;
        let mut there = backend::present(&mut lease, keys).await?;
        let target = self.pool.target().to_string();
        if permit.rehearse() {
            there.retain(|present| !self.rehearsed.is_gone(&target, &present.key));
        }
        let (count, bytes) = (there.len() as u64, there.iter().map(|present| present.bytes).sum());
        permit.charge("keys", count)?;
        permit.charge("bytes", bytes)?;
        permit.bytes(bytes);
        let removed = if permit.rehearse() {
            for present in &there {
                self.rehearsed.remove(&target, &present.key);
            }
            count
        } else {
            backend::unlink(&mut lease, &there).await?
        };
        permit.rows(removed);
        Ok(removed)
    }

    /// Sets when keys end.
    pub(super) async fn expire(&self, keys: Vec<Vec<u8>>, expiry: Expiry) -> Result<u64, Error> {
        let verdict = self.grant.allows_keys(self.named(), Access::Write, &keys);
        let mut permit = self.enter("expire", Impact::Change, &shown::list("", &keys), verdict)?;
        let set = self.expire_with(&mut permit, keys, expiry).await;
        settle(permit, set)
    }

    async fn expire_with(&self, permit: &mut Permit, keys: Vec<Vec<u8>>, expiry: Expiry) -> Result<u64, Error> {
        let expiry = expiry.check()?;
        let mut lease = self.lease().await?;
        let mut met = backend::expirable(&mut lease, keys, expiry).await?;
        let target = self.pool.target().to_string();
        if permit.rehearse() {
            met.retain(|key| !self.rehearsed.is_gone(&target, key));
        }
        permit.charge("keys", met.len() as u64)?;
        let set = if permit.rehearse() { met.len() as u64 } else { backend::expire(&mut lease, &met, expiry).await? };
        permit.rows(set);
        Ok(set)
    }

    pub(super) async fn background_save(&self) -> Result<(), Error> {
        let verdict = self.grant.allows(self.named(), Access::Admin);
        let permit = self.enter("background-save", Impact::Change, "", verdict)?;
        let saved = async {
            let mut lease = self.lease().await?;
            if permit.rehearse() { Ok(()) } else { backend::background_save(&mut lease).await }
        };
        let saved = saved.await;
        settle(permit, saved)
    }

    /// A command that has no function of its own. What can be told of it by its name is told without a connection.
    pub(super) async fn command(&self, arguments: Vec<Vec<u8>>) -> Result<Vec<Node>, Error> {
        if arguments.is_empty() {
            let permit = self.enter("command", Impact::Observe, "", self.grant.allows(self.named(), Access::Read))?;
            return settle(permit, Err(Error::Invalid("a command has a name; this one is empty".into())));
        }
        let first = arguments.first().map(|name| shown::key(name)).unwrap_or_default();
        let name = match command::judge_name(&self.grant, self.named(), &arguments) {
            Ok(name) => name,
            Err(refusal) => {
                let permit = self.enter("command", Impact::Observe, &first, Err(refusal.clone()))?;
                return settle(permit, Err(refusal.into()));
            }
        };
        let size: usize = arguments.iter().map(Vec::len).sum();
        let told = match size {
            0..=ARGUMENTS_LIMIT => self.tell(&name, &arguments).await,
            _ => Err(Error::Invalid("the arguments come to more than 16 MiB".into())),
        };
        let (mut lease, class, keys, verdict) = match told {
            Ok(told) => told,
            Err(error) => {
                let permit = self.enter("command", Impact::Observe, &name.to_string(), Ok(()))?;
                return settle(permit, Err(error));
            }
        };
        // The arguments of administrative commands can be passwords.
        let target = match class.kind {
            Kind::Administers => name.to_string(),
            _ => shown::list(&name.to_string(), &keys),
        };
        let mut permit = self.enter("command", class.impact, &target, verdict)?;
        let reply = perform(&mut permit, &mut lease, class, &keys, &arguments).await;
        settle(permit, reply)
    }

    /// What the command would do, to which keys, and whether it may.
    async fn tell(
        &self,
        name: &Name,
        arguments: &[Vec<u8>],
    ) -> Result<(Lease, Class, Vec<Vec<u8>>, Result<(), Refusal>), Error> {
        let mut lease = self.lease().await?;
        let described = backend::describe(&mut lease, name).await?;
        let (class, verdict) = command::judge_class(&self.grant, self.named(), name, described.as_ref());
        if verdict.is_err() {
            return Ok((lease, class, vec![], verdict));
        }
        let has_keys = described.is_some_and(|described| described.has_keys);
        let keys = if has_keys { backend::command_keys(&mut lease, arguments).await? } else { Some(vec![]) };
        let verdict = command::judge_keys(&self.grant, self.named(), name, class.kind, keys.as_deref());
        Ok((lease, class, keys.unwrap_or_default(), verdict))
    }
}

async fn perform(
    permit: &mut Permit,
    lease: &mut Lease,
    class: Class,
    keys: &[Vec<u8>],
    arguments: &[Vec<u8>],
) -> Result<Vec<Node>, Error> {
    if class.impact != Impact::Observe {
        permit.charge("keys", keys.len() as u64)?;
    }
    if !keys.is_empty() {
        permit.rows(keys.len() as u64);
    }
    if permit.rehearse() {
        return Ok(vec![Node::Nil]);
    }
    backend::run(lease, arguments).await
}
