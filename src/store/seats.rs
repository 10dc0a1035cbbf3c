//! Who may use how many connections at once, so that nobody's many requests keep others out.

use super::{
    Store,
    connections::{Connections, Taken},
};
use crate::{
    domain::{
        audit::{Actor, Author},
        ledger::Reach,
        owner::Owner,
        ports::{Busy, StoreError},
    },
    turns::Turn,
};

/// Whose requests take turns.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Those of an owner.
    Owner(Owner),
    /// Those that find out whether an owner's tokens give rights on Keyward itself. Not the owner's other turns: an
    /// administrator with many requests for their own keys still gets through to stop somebody.
    RightsOf(Owner),
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
    /// Revocations with nothing but a key, of all keys together. Those with one key take turns before.
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

    /// A connection for revoking a key by whoever holds it, who need not be its owner, nor in the owner's way.
    pub(super) async fn to_revoke_held(&self) -> Result<Seat, StoreError> {
        self.seat(vec![self.turn(Whose::Holders).await?], &self.requests).await
    }

    /// A connection for finding out whether this owner's tokens give rights on Keyward itself. `to_change`: for a
    /// change by an administrator.
    pub(super) async fn to_find_rights(&self, owner: &Owner, to_change: bool) -> Result<Seat, StoreError> {
        let turn = self.turn(Whose::RightsOf(owner.clone())).await?;
        self.seat(vec![turn], if to_change { &self.admins } else { &self.requests }).await
    }

    /// A connection for making a link, for the backend that asks for it.
    pub(super) async fn to_hand_over(&self, backend: &Actor) -> Result<Seat, StoreError> {
        self.seat(vec![self.turn(Whose::Backend(backend.clone())).await?], &self.requests).await
    }

    /// A connection for finding the session or the link whose secret has this hash, closed unless its work ends.
    pub(super) async fn to_find_access(&self, hash: &[u8; 32]) -> Result<Seat, StoreError> {
        let turns = self.turns_of_access(hash).await?;
        Ok(Seat { connection: self.requests.tentative().await?, _turns: turns })
    }

    /// A connection for using such a link up.
    pub(super) async fn to_use_access(&self, hash: &[u8; 32]) -> Result<Seat, StoreError> {
        self.seat(self.turns_of_access(hash).await?, &self.requests).await
    }

    async fn turns_of_access(&self, hash: &[u8; 32]) -> Result<Vec<Turn<Whose>>, StoreError> {
        Ok(vec![self.turn(Whose::Access(*hash)).await?, self.turn(Whose::Accesses).await?])
    }

    async fn seat(&self, turns: Vec<Turn<Whose>>, pool: &Connections) -> Result<Seat, StoreError> {
        Ok(Seat { connection: pool.acquire().await?, _turns: turns })
    }

    async fn turn(&self, whose: Whose) -> Result<Turn<Whose>, StoreError> {
        let (most, busy) = self.most(&whose);
        let turn = tokio::time::timeout(self.patience, self.turns.take(whose, most)).await;
        turn.map_err(|_| StoreError::Busy(busy))
    }

    /// How many turns there are at a time, and what is said to whoever waits in vain.
    fn most(&self, whose: &Whose) -> (usize, Busy) {
        let (all, admins) = (self.requests.most() as usize, self.admins.most() as usize);
        match whose {
            Whose::Owner(_) => (self.owner_connections, Busy::Owner),
            Whose::RightsOf(_) => (1, Busy::Administrator),
            Whose::Administrator(_) => (admins.saturating_sub(1).max(1), Busy::Administrator),
            Whose::Administrators => ((all / 2).max(1), Busy::Administrator),
            Whose::Backend(_) => (self.owner_connections, Busy::Backend),
            Whose::Access(_) => (1, Busy::Access),
            Whose::Accesses => ((all / 2).max(1), Busy::Access),
            Whose::Holders => ((all / 4).max(1), Busy::Key),
        }
    }
}
