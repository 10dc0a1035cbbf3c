//! What holds behind every gateway.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    actors::Person,
    gateway::{Gateway, Running},
    program::{Folder, PATIENCE, eventually},
    scene::{GREETING, Scene, api, assert_is_problem, gets, request, sends},
    server::{Conduct, Server, Wire},
    wire::{Answer, Connection},
};

/// Every proof for a gateway, each as a test.
macro_rules! prove_all {
    ($gateway:ty) => {
        prove_all! { $gateway:
            a_good_key_reaches_the_api_as_who_it_is,
            a_good_token_reaches_the_api_as_who_it_is,
            a_key_with_as_many_scopes_as_there_can_be_reaches_the_api,
            who_has_no_good_credential_is_told_so_and_reaches_nothing,
            who_lacks_the_scope_is_told_so_and_reaches_nothing,
            nobody_is_asked_on_a_public_route,
            what_only_keyward_may_say_never_comes_from_the_client,
            the_credential_ends_at_the_gateway,
            another_spelling_of_a_path_meets_the_same_check,
            what_is_asked_for_is_told_by_the_gateway_and_not_by_the_client,
            where_a_client_is_is_told_by_the_gateway_and_not_by_the_client,
            keywards_policy_decides_by_what_the_client_asks_for,
            a_revoked_key_is_refused_by_the_next_request,
            while_keyward_hangs_nobody_passes_and_nobody_waits_for_long,
            a_question_that_is_never_answered_lets_nobody_pass,
            when_keyward_is_dead_nobody_passes,
            what_keyward_says_of_trying_again_is_passed_on,
            an_answer_that_makes_no_sense_lets_nobody_pass,
            connections_to_keyward_are_kept,
            a_request_reaches_the_api_as_it_was_sent,
            a_web_socket_passes,
            the_session_in_the_documents_is_what_happens,
        }
    };
    ($gateway:ty: $($proof:ident,)+) => {
        $(
            #[tokio::test]
            async fn $proof() {
                if $crate::gateway::is_installed::<$gateway>() {
                    $crate::proofs::$proof::<$gateway>().await;
                }
            }
        )+
    };
}
pub(crate) use prove_all;

const KEY: &str = "x-api-key";

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

#[track_caller]
fn assert_passed(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, GREETING), "{answer:?}");
}

pub(crate) async fn a_good_key_reaches_the_api_as_who_it_is<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({ "scopes": ["orders:read", "orders:write"] })).await;
    let secret = key.holder.key.as_str();
    for header in [(KEY, secret), ("Authorization", &bearer(secret))] {
        assert_passed(&scene.gets("/orders/7", &[header]).await);
        let got = scene.last();
        assert_eq!(got.header("x-auth-subject"), Some("alice"));
        assert_eq!(got.header("x-auth-owner"), key.body["owner"]["id"].as_str());
        assert_eq!(got.header("x-auth-key-id"), Some(key.id.as_str()));
        assert_eq!(got.header("x-auth-scopes"), Some("orders:read orders:write"));
        assert_eq!(got.header("x-auth-method"), Some("api_key"));
        assert_eq!(got.header("x-auth-environment"), Some("live"));
    }
}

pub(crate) async fn a_good_token_reaches_the_api_as_who_it_is<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let bob = Person::with_scopes("bob", "orders:read");
    assert_passed(&scene.gets("/orders/7", &[("Authorization", &bearer(&bob.token))]).await);
    let got = scene.last();
    assert_eq!(got.header("x-auth-subject"), Some("bob"));
    assert_eq!(got.header("x-auth-scopes"), Some("orders:read"));
    assert_eq!(got.header("x-auth-method"), Some("token"));
    assert_eq!(got.header("x-auth-key-id"), None);
}

pub(crate) async fn a_key_with_as_many_scopes_as_there_can_be_reaches_the_api<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let scopes: Vec<String> = (0..100).map(|number| format!("{number:0>128}")).collect();
    let key = scene.key(json!({ "scopes": scopes })).await.holder.key;
    assert_passed(&scene.gets("/", &[(KEY, &key)]).await);
    assert_eq!(scene.last().header("x-auth-scopes"), Some(scopes.join(" ").as_str()));
}

pub(crate) async fn who_has_no_good_credential_is_told_so_and_reaches_nothing<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let of_the_right_form = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    for target in ["/", "/orders/7", "/publicly", "/no/such/route"] {
        scene.refuses(401, target, &[]).await;
    }
    for bad in [of_the_right_form.as_str(), "nonsense", "a.b.c"] {
        scene.refuses(401, "/", &[(KEY, bad)]).await;
        scene.refuses(401, "/", &[("Authorization", &bearer(bad))]).await;
    }
    scene.refuses(400, "/", &[(KEY, &key), ("Authorization", &bearer(&key))]).await;
    scene.refuses(400, "/", &[(KEY, &key), (KEY, &key)]).await;
}

