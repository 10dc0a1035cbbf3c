//! Each fault is provoked, and Prometheus sees it begin and end.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{
    eventually,
    stub_server::{Answer, StubServer},
};

use super::{
    fleet::Fleet,
    prometheus::{Prometheus, is_installed},
    shipped::{alerts, dashboards},
};

/// What fires while the database does not answer.
const WITHOUT_DATABASE: [&str; 5] = [
    "KeywardErrorBudgetBurnsFast",
    "KeywardFirstChecksRefused",
    "KeywardLeaseLost",
    "KeywardDatabaseUnreachable",
    "KeywardHeartbeatsFail",
];

/// Only promtool tests these: errors for days, and samples that fail for a quarter of an hour.
const NOT_PROVOKED: [&str; 2] = ["KeywardErrorBudgetBurnsSlowly", "KeywardSamplesStale"];

/// What a replica of another version says, on a server whose queue of notifications fills. No test can fill the real
/// one, of 8 GB.
const OTHER_REPLICA: &str = "keyward_build_info{version=\"9.9.9\",revision=\"other\",replica=\"other\"} 1\n\
                             keyward_notification_queue_usage_ratio 0.4\n";

#[test]
fn no_alert_is_forgotten_here() {
    let others = [
        "KeywardVersionsDiffer",
        "KeywardNotificationQueueFills",
        "KeywardChangesConfirmSlowly",
        "KeywardReplicasMissing",
        "KeywardIssuerKeysStale",
        "KeywardIssuerWithoutKeys",
        "KeywardDatabaseSaturated",
        "KeywardChangesFail",
        "KeywardKeysInUseExpire",
        "KeywardDown",
    ];
    let named: BTreeSet<_> = [&WITHOUT_DATABASE[..], &NOT_PROVOKED, &others].concat().into_iter().collect();
    assert_eq!(named, alerts().iter().map(String::as_str).collect());
}

/// All faults in one test, because the replicas and Prometheus take longer to start than a fault to be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_sees_each_fault_begin_and_end_and_the_dashboards_have_data() {
    if !is_installed("prometheus") {
        return;
    }
    let (prometheus, mut fleet, other) = tokio::join!(Prometheus::start(), Fleet::start(), OtherReplica::start());
    prometheus.scrapes(&[&fleet.addresses()[..], &[&other.address]].concat());
    let (alice, expiring) = fleet.a_key_that_expires_soon_is_used().await;
    each_query_of_the_dashboards_has_data(&prometheus).await;
    let all = alerts();
    let all_but_keys = all.iter().map(String::as_str).filter(|alert| *alert != "KeywardKeysInUseExpire");
    prometheus.sees_the_end_of(&all_but_keys.collect::<Vec<_>>()).await;

    fleet.issuer.is_down(true);
    another_version_runs(&prometheus, &other).await;
    a_replica_hangs(&prometheus, &fleet).await;
    a_replica_dies(&prometheus, &mut fleet, &other).await;
    prometheus.sees(&["KeywardIssuerWithoutKeys", "KeywardIssuerKeysStale", "KeywardKeysInUseExpire"]).await;
    fleet.issuer.is_down(false);
    alice.deletes(&fleet.replicas[0], &expiring).await.is(200);
    requests_wait_for_connections(&prometheus, &fleet).await;
    the_database_takes_no_changes(&prometheus, &fleet).await;
    the_database_does_not_answer(&prometheus, &fleet).await;
    the_database_refuses_connections(&prometheus, &mut fleet).await;
    all_replicas_hang(&prometheus, &fleet).await;
    prometheus.sees_the_end_of(&["KeywardIssuerWithoutKeys", "KeywardIssuerKeysStale", "KeywardKeysInUseExpire"]).await;
}

/// A replica of another version, while it is there.
struct OtherReplica {
    address: String,
    is_there: Arc<AtomicBool>,
    _server: StubServer,
}

impl OtherReplica {
    async fn start() -> Self {
        let is_there = Arc::<AtomicBool>::default();
        let asked = Arc::clone(&is_there);
        let server = StubServer::start(move |_| {
            let is_there = asked.load(Ordering::Relaxed);
            async move { if is_there { Answer::with_body(200, OTHER_REPLICA) } else { Answer::nothing() } }
        });
        let server = server.await;
        Self { address: server.address().to_string(), is_there, _server: server }
    }
}

