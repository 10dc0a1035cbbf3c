//! An OpenID provider of a test's own (OpenID Connect Core 1.0 §3.1), on loopback, and a replica at which people sign
//! in with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use test_support::{
    TestDatabase,
    actors::claims,
    database,
    program::Folder,
    replica::Replica,
    stub_server::{Answer, Request, StubServer},
};

/// What the provider signs with.
const SECRET: &str = "5b1c8d0e7f3a4962b8d7e6f5a4c3b2d1-of-the-provider";
pub(crate) const CLIENT_ID: &str = "keyward";
const CLIENT_SECRET: &str = "a secret: with/odd+characters&-and_plain.ones*~";
/// Where the test says that browsers reach Keyward. Nobody listens there: the tests' browser knows better.
pub(crate) const PUBLIC_URL: &str = "https://keys.example.com";

/// Whoever is at the provider, and how it misbehaves.
pub(crate) struct State {
    /// The claims of whoever signs in next, besides those that every ID token has.
    pub(crate) person: Value,
    /// Replaces claims of the ID token.
    pub(crate) wrong: Value,
    /// The claims of the access token, if it is one that Keyward understands.
    pub(crate) access: Option<Value>,
    /// What it answers instead of a code.
    pub(crate) refuses: Option<&'static str>,
    /// Whether its metadata promise that each of its answers says who it is (RFC 9207).
    pub(crate) promises_its_name: bool,
    /// Whether its answers say who it is.
    pub(crate) says_its_name: bool,
    requests: HashMap<String, HashMap<String, String>>,
}

/// The provider.
pub(crate) struct Provider {
    server: StubServer,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let state = State {
            person: json!({ "sub": "alice", "name": "Alice Liddell" }),
            wrong: json!({}),
            access: None,
            refuses: None,
            promises_its_name: false,
            says_its_name: true,
            requests: HashMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let asked = Arc::clone(&state);
        let server = StubServer::start(move |request| {
            let answer = answer(&request, &asked);
            async move { answer }
        })
        .await;
        Self { server, state }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// From now on, whoever signs in is this one.
    pub(crate) fn has(&self, person: Value) {
        self.state.lock().expect("no panic").person = person;
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("no panic"));
    }

    /// A token that says that somebody has signed out, with these claims besides those that every such token has.
    pub(crate) fn logout_token(&self, claims: &Value) -> String {
        let now = test_support::actors::now();
        let mut all = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "one",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        all.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
        let header = Header { typ: Some("logout+jwt".to_owned()), ..Header::default() };
        encode(&header, &all, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
    }

    /// A token of the provider for Keyward's API.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.signs(claims(subject))
    }

    /// The same with these claims.
    pub(crate) fn signs(&self, mut claims: Value) -> String {
        claims["iss"] = json!(self.issuer());
        claims["aud"] = json!("api");
        sign(&claims)
    }
}

