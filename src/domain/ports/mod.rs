//! The traits that adapters implement, one file per subject. Each method is one transaction.

pub mod announcements;
pub mod ended_tokens;
pub mod health;
pub mod key_sets;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod openid;
pub mod plans;
pub mod replicas;
pub mod sessions;
pub mod surveys;
pub mod usage;

/// Whose requests keep another one of theirs waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// An owner's.
    #[error("the requests of one owner use as many connections as database.owner_connections allows")]
    Owner,
    /// A backend's, which makes links into the console.
    #[error("the links that one backend asks for use as many connections as database.owner_connections allows")]
    Backend,
    /// An administrator's.
    #[error("the requests of one administrator use as many connections as they may")]
    Administrator,
    /// Those with a session of the console, or a link to one.
    #[error("the requests with one session of the console, or one link to it, wait for each other")]
    Access,
    /// Those that revoke keys of one owner with nothing but these.
    #[error("the requests that revoke keys of one owner with nothing but the keys wait for each other")]
    Key,
}

/// What a token's right on Keyward itself is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// To read as an administrator.
    ToRead,
    /// To change something as an administrator.
    ToChange,
    /// To hand people over to the console, as a backend.
    ToHandOver,
}

/// The store could not answer. This is never a reason to accept or refuse a credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable or did not answer in time.
    #[error("the database could not be reached: {0}")]
    Unavailable(String),
    /// Only requests like this one, of whoever has sent it, keep it waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database answered with an error. It names the cause, and what to do where that is known.
    #[error("the database reports an error: {0}")]
    Failed(String),
    /// The database answered, but the data violates its schema.
    #[error("the database contains a row that violates its schema: {0}")]
    Corrupt(String),
}
