//! The handlers. The files are named like the routes.

pub(crate) mod audit;
pub(crate) mod authorize;
pub(crate) mod compatibility;
pub(crate) mod console_sessions;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod oauth;
pub(crate) mod owner_limits;
pub(crate) mod owners;
pub(crate) mod plans;
pub(crate) mod problem_page;
pub(crate) mod scopes;
pub(crate) mod tokens;
pub(crate) mod top_ups;
pub(crate) mod usage;
pub(crate) mod verify;
