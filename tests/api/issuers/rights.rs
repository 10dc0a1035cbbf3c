//! What a token's scopes, roles and groups let its bearer do: where they stand, and what becomes of odd ones.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, now},
    asking::Reply,
    eventually,
};

use super::claims::{ISSUER, Scene};

/// The scopes that are told of a token with these claims.
async fn scopes(scene: &Scene, issuer: &str, claims: Value) -> String {
    scene.service.scopes(&scene.token(issuer, claims)).await
}

/// RFC 6749 §3.3. One odd role of some other service must not lock its bearer out, and must not let anybody in.
#[tokio::test]
async fn what_is_no_scope_is_dropped_counted_and_named_by_its_claim() {
    let strict = "https://strict.example";
    let members = r#"scope_claims = ["scope", "roles"]"#;
    let refuses = format!("{members}\nmalformed_scopes = \"refuse\"");
    let scene = Scene::set(&[(ISSUER, members), (strict, &refuses)]).await;
    let many: Vec<String> = (0..101).map(|number| format!("s{number:03}")).collect();
    for (claims, expected) in [
        (json!({ "roles": ["read", "Order Reader"] }), "read"),
        (json!({ "roles": ["read", "Prüfer"], "scope": "write" }), "read write"),
        (json!({ "scope": "read a\tb write" }), "read write"),
        (json!({ "roles": ["read", null, 7, true, {}, ["write"]] }), "read"),
        (json!({ "roles": null, "scope": "read" }), "read"),
        (json!({ "roles": { "write": true }, "scope": "read" }), "read"),
        (json!({ "scope": 7 }), ""),
        (json!({ "roles": ["", " ", "x".repeat(129), "a\"b", "a\\b", "\u{0}"], "scope": "read" }), "read"),
        (json!({ "scope": many.join(" ") }), &many[..100].join(" ")),
        (json!({ "scope": many[..100].join(" "), "roles": ["s000", "another"] }), &many[..100].join(" ")),
    ] {
        assert_eq!(scopes(&scene, ISSUER, claims.clone()).await, expected, "{claims}");
        let refusal = scene.service.refusal(&scene.token(strict, claims.clone())).await;
        assert_eq!(refusal, "token_scopes", "{claims}");
    }
    // Within a minute, what is counted after the first line is not told yet; no line repeats what a token said.
    for (issuer, message) in [
        (ISSUER, "scopes in tokens of an issuer are not taken"),
        (strict, "tokens of an issuer are refused for their scopes"),
    ] {
        let line = scene.service.replica.prints(&format!(r#""message":"{message}""#)).await;
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["issuer"], issuer, "{line}");
        assert_eq!((&line["claim"], &line["scopes"]), (&json!("roles"), &json!(1)), "{line}");
        assert!(line["why"].as_str().is_some_and(|why| why.contains("not a scope")), "{line}");
    }
    let output = scene.service.replica.output();
    assert_eq!(output.matches("scopes in tokens of an issuer are not taken").count(), 1, "{output}");
    assert!(!output.contains("Order Reader") && !output.contains("Prüfer"), "{output}");
}

/// The same of the tokens that are signed with the shared secret.
#[tokio::test]
async fn the_shared_secret_has_the_same_choice() {
    use test_support::{
        actors::{Person, claims},
        replica::Replica,
    };
    let mut odd = claims("alice");
    odd["scope"] = json!("keyward:admin Prüfer");
    let token = Person::with_claims(&odd).token;
    for (setting, status) in [("drop", 200), ("refuse", 401)] {
        let replica = Replica::start_with(&[("KEYWARD__JWT__MALFORMED_SCOPES", setting)]).await;
        assert_eq!(super::asked(&replica, super::ADMIN_ROUTE, &token).await.status(), status, "{setting}");
    }
}

#[tokio::test]
async fn scopes_are_read_from_within_claims_by_paths() {
    let rules = [
        (ISSUER, r#"scope_claims = ["scope", "realm_access.roles", "resource_access.*.roles"]"#),
        ("https://one.example", r#"scope_claims = ["resource_access.my-app.roles", "permissions", "groups"]"#),
        ("https://url.example", r#"scope_claims = ["https://example.com/roles"]"#),
        ("https://dots.example", r#"scope_claims = ['resource_access.my\.app.roles', 'a\.b']"#),
        ("https://keys.example", r#"scope_claims = ["keys(urn:zitadel:iam:org:project:roles)"]"#),
    ];
    let scene = Scene::set(&rules).await;
    let keycloak = json!({
        "scope": "profile email",
        "realm_access": { "roles": ["offline_access", "orders:read"] },
        "resource_access": { "my-app": { "roles": ["write"] }, "account": { "roles": ["view-profile"] }, "my.app": { "roles": ["dotted"] } },
        "permissions": ["pay"], "groups": ["/staff"],
        "https://example.com/roles": ["url"],
        "https://example": { "com/roles": ["path"] },
        "a.b": ["name"], "a": { "b": ["nested"] },
        "urn:zitadel:iam:org:project:roles": { "admin": { "1": "acme.example" }, "user": { "1": "acme.example" } },
    });
    for (issuer, expected) in [
        (ISSUER, "dotted email offline_access orders:read profile view-profile write"),
        ("https://one.example", "/staff pay write"),
        ("https://url.example", "url"),
        ("https://dots.example", "dotted name"),
        ("https://keys.example", "admin user"),
    ] {
        assert_eq!(scopes(&scene, issuer, keycloak.clone()).await, expected, "{issuer}");
    }
    // A claim of another shape is no reason to refuse the token.
    for odd in [
        json!({ "realm_access": ["orders:read"] }),
        json!({ "realm_access": { "roles": { "orders:read": true } } }),
        json!({ "realm_access": null, "resource_access": 7 }),
        json!({ "resource_access": { "a": ["x"], "b": null, "c": { "rules": ["x"] } } }),
        json!({}),
    ] {
        assert_eq!(scopes(&scene, ISSUER, odd.clone()).await, "", "{odd}");
    }
    let url_as_path = json!({ "https://example": { "com/roles": ["path"] } });
    assert_eq!(scopes(&scene, "https://url.example", url_as_path).await, "path");
}

/// Only what the operator has written down counts: whoever may name a group must not name a right.
#[tokio::test]
async fn roles_and_groups_count_as_far_as_they_stand_for_scopes() {
    let members = r#"role_claims = ["realm_access.roles", "groups", "keys(orgs)"]
        role_scopes = { "Order Reader" = "orders:read", "/staff" = ["orders:read orders:write", "keyward:verify"], "Prüfer" = "audit" }
        keyward_scopes = ["keyward:verify"]"#;
    let scene = Scene::set(&[(ISSUER, members)]).await;
    for (claims, expected) in [
        (json!({ "realm_access": { "roles": ["Order Reader", "offline_access"] } }), "orders:read"),
        (json!({ "groups": ["/staff"] }), "keyward:verify orders:read orders:write"),
        (json!({ "groups": "Order Reader", "scope": "a" }), "a orders:read"),
        (
            json!({ "groups": ["Prüfer", 7, null], "orgs": { "/staff": 1 } }),
            "audit keyward:verify orders:read orders:write",
        ),
        (json!({ "groups": ["keyward:admin", "orders:write", "order reader", "Order", ""] }), ""),
        (json!({ "groups": 7, "realm_access": { "roles": null } }), ""),
    ] {
        assert_eq!(scopes(&scene, ISSUER, claims.clone()).await, expected, "{claims}");
    }
    let admin = scene.token(ISSUER, json!({ "groups": ["keyward:admin"] }));
    assert_eq!(scene.service.asked(super::ADMIN_ROUTE, &admin).await.status(), 403);
}

#[tokio::test]
async fn other_claims_are_found_by_paths_too() {
    let rules = [
        (ISSUER, r#"subject_claim = 'kubernetes\.io.serviceaccount.uid'"#),
        ("https://org.example", "tenant_claim = \"firebase.tenant\"\ndisabled_claim = \"account.disabled\""),
        ("https://required.example", r#"required_claims = { "firebase.sign_in_provider" = "password", "a.b" = "c" }"#),
    ];
    let scene = Scene::set(&rules).await;
    let seen = scene
        .service
        .introspects(&scene.token(ISSUER, json!({ "kubernetes.io": { "serviceaccount": { "uid": "u-1" } } })))
        .await;
    assert_eq!(seen["sub"], "u-1", "{seen}");
    for (issuer, claims, status) in [
        (ISSUER, json!({ "kubernetes.io": { "serviceaccount": {} } }), 401),
        ("https://org.example", json!({ "firebase": { "tenant": "acme" } }), 200),
        ("https://org.example", json!({ "firebase": { "tenant": "" } }), 401),
        ("https://org.example", json!({ "firebase": { "tenant": "acme" }, "account": { "disabled": true } }), 401),
        ("https://required.example", json!({ "firebase": { "sign_in_provider": "password" }, "a": { "b": "c" } }), 200),
        ("https://required.example", json!({ "firebase.sign_in_provider": "password", "a.b": "c" }), 200),
        (
            "https://required.example",
            json!({ "firebase": { "sign_in_provider": "anonymous" }, "a": { "b": "c" } }),
            401,
        ),
    ] {
        assert_eq!(scene.status(issuer, claims.clone()).await, status, "{claims}");
    }
}

#[tokio::test]
async fn what_is_dropped_goes_on_being_told_after_a_while_with_its_number() {
    let scene = Scene::set(&[(ISSUER, "")]).await;
    for number in 0..20 {
        let odd = json!({ "scope": ["ok", "not ok"], "jti": format!("token-{number}") });
        assert_eq!(scene.status(ISSUER, odd).await, 200);
    }
    eventually("one line", async || scene.service.replica.output().contains("are not taken")).await;
    assert_eq!(scene.service.replica.output().matches("are not taken").count(), 1, "no flood of lines");
}

/// The setting of the shared secret's tokens is not that of other issuers.
#[tokio::test]
async fn the_plan_of_an_issuers_owners_is_where_its_table_says() {
    let silent = "https://silent.example";
    let scene = Scene::set(&[(ISSUER, "plan_claim = \"app.plan\""), (silent, "")]).await;
    let replica = &scene.service.replica;
    let set = Person::administrator().request(replica, reqwest::Method::PUT, "/v1/admin/plans/pro");
    Reply::to(set.json(&json!({ "maxKeys": 1 }))).await.is(201);
    let claims = json!({ "app": { "plan": "pro" }, "iat": now() });
    for (issuer, plan, second) in [(ISSUER, json!("pro"), 409), (silent, json!(null), 201)] {
        let person = Person { token: scene.token(issuer, claims.clone()) };
        assert_eq!(person.posts(replica, "/v1/keys", json!({})).await.status, 201, "{issuer}");
        assert_eq!(person.posts(replica, "/v1/keys", json!({})).await.status, second, "{issuer}");
        assert_eq!(person.gets(replica, "/v1/plan").await.is(200)["plan"]["name"], plan, "{issuer}");
    }
}
