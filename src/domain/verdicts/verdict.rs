//! The outcomes of a check. A denial is a value with a private reason; strangers see a different, smaller type.

use std::sync::Arc;

use crate::domain::{
    denial::Denial,
    principal::{Principal, TokenIdentity},
};

/// The outcome of a check that could be decided.
#[derive(Debug)]
pub enum Verdict {
    /// The credential is valid.
    Granted(Principal),
    /// The credential is refused.
    Denied(Denial),
    /// A valid token that states that its owner is disabled: it is refused, and the owner's keys must be disabled.
    OwnerDisabled(Arc<TokenIdentity>),
}
