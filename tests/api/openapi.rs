//! The OpenAPI document is served, is of version 3.1, and says what the routes do.

use std::collections::BTreeSet;

use keyward::api::{endpoint::Access, routes::ENDPOINTS};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, stranger},
    asking::Reply,
    replica::Replica,
    shared_replica::SharedReplica,
};

/// The document, with what its operations share in the place of each reference to it.
async fn document(replica: &Replica) -> Value {
    let document = document_as_sent(replica).await;
    let mut written_out = document.clone();
    write_out(&mut written_out["paths"], &document);
    written_out
}

fn write_out(value: &mut Value, document: &Value) {
    let target =
        value.get("$ref").and_then(Value::as_str).filter(|target| !target.starts_with("#/components/schemas/"));
    if let Some(target) = target.map(str::to_owned) {
        let pointer = target.strip_prefix('#').expect("a reference within the document");
        *value = document.pointer(pointer).unwrap_or_else(|| panic!("{target} leads nowhere")).clone();
        return write_out(value, document);
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| write_out(member, document)),
        Value::Array(items) => items.iter_mut().for_each(|item| write_out(item, document)),
        _ => {}
    }
}

async fn document_as_sent(replica: &Replica) -> Value {
    let answer = stranger(replica, Method::GET, "/openapi.json").send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().expect("a value"))
    );
    answer.json().await.expect("JSON")
}

/// The committed document shows in a diff what a change does to clients. `KEYWARD_UPDATE_OPENAPI=1` writes it anew.
#[tokio::test]
async fn the_document_is_the_committed_one() {
    let replica = SharedReplica::get().await;
    let served = document_as_sent(&replica).await;
    let served = serde_json::to_string_pretty(&served).expect("JSON") + "\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("KEYWARD_UPDATE_OPENAPI").is_some() {
        std::fs::write(file, &served).expect("a writable file");
    }
    let committed = std::fs::read_to_string(file).expect("openapi.json");
    let mut lines = served.lines().zip(committed.lines()).enumerate();
    if let Some((number, (served, committed))) = lines.find(|(_, (served, committed))| served != committed) {
        panic!(
            "openapi.json, line {}: it says {committed}, and the program {served}. If that is meant: \
             KEYWARD_UPDATE_OPENAPI=1 cargo test --test api the_document_is_the_committed_one",
            number + 1
        );
    }
    assert_eq!(served.len(), committed.len(), "openapi.json is longer or shorter than what is served");
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(|(method, operation)| (method.to_ascii_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[tokio::test]
async fn the_document_has_every_route_and_nothing_else() {
    let replica = SharedReplica::get().await;
    let document = document(&replica).await;
    assert_eq!(document["openapi"], "3.1.0");
    let documented: BTreeSet<_> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<_> =
        ENDPOINTS.iter().map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned())).collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn every_operation_says_which_credential_it_wants() {
    let replica = SharedReplica::get().await;
    let document = document(&replica).await;
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["token"]["scheme"], &schemes["token"]["bearerFormat"]), (&json!("bearer"), &json!("JWT")));
    assert_eq!((&schemes["apiKey"]["in"], &schemes["apiKey"]["name"]), (&json!("header"), &json!("x-api-key")));
    for endpoint in ENDPOINTS {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let wanted = match endpoint.access {
            Access::Public(_) => json!([]),
            Access::Metrics => json!([{}, { "metricsToken": [] }]),
            Access::CompatibilityToken | Access::Token | Access::Administrator => json!([{ "token": [] }]),
            Access::ApiKey => json!([{ "apiKey": [] }]),
            Access::OwnKey | Access::KeyHolder => json!([{ "apiKey": [] }, { "bearerKey": [] }]),
            Access::Verifier | Access::Backend | Access::Forwarded => {
                json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }])
            }
            Access::OAuthClient => json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }, { "basic": [] }]),
        };
        assert_eq!(operation["security"], wanted, "{}", endpoint.path);
        assert_eq!(!operation["responses"]["401"].is_null(), wanted != json!([]), "{}", endpoint.path);
    }
}

