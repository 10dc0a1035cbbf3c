//! Hands customers of a product over to the console: the product's backend asks for a link, and sends the customer
//! there.

use std::{net::IpAddr, time::Duration};

use time::OffsetDateTime;
use uuid::Uuid;

use super::sessions::{Begun, MOST, Sessions};
use crate::{
    auth::Undecided,
    domain::{
        ports::sessions::{Accepted, Maker},
        session::{HandOver, HandOverSecret, Person, SessionSecret, browser},
    },
};

/// The maximum number of links of one person that work at a time: somebody who clicks again and again needs a few. When
/// it is exceeded, the oldest ends.
const MOST_LINKS: u32 = 10;

/// A new link.
pub struct NewLink {
    /// What the link carries.
    pub secret: HandOverSecret,
    /// Until when it works.
    pub expires_at: OffsetDateTime,
    /// How long its session lasts at most.
    pub lasts: Duration,
}

impl Sessions {
    /// Makes a link for a session of this lifetime: the longest by default, and at most, so that a setting that is
    /// lowered breaks no backend. `None` if its owner is disabled.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have been made.
    pub async fn offer(
        &self,
        hand_over: &HandOver,
        lifetime: Option<Duration>,
        maker: &Maker<'_>,
    ) -> Result<Option<NewLink>, Undecided> {
        let secret = HandOverSecret::generate(&self.keyring);
        let longest = self.lives.handed_over;
        let lasts = lifetime.unwrap_or(longest).min(longest);
        let expires_at = self.store.offer_session(hand_over, lasts, &secret.hash(), MOST_LINKS, maker).await?;
        Ok(expires_at.map(|expires_at| NewLink { secret, expires_at, lasts }))
    }

    /// The secret in what a link carries; `None` if we have not made it, which no store need be asked about.
    pub fn link(&self, carried: &str) -> Option<HandOverSecret> {
        HandOverSecret::parse(carried, &self.keyring)
    }

    /// Whom a link hands over, if it works. It goes on working.
    ///
    /// # Errors
    /// [`Undecided`] if the store could not answer.
    pub async fn offered(&self, secret: &HandOverSecret) -> Result<Option<HandOver>, Undecided> {
        Ok(self.store.find_hand_over(&secret.hash()).await?)
    }

    /// Uses a link up, and begins its session; `None` if it does not work.
    ///
    /// # Errors
    /// [`Undecided`] if the session may not have begun. The link may be used up.
    pub async fn accept(
        &self,
        link: &HandOverSecret,
        address: Option<IpAddr>,
        user_agent: &str,
    ) -> Result<Option<(Begun, Person)>, Undecided> {
        let (secret, id) = (SessionSecret::generate(&self.keyring), Uuid::now_v7());
        let (hash, browser) = (secret.hash(), browser(user_agent));
        let session = Accepted { id, hash: &hash, address, browser: browser.as_deref(), most: MOST };
        let person = self.store.accept_hand_over(&link.hash(), &session).await?;
        Ok(person.map(|person| (Begun { id, secret }, person)))
    }
}
