//! What an event says of a change, how events are found, and in which forms they come.

use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{KEYS, Reply, pairs, replica, shared_replica},
    program::run_beside,
    replica::{Replica, command},
};

const AUDIT: &str = "/v1/audit";
const ALL: &str = "/v1/admin/audit";

async fn events(person: &Person, replica: &Replica, path: &str) -> Vec<Value> {
    person.gets(replica, path).await.is(200)["events"].as_array().expect("a list").clone()
}

async fn last_details(person: &Person, replica: &Replica) -> Value {
    events(person, replica, &format!("{AUDIT}?limit=1")).await[0]["details"].clone()
}

#[tokio::test]
async fn an_event_says_of_every_field_from_what_to_what() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({ "name": "ci", "metadata": { "team": "a" } })).await;
    let path = key.path();
    let change = json!({
        "name": null, "description": "builds", "scopes": ["b", "a"], "metadata": { "team": null, "n": 7 },
        "allowedIps": ["192.0.2.7/24"], "expiresAt": "2100-01-01T00:00:00+01:00", "enabled": false,
    });
    alice.patches(&replica, &path, change).await.is(200);
    let fields = ["name", "description", "scopes", "metadata", "allowedIps", "expiresAt", "enabled"];
    let expected = json!({
        "changed": fields,
        "changes": {
            "name": { "from": "ci", "to": null },
            "description": { "from": null, "to": "builds" },
            "scopes": { "from": [], "to": ["a", "b"] },
            "metadata": { "from": { "team": "a" }, "to": { "n": 7 } },
            "allowedIps": { "from": [], "to": ["192.0.2.0/24"] },
            "expiresAt": { "from": null, "to": "2099-12-31T23:00:00.000Z" },
            "enabled": { "from": true, "to": false },
        },
    });
    assert_eq!(last_details(&alice, &replica).await, expected);
    alice.posts(&replica, &format!("{path}/enable"), json!({})).await.is(200);
    assert_eq!(
        last_details(&alice, &replica).await,
        json!({ "changes": { "enabled": { "from": false, "to": true } } })
    );
    let whole = events(&alice, &replica, AUDIT).await;
    assert!(!json!(whole).to_string().contains(&key.holder.key[40..]), "no secret is told");
}

#[tokio::test]
async fn events_are_found_by_who_did_what_to_whose_key_and_when() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({})).await;
    alice.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
    root.posts(&replica, &format!("{}/disable", key.admin_path()), json!({})).await.is(200);
    Person::named("bob").creates(&replica, json!({})).await;
    let mut program = command();
    program.env("DATABASE_URL", replica.database().url());
    program.args(["keys", "create", "--subject", "alice"]);
    run_beside(program).await.succeeded();
    let own = reqwest::Method::DELETE;
    let request =
        test_support::actors::stranger(&replica, own, &format!("{KEYS}/self")).header("x-api-key", &key.holder.key);
    Reply::to(request).await.is(200);

    let all = events(&root, &replica, ALL).await;
    let at = |index: usize| all[index]["at"].as_str().expect("an instant").to_owned();
    let actions = async |query: &str| -> Vec<String> {
        let found = events(&root, &replica, &format!("{ALL}?{query}")).await;
        found.iter().map(|event| event["action"].as_str().expect("a word").to_owned()).collect()
    };
    let root_id = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, "\0root");
    for (query, expected) in [
        (
            "".to_owned(),
            vec!["key.revoked", "key.created", "key.created", "key.disabled", "key.updated", "key.created"],
        ),
        ("actor=AGFsaWNl".to_owned(), vec!["key.updated", "key.created"]),
        (format!("actor={root_id}"), vec!["key.disabled"]),
        (format!("actor={}", key.id), vec!["key.revoked"]),
        ("actor=command_line".to_owned(), vec!["key.created"]),
        ("action=key.created".to_owned(), vec!["key.created"; 3]),
        (
            "action=key.created,key.disabled&owner=AGFsaWNl".to_owned(),
            vec!["key.created", "key.disabled", "key.created"],
        ),
        ("action=owner.disabled".to_owned(), vec![]),
        (format!("keyId={}&action=key.updated", key.id), vec!["key.updated"]),
        ("subject=bob".to_owned(), vec!["key.created"]),
        (format!("from={}&to={}", at(3), at(2)), vec!["key.disabled"]),
        (format!("to={}", at(5)), vec![]),
        (format!("from={}", at(0)), vec!["key.revoked"]),
        (format!("actor=AGFsaWNl&from={}", at(4)), vec!["key.updated"]),
    ] {
        assert_eq!(actions(&query).await, expected, "{query}");
    }
    // Owners find among their own, whoever did it.
    let by_root = events(&alice, &replica, &format!("{AUDIT}?actor={root_id}&action=key.disabled")).await;
    assert_eq!(by_root.len(), 1);
    for (query, wrong) in [
        ("actor=alice", ("actor", "invalid")),
        ("action=key.made", ("action", "invalid")),
        ("action=", ("action", "invalid")),
        ("from=monday", ("from", "invalid")),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", ("to", "conflict")),
        ("format=xml", ("format", "invalid")),
    ] {
        assert_eq!(
            alice.gets(&replica, &format!("{AUDIT}?{query}")).await.wrong_parameters(),
            pairs(&[wrong]),
            "{query}"
        );
    }
}

