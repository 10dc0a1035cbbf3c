//! A primary with a synchronous standby, and what goes on where one of them takes the other's place. Postgres allows
//! for two servers that both take themselves for the primary; the promise must not.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use test_support::{
    PrivateCluster,
    actors::{KeyHolder, Person, stranger},
    asking::Reply,
    client::client,
    eventually,
    proxy::Proxy,
    replica::Replica,
    server_socket,
    standby::Servers,
    superuser_pool,
};

pub(crate) const DATABASE: &str = "keyward";
/// The owner whose subject is `bob`, as paths have it.
const BOB: &str = "AGJvYg";

/// Checks of a key at once, and how often: whatever is believed sometimes is to be seen, by whichever connection.
const AT_ONCE: usize = 5;
const ROUNDS: usize = 6;

/// Connections of a replica with the default settings, and one that it is just replacing.
pub(crate) const MOST_CONNECTIONS: i64 = 16;

/// A replica that a wire leads to the primary.
async fn replica_on_a_wire(servers: &Servers) -> (Replica, Proxy) {
    let (socket, _) = server_socket(&servers.primary.url(DATABASE));
    let wire = Proxy::to(socket).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", wire.port());
    (replica_at(&url).await, wire)
}

async fn replica_at(url: &str) -> Replica {
    Replica::start_on(url, &[("KEYWARD__COHERENCE__LEASE", "1s")]).await
}

pub(crate) async fn replica_on(server: &PrivateCluster) -> Replica {
    replica_at(&server.url(DATABASE)).await
}

pub(crate) async fn status(replica: &Replica, key: &KeyHolder) -> u16 {
    key.asks_for_the_resource(replica).await.status().as_u16()
}

pub(crate) async fn readiness(replica: &Replica) -> u16 {
    stranger(replica, Method::GET, "/readyz").send().await.expect("an answer").status().as_u16()
}

pub(crate) async fn revoke(owner: &Person, key: &KeyHolder, replica: &Replica) -> u16 {
    let path = replica.url(&format!("/v1/keys/{}", key.id()));
    client().delete(path).bearer_auth(&owner.token).send().await.expect("an answer").status().as_u16()
}

