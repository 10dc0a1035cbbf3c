//! The console: pages on which people manage keys. Rendered here, and complete without script.
//!
//! - `access`: who asks, and whether it is our own page that does: cookies, sessions, forms, headers
//! - `frame`: what all pages have in common; `fault`: what is shown instead of a page; `texts`: every word
//! - `people`: signing in and out, links with which products hand their customers over, sessions, also everybody's
//! - `keys`: lists of keys, new keys, one key and what is done to it
//! - `plans`: plans, for administrators and of whoever is signed in; `owners`: owners, for administrators
//! - `allowance`: limits and credits in forms and on pages
//! - `usage`, `audit`: the other pages; `chart`: uses as a drawing
//! - `administrators`: the overview and the replicas, which only they see
//! - `assets`: the style sheet and the script

mod access;
mod administrators;
mod allowance;
mod assets;
mod audit;
mod chart;
mod fault;
mod frame;
mod keys;
mod owners;
mod people;
mod plans;
mod routes;
mod services;
mod texts;
mod usage;

pub(crate) use self::{
    access::headers::unread,
    routes::{configure, has_page},
    services::{Console, SignInWay},
};
