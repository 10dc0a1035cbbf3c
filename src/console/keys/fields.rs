//! What the forms of keys send.

use std::collections::BTreeSet;

use time::{Date, OffsetDateTime, Time, macros::format_description};

use crate::{
    auth::{
        lifecycle::{Edit, Expiry, NewKey},
        strict_json,
    },
    console::{
        access::form::Form,
        allowance::{credits, limits},
        texts::WHY_NOT,
    },
    domain::{
        key_record::{AllowedIps, ManagedKey},
        metadata::{Metadata, MetadataChange},
        network,
        owner::Owner,
        scope::Scopes,
    },
};

/// A new key of this owner. What is wrong is recorded in the form.
pub(super) fn new_key(form: &mut Form, owner: Owner, now: OffsetDateTime) -> NewKey {
    NewKey {
        name: form.parsed("name"),
        description: form.parsed("description"),
        environment: form.parsed("environment"),
        scopes: scopes(form),
        metadata: form.read("metadata", metadata).unwrap_or_default(),
        allowed_ips: form.read("allowed_ips", networks).unwrap_or_default(),
        limits: limits::asked(form),
        expiry: expiry(form, now).unwrap_or(Expiry::Never),
        ..NewKey::plain(owner)
    }
}

/// What the forms of a key that there is have: the key as it is. Those for changes and for credits share no field.
pub(super) fn filled(key: &ManagedKey) -> Form {
    let record = &key.record;
    let mut members = credits::fields(key.credits.as_ref().map(|credits| &credits.rules));
    members.extend([
        ("version", key.version.to_string()),
        ("name", record.name.as_ref().map_or_else(String::new, |name| name.as_str().to_owned())),
        ("description", key.description.as_ref().map_or_else(String::new, |text| text.as_str().to_owned())),
        ("allowed_ips", record.allowed_ips.networks().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ("limits", limits::line(&record.limits)),
        ("metadata", record.metadata.as_json().to_owned()),
    ]);
    members.extend(key.credits.as_ref().map(|credits| ("granted", credits.granted.to_string())));
    Form::filled(members)
}

/// The changes to a key: fields that the form has. One that is empty is to be empty.
pub(super) fn edit(form: &mut Form, now: OffsetDateTime) -> Edit {
    let expiry = match form.text("expiry") {
        Some("keep") | None => {
            refuse_forgotten_date(form);
            None
        }
        Some(_) => expiry(form, now),
    };
    let metadata = |form: &mut Form| MetadataChange::Replace(form.read("metadata", self::metadata).unwrap_or_default());
    Edit {
        name: form.has("name").then(|| form.parsed("name")),
        description: form.has("description").then(|| form.parsed("description")),
        scopes: form.has("scopes").then(|| scopes(form)),
        metadata: form.has("metadata").then(|| metadata(form)),
        allowed_ips: form.has("allowed_ips").then(|| form.read("allowed_ips", networks).unwrap_or_default()),
        limits: form.has("limits").then(|| limits::asked(form)),
        credits: None,
        expiry,
        enabled: None,
    }
}

/// `never`, `latest`, a number of days, or a date in UTC of its own field.
fn expiry(form: &mut Form, now: OffsetDateTime) -> Option<Expiry> {
    let chosen = form.text("expiry").unwrap_or("never").to_owned();
    if chosen != "date" {
        refuse_forgotten_date(form);
    }
    match chosen.as_str() {
        "never" => Some(Expiry::Never),
        "latest" => Some(Expiry::Latest),
        "date" => {
            let end = form.read("expires_on", |text| date(text, now));
            if end.is_none() && form.text("expires_on").is_none() {
                form.problem("expires_on", "a date such as 2030-01-31");
            }
            end.map(Expiry::At)
        }
        _ => form.read("expiry", |text| days(text, now)).map(Expiry::At),
    }
}

/// A date that is filled in and not chosen is meant, or was: whoever has sent it says which. Left out, it would make a
/// key that goes on for ever.
fn refuse_forgotten_date(form: &mut Form) {
    if form.text("expires_on").is_some() {
        form.problem("expires_on", WHY_NOT.date_not_chosen);
    }
}

fn days(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    let days: i64 = text.parse().map_err(|_| "a number of days".to_owned())?;
    let end = (1..=36_500).contains(&days).then(|| now.checked_add(time::Duration::days(days))).flatten();
    end.ok_or_else(|| "1 to 36500 days".to_owned())
}

/// The end of that day in UTC.
fn date(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let date = date.map_err(|_| "a date such as 2030-01-31".to_owned())?;
    let end = date.next_day().unwrap_or(date).with_time(Time::MIDNIGHT).assume_utc();
    if end > now { Ok(end) } else { Err("a day that is not over".to_owned()) }
}

/// The chosen scopes: check boxes and the field for others have the same name.
pub(super) fn chosen(form: &Form) -> BTreeSet<&str> {
    form.all("scopes").flat_map(str::split_whitespace).collect()
}

fn scopes(form: &mut Form) -> Scopes {
    match Scopes::parse(chosen(form)) {
        Ok(scopes) => scopes,
        Err(invalid) => {
            form.problem("scopes", invalid.to_string());
            Scopes::default()
        }
    }
}

/// Metadata in which no name stands twice, as in the bodies of the API: one of both would be lost.
fn metadata(text: &str) -> Result<Metadata, String> {
    let metadata = Metadata::read(text).map_err(message)?;
    strict_json::object(text.as_bytes()).map(|_| metadata).ok_or_else(|| WHY_NOT.repeated_member.to_owned())
}

fn networks(text: &str) -> Result<AllowedIps, String> {
    let parse = |text: &str| network::parse(text).ok_or_else(|| format!("{text} is no address and no network"));
    let networks: Vec<_> = text.split_whitespace().map(parse).collect::<Result<_, _>>()?;
    AllowedIps::new(networks).map_err(message)
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
