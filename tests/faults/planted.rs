//! Defects that are put there on purpose. The checker finds them, or it proves nothing elsewhere.

use crate::{
    checker::Violation,
    scene::{LiveKey, Scene},
    support::database::superuser_pool,
};

/// Revokes the key, and gives the replicas that are caught accepting it afterwards.
async fn caught(scene: &Scene, key: &LiveKey) -> Vec<usize> {
    assert_eq!(scene.revoke(key, 0).await.status(), Some(200));
    let demands = scene.demands(1);
    let violations = scene.verdict(&demands).await.expect_err("a violation");
    let mut replicas: Vec<_> = violations.iter().map(stale_at).collect();
    replicas.sort_unstable();
    replicas.dedup();
    replicas
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
    assert_eq!(caught(&scene, &key).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_tells_nobody_of_changes_is_caught() {
    const SILENT: &str = "CREATE OR REPLACE FUNCTION announce_key_change(ids uuid[]) RETURNS bigint
                          LANGUAGE sql AS $$ SELECT nextval('key_changes') $$";
    let (scene, [key]) = Scene::open(3).await;
    let database = superuser_pool(scene.url()).await;
    sqlx::raw_sql(SILENT).execute(&database).await.expect("the function is replaced");
    assert_eq!(caught(&scene, &key).await, [0, 1, 2]);
}
