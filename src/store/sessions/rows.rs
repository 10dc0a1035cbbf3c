//! What the tables of sessions and of links have.

use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    domain::{
        owner::Owner,
        ports::StoreError,
        scope::Scopes,
        session::{HandOver, HandedOver, InvalidReturnAddress, Person, ReturnAddress, Session},
    },
    store::rows::ActorColumns,
};

/// A session.
pub(super) struct SessionRow {
    pub(super) id: Uuid,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) person: String,
    pub(super) name: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) scope_bearing: bool,
    pub(super) unknown_plan: Option<String>,
    pub(super) authenticated_at: Option<OffsetDateTime>,
    pub(super) signed_in_at: OffsetDateTime,
    pub(super) last_used_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) address: Option<IpNet>,
    pub(super) browser: Option<String>,
    pub(super) handed_over: bool,
    pub(super) return_to: Option<String>,
    pub(super) maker_kind: Option<String>,
    pub(super) maker_issuer: Option<String>,
    pub(super) maker_subject: Option<String>,
    pub(super) maker_key_id: Option<Uuid>,
}

/// A link.
pub(super) struct LinkRow {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) person: String,
    pub(super) name: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) scope_bearing: bool,
    pub(super) return_to: Option<String>,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("console_sessions {}: {what}", row.id));
        let return_to = return_to(row.return_to).map_err(corrupt)?;
        let maker = ActorColumns {
            kind: row.maker_kind,
            issuer: row.maker_issuer,
            subject: row.maker_subject,
            key: row.maker_key_id,
        };
        let by = maker.read().map_err(|kind| corrupt(format!("maker {kind}")))?;
        let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
        let person = person(owner, row.person, row.name, &row.scopes, row.scope_bearing).map_err(corrupt)?;
        Ok(Self {
            id: row.id,
            person: Person { unknown_plan: row.unknown_plan.map(Into::into), ..person },
            authenticated_at: row.authenticated_at,
            signed_in_at: row.signed_in_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            address: row.address.map(|network| network.addr()),
            browser: row.browser,
            handed_over: row.handed_over.then_some(HandedOver { return_to, by }),
        })
    }
}

impl TryFrom<LinkRow> for HandOver {
    type Error = StoreError;

    fn try_from(row: LinkRow) -> Result<Self, StoreError> {
        let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
        let whose = owner.clone();
        let corrupt = |what: String| StoreError::Corrupt(format!("console_hand_overs of {}: {what}", whose.subject));
        let return_to = return_to(row.return_to).map_err(corrupt)?;
        let person = person(owner, row.person, row.name, &row.scopes, row.scope_bearing).map_err(corrupt)?;
        Ok(Self { person, return_to })
    }
}

fn person(
    owner: Owner,
    subject: String,
    name: Option<String>,
    scopes: &[String],
    scope_bearing: bool,
) -> Result<Person, String> {
    let scopes = Scopes::parse(scopes.iter().map(String::as_str)).map_err(|error| error.to_string())?;
    Ok(Person { owner, subject: subject.into(), name, scopes, scope_bearing, unknown_plan: None })
}

fn return_to(text: Option<String>) -> Result<Option<ReturnAddress>, String> {
    let address = text.map(|text| text.parse()).transpose();
    address.map_err(|error: InvalidReturnAddress| format!("return_to {error}"))
}
