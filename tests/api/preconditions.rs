//! Preconditions of requests about a key (RFC 9110 §13).

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{KEYS, MadeKey, Reply, VERIFY, replica_with, shared_replica},
    eventually,
    replica::Replica,
};

const IF_MATCH: &str = "If-Match";
const IF_NONE_MATCH: &str = "If-None-Match";

/// A request about a key.
#[derive(Clone, Copy, Debug)]
struct Asked {
    method: &'static str,
    /// What follows the key's address.
    below: &'static str,
    body: &'static str,
}

const GET: Asked = Asked { method: "GET", below: "", body: "" };
const HEAD: Asked = Asked { method: "HEAD", below: "", body: "" };
const PATCH: Asked = Asked { method: "PATCH", below: "", body: r#"{"name":"changed"}"# };
const DELETE: Asked = Asked { method: "DELETE", below: "", body: "" };
const ROTATE: Asked = Asked { method: "POST", below: "/rotate", body: "" };
const DISABLE: Asked = Asked { method: "POST", below: "/disable", body: "" };
const ENABLE: Asked = Asked { method: "POST", below: "/enable", body: "" };
const CHANGES: [Asked; 5] = [PATCH, DELETE, ROTATE, DISABLE, ENABLE];
const ALL: [Asked; 7] = [GET, HEAD, PATCH, DELETE, ROTATE, DISABLE, ENABLE];

impl Asked {
    async fn of(self, replica: &Replica, id: &str, headers: &[(&str, &[u8])]) -> Reply {
        self.by(&Person::named("alice"), replica, &format!("{KEYS}/{id}"), headers).await
    }

    async fn by(self, person: &Person, replica: &Replica, path: &str, headers: &[(&str, &[u8])]) -> Reply {
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = person.request(replica, method, &format!("{path}{}", self.below));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.body.is_empty() {
            request = request.header("content-type", "application/json").body(self.body);
        }
        Reply::to(request).await
    }

    /// The status where nothing stands in the way.
    fn success(self) -> u16 {
        if self.below == "/rotate" { 201 } else { 200 }
    }
}

/// A key at its second version, so that nothing fits by chance.
async fn key(replica: &Replica) -> MadeKey {
    let alice = Person::named("alice");
    let key = alice.creates(replica, json!({})).await;
    alice.patches(replica, &key.path(), json!({ "name": "second" })).await.is(200);
    key
}

async fn shown(replica: &Replica, key: &MadeKey) -> Value {
    Person::named("alice").gets(replica, &key.path()).await.is(200)
}

#[tokio::test]
async fn with_if_match_of_another_version_nothing_is_done_or_shown_rfc_9110_section_13_1_1() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    let key = key(&replica).await;
    let before = shown(&replica, &key).await;
    for asked in ALL {
        for stale in [&b"\"99\""[..], b"\"1\"", b"W/\"2\"", b"\"1\", \"3\"", b"\"2,\"", b"\"\"", b"\"\xe9\""] {
            let answer = asked.of(&replica, &key.id, &[(IF_MATCH, stale)]).await;
            assert_eq!(answer.status, 412, "{asked:?} {}: {}", stale.escape_ascii(), answer.text);
            if asked.method != "HEAD" {
                answer.is_problem(412, "version_mismatch");
            }
        }
        let path = key.admin_path();
        assert_eq!(asked.by(&root, &replica, &path, &[(IF_MATCH, b"\"99\"")]).await.status, 412, "{asked:?}");
    }
    assert_eq!(shown(&replica, &key).await, before);
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn with_if_match_of_this_version_or_any_it_is_done() {
    let replica = shared_replica().await;
    for fits in [
        &b"\"2\""[..],
        b"*",
        b" * ",
        b"\"1\", \"2\"",
        b"\"a,b\", \"2\"",
        b",, \"2\" ,",
        b"\"7\",\t\"2\"",
        b"W/\"2\",\"2\"",
    ] {
        for asked in ALL {
            let key = key(&replica).await;
            let answer = asked.of(&replica, &key.id, &[(IF_MATCH, fits)]).await;
            assert_eq!(answer.status, asked.success(), "{asked:?} {}: {}", fits.escape_ascii(), answer.text);
        }
    }
    // A list may be spread over lines (RFC 9110 §5.3).
    let key = key(&replica).await;
    let lines: [(&str, &[u8]); 2] = [(IF_MATCH, b"\"7\""), (IF_MATCH, b"\"2\"")];
    DELETE.of(&replica, &key.id, &lines).await.is(200);
}

#[tokio::test]
async fn who_has_what_a_get_would_show_is_told_so_rfc_9110_section_13_1_2() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    let key = key(&replica).await;
    for known in [&b"\"2\""[..], b"W/\"2\"", b"*", b"\"x\", W/\"2\"", b",\"2\",", b"\"a,b\",\"2\""] {
        for asked in [GET, HEAD] {
            for (person, path) in [(&Person::named("alice"), key.path()), (&root, key.admin_path())] {
                let answer = asked.by(person, &replica, &path, &[(IF_NONE_MATCH, known)]).await;
                assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{}", known.escape_ascii());
                assert_eq!(answer.header("etag"), Some("\"2\""));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert_eq!(answer.header("content-type"), None);
            }
        }
    }
    for other in [&b"\"1\""[..], b"W/\"1\"", b"\"x,\", \"y\"", b"\"\""] {
        GET.of(&replica, &key.id, &[(IF_NONE_MATCH, other)]).await.is(200);
    }
    // Of another's key, nothing is told.
    let bob = Person::named("bob");
    for header in [IF_MATCH, IF_NONE_MATCH] {
        GET.by(&bob, &replica, &key.path(), &[(header, b"*")]).await.is_problem(404, "not_found");
        DELETE.by(&bob, &replica, &key.path(), &[(header, b"*")]).await.is_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_change_that_must_not_meet_a_version_does_not() {
    let replica = shared_replica().await;
    for asked in CHANGES {
        let key = key(&replica).await;
        for excluded in [&b"\"2\""[..], b"W/\"2\"", b"*", b"\"1\",, \"2\""] {
            let answer = asked.of(&replica, &key.id, &[(IF_NONE_MATCH, excluded)]).await;
            answer.is_problem(412, "precondition_failed");
        }
        assert_eq!(shown(&replica, &key).await["name"], "second");
        let answer = asked.of(&replica, &key.id, &[(IF_NONE_MATCH, b"\"1\"")]).await;
        assert_eq!(answer.status, asked.success(), "{asked:?}: {}", answer.text);
    }
}

/// RFC 9110 §13.2.2.
#[tokio::test]
async fn if_match_comes_before_if_none_match_and_dates_do_not_count() {
    let replica = shared_replica().await;
    let key = key(&replica).await;
    for (headers, status) in [
        (&[(IF_MATCH, &b"\"9\""[..]), (IF_NONE_MATCH, b"\"2\"")][..], 412),
        (&[(IF_MATCH, b"\"2\""), (IF_NONE_MATCH, b"\"2\"")], 304),
        (&[(IF_MATCH, b"\"2\""), (IF_NONE_MATCH, b"\"1\"")], 200),
        // No date of a last modification is sent, so none is compared (§13.1.3, §13.1.4).
        (&[("If-Modified-Since", b"Fri, 01 Jan 2100 00:00:00 GMT")], 200),
        (&[("If-Unmodified-Since", b"Thu, 01 Jan 1970 00:00:00 GMT")], 200),
        (&[("If-Modified-Since", b"nonsense"), (IF_NONE_MATCH, b"\"1\"")], 200),
    ] {
        for asked in [GET, HEAD] {
            assert_eq!(asked.of(&replica, &key.id, headers).await.status, status, "{headers:?}");
        }
    }
    let dates: [(&str, &[u8]); 1] = [("If-Unmodified-Since", b"Thu, 01 Jan 1970 00:00:00 GMT")];
    assert!(GET.of(&replica, &key.id, &[]).await.header("last-modified").is_none());
    DISABLE.of(&replica, &key.id, &dates).await.is(200);
    DELETE
        .of(&replica, &key.id, &[(IF_MATCH, b"\"3\""), (IF_NONE_MATCH, b"\"3\"")])
        .await
        .is_problem(412, "precondition_failed");
    DELETE.of(&replica, &key.id, &[(IF_MATCH, b"\"3\""), (IF_NONE_MATCH, b"\"2\"")]).await.is(200);
}

#[tokio::test]
async fn what_is_no_list_of_entity_tags_is_refused_and_nothing_is_done() {
    let replica = shared_replica().await;
    let key = key(&replica).await;
    for malformed in [
        &b"2"[..],
        b"\"2",
        b"2\"",
        b"",
        b" ",
        b",",
        b"W/2",
        b"w/\"2\"",
        b"W /\"2\"",
        b"\"2\" \"3\"",
        b"\"2\"\"3\"",
        b"*, \"2\"",
        b"\"2\", *",
        b"**",
        b"\"2\";q=1",
        b"\"2\\\"\"",
        b"\xe9",
        b"\"a b\"",
        b"\"a\tb\"",
    ] {
        for header in [IF_MATCH, IF_NONE_MATCH] {
            for asked in [GET, PATCH, DELETE, ROTATE, DISABLE, ENABLE] {
                let answer = asked.of(&replica, &key.id, &[(header, malformed)]).await;
                let place = (header.to_owned(), "invalid".to_owned());
                assert_eq!(answer.wrong_parameters(), [place], "{asked:?} {}", malformed.escape_ascii());
            }
        }
    }
    let lines: [(&str, &[u8]); 2] = [(IF_MATCH, b"*"), (IF_MATCH, b"\"2\"")];
    assert_eq!(DELETE.of(&replica, &key.id, &lines).await.status, 400);
    assert_eq!(shown(&replica, &key).await["name"], "second");
}

/// The answer to the same request without conditions would not be a success (RFC 9110 §13.2.1).
#[tokio::test]
async fn conditions_are_ignored_where_the_answer_is_no_success_anyway() {
    let replica = shared_replica().await;
    let key = key(&replica).await;
    for asked in ALL {
        assert_eq!(asked.of(&replica, "0353DYWCFgHVkSVlY4tgVm", &[(IF_MATCH, b"\"9\"")]).await.status, 404);
    }
    DELETE.of(&replica, &key.id, &[]).await.is(200);
    for asked in [PATCH, ROTATE, DISABLE, ENABLE] {
        asked.of(&replica, &key.id, &[(IF_MATCH, b"\"9\"")]).await.is_problem(409, "key_revoked");
    }
    // To revoke it once more would be one.
    DELETE.of(&replica, &key.id, &[(IF_MATCH, b"\"9\"")]).await.is_problem(412, "version_mismatch");
    DELETE.of(&replica, &key.id, &[(IF_MATCH, b"\"3\"")]).await.is(200);
}

#[tokio::test]
async fn who_ends_a_key_by_itself_may_say_which_version() {
    let replica = shared_replica().await;
    let key = key(&replica).await;
    let end = async |tag: &str| {
        let request = stranger(&replica, Method::DELETE, &format!("{KEYS}/self")).header("x-api-key", &key.holder.key);
        Reply::to(request.header(IF_MATCH, tag)).await
    };
    end("\"99\"").await.is_problem(412, "version_mismatch");
    assert_eq!(end("x").await.status, 400);
    assert_eq!(key.status(&replica).await, 200);
    end("\"2\"").await.is(200);
}

/// What is shown may change without a change of the key: it is used, it expires, its owner is stopped.
#[tokio::test]
async fn the_tag_changes_with_what_is_shown_and_a_change_compares_the_version_alone() {
    let replica = replica_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = key(&replica).await;
    let mut seen = vec![tag(&alice, &replica, &key).await];
    let mut is_new = async |what: &str| {
        let now = tag(&alice, &replica, &key).await;
        assert!(!seen.contains(&now), "{what}: {now} again, after {seen:?}");
        for earlier in &seen {
            GET.of(&replica, &key.id, &[(IF_NONE_MATCH, earlier.as_bytes())]).await.is(200);
            GET.of(&replica, &key.id, &[(IF_MATCH, earlier.as_bytes())]).await.is_problem(412, "version_mismatch");
        }
        assert_eq!(GET.of(&replica, &key.id, &[(IF_NONE_MATCH, now.as_bytes())]).await.status, 304, "{what}");
        GET.of(&replica, &key.id, &[(IF_MATCH, now.as_bytes())]).await.is(200);
        seen.push(now);
    };
    assert_eq!(key.status(&replica).await, 200);
    let is_written = async || alice.gets(&replica, &key.path()).await.is(200)["lastUsedAt"].is_string();
    eventually("the use is written", is_written).await;
    is_new("it was used").await;
    let service = Person::with_scopes("service", "keyward:verify");
    let question = json!({ "key": key.holder.key, "clientAddress": "192.0.2.1" });
    // A use is noted once a minute on a replica; another one has not noted any.
    let other = Replica::start_on(replica.database().url(), &[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    service.posts(&other, VERIFY, question).await.is(200);
    let is_elsewhere = async || alice.gets(&replica, &key.path()).await.is(200)["lastUsedFrom"] == "192.0.2.1";
    eventually("the use from elsewhere is written", is_elsewhere).await;
    is_new("it was used from elsewhere").await;
    let owner = key.body["owner"]["id"].as_str().expect("an id");
    root.posts(&replica, &format!("/v1/admin/owners/{owner}/disable"), json!({})).await.is(200);
    is_new("its owner was stopped").await;
    root.posts(&replica, &format!("/v1/admin/owners/{owner}/enable"), json!({})).await.is(200);

    // The version is still the second one, whatever else was shown meanwhile.
    let of_then = tag(&alice, &replica, &key).await;
    for tag in ["\"2\"", &of_then, &seen[1]] {
        PATCH.of(&replica, &key.id, &[(IF_NONE_MATCH, tag.as_bytes())]).await.is_problem(412, "precondition_failed");
    }
    for forged in ["\"2-\"", "\"2-x\"", "\"2-0\"", "\"2x\"", "\"-2\"", "\"02\"", "\"+2\""] {
        PATCH.of(&replica, &key.id, &[(IF_MATCH, forged.as_bytes())]).await.is_problem(412, "version_mismatch");
    }
    PATCH.of(&replica, &key.id, &[(IF_MATCH, seen[1].as_bytes())]).await.is(200);
    PATCH.of(&replica, &key.id, &[(IF_MATCH, of_then.as_bytes())]).await.is_problem(412, "version_mismatch");
}

#[tokio::test]
async fn the_tag_changes_when_the_key_expires() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice.posts(&replica, KEYS, json!({ "expiresIn": 1 })).await;
    let (before, key) = (made.header("etag").expect("a tag").to_owned(), MadeKey::of(made.is(201)));
    eventually("it has expired", async || shown(&replica, &key).await["state"] == "expired").await;
    GET.of(&replica, &key.id, &[(IF_NONE_MATCH, before.as_bytes())]).await.is(200);
    PATCH.of(&replica, &key.id, &[(IF_MATCH, before.as_bytes())]).await.is(200);
}

async fn tag(person: &Person, replica: &Replica, key: &MadeKey) -> String {
    let answer = person.gets(replica, &key.path()).await;
    let tag = answer.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag} is no strong tag");
    tag
}
