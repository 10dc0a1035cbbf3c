//! Collectors of traces, which remember what they got.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use prost::Message;
use test_support::{
    asking::replica_with,
    eventually,
    replica::Replica,
    stub_server::{Answer, Request, StubServer},
};
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::{codec::CompressionEncoding, transport::server::TcpIncoming};

use super::{Trace, hex};

/// One request with spans.
#[derive(Clone)]
pub(super) struct Sent {
    /// The method and path of HTTP; empty for gRPC.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) spans: ExportTraceServiceRequest,
}

impl Sent {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

type Received = Arc<Mutex<Vec<Sent>>>;

/// A receiver of OTLP.
pub(super) struct Collector {
    received: Received,
    server: Server,
}

enum Server {
    Http(StubServer),
    Grpc { address: SocketAddr, stop: oneshot::Sender<()>, task: JoinHandle<()> },
}

impl Collector {
    pub(super) async fn start() -> Self {
        Self::that_answers(200).await
    }

    pub(super) async fn that_answers(status: u16) -> Self {
        let received = Received::default();
        let kept = Arc::clone(&received);
        let server = StubServer::start(move |request: Request| {
            let mut body = request.body.clone();
            if request.header("content-encoding") == Some("gzip") {
                body.clear();
                GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).expect("gzip");
            }
            // What speaks gRPC to this collector sends none.
            if let Ok(spans) = ExportTraceServiceRequest::decode(body.as_slice()) {
                let target = format!("{} {}", request.method, request.target);
                kept.lock().expect("no panic").push(Sent { target, headers: request.headers.clone(), spans });
            }
            async move { Answer::with_body(status, "") }
        });
        Self { received, server: Server::Http(server.await) }
    }

    pub(super) async fn by_grpc() -> Self {
        Self::by_grpc_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    pub(super) async fn by_grpc_at(address: SocketAddr) -> Self {
        let incoming = TcpIncoming::bind(address).expect("a free port");
        let address = incoming.local_addr().expect("an address");
        let received = Received::default();
        let service = TraceServiceServer::new(Grpc(Arc::clone(&received)));
        let service = service.accept_compressed(CompressionEncoding::Gzip);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming_shutdown(incoming, stopped).await.expect("it serves");
        });
        Self { received, server: Server::Grpc { address, stop, task } }
    }

    /// Ends it, and returns where it was.
    pub(super) async fn end(self) -> SocketAddr {
        match self.server {
            Server::Http(server) => server.address(),
            Server::Grpc { address, stop, task } => {
                stop.send(()).expect("it runs");
                task.await.expect("it ends");
                address
            }
        }
    }

    pub(super) fn url(&self) -> String {
        let address = match &self.server {
            Server::Http(server) => server.address(),
            Server::Grpc { address, .. } => *address,
        };
        format!("http://{address}")
    }

    /// A replica that sends to it.
    pub(super) async fn replica(&self, env: &[(&str, &str)]) -> Replica {
        let url = self.url();
        let own = [
            ("KEYWARD__TRACES__ENABLED", "true"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ];
        replica_with(&[own.as_slice(), env].concat()).await
    }

    pub(super) fn requests(&self) -> Vec<Sent> {
        self.received.lock().expect("no panic").clone()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let requests = self.requests().into_iter().flat_map(|sent| sent.spans.resource_spans);
        requests.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The spans of a trace, once its request is among them.
    pub(super) async fn trace(&self, trace: &str) -> Trace {
        eventually("the request's span", async || self.of(trace).named("request").len() == 1).await;
        self.of(trace)
    }

    pub(super) fn of(&self, trace: &str) -> Trace {
        Trace(self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect())
    }
}

struct Grpc(Received);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let metadata = request.metadata().clone().into_headers();
        let headers = metadata.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()));
        let sent = Sent { target: String::new(), headers: headers.collect(), spans: request.into_inner() };
        self.0.lock().expect("no panic").push(sent);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}
