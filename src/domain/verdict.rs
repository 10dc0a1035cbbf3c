//! What a check decides. A denial is a value with a private reason; what a stranger is told is a
//! different and smaller type.

use std::sync::Arc;

use super::{
    denial::Denial,
    principal::{Principal, TokenIdentity},
};

/// The outcome of a check that could be decided.
#[derive(Debug)]
pub enum Verdict {
    /// The credential is good.
    Granted(Principal),
    /// It is not.
    Denied(Denial),
    /// It is a good token, and says that its owner is disabled: it is refused, and the owner's keys are
    /// to be stopped.
    OwnerDisabled(Arc<TokenIdentity>),
}
