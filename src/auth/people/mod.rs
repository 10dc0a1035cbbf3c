//! People who use the console: how they sign in, and their sessions.
//!
//! - `sign_in`: authorization code with PKCE at an OpenID provider
//! - `sessions`: what keeps them signed in

mod sessions;
mod sign_in;

pub use self::{
    sessions::{Begun, Sessions, forget},
    sign_in::{Attempt, Callback, NotSignedIn, SignIn, SignedIn, Unfinished},
};
