//! What a token says about its owner beyond this request: that they are disabled, or which plan they are on.

use actix_web::HttpRequest;
use time::OffsetDateTime;

use super::Gate;
use crate::{
    auth::{Undecided, lifecycle::ClaimedPlan},
    domain::{audit::Actor, escape::escaped, owner_id, principal::TokenIdentity},
};

impl Gate {
    /// Disables the owner, because their token states that they are disabled. The bearer is refused in any case; if
    /// this fails, it is retried when such a token is presented again.
    pub(crate) async fn stop_owner(&self, identity: &TokenIdentity, request: &HttpRequest) {
        let actor = Actor::Token { issuer: identity.owner.issuer.clone(), subject: identity.subject.clone() };
        let author = self.author(request, actor);
        let longest_life = self.tokens.verifier().lives().longest(&identity.owner.issuer).unwrap_or_default();
        let now = OffsetDateTime::now_utc();
        if let Err(error) = self.lifecycle.stop_owner(identity, longest_life, author, now).await {
            self.log_outage(request, &mut |suppressed| {
                tracing::error!(%error, suppressed, "could not stop the keys of a disabled owner");
            });
        }
    }

    /// Puts the owner on the plan that their token claims, and logs one that does not exist. Returns that one's name,
    /// for whoever adds something: what the owner may have is not known.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been done.
    pub(crate) async fn follow_plan(
        &self,
        identity: &TokenIdentity,
        actor: Actor,
        request: &HttpRequest,
    ) -> Result<Option<Box<str>>, Undecided> {
        let author = self.author(request, actor);
        let followed = self.lifecycle.follow_plan(identity, author, OffsetDateTime::now_utc()).await?;
        let ClaimedPlan::Unknown(plan) = followed else { return Ok(None) };
        self.log_outage(request, &mut |suppressed| {
            let issuer = escaped(&identity.owner.issuer);
            let owner = owner_id::write(&identity.owner);
            if plan.is_empty() {
                tracing::error!(
                    issuer,
                    owner,
                    suppressed,
                    "the claim of a plan in a token is no text, or an empty one: its owner can't create or widen keys \
                     until you assign a plan (keyward owners plan), or correct the claim"
                );
                return;
            }
            let plan = escaped(&plan);
            tracing::error!(
                plan,
                issuer,
                owner,
                suppressed,
                "a token names a plan that does not exist: its owner can't create or widen keys until you create it \
                 (keyward plans set), assign another one (keyward owners plan), or correct the claim"
            );
        });
        Ok(Some(plan))
    }
}
