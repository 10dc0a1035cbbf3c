//! The section `[log]`: the log.

use serde::Deserialize;

use super::loading::Check;

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The filter directives of `tracing_subscriber::EnvFilter`: levels, globally or for a module.
    pub level: String,
    /// Whether each answer has a line.
    pub requests: bool,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, otherwise JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

impl Log {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let format = check.value("log.format", "auto, json or pretty");
        let level = check.text("log.level", 1024);
        let requests = check.value("log.requests", "true or false");
        if level.as_ref().is_some_and(|level| !level.split(',').all(is_log_directive)) {
            let grammar = "error, warn, info, debug, trace or off, also for modules (info,keyward::auth=debug)";
            check.problem("log.level", format!("is not understood: use {grammar}"));
            return None;
        }
        Some(Self { format: format?, level: level?, requests: requests? })
    }
}

/// Stricter than `EnvFilter`, which takes a mistyped level for a module name and then logs nothing at all.
fn is_log_directive(directive: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let (module, level) = directive.trim().rsplit_once('=').unwrap_or(("keyward", directive.trim()));
    let is_module = !module.is_empty() && module.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '-'));
    is_module && LEVELS.contains(&level.to_ascii_lowercase().as_str())
}
