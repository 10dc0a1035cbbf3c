//! The style sheet and the script. Their addresses change with their content, so browsers may keep them for ever.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    web::Path,
};
use sha2::{Digest, Sha256};

const CSS: &str = include_str!("console.css");
const JS: &str = include_str!("console.js");
const ICON: &str = include_str!("icon.svg");
const FOR_EVER: &str = "public, max-age=31536000, immutable";

static CSS_PATH: LazyLock<String> = LazyLock::new(|| path(CSS, "console.css"));
static JS_PATH: LazyLock<String> = LazyLock::new(|| path(JS, "console.js"));
static ICON_PATH: LazyLock<String> = LazyLock::new(|| path(ICON, "icon.svg"));

fn path(content: &str, name: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(content).into();
    let version: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/console/assets/{version}/{name}")
}

/// The address of the style sheet.
pub(super) fn css() -> &'static str {
    &CSS_PATH
}

/// The address of the script.
pub(super) fn js() -> &'static str {
    &JS_PATH
}

/// The address of the icon.
pub(super) fn icon() -> &'static str {
    &ICON_PATH
}

/// `GET /console/assets/{version}/{name}`: the present content under any version, because replicas of two versions may
/// serve a browser in turn.
pub(super) async fn show(asked: Path<(String, String)>) -> HttpResponse {
    let (version, name) = asked.into_inner();
    let (content, kind, path) = match name.as_str() {
        "console.css" => (CSS, "text/css; charset=utf-8", css()),
        "console.js" => (JS, "text/javascript; charset=utf-8", js()),
        "icon.svg" => (ICON, "image/svg+xml", icon()),
        _ => return HttpResponse::NotFound().finish(),
    };
    let is_present = path == format!("/console/assets/{version}/{name}");
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, if is_present { FOR_EVER } else { "no-cache" }))
        .body(content)
}
