//! The names of settings in files (`jwt.secret`), in the environment (`KEYWARD__JWT__SECRET`) and in messages; and
//! suggestions for mistyped ones.

/// The prefix of environment variables for settings.
pub(in crate::config) const PREFIX: &str = "KEYWARD__";

/// The environment variable with the path of the configuration file.
pub(in crate::config) const FILE_VARIABLE: &str = "KEYWARD_CONFIG";

/// Settings whose value is never shown. Each has a twin `…_file` with the path of a file to read it from.
pub(in crate::config) const SECRETS: [&str; 11] = [
    "console.openid.client_secret",
    "database.url",
    "database.listen_url",
    "database.migrate_url",
    "database.migrate_password",
    "database.password",
    "jwt.secret",
    "jwt.previous_secret",
    "keys.peppers",
    "metrics.token",
    "traces.headers",
];

/// Settings with several values: separated by commas in the environment, one per line in a secret's file.
pub(in crate::config) const LISTS: [&str; 6] = [
    "authorize.credential_headers",
    "console.openid.scopes",
    "jwt.audience",
    "keys.peppers",
    "server.cors",
    "server.trusted_proxies",
];

/// Settings that are lists of tables, in the configuration file only, with what each table is about.
const LISTS_OF_TABLES: [(&str, &str); 2] = [("jwt.issuers", "issuer"), ("scopes", "scope")];

/// Names that platforms and people commonly use. If several mean one setting, the last that is set wins.
pub(in crate::config) const ALIASES: [(&str, &str); 23] = [
    ("PORT", "server.port"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_URL_FILE", "database.url_file"),
    ("JWT_SECRET", "jwt.secret"),
    ("JWT_SECRET_FILE", "jwt.secret_file"),
    ("OTEL_SDK_DISABLED", "traces.sdk_disabled"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces.traces_endpoint"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "traces.protocol"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "traces.protocol"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "traces.compression"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "traces.compression"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "traces.headers"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "traces.headers"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "traces.timeout"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "traces.timeout"),
    ("OTEL_SERVICE_NAME", "traces.service_name"),
    ("OTEL_RESOURCE_ATTRIBUTES", "traces.resource_attributes"),
    ("OTEL_TRACES_SAMPLER", "traces.sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "traces.sample_ratio"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "traces.queue"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "traces.batch"),
    ("OTEL_BSP_SCHEDULE_DELAY", "traces.send_every"),
];

/// From `jwt.secret` to `KEYWARD__JWT__SECRET`.
pub(in crate::config) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase().replace('.', "__"))
}

/// From `jwt.secret` to `jwt.secret_file`.
pub(in crate::config) fn file_twin(secret: &str) -> String {
    format!("{secret}_file")
}

/// How to set `setting`, in the environment and in the file.
pub(crate) fn how_to_set(setting: &str) -> String {
    // An environment variable can't contain a list of tables.
    if let Some((_, each)) = LISTS_OF_TABLES.iter().find(|(name, _)| *name == setting) {
        return format!("give each {each} a table [[{setting}]] in the configuration file");
    }
    let mut variables = vec![variable(setting)];
    variables.extend(ALIASES.iter().filter(|(_, target)| *target == setting).map(|(alias, _)| (*alias).to_owned()));
    if SECRETS.contains(&setting) {
        variables.push(variable(&file_twin(setting)));
    }
    let (section, name) = setting.rsplit_once('.').unwrap_or(("", setting));
    format!("set {} in the environment or `{name}` under [{section}] in the configuration file", variables.join(" or "))
}

/// The known setting that `wrong` most likely means, if any is similar.
pub(in crate::config) fn nearest<'a>(wrong: &str, known: &'a [String]) -> Option<&'a str> {
    nearest_of(wrong, known.iter().map(String::as_str))
}

/// The same for any names.
pub(in crate::config) fn nearest_of<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (likeness(wrong, name), name))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// From 0 to 1. The right name in a wrong section, or in none, counts as similar.
fn likeness(wrong: &str, known: &str) -> f64 {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let whole = strsim::normalized_damerau_levenshtein(wrong, known);
    let name_only = strsim::normalized_damerau_levenshtein(&last(wrong), &last(known));
    whole.max(0.9 * name_only)
}
