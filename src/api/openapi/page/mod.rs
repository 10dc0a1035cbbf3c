//! The document as a web page: Swagger UI, embedded in the program, so that it needs no network.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, LOCATION},
    web::{Bytes, Data, Path},
};
use sha2::{Digest, Sha256};

use crate::{
    api::{
        services::Services,
        wire::{
            entity_tag::TagList,
            failure::{Answer, Missing, Reason},
        },
    },
    server::{IsShared, Shared},
};

/// The files that the page loads. The rest of the distribution (source maps, other builds) is not served.
pub(super) const FILES: [&str; 6] =
    [INDEX, "index.css", "favicon.svg", "swagger-initializer.js", "swagger-ui.css", "swagger-ui-bundle.js"];
const INDEX: &str = "index.html";
/// Allows nothing from other servers. Swagger UI sets inline styles and embeds images in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The client revalidates every time and mostly gets a 304, so nobody reads the document of an older release.
const ASK_AGAIN: &str = "no-cache";

static PAGE: LazyLock<BTreeMap<&'static str, File>> =
    LazyLock::new(|| FILES.into_iter().filter_map(|name| Some((name, file(name)?))).collect());

/// A file that changes only with a release.
pub(crate) struct File {
    media_type: String,
    content: Bytes,
    /// Without the quotation marks.
    tag: String,
}

impl File {
    pub(crate) fn new(media_type: impl Into<String>, content: Bytes) -> Self {
        let hash = Sha256::digest(&content);
        let tag: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { media_type: media_type.into(), content, tag }
    }

    /// Answers with the file, or 304 if the client has it. `If-None-Match` compares weakly (RFC 9110 §13.1.2).
    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tags = TagList::of(request.headers(), IF_NONE_MATCH).flatten();
        let known = tags.is_some_and(|tags| tags.names_weakly(&self.tag));
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header((CACHE_CONTROL, ASK_AGAIN)).insert_header((ETAG, format!("\"{}\"", self.tag)));
        if known {
            return response.finish();
        }
        response.extensions_mut().insert(IsShared);
        response
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header(("x-content-type-options", "nosniff"))
            .content_type(self.media_type.as_str())
            .body(Shared(self.content.clone()))
    }
}

/// `GET /`: redirects to the console, or to this page if someone is trying Keyward. Otherwise a production service
/// reveals nothing about itself here.
pub(crate) async fn root(services: Data<Services>) -> Answer {
    let home = services.home.ok_or(Reason::NotFound(Missing::Route))?;
    Ok(to(home))
}

/// `GET /` where there is nothing but the console.
pub(crate) async fn to_console() -> HttpResponse {
    to("console")
}

fn to(home: &str) -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, home)).insert_header((CACHE_CONTROL, ASK_AGAIN)).finish()
}

/// `GET /docs`: a relative redirect, because a proxy may serve Keyward below a path of its own.
pub(crate) async fn docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "docs/"))
        .insert_header((CACHE_CONTROL, ASK_AGAIN))
        .finish()
}

/// `GET /docs/`
pub(crate) async fn index(request: HttpRequest) -> Answer {
    named(&request, INDEX)
}

/// `GET /docs/{file}`
pub(crate) async fn part(request: HttpRequest, name: Path<String>) -> Answer {
    named(&request, &name)
}

fn named(request: &HttpRequest, name: &str) -> Answer {
    let file = PAGE.get(name).ok_or(Reason::NotFound(Missing::File))?;
    Ok(file.answer(request))
}

/// The page around the document is ours; the scripts and styles that render the document are Swagger UI's.
fn file(name: &str) -> Option<File> {
    let ours = |media_type, text: &'static str| Some(File::new(media_type, Bytes::from_static(text.as_bytes())));
    match name {
        INDEX => ours("text/html; charset=utf-8", include_str!("index.html")),
        "index.css" => ours("text/css", include_str!("index.css")),
        "favicon.svg" => ours("image/svg+xml", include_str!("favicon.svg")),
        "swagger-initializer.js" => ours("text/javascript", include_str!("swagger-initializer.js")),
        _ => drawing(name),
    }
}

fn drawing(name: &str) -> Option<File> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(utoipa_swagger_ui::Config::default())).ok()??;
    let content = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some(File::new(file.content_type, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_all_that_it_loads_are_in_the_program() {
        assert_eq!(PAGE.len(), FILES.len(), "{:?}", PAGE.keys());
        let index = std::str::from_utf8(&PAGE[INDEX].content).expect("text");
        let loaded =
            index.split(['"']).filter(|word| word.ends_with(".js") || word.ends_with(".css") || word.ends_with(".svg"));
        let loaded: Vec<_> = loaded.map(|word| word.trim_start_matches("./")).collect();
        assert_eq!(loaded.len(), FILES.len() - 1, "{index}");
        for name in loaded {
            assert!(PAGE.contains_key(name), "{name}");
        }
    }
}
