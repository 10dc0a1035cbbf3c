//! People and their sessions.
//!
//! - `sign_in`: signing in and out; `back_channel`: the provider says that somebody has signed out there
//! - `handed_over`: links with which a product hands its customers over
//! - `sessions`: the sessions of whoever is signed in

mod back_channel;
mod handed_over;
mod sessions;
mod sign_in;

pub(super) use self::{
    back_channel::signed_out_there,
    handed_over::{accept, ask},
    sessions::{end, list},
    sign_in::{begin, choose, finish, sign_out, signed_out},
};
