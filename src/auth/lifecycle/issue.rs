//! Creates and rotates keys.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Map, Value};
use time::{OffsetDateTime, macros::datetime};

use super::{Caller, ChangedKey, Done, Lifecycle, Propagated, policy::after};
use crate::{
    auth::{Undecided, keys::hasher::Hasher},
    domain::{
        api_key::{Environment, GeneratedKey, KeyId, Keyring},
        audit::{Action, Actor},
        key_record::{AllowedIps, KeyRecord, ManagedKey},
        ledger::{Decision, Event, IdempotentRequest, Inserted, Insertion, Quota, Refusal, SuccessorProof},
        metadata::Metadata,
        owner::Owner,
        ports::keys::StoredHash,
        precondition::Preconditions,
        scope::Scopes,
        secret::SecretString,
        text::{KeyDescription, KeyName},
    },
};

/// Creates keys.
pub struct KeyIssuer {
    /// Applies the policies, and changes keys.
    pub lifecycle: Arc<Lifecycle>,
    /// Generates keys.
    pub keyring: Arc<Keyring>,
    /// Hashes their secrets.
    pub hasher: Arc<Hasher>,
    /// The environment of keys that name none.
    pub environment: Environment,
}

/// A request for a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The owner of the key.
    pub owner: Owner,
    /// The owner's name for the key.
    pub name: Option<KeyName>,
    /// The purpose of the key.
    pub description: Option<KeyDescription>,
    /// The environment; `None` for the configured one.
    pub environment: Option<Environment>,
    /// The scopes of the key.
    pub scopes: Scopes,
    /// The owner's metadata.
    pub metadata: Metadata,
    /// The networks that the key may be used from.
    pub allowed_ips: AllowedIps,
    /// The expiry.
    pub expiry: Expiry,
    /// Whether the key is enabled from the start.
    pub enabled: bool,
}

/// The expiry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this instant.
    At(OffsetDateTime),
    /// Never, if that is allowed.
    Never,
    /// As late as is allowed.
    Latest,
}

impl NewKey {
    /// A key for this owner, without any scopes.
    pub fn plain(owner: Owner) -> Self {
        Self {
            owner,
            name: None,
            description: None,
            environment: None,
            scopes: Scopes::default(),
            metadata: Metadata::default(),
            allowed_ips: AllowedIps::default(),
            expiry: Expiry::Never,
            enabled: true,
        }
    }
}

/// A new key, with its text, which is shown only once.
pub struct IssuedKey {
    /// The key.
    pub key: ManagedKey,
    /// The whole text, for its owner.
    pub text: SecretString,
}

/// The outcome of a [`NewKey`].
pub enum Issued {
    /// The key was created.
    Now(Box<IssuedKey>),
    /// An earlier, identical request created the key. Its text was shown then.
    Before(Box<ManagedKey>),
}

