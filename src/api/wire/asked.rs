//! Which fields and parameters the readers asked for, so that a test can compare them with the document.

use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static ASKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// `name` was asked for.
pub(crate) fn note(name: impl Into<String>) {
    ASKED.with_borrow_mut(|asked| asked.insert(name.into()));
}

/// Everything that `read` asked for.
pub(crate) fn by<T>(read: impl FnOnce() -> T) -> BTreeSet<String> {
    ASKED.take();
    read();
    ASKED.take()
}
