//! The destination and format of log lines.

use std::io::{IsTerminal, stderr};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, LevelFilter},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::traces::{self, OnlyTraces};
use crate::config::{Log, LogFormat, Traces};

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
    // The steps of traced requests are for traces. Off, they are never made.
    ("keyward::traces", LevelFilter::OFF),
    ("rustls", LevelFilter::INFO),
    // At INFO, it repeats at each start that a relation "already exists, skipping"; at WARN, for each connection what
    // our own lines say once of an outage.
    ("sqlx", LevelFilter::ERROR),
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

/// Writes log lines to standard error, because standard output belongs to what commands print. Begins traces, if there
/// are to be any.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(settings: &Log, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let level = EnvFilter::try_new(&settings.level)?;
    match traces {
        // What these filters refuse costs nothing, because there is nobody else who could want it.
        None => tracing_subscriber::registry().with(level).with(capped()).with(lines(pretty)).try_init()?,
        Some(traces) => {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces::begin(traces))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false)
                .with_filter(OnlyTraces);
            let lines = lines(pretty).with_filter(level.and(capped()));
            tracing_subscriber::registry().with(spans).with(lines).try_init()?;
        }
    }
    Ok(())
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(pretty: bool) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    if pretty {
        lines.with_target(false).with_ansi(stderr().is_terminal()).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    }
}

fn capped() -> tracing_subscriber::filter::Targets {
    tracing_subscriber::filter::Targets::new().with_default(LevelFilter::TRACE).with_targets(CAPPED.iter().copied())
}
