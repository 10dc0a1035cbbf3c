//! Changes, disables and enables keys.
//!
//! - `changes`: which fields a change concerns, for the audit

mod changes;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Map;
use time::OffsetDateTime;

use self::changes::{changes, details_of, of_credits};
use super::{Applied, Caller, Done, Expiry, Lifecycle, change_by, policy::adds_anything};
use crate::domain::{
    api_key::KeyId,
    audit::Action,
    key_record::{AllowedIps, ManagedKey},
    ledger::{Change, Decision, Event, Quota, Refusal, Violation},
    limits::{AskedCredits, AskedLimits, Credits},
    metadata::MetadataChange,
    plan::Plan,
    precondition::Preconditions,
    role::Role,
    scope::Scopes,
    text::{ChangeReason, KeyDescription, KeyName},
};

/// The changes to a key. `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The name, or `None` to remove it.
    pub name: Option<Option<KeyName>>,
    /// The description, or `None` to remove it.
    pub description: Option<Option<KeyDescription>>,
    /// The complete new scopes.
    pub scopes: Option<Scopes>,
    /// The change of the metadata.
    pub metadata: Option<MetadataChange>,
    /// The complete new networks.
    pub allowed_ips: Option<AllowedIps>,
    /// The complete new limits, except for those of an administrator, which an owner can't change.
    pub limits: Option<AskedLimits>,
    /// The credits, or `None` to remove them.
    pub credits: Option<Option<AskedCredits>>,
    /// The expiry.
    pub expiry: Option<Expiry>,
    /// Whether the key is enabled.
    pub enabled: Option<bool>,
}

impl Edit {
    /// Whether this key would be able to do more than now: it has more scopes, works for longer or from more addresses,
    /// or its limits are looser. What is refused anyway does not matter.
    pub fn widens(&self, key: &ManagedKey, caller: &Caller) -> bool {
        let is_wider = |changed: ManagedKey| {
            adds_anything(&changed, key) || changed.record.limits.are_looser_than(&key.record.limits)
        };
        apply(key, self, caller).is_ok_and(is_wider)
    }
}

/// Enables or disables a key.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Whether the key is enabled.
    pub enabled: bool,
    /// The reason, for the audit.
    pub reason: Option<ChangeReason>,
}

impl Lifecycle {
    /// Changes a key. When this returns, every replica applies the change.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the key may not have been changed, or not on every replica.
    pub async fn edit(
        self: &Arc<Self>,
        id: KeyId,
        edit: Edit,
        preconditions: Preconditions,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<ManagedKey>> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let change = |decide, quota| Change {
                with_credits: edit.credits.is_some(),
                quota,
                ..change_by(&caller, id, now, decide)
            };
            // What adds nothing needs neither a quota nor a plan, and so waits for nobody who holds the owner's lock.
            let adds = AtomicBool::new(false);
            let narrows = |key: &ManagedKey, _: Option<&Plan>| {
                if apply(key, &edit, &caller).is_ok_and(|changed| adds_anything(&changed, key)) {
                    adds.store(true, Ordering::Relaxed);
                    // Undone, for whichever reason.
                    return Err(Refusal::VersionMismatch);
                }
                lifecycle.edited(key, &edit, &preconditions, None, &caller)
            };
            let narrowed = lifecycle.apply(change(&narrows, None)).await?;
            if !adds.load(Ordering::Relaxed) {
                return Ok(narrowed);
            }
            let widens =
                |key: &ManagedKey, plan: Option<&Plan>| lifecycle.edited(key, &edit, &preconditions, plan, &caller);
            // Only a new expiry can revive an expired key.
            let quota = if edit.expiry.is_some() { lifecycle.policy.quota() } else { Quota::default() };
            lifecycle.apply(change(&widens, Some(quota))).await
        };
        self.to_its_end(work).await
    }

    /// Enables or disables a key. When this returns, every replica applies the change.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the key may not have been changed, or not on every replica.
    pub async fn switch(
        self: &Arc<Self>,
        id: KeyId,
        to: Switch,
        preconditions: Preconditions,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<ManagedKey>> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let decide =
                |key: &ManagedKey, plan: Option<&Plan>| lifecycle.switched(key, &to, &preconditions, plan, &caller);
            let quota = to.enabled.then(Quota::default);
            lifecycle.change(id, &caller, now, &decide, None, quota).await
        };
        self.to_its_end(work).await
    }

    fn edited(
        &self,
        key: &ManagedKey,
        edit: &Edit,
        preconditions: &Preconditions,
        plan: Option<&Plan>,
        caller: &Caller,
    ) -> Result<Decision, Refusal> {
        // Failures that are independent of the version come first (RFC 9110 §13.2.1).
        demand_unrevoked(key)?;
        preconditions.demand(key.version)?;
        let changed = apply(key, edit, caller)?;
        let credits = match &edit.credits {
            Some(asked) => Credits::change(key.credits.as_ref(), asked.as_ref(), caller.reach.role())?,
            None => None,
        };
        let mut changes = changes(key, &changed);
        changes.extend(credits.as_ref().map(|change| of_credits(key, change)));
        if changes.is_empty() {
            return Ok(Decision::unchanged(changed));
        }
        self.allow(&changed, Some(key), plan, caller)?;
        let names: Vec<&str> = changes.iter().map(|change| change.field).collect();
        let action = match *names {
            ["enabled"] if changed.record.enabled => Action::KeyEnabled,
            ["enabled" | "disabledBy"] => Action::KeyDisabled,
            _ => Action::KeyUpdated,
        };
        let mut details = Map::from_iter([("changed".to_owned(), names.into())]);
        details.extend(details_of(changes));
        Ok(Decision { credits, ..Decision::change(changed, Event { action, details }) })
    }

    fn switched(
        &self,
        key: &ManagedKey,
        to: &Switch,
        preconditions: &Preconditions,
        plan: Option<&Plan>,
        caller: &Caller,
    ) -> Result<Decision, Refusal> {
        demand_unrevoked(key)?;
        preconditions.demand(key.version)?;
        let mut changed = key.clone();
        switch(&mut changed, to.enabled, caller)?;
        self.allow(&changed, Some(key), plan, caller)?;
        let action = if to.enabled { Action::KeyEnabled } else { Action::KeyDisabled };
        let changes = changes(key, &changed);
        let event = (!changes.is_empty()).then(|| {
            let mut details = details_of(changes);
            details.extend(to.reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
            Event { action, details }
        });
        Ok(Decision { event, ..Decision::unchanged(changed) })
    }
}

