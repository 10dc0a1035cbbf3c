//! What a service asks about keys.

use std::net::IpAddr;

use actix_web::{HttpRequest, web::Bytes};

use crate::{
    api::{
        handlers::keys::requests::scopes,
        wire::{
            failure::{FieldError, Reason},
            limits::cost,
            request::{
                bodies::{CHECK, CHECKS_MAX, VERIFICATION},
                fields::{Fields, boolean, invalid, list, object, parsed, text},
            },
        },
    },
    domain::{
        api_key::Environment,
        network,
        scope::Scopes,
        secret::SecretString,
        usage::{UsageTag, UsageTags},
    },
};

/// The check of one key.
pub struct KeyQuery {
    /// The text of the key.
    pub key: SecretString,
    /// The scopes that the key must have.
    pub scopes: Scopes,
    /// The environment that the key must belong to.
    pub environment: Option<Environment>,
    /// The address that the key is used from.
    pub client_address: Option<IpAddr>,
    /// What the check uses of each limit; `None` for the limit's own cost.
    pub cost: Option<u64>,
    /// What the use is called in reports.
    pub tag: UsageTag,
}

/// The checks, whether to explain, and whether the request is a batch.
pub(crate) fn read(
    request: &HttpRequest,
    body: &Bytes,
    tags: &UsageTags,
) -> Result<(Vec<KeyQuery>, bool, bool), Reason> {
    let mut fields = Fields::of(request, body, VERIFICATION)?.that_may_carry_keys();
    let explain = fields.take("explain", boolean).unwrap_or(false);
    if !fields.has("checks") {
        let question = question(&mut fields, tags);
        return fields.finish(question.map(|question| (vec![question], explain, false)));
    }
    let items = fields.require("checks", |value| {
        let items = list(value, CHECKS_MAX, object)?;
        if items.is_empty() { invalid("invalid", "must hold at least one") } else { Ok(items) }
    });
    let mut questions = Vec::new();
    let mut problems: Vec<FieldError> = Vec::new();
    for (position, members) in items.unwrap_or_default().into_iter().enumerate() {
        let mut fields = Fields::within(members, format!("/checks/{position}"), CHECK);
        questions.extend(question(&mut fields, tags));
        problems.extend(fields.problems());
    }
    problems.extend(fields.problems());
    if problems.is_empty() { Ok((questions, explain, true)) } else { Err(Reason::InvalidFields(problems)) }
}

fn question(fields: &mut Fields, tags: &UsageTags) -> Option<KeyQuery> {
    let key = fields.require("key", text);
    let scopes = fields.take("scopes", scopes);
    let environment = fields.take("environment", parsed);
    let client_address = fields.take("clientAddress", |value| {
        network::address(&text(value)?).map_or_else(|| invalid("invalid", "must be an IP address"), Ok)
    });
    let cost = fields.take("cost", cost);
    let tag = fields.take("tag", |value| {
        let unknown = "must be one of the tags that usage.tags declares";
        tags.find(&text(value)?).map_or_else(|| invalid("invalid", unknown), Ok)
    });
    let scopes = scopes.unwrap_or_default();
    let tag = tag.unwrap_or_default();
    Some(KeyQuery { key: SecretString::new(key?), scopes, environment, client_address, cost, tag })
}
