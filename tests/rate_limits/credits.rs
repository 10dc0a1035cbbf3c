//! Three replicas that spend the credits of one key: what they admit, and what the database knows of it in the end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use serde_json::json;
use sqlx::PgPool;
use test_support::{
    actors::{KeyHolder, Person},
    asking::{ALL_KEYS, Reply, three_replicas},
    eventually,
    replica::Replica,
};

use crate::{limit_key, uses};

const CREDITS: u64 = 3_000;

/// Remaining, unsettled, spent, granted.
pub(crate) async fn balance(rows: &PgPool) -> (u64, u64, u64, u64) {
    let query = "SELECT remaining, unsettled, spent, granted FROM credits";
    let row: (i64, i64, i64, i64) = sqlx::query_as(query).fetch_one(rows).await.expect("a balance");
    (row.0.unsigned_abs(), row.1.unsigned_abs(), row.2.unsigned_abs(), row.3.unsigned_abs())
}

/// What replicas have in hand that did not give it back.
pub(crate) async fn of_the_silent(rows: &PgPool) -> u64 {
    let held = sqlx::query_scalar::<_, i64>("SELECT coalesce(sum(held), 0)::bigint FROM credit_slices");
    held.fetch_one(rows).await.expect("a sum").unsigned_abs()
}

pub(crate) async fn gives(replica: &Replica, key: &KeyHolder, credits: serde_json::Value) -> Reply {
    let path = format!("{ALL_KEYS}/{}", key.id());
    Person::administrator().patches(replica, &path, json!({ "credits": credits })).await
}

/// Asks `clients` times at once at this replica, `times` each, and counts what is admitted. A replica that is killed
/// answers none.
async fn spends(replica: Arc<Replica>, key: Arc<KeyHolder>, clients: usize, times: usize, admitted: Arc<AtomicU64>) {
    let clients = (0..clients).map(|_| {
        let (replica, key, admitted) = (Arc::clone(&replica), Arc::clone(&key), Arc::clone(&admitted));
        tokio::spawn(async move {
            for _ in 0..times {
                let request = test_support::actors::stranger(&replica, reqwest::Method::GET, "/api/protected-resource");
                match request.header("x-api-key", &key.key).send().await.map(|answer| answer.status().as_u16()) {
                    Ok(200) => _ = admitted.fetch_add(1, SeqCst),
                    Ok(429) => {}
                    Ok(503) => {}
                    Ok(other) => panic!("{other}"),
                    Err(_) => return,
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_credits_are_spent_exactly_ten_times_on_three_replicas() {
    let (database, replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replicas[0]).await;
    let shown = gives(&replicas[0], &key, json!({ "remaining": 10 })).await.is(200);
    assert_eq!((&shown["credits"]["remaining"], &shown["credits"]["setBy"]), (&json!(10), &json!("administrator")));
    let mut admitted = 0;
    for turn in 0..40 {
        admitted += u32::from(uses(&replicas[turn % 3], &key).await.status == 200);
    }
    assert_eq!(admitted, 10);
    // Ten more, which every replica knows of when the answer comes.
    let path = format!("{ALL_KEYS}/{}/credits", key.id());
    Person::administrator().posts(&replicas[1], &path, json!({ "operation": "add", "amount": 10 })).await.is(200);
    for turn in 0..40 {
        admitted += u32::from(uses(&replicas[turn % 3], &key).await.status == 200);
    }
    assert_eq!(admitted, 20);
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining, unsettled + spent, granted), (0, 20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_returns_everything_and_every_credit_is_accounted_for() {
    let (database, mut replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Arc::new(Person::named("alice").makes_a_key(&replicas[0]).await);
    gives(&replicas[0], &key, json!({ "remaining": CREDITS })).await.is(200);
    let admitted = Arc::<AtomicU64>::default();
    let [one, two, three] = replicas.map(Arc::new);
    let spending =
        [&one, &two, &three].map(|replica| spends(Arc::clone(replica), Arc::clone(&key), 4, 50, Arc::clone(&admitted)));
    futures_util::future::join_all(spending).await;
    let admitted = admitted.load(SeqCst);
    assert_eq!(admitted, 600);
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining + unsettled + spent, granted), (CREDITS, CREDITS));
    assert!(unsettled > 0, "nothing is in hand");
    replicas = [one, two, three].map(|replica| Arc::into_inner(replica).expect("the only one"));
    for replica in &mut replicas {
        replica.signal("TERM");
        assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    }
    assert_eq!(balance(&rows).await, (CREDITS - admitted, 0, admitted, CREDITS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_returns_what_was_taken_of_limits() {
    let (database, mut replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replicas[0]).await;
    let limits = r#"[{"name": "days", "limit": 100000, "window": "31d"}, {"name": "month", "limit": 900000, "window": "month"}]"#;
    limit_key(&rows, &key, limits).await;
    for _ in 0..50 {
        for replica in &replicas {
            assert_eq!(uses(replica, &key).await.status, 200);
        }
    }
    let taken = async || {
        let taken = sqlx::query_scalar::<_, i64>("SELECT taken FROM limit_counts ORDER BY name").fetch_all(&rows);
        taken.await.expect("two counters")
    };
    assert!(taken().await.iter().all(|taken| *taken > 150), "nothing is in hand");
    for replica in &mut replicas {
        replica.signal("TERM");
        assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    }
    assert_eq!(taken().await, [150, 150]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_makes_nobody_spend_more() {
    let (database, replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Arc::new(Person::named("alice").makes_a_key(&replicas[0]).await);
    const FEW: u64 = 900;
    gives(&replicas[0], &key, json!({ "remaining": FEW })).await.is(200);
    let admitted = Arc::<AtomicU64>::default();
    let [one, two, mut three] = replicas;
    let (one, two) = (Arc::new(one), Arc::new(two));
    let victim = Arc::new(three);
    let kill = async {
        eventually("some are spent", async || admitted.load(SeqCst) > FEW / 4).await;
        victim.signal("KILL");
    };
    let spending = [&one, &two, &victim]
        .map(|replica| spends(Arc::clone(replica), Arc::clone(&key), 4, 200, Arc::clone(&admitted)));
    tokio::join!(futures_util::future::join_all(spending), kill);
    let admitted = admitted.load(SeqCst);
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining + unsettled + spent, granted), (FEW, FEW));
    assert!(admitted <= spent + unsettled, "{admitted} were admitted, and {spent} + {unsettled} are accounted for");
    assert!(admitted <= FEW);
    three = Arc::into_inner(victim).expect("the only one");
    drop(three);
    // The others return theirs. What is left is what the killed one had, which stays visible until it is settled.
    for replica in [one, two] {
        let mut replica = Arc::into_inner(replica).expect("the only one");
        replica.signal("TERM");
        assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    }
    let (remaining, unsettled, spent, granted) = balance(&rows).await;
    assert_eq!((remaining + unsettled + spent, granted), (FEW, FEW));
    assert_eq!(unsettled, of_the_silent(&rows).await);
    assert!(spent <= admitted && admitted <= spent + unsettled, "{spent} {admitted} {unsettled}");
}
