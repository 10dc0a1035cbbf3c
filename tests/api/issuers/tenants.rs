//! Many tenants of one provider, and several clients of one issuer.

use serde_json::{Value, json};
use test_support::{actors::claims, eventually};

use super::{
    ADMIN_ROUTE, Service,
    claims::{ISSUER, Scene},
    provider::Provider,
    signing::SigningKey,
    table,
};

/// As Microsoft Entra ID has it: one key set for all tenants, whose issuers differ in their id.
struct Entra {
    service: Service,
    provider: Provider,
    key: SigningKey,
}

const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";

impl Entra {
    async fn trusting(tenants: &[&str]) -> Self {
        let key = SigningKey::rsa("k");
        let provider = Provider::with(&[&key]).await;
        let members =
            format!("tenants = {tenants:?}\nkey_set = {:?}\nscope_claims = [\"scp\", \"roles\"]", provider.key_set());
        Self { service: Service::start(&table(TEMPLATE, &members)).await, provider, key }
    }

    fn claims(&self, tenant: &str) -> Value {
        let mut claims = claims("alice");
        claims["iss"] = json!(TEMPLATE.replace("{tenantid}", tenant));
        claims["tid"] = json!(tenant);
        claims
    }

    fn token(&self, tenant: &str) -> String {
        self.key.signs(&self.claims(tenant))
    }
}

#[tokio::test]
async fn the_tokens_of_listed_tenants_are_taken_and_their_bearers_are_different_people() {
    let entra = Entra::trusting(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        entra.service.comes_to_accept(&entra.token(tenant)).await;
        let seen = entra.service.introspects(&entra.token(tenant)).await;
        assert_eq!(
            (&seen["iss"], &seen["sub"]),
            (&json!(format!("https://login.example/{tenant}/v2.0")), &json!("alice"))
        );
    }
    for other in ["initech", "ACME", "acme/", "acme%2f", "{tenantid}", "", "common", "acme/v2.0/acme"] {
        entra.service.refuses(&entra.token(other), other).await;
    }
    assert_eq!(entra.provider.fetches(), 1, "one set for all");
}

/// What a tenant's own administrators write into its tokens counts for nobody but the tenant.
#[tokio::test]
async fn no_tenant_gets_rights_on_keyward_itself() {
    let entra = Entra::trusting(&["acme"]).await;
    let mut claims = entra.claims("acme");
    claims["roles"] = json!(["keyward:admin", "keyward:verify", "orders:read"]);
    let token = entra.key.signs(&claims);
    entra.service.comes_to_accept(&token).await;
    assert_eq!(entra.service.scopes(&token).await, "orders:read");
    assert_eq!(entra.service.asked(ADMIN_ROUTE, &token).await.status(), 403);
    let line = entra.service.replica.prints("scopes in tokens of an issuer are not taken").await;
    assert!(line.contains("a right on Keyward itself") && line.contains("https://login.example/acme/v2.0"), "{line}");
}

/// A key that the set names for one issuer verifies no other's tokens; one with the placeholder, or with nothing,
/// verifies all.
#[tokio::test]
async fn a_key_of_one_tenant_never_verifies_another_tenants_token() {
    let entra = Entra::trusting(&["acme", "globex"]).await;
    let (all, of_acme, other) = (SigningKey::rsa("all"), SigningKey::rsa("acme"), SigningKey::rsa("other"));
    let with = |key: &SigningKey, issuer: &str| {
        let mut jwk = key.jwk();
        jwk["issuer"] = json!(issuer);
        jwk
    };
    entra.service.comes_to_accept(&entra.token("acme")).await;
    entra.provider.publishes_jwks(vec![
        entra.key.jwk(),
        with(&all, TEMPLATE),
        with(&of_acme, "https://login.example/acme/v2.0"),
        with(&other, "https://login.example/9188040d/v2.0"),
    ]);
    for (key, tenant, good) in [
        (&all, "acme", true),
        (&all, "globex", true),
        (&of_acme, "acme", true),
        (&of_acme, "globex", false),
        (&other, "acme", false),
    ] {
        let token = key.signs(&entra.claims(tenant));
        if good {
            eventually("the new keys come", async || entra.service.status(&token).await == 200).await;
        } else {
            assert_eq!(entra.service.refusal(&token).await, "token_key_unknown", "{} {tenant}", key.kid);
        }
    }
}

