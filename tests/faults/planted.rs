//! Defects that are put there on purpose. The checker finds them, or it proves nothing elsewhere.

use std::collections::BTreeSet;

use test_support::superuser_pool;

use crate::{
    checker::Violation,
    scene::{LiveKey, Scene},
};

/// Keys to revoke, at most. A busy machine may cost a replica its lease for a moment; it reads the row then, and
/// refuses the key that it would have gone on accepting.
const TURNS: usize = 10;

/// Revokes keys, the given one first, until these replicas were caught accepting one afterwards. No other may be.
async fn are_caught<const N: usize>(scene: &Scene, first: LiveKey, replicas: [usize; N]) {
    let mut key = first;
    let mut caught = BTreeSet::new();
    for _ in 0..TURNS {
        assert_eq!(scene.revoke(&key, 0).await.status(), Some(200));
        let demands = scene.demands(1);
        let violations = scene.verdict(&demands).await.err().unwrap_or_default();
        caught.extend(violations.iter().map(stale_at));
        assert!(caught.is_subset(&BTreeSet::from(replicas)), "{caught:?}");
        if caught == BTreeSet::from(replicas) {
            return;
        }
        key = scene.live_key().await;
    }
    panic!("only {caught:?} of {replicas:?} were caught in {TURNS} turns");
}

fn stale_at(violation: &Violation) -> usize {
    match violation {
        Violation::AcceptedAfterRevoke(check, _) => check.replica,
        other => panic!("another violation than the planted one: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_news_of_changes_are_lost_but_not_its_heartbeats_is_caught() {
    let (scene, [key]) = Scene::open(3).await;
    scene.members[1].listening.swallow("changed ");
    are_caught(&scene, key, [1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_tells_nobody_of_changes_is_caught() {
    const SILENT: &str = "CREATE OR REPLACE FUNCTION announce_key_change(ids uuid[]) RETURNS bigint
                          LANGUAGE sql AS $$ SELECT nextval('key_changes') $$";
    let (scene, [key]) = Scene::open(3).await;
    let database = superuser_pool(scene.url()).await;
    sqlx::raw_sql(SILENT).execute(&database).await.expect("the function is replaced");
    are_caught(&scene, key, [0, 1, 2]).await;
}
