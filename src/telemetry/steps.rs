//! The steps of traced requests: what a request waited for, as spans of its trace.
//!
//! A step is an ordinary span of the crate `tracing`, with a target of its own. Without a subscriber that asks for this
//! target, a step costs one atomic load, and is not made.

/// The target of spans that only exist below others.
#[cfg(feature = "server")]
pub(crate) const STEP: &str = "keyward::traces";
/// The target of spans that begin a trace, besides requests.
#[cfg(feature = "server")]
pub(crate) const BEGINNING: &str = "keyward::traces::begin";

/// A span below the current one, if that is traced. Its fields must not have text from a client.
macro_rules! step {
    ($name:literal $($fields:tt)*) => { tracing::info_span!(target: "keyward::traces", $name $($fields)*) };
}

/// A span that begins a trace, for work that no request waits for.
macro_rules! beginning {
    ($name:literal $($fields:tt)*) => { tracing::info_span!(target: "keyward::traces::begin", $name $($fields)*) };
}

pub(crate) use {beginning, step};
