//! Rotates keys: a successor with the same rights, and the end of the old key.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Map, Value};
use time::{OffsetDateTime, macros::datetime};

use super::{
    Applied, Caller, Done, Propagated,
    issue::{Expiry, Issued, IssuedKey, KeyIssuer},
    policy::after,
};
use crate::domain::{
    api_key::{GeneratedKey, KeyId},
    audit::{Action, Actor},
    key_record::{KeyRecord, ManagedKey},
    ledger::{Decision, Event, IdempotentRequest, Refusal, SuccessorProof},
    plan::Plan,
    ports::keys::StoredHash,
    precondition::Preconditions,
};

/// A request to rotate a key.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The id of the key.
    pub id: KeyId,
    /// How long the old key keeps working. Zero: not at all; `None`: as configured.
    pub grace_period: Option<Duration>,
    /// The expiry of the successor. `None`: the old key's lifetime, counted from now, but not beyond what is allowed.
    pub expiry: Option<Expiry>,
    /// The preconditions on the old key.
    pub preconditions: Preconditions,
    /// The idempotent request, if repeating it must not create another successor.
    pub request: Option<IdempotentRequest>,
}

/// A rotated key.
pub struct Rotated {
    /// The successor.
    pub new: Issued,
    /// The old key.
    pub old: ManagedKey,
    /// How the change reached every replica.
    pub propagated: Propagated,
}

