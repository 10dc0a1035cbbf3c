//! Which tokens a revocation is about, and for how long it is remembered.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims},
    asking::{KEYS, Reply, pairs, replica, replica_with},
    program::Folder,
    replica::Replica,
};

const REVOKE: &str = "/v1/admin/tokens/revoke";
const ISSUER: &str = "https://login.example.com/";

fn bearer(more: Value) -> Person {
    let mut claims = claims("victim");
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    Person::with_claims(&claims)
}

fn administrator_of(issuer: &str) -> Person {
    bearer(json!({ "sub": "root", "iss": issuer, "scope": "keyward:admin" }))
}

/// An instant so many seconds from now.
fn seconds_from_now(seconds: i64) -> String {
    let instant = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    instant.format(&time::format_description::well_known::Rfc3339).expect("a time of these days")
}

async fn is_accepted(person: &Person, replica: &Replica) -> bool {
    match person.gets(replica, KEYS).await.status {
        200 => true,
        401 => false,
        other => panic!("a token got {other}"),
    }
}

async fn revoke(replica: &Replica, body: Value) -> Reply {
    Person::administrator().posts(replica, REVOKE, body).await
}

#[tokio::test]
async fn where_tokens_of_any_issuer_are_accepted_whose_is_meant_has_to_be_said() {
    let replica = replica().await;
    let (without, with) = (bearer(json!({ "jti": "1" })), bearer(json!({ "jti": "1", "iss": ISSUER })));
    for body in [
        json!({ "subject": "victim" }),
        json!({ "tokenId": "1" }),
        json!({ "subject": "victim", "issuer": null }),
        json!({ "tokenId": "1", "issuer": null }),
    ] {
        assert_eq!(revoke(&replica, body.clone()).await.wrong_fields(), pairs(&[("/issuer", "required")]), "{body}");
        let told = revoke(&replica, body).await.text;
        assert!(told.contains("iss"), "{told}");
    }
    assert!(is_accepted(&with, &replica).await && is_accepted(&without, &replica).await);
    revoke(&replica, json!({ "issuer": ISSUER, "subject": "victim" })).await.is(200);
    assert!(!is_accepted(&with, &replica).await && is_accepted(&without, &replica).await);
    revoke(&replica, json!({ "issuer": "", "subject": "victim" })).await.is(200);
    assert!(!is_accepted(&without, &replica).await);
}

#[tokio::test]
async fn a_whole_token_is_no_name_of_one_and_is_kept_nowhere() {
    let replica = replica().await;
    let victim = bearer(json!({ "jti": "1" }));
    let token = &victim.token;
    for (member, claim) in [("tokenId", "jti"), ("subject", "sub"), ("issuer", "iss")] {
        for text in [token.clone(), format!("Bearer {token}")] {
            let mut body = json!({ "issuer": "", "reason": "leaked" });
            if member == "issuer" {
                body["subject"] = json!("victim");
            }
            body[member] = json!(text);
            let reply = revoke(&replica, body).await;
            assert_eq!(reply.wrong_fields(), [(format!("/{member}"), "invalid".to_owned())]);
            assert!(reply.text.contains(&format!("send the claim {claim} of its payload")), "{}", reply.text);
            assert!(!reply.text.contains(&token[..60]), "{}", reply.text);
        }
    }
    assert!(is_accepted(&victim, &replica).await);
    revoke(&replica, json!({ "issuer": "", "tokenId": "1" })).await.is(200);
    assert!(!is_accepted(&victim, &replica).await);
    replica.prints("revoked tokens").await;
    assert!(!replica.output().contains(&token[..60]));
    let audit = Person::administrator().gets(&replica, "/v1/admin/audit").await;
    assert!(!audit.text.contains(&token[..60]), "{}", audit.text);
}

#[tokio::test]
async fn where_one_issuer_is_configured_it_is_the_one_that_is_meant() {
    let replica = replica_with(&[("KEYWARD__JWT__ISSUER", ISSUER)]).await;
    let (root, victim) = (administrator_of(ISSUER), bearer(json!({ "iss": ISSUER })));
    assert!(is_accepted(&victim, &replica).await);
    let unknown = root.posts(&replica, REVOKE, json!({ "issuer": "https://typo.example", "subject": "victim" })).await;
    assert_eq!(unknown.wrong_fields(), pairs(&[("/issuer", "invalid")]));
    let answer = root.posts(&replica, REVOKE, json!({ "subject": "victim" })).await.is(200);
    assert_eq!(answer["issuer"], ISSUER);
    assert!(!is_accepted(&victim, &replica).await);
}

