//! Reads rows in batches: while the database is answering, further questions gather into one. After
//! a lost connection, when every row must be read again, this makes few statements of many.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
};

use crate::domain::{
    api_key::KeyId,
    ports::{KeyStore, StoreError, StoredKey},
};

/// Statements under way at once. The pool has connections besides for writing.
const BATCHES_AT_ONCE: usize = 4;
/// Rows in one statement.
const BATCH_MAX: usize = 256;

type Answer = Result<Option<Arc<StoredKey>>, StoreError>;

struct Question {
    id: KeyId,
    reply: oneshot::Sender<Answer>,
}

/// Reads keys' rows.
pub(super) struct KeyReader {
    questions: mpsc::Sender<Question>,
}

impl KeyReader {
    /// A reader that works on `runtime`. At most `capacity` questions wait.
    pub(super) fn start(store: Arc<dyn KeyStore>, capacity: usize, runtime: &Handle) -> Self {
        let (questions, receiver) = mpsc::channel(capacity);
        runtime.spawn(answer_all(store, receiver));
        Self { questions }
    }

    /// The key's row, from a read that begins after this call.
    pub(super) async fn read(&self, id: KeyId) -> Answer {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the reader has stopped".to_owned());
        self.questions.send(Question { id, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

async fn answer_all(store: Arc<dyn KeyStore>, mut questions: mpsc::Receiver<Question>) {
    let turns = Arc::new(Semaphore::new(BATCHES_AT_ONCE));
    loop {
        // First the turn, then the questions: they gather while there is none.
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        let mut batch = Vec::new();
        if questions.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            answer(&*store, batch).await;
            drop(turn);
        });
    }
}

async fn answer(store: &dyn KeyStore, mut batch: Vec<Question>) {
    let mut ids: Vec<KeyId> = batch.iter().map(|question| question.id).collect();
    ids.sort_unstable();
    ids.dedup();
    match find(store, &ids).await {
        // One row that cannot be read must not take the others with it.
        Err(StoreError::Corrupt(_)) if ids.len() > 1 => {
            for id in ids {
                reply(batch.extract_if(.., |question| question.id == id), &find(store, &[id]).await);
            }
        }
        found => reply(batch, &found),
    }
}

type Found = Result<HashMap<KeyId, Arc<StoredKey>>, StoreError>;

async fn find(store: &dyn KeyStore, ids: &[KeyId]) -> Found {
    let keys = store.find(ids).await?;
    Ok(keys.into_iter().map(|key| (key.record.id, key)).collect())
}

fn reply(questions: impl IntoIterator<Item = Question>, found: &Found) {
    for Question { id, reply } in questions {
        let answer = found.as_ref().map(|keys| keys.get(&id).cloned()).map_err(Clone::clone);
        // Whoever has hung up does not want it any more.
        let _ = reply.send(answer);
    }
}
