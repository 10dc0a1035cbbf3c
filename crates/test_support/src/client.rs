//! HTTP as a client speaks it that a library makes.

use std::sync::LazyLock;

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, Result, redirect::Policy};

/// A client that follows no redirects, and keeps its connections.
pub fn client() -> Client {
    builder().build().expect("a client")
}

/// A request on a connection of its own.
pub fn request(method: Method, url: impl AsRef<str>) -> RequestBuilder {
    // One for all tests, because a client takes longer to make than a request to answer. It keeps no connection: that
    // would be driven by the runtime of a test that may be over.
    static CLIENT: LazyLock<Client> = LazyLock::new(|| builder().pool_max_idle_per_host(0).build().expect("a client"));
    CLIENT.request(method, url.as_ref())
}

/// The answer to a GET on a connection of its own.
pub async fn get(url: impl AsRef<str>) -> Result<Response> {
    request(Method::GET, url).send().await
}

fn builder() -> ClientBuilder {
    // No certificates: nothing here speaks TLS, and to read the system's takes longer than a request.
    Client::builder().redirect(Policy::none()).tls_certs_only([])
}
