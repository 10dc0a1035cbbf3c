//! What is left of a credential's limits, as headers of responses: `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers-11, which are lists of structured fields (RFC 9651 §3.1).

use std::{cmp::Reverse, sync::Arc, time::Duration};

use actix_web::{
    http::header::{HeaderMap, HeaderName, HeaderValue},
    web::Bytes,
};
use time::OffsetDateTime;

use crate::{
    config::LegacyHeaders,
    domain::limits::{Allowance, CREDITS, CreditsState, Exceeded, Limit, LimitReadings, LimitState, Window},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// All headers about limits.
pub(crate) const LIMIT_HEADERS: [HeaderName; 5] = [POLICY, LEFT, LEGACY_LIMIT, LEGACY_REMAINING, LEGACY_RESET];

/// The parameter that tells the limits of an owner, which all of their keys share, from those of the key itself: the
/// partition key, whose value is `owner`.
const SHARED: &str = ";pk=:b3duZXI=:";

/// What separates the items of a list.
const NEXT: &str = ", ";

/// The length of a header about a few limits, so that it is written without moving.
const USUAL_LENGTH: usize = 160;

/// Tells in the response to a request that was granted what is left of its limits.
pub(crate) fn tell_limits(allowance: &Allowance, legacy: LegacyHeaders, response: &mut HeaderMap) {
    visit_headers(allowance, legacy, &mut |name, value| _ = response.insert(name, value));
}

/// What is left of the limits that refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitReport {
    /// The names of the limits that have too little left, each once.
    pub(crate) violated: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl LimitReport {
    /// For a request that was refused.
    pub(crate) fn of_refusal(exceeded: &Exceeded, legacy: LegacyHeaders) -> Self {
        let mut violated: Vec<String> = Vec::new();
        exceeded.visit_violated(&mut |state| {
            // A limit of the key and one of its owner may have one name.
            if violated.iter().all(|name| name != state.limit.name.as_str()) {
                violated.push(state.limit.name.as_str().to_owned());
            }
        });
        if exceeded.credits.any() {
            violated.push(CREDITS.to_owned());
        }
        let mut headers = Vec::new();
        visit_headers(&exceeded.allowance, legacy, &mut |name, value| headers.push((name, value)));
        Self { violated, headers }
    }

    /// Whether credits are all that has too little left.
    pub(crate) fn is_of_credits_alone(&self) -> bool {
        self.violated.iter().all(|name| name == CREDITS)
    }

    /// Whether credits are among what has too little left.
    pub(crate) fn has_credits(&self) -> bool {
        self.violated.iter().any(|name| name == CREDITS)
    }

    /// The headers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.headers.iter().cloned()
    }
}

/// The limit, or the credits, of which the fewest requests are left.
struct Tightest {
    requests: u64,
    /// `None`: credits, which have no amount.
    amount: Option<u64>,
    remaining: u64,
    /// `None`: never.
    resets_in: Option<Duration>,
}

impl Tightest {
    /// Whether fewer requests are left, or as many for longer.
    fn is_tighter_than(&self, other: &Self) -> bool {
        let order = |one: &Self| (one.requests, Reverse(one.resets_in.unwrap_or(Duration::MAX)));
        order(self) < order(other)
    }
}

fn visit_headers(allowance: &Allowance, legacy: LegacyHeaders, visitor: &mut dyn FnMut(HeaderName, HeaderValue)) {
    let mut left = String::with_capacity(USUAL_LENGTH);
    let mut tightest: Option<Tightest> = None;
    let mut take_if_tighter = |one: Tightest| {
        if tightest.as_ref().is_none_or(|tightest| one.is_tighter_than(tightest)) {
            tightest = Some(one);
        }
    };
    for (readings, shared) in [(&allowance.of_key, ""), (&allowance.of_owner, SHARED)] {
        let Some(readings) = readings else { continue };
        readings.visit(&mut |LimitState { limit, remaining, resets_in }| {
            add_item(&mut left, limit.name.as_str(), ";r=", remaining);
            add_number(&mut left, ";t=", whole_seconds(resets_in));
            left.push_str(shared);
            if legacy != LegacyHeaders::None {
                let (requests, amount) = (remaining / limit.cost, Some(limit.amount));
                take_if_tighter(Tightest { requests, amount, remaining, resets_in: Some(resets_in) });
            }
        });
    }
    // Credits have no window and no amount, so no policy describes them.
    allowance.visit_credits(&mut |CreditsState { remaining, refills_in }, of_owner| {
        add_item(&mut left, CREDITS, ";r=", remaining);
        if let Some(span) = refills_in {
            add_number(&mut left, ";t=", whole_seconds(span));
        }
        left.push_str(if of_owner { SHARED } else { "" });
        if legacy != LegacyHeaders::None {
            take_if_tighter(Tightest { requests: remaining, amount: None, remaining, resets_in: refills_in });
        }
    });
    visitor(LEFT, value(left));
    if let Some(policy) = policy(allowance) {
        visitor(POLICY, policy);
    }
    if let Some(Tightest { amount, remaining, resets_in, .. }) = tightest {
        let reset = resets_in.and_then(|span| reset(span, legacy));
        let numbers = [(LEGACY_LIMIT, amount), (LEGACY_REMAINING, Some(remaining)), (LEGACY_RESET, reset)];
        for (name, number) in numbers {
            number.into_iter().for_each(|number| visitor(name.clone(), HeaderValue::from(number)));
        }
    }
}

/// The limits themselves, if there are any.
fn policy(allowance: &Allowance) -> Option<HeaderValue> {
    let described = |readings: &Option<Arc<dyn LimitReadings>>, of_owner| {
        let shared = if of_owner { SHARED } else { "" };
        readings.as_ref()?.limits().described(of_owner, |limits| value(describe(limits, shared))).cloned()
    };
    match (described(&allowance.of_key, false), described(&allowance.of_owner, true)) {
        (Some(own), Some(of_owner)) => {
            let both = [own.as_bytes(), NEXT.as_bytes(), of_owner.as_bytes()].concat();
            HeaderValue::from_maybe_shared(Bytes::from(both)).ok()
        }
        (own, of_owner) => own.or(of_owner),
    }
}

fn describe(limits: &[Limit], shared: &str) -> String {
    let mut policy = String::new();
    for limit in limits {
        add_item(&mut policy, limit.name.as_str(), ";q=", limit.amount);
        match limit.window {
            Window::Seconds(seconds) => add_number(&mut policy, ";w=", seconds.into()),
            Window::Day => policy.push_str(";w=86400"),
            // Months differ in length.
            Window::Month => {}
        }
        policy.push_str(shared);
    }
    policy
}

/// Adds an item of a list with its first parameter. Names of limits need no escaping.
fn add_item(list: &mut String, name: &str, parameter: &str, number: u64) {
    list.push_str(if list.is_empty() { "" } else { NEXT });
    list.push('"');
    list.push_str(name);
    list.push('"');
    add_number(list, parameter, number);
}

fn add_number(list: &mut String, parameter: &str, number: u64) {
    list.push_str(parameter);
    list.push_str(itoa::Buffer::new().format(number));
}

/// Rounded up, so that nobody comes too early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

fn reset(resets_in: Duration, legacy: LegacyHeaders) -> Option<u64> {
    let seconds = whole_seconds(resets_in);
    match legacy {
        LegacyHeaders::None => None,
        LegacyHeaders::Seconds => Some(seconds),
        LegacyHeaders::Epoch => {
            let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
            Some(now.saturating_add(seconds))
        }
    }
}

fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("names and numbers are visible ASCII")
}
