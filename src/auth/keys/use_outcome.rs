//! What comes of the use of an authentic key.

use std::sync::Arc;

use crate::{
    auth::Undecided,
    domain::{
        key_record::KeyRecord,
        limits::{Allowance, Exceeded},
        principal::Principal,
        verdict::Verdict,
    },
};

/// Why a use of an authentic key was refused.
#[derive(Clone, Debug)]
pub enum NotUsed<R> {
    /// For this reason, which the caller has found.
    Refused(R),
    /// A limit is exhausted.
    Limited(Exceeded),
}

/// The outcome of a use that could be decided, or none.
pub(super) type Used<T, E> = Result<Result<T, E>, Undecided>;
/// A key whose limits were charged.
pub(super) type Charged = Used<(Arc<KeyRecord>, Allowance), Exceeded>;

/// The outcome for a caller who has the key already.
pub(super) fn used<R>(charged: Charged) -> Used<Allowance, NotUsed<R>> {
    charged.map(|charged| charged.map(|(_, allowance)| allowance).map_err(NotUsed::Limited))
}

/// The verdict on a key that nothing else refuses.
pub(super) fn judged(charged: Result<(Arc<KeyRecord>, Allowance), Exceeded>) -> Verdict {
    match charged {
        Ok((record, allowance)) => Verdict::Granted(Principal::proven_key(record, allowance)),
        Err(exceeded) => Verdict::Limited(exceeded),
    }
}
