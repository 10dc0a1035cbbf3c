//! People and their sessions.
//!
//! - `sign_in`: signing in and out; `back_channel`: the provider says that somebody has signed out there
//! - `handed_over`: links with which a product hands its customers over
//! - `sessions`: the sessions of whoever is signed in; `all_sessions`: those of everybody, for administrators
//! - `view`: sessions as pages show them

mod all_sessions;
mod back_channel;
mod handed_over;
mod sessions;
mod sign_in;
mod view;

pub(super) use self::{
    all_sessions::{end_any, list_all},
    back_channel::back_channel_logout,
    handed_over::{accept, ask},
    sessions::{end, list},
    sign_in::{begin, choose, finish, sign_out, signed_out},
};
