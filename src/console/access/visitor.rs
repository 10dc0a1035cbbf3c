//! Whoever is signed in, as an argument of handlers.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::REFERER, web::Data};
use futures_util::future::LocalBoxFuture;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::cookies::{self, ConsoleCookie};
use crate::{
    auth::{administrators::Reading, lifecycle::Caller},
    console::{
        fault::Fault,
        frame::{Frame, Shown},
        services::Console,
    },
    domain::{
        audit::Author,
        ledger::Reach,
        scope::ADMIN_SCOPE,
        session::{HandedOver, Session, SessionSecret},
    },
};

/// Somebody who is signed in.
pub(crate) struct Visitor {
    /// Their session.
    pub(crate) session: Session,
    /// What their forms carry.
    pub(crate) form_token: String,
    pub(super) console: Data<Console>,
    pub(super) request: HttpRequest,
    /// An administrator's turn, until the page is there.
    _reading: Option<Reading>,
}

/// Whose keys a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Those of whoever is signed in.
    Own,
    /// Those of everybody, for administrators.
    All,
}

impl Area {
    /// The area of a page with this path.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        if request.path().starts_with("/console/all/") { Self::All } else { Self::Own }
    }

    /// The page of the navigation that it belongs to.
    pub(crate) fn here(self) -> &'static str {
        match self {
            Self::Own => "keys",
            Self::All => "all-keys",
        }
    }

    /// Where its keys are.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Own => "/console/keys",
            Self::All => "/console/all/keys",
        }
    }
}

impl Visitor {
    /// The frame of a page for them, which says what was done before. `here`: the page that is marked in the
    /// navigation.
    pub(crate) fn frame(&self, here: &'static str, title: impl Into<String>) -> Frame {
        let person = &self.session.person;
        let shown = Shown {
            name: person.shown_name().to_owned(),
            is_administrator: self.is_administrator(),
            handed_over: self.session.handed_over.clone(),
            form_token: self.form_token.clone(),
        };
        Frame::of(shown, here, title).telling(self.told())
    }

    /// Whether they may see what belongs to others.
    pub(crate) fn is_administrator(&self) -> bool {
        self.session.handed_over.is_none() && self.session.person.scopes.contains(ADMIN_SCOPE)
    }

    /// Refuses whoever was handed over: what concerns all sessions of a person is for those who have signed in.
    pub(crate) fn demand_own_sign_in(&self) -> Result<(), Fault> {
        if self.session.handed_over.is_none() { Ok(()) } else { Err(Fault::NotFound) }
    }

    /// Refuses whoever is no administrator.
    pub(crate) fn demand_administrator(&self) -> Result<(), Fault> {
        if self.is_administrator() { Ok(()) } else { Err(Fault::Forbidden) }
    }

    /// Refuses whoever has signed in too long ago for what is dangerous.
    pub(crate) fn demand_fresh(&self) -> Result<(), Fault> {
        let is_fresh = self.console.sessions.is_fresh(&self.session, OffsetDateTime::now_utc());
        match &self.session.handed_over {
            _ if is_fresh => Ok(()),
            Some(HandedOver { return_to, .. }) => Err(Fault::ComeAgain(return_to.clone())),
            None if self.request.method().is_safe() => Err(Fault::NotFresh(self.here().to_owned())),
            None => Err(Fault::NotFreshForForm(self.page_of_form())),
        }
    }

    /// The page that has sent this form, as its browser says; otherwise that of the form's address.
    fn page_of_form(&self) -> String {
        let referer = self.request.headers().get(REFERER).and_then(|page| page.to_str().ok());
        let address = self.console.address(&self.request);
        let page = referer.and_then(|page| page.strip_prefix(address.as_str())).filter(|page| page.starts_with('/'));
        page.unwrap_or_else(|| self.here()).to_owned()
    }

    fn here(&self) -> &str {
        self.request.uri().path_and_query().map_or("", |here| here.as_str())
    }

    /// Refuses a form that none of this session's pages has made.
    pub(crate) fn demand_own_form(&self, token: Option<&str>) -> Result<(), Fault> {
        let is_ours = token.is_some_and(|token| token.as_bytes().ct_eq(self.form_token.as_bytes()).into());
        if is_ours { Ok(()) } else { Err(Fault::OtherSite) }
    }

    /// Them as the caller of a change to keys in this area.
    pub(crate) fn caller(&self, area: Area) -> Result<Caller, Fault> {
        let person = &self.session.person;
        let reach = match area {
            Area::Own => Reach::Own(person.owner.clone()),
            Area::All => {
                self.demand_administrator()?;
                Reach::Any
            }
        };
        let author = self.console.gate.author(&self.request, person.actor());
        let handed_over_by = self.session.handed_over.as_ref().and_then(|handed_over| handed_over.by.clone());
        Ok(Caller {
            reach,
            scopes: Some(person.scopes.clone()),
            scope_bearing: person.scope_bearing,
            unknown_plan: person.unknown_plan.clone(),
            author: Author { handed_over_by, ..author },
        })
    }
}

impl FromRequest for Visitor {
    type Error = Fault;
    type Future = LocalBoxFuture<'static, Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(visitor(request.clone()))
    }
}

async fn visitor(request: HttpRequest) -> Result<Visitor, Fault> {
    let console = Console::of(&request).clone();
    let found = session_of_browser(&request, &console).await?;
    let Some((session, secret)) = found else {
        let before = ConsoleCookie::HandedOver.value(&console, &request).unwrap_or_default();
        let handed_over = cookies::come_from(&console, &before, OffsetDateTime::now_utc());
        return Err(handed_over.map_or_else(|| Fault::not_signed_in(&request), Fault::HandedOverEnded));
    };
    let mut visitor = Visitor { session, form_token: secret.form_token(), console, request, _reading: None };
    if visitor.is_administrator() && visitor.request.method().is_safe() {
        let reading = visitor.console.gate.administrators.read(visitor.session.person.actor()).await;
        visitor._reading = Some(reading.map_err(|error| Fault::outage(&visitor.request, &error))?);
    }
    Ok(visitor)
}

/// The session that a browser has, with its secret.
pub(crate) async fn session_of_browser(
    request: &HttpRequest,
    console: &Console,
) -> Result<Option<(Session, SessionSecret)>, Fault> {
    let secret = ConsoleCookie::Session.value(console, request).and_then(|text| console.sessions.secret(&text));
    let Some(secret) = secret else { return Ok(None) };
    let found = console.sessions.find(&secret).await.map_err(|error| Fault::outage(request, &error))?;
    Ok(found.map(|session| (session, secret)))
}