/// Where each tenant is an issuer of its own, such as a realm.
#[tokio::test]
async fn each_tenant_may_publish_its_keys_by_discovery() {
    let (acme, globex) = (SigningKey::p256("k"), SigningKey::p256("k"));
    let provider = Provider::with(&[]).await;
    for (tenant, key) in [("acme", &acme), ("globex", &globex)] {
        let issuer = format!("{}/realms/{tenant}", provider.issuer());
        let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/certs") });
        provider.serves(&format!("/realms/{tenant}/.well-known/openid-configuration"), discovery);
        provider.serves(&format!("/realms/{tenant}/certs"), json!({ "keys": [key.jwk()] }));
    }
    let template = format!("{}/realms/{{tenantid}}", provider.issuer());
    let service = Service::start(&table(&template, "tenants = [\"acme\", \"globex\"]\ndiscovery = true")).await;
    let token = |tenant: &str, key: &SigningKey| {
        let mut claims = claims("alice");
        claims["iss"] = json!(template.replace("{tenantid}", tenant));
        key.signs(&claims)
    };
    service.comes_to_accept(&token("acme", &acme)).await;
    service.comes_to_accept(&token("globex", &globex)).await;
    service.refuses(&token("acme", &globex), "another tenant's key").await;
    service.refuses(&token("globex", &acme), "another tenant's key").await;
}

/// A set that is down is one thing that is down, however many tenants wait for it.
#[tokio::test]
async fn tenants_that_share_a_key_set_count_as_one_without_keys() {
    let provider = Provider::that_is(super::provider::Behaviour::Down).await;
    let members = format!("tenants = [\"a\", \"b\", \"c\"]\nkey_set = {:?}", provider.key_set());
    let service = Service::start(&table(TEMPLATE, &members)).await;
    assert_eq!(service.readiness().await, (200, json!({ "status": "ready", "issuersWithoutKeys": 1 })));
    let line = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(line.contains(TEMPLATE), "{line}");
}

/// OpenID Connect Core 1.0 §2 (`azp`), RFC 9068 §2.2 (`client_id`); `cid` is Okta's, `appid` Microsoft's.
#[tokio::test]
async fn only_tokens_of_listed_clients_are_taken() {
    let scene = Scene::set(&[(ISSUER, r#"authorized_parties = ["app", "cli"]"#), ("https://any.example", "")]).await;
    for (claims, good) in [
        (json!({ "azp": "app" }), true),
        (json!({ "client_id": "cli" }), true),
        (json!({ "cid": "app" }), true),
        (json!({ "appid": "app" }), true),
        (json!({ "azp": "app", "client_id": "app" }), true),
        (json!({ "azp": "app", "client_id": "cli", "cid": "app" }), true),
        (json!({ "azp": "app", "client_id": "other" }), false),
        (json!({ "azp": "other", "client_id": "app" }), false),
        (json!({ "azp": "APP" }), false),
        (json!({ "azp": ["app"] }), false),
        (json!({ "azp": null, "client_id": "app" }), false),
        (json!({ "azp": "" }), false),
        (json!({}), false),
    ] {
        let token = scene.token(ISSUER, claims.clone());
        if good {
            assert_eq!(scene.service.status(&token).await, 200, "{claims}");
        } else {
            assert_eq!(scene.service.refusal(&token).await, "token_authorized_party", "{claims}");
        }
        assert_eq!(scene.status("https://any.example", claims.clone()).await, 200, "{claims}");
    }
}
