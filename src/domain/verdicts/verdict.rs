//! The outcomes of a check. A denial is a value with a private reason; strangers see a different, smaller type.

use std::sync::Arc;

use crate::domain::{
    denial::Denial,
    limits::Exceeded,
    principal::{Principal, TokenIdentity},
};

/// The outcome of a check that could be decided.
#[derive(Debug)]
pub enum Verdict {
    /// The credential is valid.
    Granted(Principal),
    /// The credential is refused.
    Denied(Denial),
    /// The credential is valid, but one of its limits is exhausted.
    Limited(Exceeded),
    /// A valid token that states that its owner is disabled: it is refused, and the owner's keys must be disabled.
    OwnerDisabled(Arc<TokenIdentity>),
}
