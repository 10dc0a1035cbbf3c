//! A request to another server, with limits for all of them: no redirects, five seconds, one megabyte.

use std::{io::Read, path::Path, time::Duration};

use flate2::read::MultiGzDecoder;
use reqwest::{
    Certificate, Client, ClientBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, HeaderMap, HeaderValue},
    redirect::Policy,
};

use crate::domain::ports::key_sets::FetchError;

/// The time from the connection to the last byte.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The maximum size of a response in bytes, both compressed and decompressed. A set of a hundred keys has a twentieth
/// of that.
pub(super) const SIZE_LIMIT: usize = 1024 * 1024;
/// The maximum size of a file with a certificate or a token, in bytes.
const FILE_LIMIT: usize = 1024 * 1024;
/// A server that only has key sets may refuse requests for other JSON, as Kubernetes does.
const ACCEPTED: &str = "application/json, application/jwk-set+json, */*;q=0.5";

/// The system's certificates or network can't be used.
#[derive(Debug, thiserror::Error)]
#[error("no requests can be sent: {0}")]
pub(crate) struct NoClient(String);

impl From<reqwest::Error> for NoClient {
    fn from(error: reqwest::Error) -> Self {
        Self(causes(&error))
    }
}

/// The response of a server.
pub(super) struct FetchedDocument {
    /// The decompressed body.
    pub(super) body: Vec<u8>,
    /// How long it may be cached (`Cache-Control`, RFC 9111 §5.2.2.1).
    pub(super) max_age: Option<Duration>,
}

/// A client that trusts the system's certificates.
pub(super) fn client() -> Result<Client, NoClient> {
    Ok(bounded().build()?)
}

/// A client that trusts only the certificates in this file.
pub(super) async fn client_believing(file: &Path) -> Result<Client, FetchError> {
    let wrong = |why: String| FetchError(format!("the certificates in {} can't be used: {why}", file.display()));
    let pem = read_file(file).await.map_err(wrong)?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(causes(&error)))?;
    if certificates.is_empty() {
        return Err(wrong("there are none".to_owned()));
    }
    bounded().tls_certs_only(certificates).build().map_err(|error| wrong(causes(&error)))
}

/// The same with another time limit.
#[cfg(feature = "server")]
pub(super) fn client_within(limit: Duration) -> Result<Client, NoClient> {
    Ok(bounded().timeout(limit).build()?)
}

fn bounded() -> ClientBuilder {
    let agent = concat!("keyward/", env!("CARGO_PKG_VERSION"));
    Client::builder().timeout(TIME_LIMIT).redirect(Policy::none()).user_agent(agent)
}

