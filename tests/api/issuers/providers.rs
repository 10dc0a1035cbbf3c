//! Twelve identity providers: their tables in docs/issuers.md, their documents in the form in which they publish them,
//! tokens as they issue them, and what Keyward says of each. The documents are asked for at their real addresses, by
//! way of a proxy that leads to this test.

use std::{collections::HashMap, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Map, Value, json};
use test_support::stub_server::{Answer, Request, StubServer};
use test_support::{
    actors::{claims, now, stranger},
    eventually,
    program::Folder,
};
use tokio_rustls::TlsAcceptor;

use super::{Service, TOKEN_ROUTE, signing::SigningKey};
use crate::tls::{Authority, ConnectProxy};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/providers");
const GUIDE: &str = include_str!("../../../docs/issuers.md");
/// By their headings in the guide; in small letters, their folders.
const PROVIDERS: [&str; 12] = [
    "Auth0",
    "Cognito",
    "Entra",
    "Firebase",
    "ForgeRock",
    "Google",
    "Keycloak",
    "Kubernetes",
    "Okta",
    "Ping",
    "UAA",
    "Zitadel",
];
/// Has a certificate that only its own file knows, and answers nobody without a token.
const CLUSTER: &str = "kubernetes.default.svc";
const POD_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Of the tokens that are signed with the shared secret. Where it is set, no other's go to that secret.
const OWN_ISSUER: &str = "https://tests.example";
const POD_TOKEN: &str = "the-token-of-this-pod";

fn data(path: &str) -> Value {
    let path = Path::new(DATA).join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table of a provider, as the guide has it.
fn documented_table(provider: &str) -> &'static str {
    let (_, section) = GUIDE.split_once(&format!("\n### {provider}")).unwrap_or_else(|| panic!("no {provider}"));
    let (_, block) = section.split_once("```toml\n").expect("a block of TOML");
    block.split_once("```").expect("its end").0
}

/// What is published, by address.
struct Published(Map<String, Value>);

impl Published {
    fn read() -> Self {
        let documents = PROVIDERS.iter().map(|name| data(&format!("{}/documents.json", name.to_lowercase())));
        Self(documents.flat_map(|documents| documents.as_object().expect("an object").clone()).collect())
    }

    fn hosts(&self) -> Vec<&str> {
        let hosts = self.0.keys().map(|address| address["https://".len()..].split(['/', ':']).next().expect("a host"));
        hosts.collect()
    }

    /// The answer to a request: 404 for what nobody publishes.
    fn answer(&self, request: &Request) -> Answer {
        let host = request.header("host").unwrap_or_default();
        let document = [host.to_owned(), format!("{host}:443")]
            .iter()
            .find_map(|host| self.0.get(&format!("https://{host}{}", request.target)));
        let token = format!("Bearer {POD_TOKEN}");
        let allowed = host != CLUSTER || request.header("authorization") == Some(token.as_str());
        match document {
            Some(document) if allowed => Answer::with_body(200, document.to_string()),
            Some(_) => Answer::with_body(401, ""),
            None => Answer::with_body(404, ""),
        }
    }
}

async fn publish(published: &'static Published, tls: TlsAcceptor) -> StubServer {
    StubServer::start_with(Some(tls), move |request| std::future::ready(published.answer(&request))).await
}

/// A replica with all twelve tables, and the world that it asks.
struct World {
    service: Service,
    keys: HashMap<String, SigningKey>,
    _servers: [StubServer; 2],
    _proxy: ConnectProxy,
    _folder: Folder,
}

impl World {
    async fn begin() -> Self {
        let published: &'static Published = Box::leak(Box::new(Published::read()));
        let (public, cluster, folder) = (Authority::new(), Authority::new(), Folder::new());
        let names: Vec<&str> = published.hosts().into_iter().filter(|host| *host != CLUSTER).collect();
        let outside = publish(published, public.server(&names)).await;
        let inside = publish(published, cluster.server(&[CLUSTER])).await;
        let proxy = ConnectProxy::to(outside.address().to_string());
        let proxy = proxy.await.but_for(&format!("{CLUSTER}:443"), inside.address().to_string());

        folder.file("token", POD_TOKEN);
        folder.file("ca.crt", &cluster.pem());
        let tables: String = PROVIDERS.iter().map(|name| documented_table(name)).collect();
        let tables = tables.replace(POD_FOLDER, folder.path().to_str().expect("UTF-8"));
        let ca = folder.file("public.pem", &public.pem());
        let (url, shared) = (proxy.url(), ("KEYWARD__JWT__ISSUER", OWN_ISSUER));
        let env = [("HTTPS_PROXY", url.as_str()), ("SSL_CERT_FILE", ca.as_str()), shared];
        let service = Service::start_with(&tables, &env).await;
        eventually("all keys come", async || service.readiness().await.1 == json!({ "status": "ready" })).await;
        Self { service, keys: keys(), _servers: [outside, inside], _proxy: proxy, _folder: folder }
    }

