//! Replaces hashes that have other parameters than new ones get. Nobody waits for this: one key at a time is rehashed,
//! at most [`WAITING_MAX`] wait, and a key that finds no place, or whose hash can't be written, is tried again at its
//! next first check. It changes no right, so nothing is announced, and no failure is reported.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::mpsc, task::AbortHandle};
use zeroize::Zeroizing;

use super::hasher::{Hasher, Lane};
use crate::{
    auth::Undecided,
    domain::{
        api_key::{KeyId, KeySecret},
        ports::keys::{KeyStore, StoredKey},
    },
};

/// Each takes some 2 KB while it waits.
const WAITING_MAX: usize = 1024;

/// A proven key whose hash is to be replaced.
pub(super) struct OutdatedHash {
    pub(super) id: KeyId,
    pub(super) secret: KeySecret,
    pub(super) pepper: Zeroizing<[u8; 32]>,
    pub(super) stored: Arc<StoredKey>,
}

/// The queue of keys to rehash.
pub(super) struct Rehasher {
    queue: mpsc::Sender<OutdatedHash>,
    task: AbortHandle,
}

impl Rehasher {
    /// Starts to work on `runtime`, until this is dropped.
    pub(super) fn start(hasher: Arc<Hasher>, store: Arc<dyn KeyStore>, runtime: &Handle) -> Self {
        let (queue, mut waiting) = mpsc::channel(WAITING_MAX);
        let task = runtime.spawn(async move {
            while let Some(outdated) = waiting.recv().await {
                replace(outdated, &hasher, &*store).await;
            }
        });
        Self { queue, task: task.abort_handle() }
    }

    /// Rehashes a key soon, if there is a place in the queue.
    pub(super) fn submit(&self, outdated: OutdatedHash) {
        let _ = self.queue.try_send(outdated);
    }
}

impl Drop for Rehasher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn replace(outdated: OutdatedHash, hasher: &Hasher, store: &dyn KeyStore) {
    let OutdatedHash { id, secret, pepper, stored } = outdated;
    let replaced = async {
        let hash = hasher.hash(secret, &pepper, Lane::Issue).await?;
        Ok::<_, Undecided>(store.replace_hash(id, &stored.hash, &hash).await?)
    };
    match replaced.await {
        Ok(()) => tracing::debug!(key_id = %id, "rehashed a key with the current parameters"),
        Err(error) => tracing::debug!(key_id = %id, %error, "could not rehash a key; its next first use tries again"),
    }
}
