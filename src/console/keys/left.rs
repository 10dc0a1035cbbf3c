//! What is left of the limits of a key and of its owner.

use actix_web::HttpRequest;

use crate::{
    console::{fault::Fault, frame::When, services::Console},
    domain::{
        key_record::ManagedKey,
        ledger::Reach,
        limits::{Holder, Limit, Limits},
        ports::limits::CountedLimit,
    },
};

/// A limit, and what is left of it.
pub(super) struct LimitLeft {
    /// The limit in a line.
    pub(super) text: String,
    /// At least so much is left: what no replica has taken yet.
    pub(super) left: u64,
    /// Until then, if anything was taken.
    pub(super) until: Option<When>,
    /// Whether all keys of the owner share it.
    pub(super) is_shared: bool,
}

/// The limits of a key, and those that it shares with the owner's other keys.
pub(super) async fn limits(
    request: &HttpRequest,
    console: &Console,
    key: &ManagedKey,
    reach: &Reach,
) -> Result<Vec<LimitLeft>, Fault> {
    let outage = |error| Fault::outage(request, &error);
    let owner = &key.record.owner;
    let shared = console.lifecycle.plans.allotment(owner, reach).await.map_err(outage)?.limits;
    let own = &key.record.limits;
    if own.as_slice().is_empty() && shared.as_slice().is_empty() {
        return Ok(Vec::new());
    }
    let holders = [Holder::of_key(key.record.id), Holder::of_owner(owner)];
    let counted = console.limits.counted(&holders).await.map_err(outage)?;
    let left = |limits: &Limits, holder, is_shared| -> Vec<LimitLeft> {
        limits.as_slice().iter().map(|limit| left(limit, holder, is_shared, &counted)).collect()
    };
    let [of_key, of_owner] = holders;
    Ok([left(own, of_key, false), left(&shared, of_owner, true)].into_iter().flatten().collect())
}

fn left(limit: &Limit, holder: Holder, is_shared: bool, counted: &[CountedLimit]) -> LimitLeft {
    let period = limit.window.period();
    let counted = counted
        .iter()
        .find(|counted| counted.holder == holder && counted.name == limit.name.as_str() && counted.period == period);
    LimitLeft {
        text: limit.to_string(),
        left: limit.amount.saturating_sub(counted.map_or(0, |counted| counted.taken)),
        until: counted.map(|counted| counted.ends.into()),
        is_shared,
    }
}
