//! People who use the console: how they sign in, and their sessions.
//!
//! - `sign_in`: authorization code with PKCE at an OpenID provider
//! - `hand_over`: links with which a product hands its customers over
//! - `sessions`: what keeps them signed in

mod hand_over;
mod sessions;
mod sign_in;

pub use self::{
    hand_over::NewLink,
    sessions::{Begun, Sessions},
    sign_in::{Attempt, Callback, NotSignedIn, SignIn, SignedIn, Unfinished},
};
