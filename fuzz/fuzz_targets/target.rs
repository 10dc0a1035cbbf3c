//! Request targets and hosts. The first byte chooses the method, the rest is the target, and a host.
//!
//! They never panic. What is taken for a target is one to the parser that actix-web has for them, with the same host,
//! path and query; what is taken for a host has neither a user nor anything that ends a host.
#![no_main]

use actix_http::Uri;
use keyward::server::http1::target::{Target, is_host};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if is_host(text) {
        assert!(!text.contains(['@', '/', '?', '#', '\\', ' ', ',', '%']) && text.is_ascii());
        let uri: Uri = format!("http://{text}/").parse().expect("a host is one in an address");
        assert_eq!(uri.authority().expect("a host").as_str(), text);
    }
    let method = ["GET", "OPTIONS", "CONNECT", "BREW"][usize::from(*choice) % 4];
    let Ok(Target { host, path_and_query }) = Target::read(method, text) else { return };
    assert!(!text.contains('#'), "a fragment");
    let uri = Uri::try_from(text).expect("a target is an address");
    if method == "CONNECT" {
        assert_eq!(uri.authority().expect("a host").as_str(), text);
        return;
    }
    assert_eq!(uri.authority().map(|authority| authority.as_str()), host);
    assert!(host.is_none_or(is_host));
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    assert_eq!(uri.path(), if path.is_empty() { "/" } else { path });
    assert_eq!(uri.query(), query);
});
