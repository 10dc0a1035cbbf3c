//! `POST /v1/keys/verify`: whether keys are valid for a purpose. For services, which also get the reasons for a
//! refusal.
//!
//! - `query`: what a service asks

mod query;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

pub use self::query::KeyQuery;
pub(crate) use self::query::read;
use super::keys::representation::notes;
use crate::api::{
    services::{Services, unavailable},
    wire::{
        credits::CreditsLeft,
        environment::Environment,
        failure::Answer,
        limits::LimitLeft,
        owner::Owner,
        times::{self, now},
    },
};
use crate::{
    auth::keys::{cache::Examined, check::NotUsed},
    domain::{denial::Denial, key_record::KeyRecord, limits::Spending},
};

/// The code of a key that passes every check.
const VALID: &str = "valid";
/// The code of any text that is not a key: malformed, forged, or deleted.
const NOT_FOUND: &str = "not_found";
const WRONG_ENVIRONMENT: &str = "wrong_environment";
/// The key passes every other check, but one of its limits is exhausted.
const RATE_LIMITED: &str = "rate_limited";
/// The same for credits.
const CREDITS_EXHAUSTED: &str = "credits_exhausted";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// Every code of a check, for the schema.
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
    RateLimited,
    CreditsExhausted,
}

/// The result of checking one key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether the key passes every check of the request.
    valid: bool,
    /// `valid`, or the first reason for the refusal.
    #[schema(value_type = VerificationCode)]
    code: &'static str,
    /// What is known of the key; absent if the text is not a key.
    #[serde(flatten)]
    #[schema(ignore)]
    known: Option<KnownKey>,
    /// What is left of the limits on the key and on its owner; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 30)]
    limits: Option<Vec<LimitLeft>>,
    /// What is left of the credits that the key spends; absent if it spends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credits: Option<CreditsLeft>,
    /// In how many seconds all limits that are exhausted reset, and credits are refilled, if the code is
    /// `rate_limited` or `credits_exhausted`. Absent if no refill will come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    retry_after: Option<u32>,
    /// Every reason for the refusal, if `explain` was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failures: Option<Vec<CheckFailure>>,
}

/// What is known of a key whose secret was verified.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownKey {
    /// The key's id.
    #[schema(pattern = "^[0-9A-Za-z]{22}$")]
    key_id: String,
    /// The name that the owner gave the key.
    #[schema(required, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The owner of the key.
    owner: Owner,
    /// The key's environment.
    #[schema(value_type = Environment)]
    environment: &'static str,
    /// The scopes of the key.
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// The owner's metadata.
    #[schema(value_type = Object, additional_properties)]
    metadata: Box<RawValue>,
    /// When the key expires; `null` if it never does.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    expires_at: Option<OffsetDateTime>,
}

/// A check that the key fails.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CheckFailure {
    /// The code of the check.
    #[schema(value_type = VerificationCode)]
    code: &'static str,
    /// The scopes that the key lacks, if that is the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<String>,
    /// The same for our metrics.
    #[serde(skip)]
    denial: Denial,
}

/// The results for several keys, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verifications {
    /// One result for each key.
    results: Vec<Verification>,
}

