//! The state of the current request, shared by a connection and the application behind it.

use std::cell::Cell;

/// Shared by the connection below actix-http and the service above it.
#[derive(Default)]
pub(super) struct Exchange {
    /// The whole request was handed to actix-http.
    pub(super) is_whole: Cell<bool>,
    /// The rest of the body is not wanted.
    pub(super) is_enough: Cell<bool>,
    /// The whole response was handed to actix-http.
    pub(super) is_answered: Cell<bool>,
    /// No further request follows the response.
    pub(super) is_last: Cell<bool>,
    /// Bytes of the response that only this client uses, that are not reserved, and that are not handed over yet.
    pub(super) unsent: Cell<usize>,
    /// The connection holds part of the budget until it ends.
    pub(super) is_costly: Cell<bool>,
}

impl Exchange {
    /// Prepares for the next request.
    pub(super) fn begin(&self) {
        let Self { is_whole, is_enough, is_answered, is_last, unsent, is_costly: _ } = self;
        for flag in [is_whole, is_enough, is_answered, is_last] {
            flag.set(false);
        }
        unsent.set(0);
    }
}
