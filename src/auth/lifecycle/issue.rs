//! Creates keys.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Caller, Done, Lifecycle};
use crate::{
    auth::{Undecided, keys::hasher::Hasher},
    domain::{
        api_key::{Environment, GeneratedKey, KeyId, Keyring},
        key_record::{AllowedIps, KeyRecord, ManagedKey},
        ledger::{IdempotentRequest, Inserted, Insertion, Refusal},
        limits::{AskedCredits, AskedLimits, Credits, CreditsChange, Limits},
        metadata::Metadata,
        owner::Owner,
        plan::Plan,
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
    /// The limits on the key.
    pub limits: AskedLimits,
    /// The credits of the key.
    pub credits: Option<AskedCredits>,
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
            limits: AskedLimits::default(),
            credits: None,
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
        new_key: NewKey,
        request: Option<&IdempotentRequest>,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Done<Issued> {
        let GeneratedKey { id, environment, secret, pepper, text } =
            self.keyring.generate(new_key.environment.unwrap_or(self.environment), now);
        let is_latest = new_key.expiry == Expiry::Latest;
        let credits = match credits_of(&new_key, caller) {
            Ok(credits) => credits,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let key = self.managed_key(new_key, id, environment, caller, now);
        // Checked again when the owner's plan is known; checking here can save a hash.
        let allowed = key.and_then(|key| self.lifecycle.allow(&key, None, None, caller).map(|()| key));
        let key = match allowed {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let hash = self.hasher.hash_for(&key.record.owner, secret, self.keyring.hash_secret(pepper)).await?;
        let fit = |plan: &Plan| {
            let mut key = key.clone();
            if is_latest {
                key.record.expires_at = self.lifecycle.latest_end(Some(plan), now);
            }
            self.lifecycle.allow(&key, None, Some(plan), caller).map(|()| key)
        };
        let quota = self.lifecycle.policy.quota();
        let insertion = Insertion {
            key: &key,
            fit: &fit,
            credits: credits.as_ref(),
            hash: &hash,
            pepper: self.keyring.fingerprint(pepper),
            reach: &caller.reach,
            request,
            quota,
        };
        let inserted = self.lifecycle.ledger.insert(&insertion, &caller.author).await?;
        Ok(issued(inserted, Some(text)))
    }

    /// The same for the compatibility route, whose requests can't carry a name.
    ///
    /// # Errors
    /// As for [`issue`](Self::issue).
    pub async fn issue_unnamed(
        &self,
        new_key: NewKey,
        request: Option<&IdempotentRequest>,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Done<Issued> {
        // Without scopes in the caller, no name is required; the new key has none.
        self.issue(new_key, request, &Caller { scopes: None, ..caller.clone() }, now).await
    }

    fn managed_key(
        &self,
        new_key: NewKey,
        id: KeyId,
        environment: Environment,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Result<ManagedKey, Refusal> {
        let expires_at = match new_key.expiry {
            Expiry::At(end) => Some(end),
            Expiry::Never => None,
            Expiry::Latest => self.lifecycle.latest_end(None, now),
        };
        let record = KeyRecord {
            scopes: new_key.scopes,
            metadata: new_key.metadata,
            allowed_ips: new_key.allowed_ips,
            limits: new_key.limits.applied_to(&Limits::default(), caller.reach.role())?,
            expires_at,
            enabled: new_key.enabled,
            ..KeyRecord::new(id, new_key.owner, environment)
        };
        let disabled_by = (!record.enabled).then(|| caller.reach.role());
        Ok(ManagedKey {
            disabled_by,
            description: new_key.description,
            created_by: Some(caller.author.actor.clone()),
            ..ManagedKey::new(record, new_key.name, now)
        })
    }
}

fn credits_of(new_key: &NewKey, caller: &Caller) -> Result<Option<CreditsChange>, Refusal> {
    match &new_key.credits {
        Some(asked) => Ok(Credits::change(None, Some(asked), caller.reach.role())?),
        None => Ok(None),
    }
}

fn issued(inserted: Inserted, text: Option<SecretString>) -> Result<Issued, Refusal> {
    match (inserted, text) {
        (Inserted::Now(key), Some(text)) => Ok(Issued::Now(Box::new(IssuedKey { key: *key, text }))),
        (Inserted::Now(key) | Inserted::Before(key), _) => Ok(Issued::Before(key)),
        (Inserted::Refused(refusal), _) => Err(refusal),
    }
}
