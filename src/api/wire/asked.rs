//! Records the fields and parameters that readers use, so that tests can compare them with the document.

use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    static ASKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records the use of `name`.
pub(crate) fn note(name: impl Into<String>) {
    ASKED.with_borrow_mut(|asked| asked.insert(name.into()));
}

/// Every name that `read` uses.
pub(crate) fn by<T>(read: impl FnOnce() -> T) -> BTreeSet<String> {
    ASKED.take();
    read();
    ASKED.take()
}
