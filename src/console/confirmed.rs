//! How a change became true on every replica, told on the page after it. The address carries a word and numbers, and never a
//! text: anybody can make an address up.

use super::{access::form::Form, texts::EN};
use crate::{auth::lifecycle::Propagated, telemetry::outage::millis};

/// The address of the page after a change. `page` may have a query.
pub(super) fn address(page: &str, done: &str, propagated: &Propagated) -> String {
    let (confirmed, expired) = propagated.replicas();
    let (took, mark) = (millis(propagated.took), if page.contains('?') { '&' } else { '?' });
    format!("{page}{mark}done={done}&confirmed={confirmed}&expired={expired}&ms={took}")
}

/// What a change before this page has done, and on how many replicas.
pub(super) fn told(what: &str, query: &Form) -> String {
    let number = |name: &str| query.text(name).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
    let (confirmed, expired, took) = (number("confirmed"), number("expired"), number("ms"));
    let mut text = format!("{what} {} {confirmed} {} {took} ms.", EN.confirmed_by, EN.replicas_in);
    if expired > 0 {
        text.push_str(&format!(" {} {expired}.", EN.waited_for));
    }
    text
}
