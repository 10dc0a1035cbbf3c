//! Failovers with the real thing: Patroni and etcd on three machines, three replicas that are given the addresses of
//! all, and one that has to stay with the first primary. Whatever happens to the primary, a revoke that has returned
//! holds.
//!
//! `scripts/failover.sh` installs what this needs, and runs it. It takes five minutes, and root.

mod cluster;
mod fleet;
mod network;

use std::time::{Duration, Instant};

use self::{
    cluster::{Cluster, DATABASE, query},
    fleet::Fleet,
};
use crate::{checker::stale, log::Log};

/// So soon after another primary commits, every replica that can reach it works again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(10);
/// Longer than a lease, so that whoever was wrong to believe is seen.
const AFTERWARDS: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// `kill -9` of Postgres on the primary.
    Killed,
    /// SIGSTOP of Postgres on the primary.
    Stopped,
    /// SIGSTOP of Patroni on the primary: its Postgres goes on, and nobody tells it that another has its place.
    ManagerStopped,
    /// The primary and a replica are cut off from the other machines, and not from their clients.
    CutOff,
    /// An operator asks for another primary.
    SwitchedOver,
}

const FAULTS: [Fault; 5] = [Fault::Killed, Fault::Stopped, Fault::ManagerStopped, Fault::CutOff, Fault::SwitchedOver];

impl Fault {
    async fn begin(self, cluster: &Cluster, primary: usize) {
        match self {
            Self::Killed => cluster.signal_postgres(primary, "KILL"),
            Self::Stopped => cluster.signal_postgres(primary, "STOP"),
            Self::ManagerStopped => cluster.signal_patroni(primary, "STOP"),
            Self::CutOff => cluster.network.cut_off(primary),
            Self::SwitchedOver => cluster.switch_over(primary).await,
        }
    }

    fn end(self, cluster: &Cluster, primary: usize) {
        match self {
            Self::Stopped => cluster.signal_postgres(primary, "CONT"),
            Self::ManagerStopped => cluster.signal_patroni(primary, "CONT"),
            Self::CutOff => cluster.network.heal(primary),
            Self::Killed | Self::SwitchedOver => {}
        }
    }

    /// Which of the replicas can't reach the new primary.
    fn isolates(self, primary: usize) -> Option<usize> {
        (self == Self::CutOff).then_some(primary)
    }
}

/// A failover with everything that goes on meanwhile. What was seen of it.
async fn fail_over(cluster: &Cluster, fleet: &mut Fleet, fault: Fault) -> Log {
    let primary = cluster.primary().await.expect("a whole cluster has one");
    fleet.pin(primary).await;
    fleet.know_each_other().await;
    let churn = fleet.begin_churn();
    tokio::time::sleep(Duration::from_secs(1)).await;
    fault.begin(cluster, primary).await;
    cluster.until_replaced(primary).await;
    let replaced = Instant::now();
    fleet.all_work(fault.isolates(primary)).await;
    let recovered = replaced.elapsed();
    tokio::time::sleep(AFTERWARDS).await;
    fault.end(cluster, primary);
    cluster.until_whole().await;
    fleet.all_work(None).await;
    let (made, revoked) = churn.end().await;
    let log = fleet.take_log().await;
    let checks = log.checks.len();
    println!("{fault:?}: works again after {recovered:.1?}; {made} keys made, {revoked} revoked, {checks} checks");
    assert!(made > 0 && revoked > 0, "proves nothing");
    assert!(recovered <= RECOVERS_WITHIN, "{fault:?}: {recovered:?}");
    log
}

/// The promise was kept, and every answer has a reason; what was acknowledged is there.
async fn all_is_well(cluster: &Cluster, fleet: &Fleet, log: &Log, what: &str) {
    for violations in [stale(log), fleet.wrong_answers(log)] {
        assert!(violations.is_empty(), "{what}: {} times, the first: {}", violations.len(), violations[0]);
    }
    fleet.nothing_is_lost().await;
    audit_is_whole(cluster).await;
}

/// Each key that was made or revoked has its event, and each event its key.
async fn audit_is_whole(cluster: &Cluster) {
    let primary = cluster.primary().await.expect("a whole cluster has one");
    const GAPS: &str = "SELECT count(*) FROM
        (SELECT id FROM api_keys) AS k FULL JOIN
        (SELECT DISTINCT key_id AS id FROM audit_events WHERE action = 'key.created') AS created USING (id) FULL JOIN
        (SELECT DISTINCT key_id AS id, true AS is_revoked FROM audit_events WHERE action = 'key.revoked') AS revoked USING (id)
        LEFT JOIN api_keys USING (id)
        WHERE api_keys.id IS NULL OR created.id IS NULL OR (revoked_at IS NOT NULL) <> coalesce(is_revoked, false)";
    assert_eq!(query::<i64>(primary, DATABASE, GAPS).await, Some(0), "keys without events, or events without keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, root, Patroni and etcd: scripts/failover.sh"]
async fn whatever_happens_to_the_primary_a_revoke_that_has_returned_holds() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::start().await;
    for fault in FAULTS {
        let log = fail_over(&cluster, &mut fleet, fault).await;
        all_is_well(&cluster, &fleet, &log, &format!("{fault:?}")).await;
    }
    without_a_standby_no_revoke_returns(&cluster, &mut fleet).await;
}

async fn without_a_standby_no_revoke_returns(cluster: &Cluster, fleet: &mut Fleet) {
    let primary = cluster.primary().await.expect("a whole cluster has one");
    let standbys: Vec<usize> = (0..network::MACHINES).filter(|machine| *machine != primary).collect();
    fleet.pin(primary).await;
    fleet.know_each_other().await;
    for signal in ["STOP", "CONT"] {
        for standby in &standbys {
            cluster.signal_patroni(*standby, signal);
            cluster.signal_postgres(*standby, signal);
        }
        if signal == "STOP" {
            let revoked = fleet.tries_to_revoke_for(AFTERWARDS).await;
            assert_eq!(revoked, 0, "revokes have returned while no standby has them");
        }
    }
    cluster.until_whole().await;
    fleet.all_work(None).await;
    let log = fleet.take_log().await;
    all_is_well(cluster, fleet, &log, "without a standby").await;
}

/// The same where nobody waits for a standby, neither heartbeats nor revokes: the suite must see what comes of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, root, Patroni and etcd: scripts/failover.sh"]
async fn where_no_commit_waits_for_the_standby_a_revoked_key_is_seen_to_be_accepted() {
    let cluster = Cluster::start().await;
    let primary = cluster.primary().await.expect("a whole cluster has one");
    let local = format!("ALTER DATABASE {DATABASE} SET synchronous_commit = local");
    query::<String>(primary, "postgres", &local).await.expect("set");
    let mut fleet = Fleet::start().await;
    let log = fail_over(&cluster, &mut fleet, Fault::CutOff).await;
    let accepted = stale(&log).len();
    assert!(accepted > 0, "the checks see nothing");
    println!("{accepted} acceptances after a revoke");
}
