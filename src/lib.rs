//! Keyward issues API keys to people who hold a JWT and checks both on every request, in front of
//! any API.
//!
//! It is a program, and this library, by which an [actix-web](https://docs.rs/actix-web) application checks the keys by
//! itself: as one more replica on the same Postgres, under the same promise. When a revoke returns, on any replica, no
//! replica accepts that key any more.
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
//! Ask for it with `default-features = false`: the feature `server` is the program. What stands on this page is the
//! library; the modules are the program's parts, which are hidden from it and may change in any release.
//!
//! # The house
//!
//! The folders are the architecture, and imports run one way (`tests/architecture.rs` holds them to it):
//!
//! ```text
//! main -> startup -> {api, store, outbound, policy_file}      {store, outbound, policy_file} -> domain
//!                     api -> {server, protect}    server -> protect -> auth -> domain
//! ```
//!
//! - `domain`: keys, principals, verdicts, and the traits that adapters implement. It does no I/O and reads no clock.
//! - `auth`: the use cases: check a key, verify a token, hash, issue, change.
//! - `store`: the only place with SQL.
//! - `outbound`: the only place that opens connections to other servers, for issuers' key sets.
//! - `policy_file`: reads the policy again when its file changes.
//! - `protect`: the check in front of actix-web handlers.
//! - `api`: Keyward's own routes, all of which are listed in `api::routes`.
//! - `config`: one struct per section; every part reads its own.
//! - `startup`: puts the parts together; the only part that knows every adapter.
//! - `server`: everything between the sockets and an application: listeners, connections, bounds of requests and answers.
//! - `telemetry`: where log lines go and in which form, and how much is logged of a flood or an outage.
//! - `turns`: how many requests of one owner may use a shared resource at once.
//!
//! The Postgres of `keyward dev` and of the tests is a crate of its own, `crates/local_postgres`.

#![deny(missing_docs)]

// Public for the program `keyward`, the tests and the benchmarks, which are other crates to the compiler, and hidden, for no
// application is meant to use them: what is hidden is no part of the interface that versions keep (docs/decisions/0041).
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod api;
#[doc(hidden)]
pub mod auth;
#[doc(hidden)]
pub mod config;
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
        ClaimPath, ClientAddressHeader, Issuer, IssuerKeys, Jwt, JwtAlgorithm, KeyFetch, MalformedScopes, WeakSecret,
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

/// Compiles what the guide shows.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Guide;
