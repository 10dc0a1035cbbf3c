//! Limits in forms and on pages.

use time::OffsetDateTime;

use crate::{
    console::{access::form::Form, frame::When},
    domain::limits::{AskedLimit, AskedLimits, Limit, Limits, Taken},
};

/// A limit on a page, with what is left of it.
pub(in crate::console) struct LimitView {
    pub(in crate::console) text: String,
    pub(in crate::console) left: u64,
    /// When all of it is there again.
    pub(in crate::console) until: When,
}

/// What is left of these limits.
pub(in crate::console) fn views(limits: &Limits, taken: &[Taken], now: OffsetDateTime) -> Vec<LimitView> {
    let view = |limit: &Limit| {
        let (left, until) = Taken::left_of(limit, taken, now);
        LimitView { text: limit.to_string(), left, until: until.into() }
    };
    limits.as_slice().iter().map(view).collect()
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
