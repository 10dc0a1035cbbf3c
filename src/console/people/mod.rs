//! People and their sessions.
//!
//! - `sign_in`: signing in and out
//! - `handed_over`: links with which a product hands its customers over
//! - `sessions`: the sessions of whoever is signed in

mod handed_over;
mod sessions;
mod sign_in;

pub(super) use self::{
    handed_over::{accept, ask},
    sessions::{end, list},
    sign_in::{begin, choose, finish, sign_out, signed_out},
};
