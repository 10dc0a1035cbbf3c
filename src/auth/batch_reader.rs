//! Reads rows in batches: requests that arrive while the database is answering are combined into one statement. After a
//! lost connection, when every row must be read again, this turns many statements into a few.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tracing::{Instrument, Span};

use super::batches::in_batches;
use crate::domain::ports::StoreError;

/// The source of the rows.
#[async_trait]
pub(super) trait Rows: Send + Sync + 'static {
    /// The maximum number of concurrent statements. The pool keeps further connections for other rows and for writing.
    const BATCHES_AT_ONCE: usize;

    /// The id of a row.
    type Id: Copy + Ord + Hash + Send + Sync + 'static;
    /// The content of a row.
    type Row: Clone + Send + Sync + 'static;

    /// The existing rows among these, from one statement that begins after the call.
    async fn find(&self, ids: &[Self::Id]) -> Result<HashMap<Self::Id, Self::Row>, StoreError>;
}

type RowResult<R> = Result<Option<<R as Rows>::Row>, StoreError>;

struct RowRequest<R: Rows> {
    id: R::Id,
    /// What waits for it, in traces.
    span: Span,
    reply: oneshot::Sender<RowResult<R>>,
}

/// Reads rows of one kind.
pub(super) struct BatchReader<R: Rows> {
    requests: mpsc::Sender<RowRequest<R>>,
}

impl<R: Rows> BatchReader<R> {
    /// Starts a reader on `runtime`. At most `capacity` requests wait.
    pub(super) fn start(rows: R, capacity: usize, runtime: &Handle) -> Self {
        let (requests, receiver) = mpsc::channel(capacity);
        let rows = Arc::new(rows);
        let work = move |batch| answered(Arc::clone(&rows), batch);
        runtime.spawn(in_batches(receiver, R::BATCHES_AT_ONCE, work));
        Self { requests }
    }

    /// The row, from a read that begins after this call.
    pub(super) async fn read(&self, id: R::Id) -> RowResult<R> {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the reader has stopped".to_owned());
        self.requests.send(RowRequest { id, span: Span::current(), reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Answers the requests. A statement for several of them is in the trace of the first.
fn answered<R: Rows>(rows: Arc<R>, batch: Vec<RowRequest<R>>) -> impl Future<Output = ()> + Send + 'static {
    let traced = batch.iter().map(|request| &request.span).find(|span| !span.is_disabled());
    let span = traced.cloned().unwrap_or_else(Span::none);
    async move { answer(&*rows, batch).await }.instrument(span)
}

async fn answer<R: Rows>(rows: &R, mut batch: Vec<RowRequest<R>>) {
    let mut ids: Vec<R::Id> = batch.iter().map(|question| question.id).collect();
    ids.sort_unstable();
    ids.dedup();
    match rows.find(&ids).await {
        // A row that can't be decoded must not fail the others.
        Err(StoreError::Corrupt(_)) if ids.len() > 1 => {
            for id in ids {
                reply::<R>(batch.extract_if(.., |question| question.id == id), &rows.find(&[id]).await);
            }
        }
        found => reply::<R>(batch, &found),
    }
}

fn reply<R: Rows>(
    requests: impl IntoIterator<Item = RowRequest<R>>,
    found: &Result<HashMap<R::Id, R::Row>, StoreError>,
) {
    for RowRequest { id, reply, .. } in requests {
        let answer = found.as_ref().map(|rows| rows.get(&id).cloned()).map_err(Clone::clone);
        // The receiver may be gone.
        let _ = reply.send(answer);
    }
}