fn sign(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

fn answer(request: &Request, state: &Arc<Mutex<State>>) -> Answer {
    let host = request.header("host").expect("a host");
    let url = Url::parse(&format!("http://{host}{}", request.target)).expect("a target");
    let mut state = state.lock().expect("no panic");
    match url.path() {
        "/.well-known/openid-configuration" => json_body(
            200,
            &json!({
                "issuer": format!("http://{host}"),
                "authorization_endpoint": format!("http://{host}/authorize?tenant=1"),
                "token_endpoint": format!("http://{host}/token"),
                "end_session_endpoint": format!("http://{host}/end"),
                "jwks_uri": format!("http://{host}/keys"),
                "authorization_response_iss_parameter_supported": state.promises_its_name,
            }),
        ),
        "/authorize" => {
            let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
            assert_eq!((&*asked["response_type"], &*asked["code_challenge_method"]), ("code", "S256"));
            assert_eq!((&*asked["tenant"], &*asked["client_id"]), ("1", CLIENT_ID));
            assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
            let mut back = Url::parse(&asked["redirect_uri"]).expect("a redirect URI");
            back.query_pairs_mut().append_pair("state", &asked["state"]);
            match state.refuses {
                Some(word) => back.query_pairs_mut().append_pair("error", word),
                None => back.query_pairs_mut().append_pair("code", "the code"),
            };
            if state.says_its_name {
                back.query_pairs_mut().append_pair("iss", &format!("http://{host}"));
            }
            state.requests.insert("the code".to_owned(), asked);
            Answer::Response(302, vec![("Location".to_owned(), back.into())], Vec::new())
        }
        "/token" => tokens(request, host, &mut state),
        other => panic!("nobody asks for {other}"),
    }
}

/// RFC 6749 §4.1.3, RFC 7636 §4.6.
fn tokens(request: &Request, host: &str, state: &mut State) -> Answer {
    let body = format!("http://x/?{}", str::from_utf8(&request.body).expect("text"));
    let form: HashMap<String, String> = Url::parse(&body).expect("a form").query_pairs().into_owned().collect();
    let encoded = |text: &str| {
        let mut url = Url::parse("http://x/").expect("a URL");
        url.query_pairs_mut().append_pair("x", text);
        url.query().expect("a query")[2..].to_owned()
    };
    let authorization = request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let pair = base64::engine::general_purpose::STANDARD.decode(authorization.expect("the client's secret"));
    let pair = String::from_utf8(pair.expect("base64")).expect("text").replace("%20", "+");
    assert_eq!(pair, format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
    // A code is good for once.
    let Some(asked) = state.requests.remove(&form["code"]) else {
        return json_body(400, &json!({ "error": "invalid_grant" }));
    };
    assert_eq!((&*form["grant_type"], &form["redirect_uri"]), ("authorization_code", &asked["redirect_uri"]));
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])), asked["code_challenge"]);
    let mut id_token = claims("nobody");
    let every = json!({ "iss": format!("http://{host}"), "aud": CLIENT_ID, "nonce": asked["nonce"], "iat": test_support::actors::now() });
    for claims in [&every, &state.person, &state.wrong] {
        for (name, value) in claims.as_object().expect("claims") {
            id_token[name] = value.clone();
        }
    }
    id_token.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
    let mut access = claims("nobody");
    let access_token = match &state.access {
        Some(more) => {
            for (name, value) in
                [("iss", json!(format!("http://{host}"))), ("aud", json!("api")), ("sub", id_token["sub"].clone())]
            {
                access[name] = value;
            }
            for (name, value) in more.as_object().expect("claims") {
                access[name] = value.clone();
            }
            sign(&access)
        }
        None => "opaque".to_owned(),
    };
    json_body(200, &json!({ "token_type": "Bearer", "id_token": sign(&id_token), "access_token": access_token }))
}

fn json_body(status: u16, body: &Value) -> Answer {
    Answer::Response(
        status,
        vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body.to_string().into_bytes(),
    )
}

/// A provider, and a replica at which people sign in with it.
pub(crate) struct Service {
    pub(crate) provider: Provider,
    pub(crate) replica: Replica,
    pub(crate) database: TestDatabase,
    folder: Folder,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(env: &[(&str, &str)]) -> Self {
        Self::start_like(env, "").await
    }

    /// With further members in the issuer's table.
    pub(crate) async fn start_with_members(members: &str) -> Self {
        Self::start_like(&[], members).await
    }

    async fn start_like(env: &[(&str, &str)], members: &str) -> Self {
        let (provider, database, folder) = (Provider::start().await, database().await, Folder::new());
        let replica = Self::replica_of(&provider, &database, &folder, env, members).await;
        Self { provider, replica, database, folder }
    }

    /// A further replica on the same database.
    pub(crate) async fn another(&self) -> Replica {
        self.another_with(&[]).await
    }

    /// The same with further environment variables.
    pub(crate) async fn another_with(&self, env: &[(&str, &str)]) -> Replica {
        Self::replica_of(&self.provider, &self.database, &self.folder, env, "").await
    }

    async fn replica_of(
        provider: &Provider,
        database: &TestDatabase,
        folder: &Folder,
        env: &[(&str, &str)],
        members: &str,
    ) -> Replica {
        let (issuer, secret) = (provider.issuer(), folder.file("secret", SECRET));
        let tables = format!(
            "[[jwt.issuers]]\nissuer = {issuer:?}\nsecret_file = {secret:?}\naudience = [\"api\"]\n\
             forbidden_claims = [\"nonce\"]\nkeyward_scopes = [\"keyward:admin\", \"keyward:verify\", \"keyward:console\"]\n{members}\n\
             [console]\nenabled = true\n[console.openid]\nissuer = {issuer:?}\nclient_id = {CLIENT_ID:?}\n\
             client_secret = {CLIENT_SECRET:?}\n[server]\npublic_url = {PUBLIC_URL:?}\n"
        );
        let file = folder.file("keyward.toml", &tables);
        let env = [&[("KEYWARD_CONFIG", file.as_str())], env].concat();
        Replica::start_on(database.url(), &env).await
    }
}
