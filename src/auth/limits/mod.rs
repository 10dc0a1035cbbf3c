//! Limits that are never exceeded, on any number of replicas, without asking the database for every request.
//!
//! > In each window, by the database's clock, no more than the amount of a limit is used.
//!
//! A replica takes a *slice* of a limit from the database before it uses it. The taking is a durable commit, so nobody
//! else can take the same; whatever crashes, is lost or repeated afterwards, what was taken is used at most once.
//!
//! - `slice`: the pure state machine: what is in hand, until when, and how much to ask for
//! - `purse`: the same for credits, of which nothing may be lost
//! - `meter`: the slices and the purse of a key or of an owner
//! - `registry`, `purses`: the meters in use, and the purses
//! - `fetcher`, `credit_exchange`: ask the database, for many limits or balances in one statement
//! - `limiter`: charges requests
//!
//! # Why it holds
//!
//! - All that is granted in a window is added up in the limit's row, under its lock, and never exceeds the amount.
//! - A grant is used only once its commit was confirmed. If it is unknown whether it was committed, it is not used.
//! - A slice is used only while its window can't have ended by the database's clock: the database has read that clock
//!   after the question was asked, so less time has passed since then than since the question, and clocks differ in
//!   speed by less than a margin.
//!
//! # What is left over
//!
//! What a replica has in hand when a window ends is lost, and so is what a crash strands. `docs/limits.md` says how
//! much that can be.

pub mod credit_exchange;
mod fetcher;
pub(in crate::auth) mod limiter;
pub(in crate::auth) mod meter;
pub mod metrics;
pub mod purse;
mod purses;
mod registry;
pub mod slice;
