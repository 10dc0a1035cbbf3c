//! What a connection and the application behind it know of the request under way. There is one at a time.

use std::cell::Cell;

/// Shared by the connection below actix-http and the service above it.
#[derive(Default)]
pub(super) struct Exchange {
    /// The request was handed to actix-http to its last byte.
    pub(super) is_whole: Cell<bool>,
    /// No more of its body is wanted.
    pub(super) is_enough: Cell<bool>,
    /// The answer was handed to actix-http to its last byte.
    pub(super) is_answered: Cell<bool>,
    /// Nothing that comes after the answer is a request.
    pub(super) is_last: Cell<bool>,
    /// Bytes of the answer that are in memory for this client alone, were not reserved, and are not handed over yet.
    pub(super) unsent: Cell<usize>,
    /// The connection holds a part of the budget for as long as it lasts.
    pub(super) is_costly: Cell<bool>,
}

impl Exchange {
    /// The next request may come.
    pub(super) fn begin(&self) {
        let Self { is_whole, is_enough, is_answered, is_last, unsent, is_costly: _ } = self;
        for flag in [is_whole, is_enough, is_answered, is_last] {
            flag.set(false);
        }
        unsent.set(0);
    }
}
