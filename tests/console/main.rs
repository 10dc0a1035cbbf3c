//! The console as browsers meet it, without script: a real process, real HTTP, a real Postgres, and an OpenID provider.
//! `tests/browser` has what needs a browser.

mod browser;
mod credits;
mod handed_over;
mod keys;
mod own_address;
mod owners;
mod plans;
mod provider;
mod safety;
mod sessions;
mod sign_in;
