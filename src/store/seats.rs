//! Who may use how many connections at once, so that nobody's many requests keep others out.

use tokio::time::Instant;

use super::{
    Store,
    connections::{Connections, Taken},
};
use crate::{
    domain::{
        audit::{Actor, Author},
        ledger::Reach,
        owner::Owner,
        ports::{Busy, Right, StoreError, sessions::EndedAtProvider},
        session::Person,
    },
    turns::Turn,
};

/// Whose requests take turns.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Those of an owner.
    Owner(Owner),
    /// Those that find out whether somebody's tokens give a right on Keyward itself. Not the owner's other turns: an
    /// administrator with many requests for their own keys still gets through to stop somebody, as does one who reads
    /// much, and one of the same organisation.
    RightsOf(Actor, Right),
    /// Those that begin, list and end sessions of one person: the owner's many requests keep nobody from signing out.
    Person(Actor),
    /// Changes by an administrator, who leaves a connection to the others, who may want to stop this one.
    Administrator(Actor),
    /// Reads of all administrators together.
    Administrators,
    /// Links that a backend makes.
    Backend(Actor),
    /// Reads of the session, or of the link, whose secret has this hash. Whose it is says only its row.
    Access([u8; 32]),
    /// All of these together.
    Accesses,
    /// A provider's logout tokens for one person or session. Whoever has got hold of one can repeat it.
    SignedOutOf { issuer: Box<str>, subject: Option<Box<str>>, session: Option<Box<str>> },
    /// All of these together.
    Providers,
    /// Revocations with nothing but a key, of one owner's keys. Not the owner's other turns, who may want to revoke others.
    /// Those with one key take turns before.
    HoldersOf(Owner),
    /// All of these together.
    Holders,
}

/// A connection, with the turns of those who use it.
pub(super) struct Seat {
    pub(super) connection: Taken,
    _turns: Vec<Turn<Whose>>,
}

impl Store {
    /// A connection for reading, for a caller with this reach.
    pub(super) async fn to_read(&self, reach: &Reach) -> Result<Seat, StoreError> {
        let whose = match reach {
            Reach::Own(owner) => Whose::Owner(owner.clone()),
            Reach::Any => Whose::Administrators,
        };
        self.seat(vec![self.turn(whose).await?], &self.requests).await
    }

    /// A connection for a change by this author, with this reach.
    pub(super) async fn to_change(&self, reach: &Reach, author: &Author) -> Result<Seat, StoreError> {
        match (reach, &author.actor) {
            (Reach::Own(_), _) => self.to_read(reach).await,
            // One process for each command.
            (Reach::Any, Actor::CommandLine) => self.seat(Vec::new(), &self.admins).await,
            (Reach::Any, actor) => {
                self.seat(vec![self.turn(Whose::Administrator(actor.clone())).await?], &self.admins).await
            }
        }
    }

    /// A connection for revoking a key of this owner by whoever holds it, who need not be the owner, nor in their way.
    pub(super) async fn to_revoke_held(&self, owner: &Owner) -> Result<Seat, StoreError> {
        self.seat(self.turns([Whose::HoldersOf(owner.clone()), Whose::Holders]).await?, &self.requests).await
    }

    /// A connection for finding out whether this actor's tokens give a right on Keyward itself.
    pub(super) async fn to_find_rights(&self, actor: &Actor, right: Right) -> Result<Seat, StoreError> {
        let turn = self.turn(Whose::RightsOf(actor.clone(), right)).await?;
        self.seat(vec![turn], if right == Right::ToChange { &self.admins } else { &self.requests }).await
    }

    /// A connection for beginning, listing or ending this person's sessions.
    pub(super) async fn to_see_to_sessions(&self, person: &Person) -> Result<Seat, StoreError> {
        self.seat(vec![self.turn(Whose::Person(person.actor())).await?], &self.requests).await
    }