#[tokio::test]
async fn every_error_is_a_problem_with_an_example_that_says_its_status() {
    let replica = SharedReplica::get().await;
    let document = document(&replica).await;
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let responses = operation["responses"].as_object().expect("responses");
        for status in ["400", "408", "413", "431"] {
            assert!(responses.contains_key(status), "{method} {path} has no {status}");
        }
        for (status, response) in responses {
            assert!(response["headers"]["x-request-id"]["required"].as_bool().expect("said"), "{method} {path}");
            if !status.starts_with(['4', '5']) || (path == "/readyz" && status == "503") {
                continue;
            }
            let (media_type, schema) = match path.as_str() {
                path if path.starts_with("/api/") => ("application/json", "Message"),
                "/v1/introspect" | "/v1/revoke" => ("application/json", "OAuthError"),
                _ => ("application/problem+json", "Problem"),
            };
            let content = &response["content"][media_type];
            assert_eq!(content["schema"]["$ref"], format!("#/components/schemas/{schema}"), "{method} {path} {status}");
            let examples = content["examples"].as_object().expect("examples");
            for (code, example) in examples {
                if schema == "Problem" {
                    assert_eq!(
                        (&example["value"]["code"], &example["value"]["status"].to_string()),
                        (&json!(code), status)
                    );
                }
                seen.insert(code.clone());
            }
        }
    }
    for code in ["insufficient_scope", "version_mismatch", "already_rotated", "idempotency_key_reused", "unavailable"] {
        assert!(seen.contains(code), "{code} is nowhere");
    }
}

