//! `[authorize]`: how requests of gateways' clients are decided on.

use std::collections::BTreeSet;

use super::super::Authorize;
use super::super::check::Check;

/// Further headers would only be further places to look at, for each request.
const HEADERS_MAX: usize = 8;

pub(super) fn authorize(check: &mut Check<'_>) -> Option<Authorize> {
    let credential_headers = credential_headers(check);
    Some(Authorize { credential_headers: credential_headers? })
}

fn credential_headers(check: &mut Check<'_>) -> Option<Vec<String>> {
    let setting = "authorize.credential_headers";
    let names: Vec<String> =
        check.list(setting, HEADERS_MAX, 64)?.iter().map(|name| name.to_ascii_lowercase()).collect();
    if names.is_empty() {
        check.problem(setting, "is empty, so nobody could show a credential: name one header at least");
        return None;
    }
    if let Some(wrong) = names.iter().find(|name| !name.bytes().all(is_in_header_names)) {
        check.problem(setting, format!("holds {wrong:?}, which is no name of a header"));
        return None;
    }
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        check.problem(setting, "names a header twice");
        return None;
    }
    Some(names)
}

/// RFC 9110 §5.6.2, in small letters.
fn is_in_header_names(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
