//! What an issuer's tokens must say. All issuers here have the same key; what differs are their rules.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::{
    actors::{claims, now, stranger},
    program::Folder,
};

use super::{ADMIN_ROUTE, Service, TOKEN_ROUTE, signing::SigningKey, table};

pub(super) const ISSUER: &str = "https://a.example";

/// One key for all issuers.
pub(super) struct Scene {
    pub(super) service: Service,
    pub(super) key: SigningKey,
    _folder: Folder,
}

impl Scene {
    /// With one issuer for each of these sets of members.
    pub(super) async fn set(rules: &[(&str, &str)]) -> Self {
        let (key, folder) = (SigningKey::p256("a"), Folder::new());
        let file = folder.file("key.pem", &key.pem());
        let table =
            |(issuer, members): &(&str, &str)| table(issuer, &format!("public_keys_file = {file:?}\n{members}"));
        let service = Service::start(&rules.iter().map(table).collect::<String>()).await;
        Self { service, key, _folder: folder }
    }

    /// The status for the good token of an issuer, with these claims put in or replaced.
    pub(super) async fn status(&self, issuer: &str, more: Value) -> u16 {
        self.service.status(&self.token(issuer, more)).await
    }

    pub(super) fn token(&self, issuer: &str, more: Value) -> String {
        let mut claims = claims("alice");
        claims["iss"] = json!(issuer);
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        self.key.signs(&claims)
    }

    async fn makes_a_key(&self, token: &str, scopes: &Value) -> Response {
        let request = stranger(&self.service.replica, Method::POST, "/v1/keys").bearer_auth(token);
        request.json(&json!({ "scopes": scopes })).send().await.expect("an answer")
    }
}

/// RFC 7519 §4.1.1, RFC 3986 §6.2.1.
#[tokio::test]
async fn iss_is_compared_exactly() {
    let scene = Scene::set(&[("https://a.example/", "")]).await;
    assert_eq!(scene.status("https://a.example/", json!({})).await, 200);
    for other in [
        "https://a.example",
        "https://a.example//",
        "https://A.example/",
        "HTTPS://a.example/",
        "http://a.example/",
        "https://a.example:443/",
        "https://a.example/ ",
        "https://a.example/\0",
        "https://a.example/x",
        "",
    ] {
        assert_eq!(scene.status(other, json!({})).await, 401, "{other:?}");
    }
    for other in [json!(null), json!(["https://a.example/"]), json!({ "https://a.example/": 1 }), json!(1)] {
        assert_eq!(scene.status("", json!({ "iss": other })).await, 401, "{other}");
    }
}

