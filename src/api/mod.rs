//! Keyward's HTTP API. The check in front of it is in [`protect`](crate::protect).

pub(crate) mod access;
pub mod application;
pub mod endpoint;
pub(crate) mod handlers;
mod openapi;
mod paths;
mod readiness;
pub mod request_metrics;
pub mod routes;
mod services;
pub mod wire;

pub(crate) use self::access::authenticate::OwnRoutes;
pub use self::handlers::authorize::Authorize;
pub use self::{
    application::CONSOLE_CONNECTIONS,
    handlers::{
        audit::{Event, csv_header, csv_lines, ndjson},
        keys::representation::{CreatedKey, Key, RotatedKey},
        metrics::MetricsPage,
        owner_limits::OwnerLimits,
        owners::OwnerDetails,
        plans::{OwnerPlan, Plan},
        tokens::EndedTokens,
        usage::{UsageReport, usage_csv},
        verify::{KeyQuery, Verification},
    },
    readiness::Readiness,
    services::{ConsoleLinks, Services},
    wire::actor::read as read_actor,
};
