//! The keys that verify tokens: parsed from issuers' publications and operators' files, and refreshed in time.
//!
//! - `verification_key`: one key, and the algorithms that it may verify
//! - `jwk`: one JSON Web Key
//! - `der`: public keys and certificates in DER
//! - `key_set`: the keys of an issuer, and the selection of one for a token
//! - `no_key_set`: describes a response that is not a key set
//! - `file`: keys in a file of the operator
//! - `remote_keys`: keys that must be fetched

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
    remote_keys::{RemoteKeys, RemoteKeysSettings, RemoteKeysState},
};