/// RFC 7519 §4.1.3.
#[tokio::test]
async fn aud_must_hold_us_as_a_text_or_in_a_list() {
    let scene = Scene::set(&[(ISSUER, r#"audience = ["us", "us-too"]"#), ("https://none.example", "")]).await;
    for good in [json!("us"), json!("us-too"), json!(["us"]), json!(["others", "us-too"])] {
        assert_eq!(scene.status(ISSUER, json!({ "aud": good })).await, 200, "{good}");
    }
    for bad in [
        json!("others"),
        json!("US"),
        json!("us us-too"),
        json!([]),
        json!(["others"]),
        json!([["us"]]),
        json!({ "us": 1 }),
        json!(null),
        json!(""),
    ] {
        assert_eq!(scene.status(ISSUER, json!({ "aud": bad })).await, 401, "{bad}");
    }
    assert_eq!(scene.status(ISSUER, json!({})).await, 401, "none");
    // An issuer whose audience is not configured: a token that names one is for somebody else.
    assert_eq!(scene.status("https://none.example", json!({})).await, 200);
    assert_eq!(scene.status("https://none.example", json!({ "aud": "us" })).await, 401);
}

#[tokio::test]
async fn required_claims_must_be_there_with_exactly_their_text() {
    let members = r#"required_claims = { token_use = "access", "https://Claims.example/Tenant" = "T1" }"#;
    let scene = Scene::set(&[(ISSUER, members)]).await;
    let with = |usage: Value, tenant: Value| json!({ "token_use": usage, "https://Claims.example/Tenant": tenant });
    assert_eq!(scene.status(ISSUER, with(json!("access"), json!("T1"))).await, 200);
    for bad in [
        with(json!("id"), json!("T1")),
        with(json!("access"), json!("t1")),
        with(json!(["access"]), json!("T1")),
        with(json!("access"), json!(null)),
        json!({ "token_use": "access" }),
        json!({}),
    ] {
        assert_eq!(scene.status(ISSUER, bad.clone()).await, 401, "{bad}");
    }
}

/// RFC 8725 §3.12: what one kind of token has and the other has not tells them apart.
#[tokio::test]
async fn claims_that_tokens_of_another_kind_have_are_forbidden() {
    let scene = Scene::set(&[(ISSUER, r#"forbidden_claims = ["at_hash", "events.logout"]"#)]).await;
    for good in [json!({}), json!({ "nonce": "x" }), json!({ "events": { "login": {} } })] {
        assert_eq!(scene.status(ISSUER, good.clone()).await, 200, "{good}");
    }
    for bad in [json!({ "at_hash": "x" }), json!({ "at_hash": null }), json!({ "events": { "logout": {} } })] {
        let refusal = scene.service.refusal(&scene.token(ISSUER, bad.clone())).await;
        assert_eq!(refusal, "token_forbidden_claim", "{bad}");
    }
}

/// RFC 7519 §4.1.2.
#[tokio::test]
async fn the_subject_is_taken_from_the_claim_that_the_issuer_has_for_it() {
    let scene = Scene::set(&[(ISSUER, r#"subject_claim = "oid""#), ("https://sub.example", "")]).await;
    let token = scene.token(ISSUER, json!({ "oid": "user-7" }));
    let made: Value = scene.makes_a_key(&token, &json!([])).await.json().await.expect("JSON");
    assert_eq!((&made["owner"]["issuer"], &made["owner"]["subject"]), (&json!(ISSUER), &json!("user-7")), "{made}");
    for bad in [json!({}), json!({ "oid": "" }), json!({ "oid": 7 }), json!({ "oid": null }), json!({ "oid": ["x"] })] {
        assert_eq!(scene.status(ISSUER, bad.clone()).await, 401, "{bad}");
    }
    for bad in [json!(""), json!(7), json!(null), json!("a\0b"), json!("x".repeat(1025))] {
        assert_eq!(scene.status("https://sub.example", json!({ "sub": bad })).await, 401, "{bad}");
    }
}

/// RFC 8693 §4.2, RFC 9068 §2.2.3: one text, or as some issuers have it, a list.
#[tokio::test]
async fn scopes_are_read_from_all_their_claims_as_a_text_or_as_a_list() {
    let given = "keyward_scopes = [\"keyward:admin\"]";
    let roles = format!("scope_claims = [\"scp\", \"roles\"]\n{given}");
    let strict = format!("malformed_scopes = \"refuse\"\n{given}");
    let rules =
        [(ISSUER, given), ("https://roles.example", roles.as_str()), ("https://strict.example", strict.as_str())];
    let scene = Scene::set(&rules).await;
    for (issuer, claims, status) in [
        (ISSUER, json!({ "scope": "read keyward:admin" }), 200),
        (ISSUER, json!({ "scope": ["read", "keyward:admin"] }), 200),
        (ISSUER, json!({ "scope": "read", "scp": ["keyward:admin"] }), 200),
        (ISSUER, json!({ "scope": "read", "scp": "write keyward:admin" }), 200),
        (ISSUER, json!({ "roles": ["keyward:admin"] }), 403),
        (ISSUER, json!({ "scope": "keyward:administrator" }), 403),
        (ISSUER, json!({}), 403),
        (ISSUER, json!({ "scope": { "keyward:admin": true } }), 403),
        (ISSUER, json!({ "scope": ["keyward:admin", 7] }), 200),
        ("https://strict.example", json!({ "scope": { "keyward:admin": true } }), 401),
        ("https://strict.example", json!({ "scope": ["keyward:admin", 7] }), 401),
        ("https://strict.example", json!({ "scope": "keyward:admin" }), 200),
        ("https://roles.example", json!({ "roles": ["keyward:admin"] }), 200),
        ("https://roles.example", json!({ "scope": "keyward:admin" }), 403),
    ] {
        let answer = scene.service.asked(ADMIN_ROUTE, &scene.token(issuer, claims.clone())).await;
        assert_eq!(answer.status(), status, "{claims}");
    }
}

#[tokio::test]
async fn the_members_of_a_tenant_share_their_keys_where_the_issuer_names_tenants() {
    let scene = Scene::set(&[(ISSUER, r#"tenant_claim = "org_id""#)]).await;
    let member = |name: &str| scene.token(ISSUER, json!({ "sub": name, "org_id": "acme" }));
    let made: Value = scene.makes_a_key(&member("alice"), &json!([])).await.json().await.expect("JSON");
    assert_eq!(made["owner"]["subject"], "acme", "{made}");
    let seen: Value = scene.service.asked(TOKEN_ROUTE, &member("bob")).await.json().await.expect("JSON");
    assert_eq!(seen["keys"].as_array().map(Vec::len), Some(1), "{seen}");
    for bad in [json!({}), json!({ "org_id": "" }), json!({ "org_id": null }), json!({ "org_id": ["acme"] })] {
        assert_eq!(scene.status(ISSUER, bad.clone()).await, 401, "{bad}");
    }
}

#[tokio::test]
async fn a_disabled_owner_is_refused_where_the_issuer_says_who_is() {
    let scene = Scene::set(&[(ISSUER, r#"disabled_claim = "blocked""#), ("https://other.example", "")]).await;
    for good in [json!({}), json!({ "blocked": false }), json!({ "blocked": null })] {
        assert_eq!(scene.status(ISSUER, good.clone()).await, 200, "{good}");
    }
    assert_eq!(scene.status(ISSUER, json!({ "blocked": true })).await, 401);
    assert_eq!(scene.status("https://other.example", json!({ "blocked": true })).await, 200);
}

#[tokio::test]
async fn scopes_bind_the_keys_of_those_issuers_alone_whose_tokens_carry_them() {
    let scene = Scene::set(&[(ISSUER, "scope_bearing = true"), ("https://free.example", "")]).await;
    let bound = scene.token(ISSUER, json!({ "scope": "read" }));
    assert_eq!(scene.makes_a_key(&bound, &json!(["read"])).await.status(), 201);
    let refused = scene.makes_a_key(&bound, &json!(["read", "write"])).await;
    assert_eq!(refused.status(), 422);
    let problem: Value = refused.json().await.expect("JSON");
    assert_eq!(problem["errors"][0]["code"], "scope_not_held", "{problem}");
    let free = scene.token("https://free.example", json!({ "scope": "read" }));
    assert_eq!(scene.makes_a_key(&free, &json!(["read", "write"])).await.status(), 201);
}

/// RFC 9068 §2.1, §4; RFC 8725 §3.11, §3.12.
#[tokio::test]
async fn in_rfc_9068_mode_an_id_token_is_refused_by_its_type() {
    let scene = Scene::set(&[(ISSUER, "at_jwt = true"), ("https://lax.example", "")]).await;
    let status = async |issuer: &str, typ: Value| {
        let mut claims = claims("alice");
        claims["iss"] = json!(issuer);
        let mut header = json!({ "alg": "ES256" });
        if !typ.is_null() {
            header["typ"] = typ;
        }
        scene.service.status(&scene.key.signs_with(&header, &claims)).await
    };
    for good in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        assert_eq!(status(ISSUER, json!(good)).await, 200, "{good}");
    }
    for bad in [json!("JWT"), json!(null), json!("id+jwt"), json!("logout+jwt"), json!(""), json!(7)] {
        assert_eq!(status(ISSUER, bad.clone()).await, 401, "{bad}");
    }
    // Without it, tokens whose type says nothing are taken; those of another kind are not.
    for (typ, expected) in [(json!("JWT"), 200), (json!(null), 200), (json!("at+jwt"), 200), (json!("dpop+jwt"), 401)] {
        assert_eq!(status("https://lax.example", typ.clone()).await, expected, "{typ}");
    }
}

/// RFC 7519 §4.1.4 to §4.1.6.
#[tokio::test]
async fn leeway_and_max_lifetime_are_each_issuers_own() {
    let rules = [
        ("https://strict.example", "leeway = \"0s\"\nmax_lifetime = \"10m\""),
        ("https://lax.example", "leeway = \"1m\"\nmax_lifetime = \"2h\""),
    ];
    let scene = Scene::set(&rules).await;
    let now = now();
    for (claims, strict, lax) in [
        (json!({ "exp": now + 300, "iat": now - 5 }), 200, 200),
        (json!({ "exp": now - 5 }), 401, 200),
        (json!({ "exp": now - 90 }), 401, 401),
        (json!({ "exp": now + 300, "nbf": now + 30 }), 401, 200),
        (json!({ "exp": now + 300, "iat": now + 30 }), 401, 200),
        (json!({ "exp": now + 300, "nbf": now + 120 }), 401, 401),
        (json!({ "exp": now + 3600 }), 401, 200),
        (json!({ "exp": now + 3 * 3600 }), 401, 401),
        (json!({ "exp": now + 300, "iat": now - 3600 }), 401, 200),
        (json!({ "exp": null }), 401, 401),
    ] {
        assert_eq!(scene.status("https://strict.example", claims.clone()).await, strict, "{claims}");
        assert_eq!(scene.status("https://lax.example", claims.clone()).await, lax, "{claims}");
    }
}
