//! `keyward serve`: production.

mod descriptors;

use std::pin::pin;

use anyhow::Context;
use keyward::{
    config::{Config, Exposure, Settings, Sources},
    startup::{RunningServer, Stop},
    telemetry::log,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) use self::descriptors::{MORE_FILES, OpenFiles};
use super::hardening::Hardened;

pub(super) fn run(sources: Sources, hardened: Hardened) -> anyhow::Result<()> {
    descriptors::demand_some()?;
    let runtime = super::runtime()?;
    // Before anything that takes time, such as reading files: until we listen for it, SIGHUP ends the process.
    let hang_up = runtime.block_on(async { hang_ups() })?;
    let config = begin(Settings::load(sources)?, hardened)?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        start_and_run(config, hang_up, stop, |_| Ok(())).await
    })
}

/// From now on, SIGHUP doesn't end the process. To be called within the runtime.
pub(super) fn hang_ups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP")
}

/// The configuration, after setting up the log and the process accordingly. The settings, which contain secrets, are
/// dropped here.
pub(super) fn begin(settings: Settings, hardened: Hardened) -> anyhow::Result<Config> {
    let mut config = settings.validate()?;
    log::init(&config.log, config.traces.as_ref())?;
    hardened.settle(config.process.core_dumps);
    descriptors::settle(&mut config)?;
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

/// Serves until `stop`, and calls `started` once the replica is prepared. A stop before that, while the database is
/// waited for or migrated, takes effect immediately.
pub(super) async fn start_and_run(
    config: Config,
    hang_up: Signal,
    stop: impl Future<Output = Stop>,
    started: impl FnOnce(&RunningServer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut stop = pin!(stop);
    let mut replica = RunningServer::start(config, hang_up)?;
    tokio::select! {
        prepared = replica.prepare() => prepared?,
        _ = &mut stop => return Ok(()),
    }
    started(&replica)?;
    replica.run_until(stop).await
}

/// SIGTERM comes from an orchestrator, which balances load; SIGINT comes from a person at a terminal, who wants to stop
/// immediately.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Stop::AfterUnready,
            _ = interrupt.recv() => Stop::AtOnce,
        }
    })
}
