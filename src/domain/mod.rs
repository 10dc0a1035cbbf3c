//! The rules of Keyward, without a web framework, a database, a runtime or a clock. Time is an argument, so tests can
//! choose any instant.

#![deny(clippy::disallowed_methods)]

pub mod api_key;
pub mod audit;
pub mod coherence;
pub mod denial;
pub mod escape;
pub mod key_record;
pub mod ledger;
pub mod listing;
pub mod metadata;
pub mod network;
pub mod owner;
pub mod policy;
pub mod ports;
pub mod precondition;
pub mod principal;
pub mod scope;
pub mod secret;
pub mod text;
pub mod timestamp;
pub mod token;
pub mod verdict;
