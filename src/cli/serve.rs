//! `keyward serve`: production.

use keyward::{
    config::Settings,
    startup::{Replica, Stop},
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = settings.validate()?;
    telemetry::init(&config.log)?;
    super::runtime()?.block_on(async {
        let stop = stop_signal()?;
        Replica::start(config).await?.run_until(stop).await
    })
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
