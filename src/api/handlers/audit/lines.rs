//! Events as lines, for spreadsheets and for pipelines: one a line, a page at a time.

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header},
    mime::Mime,
};

use super::event::Event;
use crate::domain::timestamp;

/// The most that a page of lines holds, and what it holds when nobody says how much.
pub(super) const LINES_MAX: u32 = 1000;

/// In which form events are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One object.
    Json,
    /// Lines of RFC 4180, after one with the names of the columns.
    Csv,
    /// An object a line.
    Ndjson,
}

impl Format {
    /// The media type of RFC 7111.
    pub(super) const CSV: &str = "text/csv; charset=utf-8; header=present";
    /// What is in use for it; it is not registered.
    pub(super) const NDJSON: &str = "application/x-ndjson";

    /// The form of this word.
    pub(super) fn read(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err("json, csv or ndjson".to_owned()),
        }
    }

    /// What the client prefers of these (RFC 9110 §12.5.1); JSON where it names none of them.
    pub(super) fn accepted(request: &HttpRequest) -> Self {
        let ranked = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
        let known = |media: &Mime| match media.essence_str() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "text/csv" | "text/*" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            _ => None,
        };
        ranked.iter().find_map(known).unwrap_or(Self::Json)
    }
}

/// An object a line.
pub fn ndjson(events: &[Event]) -> String {
    let lines = events.iter().filter_map(|event| serde_json::to_string(event).ok());
    lines.map(|line| line + "\n").collect()
}

const COLUMNS: [&str; 13] = [
    "id",
    "at",
    "action",
    "keyId",
    "ownerIssuer",
    "ownerSubject",
    "actorKind",
    "actorIssuer",
    "actorSubject",
    "actorKeyId",
    "address",
    "requestId",
    "details",
];

/// The line with the names of the columns.
pub fn csv_header() -> String {
    line(COLUMNS.map(str::to_owned))
}

/// Lines of RFC 4180, without the one with the names of the columns.
pub fn csv_lines(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let or_empty = |field: &Option<String>| field.clone().unwrap_or_default();
        let owner = event.owner.as_ref().map(|owner| (owner.issuer.clone(), owner.subject.clone()));
        let (owner_issuer, owner_subject) = owner.unwrap_or_default();
        text.push_str(&line([
            event.id.clone(),
            timestamp::write(event.at),
            event.action.clone(),
            or_empty(&event.key_id),
            owner_issuer,
            owner_subject,
            event.actor.kind.to_owned(),
            or_empty(&event.actor.issuer),
            or_empty(&event.actor.subject),
            or_empty(&event.actor.key_id),
            or_empty(&event.address),
            or_empty(&event.request_id),
            serde_json::to_string(&event.details).unwrap_or_default(),
        ]));
    }
    text
}

fn line(fields: [String; COLUMNS.len()]) -> String {
    let fields = fields.map(|text| field(&text));
    fields.join(",") + "\r\n"
}

/// A field, in quotation marks where it needs them. What a spreadsheet would take for a formula gets an apostrophe before
/// it: subjects are the issuer's texts, and must command nobody's machine.
fn field(text: &str) -> String {
    let apostrophe = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{apostrophe}{text}")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn fields_are_those_of_rfc_4180_and_no_formulas() {
        for (text, written) in [
            ("alice", "alice"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("-1", "'-1"),
        ] {
            assert_eq!(field(text), written);
        }
    }

    #[test]
    fn what_the_client_prefers_is_answered() {
        for (accept, format) in [
            ("text/csv", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/json", Format::Json),
            ("*/*", Format::Json),
            ("text/csv;q=0.5, application/json", Format::Json),
            ("text/html, application/x-ndjson;q=0.9, */*;q=0.1", Format::Ndjson),
            ("image/png", Format::Json),
            ("nonsense", Format::Json),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            assert_eq!(Format::accepted(&request), format, "{accept}");
        }
        assert_eq!(Format::accepted(&TestRequest::default().to_http_request()), Format::Json);
    }
}
