//! Pagination cursors. They are sealed, so that a modified cursor is an error and not another page.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header::LINK};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::domain::{api_key::Keyring, listing::Place};

/// The cursor for the page after `last`.
pub fn write(keyring: &Keyring, list: &str, last: &Place) -> String {
    let mut bytes = last.id.as_bytes().to_vec();
    bytes.extend(keyring.seal(&sealed(list, last)));
    bytes.extend(last.value.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor stands for; `None` if it was not issued for this list.
pub fn read(keyring: &Keyring, list: &str, text: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (seal, value) = rest.split_first_chunk::<8>()?;
    let last = Place { id: Uuid::from_bytes(*id), value: str::from_utf8(value).ok()?.to_owned() };
    keyring.has_sealed(&sealed(list, &last), seal).then_some(last)
}

/// Begins the answer with a page of a list: the cursor of the next page, if `next` is where that begins, and its address
/// as a `Link` header.
pub(crate) fn page(
    request: &HttpRequest,
    keyring: &Keyring,
    list: &str,
    next: Option<Place>,
) -> (HttpResponseBuilder, Option<String>) {
    let mut response = HttpResponse::Ok();
    let cursor = next.map(|last| write(keyring, list, &last));
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

/// No list's name is a prefix of another's; otherwise a cursor of one list could be cut into a cursor of the other.
fn sealed(list: &str, last: &Place) -> Vec<u8> {
    [list.as_bytes(), last.id.as_bytes(), last.value.as_bytes()].concat()
}
