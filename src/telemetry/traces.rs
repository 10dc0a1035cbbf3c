//! Traces: which requests have one, and the queue of ended spans.
//!
//! Whether a request is traced is decided before its span is made, so that a request without a trace costs a look at
//! one header. Spans wait in a bounded queue, which `outbound` empties; those that find it full are dropped and
//! counted.

use std::{
    fmt::{Debug, Formatter},
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, SpanKind, Status, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{Sampler as SdkSampler, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor},
};
use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::mpsc;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::{Context as LayerContext, Filter};

use super::{
    metrics::counting::Counter,
    steps::{BEGINNING, STEP},
};
use crate::config::{Sampler, Traces};

/// The target of the spans of traced requests, which the log shows, too.
pub(crate) const REQUEST: &str = "keyward::api::traced";
/// The header with the caller's trace (W3C Trace Context §3.2).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// There is one for the process, as there is one log.
static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    sampling: Sampling,
    resource: Resource,
    lost: Arc<Counter>,
    queue: Mutex<Option<mpsc::Receiver<SpanData>>>,
    /// Ends tracing when it is dropped.
    _provider: SdkTracerProvider,
}

#[derive(Clone, Copy)]
struct Sampling {
    sampler: Sampler,
    ratio: f64,
}

/// The ended spans, for who sends them.
pub(crate) struct EndedSpans {
    /// In the order in which they ended.
    pub(crate) spans: mpsc::Receiver<SpanData>,
    /// What they are all spans of.
    pub(crate) resource: Resource,
    /// Counts spans that can't be sent.
    pub(crate) lost: Arc<Counter>,
}

/// Sets traces up, once for a process.
pub(super) fn begin(settings: &Traces) -> SdkTracer {
    let (sender, receiver) = mpsc::channel(settings.queue);
    let lost = Arc::<Counter>::default();
    let attributes =
        settings.resource_attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        // What is not to be traced never becomes a span.
        .with_sampler(SdkSampler::AlwaysOn)
        .with_span_processor(Queue { sender, lost: Arc::clone(&lost) })
        .build();
    let tracer = provider.tracer("keyward");
    let sampling = Sampling { sampler: settings.sampler, ratio: settings.sample_ratio };
    let queue = Mutex::new(Some(receiver));
    // A second log of the process is refused before it could have other traces.
    let _ = TRACING.set(Tracing { sampling, resource, lost, queue, _provider: provider });
    tracer
}

/// The ended spans, for the first who asks; `None` without traces.
pub(crate) fn ended_spans() -> Option<EndedSpans> {
    let Tracing { resource, lost, queue, .. } = TRACING.get()?;
    let spans = queue.lock().take()?;
    Some(EndedSpans { spans, resource: resource.clone(), lost: Arc::clone(lost) })
}

/// The spans that were dropped since the start.
pub(crate) fn dropped_spans() -> u64 {
    TRACING.get().map_or(0, |tracing| tracing.lost.get())
}

/// What a request says of the trace that it belongs to.
pub(crate) struct Incoming {
    parent: Option<SpanContext>,
    sampling: Sampling,
}

/// What a request with this header belongs to; `None` if traces are off.
pub(crate) fn incoming<'a>(traceparent: impl FnOnce() -> Option<&'a str>) -> Option<Incoming> {
    let sampling = TRACING.get()?.sampling;
    Some(Incoming { parent: traceparent().and_then(parent), sampling })
}

/// The caller's span. Only this header is read: `tracestate` and `baggage` are text that anybody may have chosen.
fn parent(traceparent: &str) -> Option<SpanContext> {
    struct Only<'a>(&'a str);
    impl Extractor for Only<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == TRACEPARENT).then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec![TRACEPARENT]
        }
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Only(traceparent));
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

impl Incoming {
    /// Whether the request is traced.
    pub(crate) fn is_sampled(&self) -> bool {
        self.sampling.samples(self.parent.as_ref())
    }

    /// The caller's trace, if it named one.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.parent.as_ref().map(SpanContext::trace_id)
    }

    /// Makes `span` a part of the caller's trace, or of a new one, and returns its id.
    pub(crate) fn begin(self, span: &Span) -> TraceId {
        if let Some(parent) = self.parent {
            // Fails only if the log was set up without traces.
            let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        }
        span.context().span().span_context().trace_id()
    }
}

/// The header for a request that the current step sends, if that is traced (W3C Trace Context §3.2).
pub(crate) fn outgoing() -> Option<String> {
    TRACING.get()?;
    struct Only(Option<String>);
    impl Injector for Only {
        fn set(&mut self, key: &str, value: String) {
            if key == TRACEPARENT {
                self.0 = Some(value);
            }
        }
    }
    let mut header = Only(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut header);
    header.0
}