/// The header with the token in this file, which is read each time, because such tokens are replaced every hour.
pub(super) async fn bearer(file: &Path) -> Result<HeaderValue, FetchError> {
    let wrong = |why: String| FetchError(format!("the token in {} can't be used: {why}", file.display()));
    let token = read_file(file).await.map_err(wrong)?;
    let token = token.trim_ascii();
    let is_token = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let mut header = is_token
        .then(|| HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok())
        .flatten()
        .ok_or_else(|| wrong("it is empty, or holds more than one word".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

async fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut content = Vec::new();
        std::fs::File::open(path)?.take(FILE_LIMIT as u64 + 1).read_to_end(&mut content).map(|_| content)
    });
    match read.await {
        Ok(Ok(content)) if content.len() > FILE_LIMIT => Err(format!("it is larger than {FILE_LIMIT} bytes")),
        Ok(Ok(content)) => Ok(content),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Fetches `address`.
pub(super) async fn get(
    client: &Client,
    address: &str,
    bearer: Option<&HeaderValue>,
) -> Result<FetchedDocument, FetchError> {
    let mut request = client.get(address).header(ACCEPT, ACCEPTED);
    if let Some(bearer) = bearer {
        request = request.header(AUTHORIZATION, bearer);
    }
    #[cfg(feature = "server")]
    if let Some(traceparent) = crate::telemetry::traces::outgoing() {
        request = request.header(crate::telemetry::traces::TRACEPARENT, traceparent);
    }
    let answer = request.send().await;
    let answer =
        answer.map_err(|error| FetchError(format!("{address} did not answer: {}", causes(&error.without_url()))))?;
    if answer.status() != 200 {
        return Err(FetchError(format!("{address} answered {}", answer.status())));
    }
    let max_age = answer.headers().get(CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
    let body = content(answer, address).await?;
    Ok(FetchedDocument { body, max_age })
}

/// Sends a form, and returns the status and the body of the response.
#[cfg(feature = "server")]
pub(super) async fn post(
    client: &Client,
    address: &str,
    headers: Vec<(reqwest::header::HeaderName, HeaderValue)>,
    form: String,
) -> Result<(u16, Vec<u8>), FetchError> {
    let request = client.post(address).header(ACCEPT, "application/json").headers(headers.into_iter().collect());
    let answer = request.body(form).send().await;
    let answer =
        answer.map_err(|error| FetchError(format!("{address} did not answer: {}", causes(&error.without_url()))))?;
    let status = answer.status().as_u16();
    Ok((status, content(answer, address).await?))
}

/// The body of a response, without its compression.
async fn content(answer: Response, address: &str) -> Result<Vec<u8>, FetchError> {
    let coding = coding(answer.headers(), address)?;
    let body = body(answer, address).await?;
    match coding {
        Coding::Identity => Ok(body),
        Coding::Gzip => decompressed(&body, address),
    }
}

/// The compression of a response.
enum Coding {
    Identity,
    /// Sent, although not requested, by file stores that contain only compressed files.
    Gzip,
}

fn coding(headers: &HeaderMap, address: &str) -> Result<Coding, FetchError> {
    let codings: Vec<&[u8]> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    match codings.as_slice() {
        [] => Ok(Coding::Identity),
        [one] if one.eq_ignore_ascii_case(b"identity") => Ok(Coding::Identity),
        [one] if one.eq_ignore_ascii_case(b"gzip") || one.eq_ignore_ascii_case(b"x-gzip") => Ok(Coding::Gzip),
        [one, ..] => {
            let coding = String::from_utf8_lossy(&one[..one.len().min(40)]).into_owned();
            let message = format!("{address} answered with content-encoding {coding:?}, which was not asked for");
            Err(FetchError(message))
        }
    }
}

async fn body(mut answer: Response, address: &str) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| FetchError(format!("{address} broke off: {}", causes(&error))))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > SIZE_LIMIT {
            return Err(too_large(address));
        }
        body.extend_from_slice(&chunk);
    }
}

/// Decompresses at most up to the limit.
fn decompressed(body: &[u8], address: &str) -> Result<Vec<u8>, FetchError> {
    let mut content = Vec::new();
    let read = MultiGzDecoder::new(body).take(SIZE_LIMIT as u64 + 1).read_to_end(&mut content);
    match read {
        Ok(length) if length > SIZE_LIMIT => Err(too_large(address)),
        Ok(_) => Ok(content),
        Err(_) => Err(FetchError(format!("{address} answered with content-encoding gzip and a body that is not gzip"))),
    }
}

fn too_large(address: &str) -> FetchError {
    FetchError(format!("{address} answered more than {SIZE_LIMIT} bytes"))
}

/// `max-age` (RFC 9111 §5.2.2.1).
fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').filter_map(|directive| directive.trim().split_once('='));
    let mut ages = directives.filter(|(name, _)| name.eq_ignore_ascii_case("max-age"));
    let (_, seconds) = ages.next()?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

/// An error with its causes; the library's own text is only "error sending request".
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_found_among_other_directives() {
        assert_eq!(max_age("public, Max-Age=600, must-revalidate"), Some(Duration::from_secs(600)));
        for other in ["", "no-store", "max-age", "max-age=x", "s-maxage=5"] {
            assert_eq!(max_age(other), None, "{other}");
        }
    }
}
