//! Where log lines go, and in which form.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Libraries that write whole requests, responses or statements into their most detailed lines, and
/// the most that we let them say. It stands above any configured level: a key must not be one
/// setting away from a log.
const CAPPED: &[(&str, LevelFilter)] = &[
    ("actix_http", LevelFilter::INFO),
    // It calls each malformed request an error; strangers must not fill our log or wake anyone.
    ("actix_http::h1::dispatcher", LevelFilter::OFF),
    // Starts and stops, which we tell ourselves in fewer lines.
    ("actix_server", LevelFilter::WARN),
    ("actix_web", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
    // At INFO it passes on that a relation "already exists, skipping", at each start.
    ("sqlx", LevelFilter::WARN),
];

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not in the grammar of `EnvFilter`.
    #[error(
        "log.level is not understood: {0}. Use error, warn, info, debug or trace, or directives such as info,keyward=debug"
    )]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Something else has set it up before.
    #[error("logging is set up already")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error: standard output belongs to what commands print.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(settings: &Log) -> Result<(), TelemetryError> {
    let pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(&settings.level)?).with(capped());
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    if pretty {
        registry.with(lines.with_target(false).with_ansi(stderr().is_terminal())).try_init()?;
    } else {
        registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init()?;
    }
    Ok(())
}

fn capped() -> tracing_subscriber::filter::Targets {
    tracing_subscriber::filter::Targets::new().with_default(LevelFilter::TRACE).with_targets(CAPPED.iter().copied())
}