impl KeyIssuer {
    /// The outcome of an earlier, identical request to rotate this key; `None` if there is none. When this returns,
    /// every replica applies it, even if the first request was aborted.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the store could not answer, or if some replica may not apply the
    /// rotation.
    pub async fn rotated_before(
        self: &Arc<Self>,
        id: KeyId,
        request: IdempotentRequest,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Option<Rotated>> {
        let issuer = Arc::clone(self);
        let work = async move { issuer.earlier_rotation(id, &request, &caller, now).await };
        self.lifecycle.to_its_end(work).await
    }

    async fn earlier_rotation(
        &self,
        id: KeyId,
        request: &IdempotentRequest,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Done<Option<Rotated>> {
        let new = match self.issued_before(request, caller, now).await? {
            Some(Ok(key)) => Issued::Before(key),
            Some(Err(refusal)) => return Ok(Err(refusal)),
            None => return Ok(Ok(None)),
        };
        let unchanged = |old: &ManagedKey, _: Option<&Plan>| Ok(Decision::unchanged(old.clone()));
        let changed = self.lifecycle.change(id, caller, now, &unchanged, None, None).await?;
        Ok(changed.map(|Applied { outcome: old, propagated }| Some(Rotated { new, old, propagated })))
    }

    /// Creates a successor with the rights of a key, which itself ends after the grace period. When this returns, every
    /// replica applies both.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if it may not have been done, or not on every replica.
    pub async fn rotate(self: &Arc<Self>, rotation: Rotation, caller: Caller, now: OffsetDateTime) -> Done<Rotated> {
        let issuer = Arc::clone(self);
        let work = async move {
            let rotated = issuer.rotate_and_wait(&rotation, &caller, now).await?;
            // Of two concurrent requests, the second finds the result of the first.
            if let (Err(Refusal::AlreadyRotated(_)), Some(request)) = (&rotated, &rotation.request)
                && let Ok(Some(before)) = issuer.earlier_rotation(rotation.id, request, &caller, now).await?
            {
                return Ok(Ok(before));
            }
            Ok(rotated)
        };
        self.lifecycle.to_its_end(work).await
    }

    async fn rotate_and_wait(&self, rotation: &Rotation, caller: &Caller, now: OffsetDateTime) -> Done<Rotated> {
        let Some(old) = self.lifecycle.ledger.show(rotation.id, &caller.reach).await? else {
            return Ok(Err(Refusal::NotFound));
        };
        // Checked again when the row is locked; checking here can save a hash.
        let may_be_rotated = |old: &ManagedKey| {
            can_be_rotated(old, now)?;
            rotation.preconditions.demand(old.version)?;
            self.lifecycle.allow_grace_period(rotation.grace_period)
        };
        if let Err(refusal) = may_be_rotated(&old) {
            return Ok(Err(refusal));
        }
        let GeneratedKey { id, secret, pepper, text, .. } = self.keyring.generate(old.record.environment, now);
        let hash: StoredHash =
            self.hasher.hash_for(&old.record.owner, secret, self.keyring.hash_secret(pepper)).await?;
        // Created within the decision, because it depends on the old key's expiry, which may change concurrently.
        let successor = OnceLock::new();
        let decide = |old: &ManagedKey, plan: Option<&Plan>| {
            may_be_rotated(old)?;
            self.lifecycle.allow_successor(old, plan, caller)?;
            let new = successor.get_or_init(|| self.successor(old, plan, id, rotation, &caller.author.actor, now));
            self.lifecycle.allow(new, Some(old), plan, caller)?;
            let grace_period = rotation.grace_period.unwrap_or(self.lifecycle.policy.rotation_grace);
            Ok(replaced(old, new.clone(), grace_period, now))
        };
        let quota = Some(self.lifecycle.policy.quota());
        let proof = SuccessorProof {
            hash: &hash,
            pepper: self.keyring.fingerprint(pepper),
            request: rotation.request.as_ref(),
        };
        let Applied { outcome: old, propagated } =
            match self.lifecycle.change(rotation.id, caller, now, &decide, Some(proof), quota).await? {
                Ok(changed) => changed,
                Err(refusal) => return Ok(Err(refusal)),
            };
        let key = successor.into_inner().expect("nothing changes without the decision that makes it");
        Ok(Ok(Rotated { new: Issued::Now(Box::new(IssuedKey { key, text })), old, propagated }))
    }

    fn successor(
        &self,
        old: &ManagedKey,
        plan: Option<&Plan>,
        id: KeyId,
        rotation: &Rotation,
        maker: &Actor,
        now: OffsetDateTime,
    ) -> ManagedKey {
        let expires_at = match rotation.expiry {
            Some(Expiry::At(end)) => Some(end),
            Some(Expiry::Never) => None,
            Some(Expiry::Latest) => self.lifecycle.latest_end(plan, now),
            None => {
                let as_long = old.record.expires_at.map(|end| later(now, end - old.created_at));
                as_long.into_iter().chain(self.lifecycle.latest_end(plan, now)).min()
            }
        };
        let record = KeyRecord { id, expires_at, revoked_at: None, ..old.record.clone() };
        ManagedKey {
            disabled_by: old.disabled_by,
            description: old.description.clone(),
            // Both keys spend the same balance, for as long as both work.
            credits: old.credits.clone(),
            created_by: Some(maker.clone()),
            predecessor: Some(old.record.id),
            ..ManagedKey::new(record, old.record.name.clone(), now)
        }
    }
}

/// Saturates at the last possible timestamp, in milliseconds as it is stored.
fn later(now: OffsetDateTime, life: time::Duration) -> OffsetDateTime {
    const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59.999 UTC);
    now.checked_add(life).map_or(LAST, |end| end.min(LAST))
}

fn can_be_rotated(key: &ManagedKey, now: OffsetDateTime) -> Result<(), Refusal> {
    if let Some(successor) = key.successor {
        Err(Refusal::AlreadyRotated(successor))
    } else if key.record.revoked_at.is_some() {
        Err(Refusal::KeyRevoked)
    } else if key.record.expires_at.is_some_and(|end| end <= now) {
        Err(Refusal::KeyExpired)
    } else if key.record.owner_disabled {
        Err(Refusal::OwnerDisabled)
    } else {
        Ok(())
    }
}

fn replaced(old: &ManagedKey, new: ManagedKey, grace_period: Duration, now: OffsetDateTime) -> Decision {
    let mut key = old.clone();
    key.successor = Some(new.record.id);
    if grace_period.is_zero() {
        key.record.revoked_at = Some(now);
        key.revoked_reason = Some("rotated".to_owned());
    } else if let Some(end) = after(now, grace_period) {
        key.record.expires_at = Some(key.record.expires_at.map_or(end, |earlier| earlier.min(end)));
    }
    let details = Map::from_iter([
        ("successor".to_owned(), Value::String(new.record.id.to_string())),
        ("gracePeriod".to_owned(), grace_period.as_secs().into()),
    ]);
    let event = Event { action: Action::KeyRotated, details };
    Decision { successor: Some(new), ..Decision::change(key, event) }
}
