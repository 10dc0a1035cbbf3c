//! The values of options. If there are only a few, completions offer them.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;
use keyward::{
    api,
    config::{InvalidDuration, parse_duration},
    domain::{
        api_key::Environment,
        audit::{Action, Actor},
        key_record::KeyState,
        listing::{KeyOrder, words},
        network,
        owner::{Owner, identifier},
        scope::Scopes,
        timestamp,
        usage::{Granularity, Grouping, UseOutcome},
    },
};
use time::OffsetDateTime;

use super::Misuse;

/// One of these values, by their names.
fn one_of<T: Copy + Send + Sync + 'static>(
    all: impl IntoIterator<Item = T>,
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let all: Vec<T> = all.into_iter().collect();
    let words = PossibleValuesParser::new(all.iter().map(|item| word(*item)));
    words.try_map(move |text| all.iter().copied().find(|item| word(*item) == text).ok_or("not one of those"))
}

pub(in crate::cli) fn state() -> impl TypedValueParser<Value = KeyState> {
    one_of(KeyState::ALL, KeyState::as_str)
}

/// The states of keys that are not revoked.
pub(in crate::cli) fn living_state() -> impl TypedValueParser<Value = KeyState> {
    one_of(KeyState::LIVING, KeyState::as_str)
}

/// `yes` or `no`.
pub(in crate::cli) fn yes_or_no() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(words::YES_OR_NO).try_map(|word| words::yes_or_no(&word))
}

pub(in crate::cli) fn environment() -> impl TypedValueParser<Value = Environment> {
    one_of(Environment::ALL, Environment::as_str)
}

pub(in crate::cli) fn action() -> impl TypedValueParser<Value = Action> {
    one_of(Action::ALL, Action::as_str)
}

pub(in crate::cli) fn granularity() -> impl TypedValueParser<Value = Granularity> {
    one_of(Granularity::ALL, Granularity::as_str)
}

pub(in crate::cli) fn grouping() -> impl TypedValueParser<Value = Grouping> {
    one_of(Grouping::ALL, Grouping::as_str)
}

pub(in crate::cli) fn use_outcome() -> impl TypedValueParser<Value = UseOutcome> {
    one_of(UseOutcome::ALL, UseOutcome::as_str)
}

/// The order of a list, with a leading minus for descending.
pub(in crate::cli) fn order() -> impl TypedValueParser<Value = KeyOrder> {
    PossibleValuesParser::new(KeyOrder::WORDS).try_map(|text| text.parse::<KeyOrder>())
}

pub(in crate::cli) fn network(text: &str) -> Result<IpNet, String> {
    network::parse(text).ok_or_else(|| "an address or a network such as 192.0.2.0/24".to_owned())
}

/// The id of an owner.
pub(in crate::cli) fn owner(text: &str) -> Result<Owner, String> {
    api::wire::owner_id::read(text).ok_or_else(|| {
        "not the id of an owner, as `keyward owners list` shows it; --subject takes the `sub` of their tokens"
            .to_owned()
    })
}

/// An actor.
pub(in crate::cli) fn actor(text: &str) -> Result<Actor, String> {
    api::read_actor(text)
}

/// Scopes, each an option of its own.
pub(in crate::cli) fn scopes(texts: &[String]) -> anyhow::Result<Scopes> {
    Scopes::parse(texts.iter().map(String::as_str)).map_err(|error| Misuse(format!("--scope: {error}")).into())
}

/// A span of at least a second, and no longer than the API takes.
pub(in crate::cli) fn lifetime(text: &str) -> Result<Duration, String> {
    span(text, Duration::from_secs(1))
}

/// The same, or none at all.
pub(in crate::cli) fn grace(text: &str) -> Result<Duration, String> {
    span(text, Duration::ZERO)
}

fn span(text: &str, shortest: Duration) -> Result<Duration, String> {
    let longest = Duration::from_secs(timestamp::SECONDS_MAX);
    let span = parse_duration(text).map_err(|invalid| format!("it is {invalid}; such as 15m, 1h or 90d"))?;
    if (shortest..=longest).contains(&span) {
        Ok(span)
    } else {
        Err(format!("a span from {} to {}", timestamp::span(shortest), timestamp::span(longest)))
    }
}

/// A string within the limits of tokens' `sub` and `jti`. Issuers choose these, and may begin them with a hyphen: their
/// options have `allow_hyphen_values`. No others do, for an empty variable of a script would let `--reason` take the
/// `--dry-run` behind it.
pub(in crate::cli) fn subject(text: &str) -> Result<String, String> {
    identifier(text, 1).map(String::from)
}

/// A string within the limits of tokens' `iss`.
pub(in crate::cli) fn issuer(text: &str) -> Result<String, String> {
    identifier(text, 0).map(String::from)
}

/// A timestamp.
pub(in crate::cli) fn instant(text: &str) -> Result<OffsetDateTime, String> {
    timestamp::parse(text).map_err(|error| error.to_string())
}

/// A timestamp, or a time span before now.
pub(in crate::cli) fn past(text: &str) -> Result<OffsetDateTime, String> {
    instant_or_span(text, |now, span| now.checked_sub(span), "so long ago")
}

/// A timestamp, or a time span after now.
pub(in crate::cli) fn future(text: &str) -> Result<OffsetDateTime, String> {
    instant_or_span(text, |now, span| now.checked_add(span), "so far from now")
}

fn instant_or_span(
    text: &str,
    from_now: fn(OffsetDateTime, time::Duration) -> Option<OffsetDateTime>,
    what: &str,
) -> Result<OffsetDateTime, String> {
    let span = |span: Duration| from_now(super::now(), span.try_into().ok()?);
    match parse_duration(text) {
        Err(invalid @ InvalidDuration::Unit(_)) => Err(format!("it is {invalid}")),
        Ok(duration) => span(duration).ok_or_else(|| format!("there is no date {what}")),
        Err(_) => timestamp::parse(text).map_err(|error| format!("{error}, or a span such as 90d, which means {what}")),
    }
}