impl Sampling {
    fn samples(self, parent: Option<&SpanContext>) -> bool {
        match (self.sampler, parent) {
            (Sampler::AlwaysOn, _) | (Sampler::ParentBasedAlwaysOn, None) => true,
            (Sampler::AlwaysOff, _) | (Sampler::ParentBasedAlwaysOff, None) => false,
            (Sampler::TraceIdRatio, Some(parent)) => self.takes(parent.trace_id()),
            (Sampler::TraceIdRatio | Sampler::ParentBasedTraceIdRatio, None) => {
                self.ratio >= 1.0 || rand::rng().random::<f64>() < self.ratio
            }
            (_, Some(parent)) => parent.is_sampled(),
        }
    }

    /// By the id, so that all services take the same traces: its last 63 bits are compared, as OpenTelemetry's own
    /// sampler does.
    fn takes(self, id: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = id.to_bytes();
        let part = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        self.ratio >= 1.0 || part < (self.ratio * (1_u64 << 63) as f64) as u64
    }
}

/// Lets the spans of traced requests through, and nothing else: no line of the log becomes a part of a trace.
pub(super) struct OnlyTraces;

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Filter<S> for OnlyTraces {
    fn enabled(&self, metadata: &Metadata<'_>, context: &LayerContext<'_, S>) -> bool {
        match metadata.target() {
            REQUEST => true,
            // The current span is one that went through this filter.
            STEP => context.lookup_current().is_some(),
            BEGINNING => TRACING.get().is_some_and(|tracing| tracing.sampling.samples(None)),
            _ => false,
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        let may_be = metadata.is_span() && [REQUEST, STEP, BEGINNING].contains(&metadata.target());
        if may_be { tracing::subscriber::Interest::sometimes() } else { tracing::subscriber::Interest::never() }
    }

    fn max_level_hint(&self) -> Option<tracing_subscriber::filter::LevelFilter> {
        Some(tracing_subscriber::filter::LevelFilter::INFO)
    }
}

/// Puts ended spans into the queue, without ever waiting.
struct Queue {
    sender: mpsc::Sender<SpanData>,
    lost: Arc<Counter>,
}

impl Debug for Queue {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the queue of ended spans")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.sender.try_send(as_usual(span)).is_err() {
            self.lost.increment();
        }
    }

    /// `outbound` sends what is left when the server ends.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The span with the kinds and names of OpenTelemetry's conventions. In the log they have those of our other lines.
fn as_usual(mut span: SpanData) -> SpanData {
    span.span_kind = match &*span.name {
        "request" => SpanKind::Server,
        "statement" | "key_set_fetch" => SpanKind::Client,
        _ => SpanKind::Internal,
    };
    // The id of the trace is in the span anyway.
    span.attributes.retain(|attribute| attribute.key.as_str() != "trace_id");
    for attribute in &mut span.attributes {
        let name = match attribute.key.as_str() {
            "method" => "http.request.method",
            "route" => "http.route",
            "status" => "http.response.status_code",
            "statement" => "db.operation.name",
            _ => continue,
        };
        attribute.key = name.into();
        if let ("http.response.status_code", Value::I64(500..)) = (name, &attribute.value) {
            span.status = Status::error("");
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_if_it_is_one() {
        let caller = parent(CALLER).expect("a caller");
        assert_eq!(caller.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(caller.is_sampled() && caller.is_remote());
        for wrong in ["", "00", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01", &CALLER[..52]] {
            assert!(parent(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn each_sampler_decides_as_its_name_says() {
        use Sampler::*;
        let traced = parent(CALLER);
        let untraced = parent(&format!("{}00", &CALLER[..53]));
        for (sampler, ratio, expected) in [
            (AlwaysOn, 0.0, [true, true, true]),
            (AlwaysOff, 1.0, [false, false, false]),
            (TraceIdRatio, 1.0, [true, true, true]),
            (TraceIdRatio, 0.0, [false, false, false]),
            (ParentBasedAlwaysOn, 0.0, [true, false, true]),
            (ParentBasedAlwaysOff, 1.0, [true, false, false]),
            (ParentBasedTraceIdRatio, 1.0, [true, false, true]),
            (ParentBasedTraceIdRatio, 0.0, [true, false, false]),
        ] {
            let sampling = Sampling { sampler, ratio };
            let decided = [&traced, &untraced, &None].map(|parent| sampling.samples(parent.as_ref()));
            assert_eq!(decided, expected, "{sampler:?} {ratio}");
        }
    }

    #[test]
    fn a_ratio_takes_its_part_of_all_ids() {
        let sampling = Sampling { sampler: Sampler::TraceIdRatio, ratio: 0.25 };
        let taken = (0..10_000).filter(|_| sampling.takes(TraceId::from(rand::random::<u128>()))).count();
        assert!((2_000..3_000).contains(&taken), "{taken}");
    }
}
