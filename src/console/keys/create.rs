//! A new key: the form, and the secret once.

use std::collections::BTreeSet;

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    expiry::ExpiryChoice,
    fields,
    scopes::ScopeChoice,
    view::{KeyView, complain},
};
use crate::{
    auth::lifecycle::{Issued, IssuedKey},
    console::{
        access::{
            fields::Fields,
            form::{Form, new_once},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault},
        frame::{Frame, render},
        services::Console,
        texts::EN,
    },
    domain::{
        key_record::ManagedKey,
        ledger::Reach,
        owner::{self, Owner},
        secret::SecretString,
    },
};

#[derive(Template)]
#[template(path = "keys/new.html")]
struct NewKeyPage<'a> {
    frame: Frame,
    area: &'static str,
    is_all: bool,
    fields: Fields<'a>,
    /// Whether whoever is signed in is disabled, so that no key can be made.
    is_disabled: bool,
    /// Makes repeating the form harmless.
    once: String,
    environments: Vec<&'static str>,
    scopes: ScopeChoice,
    expiry: ExpiryChoice,
}

#[derive(Template)]
#[template(path = "keys/made.html")]
pub(super) struct MadeKeyPage {
    pub(super) frame: Frame,
    pub(super) area: &'static str,
    pub(super) key: KeyView,
    /// The whole text; `None` if it was shown before.
    pub(super) text: Option<SecretString>,
    pub(super) address: String,
    /// The key that it replaces.
    pub(super) old: Option<KeyView>,
    /// Makes repeating the form harmless.
    pub(super) once: String,
}

/// `GET /console/keys/new`
pub(in crate::console) async fn ask(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    if Area::of(&request) == Area::All {
        visitor.demand_administrator()?;
        // Now, because what is typed before signing in again would be lost.
        visitor.demand_fresh()?;
    }
    asked(&request, &console, &visitor, &Form::of_query(&request)).await
}

/// The form, as it was filled in.
async fn asked(request: &HttpRequest, console: &Console, visitor: &Visitor, values: &Form) -> Answer {
    let area = Area::of(request);
    let caller = visitor.caller(area)?;
    let offer = console.lifecycle.offer(caller.reach.owner(), &caller).await;
    let offer = offer.map_err(|error| Fault::outage(request, &error))?;
    let is_disabled = match &caller.reach {
        Reach::Own(owner) => console.ledger.is_disabled(owner).await.map_err(|error| Fault::outage(request, &error))?,
        Reach::Any => false,
    };
    let page = NewKeyPage {
        frame: visitor.frame(area.here(), EN.new_key).of_mistakes(Fields::of(values).mistakes()),
        area: area.path(),
        is_all: area == Area::All,
        fields: Fields::of(values),
        is_disabled,
        once: new_once(),
        environments: offer.environments.iter().map(|one| one.as_str()).collect(),
        scopes: ScopeChoice::new(&offer, &fields::chosen(values), &BTreeSet::new()),
        expiry: ExpiryChoice::new(offer.longest_life, false, &values.shown("expiry")),
    };
    Ok(render(page.fields.status(), &page))
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
    if area == Area::All {
        visitor.demand_fresh()?;
    }
    let Some(owner) = owner(&mut form, &visitor, area) else {
        return asked(&request, &console, &visitor, &form).await;
    };
    let repeatable = form.once(&request, &body, &visitor);
    if let Some(repeatable) = &repeatable {
        let before = console.issuer.issued_before(repeatable, &caller, now).await;
        match before.map_err(|error| Fault::outage(&request, &error))? {
            Some(Ok(key)) => return Ok(made(&request, &console, &visitor, Issued::Before(key), None, now)),
            Some(Err(refused)) => {
                complain(&mut form, &refused);
                return asked(&request, &console, &visitor, &form).await;
            }
            None => {}
        }
    }
    let new_key = fields::new_key(&mut form, owner, now);
    if !form.problems().is_empty() {
        return asked(&request, &console, &visitor, &form).await;
    }
    let issued = console.issuer.issue(new_key, repeatable.as_ref(), &caller, now).await;
    match issued.map_err(|error| Fault::outage(&request, &error))? {
        Ok(issued) => {
            console.gate.host.in_request(&request, &mut || {
                tracing::info!(key_id = %issued.key().record.id, "issued a key");
            });
            Ok(made(&request, &console, &visitor, issued, None, now))
        }
        Err(refused) => {
            complain(&mut form, &refused);
            asked(&request, &console, &visitor, &form).await
        }
    }
}

/// Whose key it is to be: administrators name somebody.
fn owner(form: &mut Form, visitor: &Visitor, area: Area) -> Option<Owner> {
    if area == Area::Own {
        return Some(visitor.session.person.owner.clone());
    }
    let issuer = form.read("owner_issuer", |text| owner::identifier(text, 0));
    let subject = form.read("owner_subject", |text| owner::identifier(text, 1));
    if form.text("owner_subject").is_none()
        && let Err(why) = owner::identifier("", 1)
    {
        form.problem("owner_subject", why);
    }
    let subject = subject.filter(|_| form.problems().is_empty())?;
    Some(Owner { issuer: issuer.unwrap_or_default(), subject })
}

/// The page with the secret of a key that was made now. `old`: the key that it replaces.
pub(super) fn made(
    request: &HttpRequest,
    console: &Console,
    visitor: &Visitor,
    issued: Issued,
    old: Option<&ManagedKey>,
    now: OffsetDateTime,
) -> actix_web::HttpResponse {
    let area = Area::of(request);
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
    let old = old.map(|old| KeyView::new(old, prefix, now));
    render(StatusCode::OK, &MadeKeyPage { frame, area: area.path(), key, text, address, old, once: new_once() })
}