pub(crate) async fn who_lacks_the_scope_is_told_so_and_reaches_nothing<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({ "scopes": ["orders:write"] })).await.holder.key;
    let refusal = scene.refuses(403, "/orders/7", &[(KEY, &key)]).await;
    let challenge = refusal.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="orders:read""#), "{challenge}");
    assert_passed(&scene.gets("/elsewhere", &[(KEY, &key)]).await);
}

pub(crate) async fn nobody_is_asked_on_a_public_route<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    assert_passed(&scene.gets("/public/picture", &[]).await);
    assert_passed(&scene.gets("/public/picture", &[(KEY, "nonsense")]).await);
}

pub(crate) async fn what_only_keyward_may_say_never_comes_from_the_client<G: Gateway>() {
    const FORGED: &str = "forged";
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({})).await.holder.key;
    let token = bearer(&Person::named("bob").token);
    let mut forged = Vec::new();
    for name in ["Subject", "Owner", "Key-Id", "Scopes", "Method", "Environment"] {
        // Many servers take one for the other.
        for prefix in ["X-Auth-", "x-auth-", "X_Auth_", "X-Auth_", "X_Auth-", "X_AUTH_"] {
            forged.push((format!("{prefix}{name}"), FORGED));
            forged.push((format!("{prefix}{}", name.replace('-', "_")), FORGED));
        }
    }
    let forged: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for (target, credential) in [("/", (KEY, key.as_str())), ("/", ("Authorization", &token)), ("/public/", ("a", "b"))]
    {
        assert_passed(&scene.gets(target, &[&[credential], forged.as_slice()].concat()).await);
        let got = scene.last();
        let claims =
            got.headers.iter().filter(|(name, value)| name.replace('_', "-").starts_with("x-auth-") && value == FORGED);
        assert_eq!(claims.collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "{target}");
    }
}

pub(crate) async fn the_credential_ends_at_the_gateway<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let token = Person::with_scopes("bob", "orders:read").token;
    for target in ["/", "/orders/7", "/public/"] {
        for (name, value) in [(KEY, &key), ("Authorization", &bearer(&key)), ("Authorization", &bearer(&token))] {
            assert_passed(&scene.gets(target, &[(name, value)]).await);
            let got = scene.last();
            let holds_it = |text: &str| text.contains(&key) || text.contains(&token);
            assert!(!got.headers.iter().any(|(_, value)| holds_it(value)), "{got:?}");
        }
    }
}

pub(crate) async fn another_spelling_of_a_path_meets_the_same_check<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({})).await.holder.key;
    for target in [
        "/public/../orders/7",
        "/public/%2e%2e/orders/7",
        "/public/%2E./orders/7",
        "/public/..%2forders/7",
        "/public//../orders/7",
        "/public/./../orders/7",
        "/public/x/../../orders/7",
        "//orders/7",
        "/./orders/7",
        "/%6frders/7",
        "/orders%2f7",
        "/elsewhere/../orders/7",
        "/elsewhere/%2e%2e/orders/7",
    ] {
        let answer = scene.gets(target, &[(KEY, &key)]).await;
        assert!([400, 403].contains(&answer.status), "{target} gets {answer:?}");
    }
    assert_eq!(scene.api.requests().len(), 0);
}