/// `POST /v1/keys/verify`
pub(crate) async fn verify(request: HttpRequest, services: Data<Services>, body: Bytes) -> Answer {
    let tags = services.gate.keys.uses().tags();
    let (questions, explain, batch) = read(&request, &body, tags)?;
    let mut results = Vec::with_capacity(questions.len());
    let now = now();
    // One after another: every key that memory does not know needs the hasher, which other requests need too.
    for question in &questions {
        let examined = services.gate.keys.examine(question.key.expose().as_bytes()).await;
        let examined = examined.map_err(unavailable(&request, "decide on a key"))?;
        let mut retry_after = None;
        let failures = match &examined {
            Examined::No(denial, way) => {
                services.gate.count_denial(services.gate.keys.refuse(*denial, *way));
                vec![failure(NOT_FOUND, *denial)]
            }
            Examined::Proven(key, way) => {
                let refusal = |record: &KeyRecord| {
                    let failures = failures(record, question, now);
                    failures.first().map(|first| first.denial).map_or(Ok(()), |denial| Err((denial, failures)))
                };
                let address = question.client_address;
                let spending = Spending { cost: question.cost, tag: question.tag, ..Spending::default() };
                let used = services.gate.keys.use_key(key.clone(), *way, now, address, spending, refusal).await;
                let failures = match used.map_err(unavailable(&request, "decide on a key"))? {
                    Ok(_) => Vec::new(),
                    Err(NotUsed::Refused(failures)) => failures,
                    Err(NotUsed::Limited(exceeded)) => {
                        retry_after = exceeded.retry_after_seconds();
                        let code = if exceeded.is_of_credits_alone() { CREDITS_EXHAUSTED } else { RATE_LIMITED };
                        vec![failure(code, Denial::from(&exceeded))]
                    }
                };
                failures.first().into_iter().for_each(|first| services.gate.count_denial(first.denial));
                failures
            }
        };
        let (limits, credits) = match &examined {
            Examined::No(..) => (None, None),
            Examined::Proven(key, _) => {
                let allowance = services.gate.keys.allowance(key);
                (LimitLeft::all(&allowance, times::now()), CreditsLeft::of(&allowance))
            }
        };
        results.push(Verification { limits, credits, retry_after, ..Verification::new(&examined, failures, explain) });
    }
    Ok(match results.pop() {
        Some(one) if !batch => HttpResponse::Ok().json(one),
        last => {
            results.extend(last);
            HttpResponse::Ok().json(Verifications { results })
        }
    })
}

impl Verification {
    /// The result if the key were used now, without recording a use. `explain`: with every reason for a refusal.
    pub fn preview(examined: &Examined, question: &KeyQuery, explain: bool, now: OffsetDateTime) -> Self {
        let failures = match examined {
            Examined::No(denial, _) => vec![failure(NOT_FOUND, *denial)],
            Examined::Proven(key, _) => failures(&key.record, question, now),
        };
        Self::new(examined, failures, explain)
    }

    fn new(examined: &Examined, failures: Vec<CheckFailure>, explain: bool) -> Self {
        let known = match examined {
            Examined::No(..) => None,
            Examined::Proven(key, _) => Some(KnownKey::new(&key.record)),
        };
        Self {
            valid: failures.is_empty(),
            code: failures.first().map_or(VALID, |first| first.code),
            known,
            limits: None,
            credits: None,
            retry_after: None,
            failures: explain.then_some(failures),
        }
    }

    /// Whether the key passes every check.
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// The id of the key, if the text is one.
    pub fn key_id(&self) -> Option<&str> {
        self.known.as_ref().map(|known| &*known.key_id)
    }

    /// The reasons for a refusal: all with `explain`, otherwise the first.
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

fn failures(record: &KeyRecord, question: &KeyQuery, now: OffsetDateTime) -> Vec<CheckFailure> {
    let denials = record.refusals(now, question.client_address);
    let mut failures: Vec<CheckFailure> = denials.into_iter().map(|denial| failure(code(denial), denial)).collect();
    if question.environment.is_some_and(|demanded| demanded != record.environment) {
        failures.push(failure(WRONG_ENVIRONMENT, Denial::OtherEnvironment));
    }
    let missing_scopes: Vec<String> = question.scopes.beyond(&record.scopes).map(str::to_owned).collect();
    if !missing_scopes.is_empty() {
        failures.push(CheckFailure { code: INSUFFICIENT_SCOPE, missing_scopes, denial: Denial::Scopes });
    }
    failures
}

fn failure(code: &'static str, denial: Denial) -> CheckFailure {
    CheckFailure { code, missing_scopes: Vec::new(), denial }
}

/// The code for services; the log uses other words.
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
