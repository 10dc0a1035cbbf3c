//! What is lost at the worst moment: amid a revoke. The database's locks say when that is.

use futures_util::future::join_all;
use sqlx::PgPool;
use test_support::{eventually, superuser_pool};

use crate::{
    checker::{BUSY_MACHINE, Demands},
    fleet::POOL_SIZE,
    scene::Scene,
};

/// The replica that loses.
const VICTIM: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_lost_without_a_word_amid_revokes_are_replaced_and_hold_up_no_revoke_elsewhere() {
    let (scene, keys) = Scene::open::<POOL_SIZE>(3).await;
    let database = superuser_pool(scene.url()).await;
    let mut lock = database.begin().await.expect("a transaction");
    sqlx::raw_sql("LOCK TABLE api_keys IN SHARE MODE").execute(&mut *lock).await.expect("a lock");
    let revokes = join_all(keys.iter().map(|key| scene.revoke_only(key, VICTIM)));
    let loss = async {
        let all_wait =
            async || waiting_statements(&database, "%UPDATE api_keys SET revoked_at%").await == POOL_SIZE as i64;
        eventually("each of the replica's connections waits with a revoke", all_wait).await;
        scene.members[VICTIM].main.forget();
        lock.rollback().await.expect("no lock");
    };
    let (revokes, ()) = tokio::join!(revokes, loss);
    assert!(revokes.iter().all(|revoked| revoked.status() == Some(503)), "{revokes:?}");
    for key in &keys {
        scene.revoke_at_last(key, 0).await;
    }
    scene.settles().await;
    let demands = Demands { may_be_unavailable: vec![VICTIM], ..scene.demands(keys.len()) };
    scene.passes("connections forgotten", &demands).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_whose_replica_loses_the_database_after_the_commit_returns_soon_after_it_is_back() {
    let (scene, [key]) = Scene::open(3).await;
    let database = superuser_pool(scene.url()).await;
    scene.members[VICTIM].listening.hold();
    let mut lock = database.begin().await.expect("a transaction");
    sqlx::raw_sql("LOCK TABLE coherence IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let outage = async {
        let asks = async || waiting_statements(&database, "SELECT longest_lease_ms%").await > 0;
        eventually("the revoker asks how long to wait", &asks).await;
        eventually("the database's answer is that it took too long", async || !asks().await).await;
        lock.rollback().await.expect("no lock");
        scene.recorder.now()
    };
    let (revoked, back) = tokio::join!(scene.revoke(&key, VICTIM), outage);
    assert_eq!(revoked.status(), Some(200));
    scene.members[VICTIM].mend();
    let demands = scene.demands(1);
    assert!(revoked.log.end < back + demands.revoke_within + BUSY_MACHINE, "{revoked:?}, back at {back:?}");
    let demands = Demands { revoke_within: revoked.log.end - revoked.log.start, ..demands };
    scene.passes("lost after the commit", &demands).await;
}

/// How many statements like this wait for a lock.
async fn waiting_statements(database: &PgPool, like: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1";
    sqlx::query_scalar(count).bind(like).fetch_one(database).await.expect("a number")
}
