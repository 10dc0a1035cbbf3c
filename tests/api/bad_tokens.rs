//! Tokens that are no good, as they meet a client. The fine grain is in `src/auth/jwt/tests`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use test_support::{
    actors::{CREATE, claims, now},
    replica::JWT_SECRET,
    wire::{Answer, Connection, with_header},
};
use tokio::net::TcpListener;

use crate::scene::Scene;

const HEADER: &str = r#"{"alg":"HS256"}"#;

fn presenting(token: impl AsRef<[u8]>) -> Vec<u8> {
    with_header("POST", CREATE, "Authorization", [b"Bearer ", token.as_ref()].concat())
}

/// A token of these texts as they are, well signed.
fn signed(header: &str, claims: &str) -> String {
    signed_with(Algorithm::HS256, header, claims)
}

fn signed_with(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

fn with_header_members(members: &str) -> String {
    signed(&format!(r#"{{"alg":"HS256",{members}}}"#), &claims("mallory").to_string())
}

fn with_exp(exp: &str) -> String {
    signed(HEADER, &format!(r#"{{"sub":"mallory","exp":{exp}}}"#))
}

fn unsigned(alg: &str) -> String {
    let token = signed(&format!(r#"{{"alg":"{alg}"}}"#), &claims("mallory").to_string());
    token[..=token.rfind('.').expect("three segments")].to_owned()
}

fn assert_failed(answer: &Answer) {
    assert_eq!(answer.body, r#"{"message":"Failed to authenticate token"}"#);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="keyward", error="invalid_token""#));
}

#[tokio::test]
async fn each_token_that_is_no_good_is_401_and_nothing_breaks() {
    let scene = Scene::set().await;
    let good = claims("mallory").to_string();
    let (soon, later) = (now() + 600, now() + 3600);
    let token = signed(HEADER, &good);
    assert_eq!(scene.answer(presenting(&token)).await.status, 201, "what the bad ones differ from is good");
    for bad in [
        unsigned("none"),
        unsigned("None"),
        unsigned("NONE"),
        unsigned("nOnE"),
        signed_with(Algorithm::HS512, r#"{"alg":"HS512"}"#, &good),
        signed_with(Algorithm::HS384, r#"{"alg":"HS384"}"#, &good),
        signed(r#"{"alg":"RS256"}"#, &good),
        signed("{}", &good),
        signed(HEADER, r#"{"sub":"mallory"}"#),
        with_exp(&format!("\"{later}\"")),
        with_exp("null"),
        with_exp("-1"),
        with_exp("1e300"),
        with_exp(&(now() + 31_536_000_000_000_000).to_string()),
        with_exp(&(now() + 31 * 86_400).to_string()),
        signed(HEADER, &json!({ "sub": "mallory", "exp": later, "nbf": soon }).to_string()),
        signed(HEADER, &json!({ "sub": "mallory", "exp": later, "iat": soon }).to_string()),
        signed(HEADER, &format!(r#"{{"sub":"mallory","sub":"admin","exp":{later}}}"#)),
        signed(HEADER, &json!({ "sub": "a\0b", "exp": later }).to_string()),
        signed(HEADER, &json!({ "sub": "", "exp": later }).to_string()),
        signed(HEADER, &json!({ "sub": "mallory", "exp": later, "aud": "another service" }).to_string()),
        with_header_members(&format!(r#""kid":"{}""#, "k".repeat(8000))),
        with_header_members(r#""crit":["exp"]"#),
        with_header_members(r#""crit":[]"#),
        with_header_members(r#""b64":false,"crit":["b64"]"#),
        with_header_members(r#""typ":"dpop+jwt""#),
        format!("{token}."),
        format!("{token}.."),
        format!("{token}.e30.e30"),
        format!("{token}="),
        format!("{token} {token}"),
        format!("{token},{token}"),
        token.replace('.', ".\t"),
        token[..token.len() - 1].to_owned(),
        token.repeat(2),
        json!({ "payload": "e30", "protected": "e30", "signature": "e30" }).to_string(),
        "Bearer".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "💥.💥.💥".to_owned(),
        ".".repeat(10_000),
        "A".repeat(15_000),
    ] {
        assert_failed(&scene.refuses(401, presenting(bad)).await);
    }
}

#[tokio::test]
async fn a_token_of_bytes_that_are_no_text_is_401() {
    let scene = Scene::set().await;
    for bad in [b"\xff.\xfe.\xfd".to_vec(), [scene.token.as_bytes(), b"\x80"].concat(), vec![0xf0; 1000]] {
        assert_failed(&scene.refuses(401, presenting(bad)).await);
    }
}

#[tokio::test]
async fn a_token_with_a_control_character_is_a_bad_request() {
    let scene = Scene::set().await;
    for bad in ["\0".to_owned(), format!("{}\0", scene.token), scene.token.replace('.', "\0"), "\u{7f}".to_owned()] {
        scene.refuses_and_closes(400, presenting(bad)).await;
    }
}

#[tokio::test]
async fn a_token_whose_kid_has_a_megabyte_is_too_large_for_a_header() {
    let scene = Scene::set().await;
    let token = with_header_members(&format!(r#""kid":"{}""#, "k".repeat(1 << 20)));
    scene.refuses(431, presenting(token)).await;
}

#[tokio::test]
async fn another_scheme_than_bearer_is_no_good() {
    let scene = Scene::set().await;
    let token = scene.token.as_str();
    for value in
        [format!("Basic {token}"), format!("DPoP {token}"), format!("Bearer{token}"), format!("Bearer, {token}")]
    {
        assert_failed(&scene.refuses(401, with_header("POST", CREATE, "Authorization", value)).await);
    }
    for value in ["", "  "] {
        let answer = scene.refuses(403, with_header("POST", CREATE, "Authorization", value)).await;
        assert_eq!(answer.body, r#"{"message":"No token provided"}"#);
    }
}

#[tokio::test]
async fn two_authorizations_are_refused_be_they_the_same_or_not() {
    let scene = Scene::set().await;
    let good = format!("Bearer {}", scene.token);
    for other in [good.as_str(), scene.token.as_str(), "Bearer nonsense", "Basic YTpi", ""] {
        for (first, second) in [(good.as_str(), other), (other, good.as_str())] {
            let value = format!("{first}\r\nauthorization: {second}");
            let answer = scene.refuses(401, with_header("POST", CREATE, "Authorization", value)).await;
            assert_eq!(answer.body, r#"{"message":"Failed to authenticate token"}"#);
            assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="keyward", error="invalid_request""#));
        }
    }
}

/// RFC 6750 §2.2, §2.3: neither of these ways is supported.
#[tokio::test]
async fn a_token_is_taken_from_no_other_place_than_its_header() {
    let scene = Scene::set().await;
    let token = scene.token.as_str();
    for name in ["access_token", "token", "authorization", "jwt"] {
        let target = format!("{CREATE}?{name}={token}");
        let answer = scene.refuses(403, with_header("POST", &target, "Content-Length", "0")).await;
        assert_eq!(answer.body, r#"{"message":"No token provided"}"#, "{name}");

        let form = format!("{name}={token}");
        let lines = format!("{}\r\nContent-Type: application/x-www-form-urlencoded", form.len());
        let mut request = with_header("POST", CREATE, "Content-Length", lines);
        request.extend_from_slice(form.as_bytes());
        let answer = scene.refuses(403, request).await;
        assert_eq!(answer.body, r#"{"message":"No token provided"}"#, "{name}");
    }
    for (name, value) in [("Cookie", format!("token={token}")), ("x-access-token", token.to_owned())] {
        let answer = scene.refuses(403, with_header("POST", CREATE, name, value)).await;
        assert_eq!(answer.body, r#"{"message":"No token provided"}"#, "{name}");
    }
    let answer = scene.refuses(403, with_header("POST", CREATE, "x-api-key", &scene.key)).await;
    assert_eq!(answer.body, r#"{"message":"No token provided"}"#, "a key makes no key");
}

/// RFC 8725 §3.10.
#[tokio::test]
async fn an_address_in_a_tokens_header_is_never_fetched() {
    let scene = Scene::set().await;
    let canary = TcpListener::bind("127.0.0.1:0").await.expect("a canary");
    let address = format!("http://{}/keys", canary.local_addr().expect("its address"));
    for members in [
        format!(r#""jku":"{address}""#),
        format!(r#""x5u":"{address}""#),
        format!(r#""jku":"{address}","x5u":"{address}","kid":"{address}""#),
        format!(r#""jku":"{address}","jwk":{{"kty":"oct","k":"AAAA"}},"x5c":["AAAA"]"#),
    ] {
        let answer = scene.answer(presenting(with_header_members(&members))).await;
        assert_eq!(answer.status, 201, "the header is ignored: {members}");
        let mut foreign = with_header_members(&members);
        foreign.truncate(foreign.len() - 1);
        assert_failed(&scene.refuses(401, presenting(foreign)).await);
    }
    let own_visit = std::net::TcpStream::connect(canary.local_addr().expect("its address")).expect("a visit");
    let (_, visitor) = canary.accept().await.expect("a visitor");
    assert_eq!(Some(visitor), own_visit.local_addr().ok(), "somebody came before us");
}

#[tokio::test]
async fn a_refused_connection_can_be_used_for_a_good_request() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    connection.send(presenting("nonsense")).await;
    assert_eq!(connection.answer().await.status, 401);
    connection.send(presenting(&scene.token)).await;
    assert_eq!(connection.answer().await.status, 201);
}
