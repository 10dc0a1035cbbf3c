//! Request bodies about keys, parsed into the arguments of the use cases.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{HttpRequest, web::Bytes};
use serde_json::{Map, Value, value::RawValue};
use time::OffsetDateTime;

use crate::{
    api::handlers::keys::representation::Key,
    api::wire::{
        credits,
        failure::{FieldError, Reason},
        limits, owner_id,
        request::{
            bodies::{NEW_KEY, NEW_KEY_OF_AN_OWNER, OWNER_MEMBERS, ROTATION},
            fields::{Fields, Read, boolean, invalid, list, object, parsed, text, whole_number},
        },
    },
    auth::lifecycle::{Edit, Expiry, NewKey},
    domain::{
        key_record::{ALLOWED_IPS_MAX, AllowedIps},
        metadata::{InvalidMetadata, Metadata, MetadataChange, MetadataPatch},
        network,
        owner::{self, Owner},
        scope::{SCOPES_MAX, Scopes},
        timestamp::{self, SECONDS_MAX},
    },
};

/// Members of a key that clients can't change.
pub(crate) const READ_ONLY: [&str; 12] = [
    "id",
    "start",
    "environment",
    "state",
    "disabledBy",
    "owner",
    "createdAt",
    "createdBy",
    "revokedAt",
    "revokedReason",
    "predecessorId",
    "successorId",
];
/// Members of a key that change by themselves, or with every change.
const MOVING: [&str; 3] = ["updatedAt", "lastUsedAt", "lastUsedFrom"];

/// A request for a new key. `owner` is the key's owner; `None` if the body names it.
pub(crate) fn new_key(
    request: &HttpRequest,
    body: &Bytes,
    owner: Option<&Owner>,
    now: OffsetDateTime,
) -> Result<NewKey, Reason> {
    let known = if owner.is_some() { NEW_KEY } else { NEW_KEY_OF_AN_OWNER };
    let mut fields = Fields::of_optional(request, body, known)?;
    let owner = match owner {
        Some(owner) => Some(owner.clone()),
        None => {
            let is_given = fields.is_given("owner");
            let owner = self::owner(&mut fields);
            if !is_given {
                fields.problem("owner", "required", "must be there");
            }
            owner
        }
    };
    let name = fields.take("name", parsed);
    let description = fields.take("description", parsed);
    let environment = fields.take("environment", parsed);
    let scopes = fields.take("scopes", scopes);
    let json = fields.json_of("metadata");
    let metadata = fields.take("metadata", |value| notes(value, &json, Metadata::read));
    let allowed_ips = fields.take("allowedIps", allowed_ips);
    let limits = fields.take("limits", limits::asked);
    let credits = fields.take("credits", credits::asked_anew);
    let expiry = expiry(&mut fields, now);
    let enabled = fields.take("enabled", boolean);
    let new_key = owner.map(|owner| NewKey {
        name,
        description,
        environment,
        scopes: scopes.unwrap_or_default(),
        metadata: metadata.unwrap_or_default(),
        allowed_ips: allowed_ips.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
        credits,
        expiry: expiry.flatten().unwrap_or(Expiry::Never),
        enabled: enabled.unwrap_or(true),
        ..NewKey::plain(owner)
    });
    fields.finish(new_key)
}

/// Takes what a client sends back as it was shown. `shown`: the key as it is now.
pub(crate) fn take_shown(fields: &mut Fields, shown: &Key) {
    let shown = serde_json::to_value(shown).unwrap_or_default();
    READ_ONLY.iter().for_each(|name| fields.take_read_only(name, &shown[name]));
    // That of a key that has expired is in the past.
    fields.take_if_same("expiresAt", &shown["expiresAt"]);
}

