//! The limit on open files of this process, which covers connections and everything else that is needed to answer on
//! them.

use keyward::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files besides connections: standard streams, listeners, policy and key files while they are read, fetches of
/// key sets, and a reserve.
const OWN: u64 = 64;
/// Open files per worker, including the runtime's threads.
const OF_A_WORKER: u64 = 8;
/// A lower limit leaves no room for clients, and the server reports that when it starts.
const FEWEST_CONNECTIONS: u64 = 16;

/// Raises the soft limit as far as the settings need and the hard limit allows. If that is not enough, fewer clients
/// are served at once, so that the database, the policy and readiness always get a file.
pub(super) fn settle(config: &mut Config) {
    let (own, wanted) = (own_files(config), wanted(config));
    let limit = getrlimit(Resource::Nofile);
    let limit = raised(limit, wanted);
    if limit >= wanted {
        return;
    }
    let left = limit.saturating_sub(own).max(FEWEST_CONNECTIONS);
    tracing::warn!(
        open_files = limit,
        wanted,
        max_connections = left,
        "the system lets this process open fewer files than server.max_connections needs: fewer connections are taken. Raise the \
         hard limit (ulimit -Hn, LimitNOFILE= of systemd, `ulimits` of a compose file), or lower server.max_connections"
    );
    config.server.max_connections = usize::try_from(left).unwrap_or(usize::MAX);
}

/// How many the settings need.
pub(in crate::cli) fn wanted(config: &Config) -> u64 {
    own_files(config) + config.server.max_connections as u64
}

fn own_files(config: &Config) -> u64 {
    let database = &config.database;
    // Three for signals, and the same number again for connections that are being replaced.
    let to_database = 2 * (u64::from(database.pool_size) + u64::from(database.admin_connections) + 3);
    OWN + to_database + OF_A_WORKER * config.server.workers.get() as u64
}

/// The soft limit, after raising it as far as possible and necessary.
fn raised(limit: Rlimit, wanted: u64) -> u64 {
    let (Some(soft), hard) = (limit.current, limit.maximum) else { return u64::MAX };
    if soft >= wanted {
        return soft;
    }
    let raised = hard.map_or(wanted, |hard| wanted.min(hard));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: hard }) {
        Ok(()) => raised,
        Err(_) => soft,
    }
}
