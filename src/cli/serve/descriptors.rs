//! The limit on open files of this process, which covers connections and everything else that is needed to answer on
//! them.

use anyhow::ensure;
use keyward::{api::CONSOLE_CONNECTIONS, config::Config};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files besides connections: standard streams, listeners, policy and key files while they are read, fetches of
/// key sets, and a reserve.
const OWN: u64 = 64;
/// Open files per worker, including the runtime's threads.
const OF_A_WORKER: u64 = 8;
/// With room for fewer clients, the server does not start.
const FEWEST_CONNECTIONS: u64 = 16;

/// What to do if there are too few.
pub(in crate::cli) const MORE_FILES: &str =
    "raise the hard limit of open files (ulimit -Hn, LimitNOFILE= of systemd, `ulimits` of a compose file)";

/// How many files a process may open, and how many it needs.
pub(in crate::cli) struct OpenFiles {
    /// The hard limit.
    pub(in crate::cli) hard: u64,
    /// With fewer there is no room for the database and a few clients.
    pub(in crate::cli) fewest: u64,
    /// What the settings need.
    pub(in crate::cli) wanted: u64,
}

impl OpenFiles {
    pub(in crate::cli) fn of(config: &Config) -> Self {
        let (own, most) = (own_files(config), config.server.max_connections as u64);
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        Self { hard, fewest: own + most.min(FEWEST_CONNECTIONS), wanted: own + most }
    }
}

/// Before the runtime and the configuration, both of which need some files, and which would end with the system's
/// error.
pub(in crate::cli) fn demand_some() -> anyhow::Result<()> {
    demand(OWN + FEWEST_CONNECTIONS)
}

/// Raises the soft limit as far as the settings need and the hard limit allows. If that is not enough, fewer clients
/// are served at once, so that the database, the policy and readiness always get a file.
///
/// # Errors
/// If there is no room for the database and a few clients.
pub(super) fn settle(config: &mut Config) -> anyhow::Result<()> {
    let OpenFiles { fewest, wanted, .. } = OpenFiles::of(config);
    let limit = raised(getrlimit(Resource::Nofile), wanted);
    if limit >= wanted {
        return Ok(());
    }
    demand(fewest)?;
    let left = limit.saturating_sub(own_files(config));
    tracing::warn!(
        open_files = limit,
        wanted,
        max_connections = left,
        "the system lets this process open fewer files than server.max_connections needs: fewer connections are taken. Raise the \
         hard limit (ulimit -Hn, LimitNOFILE= of systemd, `ulimits` of a compose file), or lower server.max_connections"
    );
    config.server.max_connections = usize::try_from(left).unwrap_or(usize::MAX);
    Ok(())
}

fn demand(fewest: u64) -> anyhow::Result<()> {
    let limit = raised(getrlimit(Resource::Nofile), fewest);
    ensure!(
        limit >= fewest,
        "the system lets this process open {limit} files, and it needs {fewest} for its connections to the database, its workers \
         and a few clients: {MORE_FILES}"
    );
    Ok(())
}

fn own_files(config: &Config) -> u64 {
    let database = &config.database;
    // Three for signals, and the same number again for connections that are being replaced.
    let to_database = 2 * (u64::from(database.pool_size) + u64::from(database.admin_connections) + 3);
    let own_console = config.console.as_ref().and_then(|console| console.listen);
    let of_console = own_console.map_or(0, |_| CONSOLE_CONNECTIONS.min(config.server.max_connections) as u64);
    OWN + to_database + of_console + OF_A_WORKER * config.server.workers.get() as u64
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
