//! No label takes a value from a request: whatever is sent, the values are those that the table of metrics names.

use std::collections::{BTreeMap, BTreeSet};

use keyward::{
    api::{endpoint::Access, request_metrics::STATUSES, routes::ENDPOINTS},
    domain::denial::Denial,
    store::Statements,
    telemetry::metrics::{
        family::{Kind, Label, Values},
        groups::{self, GROUPS},
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims, sign, stranger},
    asking::{VERIFY, replica},
    client,
    replica::Replica,
    wire::{Connection, head},
};

use super::Scrape;

/// What every odd thing that is sent contains, so that it is recognized wherever it turns up.
const MARK: &str = "zzmark";

/// The values that a label may have; `None` for those of the replica itself.
fn allowed(label: &Label) -> Option<BTreeSet<String>> {
    let set = |words: &mut dyn Iterator<Item = &str>| Some(words.map(str::to_owned).collect());
    match (&label.values, label.name) {
        (Values::Words(words), _) => set(&mut words.iter().copied()),
        (_, "route") => set(&mut ENDPOINTS.iter().map(|endpoint| endpoint.path).chain(["none"])),
        (_, "method") => {
            let named = ENDPOINTS.iter().filter(|endpoint| endpoint.access != Access::Forwarded);
            set(&mut named.map(|endpoint| endpoint.method.as_str()).chain(["any", "none"]))
        }
        (_, "status") => set(&mut STATUSES.into_iter()),
        (_, "reason") => set(&mut Denial::codes()),
        (_, "statement") => set(&mut Statements::names().iter().copied()),
        (Values::OfTheReplica(_), _) => None,
        (Values::OfTheProgram(_), name) => panic!("the test does not know the values of {name}"),
    }
}

/// Every series of `scrape` has the labels of the table, with values that are allowed.
fn are_of_the_table(scrape: &Scrape) {
    for (name, labels) in scrape.samples.keys() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| groups::family(name.strip_suffix(suffix)?));
        let family = groups::family(name).or(base.filter(|family| family.kind == Kind::Histogram));
        let family = family.unwrap_or_else(|| panic!("{name} is not in the table"));
        let own: BTreeMap<_, _> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut expected: BTreeSet<_> = family.labels.iter().map(|label| label.name).collect();
        expected.extend(name.ends_with("_bucket").then_some("le"));
        assert_eq!(own.keys().copied().collect::<BTreeSet<_>>(), expected, "{name}");
        for label in family.labels {
            if let Some(allowed) = allowed(label) {
                assert!(allowed.contains(own[label.name]), "{name}: {} is {}", label.name, own[label.name]);
            }
        }
    }
}

async fn odd_requests(replica: &Replica) {
    let methods = ["GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE", "ZZMARK"];
    let paths = [
        "/zzmark",
        "/v1/keys/zzmark",
        "/v1/keys/zzmark/rotate",
        "/v1/keys/%7Bid%7D",
        "/v1/keys/{id}",
        "/v1/zzmark/keys",
        "/v1/authorize/zzmark",
        "/v1/authorizezzmark",
        "/problems/zzmark",
        "/docs/zzmark",
        "/metrics/zzmark",
        "/metrics?zzmark=1",
        "//zzmark",
        "/api/zzmark",
    ];
    for method in methods {
        for path in paths {
            let request = format!(
                "{}x-api-key: zzmark\r\norigin: http://zzmark.example\r\ncontent-length: 0\r\n\r\n",
                head(method, path)
            );
            let mut connection = Connection::open(replica).await;
            connection.send(request).await;
            connection.answer_to(method).await;
        }
    }
    let mut connection = Connection::open(replica).await;
    connection.send("GET / HTTP/1.1\r\nHost: zzmark zzmark\r\n\r\n").await;
    connection.answer().await;
    let mut connection = Connection::open(replica).await;
    connection.send("ZZMARK zzmark ZZMARK/1.1\r\n\r\n").await;
    connection.answer().await;
}

async fn odd_credentials(replica: &Replica) {
    let mut odd: Value = claims("zzmark");
    odd["iss"] = json!("https://zzmark.example");
    odd["scope"] = json!("zzmark");
    let mut header = jsonwebtoken_header("zzmark");
    let tokens = [
        Person::with_claims(&odd).token,
        sign(&header, &odd, test_support::replica::JWT_SECRET),
        {
            header.typ = Some("zzmark".to_owned());
            sign(&header, &claims("zzmark"), "another secret of thirty-two bytes")
        },
        "zzmark.zzmark.zzmark".to_owned(),
        "zzmark".to_owned(),
        "keyward_zzmark_zzmark".to_owned(),
    ];
    for token in &tokens {
        for path in ["/v1/keys", "/v1/admin/keys", "/v1/authorize", "/api/protected-resource", "/v1/keys/self"] {
            let asked = stranger(replica, Method::GET, path).bearer_auth(token).header("host", "zzmark.example");
            asked.send().await.expect("an answer");
        }
        let service = Person::with_scopes("service", "keyward:verify");
        service.posts(replica, VERIFY, json!({ "key": token, "scopes": ["zzmark"] })).await;
    }
    let owner = Person::named("zzmark");
    let made = owner.creates(replica, json!({ "name": "zzmark", "scopes": ["zzmark"] })).await;
    assert_eq!(made.status(replica).await, 200);
    owner.deletes(replica, &made.path()).await.is(200);
    made.holder.is_refused(replica).await;
}

fn jsonwebtoken_header(kid: &str) -> jsonwebtoken::Header {
    jsonwebtoken::Header { kid: Some(kid.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn whatever_is_sent_the_labels_have_only_values_of_the_table() {
    let replica = replica().await;
    are_of_the_table(&Scrape::of(&replica).await);
    odd_requests(&replica).await;
    odd_credentials(&replica).await;
    test_support::eventually("all of it is counted", async || {
        let scrape = Scrape::of(&replica).await;
        scrape.sum("keyward_http_requests_total", &[("route", "none")]) > 50.0
            && scrape.sum("keyward_denials_total", &[("reason", "key_revoked")]) >= 1.0
    })
    .await;
    let scrape = Scrape::of(&replica).await;
    are_of_the_table(&scrape);
    assert!(!scrape.text.to_ascii_lowercase().contains(MARK), "something that was sent is in the answer");
    assert!(scrape.text.len() < 200_000, "{} bytes", scrape.text.len());
}

/// Otherwise they would count together, as `other`.
#[tokio::test]
async fn every_status_of_the_api_document_is_counted_apart() {
    let replica = replica().await;
    let document: Value =
        client::get(replica.url("/openapi.json")).await.expect("an answer").json().await.expect("JSON");
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|methods| methods.as_object().expect("methods").values());
    for operation in operations {
        for status in operation["responses"].as_object().expect("responses").keys() {
            assert!(STATUSES.contains(&status.as_str()), "{status}");
        }
    }
}

#[test]
fn names_are_as_prometheus_wants_them_and_appear_once() {
    let mut names = BTreeSet::new();
    for family in GROUPS.iter().flat_map(|group| group.families) {
        let name = family.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("keyward_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!["_bucket", "_sum", "_count", "_ms", "_millis"].iter().any(|end| name.ends_with(end)), "{name}");
        assert!(family.kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{name}");
    }
}
