//! Limits in forms and on pages.

use actix_web::HttpRequest;

use crate::{
    console::{access::form::Form, fault::Fault, frame::When, services::Console},
    domain::{
        key_record::ManagedKey,
        limits::{AskedLimit, AskedLimits, Holder, Limit, Limits},
        owner::Owner,
        ports::limits::CountedLimit,
    },
};

/// A limit on a page, with what is left of it.
pub(in crate::console) struct LimitView {
    /// The limit in a line.
    pub(in crate::console) text: String,
    /// At least so much is left: what no replica has taken yet.
    pub(in crate::console) left: u64,
    /// Until then, if anything was taken.
    pub(in crate::console) until: Option<When>,
    /// Whether all keys of the owner share it, on the page of one of them.
    pub(in crate::console) is_shared: bool,
}

/// The limits of a key, and those that all keys of its owner share.
pub(in crate::console) async fn of_key(
    request: &HttpRequest,
    console: &Console,
    key: &ManagedKey,
    shared: &Limits,
) -> Result<Vec<LimitView>, Fault> {
    let owner = &key.record.owner;
    let (own, of_key, of_owner) = (&key.record.limits, Holder::of_key(key.record.id), Holder::of_owner(owner));
    views(request, console, &[(own, of_key, false), (shared, of_owner, true)]).await
}

/// These limits of an owner.
pub(in crate::console) async fn of_owner(
    request: &HttpRequest,
    console: &Console,
    owner: &Owner,
    limits: &Limits,
) -> Result<Vec<LimitView>, Fault> {
    views(request, console, &[(limits, Holder::of_owner(owner), false)]).await
}

async fn views(
    request: &HttpRequest,
    console: &Console,
    held: &[(&Limits, Holder, bool)],
) -> Result<Vec<LimitView>, Fault> {
    if held.iter().all(|(limits, ..)| limits.as_slice().is_empty()) {
        return Ok(Vec::new());
    }
    let holders: Vec<Holder> = held.iter().map(|(_, holder, _)| *holder).collect();
    let counted = console.limits.counted(&holders).await.map_err(|error| Fault::outage(request, &error))?;
    let views = held.iter().flat_map(|(limits, holder, is_shared)| {
        limits.as_slice().iter().map(|limit| view(limit, *holder, *is_shared, &counted))
    });
    Ok(views.collect())
}

fn view(limit: &Limit, holder: Holder, is_shared: bool, counted: &[CountedLimit]) -> LimitView {
    let period = limit.window.period();
    let counted = counted
        .iter()
        .find(|counted| counted.holder == holder && counted.name == limit.name.as_str() && counted.period == period);
    LimitView {
        text: limit.to_string(),
        left: limit.amount.saturating_sub(counted.map_or(0, |counted| counted.taken)),
        until: counted.map(|counted| counted.ends.into()),
        is_shared,
    }
}

/// Limits in a line, as forms have them.
pub(in crate::console) fn line(limits: &Limits) -> String {
    limits.as_slice().iter().map(Limit::to_string).collect::<Vec<_>>().join(" ")
}

/// The limits in the field `limits`, which are all that there are to be.
pub(in crate::console) fn asked(form: &mut Form) -> AskedLimits {
    let read = |text: &str| {
        let limits: Vec<AskedLimit> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        AskedLimits::new(limits).map_err(|error| error.to_string())
    };
    form.read("limits", read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::limits::LimitName;

    #[test]
    fn what_is_left_is_that_of_the_limit_with_this_holder_name_and_window() {
        let limit = |window: &str| {
            let name = LimitName::parse("minute").expect("a name");
            Limit::new(name, 100, window.parse().expect("a window")).expect("a limit")
        };
        let (holder, other) = (Holder::from_u128(1), Holder::from_u128(2));
        let ends = datetime!(2026-11-29 12:01 UTC);
        let taken = |taken| CountedLimit { holder, name: "minute".to_owned(), period: 60, taken, ends };
        let left = |window, holder, counted: CountedLimit| {
            let view = view(&limit(window), holder, false, &[counted]);
            (view.left, view.until.is_some())
        };
        assert_eq!(left("1m", holder, taken(60)), (40, true));
        assert_eq!(left("1h", holder, taken(60)), (100, false));
        assert_eq!(left("1m", other, taken(60)), (100, false));
        assert_eq!(left("1m", holder, taken(130)), (0, true), "the limit was lowered");
    }
}
