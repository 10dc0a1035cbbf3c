//! Keys: what they look like, their records, and what may be asked about them and done to them.

pub mod api_key;
pub mod key_record;
pub mod ledger;
pub mod listing;
pub mod metadata;
pub mod precondition;
pub mod revocation;
