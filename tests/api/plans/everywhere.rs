//! A plan is true on every replica once its change is answered, and nobody overtakes it.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{KEYS, MadeKey, Reply, replica, three_replicas},
    database::execute,
    eventually,
    replica::Replica,
};

use super::{ALICE, PLANS, assign, limit, plan, puts};

/// How many of `keys` are granted, each asked for at each replica.
async fn granted(replicas: &[Replica], keys: &[&MadeKey]) -> usize {
    let mut granted = 0;
    for replica in replicas {
        for key in keys {
            granted += usize::from(key.status(replica).await == 200);
        }
    }
    granted
}

fn month(amount: u64) -> Value {
    json!({ "limits": [limit("month", amount, "month")] })
}

#[tokio::test]
async fn a_plan_and_its_changes_bind_on_every_replica_when_they_are_answered() {
    let (_database, replicas) = three_replicas(&[]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let keys = [alice.creates(&replicas[0], json!({})).await, alice.creates(&replicas[1], json!({})).await];
    for key in &keys {
        key.is_everywhere(&replicas, 200).await;
    }
    let both = [&keys[0], &keys[1]];
    plan(&replicas[0], "free", month(4)).await;
    assert_eq!(assign(&replicas[1], json!("free")).await["replicasConfirmed"], 3);
    assert_eq!(granted(&replicas, &both).await, 4, "all keys of the owner share it");
    let wider = puts(&root, &replicas[2], &format!("{PLANS}/free"), month(9)).await.is(200);
    assert_eq!((&wider["changed"], &wider["replicasConfirmed"]), (&json!(true), &json!(3)));
    assert_eq!(granted(&replicas, &both).await, 5);
    plan(&replicas[0], "free", json!({})).await;
    assert_eq!(granted(&replicas, &both).await, 6);
    plan(&replicas[1], "free", month(9)).await;
    assert_eq!(granted(&replicas, &both).await, 0, "what was used is still counted");
    assign(&replicas[2], json!(null)).await;
    assert_eq!(granted(&replicas, &both).await, 6);
}

#[tokio::test]
async fn a_plan_that_is_changed_by_hand_reaches_every_replica_too() {
    let (database, replicas) = three_replicas(&[]).await;
    let key = Person::named("alice").creates(&replicas[0], json!({})).await;
    key.is_everywhere(&replicas, 200).await;
    let becomes = async |statement: &str, status: u16| {
        execute(database.url(), statement).await.expect("done");
        for replica in &replicas {
            eventually("another answer", async || key.status(replica).await == status).await;
        }
    };
    let none_left = r#"'[{"name": "a", "limit": 1, "cost": 1, "window": "month"}]'"#;
    execute(database.url(), "INSERT INTO plans (name, updated_at) VALUES ('a', now())").await.expect("done");
    let counted = format!(
        "UPDATE plans SET limits = {none_left};
         INSERT INTO owner_plans (issuer, subject, plan, assigned_by, updated_at) VALUES ('', 'alice', 'a', 'administrator', now())"
    );
    becomes(&counted, 429).await;
    becomes("UPDATE plans SET limits = '[]'", 200).await;
    becomes(&format!("UPDATE plans SET limits = {none_left}"), 429).await;
    becomes("DELETE FROM owner_plans", 200).await;
}

/// A connection in a transaction, as somebody has it who is not done.
async fn midway(database: &TestDatabase, statement: &'static str) -> PgConnection {
    let mut connection = PgConnection::connect(database.url()).await.expect("a connection");
    for statement in ["BEGIN", statement] {
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("done");
    }
    connection
}

/// Waits until somebody waits for a lock that another transaction has.
async fn somebody_waits(database: &TestDatabase) {
    let pool = database.superuser_pool().await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("somebody waits", async || {
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") > 0
    })
    .await;
}

#[tokio::test]
async fn a_change_of_a_plan_waits_for_who_is_making_a_key_and_who_makes_one_waits_for_the_change() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    plan(&replica, "free", month(100)).await;
    assign(&replica, json!("free")).await;
    // Amid making a key, with the plan as it was.
    let mut maker = midway(replica.database(), "SELECT lock_owner('', 'alice')").await;
    let changes = plan(&replica, "free", json!({ "limits": [], "maxKeys": 1 }));
    let lets_go = async {
        somebody_waits(replica.database()).await;
        sqlx::raw_sql("COMMIT").execute(&mut maker).await.expect("done");
    };
    let (changed, ()) = tokio::join!(changes, lets_go);
    assert_eq!(changed["maxKeys"], 1);

    alice.creates(&replica, json!({})).await;
    plan(&replica, "free", json!({ "maxKeys": 2 })).await;
    let mut changer = midway(replica.database(), "UPDATE plans SET max_keys = 1").await;
    let makes = alice.posts(&replica, KEYS, json!({}));
    let commits = async {
        somebody_waits(replica.database()).await;
        sqlx::raw_sql("COMMIT").execute(&mut changer).await.expect("done");
    };
    let (made, ()) = tokio::join!(makes, commits);
    made.is_problem(409, "too_many_keys");
}

