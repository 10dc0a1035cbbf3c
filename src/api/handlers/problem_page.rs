//! `/problems/{code}`: the page that a problem's `type` links to. HTML for people, JSON for programs.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, Header, VARY},
    web::{Bytes, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    openapi::page::File,
    wire::failure::{
        Answer, Missing, Reason,
        catalog::{ENTRIES, Entry, html, plain},
    },
};

/// The path of the pages.
pub(crate) const PATH: &str = "/problems";

/// The meaning of a problem's `type`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemType {
    /// The last segment of the `type`.
    #[schema(pattern = "^[a-z_]+$")]
    code: &'static str,
    /// The statuses of responses with this problem. Several if it depends on the route.
    #[schema(example = json!([401, 403]), min_items = 1)]
    statuses: Vec<u16>,
    /// What happened.
    meaning: String,
    /// What to do about it.
    remedy: String,
}

/// All problem types.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemTypes {
    problems: Vec<ProblemType>,
}

/// The same page in both formats.
struct Page {
    html: File,
    json: File,
}

static LIST: LazyLock<Page> = LazyLock::new(|| {
    let rows = ENTRIES.iter().map(|entry| {
        let (code, statuses, meaning) = (entry.code, html(entry.statuses), html(entry.meaning));
        format!("<tr><td><a href=\"problems/{code}\">{code}</a></td><td>{statuses}</td><td>{meaning}</td></tr>\n")
    });
    let rows: String = rows.collect();
    let body = format!("<table>\n<tr><th>code</th><th>status</th><th>meaning</th></tr>\n{rows}</table>\n");
    page("Problems", &body, &ProblemTypes { problems: ENTRIES.iter().map(ProblemType::of).collect() })
});

static PAGES: LazyLock<BTreeMap<&'static str, Page>> =
    LazyLock::new(|| ENTRIES.iter().map(|entry| (entry.code, page_of(entry))).collect());

/// `GET /problems`
pub(crate) async fn list(request: HttpRequest) -> HttpResponse {
    LIST.answer(&request)
}

/// `GET /problems/{code}`
pub(crate) async fn show(request: HttpRequest, code: Path<String>) -> Answer {
    let page = PAGES.get(code.as_str()).ok_or(Reason::NotFound(Missing::Problem))?;
    Ok(page.answer(&request))
}

impl Page {
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut answer = if prefers_json(request) { &self.json } else { &self.html }.answer(request);
        answer.headers_mut().insert(VARY, header::HeaderValue::from_static("Accept"));
        answer
    }
}

impl ProblemType {
    fn of(entry: &Entry) -> Self {
        Self {
            code: entry.code,
            statuses: numbers(entry.statuses),
            meaning: plain(entry.meaning),
            remedy: plain(entry.remedy),
        }
    }
}

/// The numbers in a text such as `401, below /api/ 403`.
fn numbers(text: &str) -> Vec<u16> {
    text.split(|character: char| !character.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

fn page_of(entry: &Entry) -> Page {
    let (statuses, meaning, remedy) = (html(entry.statuses), html(entry.meaning), html(entry.remedy));
    let body = format!(
        "<p>Status {statuses}</p>\n<h2>What has happened</h2>\n<p>{meaning}</p>\n<h2>What to do</h2>\n<p>{remedy}</p>\n\
         <p><a href=\"../problems\">All problems</a></p>\n"
    );
    page(entry.code, &body, &ProblemType::of(entry))
}

/// Links are relative, because a proxy may serve Keyward below a path of its own.
fn page(title: &str, body: &str, json: &impl Serialize) -> Page {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title} – Keyward</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n\
         {body}</html>\n"
    );
    let json = serde_json::to_vec(json).unwrap_or_default();
    Page {
        html: File::new("text/html; charset=utf-8", Bytes::from(html)),
        json: File::new("application/json", Bytes::from(json)),
    }
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}code{font-size:.9em}";

/// Whether the client prefers JSON to HTML. A client that accepts anything is more likely a person's.
fn prefers_json(request: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(request) else { return false };
    let ranked = accept.ranked();
    let first = ranked.iter().find_map(|media| match (media.type_().as_str(), media.essence_str()) {
        ("*", _) | (_, "text/html" | "text/*" | "application/xhtml+xml") => Some(false),
        (_, "application/json" | "application/problem+json" | "application/*") => Some(true),
        _ => None,
    });
    first.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn json_is_preferred_by_who_says_so() {
        for (accept, json) in [
            ("application/json", true),
            ("application/problem+json, */*;q=0.1", true),
            ("text/html;q=0.5, application/json", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("application/json;q=0.5, text/html", false),
            ("*/*", false),
            ("image/png", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header(("Accept", accept)).to_http_request();
            assert_eq!(prefers_json(&request), json, "{accept}");
        }
        assert!(!prefers_json(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn every_code_has_a_page() {
        assert!(ENTRIES.iter().all(|entry| PAGES.contains_key(entry.code)));
    }
}
