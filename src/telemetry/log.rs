//! The destination and format of log lines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Libraries whose most detailed lines contain whole requests, responses or statements, with the maximum level that
/// they may log. Overrides every configured level, so that no setting alone can put a key into the log.
const CAPPED: &[(&str, LevelFilter)] = &[
    ("actix_http", LevelFilter::INFO),
    // Logs each malformed request as an error; strangers must not be able to fill the log or page anybody.
    ("actix_http::h1::dispatcher", LevelFilter::OFF),
    // Logs starts and stops, which we log ourselves in fewer lines.
    ("actix_server", LevelFilter::WARN),
    ("actix_web", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
    // At INFO, it repeats at each start that a relation "already exists, skipping".
    ("sqlx", LevelFilter::WARN),
];

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not a valid `EnvFilter`.
    #[error(
        "log.level is not understood: {0}. Use error, warn, info, debug or trace, or directives such as info,keyward=debug"
    )]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Another component has already set up logging.
    #[error("logging is already set up")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Writes log lines to standard error, because standard output belongs to what commands print.
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