/// Neither does a key slip through that is made at the same time, nor does one keep the limits from before.
#[tokio::test]
async fn of_keys_that_are_made_while_a_plan_is_lowered_none_is_beyond_it_afterwards() {
    let (_database, replicas) = three_replicas(&[("KEYWARD__DATABASE__OWNER_CONNECTIONS", "6")]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    for round in 0..8 {
        plan(&replicas[0], "free", json!({ "maxKeys": 1000, "maxLifetime": 86400 })).await;
        assign(&replicas[0], json!("free")).await;
        let creators = replicas.iter().cycle().take(12).map(async |replica| {
            let made = alice.posts(replica, KEYS, json!({ "expiresIn": 7200 })).await;
            assert!(matches!(made.status, 201 | 409 | 422), "{}", made.text);
            made.status == 201
        });
        let lowers = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let lowered = json!({ "maxKeys": 1, "maxLifetime": 3600 });
            puts(&root, &replicas[round % 3], &format!("{PLANS}/free"), lowered).await.is(200);
            living(&replicas[0]).await
        };
        let (made, when_lowered) = tokio::join!(join_all(creators), lowers);
        let in_the_end = living(&replicas[0]).await;
        assert_eq!(in_the_end, when_lowered, "made {}", made.iter().filter(|made| **made).count());
        let late = alice.posts(&replicas[1], KEYS, json!({ "expiresIn": 7200 })).await;
        assert!(matches!(late.status, 409 | 422), "{}", late.text);
        let all = json!({ "owner": ALICE });
        root.posts(&replicas[2], "/v1/admin/keys/revoke", all).await.is(200);
    }
}

async fn living(replica: &Replica) -> u64 {
    let shown = Person::administrator().gets(replica, &format!("/v1/admin/owners/{ALICE}")).await.is(200);
    shown["keys"]["active"].as_u64().expect("a number")
}

/// Otherwise a plan would be gone that somebody has just been put on.
#[tokio::test]
async fn a_plan_that_is_deleted_while_owners_are_put_on_it_is_either_gone_or_theirs() {
    let (replica, root) = (replica().await, Person::administrator());
    for _ in 0..10 {
        plan(&replica, "free", json!({})).await;
        let path = format!("{PLANS}/free");
        let deletes = Reply::to(root.request(&replica, Method::DELETE, &path));
        let of_alice = format!("/v1/admin/owners/{ALICE}/plan");
        let assigns = puts(&root, &replica, &of_alice, json!({ "plan": "free" }));
        let (deleted, assigned) = tokio::join!(deletes, assigns);
        match (deleted.status, assigned.status) {
            (409, 200) => assert_eq!(assign(&replica, json!(null)).await["changed"], true),
            (204, 422) => assert_eq!(assign(&replica, json!(null)).await["changed"], false),
            other => panic!("{other:?}: {} {}", deleted.text, assigned.text),
        }
    }
}