    /// A connection for making a link, for the backend that asks for it.
    pub(super) async fn to_hand_over(&self, backend: &Actor) -> Result<Seat, StoreError> {
        self.seat(vec![self.turn(Whose::Backend(backend.clone())).await?], &self.requests).await
    }

    /// A connection for finding the session or the link whose secret has this hash, closed unless its work ends.
    pub(super) async fn to_find_access(&self, hash: &[u8; 32]) -> Result<Seat, StoreError> {
        let turns = self.turns([Whose::Access(*hash), Whose::Accesses]).await?;
        Ok(Seat { connection: self.requests.tentative().await?, _turns: turns })
    }

    /// A connection for using such a link up.
    pub(super) async fn to_use_access(&self, hash: &[u8; 32]) -> Result<Seat, StoreError> {
        self.seat(self.turns([Whose::Access(*hash), Whose::Accesses]).await?, &self.requests).await
    }

    /// A connection for ending the sessions that a provider says have ended.
    pub(super) async fn to_follow_a_provider(&self, ended: &EndedAtProvider<'_>) -> Result<Seat, StoreError> {
        let EndedAtProvider { issuer, subject, session, .. } = *ended;
        let (subject, session) = (subject.map(Box::from), session.map(Box::from));
        let one = Whose::SignedOutOf { issuer: issuer.into(), subject, session };
        self.seat(self.turns([one, Whose::Providers]).await?, &self.requests).await
    }

    async fn seat(&self, turns: Vec<Turn<Whose>>, pool: &Connections) -> Result<Seat, StoreError> {
        Ok(Seat { connection: pool.acquire().await?, _turns: turns })
    }

    async fn turn(&self, whose: Whose) -> Result<Turn<Whose>, StoreError> {
        self.turn_until(Instant::now() + self.patience, whose).await
    }

    /// One after the other, with the patience for one: there is a deadline for all that a request does.
    async fn turns(&self, whose: [Whose; 2]) -> Result<Vec<Turn<Whose>>, StoreError> {
        let give_up = Instant::now() + self.patience;
        let [first, second] = whose;
        Ok(vec![self.turn_until(give_up, first).await?, self.turn_until(give_up, second).await?])
    }

    async fn turn_until(&self, give_up: Instant, whose: Whose) -> Result<Turn<Whose>, StoreError> {
        let (most, otherwise) = self.most(&whose);
        tokio::time::timeout_at(give_up, self.turns.take(whose, most)).await.map_err(|_| otherwise)
    }

    /// How many turns there are at a time, and what is said to whoever waits in vain. Where strangers wait for each other,
    /// it is nobody's own fault.
    fn most(&self, whose: &Whose) -> (usize, StoreError) {
        let (all, admins) = (self.requests.most() as usize, self.admins.most() as usize);
        let shared = |what: &str| StoreError::Unavailable(format!("{what} use as many connections as they may"));
        match whose {
            Whose::Owner(_) | Whose::Person(_) => (self.owner_connections, Busy::Owner.into()),
            Whose::RightsOf(_, Right::ToHandOver) => (1, Busy::Backend.into()),
            Whose::RightsOf(..) => (1, Busy::Administrator.into()),
            Whose::Administrator(_) => (admins.saturating_sub(1).max(1), Busy::Administrator.into()),
            Whose::Administrators => ((all / 2).max(1), shared("the reads of all administrators together")),
            Whose::Backend(_) => (self.owner_connections, Busy::Backend.into()),
            Whose::Access(_) => (1, Busy::Access.into()),
            Whose::Accesses => ((all / 2).max(1), shared("the reads of sessions and links together")),
            Whose::SignedOutOf { .. } => (1, shared("a provider's logout tokens for one person or session")),
            Whose::Providers => ((all / 4).max(1), shared("the logout tokens of all providers together")),
            Whose::HoldersOf(_) => (1, Busy::Key.into()),
            Whose::Holders => ((all / 4).max(1), shared("the revocations with nothing but a key together")),
        }
    }
}
