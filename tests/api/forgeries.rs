//! Somebody who may connect to the database, and do nothing else there, sends notifications.

use std::{sync::Arc, time::Duration};

use keyward::domain::{api_key::Pepper, coherence::message_keys::MessageKeys, secret::SecretString};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgListener};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{KEYS, MadeKey, Reply, changes_are_confirmed_by, replica_with},
    client, database, eventually,
    program::run_beside,
    replica::{self, PEPPER, Replica},
    unique,
};
use tokio::sync::Mutex;

/// Long enough that a revoke which was cut short is seen.
const LEASE: (&str, &str) = ("KEYWARD__COHERENCE__LEASE", "3s");

/// The channels that earlier versions listen to, of changes, replicas and pulses.
const SHARED: [&str; 3] = ["keyward", "keyward_replicas", "keyward_pulses"];

/// A role that may connect, and owns nothing.
struct Stranger {
    name: String,
    url: String,
}

impl Stranger {
    async fn at(database: &TestDatabase) -> Self {
        let name = format!("stranger_{}", unique());
        let mut superuser = PgConnection::connect(database.url()).await.expect("a connection");
        sqlx::query(AssertSqlSafe(format!("CREATE ROLE {name} LOGIN"))).execute(&mut superuser).await.expect("a role");
        Self { url: database.url().replacen("postgres@", &format!("{name}@"), 1), name }
    }

    async fn connects(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a connection")
    }

    /// Everything that is said on all channels, from now on.
    async fn overhears(&self, database: &TestDatabase) -> Arc<Mutex<Vec<(String, String)>>> {
        let mut listener = PgListener::connect(&self.url).await.expect("a connection");
        let own = database.channels().await;
        listener.listen_all(own.iter().map(String::as_str).chain(SHARED)).await.expect("listening");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok(arrived) = listener.recv().await {
                all.lock().await.push((arrived.channel().to_owned(), arrived.payload().to_owned()));
            }
        });
        heard
    }

    async fn gone(self, database: &TestDatabase) {
        let mut superuser = PgConnection::connect(database.url()).await.expect("a connection");
        let drop = format!("DROP ROLE {}", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut superuser).await.expect("no role");
    }
}

async fn notify_all(connection: &mut PgConnection, channels: [&str; 2], payload: &str) {
    for channel in channels {
        notify(connection, channel, payload).await;
    }
}

async fn notify(connection: &mut PgConnection, channel: &str, payload: &str) {
    let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload);
    notify.execute(connection).await.expect("a notification");
}

/// Two replicas that have listened for longer than a lease, so that they know each other.
async fn two_replicas() -> (TestDatabase, Replica, Replica) {
    let database = database().await;
    let (one, other) =
        tokio::join!(Replica::start_on(database.url(), &[LEASE]), Replica::start_on(database.url(), &[LEASE]));
    changes_are_confirmed_by(2, &one).await;
    (database, one, other)
}

async fn revoked(owner: &Person, key: &MadeKey, replica: &Replica) -> Value {
    owner.deletes(replica, &key.path()).await.is(200)
}