pub(super) fn demand_unrevoked(key: &ManagedKey) -> Result<(), Refusal> {
    if key.record.revoked_at.is_some() { Err(Refusal::KeyRevoked) } else { Ok(()) }
}

/// Enables or disables a key. A key of a disabled owner can't be enabled, because it would not work. An owner can't
/// enable a key that an administrator has disabled, but can disable it again.
fn switch(key: &mut ManagedKey, enabled: bool, caller: &Caller) -> Result<(), Refusal> {
    let by = caller.reach.role();
    let by_administrator = key.disabled_by == Some(Role::Administrator);
    if enabled && key.record.owner_disabled {
        return Err(Refusal::OwnerDisabled);
    }
    if enabled && by_administrator && by == Role::Owner {
        return Err(Refusal::DisabledByAdministrator);
    }
    key.record.enabled = enabled;
    key.disabled_by = if enabled {
        None
    } else if by_administrator {
        Some(Role::Administrator)
    } else {
        Some(by)
    };
    Ok(())
}

/// The key with the changes applied.
fn apply(key: &ManagedKey, edit: &Edit, caller: &Caller) -> Result<ManagedKey, Refusal> {
    let mut changed = key.clone();
    if let Some(enabled) = edit.enabled {
        switch(&mut changed, enabled, caller)?;
    }
    if let Some(description) = &edit.description {
        changed.description.clone_from(description);
    }
    let record = &mut changed.record;
    if let Some(name) = &edit.name {
        record.name.clone_from(name);
    }
    if let Some(scopes) = &edit.scopes {
        record.scopes.clone_from(scopes);
    }
    match &edit.metadata {
        Some(MetadataChange::Merge(patch)) => {
            let against = |error| Refusal::Against(vec![Violation::Metadata(error)]);
            record.metadata = record.metadata.merged(patch).map_err(against)?;
        }
        Some(MetadataChange::Replace(metadata)) => record.metadata.clone_from(metadata),
        None => {}
    }
    if let Some(allowed_ips) = &edit.allowed_ips {
        record.allowed_ips.clone_from(allowed_ips);
    }
    if let Some(limits) = &edit.limits {
        record.limits = limits.applied_to(&record.limits, caller.reach.role()).map_err(Refusal::from)?;
    }
    match edit.expiry {
        Some(Expiry::At(end)) => record.expires_at = Some(end),
        Some(Expiry::Never | Expiry::Latest) => record.expires_at = None,
        None => {}
    }
    Ok(changed)
}
