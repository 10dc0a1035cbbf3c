//! The console: pages on which people manage keys. Rendered here, and complete without script.
//!
//! - `access`: who asks, and whether it is our own page that does: cookies, sessions, forms, headers
//! - `frame`: what all pages have in common; `fault`: what is shown instead of a page; `texts`: every word
//! - `sign_in`: signing in and out
//! - `keys`: lists of keys, new keys, one key and what is done to it
//! - `usage`, `audit`, `sessions`, `owners`, `replicas`: the other pages; `chart`: uses as a drawing
//! - `staff`: further pages of administrators
//! - `assets`: the style sheet and the script

mod access;
mod assets;
mod audit;
mod chart;
mod fault;
mod frame;
mod keys;
mod owners;
mod replicas;
mod routes;
mod services;
mod sessions;
mod sign_in;
mod staff;
mod texts;
mod usage;

pub(crate) use self::{
    routes::configure,
    services::{Console, SignInWay},
};
