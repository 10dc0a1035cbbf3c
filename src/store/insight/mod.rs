//! What operators ask.
//!
//! - `examination`: what `keyward doctor` asks a database
//! - `hashes`: how many keys have hashes of which parameters, for `keyward keys hashes`
//! - `replicas`: the rows of replicas, for `keyward replicas`
//! - `samples`: the keys by state, for metrics
//! - `statements`: how often each operation was done, and how long it took, for metrics
//! - `surveys`: what the console tells administrators of all keys, found out in the background

mod examination;
mod hashes;
mod replicas;
mod samples;
mod statements;
mod surveys;

pub(super) use self::statements::Statement;
pub use self::{
    examination::{ConnectionLimit, Examination},
    hashes::HashCount,
    samples::Sample,
    statements::Statements,
};
