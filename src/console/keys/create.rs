//! A new key: the form, and the secret once.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    fields,
    view::{KeyView, refusal},
};
use crate::{
    auth::lifecycle::{Issued, IssuedKey},
    console::{
        access::{
            form::{Form, Problem, new_once},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
        texts::EN,
    },
    domain::{
        owner::{self, Owner},
        secret::SecretString,
        timestamp,
    },
};

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    values: &'a Form,
    problems: &'a [Problem],
    /// Makes repeating the form harmless.
    once: String,
    longest: Option<String>,
}

impl NewKeyPage<'_> {
    fn value(&self, name: &str) -> String {
        self.values.shown(name)
    }

    fn problem(&self, name: &str) -> Option<&str> {
        self.problems.iter().find(|problem| problem.name == name).map(|problem| &*problem.text)
    }
}

#[derive(Template)]
#[template(path = "made_key.html")]
pub(super) struct MadeKeyPage {
    pub(super) frame: Frame,
    pub(super) area: &'static str,
    pub(super) key: KeyView,
    /// The whole text; `None` if it was shown before.
    pub(super) text: Option<SecretString>,
    pub(super) address: String,
}

/// `GET /console/keys/new`
pub(in crate::console) async fn ask(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let area = Area::of(&request);
    visitor.caller(area)?;
    Ok(asked(&console, &visitor, area, &Form::of_query(&request), StatusCode::OK))
}

fn asked(
    console: &Console,
    visitor: &Visitor,
    area: Area,
    values: &Form,
    status: StatusCode,
) -> actix_web::HttpResponse {
    let once = values.text("once").map_or_else(new_once, str::to_owned);
    let page = NewKeyPage {
        frame: visitor.frame(area.here(), EN.new_key),
        area: area.path(),
        is_all: area == Area::All,
        values,
        problems: values.problems(),
        once,
        longest: console.lifecycle.policy.max_lifetime.map(timestamp::span),
    };
    render(status, &page)
}

/// `POST /console/keys`
pub(in crate::console) async fn create(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let (area, now) = (Area::of(&request), OffsetDateTime::now_utc());
    let mut form = Form::of(&request, &body, &visitor)?;
    let caller = visitor.caller(area)?;
    let Some(owner) = owner(&mut form, &visitor, area) else {
        return Ok(asked(&console, &visitor, area, &form, StatusCode::UNPROCESSABLE_ENTITY));
    };
    let repeatable = form.once(&request, &body, &visitor);
    if let Some(repeatable) = &repeatable {
        let before = console.issuer.issued_before(repeatable, &caller, now).await;
        match before.map_err(|error| Fault::outage(&request, &error))? {
            Some(Ok(key)) => return Ok(made(&request, &console, &visitor, area, Issued::Before(key), now)),
            Some(Err(refused)) => return Err(Fault::Refused(refusal(&refused))),
            None => {}
        }
    }
    let order = fields::new_key(&mut form, owner, now);
    if !form.problems().is_empty() {
        return Ok(asked(&console, &visitor, area, &form, StatusCode::UNPROCESSABLE_ENTITY));
    }
    let issued = console.issuer.issue(order, repeatable.as_ref(), &caller, now).await;
    match issued.map_err(|error| Fault::outage(&request, &error))? {
        Ok(issued) => {
            console.gate.host.in_request(&request, &mut || {
                tracing::info!(key_id = %issued.key().record.id, "issued a key");
            });
            Ok(made(&request, &console, &visitor, area, issued, now))
        }
        Err(refused) => {
            form.problem("form", refusal(&refused));
            Ok(asked(&console, &visitor, area, &form, StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

/// Whose key it is to be: administrators name somebody.
fn owner(form: &mut Form, visitor: &Visitor, area: Area) -> Option<Owner> {
    if area == Area::Own {
        return Some(visitor.session.person.owner.clone());
    }
    let issuer = form.text("owner_issuer").unwrap_or_default().to_owned();
    let subject = form.text("owner_subject").unwrap_or_default().to_owned();
    match (owner::identifier(&issuer, 0), owner::identifier(&subject, 1)) {
        (Ok(issuer), Ok(subject)) => Some(Owner { issuer, subject }),
        (Err(why), _) => {
            form.problem("owner_issuer", why);
            None
        }
        (_, Err(why)) => {
            form.problem("owner_subject", why);
            None
        }
    }
}

/// The page with the secret of a key that was made now.
pub(super) fn made(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    area: Area,
    issued: Issued,
    now: OffsetDateTime,
) -> actix_web::HttpResponse {
    let prefix = console.issuer.keyring.prefix();
    let (key, text) = match issued {
        Issued::Now(new) => {
            let IssuedKey { key, text } = *new;
            (KeyView::new(&key, prefix, now), Some(text))
        }
        Issued::Before(key) => (KeyView::new(&key, prefix, now), None),
    };
    let address = console.api_address(request);
    let frame = visitor.frame(area.here(), EN.made_key);
    render(StatusCode::OK, &MadeKeyPage { frame, area: area.path(), key, text, address })
}