/// The fields of a line of RFC 4180.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => fields.last_mut().expect("one").extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().expect("one").push(letter),
        }
    }
    fields
}

#[tokio::test]
async fn events_come_as_csv_and_as_json_lines_by_accept_or_by_format_in_bounded_pages() {
    let (replica, root) = (replica().await, Person::administrator());
    let odd = Person::named("=cmd|'/c calc'!A1,\"x\"");
    let key = odd.creates(&replica, json!({})).await;
    odd.patches(&replica, &key.path(), json!({ "name": "a \"b\", c" })).await.is(200);
    let whole = events(&root, &replica, ALL).await;

    let accepting = async |path: &str, accept: &str| {
        Reply::to(root.request(&replica, reqwest::Method::GET, path).header("accept", accept)).await
    };
    let by_accept = accepting(ALL, "application/x-ndjson").await;
    assert_eq!(by_accept.header("content-type"), Some("application/x-ndjson"));
    assert_eq!((by_accept.header("vary"), by_accept.header("cache-control")), (Some("Accept"), Some("no-store")));
    let lines: Vec<Value> = by_accept.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, whole);
    assert_eq!(root.gets(&replica, &format!("{ALL}?format=ndjson")).await.text, by_accept.text);
    accepting(&format!("{ALL}?format=json"), "text/csv").await.is(200);

    let csv = accepting(ALL, "text/csv").await;
    assert!(csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    let lines: Vec<Vec<String>> = csv.text.split_terminator("\r\n").map(fields).collect();
    assert_eq!(lines.len(), 1 + whole.len());
    let column = |name: &str| lines[0].iter().position(|own| own == name).expect("a column");
    for (line, event) in lines[1..].iter().zip(&whole) {
        assert_eq!(line.len(), lines[0].len());
        assert_eq!((json!(line[column("id")]), json!(line[column("at")])), (event["id"].clone(), event["at"].clone()));
        let details: Value = serde_json::from_str(&line[column("details")]).expect("JSON");
        assert_eq!(details, event["details"]);
        // No spreadsheet runs it.
        assert_eq!(line[column("ownerSubject")], format!("'{}", event["owner"]["subject"].as_str().expect("a text")));
    }

    let first = root.gets(&replica, &format!("{ALL}?format=csv&limit=1")).await;
    assert_eq!(first.text.split_terminator("\r\n").count(), 2);
    let link = first.header("link").expect("a next page");
    let next = link.trim_start_matches('<').split_once('>').expect("a link").0.to_owned();
    let second = root.gets(&replica, &next).await;
    assert_eq!((second.text.split_terminator("\r\n").count(), second.header("link")), (2, None));
    for (limit, format) in [(101, "json"), (1001, "csv"), (1001, "ndjson")] {
        let answer = root.gets(&replica, &format!("{ALL}?format={format}&limit={limit}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("limit", "invalid")]), "{format}");
    }
    assert_eq!(root.gets(&replica, &format!("{ALL}?format=csv&limit=1000")).await.status, 200);
}
