//! `POST /v1/console/sessions`: a link that hands a customer of the caller's product over to the console.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::keys::requests;
use crate::{
    api::{
        access::root_span::in_request,
        services::{Services, read_failed, unavailable},
        wire::{
            failure::{Answer, FieldError, Missing, Reason},
            owner_id,
            request::{
                bodies::HAND_OVER,
                fields::{Fields, Read, invalid, parsed, whole_number},
                host::host_of,
            },
            times,
        },
    },
    domain::{
        ledger::Reach,
        owner::Owner,
        ports::{StoreError, sessions::Maker},
        principal::Principal,
        scope::{ADMIN_SCOPE, Scopes, is_reserved},
        session::{HANDED_OVER_SECONDS, HandOver, Person, ReturnAddress},
        text::PersonName,
    },
};

/// A link into the console.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsoleLink {
    /// The address to redirect the customer's browser to. It opens one session. Whoever uses it first becomes that
    /// customer: tell nobody else, and don't log it.
    #[schema(
        example = "https://keys.example.com/console/handed-over?link=Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4u_Zr0mQ8pKx3vT7nYb2LwE5"
    )]
    link: String,
    /// Until when the link works.
    #[serde(serialize_with = "times::required")]
    expires_at: OffsetDateTime,
    /// How long the session lasts at most, in seconds.
    #[schema(minimum = 1, example = 1800)]
    lifetime: u64,
}

/// `POST /v1/console/sessions`
pub(crate) async fn create(
    request: HttpRequest,
    principal: Principal,
    services: Data<Services>,
    body: Bytes,
) -> Answer {
    let asked = read(&request, &body)?;
    let links = services.console.as_ref().ok_or(Reason::NotFound(Missing::Console))?;
    let lifetime = asked.lifetime;
    let hand_over = hand_over(asked, &services);
    let owner = &hand_over.person.owner;
    if !may_speak_for(&principal, &owner.issuer) {
        let detail = "your credential can hand over only people of its own issuer";
        return Err(Reason::InvalidFields(vec![FieldError::of_field("/owner", "other_issuer", detail)]));
    }
    let names_plans = services.gate.tokens.verifier().names_plans(&owner.issuer);
    if names_plans && !is_on_a_plan(&services, owner).await.map_err(read_failed(&request))? {
        let detail = "tokens of this issuer name plans, and Keyward has seen none of this owner's: put the owner on a plan first";
        return Err(Reason::InvalidFields(vec![FieldError::of_field("/owner", "no_plan", detail)]));
    }
    let owner = owner_id::write(owner);
    let author = services.gate.author(&request, principal.actor());
    let maker = Maker { author: &author, token: principal.token().and_then(|token| token.record) };
    let made = links.sessions.offer(&hand_over, lifetime, &maker).await;
    let made = made.map_err(unavailable(&request, "hand somebody over"))?.ok_or(Reason::OwnerDisabled)?;
    let lifetime = made.lasts.as_secs();
    in_request(&request, || tracing::info!(owner, lifetime_s = lifetime, "made a link into the console"));
    let base = links.public_url.clone().or_else(|| host_of(&request).map(|host| format!("http://{host}")));
    let base = base.unwrap_or_default();
    let link = format!("{base}/console/handed-over?link={}", made.secret.expose());
    Ok(HttpResponse::Created().json(ConsoleLink { link, expires_at: made.expires_at, lifetime }))
}

/// Administrators hand anybody over. Others speak for their own issuer: with several of them, the backend of one
/// product has no say over the customers of another.
fn may_speak_for(principal: &Principal, issuer: &str) -> bool {
    let is_administrator = principal.token().is_some() && principal.scopes().contains(ADMIN_SCOPE);
    is_administrator || *principal.owner().issuer == *issuer
}

/// Without a plan, an owner has what the configuration allows, which may be more than their plan. A link brings no
/// claim that says which that is.
async fn is_on_a_plan(services: &Services, owner: &Owner) -> Result<bool, StoreError> {
    Ok(services.plans.allotment(owner, &Reach::Own(owner.clone())).await?.plan.is_some())
}

fn hand_over(asked: AskedHandOver, services: &Services) -> HandOver {
    let AskedHandOver { owner, person, name, scopes, return_to, .. } = asked;
    // Tokens of such an issuer list all scopes that their bearers have, so without a list there are none.
    let scope_bearing = scopes.is_some() || services.gate.tokens.verifier().is_scope_bearing(&owner.issuer);
    let person = Person {
        subject: person.map_or_else(|| owner.subject.clone(), Into::into),
        owner,
        name: name.map(|name| name.as_str().to_owned()),
        scopes: scopes.unwrap_or_default(),
        scope_bearing,
        unknown_plan: None,
    };
    HandOver { person, return_to }
}

/// The fields of the body.
pub(crate) struct AskedHandOver {
    owner: Owner,
    person: Option<String>,
    name: Option<PersonName>,
    scopes: Option<Scopes>,
    return_to: Option<ReturnAddress>,
    lifetime: Option<Duration>,
}

/// Reads the body.
pub(crate) fn read(request: &HttpRequest, body: &Bytes) -> Result<AskedHandOver, Reason> {
    let mut fields = Fields::of(request, body, HAND_OVER)?;
    let is_given = fields.is_given("owner");
    let owner = requests::owner(&mut fields);
    if !is_given {
        fields.problem("owner", "required", "must be there");
    }
    let person = fields.take("person", requests::identifier(1));
    let name = fields.take("name", parsed);
    let scopes = fields.take("scopes", |value| {
        let scopes = requests::scopes(value)?;
        let reserved = scopes.iter().find(|scope| is_reserved(scope)).map(str::to_owned);
        match reserved {
            Some(scope) => invalid("scope_not_held", format!("nobody who is handed over has the scope {scope}")),
            None => Ok(scopes),
        }
    });
    let return_to = fields.take("returnTo", parsed);
    let lifetime = fields.take("lifetime", |value| lifetime(&value));
    fields.finish(owner.map(|owner| AskedHandOver { owner, person, name, scopes, return_to, lifetime }))
}

fn lifetime(value: &Value) -> Read<Duration> {
    match whole_number(value) {
        Some(seconds) if HANDED_OVER_SECONDS.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => {
            let (shortest, longest) = HANDED_OVER_SECONDS.into_inner();
            invalid("invalid", format!("must be a whole number of seconds from {shortest} to {longest}"))
        }
    }
}
