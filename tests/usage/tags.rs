//! Tags: what verifications and rules of the policy call a use.

use serde_json::json;
use test_support::{
    actors::{Person, stranger},
    asking::{Reply, VERIFY, pairs, replica_with},
    eventually,
    program::Folder,
    replica::{Replica, command},
};

use crate::{OFTEN, usage_of};

const TAGS: (&str, &str) = ("KEYWARD__USAGE__TAGS", "search,export");
const POLICY: &str = "[[rules]]\npaths = [\"/export\"]\ntag = \"export\"\n\n[[rules]]\n";

async fn granted(replica: &Replica, key: &test_support::asking::MadeKey, tag: &str) -> u64 {
    let report = usage_of(replica, &Person::named("alice"), key, tag).await;
    report["totals"]["granted"].as_u64().expect("a number")
}

#[tokio::test]
async fn uses_are_told_apart_by_the_tags_of_verifications_and_rules() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", POLICY);
    let env =
        [OFTEN, TAGS, ("KEYWARD__AUTHORIZE__POLICY_FILE", &policy), ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1")];
    let replica = replica_with(&env).await;
    let (alice, service) = (Person::named("alice"), Person::with_scopes("service", "keyward:verify"));
    let key = alice.creates(&replica, json!({})).await;
    let verify = async |tag: serde_json::Value| {
        service.posts(&replica, VERIFY, json!({ "key": key.holder.key, "tag": tag })).await
    };
    for _ in 0..3 {
        verify(json!("search")).await.is(200);
    }
    verify(json!(null)).await.is(200);
    for wrong in ["other", "", "Search"] {
        assert_eq!(verify(json!(wrong)).await.wrong_fields(), pairs(&[("/tag", "invalid")]), "{wrong}");
    }
    for uri in ["/export", "/other"] {
        let request = stranger(&replica, reqwest::Method::GET, "/v1/authorize").header("x-api-key", &key.holder.key);
        let request = request
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-host", "api")
            .header("x-forwarded-uri", uri);
        assert_eq!(Reply::to(request).await.status, 200);
    }
    eventually("all are written", async || granted(&replica, &key, "").await == 6).await;
    for (tag, count) in [("search", 3), ("export", 1), ("", 2), ("other", 0)] {
        assert_eq!(granted(&replica, &key, &format!("?tag={tag}")).await, count, "{tag}");
    }
}

#[tokio::test]
async fn tags_that_cannot_be_and_rules_with_undeclared_tags_are_refused_at_the_start() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", POLICY);
    let refused = async |tags: &str| {
        let mut keyward = command();
        keyward.arg("serve").env("DATABASE_URL", "postgres://u@127.0.0.1:1/d").env("KEYWARD__USAGE__TAGS", tags);
        keyward.env("KEYWARD__AUTHORIZE__POLICY_FILE", &policy).env("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1");
        test_support::program::run_beside(keyward).await.failed()
    };
    let undeclared = refused("search").await;
    assert!(undeclared.contains("line 3: tag must be one of those that usage.tags declares: search"), "{undeclared}");
    for (tags, told) in [("a b", "a tag has 1 to 50 letters"), ("a,a", "names \"a\" twice")] {
        let message = refused(tags).await;
        assert!(message.contains("usage.tags") && message.contains(told), "{message}");
    }
}
