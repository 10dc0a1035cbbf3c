//! Owners of keys, for administrators.
//!
//! - `list`: the list
//! - `one`: an owner's page
//! - `change`: what is done to an owner

mod change;
mod list;
mod one;

pub(super) use self::{change::change, list::list, one::show};
