//! The console as browsers meet it, without script: a real process, real HTTP, a real Postgres, and an OpenID provider.
//! `tests/browser` has what needs a browser.

mod back_channel;
mod browser;
mod busy;
mod catalogue;
mod credits;
mod ended_links;
mod finding;
mod handed_over;
mod keys;
mod makers;
mod mistakes;
mod overview;
mod own_address;
mod owners;
mod plans;
mod provider;
mod refused;
mod repeated;
mod safety;
mod sessions;
mod shown;
mod sign_in;
mod stopped;
mod strangers;
