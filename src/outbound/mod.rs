//! Asks other servers, and is the only part that does. Only configured addresses are asked, no redirect is followed
//! (OWASP API7:2023), and each answer is bounded in time and in size.
//!
//! - `client`: one question, with those bounds
//! - `key_sets`: issuers' keys

mod client;
mod key_sets;

pub(crate) use self::key_sets::KeySets;
