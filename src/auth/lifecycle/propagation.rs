//! Makes changes, and waits until every replica applies them.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use tracing::Instrument;

use super::Lifecycle;
use crate::{
    auth::{
        Undecided, clock,
        coherence::{Announced, Link, Mark, Settled},
    },
    domain::{
        audit::Author,
        ledger::{ChangeContext, Reach, Refusal},
        ports::StoreError,
    },
    telemetry::steps::step,
};

/// What a change has come to, now that every replica applies it.
#[derive(Clone, Copy, Debug)]
pub struct Applied<T> {
    /// What the change has come to.
    pub outcome: T,
    /// How it reached every replica.
    pub propagated: Propagated,
}

/// How a change reached every replica.
#[derive(Clone, Copy, Debug)]
pub struct Propagated {
    /// How the change was settled.
    pub settled: Settled,
    /// The time from the commit until it was settled.
    pub took: Duration,
}

impl Propagated {
    /// How many replicas have confirmed the change, this one included, and how many were silent until their lease
    /// ended.
    pub fn replicas(&self) -> (usize, usize) {
        match self.settled {
            Settled::Heard { confirmed, expired } => (confirmed + 1, expired),
            // No replica could be heard, so every lease was waited for.
            Settled::Unheard => (1, 0),
        }
    }
}

/// The outcome of a change: done or refused. The outer `Err` is an outage.
pub type Done<T, R = Refusal> = Result<Result<T, R>, Undecided>;

/// The store's answer to a change: done or refused.
pub(super) type Answer<'a, T, R> = Pin<Box<dyn Future<Output = Result<Result<T, R>, StoreError>> + Send + 'a>>;

impl Lifecycle {
    /// Makes the change that `call` asks the store for, and waits until every replica applies it, even if the caller
    /// goes away. A refusal needs no wait.
    pub(super) async fn propagate<C, T, R>(
        self: &Arc<Self>,
        change: C,
        reach: Reach,
        author: Author,
        call: impl for<'a> FnOnce(&'a Self, &'a C, ChangeContext<'a>) -> Answer<'a, T, R> + Send + 'static,
    ) -> Done<Applied<T>, R>
    where
        C: Send + Sync + 'static,
        T: Send + 'static,
        R: Send + 'static,
    {
        let lifecycle = Arc::clone(self);
        let work = async move { lifecycle.propagated(&change, &reach, &author, call).await };
        self.to_its_end(work).await
    }

    /// The same, within work that runs to its end.
    pub(super) async fn propagated<'a, C, T, R>(
        &self,
        change: &'a C,
        reach: &'a Reach,
        author: &'a Author,
        call: impl for<'b> FnOnce(&'b Self, &'b C, ChangeContext<'b>) -> Answer<'b, T, R> + Send,
    ) -> Done<Applied<T>, R> {
        let watch = Watch::begin(self.link.as_ref());
        match call(self, change, watch.together(reach, author)).await? {
            Ok(outcome) => Ok(Ok(watch.applied(outcome).await)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

/// The answer to a change that the store does not refuse.
pub(super) fn unrefused<'a, T: 'a>(
    call: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> Answer<'a, T, Infallible> {
    Box::pin(async { call.await.map(Ok) })
}

/// Follows a change from before its commit until every replica applies it.
pub(super) struct Watch {
    announced: Option<Announced>,
}

impl Watch {
    pub(super) fn begin(link: Option<&Arc<Link>>) -> Self {
        Self { announced: link.map(Link::announce) }
    }

    pub(super) fn mark(&self) -> Option<&Mark> {
        self.announced.as_ref().map(Announced::mark)
    }

    /// The circumstances of a change that this follows.
    pub(super) fn together<'a>(&'a self, reach: &'a Reach, author: &'a Author) -> ChangeContext<'a> {
        ChangeContext { reach, author, mark: self.mark() }
    }

    /// Waits until every replica applies the change. Must be called as soon as the commit is known.
    pub(super) async fn applied<T>(self, outcome: T) -> Applied<T> {
        // Read after the commit, so it is later than the change; that can only lengthen the wait.
        let committed_at = clock::now();
        let settled = match &self.announced {
            Some(announced) => announced.settled(committed_at).instrument(step!("confirmation")).await,
            None => Settled::Unheard,
        };
        let took = Duration::from_nanos(clock::now().as_nanos().saturating_sub(committed_at.as_nanos()));
        Applied { outcome, propagated: Propagated { settled, took } }
    }
}
