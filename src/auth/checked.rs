//! The result of a check: available now from memory, or later.

use std::future::{Future, IntoFuture, Ready, ready};

use futures_util::future::Either;

/// The result of a check. Callers that can wait await it, and callers that can't match on it. So "memory first, then
/// wait" is implemented only here.
pub enum Checked<T, F> {
    /// Memory had the answer.
    Now(T),
    /// The answer needs the database, the hasher or an issuer. Nothing happens until the future is polled.
    Later(F),
}

impl<T, F> Checked<T, F> {
    /// The answer, if memory had it.
    pub fn now(self) -> Option<T> {
        match self {
            Self::Now(answer) => Some(answer),
            Self::Later(_) => None,
        }
    }
}

impl<T, F: Future<Output = T>> Checked<T, F> {
    /// What `then` makes of the answer, as soon as there is one.
    pub fn map<U>(self, then: impl FnOnce(T) -> U) -> Checked<U, impl Future<Output = U>> {
        match self {
            Self::Now(answer) => Checked::Now(then(answer)),
            Self::Later(waiting) => Checked::Later(async move { then(waiting.await) }),
        }
    }
}

impl<T, F: Future<Output = T>> IntoFuture for Checked<T, F> {
    type Output = T;
    type IntoFuture = Either<Ready<T>, F>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Self::Now(answer) => Either::Left(ready(answer)),
            Self::Later(waiting) => Either::Right(waiting),
        }
    }
}
