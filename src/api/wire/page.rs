//! Pages of lists as answers. The cursors are `domain::listing::cursor`.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header::LINK};

use crate::domain::{
    api_key::Keyring,
    listing::{Place, cursor},
};

/// Begins the answer with a page of a list: the cursor of the next page, if `next` is where that begins, and its
/// address as a `Link` header.
pub(crate) fn begin(
    request: &HttpRequest,
    keyring: &Keyring,
    list: &str,
    next: Option<Place>,
) -> (HttpResponseBuilder, Option<String>) {
    let mut response = HttpResponse::Ok();
    let cursor = next.map(|last| cursor::write(keyring, list, &last));
    if let Some(cursor) = &cursor {
        response.insert_header((LINK, link_to_next(request, cursor)));
    }
    (response, cursor)
}

/// The next page of the same list (RFC 8288).
fn link_to_next(request: &HttpRequest, cursor: &str) -> String {
    let others = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: String = others.map(|pair| format!("{pair}&")).collect();
    format!("<{}?{query}cursor={cursor}>; rel=\"next\"", request.path())
}