    fn token(&self, case: &Value) -> String {
        if let Some(raw) = case["raw"].as_str() {
            return raw.to_owned();
        }
        let key = &self.keys[case["key"].as_str().expect("a key")];
        key.signs_with(&case["header"], &dated(&case["claims"]))
    }

    /// What the table of the guide says in the columns owner, scopes.
    async fn verdict(&self, case: &Value) -> [String; 2] {
        let token = self.token(case);
        let answer = self.service.asked(TOKEN_ROUTE, &token).await;
        if answer.status() == 401 {
            return [format!("refused: `{}`", self.service.refusal(&token).await), String::new()];
        }
        assert_eq!(answer.status(), 200, "{case}");
        let request = stranger(&self.service.replica, Method::POST, "/v1/keys").bearer_auth(&token);
        let made: Value = request.json(&json!({})).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(made["owner"]["issuer"], case["claims"]["iss"], "{made}");
        let owner = made["owner"]["subject"].as_str().unwrap_or_else(|| panic!("no owner in {made}"));
        let scopes = self.introspected(&token).await;
        let code =
            |text: &str| if text.is_empty() { "none".to_owned() } else { format!("`{}`", text.replace('|', "\\|")) };
        [code(owner), code(&scopes)]
    }

    async fn introspected(&self, token: &str) -> String {
        let mut asking = claims("a service");
        asking["iss"] = json!(OWN_ISSUER);
        let seen = self.service.introspects_for(asking, token).await;
        assert_eq!(seen["active"], true, "{seen}");
        seen["scope"].as_str().unwrap_or_default().to_owned()
    }
}

fn keys() -> HashMap<String, SigningKey> {
    let keys = data("keys.json");
    let read = |(name, key): (&String, &Value)| {
        let text = |member: &str| key[member].as_str().expect("a text").to_owned();
        let pkcs8 = STANDARD.decode(text("pkcs8")).expect("base64");
        (name.clone(), SigningKey::of_pkcs8(name, &text("kind"), &pkcs8))
    };
    let mut keys: HashMap<_, _> = keys.as_object().expect("an object").iter().map(read).collect();
    keys.insert("secret".to_owned(), SigningKey::secret(&[0x5a; 64]));
    keys
}

/// Claims with dates in place of `now`, `now+3600` and so on.
fn dated(claims: &Value) -> Value {
    match claims {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), dated(value))).collect(),
        Value::String(text) => match text.strip_prefix("now") {
            Some("") => json!(now()),
            Some(later) if later.starts_with('+') => json!(now() + later[1..].parse::<u64>().expect("seconds")),
            _ => claims.clone(),
        },
        other => other.clone(),
    }
}

/// Each token is judged as its line says, and the guide has all the lines.
#[tokio::test]
async fn tokens_of_twelve_providers_are_judged_as_the_guide_says() {
    let world = World::begin().await;
    let mut rows = String::new();
    for provider in PROVIDERS {
        let cases = data(&format!("{}/tokens.json", provider.to_lowercase()));
        for case in cases.as_array().expect("a list") {
            let [owner, scopes] = world.verdict(case).await;
            let (what, expect) = (case["what"].as_str().expect("a text"), &case["expect"]);
            let told = match expect["refused"].as_str() {
                Some(reason) => [format!("refused: `{reason}`"), String::new()],
                None => {
                    let code = |member: &str| match expect[member].as_str().expect("a text") {
                        "" => "none".to_owned(),
                        text => format!("`{}`", text.replace('|', "\\|")),
                    };
                    [code("owner"), code("scopes")]
                }
            };
            assert_eq!([&owner, &scopes], [&told[0], &told[1]], "{provider}: {what}");
            let why = expect["why"].as_str().unwrap_or_default();
            rows.push_str(&format!("| {provider} | {what} | {owner} | {scopes} | {why} |\n"));
        }
    }
    let (_, table) = GUIDE
        .split_once("| provider | token | owner | scopes | why |\n| --- | --- | --- | --- | --- |\n")
        .expect("the table");
    let documented: String =
        table.lines().take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
    assert!(documented == rows, "the guide has other rows; these are right:\n{rows}");
}
