//! `POST /v1/keys/verify`: is this key good for that? For services, which are told why not.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::keys::{
    representation::{self, Owner, notes},
    requests::scopes,
};
use crate::api::{
    services::{Services, unavailable},
    wire::{
        failure::{Failure, FieldProblem, Reason},
        fields::{Fields, boolean, list, object, parsed, text, wrong},
        times::{self, now},
    },
};
use crate::{
    auth::keys::cache::Examined,
    domain::{api_key::Environment, denial::Denial, key_record::KeyRecord, scope::Scopes, secret::SecretString},
};

/// Keys in one request.
pub(crate) const CHECKS_MAX: usize = 100;
/// What a key that is good for what was asked is told to be.
const VALID: &str = "valid";
/// What a text is told to be that is no key, whatever the reason: another form, a forgery, a key that is gone.
const NOT_FOUND: &str = "not_found";
const WRONG_ENVIRONMENT: &str = "wrong_environment";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// Every word for how a key was judged, as the document lists them.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum VerificationCode {
    Valid,
    NotFound,
    Revoked,
    Disabled,
    OwnerDisabled,
    Expired,
    AddressNotAllowed,
    WrongEnvironment,
    InsufficientScope,
}

/// A question about one key.
pub struct Question {
    /// Its text.
    pub key: SecretString,
    /// What it must be good for.
    pub scopes: Scopes,
    /// Which world it must belong to.
    pub environment: Option<Environment>,
    /// From where it is used.
    pub client_address: Option<IpAddr>,
}

/// What a service is told of a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether the key is good for what was asked.
    valid: bool,
    /// `valid`, or the first reason why not.
    #[schema(value_type = VerificationCode)]
    code: &'static str,
    /// The key's public name; missing when the text is no key.
    #[serde(flatten)]
    #[schema(ignore)]
    known: Option<KnownKey>,
    /// Every reason why not, if `explain` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failures: Option<Vec<CheckFailure>>,
}

/// What is known of a key whose secret was proven.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownKey {
    /// The key's public name.
    #[schema(pattern = "^[0-9A-Za-z]{22}$")]
    key_id: String,
    /// What its owner calls it.
    #[schema(required, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Whose key it is.
    owner: Owner,
    /// Which world it belongs to.
    #[schema(value_type = representation::Environment)]
    environment: &'static str,
    /// What it may do.
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// The owner's notes.
    #[schema(value_type = Object, additional_properties)]
    metadata: Box<RawValue>,
    /// From when on it is refused.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    expires_at: Option<OffsetDateTime>,
}

/// One check that a key does not pass.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CheckFailure {
    /// Which check.
    #[schema(value_type = VerificationCode)]
    code: &'static str,
    /// The scopes that the key lacks, where that is the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<String>,
}

/// Answers to many questions, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verifications {
    /// One answer for each question.
    results: Vec<Verification>,
}