/// However often it is asked, and however long its lease is over.
pub(crate) async fn never_accepts(replica: &Replica, keys: &[&KeyHolder]) {
    for _ in 0..ROUNDS {
        let asks = keys.iter().flat_map(|key| (0..AT_ONCE).map(|_| status(replica, key)));
        let statuses = join_all(asks).await;
        assert!(!statuses.contains(&200), "{} accepts a key whose revoke has returned", replica.address());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_reads_from_a_standby_is_believed_by_nobody() {
    let servers = Servers::start(DATABASE).await;
    let (led, wire) = replica_on_a_wire(&servers).await;
    let other = replica_on(&servers.primary).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.makes_a_key(&other).await, alice.makes_a_key(&other).await);
    let kept = alice.makes_a_key(&other).await;
    assert_eq!((status(&led, &known).await, readiness(&led).await), (200, 200));

    servers.standby.catch_up(&servers.primary).await;
    servers.standby.pause_replay().await;
    let (standby, _) = server_socket(&servers.standby.url(DATABASE));
    let (primary, _) = server_socket(&servers.primary.url(DATABASE));
    wire.lead_to(vec![standby]);
    for key in [&known, &unknown] {
        assert_eq!(revoke(&alice, key, &other).await, 200);
    }
    never_accepts(&led, &[&known, &unknown]).await;
    // It can't tell, so it says neither yes nor no.
    assert_eq!((status(&led, &known).await, status(&led, &kept).await), (503, 503));
    eventually("unready", async || readiness(&led).await == 503).await;
    // Many connections were refused, and the operator reads of it once.
    led.prints("in recovery").await;
    let lines = led.output().lines().filter(|line| line.contains("in recovery")).count();
    assert!(lines <= 4, "{lines} lines about one standby:\n{}", led.output());

    wire.lead_to(vec![primary]);
    eventually("it is well again", async || status(&led, &kept).await == 200).await;
    assert_eq!((status(&led, &known).await, status(&led, &unknown).await), (401, 401));
    eventually("ready", async || readiness(&led).await == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_superseded_gives_no_lease_and_no_read_that_is_believed() {
    let servers = Servers::start(DATABASE).await;
    let old = replica_on(&servers.primary).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.makes_a_key(&old).await, alice.makes_a_key(&old).await);
    let kept = alice.makes_a_key(&old).await;
    // While the standby is there, all is as ever: known keys, first checks, revokes.
    assert_eq!((status(&old, &known).await, status(&old, &kept).await), (200, 200));
    let revoked = alice.makes_a_key(&old).await;
    assert_eq!((status(&old, &revoked).await, revoke(&alice, &revoked, &old).await), (200, 200));
    assert_eq!((status(&old, &revoked).await, readiness(&old).await), (401, 200));

    servers.standby.promote().await;
    let new = replica_on(&servers.standby).await;
    for key in [&known, &unknown] {
        assert_eq!(revoke(&alice, key, &new).await, 200);
    }
    never_accepts(&old, &[&known, &unknown]).await;
    assert_eq!(status(&old, &unknown).await, 503);
    eventually("the old lease is over", async || status(&old, &kept).await == 503).await;
    eventually("unready", async || readiness(&old).await == 503).await;
    assert_eq!(revoke(&alice, &kept, &old).await, 503);
    // What was revoked before, and what was made, is as it was.
    assert_eq!((status(&new, &revoked).await, status(&new, &kept).await), (401, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_with_connections_to_both_primaries_believes_only_the_new_one() {
    let servers = Servers::start(DATABASE).await;
    let (led, wire) = replica_on_a_wire(&servers).await;
    let alice = Person::named("alice");
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(alice.makes_a_key(&led).await);
    }
    let kept = alice.makes_a_key(&led).await;
    servers.standby.promote().await;
    let sockets = [&servers.primary, &servers.standby].map(|server| server_socket(&server.url(DATABASE)).0);
    wire.lead_to(sockets.to_vec());
    let new = replica_on(&servers.standby).await;
    for key in &keys {
        assert_eq!(revoke(&alice, key, &new).await, 200);
        // All at once, so that they have connections to both.
        let asks = (0..4).map(|_| status(&led, key));
        let statuses = join_all(asks).await;
        assert!(!statuses.contains(&200), "{statuses:?}");
    }
    never_accepts(&led, &keys.iter().collect::<Vec<_>>()[..2]).await;
    eventually("the new one is believed", async || status(&led, &kept).await == 200).await;
}

/// Nothing tells it that another server has the place of the first, which goes on and answers everything but commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_knows_both_servers_leaves_the_one_that_was_superseded() {
    let servers = Servers::start(DATABASE).await;
    let mut hosts = Vec::new();
    let mut wires = Vec::new();
    for server in [&servers.primary, &servers.standby] {
        let wire = Proxy::to(server_socket(&server.url(DATABASE)).0).await;
        hosts.push(format!("127.0.0.1:{}", wire.port()));
        wires.push(wire);
    }
    let replica = replica_at(&format!("postgres://postgres@{}/{DATABASE}?sslmode=disable", hosts.join(","))).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.makes_a_key(&replica).await, alice.makes_a_key(&replica).await);
    let kept = alice.makes_a_key(&replica).await;
    assert_eq!((status(&replica, &known).await, status(&replica, &kept).await), (200, 200));

    servers.standby.promote().await;
    let new = replica_on(&servers.standby).await;
    for key in [&known, &unknown] {
        assert_eq!(revoke(&alice, key, &new).await, 200);
    }
    never_accepts(&replica, &[&known, &unknown]).await;
    eventually("it works with the new one", async || revoke(&alice, &kept, &replica).await == 200).await;
    replica.prints("another database server is the primary").await;
    for key in [&known, &unknown, &kept] {
        assert_eq!((status(&replica, key).await, status(&new, key).await), (401, 401));
    }
    eventually("ready", async || readiness(&replica).await == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_standby_is_lost_nothing_is_done_nothing_is_believed_and_nothing_is_left_behind() {
    let servers = Servers::start(DATABASE).await;
    let replica = replica_on(&servers.primary).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.makes_a_key(&replica).await, alice.makes_a_key(&replica).await);
    assert_eq!(status(&replica, &known).await, 200);
    servers.standby.pause();
    // Longer than any of the server's timeouts: none of them may cut a commit short and call it done.
    assert_eq!(revoke(&alice, &known, &replica).await, 503);
    eventually("the lease is over", async || status(&replica, &known).await == 503).await;
    eventually("unready", async || readiness(&replica).await == 503).await;
    for _ in 0..10 {
        let asks = (0..8).map(|_| status(&replica, &unknown));
        let (revoked, made, checked) =
            tokio::join!(revoke(&alice, &known, &replica), alice.asks_for_a_key(&replica), join_all(asks));
        assert_eq!((revoked, made.status().as_u16()), (503, 503));
        assert!(checked.iter().all(|status| *status == 503), "{checked:?}");
    }
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyward%'";
    let processes: i64 = servers.primary.ask(count).await;
    assert!(processes <= MOST_CONNECTIONS, "{processes} processes of the server");

    servers.standby.resume();
    eventually("it is well again", async || status(&replica, &unknown).await == 200).await;
    // What was answered 503 may have been done or not; asked again, it is done.
    for key in [&known, &unknown] {
        eventually("a revoke returns", async || revoke(&alice, key, &replica).await == 200).await;
    }
    assert_eq!((status(&replica, &known).await, status(&replica, &unknown).await), (401, 401));
}

/// A commit that is cut short is visible all the same. Whoever asks again finds that there is nothing left to do, and
/// still must not be told that it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_standby_is_lost_what_seems_to_be_done_already_is_not_called_done() {
    let servers = Servers::start(DATABASE).await;
    // It knows the tokens for as long as this takes, and gives up soon.
    let settings = [
        ("KEYWARD__COHERENCE__LEASE", "60s"),
        ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "500ms"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "500ms"),
    ];
    let replica = Replica::start_on(&servers.primary.url(DATABASE), &settings).await;
    let (root, alice) = (Person::administrator(), Person::named("alice"));
    let key = alice.makes_a_key(&replica).await;
    Person::named("bob").makes_a_key(&replica).await;
    let changes = [
        root.request(&replica, Method::POST, "/v1/admin/keys/revoke").json(&json!({ "owner": BOB })),
        root.request(&replica, Method::POST, &format!("/v1/admin/owners/{BOB}/disable")),
        root.request(&replica, Method::POST, "/v1/admin/tokens/revoke")
            .json(&json!({ "issuer": "", "tokenId": "old" })),
        alice.request(&replica, Method::DELETE, &format!("/v1/keys/{}", key.id())),
        root.request(&replica, Method::DELETE, "/v1/admin/plans/free"),
        alice.request(&replica, Method::POST, "/v1/keys").header("Idempotency-Key", "once"),
    ];
    let cut_short = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    root.request(&replica, Method::PUT, "/v1/admin/plans/free").json(&json!({})).send().await.expect("an answer");
    servers.standby.pause();
    for change in changes {
        for time in ["first", "second"] {
            let reply = Reply::to(change.try_clone().expect("a body in memory")).await;
            assert_eq!(reply.status, 503, "the {time} time: {}", reply.text);
            eventually("its commit is cut short", async || servers.primary.ask::<i64>(cut_short).await > 0).await;
        }
    }
    let done = "SELECT (SELECT count(*) FROM disabled_owners) + (SELECT count(*) FROM revoked_tokens)
                     + (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM api_keys WHERE revoked_at < now())";
    let database = superuser_pool(&servers.primary.url(DATABASE)).await;
    assert_eq!(sqlx::query_scalar::<_, i64>(done).fetch_one(&database).await.expect("a number"), 5);
}

/// Of two standbys, one is promoted while the old primary goes on with the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_any_one_of_two_standbys_the_old_primary_goes_on_accepting_and_with_any_two_it_does_not() {
    for (names, is_safe) in [("ANY 1 (*)", false), ("ANY 2 (*)", true)] {
        let servers = Servers::start(DATABASE).await;
        let _other_standby = servers.primary.start_standby().await;
        servers.primary.wait_for_standbys(names).await;
        let old = replica_on(&servers.primary).await;
        let alice = Person::named("alice");
        let key = alice.makes_a_key(&old).await;
        assert_eq!(status(&old, &key).await, 200);
        servers.standby.promote().await;
        let new = replica_on(&servers.standby).await;
        assert_eq!(revoke(&alice, &key, &new).await, 200);
        if is_safe {
            never_accepts(&old, &[&key]).await;
        } else {
            // Whatever Keyward proves by a commit, this server has committed it. So docs/high-availability.md warns of
            // it.
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(status(&old, &key).await, 200, "the setting is safe after all: say so in the docs");
        }
    }
}
