//! A runtime with a single thread for hashes, which the test can pause.

use std::sync::mpsc;

use tokio::runtime::Builder;

/// Where all hashes of the test are computed, one after the other.
pub struct HashingThread(());

/// Ends when it is dropped, at the latest.
pub struct Pause {
    _end: mpsc::Sender<()>,
}

impl HashingThread {
    /// Runs a test that begins with a free thread.
    pub fn test(test: impl AsyncFnOnce(Self)) {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(test(Self(())));
    }

    /// Hashes wait from now on, in the order in which they come.
    pub async fn pause(&self) -> Pause {
        let (end, ended) = mpsc::channel();
        let (started, has_started) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = started.send(());
            // An error, too, means that the pause is over.
            let _ = ended.recv();
        });
        has_started.await.expect("a thread");
        Pause { _end: end }
    }

    /// Lets every task of this one-threaded runtime go on until it waits for the hashing thread.
    pub async fn everything_else_has_run() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

impl Pause {
    pub fn end(self) {
        drop(self);
    }
}