#[tokio::test]
async fn who_has_the_document_is_told_so() {
    let replica = SharedReplica::get().await;
    for path in ["/openapi.json", "/docs/", "/docs/swagger-ui-bundle.js"] {
        let answer = stranger(&replica, Method::GET, path).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["cache-control"]),
            (200, &"no-cache".parse().expect("a value"))
        );
        let tag = answer.headers()["etag"].clone();
        let again = stranger(&replica, Method::GET, path).header("if-none-match", &tag);
        let again = again.send().await.expect("an answer");
        assert_eq!((again.status().as_u16(), &again.headers()["etag"]), (304, &tag), "{path}");
        let changed = stranger(&replica, Method::GET, path).header("if-none-match", "\"another\"");
        assert_eq!(changed.send().await.expect("an answer").status(), 200, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_found_with_and_without_the_slash_and_needs_no_other_server() {
    let replica = SharedReplica::get().await;
    let bare = stranger(&replica, Method::GET, "/docs").send().await.expect("an answer");
    assert_eq!((bare.status().as_u16(), &bare.headers()["location"]), (308, &"docs/".parse().expect("a value")));
    let page = stranger(&replica, Method::GET, "/docs/").send().await.expect("an answer");
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("http"), "{policy}");
    let page = page.text().await.expect("text");
    assert!(!page.contains("http") && !page.contains("<script>") && !page.contains("style="), "{page}");

    let start = stranger(&replica, Method::GET, "/docs/swagger-initializer.js").send().await.expect("an answer");
    let start = start.text().await.expect("text");
    // Neither the name nor the colours of the tool that draws it.
    assert!(page.contains("<title>Keyward API</title>") && !page.contains("Swagger UI"), "{page}");
    assert!(!start.contains("StandalonePreset") && !start.contains("Sorter"), "{start}");
    assert!(start.contains("../openapi.json") && start.contains(r#""validatorUrl": "none""#), "{start}");
    assert!(!start.contains("://"), "{start}");

    let missing = stranger(&replica, Method::GET, "/docs/swagger-ui.js.map").send().await.expect("an answer");
    assert_eq!(missing.status(), 404);
}

/// The limits in the document are those that are enforced: a value at each is taken, one beyond is refused.
#[tokio::test]
async fn the_limits_in_the_document_are_those_that_are_enforced() {
    let replica = SharedReplica::get().await;
    let document = document(&replica).await;
    let fields = &document["components"]["schemas"]["NewKey"]["properties"];
    let limit = |pointer: &str| fields.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"));
    let alice = Person::named("alice");
    let status = |body: Value| {
        let request = stranger(&replica, Method::POST, "/v1/keys").bearer_auth(&alice.token).json(&body);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    let text = |length: u64| "é".repeat(length as usize);
    let word = |length: u64| "x".repeat(length as usize);
    let name = limit("/name/maxLength");
    let scopes = limit("/scopes/maxItems");
    let scope = limit("/scopes/items/maxLength");
    let networks = limit("/allowedIps/maxItems");
    let seconds = limit("/expiresIn/maximum");
    let many_scopes = |count: u64| (0..count).map(|number| format!("s{number}")).collect::<Vec<_>>();
    let many_networks = |count: u64| (0..count).map(|number| format!("10.0.{number}.0/24")).collect::<Vec<_>>();
    for (good, bad) in [
        (json!({ "name": text(name) }), json!({ "name": text(name + 1) })),
        (json!({ "scopes": many_scopes(scopes) }), json!({ "scopes": many_scopes(scopes + 1) })),
        (json!({ "scopes": [word(scope)] }), json!({ "scopes": [word(scope + 1)] })),
        (json!({ "allowedIps": many_networks(networks) }), json!({ "allowedIps": many_networks(networks + 1) })),
        (json!({ "expiresIn": seconds }), json!({ "expiresIn": seconds + 1 })),
        (json!({ "expiresIn": limit("/expiresIn/minimum") }), json!({ "expiresIn": limit("/expiresIn/minimum") - 1 })),
        (json!({ "environment": "test" }), json!({ "environment": "staging" })),
        (json!({ "metadata": { "a": [[[[1]]]] } }), json!({ "metadata": { "a": [[[[[1]]]]] } })),
        (json!({ "name": null }), json!({ "unknown": null })),
    ] {
        assert_eq!(status(good.clone()).await, 201, "{good}");
        assert_eq!(status(bad.clone()).await, 422, "{bad}");
    }
}

/// JSON Schema's integers are numbers without a fraction, however they are written. Found by schemathesis.
#[tokio::test]
async fn a_whole_number_of_seconds_may_be_written_with_a_point() {
    let replica = SharedReplica::get().await;
    let alice = Person::named("alice");
    for (seconds, status) in [("60.0", 201), ("6e1", 201), ("60.5", 422), ("-1.0", 422), ("1e300", 422)] {
        let request = stranger(&replica, Method::POST, "/v1/keys").bearer_auth(&alice.token);
        let request = request.header("content-type", "application/json").body(format!(r#"{{"expiresIn":{seconds}}}"#));
        assert_eq!(request.send().await.expect("an answer").status(), status, "{seconds}");
    }
}

/// `null` is what a variable holds that nobody has set, and must not widen what is revoked. Found by schemathesis.
#[tokio::test]
async fn a_condition_that_is_null_revokes_nothing() {
    let replica = SharedReplica::get().await;
    let mut claims = claims("root");
    claims["scope"] = json!("keyward:admin");
    let root = Person::with_claims(&claims);
    let holder = Person::named("alice").makes_a_key(&replica).await;
    let request = stranger(&replica, Method::POST, "/v1/admin/keys/revoke").bearer_auth(&root.token);
    let answer = request.json(&json!({ "owner": null, "environment": "live" })).send().await.expect("an answer");
    assert_eq!(answer.status(), 422);
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["errors"][0]["pointer"], "/owner");
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
}

/// The document's pattern for it has no tab, and the answer says printable.
#[tokio::test]
async fn an_idempotency_key_with_a_tab_is_refused() {
    let replica = SharedReplica::get().await;
    let alice = Person::named("alice");
    for (word, status) in [("a b", 201), ("a\tb", 400)] {
        let request = stranger(&replica, Method::POST, "/v1/keys").bearer_auth(&alice.token);
        let answer = request.header("Idempotency-Key", word).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{word:?}");
    }
}

/// Postgres writes large numbers out digit by digit, so what comes back must be read exactly, or one key makes
/// every list that holds it unreadable. Found by schemathesis.
#[tokio::test]
async fn notes_with_the_largest_numbers_come_back_as_they_were() {
    let replica = SharedReplica::get().await;
    let counter = Person::named("who counts far");
    let notes = json!({ "largest": f64::MAX, "least": f64::MIN, "smallest": f64::MIN_POSITIVE, "odd": 1.7144248410186604e-135 });
    let request = stranger(&replica, Method::POST, "/v1/keys").bearer_auth(&counter.token);
    let made = request.json(&json!({ "metadata": notes })).send().await.expect("an answer");
    assert_eq!(made.status(), 201);
    let list = stranger(&replica, Method::GET, "/v1/keys").bearer_auth(&counter.token).send().await.expect("an answer");
    assert_eq!(list.status(), 200);
    let list: Value = list.json().await.expect("JSON");
    assert_eq!(list["keys"][0]["metadata"], notes);
}

#[tokio::test]
async fn the_documents_tags_are_compared_in_the_same_way() {
    let replica = SharedReplica::get().await;
    let asks = async |name: &str, value: &str| {
        Reply::to(stranger(&replica, Method::GET, "/openapi.json").header(name, value)).await.status
    };
    let tag =
        Reply::to(stranger(&replica, Method::GET, "/openapi.json")).await.header("etag").expect("a tag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"a,b\",, {tag}"), "*".to_owned()] {
        assert_eq!(asks("If-None-Match", &known).await, 304, "{known}");
    }
    for unknown in
        [format!("\"x,{}", &tag[1..]), format!("W/W/{tag}"), tag.trim_matches('"').to_owned(), "\"x\"".to_owned()]
    {
        assert_eq!(asks("If-None-Match", &unknown).await, 200, "{unknown}");
    }
}

#[tokio::test]
async fn the_document_tells_of_preconditions_on_every_method_of_a_key() {
    let replica = SharedReplica::get().await;
    let document = document(&replica).await;
    for base in ["/v1/keys/{id}", "/v1/admin/keys/{id}"] {
        for (method, below) in
            [("get", ""), ("patch", ""), ("delete", ""), ("post", "/rotate"), ("post", "/disable"), ("post", "/enable")]
        {
            let operation = &document["paths"][format!("{base}{below}")][method];
            let headers = operation["parameters"].as_array().expect("parameters").iter();
            let headers: Vec<_> = headers.filter(|parameter| parameter["in"] == "header").collect();
            for name in ["If-Match", "If-None-Match"] {
                assert!(headers.iter().any(|header| header["name"] == name), "{method} {base}{below}: {name}");
            }
            assert!(operation["responses"]["412"].is_object(), "{method} {base}{below}: 412");
            assert_eq!(operation["responses"]["304"].is_object(), method == "get", "{method} {base}{below}: 304");
        }
    }
}

/// A reader meets what they need first, and every text is there.
#[tokio::test]
async fn operations_are_described_and_grouped_by_task_in_the_order_of_need() {
    let replica = SharedReplica::get().await;
    let text = Reply::to(stranger(&replica, Method::GET, "/openapi.json")).await.text;
    let document = document(&replica).await;
    let tags: Vec<_> = document["tags"].as_array().expect("tags").iter().collect();
    let names: Vec<_> = tags.iter().map(|tag| tag["name"].as_str().expect("a name")).collect();
    assert_eq!(names[0], "Keys", "{names:?}");
    assert!(tags.iter().all(|tag| tag["description"].as_str().is_some_and(|about| about.ends_with('.'))), "{tags:?}");
    let mut summaries = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let text = |member: &str| operation[member].as_str().unwrap_or_else(|| panic!("{method} {path}: no {member}"));
        assert!(text("description").ends_with('.'), "{method} {path}");
        assert!(summaries.insert(text("summary").to_owned()), "{method} {path}: {} is there twice", text("summary"));
        let tag = operation["tags"][0].as_str().expect("a tag");
        assert!(names.contains(&tag), "{method} {path}: {tag}");
    }
    // As text, because a parsed object has no order.
    let place = |path: &str| text.find(&format!("\"{path}\":{{")).unwrap_or_else(|| panic!("{path} is not there"));
    let in_order = [
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/keys/{id}/rotate",
        "/v1/keys/verify",
        "/v1/authorize",
        "/v1/admin/keys",
        "/healthz",
        "/openapi.json",
    ];
    assert!(in_order.is_sorted_by_key(|path| place(path)), "{in_order:?}");
    assert!(place("/v1/keys") < text.find("\"components\"").expect("components"), "components come first");
}

#[tokio::test]
async fn the_document_says_what_is_shared_once() {
    let replica = SharedReplica::get().await;
    let text = Reply::to(stranger(&replica, Method::GET, "/openapi.json")).await.text;
    assert!(text.len() < 224 * 1024, "{} bytes", text.len());
    let document: Value = serde_json::from_str(&text).expect("JSON");
    for section in ["responses", "parameters", "headers", "examples"] {
        let shared = document["components"][section].as_object().expect("components");
        for name in shared.keys() {
            let reference = format!("\"#/components/{section}/{name}\"");
            assert!(text.contains(&reference), "nothing refers to {reference}");
        }
    }
}

#[tokio::test]
async fn the_root_leads_nowhere_in_production_and_to_the_page_where_it_is_tried() {
    let replica = SharedReplica::get().await;
    Reply::to(stranger(&replica, Method::GET, "/")).await.is_problem(404, "not_found");
    let open = Replica::start_with(&[("KEYWARD__SERVER__DOCS_AT_ROOT", "true")]).await;
    let answer = Reply::to(stranger(&open, Method::GET, "/?a=b")).await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("docs/")));
}
