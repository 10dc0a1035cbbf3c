//! The console at an address of its own.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::claims,
    client::request,
    program::Folder,
    replica::{Replica, command},
    session::Dev,
};

use crate::{
    browser::Browser,
    provider::{PUBLIC_URL, Service},
};

const CONSOLE_URL: &str = "https://console.example.com";
const OWN: [(&str, &str); 2] =
    [("KEYWARD__CONSOLE__LISTEN", "127.0.0.1:0"), ("KEYWARD__CONSOLE__PUBLIC_URL", CONSOLE_URL)];

/// Where the console of this replica is.
async fn host(replica: &Replica) -> String {
    let line = replica.prints("the console is served").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    line["address"].as_str().expect("an address").to_owned()
}

async fn status(method: Method, url: &str) -> u16 {
    request(method, url).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn the_pages_are_there_alone_and_nothing_else_is() {
    let mut service = Service::start_with(&OWN).await;
    let own = host(&service.replica).await;
    for path in ["/console", "/console/keys", "/console/sign-in", "/console/handed-over?link=x"] {
        assert_eq!(status(Method::GET, &service.replica.url(path)).await, 404, "{path}");
    }
    assert_eq!(status(Method::GET, &service.replica.url("/")).await, 404);
    assert_eq!(status(Method::GET, &service.replica.url("/readyz")).await, 200);
    for path in [
        "/v1/keys",
        "/v1/authorize",
        "/api/protected-resource",
        "/readyz",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/docs/",
    ] {
        assert_eq!(status(Method::GET, &format!("http://{own}{path}")).await, 404, "{path}");
    }
    assert_eq!(status(Method::POST, &format!("http://{own}/api/create-api-key")).await, 404);
    let root = request(Method::GET, format!("http://{own}/")).send().await.expect("an answer");
    assert_eq!((root.status().as_u16(), &root.headers()["location"]), (307, &"console".parse().expect("text")));
    let mut browser = Browser::at_host(&own);
    let page = browser.get("/console/sign-in").await;
    assert!(
        page.location().contains("redirect_uri=https%3A%2F%2Fconsole%2Eexample%2Ecom%2Fconsole%2Fsigned%2Din"),
        "{}",
        page.location()
    );
    service.replica.signal("TERM");
    assert_eq!(service.replica.exit_code().await, Some(0));
}

#[tokio::test]
async fn forms_are_taken_from_its_own_origin_and_keys_are_tried_at_the_apis() {
    let service = Service::start_with(&OWN).await;
    let own = host(&service.replica).await;
    let mut backend = claims("backend");
    backend["scope"] = json!("keyward:console");
    let body = json!({ "owner": { "issuer": service.provider.issuer(), "subject": "alice" } });
    let asked = request(Method::POST, service.replica.url("/v1/console/sessions"))
        .bearer_auth(service.provider.signs(backend))
        .json(&body);
    let answer: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    let link = answer["link"].as_str().expect("a link").strip_prefix(CONSOLE_URL).expect("the console's address");
    let secret = link.split_once("?link=").expect("a secret").1;
    let mut browser = Browser::at_host(&own);
    browser.open(link).await;
    let fields = [("link", secret)];
    let page =
        browser.post_as("/console/handed-over", &fields, "", |request| request.header("origin", PUBLIC_URL)).await;
    assert_eq!(page.status, 403, "the API's origin is another");
    let page =
        browser.post_as("/console/handed-over", &fields, "", |request| request.header("origin", CONSOLE_URL)).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let form = browser.open("/console/keys/new").await.between(r#"name="form" value=""#, "\"");
    let page = browser.post_as("/console/keys", &[], &form, |request| request.header("origin", CONSOLE_URL)).await;
    page.shows(&format!("curl {PUBLIC_URL}/api/protected-resource"));
}

#[test]
fn an_address_that_is_taken_or_none_is_refused_with_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let folder = Folder::new();
    let secret = folder.file("secret", "5b1c8d0e7f3a4962b8d7e6f5a4c3b2d1-of-the-provider");
    let table = format!(
        "[[jwt.issuers]]\nissuer = \"https://id.example.com\"\naudience = [\"api\"]\nsecret_file = {secret:?}\n"
    );
    let file = folder.file("keyward.toml", &table);
    for (setting, value, told) in [
        ("KEYWARD__CONSOLE__LISTEN", taken.as_str(), "console.listen"),
        ("KEYWARD__CONSOLE__LISTEN", "3001", "console.listen"),
        ("KEYWARD__CONSOLE__PUBLIC_URL", "http://console.example.com", "console.public_url"),
        ("KEYWARD__CONSOLE__PUBLIC_URL", "https://console.example.com/x", "console.public_url"),
    ] {
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env(setting, value);
        for (name, value) in
            [("ENABLED", "true"), ("OPENID__ISSUER", "https://id.example.com"), ("OPENID__CLIENT_ID", "keyward")]
        {
            serve.env(format!("KEYWARD__CONSOLE__{name}"), value);
        }
        serve.env("KEYWARD__SERVER__PUBLIC_URL", PUBLIC_URL);
        serve.env("KEYWARD_CONFIG", &file);
        let ended = serve.stdin(Stdio::null()).output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(told), "{setting}={value}: {said}");
    }
}

#[tokio::test]
async fn dev_has_it_there_too_on_this_machine_alone() {
    let dev = Dev::start_with("own-console", &[("KEYWARD__CONSOLE__LISTEN", "127.0.0.1:0")]);
    let welcome = dev.welcome().await;
    let (_, rest) = welcome.split_once("The console is at http://").expect("it is told");
    let (own, _) = rest.split_once("/console.").expect("an address");
    assert_ne!(own, dev.address().await);
    assert_eq!(status(Method::GET, &format!("http://{own}/console/sign-in")).await, 200);
    assert_eq!(status(Method::GET, &format!("http://{}/console/sign-in", dev.address().await)).await, 404);
    let open = Dev::start_with("open-console", &[("KEYWARD__CONSOLE__LISTEN", "0.0.0.0:0")]);
    assert!(!open.welcome().await.contains("The console is at"));
}