/// `POST /v1/keys/verify`
pub(crate) async fn verify(
    request: HttpRequest,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    let asked = Fields::of(&request, &body).and_then(read);
    let (questions, explain, batch) = asked.map_err(|reason| Failure::new(request.path(), reason))?;
    let mut results = Vec::with_capacity(questions.len());
    let now = now();
    // One after the other: each that memory can't answer takes a turn of the hasher, which others want, too.
    for question in &questions {
        let examined = services.gate.keys.examine(question.key.expose().as_bytes()).await;
        let examined = examined.map_err(|undecided| unavailable(&request, &undecided, "decide on a key"))?;
        let failures = match &examined {
            Examined::No(_) => vec![failure(NOT_FOUND)],
            Examined::Proven(record) => {
                let refusal = |record: &KeyRecord| match failures(record, question, now) {
                    failures if failures.is_empty() => Ok(()),
                    failures => Err(failures),
                };
                let used = services.gate.keys.use_key(record, now, question.client_address, refusal);
                used.err().unwrap_or_default()
            }
        };
        results.push(Verification::new(&examined, failures, explain));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(match results.pop() {
        Some(one) if !batch => response.json(one),
        last => {
            results.extend(last);
            response.json(Verifications { results })
        }
    })
}

impl Verification {
    /// What would follow if a key of which this is known were used now; `explain`: with every reason against it.
    pub fn preview(examined: &Examined, question: &Question, explain: bool, now: OffsetDateTime) -> Self {
        let failures = match examined {
            Examined::No(_) => vec![failure(NOT_FOUND)],
            Examined::Proven(record) => failures(record, question, now),
        };
        Self::new(examined, failures, explain)
    }

    fn new(examined: &Examined, failures: Vec<CheckFailure>, explain: bool) -> Self {
        let known = match examined {
            Examined::No(_) => None,
            Examined::Proven(record) => Some(KnownKey::new(record)),
        };
        Self {
            valid: failures.is_empty(),
            code: failures.first().map_or(VALID, |first| first.code),
            known,
            failures: explain.then_some(failures),
        }
    }

    /// Whether the key is good for what was asked.
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// Which key it is, if it is one.
    pub fn key_id(&self) -> Option<&str> {
        self.known.as_ref().map(|known| &*known.key_id)
    }

    /// Each reason against it, as a word: all of them where `explain` was asked for, else the first.
    pub fn reasons(&self) -> Vec<String> {
        match &self.failures {
            Some(failures) => failures.iter().map(CheckFailure::in_words).collect(),
            None if self.valid => Vec::new(),
            None => vec![self.code.to_owned()],
        }
    }
}

impl CheckFailure {
    fn in_words(&self) -> String {
        if self.missing_scopes.is_empty() {
            self.code.to_owned()
        } else {
            format!("{} ({})", self.code, self.missing_scopes.join(" "))
        }
    }
}

fn failures(record: &KeyRecord, question: &Question, now: OffsetDateTime) -> Vec<CheckFailure> {
    let denials = record.refusals(now, question.client_address);
    let mut failures: Vec<CheckFailure> = denials.into_iter().map(|denial| failure(code(denial))).collect();
    if question.environment.is_some_and(|demanded| demanded != record.environment) {
        failures.push(failure(WRONG_ENVIRONMENT));
    }
    let missing_scopes: Vec<String> = question.scopes.beyond(&record.scopes).map(str::to_owned).collect();
    if !missing_scopes.is_empty() {
        failures.push(CheckFailure { code: INSUFFICIENT_SCOPE, missing_scopes });
    }
    failures
}

fn failure(code: &'static str) -> CheckFailure {
    CheckFailure { code, missing_scopes: Vec::new() }
}

/// The words for services; the log has its own.
fn code(denial: Denial) -> &'static str {
    match denial {
        Denial::KeyRevoked => "revoked",
        Denial::KeyDisabled => "disabled",
        Denial::KeyOwnerDisabled => "owner_disabled",
        Denial::KeyExpired => "expired",
        Denial::KeyAddress => "address_not_allowed",
        _ => NOT_FOUND,
    }
}

impl KnownKey {
    fn new(record: &Arc<KeyRecord>) -> Self {
        Self {
            key_id: record.id.to_string(),
            name: record.name.as_ref().map(|name| name.as_str().to_owned()),
            owner: Owner::new(&record.owner),
            environment: record.environment.as_str(),
            scopes: record.scopes.iter().map(str::to_owned).collect(),
            metadata: notes(&record.metadata),
            expires_at: record.expires_at,
        }
    }
}

/// The questions, whether to explain, and whether there may be many.
pub(crate) fn read(mut fields: Fields) -> Result<(Vec<Question>, bool, bool), Reason> {
    let explain = fields.take("explain", boolean).unwrap_or(false);
    if !fields.has("checks") {
        let question = question(&mut fields);
        return fields.finish(question.map(|question| (vec![question], explain, false)));
    }
    let items = fields.require("checks", |value| {
        let items = list(value, CHECKS_MAX, object)?;
        if items.is_empty() { wrong("invalid", "must hold at least one") } else { Ok(items) }
    });
    let mut questions = Vec::new();
    let mut problems: Vec<FieldProblem> = Vec::new();
    for (position, members) in items.unwrap_or_default().into_iter().enumerate() {
        let mut fields = Fields::within(members, format!("/checks/{position}"));
        questions.extend(question(&mut fields));
        problems.extend(fields.problems());
    }
    problems.extend(fields.problems());
    if problems.is_empty() { Ok((questions, explain, true)) } else { Err(Reason::InvalidFields(problems)) }
}

fn question(fields: &mut Fields) -> Option<Question> {
    let key = fields.require("key", text);
    let scopes = fields.take("scopes", scopes);
    let environment = fields.take("environment", parsed);
    let client_address = fields.take("clientAddress", |value| {
        let address = text(value)?.parse::<IpAddr>();
        address.map(|address| address.to_canonical()).or_else(|_| wrong("invalid", "must be an IP address"))
    });
    Some(Question { key: SecretString::new(key?), scopes: scopes.unwrap_or_default(), environment, client_address })
}
