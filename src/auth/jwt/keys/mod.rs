//! The keys that tokens are verified with: read from what issuers publish and from what operators hand in, and fetched again
//! in time.
//!
//! - `verification_key`: one key, and what it may verify
//! - `jwk`: one JSON Web Key
//! - `der`: public keys and certificates in DER
//! - `key_set`: the keys of an issuer, and which of them a token means
//! - `no_key_set`: what else an answer was
//! - `file`: keys in a file of the operator's
//! - `remote_keys`: keys that have to be fetched

mod der;
mod file;
mod jwk;
mod key_set;
mod no_key_set;
mod remote_keys;
mod verification_key;

pub(super) use self::{
    file::read as read_file,
    key_set::{TRIED_MAX, tell},
};
pub use self::{
    jwk::{Source, Unusable},
    key_set::{KeySet, NotUsed, ReadKeySet},
    no_key_set::NotAKeySet,
    remote_keys::{RemoteKeys, RemoteKeysSettings},
};