impl Issued {
    /// The key.
    pub fn key(&self) -> &ManagedKey {
        match self {
            Self::Now(new) => &new.key,
            Self::Before(key) => key,
        }
    }
}

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
    /// The key that an earlier, identical request created. Query this before validating the request: a key that was
    /// allowed and created stays so, whatever the time and the policy are now.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the store could not answer.
    pub async fn issued_before(
        &self,
        request: &IdempotentRequest,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Result<Option<Result<Box<ManagedKey>, Refusal>>, Undecided> {
        let earlier = self.lifecycle.ledger.earlier(request, &caller.reach, now).await?;
        Ok(earlier.map(|earlier| match earlier {
            Inserted::Now(key) | Inserted::Before(key) => Ok(key),
            Inserted::Refused(refusal) => Err(refusal),
        }))
    }

    /// Creates a key. It is on disk when this returns. `request` must not be one that was
    /// [`issued_before`](Self::issued_before); of two concurrent ones, only one creates the key.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the store or the hasher could not answer.
    pub async fn issue(
        &self,
        order: NewKey,
        request: Option<&IdempotentRequest>,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Done<Issued> {
        let GeneratedKey { id, environment, secret, pepper, text } =
            self.keyring.generate(order.environment.unwrap_or(self.environment), now);
        let key = self.ordered(order, id, environment, caller, now);
        if let Err(refusal) = self.lifecycle.allow(&key, None, caller) {
            return Ok(Err(refusal));
        }
        let hash = self.hasher.hash_for(&key.record.owner, secret, self.keyring.hash_secret(pepper)).await?;
        let quota = self.lifecycle.policy.quota();
        let insertion = Insertion { key: &key, hash: &hash, reach: &caller.reach, request, quota };
        let inserted = self.lifecycle.ledger.insert(&insertion, &caller.author).await?;
        Ok(issued(inserted, Some(text)))
    }

    /// The same for the compatibility route, whose requests can't carry a name.
    ///
    /// # Errors
    /// As for [`issue`](Self::issue).
    pub async fn issue_unnamed(
        &self,
        order: NewKey,
        request: Option<&IdempotentRequest>,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Done<Issued> {
        // Without scopes in the caller, no name is required; the order demands no scopes.
        self.issue(order, request, &Caller { scopes: None, ..caller.clone() }, now).await
    }

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
        let unchanged = |old: &ManagedKey| Ok(Decision { key: old.clone(), event: None, successor: None });
        let told = self.lifecycle.change(id, caller, now, &unchanged, None, Quota::default()).await?;
        Ok(told.map(|ChangedKey { key: old, propagated }| Some(Rotated { new, old, propagated })))
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
            rotation.preconditions.demand(old.version)
        };
        if let Err(refusal) = may_be_rotated(&old) {
            return Ok(Err(refusal));
        }
        let GeneratedKey { id, secret, pepper, text, .. } = self.keyring.generate(old.record.environment, now);
        let hash: StoredHash =
            self.hasher.hash_for(&old.record.owner, secret, self.keyring.hash_secret(pepper)).await?;
        // Created within the decision, because it depends on the old key's expiry, which may change concurrently.
        let successor = OnceLock::new();
        let decide = |old: &ManagedKey| {
            may_be_rotated(old)?;
            self.lifecycle.allow_successor(&old.record.scopes, caller)?;
            let new = successor.get_or_init(|| self.successor(old, id, rotation, &caller.author.actor, now));
            self.lifecycle.allow(new, Some(old), caller)?;
            let grace_period = rotation.grace_period.unwrap_or(self.lifecycle.policy.rotation_grace);
            Ok(replaced(old, new.clone(), grace_period, now))
        };
        let quota = self.lifecycle.policy.quota();
        let proof = SuccessorProof { hash: &hash, request: rotation.request.as_ref() };
        let ChangedKey { key: old, propagated } =
            match self.lifecycle.change(rotation.id, caller, now, &decide, Some(proof), quota).await? {
                Ok(changed) => changed,
                Err(refusal) => return Ok(Err(refusal)),
            };
        let key = successor.into_inner().expect("nothing changes without the decision that makes it");
        Ok(Ok(Rotated { new: Issued::Now(Box::new(IssuedKey { key, text })), old, propagated }))
    }

    fn ordered(
        &self,
        order: NewKey,
        id: KeyId,
        environment: Environment,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> ManagedKey {
        let expires_at = match order.expiry {
            Expiry::At(end) => Some(end),
            Expiry::Never => None,
            Expiry::Latest => self.lifecycle.latest_end(now),
        };
        let record = KeyRecord {
            scopes: order.scopes,
            metadata: order.metadata,
            allowed_ips: order.allowed_ips,
            expires_at,
            enabled: order.enabled,
            ..KeyRecord::new(id, order.owner, environment)
        };
        let disabled_by = (!record.enabled).then(|| caller.reach.disables_as());
        ManagedKey {
            disabled_by,
            description: order.description,
            created_by: Some(caller.author.actor.clone()),
            ..ManagedKey::new(record, order.name, now)
        }
    }

    fn successor(
        &self,
        old: &ManagedKey,
        id: KeyId,
        rotation: &Rotation,
        maker: &Actor,
        now: OffsetDateTime,
    ) -> ManagedKey {
        let expires_at = match rotation.expiry {
            Some(Expiry::At(end)) => Some(end),
            Some(Expiry::Never) => None,
            Some(Expiry::Latest) => self.lifecycle.latest_end(now),
            None => {
                let as_long = old.record.expires_at.map(|end| later(now, end - old.created_at));
                as_long.into_iter().chain(self.lifecycle.latest_end(now)).min()
            }
        };
        let record = KeyRecord { id, expires_at, revoked_at: None, ..old.record.clone() };
        ManagedKey {
            disabled_by: old.disabled_by,
            description: old.description.clone(),
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

fn issued(inserted: Inserted, text: Option<SecretString>) -> Result<Issued, Refusal> {
    match (inserted, text) {
        (Inserted::Now(key), Some(text)) => Ok(Issued::Now(Box::new(IssuedKey { key: *key, text }))),
        (Inserted::Now(key) | Inserted::Before(key), _) => Ok(Issued::Before(key)),
        (Inserted::Refused(refusal), _) => Err(refusal),
    }
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
    Decision { key, event: Some(Event { action: Action::KeyRotated, details }), successor: Some(new) }
}
