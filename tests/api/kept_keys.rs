//! No text that is kept may carry a key or a token, wherever it stands in a request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, Reply, pairs, replica},
    database::execute,
    replica::Replica,
};

const VERIFY: &str = "/v1/keys/verify";
/// A JWT that is no longer than any text may be.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
const PLAN: &str = "/v1/admin/plans/free";

async fn puts(person: &Person, replica: &Replica, path: &str, body: &Value) -> Reply {
    Reply::to(person.request(replica, Method::PUT, path).json(body)).await
}

#[tokio::test]
async fn no_member_of_a_body_that_is_kept_may_carry_a_key() {
    let replica = replica().await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let made = alice.creates(&replica, json!({})).await;
    let (key, path) = (&*made.holder.key, made.path());
    let within = format!("x:{key}");
    let id = URL_SAFE_NO_PAD.encode(format!("\0{key}"));
    let revoke = "/v1/admin/tokens/revoke";
    let sessions = "/v1/console/sessions";
    let limits = json!([{ "name": key, "limit": 1, "window": "1m" }]);
    let whole = Method::PUT;
    for (method, path, body, place) in [
        (Method::POST, KEYS, json!({ "scopes": [key] }), "/scopes"),
        (Method::POST, KEYS, json!({ "scopes": ["a", within] }), "/scopes"),
        (Method::POST, KEYS, json!({ "limits": limits }), "/limits"),
        (Method::PATCH, &*path, json!({ "scopes": [within] }), "/scopes"),
        (Method::POST, ALL_KEYS, json!({ "owner": { "subject": key } }), "/owner"),
        (Method::POST, ALL_KEYS, json!({ "owner": { "issuer": within, "subject": "bob" } }), "/owner"),
        (Method::POST, ALL_KEYS, json!({ "owner": id }), "/owner"),
        (Method::POST, ALL_KEYS, json!({ "owner": { "id": id } }), "/owner"),
        (Method::POST, sessions, json!({ "owner": { "subject": "bob" }, "person": key }), "/person"),
        (Method::POST, sessions, json!({ "owner": { "subject": "bob" }, "scopes": [within] }), "/scopes"),
        (
            Method::POST,
            sessions,
            json!({ "owner": { "subject": "bob" }, "returnTo": format!("https://a.example/?{key}") }),
            "/returnTo",
        ),
        (whole.clone(), PLAN, json!({ "description": within }), "/description"),
        (whole.clone(), PLAN, json!({ "limits": limits }), "/limits"),
        (whole, PLAN, json!({ "scopes": [within] }), "/scopes"),
        (Method::POST, revoke, json!({ "issuer": "", "tokenId": key }), "/tokenId"),
        (Method::POST, revoke, json!({ "issuer": "", "subject": within }), "/subject"),
    ] {
        let person = if path == KEYS || path == made.path() { &alice } else { &root };
        let reply = Reply::to(person.request(&replica, method, path).json(&body)).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(place, "has_key")]), "{path} {place}: {}", reply.text);
        assert!(!reply.text.contains(&key[key.len() - 30..]), "{}", reply.text);
    }
    let of_owner = format!("/v1/admin/owners/{id}");
    puts(&root, &replica, &format!("{of_owner}/limits"), &json!({ "limits": [] })).await.is_problem(404, "not_found");
    puts(&root, &replica, &format!("{of_owner}/plan"), &json!({ "plan": null })).await.is_problem(404, "not_found");
    // Where a key is what is asked about, nothing is kept.
    let service = Person::with_scopes("shop", "keyward:verify");
    let answer = service.posts(&replica, VERIFY, json!({ "key": key })).await.is(200);
    assert_eq!(answer["valid"], true);
    let answer = service.posts(&replica, VERIFY, json!({ "checks": [{ "key": key }] })).await.is(200);
    assert_eq!(answer["results"][0]["valid"], true);
}

#[tokio::test]
async fn nobody_becomes_known_by_names_that_carry_a_key_or_a_token_and_who_is_can_be_stopped() {
    let replica = replica().await;
    let root = Person::administrator();
    let key = Person::named("alice").creates(&replica, json!({})).await.holder.key;
    let of_owner =
        |name: &str, action: &str| format!("/v1/admin/owners/{}/{action}", URL_SAFE_NO_PAD.encode(format!("\0{name}")));
    for (name, action) in [(&*key, "disable"), (&*key, "enable"), (TOKEN, "disable"), (TOKEN, "enable")] {
        let answer = root.posts(&replica, &of_owner(name, action), json!({})).await;
        answer.is_problem(404, "not_found");
        assert!(!answer.text.contains(name), "{}", answer.text);
    }
    for path in ["/v1/admin/owners", "/v1/admin/audit"] {
        let shown = root.gets(&replica, path).await;
        shown.is(200);
        assert!(!shown.text.contains(&key) && !shown.text.contains(TOKEN), "{path}: {}", shown.text);
    }
    // As an earlier version has kept it, or psql.
    let row = format!("INSERT INTO disabled_owners (issuer, subject, disabled_at) VALUES ('', 'x:{key}', now())");
    execute(replica.database().url(), &row).await.expect("a row");
    let known = format!("x:{key}");
    assert_eq!(root.posts(&replica, &of_owner(&known, "enable"), json!({})).await.is(200)["changed"], true);
    // Now nothing is known of them any more.
    root.posts(&replica, &of_owner(&known, "disable"), json!({})).await.is_problem(404, "not_found");
    // Nobody is surprised who disables an owner before their first key.
    assert_eq!(root.posts(&replica, &of_owner("bob", "disable"), json!({})).await.is(200)["changed"], true);
}

