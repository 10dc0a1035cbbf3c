//! `keyward serve`: production.

//!
//! - `signals`: what a signal to the process does
//! - `descriptors`: how many files it may open

mod descriptors;
mod signals;

use keyward::{
    config::{Config, Exposure, OtherDatabase, Settings, Sources},
    startup::{RunningServer, Stop, StopOrders},
    telemetry::log,
};

pub(super) use self::{
    descriptors::{MORE_FILES, OpenFiles},
    signals::Signals,
};
use super::hardening::Hardened;

pub(super) fn run(sources: Sources, hardened: Hardened) -> anyhow::Result<()> {
    descriptors::demand_some()?;
    let runtime = super::runtime()?;
    // Before anything that takes time, such as reading files: until we listen for them, signals end the process.
    let signals = runtime.block_on(async { Signals::listen() })?;
    let config = begin(Settings::load(sources)?, hardened)?;
    runtime.block_on(async {
        let (hang_up, orders) = signals.follow(Stop::AfterUnready);
        let replica = RunningServer::start(config, hang_up, false)?;
        prepare_and_run(replica, orders, |_| Ok(())).await
    })
}

/// The configuration, after setting up the log and the process accordingly. The settings, which contain secrets, are
/// dropped here.
pub(super) fn begin(settings: Settings, hardened: Hardened) -> anyhow::Result<Config> {
    let mut config = settings.validate()?;
    log::init(&config.log, config.traces.as_ref())?;
    hardened.settle(config.process.core_dumps);
    descriptors::settle(&mut config)?;
    if let Some(OtherDatabase { used, unused }) = settings.other_database() {
        tracing::warn!(used, unused, "two databases are named, and one of them is not used");
    }
    for Exposure { setting, file, folder } in settings.exposed_files() {
        match folder {
            None => tracing::warn!(
                "{setting} names a file with secrets that everybody may read or change; take that away with `chmod o= {}` (in \
                 Kubernetes: defaultMode: 0440, with fsGroup)",
                file.display()
            ),
            Some(folder) => tracing::warn!(
                "{setting} names a file with secrets that everybody may replace; take that away with `chmod o-w {}`",
                folder.display()
            ),
        }
    }
    Ok(config)
}

/// Serves until it is told to stop, and calls `started` once the replica is prepared. A stop before that, while the
/// database is waited for or migrated, takes effect immediately.
pub(super) async fn prepare_and_run(
    mut replica: RunningServer,
    mut orders: StopOrders,
    started: impl FnOnce(&RunningServer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    tokio::select! {
        prepared = replica.prepare() => prepared?,
        _ = orders.stop() => return Ok(()),
    }
    started(&replica)?;
    replica.run_until(orders).await
}
