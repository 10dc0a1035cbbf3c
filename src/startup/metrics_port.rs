//! The address of their own at which metrics are served, if they have one.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::ServerHandle;
use anyhow::Context;

use crate::{
    api::application::{self, Routes},
    config::Server,
};

/// A server for the metrics alone. Its failure is logged, and ends nothing else.
pub(super) struct MetricsServer(ServerHandle);

impl MetricsServer {
    /// Listens there. Connections wait until it [serves](Self::serve).
    ///
    /// # Errors
    /// If the address can't be used; the message contains the remedy.
    pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
        let remedy = || {
            format!("cannot listen on {address} for the metrics: set metrics.listen to a free address of this machine")
        };
        TcpListener::bind(address).with_context(remedy)
    }

    /// Serves until it is stopped, in the current runtime.
    ///
    /// # Errors
    /// If the listener can't be used.
    pub(super) fn serve(tcp: TcpListener, routes: Routes, settings: &Server) -> anyhow::Result<Self> {
        let address = tcp.local_addr().context("the address of the metrics")?;
        let server = application::start_metrics(tcp, routes, settings)?;
        let handle = server.handle();
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the server of the metrics failed; they can't be read any more");
            }
        });
        tracing::info!(%address, "metrics are served");
        Ok(Self(handle))
    }

    /// Stops at once.
    pub(super) async fn stop(self) {
        self.0.stop(false).await;
    }
}
