//! Sessions of people who have signed in. Each request reads its session from the database, and no replica remembers
//! one, so a session that was ended is over everywhere before the answer to that arrives.

use std::{net::IpAddr, sync::Arc, time::Duration};

use time::OffsetDateTime;
use uuid::Uuid;

use super::sign_in::SignedIn;
use crate::{
    auth::{Undecided, jwt::LogoutToken},
    config::SessionLives,
    domain::{
        api_key::Keyring,
        listing::{Listed, Page},
        ports::sessions::{EndedAtProvider, SessionFilter, SessionStore, SessionsEnding, WhichSessions},
        session::{NewSession, Person, Session, SessionSecret, browser},
    },
};

/// The maximum number of sessions of one person. More than anybody has browsers; when it is exceeded, the oldest ends.
pub(super) const MOST: u32 = 50;
/// The number of sessions that an administrator ends in one transaction: as many as one event of the audit names.
const ENDED_TOGETHER: u32 = 100;
/// How far the provider's clock may be behind the database's.
const CLOCKS: Duration = Duration::from_secs(60);

/// Begins, finds and ends sessions.
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) lives: SessionLives,
    /// Seals the secrets of sessions and links.
    pub(super) keyring: Arc<Keyring>,
}

/// A new session, with the secret for the browser.
pub struct Begun {
    /// Names the session in lists.
    pub id: Uuid,
    /// Its secret.
    pub secret: SessionSecret,
}

impl Sessions {
    /// Sessions in `store` that last this long.
    pub fn new(store: Arc<dyn SessionStore>, lives: SessionLives, keyring: Arc<Keyring>) -> Self {
        Self { store, lives, keyring }
    }

    /// The secret in what a browser has kept; `None` if we have not made it, which no store need be asked about.
    pub fn secret(&self, kept: &str) -> Option<SessionSecret> {
        SessionSecret::parse(kept, &self.keyring)
    }

    /// Begins a session of somebody who has just signed in.
    ///
    /// # Errors
    /// [`Undecided`] if it may not have begun.
    pub async fn begin(
        &self,
        signed_in: SignedIn,
        address: Option<IpAddr>,
        user_agent: &str,
    ) -> Result<Begun, Undecided> {
        let SignedIn { person, authenticated_at, at_provider, .. } = signed_in;
        let (secret, id) = (SessionSecret::generate(&self.keyring), Uuid::now_v7());
        let (lasts, browser) = (self.lives.longest, browser(user_agent));
        let session = NewSession { id, person, authenticated_at, at_provider, lasts, address, browser };
        self.store.begin_session(&session, &secret.hash(), MOST).await?;
        Ok(Begun { id, secret })
    }

    /// The session with this secret, if it has not ended.
    ///
    /// # Errors
    /// [`Undecided`] if the store could not answer.
    pub async fn find(&self, secret: &SessionSecret) -> Result<Option<Session>, Undecided> {
        Ok(self.store.find_session(&secret.hash(), self.lives.idle).await?)
    }

    /// The sessions of a person, latest first.
    ///
    /// # Errors
    /// [`Undecided`] if the store could not answer.
    pub async fn of(&self, person: &Person) -> Result<Vec<Session>, Undecided> {
        Ok(self.store.sessions_of(person, self.lives.idle).await?)
    }

    /// Ends sessions of a person, and returns how many. When this returns, no replica accepts them.
    ///
    /// # Errors
    /// [`Undecided`] if they may not have ended.
    pub async fn end(&self, person: &Person, which: WhichSessions) -> Result<u64, Undecided> {
        Ok(self.store.end_sessions(person, which).await?)
    }

    /// Sessions of everybody, or of whom the filter names, the latest sign-in first. For administrators.
    ///
    /// # Errors
    /// [`Undecided`] if the store could not answer.
    pub async fn list(&self, filter: &SessionFilter, page: &Page) -> Result<Listed<Session>, Undecided> {
        Ok(self.store.list_sessions(filter, page, self.lives.idle).await?)
    }

    /// Ends sessions of whomever they are, and returns how many. When this returns, no replica accepts them. For
    /// administrators.
    ///
    /// # Errors
    /// [`Undecided`] if some may not have ended. A retry is safe.
    pub async fn end_of_others(&self, ending: &SessionsEnding<'_>) -> Result<u64, Undecided> {
        let mut ended = 0;
        loop {
            let batch = self.store.end_sessions_of_others(ending, ENDED_TOGETHER).await?;
            ended += u64::from(batch);
            if batch < ENDED_TOGETHER {
                return Ok(ended);
            }
        }
    }

    /// Ends the sessions that the provider says have ended there, and returns how many. When this returns, no replica
    /// accepts them. Those that began later are others, so the same token again ends nothing.
    ///
    /// # Errors
    /// [`Undecided`] if they may not have ended.
    pub async fn end_signed_out(&self, token: &LogoutToken) -> Result<u64, Undecided> {
        let ended = EndedAtProvider {
            issuer: &token.issuer,
            subject: token.subject.as_deref(),
            person: token.person.as_deref(),
            session: token.session.as_deref(),
            issued_at: token.issued_at,
            clocks: CLOCKS,
        };
        Ok(self.store.end_sessions_of_provider(&ended).await?)
    }

    /// Whether somebody has proved recently enough who they are for what is dangerous.
    pub fn is_fresh(&self, session: &Session, now: OffsetDateTime) -> bool {
        self.lives.fresh.is_none_or(|fresh| session.authenticated_at.is_some_and(|at| now - at <= fresh))
    }
}
