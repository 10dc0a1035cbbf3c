//! The layers in front of and around the handlers.

pub(crate) mod authenticate;
pub(crate) mod caller;
pub(crate) mod cors;
pub(crate) mod edge;
pub(crate) mod explanation;
pub(crate) mod immediate;
pub(crate) mod key_check;
pub(crate) mod root_span;
pub(crate) mod strict;
