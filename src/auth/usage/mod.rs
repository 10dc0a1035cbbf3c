//! How often keys are used, and when last: counted in memory at each check, and written in batches outside of them.
//!
//! - `counter`: the uses of one key that are not written yet, beside its record
//! - `writer`: the keys with such uses, and their writing
//!
//! # Why nothing is lost or counted twice
//!
//! - A counter is in the list whenever it holds a use: whoever counts looks at the list's mark *after* it has counted,
//!   and whoever writes takes the mark off *before* it reads the counter. The list keeps the counter alive when the key
//!   is forgotten.
//! - What was taken from counters is one batch with a number. It is repeated, unchanged and before anything else, until
//!   its fate is known; the store ignores a number that it has.

mod counter;
pub mod writer;

pub(in crate::auth) use self::counter::KeyUses;
