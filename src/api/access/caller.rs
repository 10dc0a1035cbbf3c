//! Extracts the caller of a change to keys: a [`Caller`].

use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use crate::api::{services::services, wire::failure::Reason};
use crate::{
    auth::lifecycle::Caller,
    domain::{ledger::Reach, principal::Principal},
};

/// A request extension that marks a caller who may manage the keys of every owner.
#[derive(Clone, Copy)]
pub(crate) struct Administrator;

/// A request extension with the plan that the token claims for its owner, if it does not exist.
#[derive(Clone)]
pub(crate) struct UnknownPlan(pub(super) Box<str>);

impl FromRequest for Caller {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let principal = Principal::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let principal = principal.await.map_err(Reason::from)?;
            let administrator = request.extensions().get::<Administrator>().is_some();
            Ok(Self {
                reach: if administrator { Reach::Any } else { Reach::Own(principal.owner().clone()) },
                scopes: Some(principal.scopes().clone()),
                scope_bearing: principal.is_scope_bearing(),
                unknown_plan: request.extensions().get::<UnknownPlan>().map(|UnknownPlan(name)| name.clone()),
                author: services(&request).gate.author(&request, principal.actor()),
            })
        })
    }
}
