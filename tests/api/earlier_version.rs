//! A rolling update: a replica of an earlier build beside one of this. `KEYWARD_EARLIER` names the earlier program,
//! which is from before migration 17; without it, these tests are skipped. `scripts/check.sh upgrade` builds it and
//! runs them.

use std::{
    env,
    process::Command,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use reqwest::Method;
use serde_json::json;
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{MadeKey, changes_are_confirmed_by},
    client::client,
    database::migrate,
    eventually,
    replica::{Replica, command},
};

use crate::{metrics::becomes, service_role::TwoRoles};

const LEASE: (&str, &str) = ("KEYWARD__COHERENCE__LEASE", "3s");

/// One of each, which know each other: the new one migrates the database of the earlier one. `None` without an earlier
/// program.
async fn one_of_each(database: &TestDatabase, is_old: bool) -> Option<[Replica; 2]> {
    let earlier = earlier(database).await?;
    if is_old {
        database.was_made_long_ago().await;
    }
    let replicas = [earlier, Replica::start_on(database.url(), &[LEASE]).await];
    for replica in &replicas {
        becomes(replica, "keyward_replicas", &[], |count| count == 2.0).await;
    }
    Some(replicas)
}

/// A replica of the earlier program, which migrates an empty database. `None` without that program.
async fn earlier(database: &TestDatabase) -> Option<Replica> {
    let mut earlier = Command::new(env::var_os("KEYWARD_EARLIER")?);
    earlier.env_clear().envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    earlier.arg("serve").env("DATABASE_URL", database.url()).env(LEASE.0, LEASE.1);
    Some(Replica::start_by(earlier, "127.0.0.1").await)
}

async fn known_key(replicas: &[Replica; 2]) -> MadeKey {
    let key = Person::named("alice").creates(&replicas[0], json!({})).await;
    for _ in 0..2 {
        key.is_everywhere(replicas, 200).await;
    }
    key
}

#[tokio::test]
async fn during_an_update_both_versions_confirm_each_others_changes() {
    let database = TestDatabase::empty().await;
    let Some(replicas) = one_of_each(&database, true).await else { return };
    for replica in &replicas {
        changes_are_confirmed_by(2, replica).await;
    }
    for round in 0..10 {
        let key = known_key(&replicas).await;
        let revoked = Person::named("alice").deletes(&replicas[round % 2], &key.path()).await.is(200);
        key.is_everywhere(&replicas, 401).await;
        assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&json!(2), &json!(0)), "{revoked}");
    }
}

/// Where nobody expects one any more, too.
#[tokio::test]
async fn beside_an_earlier_version_no_key_is_accepted_after_its_revoke_whichever_of_the_two_stands_still() {
    for is_old in [true, false] {
        let database = TestDatabase::empty().await;
        let Some(replicas) = one_of_each(&database, is_old).await else { return };
        for round in 0..6 {
            let key = known_key(&replicas).await;
            let (revoker, other) = (&replicas[round % 2], &replicas[(round + 1) % 2]);
            let stands_still = round % 4 < 2;
            if stands_still {
                other.signal("STOP");
            }
            let revoked = Person::named("alice").deletes(revoker, &key.path()).await.is(200);
            if stands_still {
                // Whoever has just stood still itself hears nobody for a moment, and waits for every lease there may
                // be.
                let waited_for_all = revoked["tookMs"].as_f64().is_some_and(|took| took >= 3000.0);
                assert!(waited_for_all || revoked["replicasExpired"] == 1, "round {round}: {revoked}");
                other.signal("CONT");
            }
            key.is_everywhere(&replicas, 401).await;
        }
    }
}

/// What a load balancer does during an update: each client's request goes to a replica that is not being stopped.
#[derive(Clone, Default)]
struct Balanced {
    addresses: Arc<RwLock<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Balanced {
    fn next(&self, turn: usize) -> String {
        let addresses = self.addresses.read().expect("no panic");
        addresses[turn % addresses.len()].clone()
    }

    fn serves(&self, replicas: &[&Replica]) {
        *self.addresses.write().expect("no panic") = replicas.iter().map(|one| one.address().to_owned()).collect();
    }

    /// Uses a key until it is over. Each answer must be 200.
    async fn uses(self, key: String) {
        let client = client();
        for turn in 0.. {
            if self.is_over.load(Relaxed) {
                break;
            }
            let address = self.next(turn);
            let url = format!("http://{address}/api/protected-resource");
            let answer = client.request(Method::GET, url).header("x-api-key", &key).send().await;
            assert_eq!(answer.expect("an answer").status(), 200, "request {turn}, of {address}");
            self.answered.fetch_add(1, Relaxed);
        }
    }

    async fn goes_on(&self) {
        let before = self.answered.load(Relaxed);
        eventually("a hundred more requests are answered", async || self.answered.load(Relaxed) > before + 100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_under_load_and_the_way_back_fail_no_request() {
    let database = TestDatabase::empty().await;
    let Some(first) = earlier(&database).await else { return };
    let second = earlier(&database).await.expect("the earlier program");
    let key = Person::named("alice").creates(&first, json!({})).await;
    let balanced = Balanced::default();
    balanced.serves(&[&first, &second]);
    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(balanced.clone().uses(key.holder.key.clone()))).collect();
    balanced.goes_on().await;

    migrate(database.url()).await.expect("the migrations of this version");
    balanced.goes_on().await;
    let mut serving = [first, second];
    for is_back in [false, true] {
        for at in 0..serving.len() {
            let next = if is_back {
                earlier(&database).await.expect("the earlier program")
            } else {
                Replica::start_on(database.url(), &[LEASE]).await
            };
            let mut last = std::mem::replace(&mut serving[at], next);
            balanced.serves(&serving.each_ref());
            balanced.goes_on().await;
            last.signal("TERM");
            assert_eq!(last.exit_code().await, Some(0));
        }
        let made = Person::named("alice").creates(&serving[0], json!({})).await;
        made.is_everywhere(&serving, 200).await;
        key.is_everywhere(&serving, 200).await;
    }
    balanced.is_over.store(true, Relaxed);
    for client in clients {
        client.await.expect("every request was granted");
    }
}

/// An earlier program knows nothing of plans, and goes on making keys with them there: also as a role that may do only
/// what an earlier migration has granted it.
#[tokio::test]
async fn an_earlier_version_goes_on_making_keys_for_owners_on_plans() {
    let Some(earlier) = env::var_os("KEYWARD_EARLIER") else { return };
    let mut roles = TwoRoles::make().await;
    let mut serve = Command::new(earlier);
    serve.env_clear().envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    serve.arg("serve").env("DATABASE_URL", &roles.service.1).env(LEASE.0, LEASE.1);
    serve.env("KEYWARD__DATABASE__MIGRATE_URL", &roles.owner.1);
    let replica = Replica::start_by(serve, "127.0.0.1").await;
    migrate(&roles.owner.1).await.expect("migrated, without granting anything more");
    let on_a_plan = "INSERT INTO plans (name, updated_at) VALUES ('pro', now());
        INSERT INTO owner_plans (issuer, subject, plan, assigned_by, updated_at) VALUES ('', 'alice', 'pro', 'claim', now())";
    sqlx::raw_sql(on_a_plan).execute(&mut roles.as_superuser).await.expect("a plan");
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    Person::named("alice").deletes(&replica, &key.path()).await.is(200);
    drop(replica);
    roles.drop_roles().await;
}