/// The ids of all replicas that somebody has heard of.
fn replicas_in(heard: &[(String, String)]) -> Vec<String> {
    let pulses = heard.iter().filter(|(channel, _)| channel.starts_with("keyward_pulses"));
    let named = pulses.flat_map(|(_, payload)| payload.split(' ').nth(2).expect("heartbeats").split(','));
    let mut ids: Vec<String> = named.map(|heartbeat| heartbeat.split(':').next().expect("an id").to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[tokio::test]
async fn no_strangers_word_and_no_repeated_one_makes_a_revoke_return_before_a_silent_replica_has_lost_its_lease() {
    let (database, one, other) = two_replicas().await;
    let stranger = Stranger::at(&database).await;
    let heard = stranger.overhears(&database).await;
    let alice = Person::named("alice");
    let (first, second) = (alice.creates(&one, json!({})).await, alice.creates(&one, json!({})).await);
    assert_eq!((first.status(&other).await, second.status(&other).await), (200, 200));
    // Something to repeat: announcements, acknowledgements.
    changes_are_confirmed_by(2, &one).await;
    eventually("both are heard", async || replicas_in(&heard.lock().await).len() == 2).await;

    other.signal("STOP");
    let forging = tokio::spawn({
        let (heard, mut connection) = (Arc::clone(&heard), stranger.connects().await);
        let own = database.channels().await;
        async move {
            for number in 0_u64.. {
                let all = heard.lock().await.clone();
                let is_pulse = |(channel, _): &&(String, String)| channel.starts_with("keyward_pulses");
                let table = all.iter().find(is_pulse).expect("a pulse").1.split(' ').next();
                for hex in replicas_in(&all) {
                    let id = uuid::Uuid::parse_str(&hex).expect("an id");
                    for forged in [format!("{hex}:{number:x}:0"), format!("{hex}:{:x}:60000", (1 << 62) + number)] {
                        let pulse = format!("{} {number} {forged}", table.expect("a number"));
                        notify_all(&mut connection, [&own[2], SHARED[2]], &pulse).await;
                    }
                    for message in [format!("left {id}"), format!("applied {id} {number}")] {
                        let (changes, replicas) = ([&own[0], SHARED[0]], [&*own[1], SHARED[1]]);
                        notify_all(&mut connection, changes, &message).await;
                        notify_all(&mut connection, replicas, &message).await;
                        notify_all(&mut connection, replicas, &format!("{number:032x} {message}")).await;
                    }
                    let applied = all.iter().filter_map(|(_, payload)| payload.split("announced ").nth(1));
                    for change in applied {
                        let message = format!("{number:032x} applied {id} {change}");
                        notify_all(&mut connection, [&own[1], SHARED[1]], &message).await;
                    }
                }
                for (channel, payload) in all.iter().rev().take(30) {
                    notify(&mut connection, channel, payload).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
    let revocation = revoked(&alice, &first, &one).await;
    assert_eq!(
        (&revocation["replicasConfirmed"], &revocation["replicasExpired"]),
        (&json!(1), &json!(1)),
        "{revocation}"
    );
    other.signal("CONT");
    assert_eq!(first.status(&other).await, 401);
    forging.abort();
    let _ = forging.await;
    assert_eq!(second.status(&other).await, 200);
    drop((one, other));
    stranger.gone(&database).await;
}

/// Advisory locks are anybody's. Keys are counted under them; to end one, or to take something from it, takes none.
#[tokio::test]
async fn a_stranger_who_holds_every_lock_that_anybody_may_take_holds_up_no_revoke_and_nothing_that_narrows_a_key() {
    let (database, alice) = (database().await, Person::named("alice"));
    let replica = Replica::start_on(database.url(), &[LEASE]).await;
    let stranger = Stranger::at(&database).await;
    let key = alice.creates(&replica, json!({ "scopes": ["read", "write"] })).await;
    let mut connection = stranger.connects().await;
    let lock = "SELECT pg_advisory_lock(hashtext('keyward owners'), bucket) FROM generate_series(0, 1023) AS bucket";
    sqlx::query(lock).execute(&mut connection).await.expect("the locks");

    alice.posts(&replica, KEYS, json!({})).await.is_problem(503, "unavailable");
    let narrow = json!({ "scopes": ["read"], "allowedIps": ["127.0.0.1"], "expiresIn": 3_600, "enabled": false });
    alice.patches(&replica, &key.path(), narrow).await.is(200);
    for wider in [json!({ "scopes": ["read", "write"] }), json!({ "allowedIps": null }), json!({ "enabled": true })] {
        alice.patches(&replica, &key.path(), wider).await.is_problem(503, "unavailable");
    }
    revoked(&alice, &key, &replica).await;
    assert_eq!(key.status(&replica).await, 401);
    connection.close().await.expect("the end");
    alice.creates(&replica, json!({})).await;
    stranger.gone(&database).await;
}

/// And that by which earlier versions serialize changes of plans.
#[tokio::test]
async fn a_stranger_who_holds_the_locks_of_upkeep_keeps_no_replica_from_starting_and_no_plan_from_being_made() {
    let (database, root, path) = (database().await, Person::administrator(), "/v1/admin/plans/free");
    let stranger = Stranger::at(&database).await;
    let mut connection = stranger.connects().await;
    for name in ["audit", "usage months", "ended keys", "changes of plans"] {
        let lock = sqlx::query("SELECT pg_advisory_lock(hashtext('keyward ' || $1))").bind(name);
        lock.execute(&mut connection).await.expect("the lock");
    }
    let replica = Replica::start_on(database.url(), &[LEASE]).await;
    let waits = replica.prints("bringing the schema up to date waits for a lock").await;
    let holder: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.expect("a number");
    assert!(waits.contains(&format!("process {holder}, role {}", stranger.name)), "{waits}");
    assert!(waits.contains("WARN") && waits.contains("pg_terminate_backend"), "{waits}");
    replica.prints("went on without it").await;
    assert_eq!(client::get(replica.url("/readyz")).await.expect("an answer").status(), 200);
    let mut migrate = replica::command();
    migrate.arg("migrate").env("DATABASE_URL", database.url());
    let told = run_beside(migrate).await;
    assert!(told.stderr.contains(&stranger.name), "{told:#?}");
    let told = told.succeeded();
    assert!(told.starts_with("The schema is up to date"), "{told}");
    for (body, status) in [(json!({}), 201), (json!({ "maxKeys": 1 }), 200)] {
        Reply::to(root.request(&replica, reqwest::Method::PUT, path).json(&body)).await.is(status);
    }
    assert_eq!(root.deletes(&replica, path).await.status, 204);
    drop((connection, replica));
    stranger.gone(&database).await;
}

#[tokio::test]
async fn what_nobody_may_send_is_ignored_and_told_of_once() {
    let mut replica = replica_with(&[]).await;
    let stranger = Stranger::at(replica.database()).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let mut connection = stranger.connects().await;
    let own = replica.database().channels().await;
    let long = "x".repeat(7_900);
    for number in 0..300 {
        for garbage in
            ["", "x", "changed", "changed 1", "changed 1 1", "changed x *", "changed 1 * *", "pulse 1", &long]
        {
            for (own, shared) in own.iter().zip(SHARED) {
                notify_all(&mut connection, [own, shared], garbage).await;
            }
            let as_if_proven = format!("{number:032x} {garbage:.5000}");
            notify_all(&mut connection, [&own[1], SHARED[1]], &as_if_proven).await;
        }
    }
    // What comes after it is heard after it.
    let revocation = revoked(&Person::named("alice"), &key, &replica).await;
    assert_eq!(revocation["replicasConfirmed"], 1, "{revocation}");
    let told = replica.prints("ignored notifications").await;
    assert!(told.contains("WARN"), "{told}");
    let output = replica.output();
    let lines = output.lines().filter(|line| line.contains("ignored notifications")).count();
    assert!(lines <= 2, "{lines} lines");
    assert!(!output.contains("lost the LISTEN connection"), "{output}");
    drop(connection);
    let database = replica.take_database();
    stranger.gone(&database).await;
}

#[tokio::test]
async fn what_a_replica_of_a_newer_version_says_counts_as_a_change_that_was_missed() {
    let replica = replica_with(&[]).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let pepper = Pepper::new(SecretString::new(PEPPER.to_owned())).expect("a pepper");
    let message = "pulse 7 and whatever they will say";
    let tag = MessageKeys::new(&[pepper]).tags(message.as_bytes()).next().expect("one pepper");
    let payload = format!("{:032x} {message}", u128::from_be_bytes(tag));
    let mut connection = PgConnection::connect(replica.database().url()).await.expect("a connection");
    notify(&mut connection, &replica.database().channels().await[1], &payload).await;
    replica.prints("lost the LISTEN connection").await;
    eventually("it hears again", async || key.status(&replica).await == 200).await;
}

/// As a replica of the version before sends them, which asks for no proof.
#[tokio::test]
async fn a_replica_of_an_older_version_is_waited_for_for_a_lease_and_is_told_what_it_waits_for() {
    let mut replica = replica_with(&[LEASE]).await;
    let alice = Person::named("alice");
    let stranger = Stranger::at(replica.database()).await;
    let heard = stranger.overhears(replica.database()).await;
    let old = "01234567-89ab-cdef-0123-456789abcdef";
    let beating = tokio::spawn({
        let mut connection = PgConnection::connect(replica.database().url()).await.expect("a connection");
        async move {
            for sequence in 0.. {
                notify(&mut connection, "keyward", &format!("heartbeat {old} {sequence} 3000")).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    replica.prints("without a valid proof").await;
    let key = alice.creates(&replica, json!({})).await;
    let mut connection = PgConnection::connect(replica.database().url()).await.expect("a connection");
    let acknowledge = async {
        let changed = async || {
            let heard = heard.lock().await;
            heard.iter().rev().find_map(|(_, payload)| payload.strip_prefix("changed ").map(str::to_owned))
        };
        eventually("the change", async || changed().await.is_some()).await;
        let changed = changed().await.expect("a change");
        let number = changed.split(' ').next().expect("a number").to_owned();
        // It says that it has applied it, and even that it leaves: who doesn't prove it may say what they like.
        for message in [format!("applied {old} {number}"), format!("left {old}")] {
            notify(&mut connection, "keyward", &message).await;
        }
        number
    };
    let (revocation, number) = tokio::join!(revoked(&alice, &key, &replica), acknowledge);
    assert_eq!(revocation["replicasExpired"], 1, "{revocation}");
    // In turn, it hears of the new one, and is told of what the new one has applied.
    eventually("the new replica speaks as the old ones do", async || {
        let heard = heard.lock().await;
        let on_old_channel = || heard.iter().filter(|(channel, _)| channel == "keyward").map(|(_, payload)| payload);
        on_old_channel().any(|payload| payload.starts_with("heartbeat ") && !payload.contains(old))
            && on_old_channel()
                .any(|payload| payload.starts_with("applied ") && payload.ends_with(&format!(" {number}")))
    })
    .await;
    beating.abort();
    let _ = beating.await;
    connection.close().await.expect("closed");
    let database = replica.take_database();
    stranger.gone(&database).await;
}

#[tokio::test]
async fn while_peppers_are_rotated_replicas_understand_each_other() {
    const NEW: &str = "4b1d0f6e8a93c7522e7f9d10b6a8c3f5-for-tests";
    let database = database().await;
    let rotating = format!("{NEW},{PEPPER}");
    let start =
        async |peppers: &str| Replica::start_on(database.url(), &[LEASE, ("KEYWARD__KEYS__PEPPERS", peppers)]).await;
    let before = start(PEPPER).await;
    let during = start(&rotating).await;
    changes_are_confirmed_by(2, &before).await;
    changes_are_confirmed_by(2, &during).await;
    // One that knows the new one alone shares nothing with the first. It is waited for all the same.
    let after = start(NEW).await;
    during_knows(&during, &after).await;
    let key = Person::named("alice").creates(&before, json!({})).await;
    let revocation = revoked(&Person::named("alice"), &key, &before).await;
    assert_eq!(revocation["replicasExpired"], 1, "{revocation}");
}

async fn during_knows(during: &Replica, after: &Replica) {
    eventually("they know each other", async || {
        let key = Person::named("nobody").creates(during, json!({})).await;
        let revoked = Person::named("nobody").deletes(during, &key.path()).await.is(200);
        revoked["replicasConfirmed"] == 3
    })
    .await;
    assert!(!after.output().contains("ERROR"));
}

#[tokio::test]
async fn a_start_warns_where_everybody_may_connect() {
    let replica = replica_with(&[]).await;
    let warning = replica.prints("every role of the server can connect").await;
    assert!(warning.contains("REVOKE CONNECT ON DATABASE"), "{warning}");
    let rows = replica.database().superuser_pool().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&rows).await.expect("a name");
    let revoke = format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC");
    sqlx::query(AssertSqlSafe(revoke)).execute(&rows).await.expect("revoked");
    let other = Replica::start_on(replica.database().url(), &[]).await;
    assert!(!other.output().contains("can connect"), "{}", other.output());
}
