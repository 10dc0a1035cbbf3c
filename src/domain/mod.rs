//! What Keyward is about, and nothing else: no web framework, no database, no runtime and no clock.
//! Time is an argument, so everything here can be tested at any instant.

#![deny(clippy::disallowed_methods)]

pub mod api_key;
pub mod audit;
pub mod coherence;
pub mod denial;
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
pub mod shown;
pub mod text;
pub mod timestamp;
pub mod token;
pub mod verdict;
