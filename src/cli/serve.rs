//! `keyward serve`: production.

use std::pin::pin;

use keyward::{
    config::{Config, Settings},
    startup::{Replica, Stop},
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = settings.validate()?;
    telemetry::init(&config.log)?;
    super::runtime()?.block_on(async {
        let stop = stop_signal()?;
        start_and_run(config, stop, |_| ()).await
    })
}

/// Serves until `stop`, and calls `started` when it begins to. A stop that comes before, while the
/// database is waited for or migrated, ends it at once.
pub(super) async fn start_and_run(
    config: Config,
    stop: impl Future<Output = Stop>,
    started: impl FnOnce(&Replica),
) -> anyhow::Result<()> {
    let mut stop = pin!(stop);
    let replica = tokio::select! {
        replica = Replica::start(config) => replica?,
        _ = &mut stop => return Ok(()),
    };
    started(&replica);
    replica.run_until(stop).await
}

/// SIGTERM comes from an orchestrator, which balances load; SIGINT from a person at a terminal, who
/// wants an end.
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