async fn each_query_of_the_dashboards_has_data(prometheus: &Prometheus) {
    for dashboard in dashboards() {
        for query in dashboard.queries {
            // Grafana chooses some scrapes.
            let query = query.replace("$__rate_interval", "2s");
            assert!(!query.contains('$'), "Grafana puts something in that this test does not: {query}");
            let what = format!("{}: data for {query}", dashboard.file);
            eventually(&what, async || prometheus.has_data_for(&query).await).await;
        }
    }
}

async fn another_version_runs(prometheus: &Prometheus, other: &OtherReplica) {
    other.is_there.store(true, Ordering::Relaxed);
    prometheus.sees(&["KeywardVersionsDiffer", "KeywardNotificationQueueFills"]).await;
    other.is_there.store(false, Ordering::Relaxed);
    prometheus.sees_the_end_of(&["KeywardVersionsDiffer", "KeywardNotificationQueueFills"]).await;
}

/// Changes wait for its lease to end.
async fn a_replica_hangs(prometheus: &Prometheus, fleet: &Fleet) {
    fleet.replicas[2].signal("STOP");
    prometheus.sees(&["KeywardChangesConfirmSlowly", "KeywardReplicasMissing"]).await;
    fleet.replicas[2].signal("CONT");
    prometheus.sees_the_end_of(&["KeywardChangesConfirmSlowly", "KeywardReplicasMissing"]).await;
}

/// The one that takes its place has never reached the issuer.
async fn a_replica_dies(prometheus: &Prometheus, fleet: &mut Fleet, other: &OtherReplica) {
    drop(fleet.replicas.pop());
    prometheus.sees(&["KeywardReplicasMissing"]).await;
    fleet.starts_another().await;
    prometheus.scrapes(&[&fleet.addresses()[..], &[&other.address]].concat());
    prometheus.sees_the_end_of(&["KeywardReplicasMissing"]).await;
}

async fn requests_wait_for_connections(prometheus: &Prometheus, fleet: &Fleet) {
    let mut lock = PgConnection::connect(&fleet.database.url("keyward")).await.expect("a connection");
    let statement = "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut lock).await.expect("a lock");
    prometheus.sees(&["KeywardDatabaseSaturated"]).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.expect("an end");
    prometheus.sees_the_end_of(&["KeywardDatabaseSaturated"]).await;
}

/// As a provider does it when the disk is full.
async fn the_database_takes_no_changes(prometheus: &Prometheus, fleet: &Fleet) {
    let url = format!("{}&options[default_transaction_read_only]=off", fleet.database.url("keyward"));
    let mut operator = PgConnection::connect(&url).await.expect("a connection");
    for (value, fires) in [("on", true), ("off", false)] {
        let statement = format!("ALTER DATABASE keyward SET default_transaction_read_only = {value}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut operator).await.expect("a setting");
        // Sessions keep what was there when they began.
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = 'keyward' AND pid <> pg_backend_pid()";
        sqlx::raw_sql(others).execute(&mut operator).await.expect("they end");
        match fires {
            true => prometheus.sees(&["KeywardChangesFail"]).await,
            false => prometheus.sees_the_end_of(&["KeywardChangesFail"]).await,
        }
    }
}

async fn the_database_does_not_answer(prometheus: &Prometheus, fleet: &Fleet) {
    fleet.database.pause();
    prometheus.sees(&WITHOUT_DATABASE).await;
    fleet.database.resume();
    prometheus.sees_the_end_of(&WITHOUT_DATABASE).await;
}

/// Nothing hangs then: not even a heartbeat is sent.
async fn the_database_refuses_connections(prometheus: &Prometheus, fleet: &mut Fleet) {
    fleet.database.stop().await;
    prometheus.sees(&["KeywardLeaseLost", "KeywardDatabaseUnreachable"]).await;
    fleet.database.restart().await;
    prometheus.sees_the_end_of(&WITHOUT_DATABASE).await;
}

async fn all_replicas_hang(prometheus: &Prometheus, fleet: &Fleet) {
    fleet.replicas.iter().for_each(|replica| replica.signal("STOP"));
    prometheus.sees(&["KeywardDown"]).await;
    fleet.replicas.iter().for_each(|replica| replica.signal("CONT"));
    prometheus.sees_the_end_of(&["KeywardDown"]).await;
}