/// The changes to a key, from a merge patch (RFC 7396): `null` resets a field to its default.
pub(crate) fn edit(mut fields: Fields, now: OffsetDateTime) -> Result<Edit, Reason> {
    fields.ignore(&MOVING);
    let json = fields.json_of("metadata");
    let edit = Edit {
        name: fields.take_nullable("name", parsed),
        description: fields.take_nullable("description", parsed),
        scopes: fields.take_nullable("scopes", scopes).map(Option::unwrap_or_default),
        metadata: fields
            .take_nullable("metadata", |value| notes(value, &json, MetadataPatch::read))
            .map(|patch| patch.map_or(MetadataChange::Replace(Metadata::default()), MetadataChange::Merge)),
        allowed_ips: fields.take_nullable("allowedIps", allowed_ips).map(Option::unwrap_or_default),
        limits: fields.take_nullable("limits", limits::asked).map(Option::unwrap_or_default),
        credits: fields.take_nullable("credits", credits::asked),
        expiry: expiry(&mut fields, now).map(|expiry| expiry.unwrap_or(Expiry::Never)),
        enabled: fields.take_nullable("enabled", boolean).map(|enabled| enabled.unwrap_or(true)),
    };
    fields.finish(Some(edit))
}

/// The grace period for the old key, if the body has one, and the expiry of the new key.
pub(crate) fn rotation(
    request: &HttpRequest,
    body: &Bytes,
    now: OffsetDateTime,
) -> Result<(Option<Duration>, Option<Expiry>), Reason> {
    let mut fields = Fields::of_optional(request, body, ROTATION)?;
    let grace = fields.take("gracePeriod", |value| whole_seconds(&value, 0));
    let expiry = expiry(&mut fields, now);
    let rotation = (grace, expiry.map(|expiry| expiry.unwrap_or(Expiry::Never)));
    fields.finish(Some(rotation))
}

/// `owner`: an id, or an object with `issuer` and `subject` or `id`, as answers show owners.
pub(crate) fn owner(fields: &mut Fields) -> Option<Owner> {
    let members = match fields.take("owner", owner_or_members)? {
        Named::ById(owner) => return fields.without_credential("owner", owner),
        Named::ByMembers(members) => members,
    };
    let mut inner = Fields::within(members, String::new(), OWNER_MEMBERS);
    // A variable of the client that happens to be null must not mean another owner.
    inner.refuse_null(["id"]);
    let by_id = inner.take("id", |value| owner_by_id(&text(value)?));
    let has_id = by_id.is_some();
    // An issuer alone names no owner, so it needs a subject beside it.
    let is_by_id_alone = has_id && !inner.has("issuer");
    let issuer = inner.take("issuer", identifier(0));
    let subject =
        if is_by_id_alone { inner.take("subject", identifier(1)) } else { inner.require("subject", identifier(1)) };
    let by_name = subject.map(|subject| Owner { issuer: issuer.unwrap_or_default().into(), subject: subject.into() });
    if let (Some(one), Some(other)) = (&by_id, &by_name)
        && one != other
    {
        inner.problem("id", "conflict", "is the id of another owner than issuer and subject name");
    }
    let problems = inner.problems();
    let faultless = problems.is_empty();
    for FieldError { pointer, code, detail, .. } in problems {
        fields.problem(&format!("owner{}", pointer.unwrap_or_default()), code, detail);
    }
    let owner = by_id.or(by_name).filter(|_| faultless)?;
    fields.without_credential("owner", owner)
}

/// How a body names an owner.
enum Named {
    ById(Owner),
    ByMembers(Map<String, Value>),
}

fn owner_or_members(value: Value) -> Read<Named> {
    match value {
        Value::String(id) => owner_by_id(&id).map(Named::ById),
        Value::Object(members) => Ok(Named::ByMembers(members)),
        _ => invalid("wrong_type", "must be the id of an owner, or an object with issuer and subject"),
    }
}

fn owner_by_id(id: &str) -> Read<Owner> {
    owner_id::read(id).map_or_else(|| invalid("invalid", "must be the id of an owner, as keys show it"), Ok)
}

