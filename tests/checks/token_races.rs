//! Remembering tokens against ending them, on real threads.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use keyward::{
    auth::tokens::check::TokenChecker,
    domain::{
        token::{TokenEnd, TokenRecords},
        verdict::Verdict,
    },
};
use serde_json::json;
use test_support::{
    in_time,
    world::{
        NOW, World,
        tokens::{claims, signed},
    },
};
use tokio::task::JoinHandle;

const READERS: usize = 3;
/// Checks that have read, and as many that have not: with less of either there was no race.
const ENOUGH: usize = 1000;

/// The subject's not-before goes up by a second at a time. Readers present a token that is just new enough, so that it
/// is remembered, and again when it is not any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_not_before_was_applied_no_check_accepts_an_earlier_token() {
    let world = Arc::new(World::usual().await);
    let (tokens, race) = (world.tokens(), Arc::new(Race::default()));
    let readers: Vec<_> = (0..READERS).map(|_| tokio::spawn(Arc::clone(&race).read(Arc::clone(&tokens)))).collect();
    let ends = async {
        for second in 1.. {
            let not_before = NOW + time::Duration::seconds(second);
            world.end(TokenRecords::of("", None, "alice"), TokenEnd::NotBefore(not_before)).await;
            race.applied.store(second, Ordering::SeqCst);
            let (checks, queries) = (race.checks.load(Ordering::SeqCst), world.store.queries());
            let a_reader_has_failed = readers.iter().any(JoinHandle::is_finished);
            if a_reader_has_failed || queries >= ENOUGH && checks >= queries + ENOUGH {
                break;
            }
        }
    };
    in_time("a race", ends).await;
    race.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("no check accepted an earlier token");
    }
}

#[derive(Default)]
struct Race {
    /// The latest not-before that the replica has applied, in seconds after now.
    applied: AtomicI64,
    over: AtomicBool,
    checks: AtomicUsize,
}

impl Race {
    async fn read(self: Arc<Self>, tokens: Arc<TokenChecker>) {
        let mut remembered: Option<(i64, String)> = None;
        while !self.over.load(Ordering::SeqCst) {
            let second = self.applied.load(Ordering::SeqCst);
            if let Some((of, token)) = &remembered
                && *of < second
            {
                assert!(!self.accepts(&tokens, token, second).await, "a token of {of} s was accepted after {second} s");
            }
            let mut claims = claims("1", "alice");
            claims["iat"] = json!(NOW.unix_timestamp() + second);
            claims["exp"] = json!(NOW.unix_timestamp() + 80_000);
            let token = signed(&claims);
            for _ in 0..10 {
                self.accepts(&tokens, &token, second).await;
            }
            remembered = Some((second, token));
            // A check from memory never waits, and the others want the thread, too.
            tokio::task::yield_now().await;
        }
    }

    async fn accepts(&self, tokens: &TokenChecker, token: &str, second: i64) -> bool {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let now = NOW + time::Duration::seconds(second);
        matches!(tokens.check(token.as_bytes(), now).await, Ok(Verdict::Granted(_)))
    }
}
