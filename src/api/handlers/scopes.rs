//! `GET /v1/scopes`: the scopes that the operator describes.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::{
        services::{Services, unavailable},
        wire::failure::Answer,
    },
    auth::lifecycle::{Caller, OfferedScope},
    domain::{ledger::Violation, text::ScopeText},
};

/// The scopes that the operator describes, in the operator's order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeCatalogue {
    /// The scopes.
    #[schema(max_items = 200)]
    scopes: Vec<CataloguedScope>,
    /// Whether keys can be given other scopes, too.
    other_scopes: bool,
}

/// A scope that the operator describes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CataloguedScope {
    /// The scope.
    #[schema(max_length = 128, pattern = r"^[!#-\[\]-~]+$", example = "orders:read")]
    name: String,
    /// What a key with it may do.
    #[schema(required, min_length = 1, max_length = 200, example = "See orders and their items")]
    description: Option<String>,
    /// The heading that it stands under.
    #[schema(required, min_length = 1, max_length = 200, example = "Orders")]
    group: Option<String>,
    /// Why you can't give it to a key; `null`: you can.
    #[schema(required, value_type = Option<Withheld>)]
    refusal: Option<&'static str>,
}

/// Why a scope can't be given, for the schema: codes of the errors that giving it would cause.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum Withheld {
    ScopeNotHeld,
    ScopeNotInPlan,
}

impl CataloguedScope {
    fn new(offered: &OfferedScope<'_>) -> Self {
        let text = |text: &Option<ScopeText>| text.as_ref().map(|text| text.as_str().to_owned());
        Self {
            name: offered.described.scope.to_string(),
            description: text(&offered.described.description),
            group: text(&offered.described.group),
            refusal: offered.refusal.as_ref().map(|violation| match violation {
                Violation::ScopeNotInPlan { .. } => "scope_not_in_plan",
                _ => "scope_not_held",
            }),
        }
    }
}

/// `GET /v1/scopes`
pub(crate) async fn list(request: HttpRequest, caller: Caller, services: Data<Services>) -> Answer {
    let offer = services.lifecycle.offer(caller.reach.owner(), &caller).await;
    let offer = offer.map_err(unavailable(&request, "read what was asked for"))?;
    Ok(HttpResponse::Ok().json(ScopeCatalogue {
        scopes: offer.scopes.iter().map(CataloguedScope::new).collect(),
        other_scopes: offer.other_scopes,
    }))
}