pub(crate) async fn what_is_asked_for_is_told_by_the_gateway_and_not_by_the_client<G: Gateway>() {
    let keyward = Server::that(Conduct::Answers(200, vec![("X-Auth-Subject", "alice")], "")).await;
    let api = api().await;
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    let forged = [
        ("X-Original-Method", "FORGED"),
        ("X-Original-URI", "/forged"),
        ("X-Original-Host", "forged"),
        ("X-Original-URL", "http://forged/forged"),
        ("X-Forwarded-Method", "FORGED"),
        ("X-Forwarded-Uri", "/forged"),
        ("X-Forwarded-Host", "forged"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=forged"),
        ("Content-Length", "4"),
        (KEY, "a key"),
    ];
    assert_passed(&sends(&gateway, "POST", "/orders/7?a=b&scope=c", &forged, b"body").await);
    let question = keyward.requests().pop().expect("Keyward was asked");
    assert_eq!(question.target, "/v1/authorize?scope=orders:read");
    assert_eq!(question.header(KEY), Some("a key"));
    assert_eq!(question.body, b"");
    for (names, truth) in [
        (&["x-original-method", "x-forwarded-method"], "POST"),
        (&["x-original-uri", "x-forwarded-uri"], "/orders/7?a=b&scope=c"),
        (&["x-original-host", "x-forwarded-host"], "keyward"),
    ] {
        let told: Vec<_> = names.iter().filter_map(|name| question.header(name)).collect();
        assert_eq!(told, [truth], "{question:?}");
    }
    assert_eq!(question.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(question.header("forwarded"), None);
    assert_eq!(question.header("x-original-url"), None);
    // Where no scope is demanded, the client's query is not taken for ours.
    assert_passed(&sends(&gateway, "GET", "/elsewhere?scope=c", &[(KEY, "a key")], b"").await);
    assert_eq!(keyward.requests().pop().expect("Keyward was asked").target, "/v1/authorize");
}

pub(crate) async fn where_a_client_is_is_told_by_the_gateway_and_not_by_the_client<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let here = scene.key(json!({ "allowedIps": ["127.0.0.1"] })).await.holder.key;
    let elsewhere = scene.key(json!({ "allowedIps": ["192.0.2.1"] })).await.holder.key;
    for forged in [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1"), ("X-Real-IP", "192.0.2.1")] {
        assert_passed(&scene.gets("/", &[(KEY, &here), forged]).await);
        scene.refuses(401, "/", &[(KEY, &elsewhere), forged]).await;
    }
}

pub(crate) use crate::documented::the_session_in_the_documents_is_what_happens;

/// Besides what the gateway's own file demands.
const POLICY: &str = r#"
[[rules]]
paths = ["/health"]
anonymous = true

[[rules]]
hosts = ["keyward"]
paths = ["/reports/**"]
methods = ["GET"]
scopes_all = ["reports:read"]

[[rules]]
hosts = ["keyward"]
paths = ["/reports/**"]
methods = ["PUT"]
scopes_all = ["reports:write"]
"#;

pub(crate) async fn keywards_policy_decides_by_what_the_client_asks_for<G: Gateway>() {
    let folder = Folder::new();
    let file = folder.file("policy.toml", POLICY);
    let scene = Scene::set_with::<G>(&[("KEYWARD__AUTHORIZE__POLICY_FILE", &file)]).await;
    let reader = scene.key(json!({ "scopes": ["reports:read"] })).await.holder.key;
    for target in ["/reports/7", "/reports/7?method=PUT", "/%72eports/7"] {
        assert_passed(&scene.gets(target, &[(KEY, &reader)]).await);
    }
    let before = scene.api.requests().len();
    let answer = sends(&scene.gateway, "PUT", "/reports/7", &[(KEY, &reader), ("Content-Length", "2")], b"{}").await;
    assert_is_problem(&answer, 403);
    for target in ["/nowhere", "/reportsx"] {
        let answer = scene.gets(target, &[(KEY, &reader)]).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert_eq!(scene.api.requests().len(), before);
    // Nobody is somebody, too.
    assert_passed(&scene.gets("/health", &[("X-Auth-Subject", "forged")]).await);
    assert_eq!(scene.last().header("x-auth-subject"), None);
}

pub(crate) async fn a_revoked_key_is_refused_by_the_next_request<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await;
    let request = request("GET", "/orders/7", &[(KEY, &key.holder.key)], b"");
    let mut connection = Connection::to(&scene.gateway.address()).await;
    for _ in 0..3 {
        connection.send(&request).await;
        assert_passed(&connection.answer().await);
    }
    let revoked = Person::named("alice").deletes(&scene.keyward, &key.path()).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    connection.send(&request).await;
    assert_is_problem(&connection.answer().await, 401);
}

pub(crate) async fn while_keyward_hangs_nobody_passes_and_nobody_waits_for_long<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    assert_passed(&scene.gets("/orders/7", &[(KEY, &key)]).await);
    scene.keyward.signal("STOP");
    // A signal takes its time.
    eventually("Keyward is stopped", async || scene.gets("/orders/7", &[(KEY, &key)]).await.status != 200).await;
    // The answer comes, for a test waits only so long; the limit in the files is 3 s.
    scene.refuses(503, "/orders/7", &[(KEY, &key)]).await;
    scene.refuses(503, "/orders/7", &[]).await;
    assert_passed(&scene.gets("/public/", &[]).await);
    scene.keyward.signal("CONT");
    eventually("the key passes again", async || scene.gets("/orders/7", &[(KEY, &key)]).await.status == 200).await;
}

pub(crate) async fn a_question_that_is_never_answered_lets_nobody_pass<G: Gateway>() {
    let (keyward, api) = tokio::join!(Server::that(Conduct::Hangs), api());
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    assert_is_problem(&gets(&gateway, "/", &[(KEY, "a key")]).await, 503);
    assert_eq!(api.requests().len(), 0);
}

