//! Events as CSV or NDJSON, for spreadsheets and pipelines: one event per line, one page per response.

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header},
    mime::Mime,
};

use super::event::Event;
use crate::domain::{csv::line, timestamp};

/// The maximum and the default number of events per page of CSV or NDJSON.
pub(super) const LINES_MAX: u32 = 1000;

/// The format of a response with events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// CSV (RFC 4180), with a header line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

impl Format {
    /// The media type in common use; it is not registered.
    pub(super) const NDJSON: &str = "application/x-ndjson";

    /// Parses the name of a format.
    pub(super) fn read(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err("json, csv or ndjson".to_owned()),
        }
    }

    /// The format that the client prefers (RFC 9110 §12.5.1); JSON if it names none of them.
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

/// One JSON object per line.
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

/// The CSV header line.
pub fn csv_header() -> String {
    line(&COLUMNS)
}

/// CSV lines (RFC 4180), without the header line.
pub fn csv_lines(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let or_empty = |field: &Option<String>| field.clone().unwrap_or_default();
        let owner = event.owner.as_ref().map(|owner| (owner.issuer.clone(), owner.subject.clone()));
        let (owner_issuer, owner_subject) = owner.unwrap_or_default();
        text.push_str(&line(&[
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
            event.details.as_json().to_owned(),
        ]));
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

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
