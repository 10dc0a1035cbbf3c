//! Adds to the credits of a key, or sets them.

use std::sync::Arc;

use serde_json::{Map, json};
use time::OffsetDateTime;

use super::{Applied, Caller, Done, Lifecycle, change_by, edit::demand_unrevoked};
use crate::domain::{
    api_key::KeyId,
    audit::Action,
    key_record::ManagedKey,
    ledger::{Change, Decision, Event, IdempotentRequest, Refusal},
    limits::{Credits, TopUp},
    plan::Plan,
    text::ChangeReason,
};

/// A request to top up the credits of a key.
#[derive(Clone, Debug)]
pub struct KeyTopUp {
    /// The key.
    pub id: KeyId,
    /// By how much, or to how much.
    pub top_up: TopUp,
    /// How much must have been granted in all until now; `None`: whatever it is.
    pub granted: Option<u64>,
    /// The reason, for the audit.
    pub reason: Option<ChangeReason>,
    /// The idempotent request, if repeating it must not change the credits again.
    pub once: Option<IdempotentRequest>,
}

impl Lifecycle {
    /// Adds to the credits of a key, or sets them. When this returns, every replica applies the change.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) if the credits may not have been changed, or not on every replica.
    pub async fn top_up(
        self: &Arc<Self>,
        key_top_up: KeyTopUp,
        caller: Caller,
        now: OffsetDateTime,
    ) -> Done<Applied<ManagedKey>> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let decide = |key: &ManagedKey, _: Option<&Plan>| {
                demand_unrevoked(key)?;
                if !Credits::are_those_seen(key.credits.as_ref(), key_top_up.granted) {
                    return Err(Refusal::VersionMismatch);
                }
                let change = Credits::top_up(key.credits.as_ref(), key_top_up.top_up, caller.reach.role())?;
                let changes = json!({ "credits": change.to_json(key.credits.as_ref()) });
                let mut details = Map::from_iter([("changes".to_owned(), changes)]);
                details.extend(key_top_up.reason.as_ref().map(|reason| ("reason".to_owned(), reason.as_str().into())));
                let event = Event { action: Action::KeyCreditsChanged, details };
                Ok(Decision { credits: Some(change), ..Decision::change(key.clone(), event) })
            };
            let once = key_top_up.once.as_ref();
            let change = Change { with_credits: true, once, ..change_by(&caller, key_top_up.id, now, &decide) };
            lifecycle.apply(change).await
        };
        self.to_its_end(work).await
    }
}
