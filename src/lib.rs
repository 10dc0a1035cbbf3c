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
//! The folders are the architecture: `docs/ARCHITECTURE.md` is their map, and `tests/architecture.rs` holds their
//! imports to it.

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
