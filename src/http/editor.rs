//! Who changes keys, as handlers take it: an [`Editor`].

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use super::{Services, failure::Failure, root_span::request_id};
use crate::{
    auth::lifecycle::Editor,
    domain::{
        audit::{Actor, Author},
        ledger::Reach,
        principal::Principal,
    },
};

/// Stands in a request whose bearer may manage everybody's keys.
#[derive(Clone, Copy)]
pub(super) struct Administrator;

/// How whoever sent this request is remembered.
pub(super) fn author(request: &HttpRequest, services: &Services, actor: Actor) -> Author {
    Author {
        actor,
        address: services.proxies.client_address(request.head()),
        request_id: request_id(request).to_str().ok().map(str::to_owned),
    }
}

impl FromRequest for Editor {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Principal::from_request(request, payload).into_inner().map(|principal| {
            let administrator = request.extensions().get::<Administrator>().is_some();
            Self {
                reach: if administrator { Reach::Any } else { Reach::Own(principal.owner().clone()) },
                scopes: Some(principal.scopes().clone()),
                scope_bearing: principal.is_scope_bearing(),
                author: author(request, super::services(request), principal.actor()),
            }
        }))
    }
}
