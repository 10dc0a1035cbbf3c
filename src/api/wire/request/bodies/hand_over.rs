//! The fields of a request to hand somebody over to the console.

use serde_json::json;

use super::{Body, OWNER, described, identifier, or_null, scopes};
use crate::{
    api::wire::request::schema::line,
    domain::{
        session::{HANDED_OVER_SECONDS, RETURN_ADDRESS_MAX_BYTES},
        text::NAME_MAX,
    },
};

/// [`ReturnAddress`](crate::domain::session::ReturnAddress), as a pattern.
const RETURN_ADDRESS: &str = concat!(
    r"^(https://([0-9A-Za-z.-]+|\[::1\])|http://(localhost|127\.0\.0\.1|\[::1\]))",
    "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?",
    r"([/?#][!#-;=?-Z\[\]_a-z~]*)?$",
);

pub(crate) const HAND_OVER: Body = &[
    OWNER,
    &[
        ("person", || {
            let about = "Who acts, by the `sub` of their tokens, if the owner is an organisation. By default, the owner's \
                         subject. Revoking the tokens of this subject ends the session.";
            identifier(1, about)
        }),
        ("name", || or_null(described(line(NAME_MAX), "What the pages call them."))),
        ("scopes", || {
            let about = "The scopes that they have, and can give to keys. Without the member, they can give any, as their \
                         tokens could; none if the tokens of their issuer list all scopes.";
            described(scopes(), about)
        }),
        ("returnTo", || {
            let about = "Where they come from: the pages have a link back there. An `https://` address in ASCII; `http://` \
                         only on the same machine.";
            let longest = RETURN_ADDRESS_MAX_BYTES;
            or_null(json!({ "type": "string", "maxLength": longest, "pattern": RETURN_ADDRESS, "description": about }))
        }),
        ("lifetime", || {
            let about = "How long the session lasts at most, in seconds. The setting `console.handed_over_max` is the default, and \
                         shortens what is longer.";
            let (shortest, longest) = HANDED_OVER_SECONDS.into_inner();
            or_null(json!({ "type": "integer", "minimum": shortest, "maximum": longest, "description": about }))
        }),
    ],
];

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::RETURN_ADDRESS;
    use crate::domain::session::ReturnAddress;

    #[test]
    fn the_document_takes_the_addresses_to_return_to_that_are_taken() {
        let pattern = Regex::new(RETURN_ADDRESS).expect("a pattern");
        let hosts =
            ["app.example.com", "localhost", "127.0.0.1", "[::1]", "[::2]", "localhost.example", "", "a_b", "u@b"];
        let ports =
            ["", ":", ":0", ":1", ":080", ":+80", ":9999", ":10000", ":59999", ":60000", ":65535", ":65536", ":70000"];
        let rest = ["", "/", "?a=1&b=2#c", "#", "/settings", "/ ", "/\"", "/\\", "/{}", "/~_[]", "/\u{e4}", "x", ":1"];
        for scheme in ["https://", "http://", "HTTPS://", "javascript:", "//", ""] {
            for (host, port) in hosts.iter().flat_map(|host| ports.map(|port| (host, port))) {
                for rest in rest {
                    let text = format!("{scheme}{host}{port}{rest}");
                    assert_eq!(pattern.is_match(&text), text.parse::<ReturnAddress>().is_ok(), "{text}");
                }
            }
        }
    }
}
