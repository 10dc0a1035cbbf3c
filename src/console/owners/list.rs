//! The list of owners.

use actix_web::{HttpRequest, web::Data};
use askama::Template;
use time::OffsetDateTime;

use crate::{
    console::{
        access::{fields::Fields, form::Form, paging::Paging, visitor::Visitor},
        fault::{Answer, shown},
        frame::{Frame, Name, When},
        keys::owner_name,
        services::Console,
        texts::EN,
    },
    domain::{
        listing::{OwnerFilter, OwnerStanding, words},
        owner_id,
    },
};

/// The number of owners on a page.
const ON_A_PAGE: u32 = 50;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console owners";

/// An owner in the list, and at the top of their page.
pub(super) struct OwnerView {
    pub(super) id: String,
    pub(super) name: Name,
    pub(super) plan: Option<String>,
    pub(super) assigned_by: &'static str,
    pub(super) disabled: Option<When>,
    pub(super) reason: Option<String>,
    pub(super) active: u32,
    pub(super) others: u32,
    pub(super) is_complete: bool,
}

impl From<&OwnerStanding> for OwnerView {
    fn from(standing: &OwnerStanding) -> Self {
        let keys = &standing.keys;
        Self {
            id: owner_id::write(&standing.owner),
            name: Name::new(&owner_name(&standing.owner)),
            plan: standing.plan.as_ref().map(|assigned| assigned.plan.to_string()),
            assigned_by: standing.plan.as_ref().map_or("", |assigned| assigned.by.as_str()),
            disabled: standing.disabled.as_ref().map(|disabled| disabled.at.into()),
            reason: standing.disabled.as_ref().and_then(|disabled| Some(disabled.reason.as_ref()?.as_str().to_owned())),
            active: keys.active,
            others: keys.disabled + keys.expired + keys.revoked,
            is_complete: keys.complete,
        }
    }
}

#[derive(Template)]
#[template(path = "owners/list.html")]
struct OwnersPage<'a> {
    frame: Frame,
    owners: Vec<OwnerView>,
    fields: Fields<'a>,
    next: Option<String>,
}

/// `GET /console/owners`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let mut query = Form::of_query(&request);
    let filter = OwnerFilter {
        disabled: query.read("disabled", words::yes_or_no),
        search: query.parsed("search"),
        plan: query.parsed("plan"),
    };
    let paging = Paging::of(&request, &console, LIST, ON_A_PAGE);
    let listed = console.ledger.owners(&filter, &paging.page, OffsetDateTime::now_utc());
    let (owners, next) = paging.found(&query, listed).await?;
    let owners = owners.iter().map(OwnerView::from).collect();
    let frame = visitor.frame("owners", EN.owners).telling(query.complaint());
    shown(&OwnersPage { frame, owners, fields: Fields::of(&query), next })
}