pub(crate) async fn when_keyward_is_dead_nobody_passes<G: Gateway>() {
    let mut scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    assert_passed(&scene.gets("/orders/7", &[(KEY, &key)]).await);
    scene.keyward.signal("KILL");
    scene.keyward.exit_code().await;
    for _ in 0..3 {
        scene.refuses(503, "/orders/7", &[(KEY, &key)]).await;
        scene.refuses(503, "/", &[]).await;
    }
    assert_passed(&scene.gets("/public/", &[]).await);
}

pub(crate) async fn what_keyward_says_of_trying_again_is_passed_on<G: Gateway>() {
    let api = api().await;
    for (status, body) in [(429, r#"{"status":429}"#), (503, r#"{"status":503}"#)] {
        let headers =
            [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), ("Retry-After", "7")];
        let keyward = Server::that(Conduct::Answers(status, headers.into(), body)).await;
        let gateway = Running::start::<G>(keyward.address(), api.address()).await;
        let answer = gets(&gateway, "/", &[(KEY, "a key")]).await;
        assert_is_problem(&answer, status);
        assert_eq!(answer.header("retry-after"), Some("7"));
    }
    assert_eq!(api.requests().len(), 0);
}

pub(crate) async fn an_answer_that_makes_no_sense_lets_nobody_pass<G: Gateway>() {
    let api = api().await;
    for status in [302, 404, 500] {
        let keyward = Server::that(Conduct::Answers(status, vec![("Location", "/public/")], "What?")).await;
        let gateway = Running::start::<G>(keyward.address(), api.address()).await;
        let answer = gets(&gateway, "/", &[(KEY, "a key")]).await;
        assert!(answer.status != 200, "{answer:?}");
    }
    assert_eq!(api.requests().len(), 0);
}

pub(crate) async fn connections_to_keyward_are_kept<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let wire = Wire::to(scene.keyward.address()).await;
    let gateway = Running::start::<G>(wire.address(), scene.api.address()).await;
    // Each from a client of its own.
    for _ in 0..50 {
        assert_passed(&gets(&gateway, "/orders/7", &[(KEY, &key)]).await);
        assert_is_problem(&gets(&gateway, "/orders/7", &[(KEY, "nonsense")]).await, 401);
    }
    // Some more than one is fine: workers have their own, and health checks come each second.
    assert!(wire.connections() < 20, "{} connections for 100 questions", wire.connections());
}

pub(crate) async fn a_request_reaches_the_api_as_it_was_sent<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let target = "/orders/a%20b/%C3%A4;v=1?q=a%20b&r=%2F..%2F&x=1+1&y";
    let body: Vec<u8> = (0..500_000_u32).map(|number| (number % 251) as u8).collect();
    let headers = [(KEY, key.as_str()), ("Content-Type", "application/x-test"), ("X-Whatever", "kept")];
    let length = body.len().to_string();
    let whole = [&headers[..], &[("Content-Length", &length)]].concat();
    assert_passed(&sends(&scene.gateway, "PUT", target, &whole, &body).await);
    let in_chunks = [&headers[..], &[("Transfer-Encoding", "chunked")]].concat();
    let half = body.len() / 2;
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let chunks = [chunk(&body[..half]), chunk(&body[half..]), chunk(b"")].concat();
    assert_passed(&sends(&scene.gateway, "PUT", target, &in_chunks, &chunks).await);
    for got in scene.api.requests() {
        assert_eq!((got.method.as_str(), got.target.as_str()), ("PUT", target));
        assert_eq!(got.header("content-type"), Some("application/x-test"));
        assert_eq!(got.header("x-whatever"), Some("kept"));
        assert!(got.body == body, "the body has changed: {} bytes", got.body.len());
    }
}

pub(crate) async fn a_web_socket_passes<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        // The one in RFC 6455 §1.3, whose answer the server knows.
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    scene.refuses(401, "/orders/live", &headers).await;
    let mut stream = TcpStream::connect(scene.gateway.address()).await.expect("a connection");
    let talk = async {
        stream.write_all(&request("GET", "/orders/live", &[&headers[..], &[(KEY, &key)]].concat(), b"")).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        stream.write_all(b"ping").await?;
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).await?;
        std::io::Result::Ok(echo)
    };
    let echo = timeout(PATIENCE, talk).await.expect("an answer in time").expect("the connection holds");
    assert_eq!(&echo, b"ping");
    assert_eq!(scene.last().header("x-auth-subject"), Some("alice"));
}
