//! A failover behind PgBouncer in transaction mode: each transaction may be on another server than the one before it.

use futures_util::future::join_all;
use test_support::{
    actors::Person,
    eventually,
    pgbouncer::{PgBouncer, Program, pooled},
    proxy::Proxy,
    replica::Replica,
    server_socket,
    standby::Servers,
};

use crate::failover::{DATABASE, MOST_CONNECTIONS, never_accepts, readiness, replica_on, revoke, status};

/// A replica whose work goes through a pooler and a wire, and which listens by another wire.
struct Behind {
    replica: Replica,
    _pooler: PgBouncer,
    wire: Proxy,
    past: Proxy,
}

impl Behind {
    /// `None` where the machine has no PgBouncer that keeps statements.
    async fn pgbouncer(servers: &Servers) -> Option<Self> {
        let program = Program::that_keeps_statements()?;
        let (socket, _) = server_socket(&servers.primary.url(DATABASE));
        let (wire, past) = (Proxy::to(socket.clone()).await, Proxy::to(socket).await);
        let settings = "pool_mode = transaction\ndefault_pool_size = 6\nmax_prepared_statements = 100";
        let pooler = PgBouncer::before_port(&program, wire.port(), settings).await;
        let url = pooler.url(&servers.primary.url(DATABASE));
        let listen = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}?sslmode=disable", past.port());
        let env = [&[("KEYWARD__COHERENCE__LEASE", "1s")][..], &pooled(&url, &listen)].concat();
        let replica = Replica::start_on(&url, &env).await;
        Some(Self { replica, _pooler: pooler, wire, past })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_with_sessions_on_both_primaries_brings_nothing_that_was_revoked() {
    let servers = Servers::start(DATABASE).await;
    let Some(behind) = Behind::pgbouncer(&servers).await else { return };
    let led = &behind.replica;
    let alice = Person::named("alice");
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(alice.makes_a_key(led).await);
    }
    let kept = alice.makes_a_key(led).await;
    assert_eq!(status(led, &keys[0]).await, 200);
    servers.standby.promote().await;
    let sockets = [&servers.primary, &servers.standby].map(|server| server_socket(&server.url(DATABASE)).0);
    behind.wire.lead_to(sockets.to_vec());
    let new = replica_on(&servers.standby).await;
    for key in &keys {
        assert_eq!(revoke(&alice, key, &new).await, 200);
        // All at once, so that they are on both.
        let statuses = join_all((0..4).map(|_| status(led, key))).await;
        assert!(!statuses.contains(&200), "{statuses:?}");
    }
    never_accepts(led, &keys.iter().collect::<Vec<_>>()[..2]).await;

    let [_, standby] = sockets;
    behind.wire.lead_to(vec![standby.clone()]);
    behind.past.lead_to(vec![standby]);
    eventually("it works with the new primary", async || revoke(&alice, &kept, led).await == 200).await;
    eventually("ready", async || readiness(led).await == 200).await;
    for key in keys.iter().chain([&kept]) {
        assert_eq!((status(led, key).await, status(&new, key).await), (401, 401));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_standby_is_lost_a_pooler_calls_no_commit_done_and_leaves_nothing_behind() {
    let servers = Servers::start(DATABASE).await;
    let Some(behind) = Behind::pgbouncer(&servers).await else { return };
    let replica = &behind.replica;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.makes_a_key(replica).await, alice.makes_a_key(replica).await);
    assert_eq!(status(replica, &known).await, 200);
    servers.standby.pause();
    // Longer than any of the server's timeouts.
    assert_eq!(revoke(&alice, &known, replica).await, 503);
    eventually("the lease is over", async || status(replica, &known).await == 503).await;
    eventually("unready", async || readiness(replica).await == 503).await;
    for _ in 0..10 {
        let asks = (0..8).map(|_| status(replica, &unknown));
        let (revoked, made, checked) =
            tokio::join!(revoke(&alice, &known, replica), alice.asks_for_a_key(replica), join_all(asks));
        assert_eq!((revoked, made.status().as_u16()), (503, 503));
        assert!(checked.iter().all(|status| *status == 503), "{checked:?}");
    }
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyward%'";
    let processes: i64 = servers.primary.ask(count).await;
    assert!(processes <= MOST_CONNECTIONS, "{processes} processes of the server");

    servers.standby.resume();
    eventually("it is well again", async || status(replica, &unknown).await == 200).await;
    for key in [&known, &unknown] {
        eventually("a revoke returns", async || revoke(&alice, key, replica).await == 200).await;
    }
    assert_eq!((status(replica, &known).await, status(replica, &unknown).await), (401, 401));
}