#[tokio::test]
async fn no_idempotency_key_may_carry_a_key() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    for text in [made.holder.key.clone(), format!("retry {}", made.holder.key)] {
        for path in [KEYS.to_owned(), format!("{}/rotate", made.path())] {
            let request = alice.request(&replica, Method::POST, &path).header("idempotency-key", &text);
            let reply = Reply::to(request.json(&json!({}))).await;
            assert_eq!(reply.wrong_parameters(), pairs(&[("Idempotency-Key", "has_key")]), "{}", reply.text);
            assert!(!reply.text.contains(&text), "{}", reply.text);
        }
    }
}

/// Anybody's: nobody asks whether it is valid.
#[tokio::test]
async fn no_text_that_is_kept_may_carry_a_token() {
    let replica = replica().await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let made = alice.creates(&replica, json!({})).await;
    let (token, path) = (TOKEN, made.path());
    let within = format!("it was \"{token}\", not mine");
    let id = URL_SAFE_NO_PAD.encode(format!("\0{token}"));
    let (revoke, all) = ("/v1/admin/tokens/revoke", format!("{ALL_KEYS}/revoke"));
    let (disable, bulk) = (format!("{path}/disable"), json!({ "owner": "AGFsaWNl", "reason": within }));
    for (method, path, body, place) in [
        (Method::POST, KEYS, json!({ "name": token }), "/name"),
        (Method::POST, KEYS, json!({ "description": within }), "/description"),
        (Method::POST, KEYS, json!({ "metadata": { "a": [within] } }), "/metadata"),
        (Method::PATCH, &*path, json!({ "metadata": { "a": token } }), "/metadata"),
        (Method::POST, &*disable, json!({ "reason": within }), "/reason"),
        (Method::DELETE, &*path, json!({ "reason": within }), "/reason"),
        (Method::POST, ALL_KEYS, json!({ "owner": { "subject": token } }), "/owner"),
        (Method::POST, ALL_KEYS, json!({ "owner": id }), "/owner"),
        (Method::POST, &*all, bulk, "/reason"),
        (Method::PUT, PLAN, json!({ "description": within }), "/description"),
        (Method::POST, revoke, json!({ "issuer": "", "tokenId": "1", "reason": within }), "/reason"),
    ] {
        let person = if path.starts_with(KEYS) { &alice } else { &root };
        let reply = Reply::to(person.request(&replica, method, path).json(&body)).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(place, "has_token")]), "{path} {place}: {}", reply.text);
        assert!(!reply.text.contains(&token[token.len() - 30..]), "{}", reply.text);
    }
    let reply = alice.deletes(&replica, &format!("{path}?reason={token}")).await;
    assert_eq!(reply.wrong_parameters(), pairs(&[("reason", "invalid")]));
    let request = alice.request(&replica, Method::POST, KEYS).header("idempotency-key", token).json(&json!({}));
    assert_eq!(Reply::to(request).await.wrong_parameters(), pairs(&[("Idempotency-Key", "has_token")]));
    let of_owner = format!("/v1/admin/owners/{id}");
    puts(&root, &replica, &format!("{of_owner}/plan"), &json!({ "plan": null })).await.is_problem(404, "not_found");
    let own = json!({ "description": alice.token });
    assert_eq!(alice.patches(&replica, &path, own).await.wrong_fields(), pairs(&[("/description", "has_token")]));
    assert_eq!(alice.gets(&replica, &path).await.is(200)["state"], "active");
    // Where a token is what is asked about, nothing is kept; and what only looks like one is none.
    let service = Person::with_scopes("shop", "keyward:verify");
    assert_eq!(service.posts(&replica, VERIFY, json!({ "key": token })).await.is(200)["valid"], false);
    let (header, _) = token.split_once('.').expect("three parts");
    let like = json!({ "name": "v1.2.3", "metadata": { "host": "a.b.example.com", "header": header } });
    alice.creates(&replica, like).await;
}

/// As people and programs write it, who need not put a space before it.
#[tokio::test]
async fn a_token_is_found_whatever_stands_directly_before_it_and_in_every_kind_that_there_is() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let unsecured = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("{}"));
    let encrypted = format!("{}..aXY.Y2lwaGVydGV4dA.dGFn", URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#));
    let spaced =
        TOKEN.replace(TOKEN.split_once('.').expect("parts").0, &URL_SAFE_NO_PAD.encode("\n{ \"alg\":\"none\"}"));
    for token in [TOKEN, &unsecured, &encrypted, &spaced] {
        for (body, place) in [
            (json!({ "name": format!("x{token}") }), "/name"),
            (json!({ "description": format!("access_token_{token}") }), "/description"),
            (json!({ "description": format!("session-{token}_more") }), "/description"),
            (json!({ "metadata": { "note": format!("the token is:\n{token}") } }), "/metadata"),
            (json!({ "metadata": { "note": [{ "deep": format!("\t{token}\n") }] } }), "/metadata"),
            (json!({ "metadata": { format!("k-{token}"): 1 } }), "/metadata"),
            (json!({ "description": token.replace('.', "%2E") }), "/description"),
        ] {
            let reply = alice.posts(&replica, KEYS, body).await;
            assert_eq!(reply.wrong_fields(), pairs(&[(place, "has_token")]), "{token}: {}", reply.text);
        }
        let request = alice.request(&replica, Method::POST, KEYS).header("idempotency-key", format!("retry-{token}"));
        let reply = Reply::to(request.json(&json!({}))).await;
        assert_eq!(reply.wrong_parameters(), pairs(&[("Idempotency-Key", "has_token")]), "{}", reply.text);
    }
    let (header, _) = TOKEN.split_once('.').expect("three parts");
    let like = json!({ "name": "eyJ", "description": format!("{header}... is its header, and 1.2.3 is its version") });
    alice.creates(&replica, like).await;
}
