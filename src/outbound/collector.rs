//! Sends ended spans to a collector by OTLP, over HTTP or gRPC.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::{metadata::MetadataMap, transport::ClientTlsConfig},
};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use reqwest::{
    Client,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use super::client::{NoClient, SIZE_LIMIT, client_within};
use crate::{
    config::{Compression, Protocol, Traces},
    telemetry::{outage::Trouble, traces::EndedSpans},
};

/// The collector can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCollector {
    #[error(transparent)]
    Client(#[from] NoClient),
    #[error("the header {0} cannot be sent to the collector; correct traces.headers")]
    Header(String),
    #[error("spans cannot be sent: {0}; correct the settings under [traces], or the variables OTEL_EXPORTER_OTLP_…")]
    Settings(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The task that sends spans.
pub(crate) struct Collector {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Collector {
    /// Begins to send, on the current runtime.
    ///
    /// # Errors
    /// [`NoCollector`].
    pub(crate) fn begin(settings: &Traces, ended: EndedSpans) -> Result<Self, NoCollector> {
        let mut exporter = match settings.protocol {
            Protocol::HttpProtobuf => over_http(settings)?,
            Protocol::Grpc => over_grpc(settings)?,
        };
        exporter.set_resource(&ended.resource);
        let (stop, stopped) = oneshot::channel();
        let sending = Sending {
            exporter,
            ended,
            timeout: settings.timeout,
            batch: settings.batch,
            every: settings.send_every,
            trouble: Trouble::default(),
        };
        Ok(Self { task: tokio::spawn(sending.run(stopped)), stop })
    }

    /// Sends what waits, for at most this long.
    pub(crate) async fn end(mut self, patience: Duration) {
        let _ = self.stop.send(());
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("the last spans were not sent in time; exiting anyway");
        }
    }
}

fn over_http(settings: &Traces) -> Result<SpanExporter, NoCollector> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OneClient(client_within(settings.timeout)?))
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(&settings.url)
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect());
    Ok(match settings.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(opentelemetry_otlp::Compression::Gzip),
    }
    .build()?)
}

/// Connects when the first spans are sent, and again when the connection was lost.
fn over_grpc(settings: &Traces) -> Result<SpanExporter, NoCollector> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&settings.url)
        .with_timeout(settings.timeout)
        .with_metadata(MetadataMap::from_headers(headers(settings)?));
    let exporter = match settings.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(opentelemetry_otlp::Compression::Gzip),
    };
    let is_https = settings.url.starts_with("https://");
    Ok(if is_https { exporter.with_tls_config(ClientTlsConfig::new().with_native_roots()) } else { exporter }
        .build()?)
}

fn headers(settings: &Traces) -> Result<HeaderMap, NoCollector> {
    let header = |name: &str, value: &str| {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name).ok()?, value))
    };
    let headers = settings.headers.iter();
    headers.map(|(name, value)| header(name, value.expose()).ok_or_else(|| NoCollector::Header(name.clone()))).collect()
}

struct Sending {
    exporter: SpanExporter,
    ended: EndedSpans,
    timeout: Duration,
    batch: usize,
    every: Duration,
    trouble: Trouble,
}

impl Sending {
    /// Sends batches until it is stopped, and then what is left.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        loop {
            let collected = tokio::select! {
                collected = collect(&mut self.ended, &mut batch, self.batch, self.every) => collected,
                _ = &mut stopped => break,
            };
            if !collected {
                return;
            }
            self.send(std::mem::take(&mut batch)).await;
        }
        self.ended.spans.close();
        self.send(batch).await;
        let mut rest = Vec::new();
        while self.ended.spans.recv_many(&mut rest, self.batch).await > 0 {
            self.send(std::mem::take(&mut rest)).await;
        }
    }

    async fn send(&self, batch: Vec<SpanData>) {
        let spans = batch.len();
        if spans == 0 {
            return;
        }
        let sent = match tokio::time::timeout(self.timeout, self.exporter.export(batch)).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        };
        match sent {
            Ok(()) => self.trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "spans reach the collector again")),
            Err(error) => {
                (0..spans).for_each(|_| self.ended.lost.increment());
                self.trouble.tell(&error, |repeated| {
                    tracing::warn!(error, spans, repeated, "could not send spans to the collector; they are dropped");
                });
            }
        }
    }
}

/// Waits for a full batch, or for what has come in a while. Returns whether there can be more.
async fn collect(ended: &mut EndedSpans, batch: &mut Vec<SpanData>, most: usize, every: Duration) -> bool {
    if batch.is_empty() && ended.spans.recv_many(batch, most).await == 0 {
        return false;
    }
    let until = Instant::now() + every;
    while batch.len() < most {
        match tokio::time::timeout_at(until, ended.spans.recv_many(batch, most - batch.len())).await {
            Ok(0) => return false,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    true
}

/// The HTTP client of this program, for the exporter.
#[derive(Debug)]
struct OneClient(Client);

#[async_trait]
impl HttpClient for OneClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = request.send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = answer.headers().clone();
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > SIZE_LIMIT {
                return Err(format!("the collector answered more than {SIZE_LIMIT} bytes").into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body.into())?)
    }
}
