//! Sessions of people who have signed in. Each request reads its session from the database, and no replica remembers one, so
//! a session that was ended is over everywhere before the answer to that arrives.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rand::RngExt;
use time::OffsetDateTime;
use uuid::Uuid;

use super::sign_in::SignedIn;
use crate::{
    auth::{Undecided, jwt::LogoutToken},
    config::SessionLives,
    domain::{
        api_key::Keyring,
        listing::{Listed, Page},
        ports::{
            StoreError,
            sessions::{EndedAtProvider, SessionFilter, SessionStore, SessionsEnding, WhichSessions},
        },
        session::{NewSession, Person, Session, SessionSecret, browser},
    },
    telemetry::outage::Trouble,
};

/// The maximum number of sessions of one person. More than anybody has browsers; when it is exceeded, the oldest ends.
pub(super) const MOST: u32 = 50;
/// The number of sessions, and of links, that one transaction deletes, in some milliseconds.
const TOGETHER: u32 = 1_000;
/// The number of sessions that an administrator ends in one transaction: as many as one event of the audit names.
const ENDED_TOGETHER: u32 = 100;
/// How far the provider's clock may be behind the database's.
const CLOCKS: Duration = Duration::from_secs(60);
/// The pause between transactions, so that a replica deletes at most five thousand of each per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the last one.
const REST: Duration = Duration::from_secs(600);

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
    pub async fn end_for_staff(&self, ending: &SessionsEnding<'_>) -> Result<u64, Undecided> {
        let mut ended = 0;
        loop {
            let batch = self.store.end_sessions_of_others(ending, ENDED_TOGETHER).await?;
            ended += u64::from(batch);
            if batch < ENDED_TOGETHER {
                return Ok(ended);
            }
        }
    }

    /// Ends the sessions that the provider says have ended there, and returns how many. When this returns, no replica accepts
    /// them. Those that began later are others, so the same token again ends nothing.
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

/// Deletes sessions and links that have ended, for ever. Those that were idle for too long are refused before, and deleted with the
/// others, when they have lasted as long as any may.
pub async fn forget(store: Arc<dyn SessionStore>) {
    let trouble = Trouble::default();
    loop {
        match forget_all(&*store).await {
            Ok(()) => trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "old sessions can be deleted again")),
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not delete old sessions; trying again");
            }),
        }
        // Replicas that started together don't go on together.
        let rest = REST.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(rest).await;
    }
}

async fn forget_all(store: &dyn SessionStore) -> Result<(), StoreError> {
    while store.forget_ended(TOGETHER).await? >= u64::from(TOGETHER) {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
