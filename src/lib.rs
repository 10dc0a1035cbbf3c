//! Keyward issues API keys to people who hold a JWT and checks both on every request, in front of
//! any API.
//!
//! It is a program, and this library, with which an [actix-web](https://docs.rs/actix-web) application checks keys
//! itself, as another replica on the same Postgres, with the same promise: when a revocation returns on any replica, no
//! replica accepts the key any more.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use keyward::{Authorized, Keyward, Pepper, Protect, SecretString, Settings, scope};
//!
//! scope!(OrdersRead = "orders:read");
//!
//! async fn orders(customer: Authorized<OrdersRead>) -> String {
//!     format!("the orders of {}", customer.owner().subject)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let database = SecretString::new(std::env::var("DATABASE_URL")?);
//!     let pepper = Pepper::new(SecretString::new(std::env::var("KEYWARD_PEPPER")?))?;
//!     let keyward = Keyward::connect(Settings::new(database, vec![pepper])).await?;
//!     let protected = keyward.clone();
//!     HttpServer::new(move || {
//!         let orders = web::scope("/orders")
//!             .wrap(Protect::new(protected.clone()).require(scope!("orders:read")))
//!             .route("", web::get().to(orders));
//!         App::new().app_data(protected.clone()).service(orders)
//!     })
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await?;
//!     keyward.close().await;
//!     Ok(())
//! }
//! ```
//!
//! Use it with `default-features = false`: the feature `server` is the program. This page documents the library. The
//! modules are parts of the program; they are hidden, and may change in any release.
//!
//! # Architecture
//!
//! The folders are the architecture, and imports run in one direction (`tests/architecture.rs` enforces it):
//!
//! ```text
//! main -> startup -> {api, console, store, outbound, policy_file}      {store, outbound, policy_file} -> domain
//!                     api -> {server, protect}    {server, console} -> protect -> auth -> domain
//! ```
//!
//! - `domain`: keys, principals, verdicts, and the traits that adapters implement. No I/O and no clock.
//! - `auth`: the use cases: check a key, verify a token, hash, issue, change.
//! - `store`: the only place with SQL.
//! - `outbound`: the only place that sends requests to other servers, for issuers' key sets.
//! - `policy_file`: reloads the policy when its file changes.
//! - `protect`: the check in front of actix-web handlers.
//! - `api`: Keyward's own routes, all of which are listed in `api::routes`.
//! - `console`: the pages on which people manage keys.
//! - `config`: one struct per section; every part reads its own.
//! - `startup`: assembles the parts; the only part that knows every adapter.
//! - `server`: everything between the sockets and an application: listeners, connections, limits on requests and
//!   responses.
//! - `telemetry`: the destination and format of log lines, and how much of a flood or an outage is logged.
//! - `turns`: how many requests of one owner may use a shared resource at once.
//!
//! The Postgres of `keyward dev` and of the tests is a crate of its own, `crates/local_postgres`.

#![deny(missing_docs)]

// Public for the program `keyward`, the tests and the benchmarks, which are other crates to the compiler. Hidden,
// because applications are not meant to use them: hidden items are not part of the versioned interface
// (docs/decisions/0041).
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod api;
#[doc(hidden)]
pub mod auth;
#[doc(hidden)]
pub mod config;
#[cfg(feature = "server")]
mod console;
#[doc(hidden)]
pub mod domain;
mod outbound;
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod policy_file;
#[doc(hidden)]
pub mod protect;
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod server;
#[doc(hidden)]
pub mod startup;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod telemetry;
mod turns;

pub use ipnet::IpNet;

pub use crate::{
    config::{
        ClaimPath, ClientAddressHeader, HashingProfile, Issuer, IssuerKeys, Jwt, JwtAlgorithm, KeyFetch, LegacyHeaders,
        MalformedScopes, WeakSecret,
    },
    domain::{
        api_key::{Pepper, Prefix, WeakPepper},
        owner::Owner,
        principal::Principal,
        scope::{
            InvalidScopes, Scopes,
            required::{NamedScope, RequiredScope},
        },
        secret::{SecretBytes, SecretString},
    },
    protect::{Authorized, Credentials, Keyward, Protect, Refused},
    startup::{ConnectError, Settings},
};

/// Compiles the examples in the library page.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Guide;