/// A string within the limits of tokens' `iss` and `sub`.
pub(crate) fn identifier(shortest: usize) -> impl Fn(Value) -> Read<String> {
    move |value| match owner::identifier(&text(value)?, shortest) {
        Ok(text) => Ok(text.into()),
        Err(detail) => invalid("invalid", detail),
    }
}

pub(crate) fn scopes(value: Value) -> Read<Scopes> {
    // Each scope is parsed separately first, so that every invalid one is reported.
    let texts = list(value, SCOPES_MAX, |item| {
        let text = text(item)?;
        Scopes::parse([text.as_str()]).or_else(|error| invalid("invalid", error.to_string()))?;
        Ok(text)
    })?;
    Scopes::parse(texts.iter().map(String::as_str)).or_else(|error| invalid("invalid", error.to_string()))
}

/// Metadata, read from the JSON text to preserve numbers exactly.
fn notes<T>(value: Value, json: &str, read: impl FnOnce(&str) -> Result<T, InvalidMetadata>) -> Read<T> {
    object(value)?;
    read(json).or_else(|error| invalid("invalid", error.to_string()))
}

fn allowed_ips(value: Value) -> Read<AllowedIps> {
    let networks = list(value, ALLOWED_IPS_MAX, |item| {
        network::parse(&text(item)?)
            .map_or_else(|| invalid("invalid", "must be an address or a network such as 192.0.2.0/24"), Ok)
    })?;
    AllowedIps::new(networks).or_else(|error| invalid("too_many", error.to_string()))
}

/// `expiresAt` or `expiresIn`; `Some(None)` if the given one is `null`.
fn expiry(fields: &mut Fields, now: OffsetDateTime) -> Option<Option<Expiry>> {
    let at = fields.take_nullable("expiresAt", |value| instant_after(value, now));
    let within = fields.take_nullable("expiresIn", |value| {
        let span = whole_seconds(&value, 1)?;
        now.checked_add(time::Duration::seconds(span.as_secs() as i64))
            .map_or_else(|| invalid("invalid", "is too far away"), Ok)
    });
    if let (Some(Some(_)), Some(Some(_))) = (at, within) {
        fields.problem("expiresIn", "conflict", "give expiresAt or expiresIn, not both");
    }
    let given = at.is_some() || within.is_some();
    given.then(|| at.flatten().or(within.flatten()).map(Expiry::At))
}

/// Names the member of the body that a lifetime comes from which is too long.
pub(crate) fn as_sent(reason: Reason, body: &Bytes) -> Reason {
    let sent: serde_json::Result<BTreeMap<String, Option<&RawValue>>> = serde_json::from_slice(body);
    let is_span = || sent.is_ok_and(|sent| sent.get("expiresIn").is_some_and(Option::is_some));
    match reason {
        Reason::InvalidFields(mut problems) if is_span() => {
            let of_expiry = problems.iter_mut().filter(|problem| problem.code == "lifetime_too_long");
            of_expiry.for_each(|problem| problem.pointer = Some("/expiresIn".to_owned()));
            Reason::InvalidFields(problems)
        }
        reason => reason,
    }
}

/// An RFC 3339 timestamp in any time zone, truncated to milliseconds.
pub(crate) fn instant(value: Value) -> Read<OffsetDateTime> {
    timestamp::parse(&text(value)?).or_else(|error| invalid("invalid", error.to_string()))
}

fn instant_after(value: Value, now: OffsetDateTime) -> Read<OffsetDateTime> {
    match instant(value)? {
        instant if instant <= now => invalid("in_the_past", "must be in the future"),
        instant => Ok(instant),
    }
}

fn whole_seconds(value: &Value, shortest: u64) -> Read<Duration> {
    match whole_number(value) {
        Some(seconds) if (shortest..=SECONDS_MAX).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => invalid("invalid", format!("must be a whole number of seconds from {shortest} to {SECONDS_MAX}")),
    }
}
