//! Combines what waits for the database into batches.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

/// The maximum number of members of a batch, which is one statement.
pub(super) const BATCH_MAX: usize = 256;

/// Does `work` with what waits, in as large batches as accumulate while `at_once` of them are under way. Ends when
/// nobody can send any more.
pub(super) async fn in_batches<B, W>(mut waiting: mpsc::Receiver<B>, at_once: usize, work: impl Fn(Vec<B>) -> W + Send)
where
    B: Send,
    W: Future<Output = ()> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(at_once));
    loop {
        // The permit comes first: while there is none, more accumulates for the next batch.
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        let mut batch = Vec::new();
        if waiting.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let working = work(batch);
        tokio::spawn(async move {
            working.await;
            drop(turn);
        });
    }
}