#[tokio::test]
async fn where_there_are_several_whose_is_meant_has_to_be_said() {
    let folder = Folder::new();
    let secret = folder.file("secret", "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE-another-issuers");
    let table = format!("[[jwt.issuers]]\nissuer = \"https://other.example\"\nsecret_file = {secret:?}\n");
    let file = folder.file("keyward.toml", &table);
    for shared in [ISSUER, ""] {
        let env = [("KEYWARD_CONFIG", file.as_str()), ("KEYWARD__JWT__ISSUER", shared)];
        let (replica, root) = (replica_with(&env).await, administrator_of(ISSUER));
        let victim = bearer(json!({ "iss": ISSUER, "jti": "1" }));
        for body in [json!({ "subject": "victim" }), json!({ "tokenId": "1" })] {
            let answer = root.posts(&replica, REVOKE, body).await;
            assert_eq!(answer.wrong_fields(), pairs(&[("/issuer", "required")]));
        }
        assert!(is_accepted(&victim, &replica).await);
        root.posts(&replica, REVOKE, json!({ "issuer": "https://other.example", "tokenId": "1" })).await.is(200);
        assert!(is_accepted(&victim, &replica).await, "a token of another issuer was revoked");
        root.posts(&replica, REVOKE, json!({ "issuer": ISSUER, "tokenId": "1" })).await.is(200);
        assert!(!is_accepted(&victim, &replica).await);
    }
}

#[tokio::test]
async fn a_token_is_not_said_to_have_expired_already() {
    let (replica, victim) = (replica().await, bearer(json!({ "jti": "1" })));
    for past in ["2020-01-01T00:00:00Z".to_owned(), seconds_from_now(-3600), seconds_from_now(-1)] {
        let body = json!({ "issuer": "", "tokenId": "1", "expiresAt": past });
        assert_eq!(revoke(&replica, body).await.wrong_fields(), pairs(&[("/expiresAt", "in_the_past")]), "{past}");
    }
    assert!(is_accepted(&victim, &replica).await);
}

/// The token lives for an hour; whoever revokes it is wrong about that.
#[tokio::test]
async fn whatever_end_is_given_a_token_stays_revoked_for_as_long_as_one_may_live() {
    let (replica, victim) = (replica().await, bearer(json!({ "jti": "1" })));
    let soon = json!({ "issuer": "", "tokenId": "1", "expiresAt": seconds_from_now(2) });
    revoke(&replica, soon).await.is(200);
    let late = json!({ "issuer": "", "tokenId": "late", "expiresAt": "2100-01-01T00:00:00Z" });
    revoke(&replica, late).await.is(200);
    let rows = replica.database().superuser_pool().await;
    let early = "SELECT count(*) FROM revoked_tokens WHERE expires_at < now() + interval '30 days'";
    let early: i64 = sqlx::query_scalar(early).fetch_one(&rows).await.expect("a number");
    let late = "SELECT count(*) FROM revoked_tokens WHERE expires_at >= '2100-01-01 00:00:00Z'";
    let late: i64 = sqlx::query_scalar(late).fetch_one(&rows).await.expect("a number");
    assert_eq!((early, late), (0, 1), "rows that end too early, rows that end as late as was said");
    for number in 0..5 {
        revoke(&replica, json!({ "issuer": "", "tokenId": format!("other {number}") })).await.is(200);
    }
    assert!(!is_accepted(&victim, &replica).await);
}

#[tokio::test]
async fn where_any_issuer_is_accepted_one_that_no_configuration_names_is_answered_with_a_notice() {
    let replica = replica().await;
    let answer = revoke(&replica, json!({ "issuer": "https://typo.example", "subject": "victim" })).await.is(200);
    let notice = answer["notice"].as_str().unwrap_or_else(|| panic!("no notice: {answer}"));
    assert!(notice.contains("jwt.issuer"), "{notice}");
    let known = revoke(&replica, json!({ "issuer": "", "subject": "victim" })).await.is(200);
    assert!(known.get("notice").is_none(), "{known}");
}
