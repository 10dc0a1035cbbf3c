//! The section `[traces]`: which requests are traced, and the collector that gets their spans.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::{loading::Check, parse_duration};
use crate::domain::secret::SecretString;

/// Variables that a platform sets for all its programs. While traces are off, they can't keep Keyward from starting.
const COMMON_VARIABLES: &str = "OTEL_";
/// What OTLP over HTTP appends to the address of a collector.
const PATH: &str = "v1/traces";
const LONGEST_ADDRESS: usize = 2048;

/// Which requests are traced, and the collector that gets their spans.
pub struct Traces {
    /// What is spoken to the collector.
    pub protocol: Protocol,
    /// The URL to which spans are sent.
    pub url: String,
    /// Whether what is sent is compressed.
    pub compression: Compression,
    /// Further headers of these requests, as names and values.
    pub headers: Vec<(String, SecretString)>,
    /// The time limit of sending a batch.
    pub timeout: Duration,
    /// The name of this service in traces.
    pub service_name: String,
    /// Further attributes of this service.
    pub resource_attributes: Vec<(String, String)>,
    /// Which requests are traced.
    pub sampler: Sampler,
    /// The part of requests that is traced, from 0 to 1, if the sampler asks for one.
    pub sample_ratio: f64,
    /// The maximum number of spans that wait to be sent.
    pub queue: usize,
    /// The maximum number of spans that are sent at once.
    pub batch: usize,
    /// How long spans wait for others at most.
    pub send_every: Duration,
}

/// What is spoken to the collector, by the names that OpenTelemetry gave to the protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// OTLP over HTTP, with messages of Protocol Buffers.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// OTLP over gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// How what is sent to the collector is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip (RFC 1952).
    Gzip,
}

impl Protocol {
    /// Where a collector on the same machine receives it.
    fn usual_address(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http://localhost:4318",
            Self::Grpc => "http://localhost:4317",
        }
    }
}

/// Which requests are traced, by the names that OpenTelemetry gave to the choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A part, whatever the caller decided.
    #[serde(rename = "traceidratio")]
    TraceIdRatio,
    /// Those that the caller traces, and all without a `traceparent`.
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// Those that the caller traces.
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// Those that the caller traces, and a part of those without a `traceparent`.
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl Traces {
    /// The section, or `None` after its problems were recorded. `Some(None)` if traces are off. All of it is read
    /// before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Option<Self>> {
        let before = check.problems();
        let enabled: Option<bool> = check.value("traces.enabled", "true or false");
        let disabled: Option<bool> = check.value("traces.sdk_disabled", "true or false");
        let all = Self::read_all(check);
        if enabled == Some(false) || disabled == Some(true) {
            check.overlook(before, COMMON_VARIABLES);
            return Some(None);
        }
        enabled?;
        disabled?;
        all.map(Some)
    }

    fn read_all(check: &mut Check<'_>) -> Option<Self> {
        let protocol = check.value("traces.protocol", "http/protobuf or grpc");
        let url = url(check, protocol.unwrap_or(Protocol::HttpProtobuf));
        let compression = check.value("traces.compression", "none or gzip");
        let headers = headers(check);
        let timeout = duration(check, "traces.timeout", "100ms", "1m");
        let service_name = check.text("traces.service_name", 255);
        let resource_attributes = resource_attributes(check);
        let sampler = check.value(
            "traces.sampler",
            "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
        );
        let sample_ratio = sample_ratio(check);
        let queue = check.number("traces.queue", 1..=1_000_000);
        let batch = check.number("traces.batch", 1..=10_000);
        let send_every = duration(check, "traces.send_every", "10ms", "1m");
        Some(Self {
            protocol: protocol?,
            url: url?,
            compression: compression?,
            headers: headers?,
            timeout: timeout?,
            service_name: service_name.map(|name| if name.is_empty() { "keyward".to_owned() } else { name })?,
            resource_attributes: resource_attributes?,
            sampler: sampler?,
            sample_ratio: sample_ratio?,
            queue: queue?,
            batch: batch?,
            send_every: send_every?,
        })
    }
}

/// The address for traces as it is, or the collector's, over HTTP with the path for traces.
fn url(check: &mut Check<'_>, protocol: Protocol) -> Option<String> {
    let (whole, base) = (address(check, "traces.traces_endpoint"), address(check, "traces.endpoint"));
    let (whole, base) = (whole?, base?);
    let base = if base.is_empty() { protocol.usual_address() } else { &base };
    Some(match protocol {
        _ if !whole.is_empty() => whole,
        Protocol::HttpProtobuf => format!("{}/{PATH}", base.trim_end_matches('/')),
        Protocol::Grpc => base.to_owned(),
    })
}

fn address(check: &mut Check<'_>, setting: &str) -> Option<String> {
    let address = check.text(setting, LONGEST_ADDRESS)?;
    let host = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    let is_address = host.is_some_and(|host| !host.is_empty() && address.bytes().all(|byte| byte.is_ascii_graphic()));
    if !is_address && !address.is_empty() {
        check.problem(setting, "is not an address such as http://collector:4318");
        return None;
    }
    Some(address)
}

/// `name=value` pairs with commas between them, with percent-encoded values: the W3C's form for baggage.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.into_owned()))
    };
    items.map(pair).collect()
}

fn headers(check: &mut Check<'_>) -> Option<Vec<(String, SecretString)>> {
    let setting = "traces.headers";
    let text = check.secret(setting)?;
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_value = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let headers = pairs(&text).filter(|all| all.iter().all(|(name, value)| is_name(name) && is_value(value)));
    if headers.is_none() {
        check.problem(setting, "is not a list such as name=value,other=value, with percent-encoded values");
    }
    let secret = |(name, value): (String, String)| (name, SecretString::from(zeroize::Zeroizing::new(value)));
    headers.map(|headers| headers.into_iter().map(secret).collect())
}

fn resource_attributes(check: &mut Check<'_>) -> Option<Vec<(String, String)>> {
    let setting = "traces.resource_attributes";
    let attributes = pairs(&check.text(setting, 4096)?);
    if attributes.is_none() {
        check.problem(setting, "is not a list such as name=value,other=value, with percent-encoded values");
    }
    attributes
}

fn sample_ratio(check: &mut Check<'_>) -> Option<f64> {
    let setting = "traces.sample_ratio";
    let ratio = check.text(setting, 32)?.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    if ratio.is_none() {
        check.problem(setting, "is not a number from 0 to 1");
    }
    ratio
}

/// A duration; a number alone is in milliseconds, as OpenTelemetry's variables are.
fn duration(check: &mut Check<'_>, setting: &str, shortest: &str, longest: &str) -> Option<Duration> {
    let text = check.text(setting, 32)?;
    let Ok(millis) = text.trim().parse() else { return check.duration(setting, shortest, longest) };
    let bound = |text| parse_duration(text).expect("the bounds are literals");
    let duration = Duration::from_millis(millis);
    if !(bound(shortest)..=bound(longest)).contains(&duration) {
        check.problem(setting, format!("is {millis} milliseconds, not a duration from {shortest} to {longest}"));
        return None;
    }
    Some(duration)
}
