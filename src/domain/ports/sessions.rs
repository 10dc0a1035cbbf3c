//! The port to the store of sessions.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::{
    audit::Author,
    coherence::RecordId,
    listing::{Listed, Page},
    owner::Owner,
    session::{HandOver, NewSession, Person, Session},
};

/// The store of sessions of people who have signed in.
#[async_trait]
pub trait SessionStore: HandOverStore {
    /// Begins a session of somebody who has signed in, now by the store's clock. It is on disk when this returns. Of a
    /// person who has more than `most` of these, the oldest end.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have begun.
    async fn begin_session(&self, session: &NewSession, hash: &[u8; 32], most: u32) -> Result<(), StoreError>;

    /// The session with this hash, unless it has ended; was idle for longer than `idle`; began before its person's
    /// tokens were revoked; or began with a link and its owner is disabled, or what made the link is revoked. The read
    /// happens in a transaction that begins after the call, on a server that was still the primary afterwards. The use
    /// is recorded at most once a minute, and at least once in a quarter of `idle`.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn find_session(&self, hash: &[u8; 32], idle: Duration) -> Result<Option<Session>, StoreError>;

    /// The sessions of a person that have not ended, latest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn sessions_of(&self, person: &Person, idle: Duration) -> Result<Vec<Session>, StoreError>;

    /// Ends sessions of a person: this one, or all but this one, and then their open links, too. Returns how many
    /// sessions. When this returns, no replica accepts them.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have ended.
    async fn end_sessions(&self, person: &Person, which: WhichSessions) -> Result<u64, StoreError>;

    /// Lists sessions that have not ended, the latest sign-in first. For administrators.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        page: &Page,
        idle: Duration,
    ) -> Result<Listed<Session>, StoreError>;

    /// Ends at most `most` sessions of whomever they are, and writes that into the audit. Returns how many. When this
    /// returns, no replica accepts them. Open links of an owner or a person end, too.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have ended.
    async fn end_sessions_of_others(&self, ending: &SessionsEnding<'_>, most: u32) -> Result<u32, StoreError>;

    /// Ends sessions that have ended at the provider. Returns how many. When this returns, no replica accepts them.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have ended.
    async fn end_sessions_of_provider(&self, ended: &EndedAtProvider<'_>) -> Result<u64, StoreError>;

    /// Deletes at most `most` sessions that have lasted as long as any may, and as many links that don't work any more.
    /// Returns how many of both.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have been deleted.
    async fn forget_ended(&self, most: u32) -> Result<u64, StoreError>;
}

/// The store of links with which products hand their customers over.
#[async_trait]
pub trait HandOverStore: Send + Sync {
    /// Makes a link to a session of at most this length. It works from now on by the store's clock. Returns until when;
    /// `None` if its owner is disabled. Of a person for whom there are more than `most`, the oldest end. The audit has
    /// it when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been made.
    async fn offer_session(
        &self,
        hand_over: &HandOver,
        lasts: Duration,
        hash: &[u8; 32],
        most: u32,
        maker: &Maker<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError>;

    /// The link with this hash, if it works: it was not used, is not too old, its owner is not disabled, no tokens of
    /// its person, or of whoever has made it, were revoked since it was made, and the key or the token that has made it
    /// is not revoked. Read as [`find_session`](SessionStore::find_session) does.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn find_hand_over(&self, hash: &[u8; 32]) -> Result<Option<HandOver>, StoreError>;

    /// Uses a link that works up, and begins its session in the same transaction: one, however many ask for it on
    /// however many replicas. Returns who has it.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have begun. It may have begun nevertheless; then the link is used up.
    async fn accept_hand_over(&self, link: &[u8; 32], session: &Accepted<'_>) -> Result<Option<Person>, StoreError>;
}

/// Who makes a link: it and its session work no longer than that credential.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// Who, for the audit.
    pub author: &'a Author,
    /// The record that revokes the token with which they ask, by its `jti`; `None` if they ask with a key, or it has
    /// none.
    pub token: Option<RecordId>,
}

/// A session that begins with a link.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    /// Names the session in lists.
    pub id: Uuid,
    /// The hash of its secret.
    pub hash: &'a [u8; 32],
    /// Where its person is, if known.
    pub address: Option<IpAddr>,
    /// What their browser calls itself.
    pub browser: Option<&'a str>,
    /// Of a person who has more sessions of this kind, the oldest end.
    pub most: u32,
}

/// Whose sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Those in which the keys of this owner are managed.
    pub owner: Option<Owner>,
    /// With an owner: only those of this person. They differ if the owner is an organisation.
    pub person: Option<String>,
}

/// Sessions that an administrator ends.
#[derive(Clone, Copy, Debug)]
pub struct SessionsEnding<'a> {
    /// Which.
    pub which: Endings<'a>,
    /// When.
    pub at: OffsetDateTime,
    /// Who ends them.
    pub author: &'a Author,
}

/// Sessions that have ended at the provider: of a person, or the one with this name, or if both are given, that one of
/// theirs and those whose name is not known; and the links of a person.
#[derive(Clone, Copy, Debug)]
pub struct EndedAtProvider<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The person as the provider calls them: `sub`.
    pub subject: Option<&'a str>,
    /// The person as we call them, if that is known: for sessions that know no `sub`, because no ID token has begun
    /// them.
    pub person: Option<&'a str>,
    /// The provider's session.
    pub session: Option<&'a str>,
    /// When the provider said so: only sessions whose ID token is not later.
    pub issued_at: OffsetDateTime,
    /// For sessions of which only our clock says when they began, how far the provider's may be behind.
    pub clocks: Duration,
}

/// Which sessions an administrator ends.
#[derive(Clone, Copy, Debug)]
pub enum Endings<'a> {
    /// This one.
    One(Uuid),
    /// Those in which the keys of this owner are managed; with a person, only theirs.
    Of(&'a Owner, Option<&'a str>),
}

/// Which sessions of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichSessions {
    /// This one.
    Only(Uuid),
    /// All others.
    AllBut(Uuid),
}
