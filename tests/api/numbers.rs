//! Numbers in the notes of keys: they come back as they were sent, or are refused.

use reqwest::Method;
use serde_json::json;
use test_support::{
    actors::Person,
    asking::{KEYS, MadeKey, Reply, VERIFY, pairs, replica},
    replica::Replica,
};

async fn sent(replica: &Replica, method: Method, path: &str, body: String) -> Reply {
    let request = Person::named("alice").request(replica, method, path).header("content-type", "application/json");
    Reply::to(request.body(body)).await
}

/// The text of the notes in an answer about one key.
fn notes(answer: &Reply) -> &str {
    let (_, rest) = answer.text.split_once("\"metadata\":").expect("notes");
    let end = rest.find(",\"allowedIps\"").or_else(|| rest.find(",\"expiresAt\"")).expect("more after them");
    &rest[..end]
}

#[tokio::test]
async fn a_number_comes_back_to_the_letter_wherever_notes_are_shown() {
    let replica = replica().await;
    let service = Person::with_scopes("service", "keyward:verify");
    for number in [
        "0",
        "-0",
        "-0.0",
        "-0e5",
        "1.0",
        "1.10",
        "1e2",
        "1E2",
        "1E+2",
        "1e-7",
        "0.1",
        "5e-324",
        "1e-400",
        "1.7976931348623157e308",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        "3.141592653589793238462643383279502884197",
    ] {
        let written = format!(r#"{{"list":[{number}],"n":{number},"nested":{{"n":{number}}}}}"#);
        let made = sent(&replica, Method::POST, KEYS, format!(r#"{{"metadata":{written}}}"#)).await;
        let key = MadeKey::of(made.is(201));
        assert_eq!(notes(&made), written);
        let alice = Person::named("alice");
        assert_eq!(notes(&alice.gets(&replica, &key.path()).await), written);
        assert_eq!(notes(&alice.gets(&replica, &format!("{KEYS}?limit=1")).await), written);
        let verified = service.posts(&replica, VERIFY, json!({ "key": key.holder.key })).await;
        assert_eq!(notes(&verified), written);
        // Merged, those beside it stay as they are; the same again is no change.
        let same = sent(&replica, Method::PATCH, &key.path(), format!(r#"{{"metadata":{written}}}"#)).await;
        assert_eq!((notes(&same), same.header("etag")), (written.as_str(), Some("\"1\"")), "{number}");
        let merged =
            sent(&replica, Method::PATCH, &key.path(), r#"{"metadata":{"a":-0,"list":null}}"#.to_owned()).await;
        assert_eq!(notes(&merged), format!(r#"{{"a":-0,"n":{number},"nested":{{"n":{number}}}}}"#));
        assert_eq!(notes(&alice.gets(&replica, &key.path()).await), notes(&merged));
        let rotated = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await;
        assert_eq!(notes(&rotated), notes(&merged));
    }
}

/// Postgres writes numbers out, digit by digit.
#[tokio::test]
async fn notes_whose_numbers_take_too_much_room_written_out_are_refused() {
    let replica = replica().await;
    let many = |number: &str, count: usize| format!(r#"{{"n":[{}]}}"#, vec![number; count].join(","));
    for (number, count) in [
        ("5e-324", 400),
        ("1e308", 400),
        ("-1e-300", 400),
        ("1e-99999", 1),
        ("0e-5000", 1),
        ("1.5e-4096", 1),
        ("0e999999999999999999999", 1),
    ] {
        let body = format!(r#"{{"metadata":{}}}"#, many(number, count));
        assert!(body.len() < 4096, "{number}");
        let answer = sent(&replica, Method::POST, KEYS, body.clone()).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/metadata", "invalid")]), "{number}");
        assert!(answer.text.contains("written out"), "{}", answer.text);
        let key = Person::named("alice").creates(&replica, json!({})).await;
        let answer = sent(&replica, Method::PATCH, &key.path(), body).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/metadata", "invalid")]), "{number}");
    }
    // A few of them are nobody's harm.
    sent(&replica, Method::POST, KEYS, format!(r#"{{"metadata":{}}}"#, many("5e-324", 10))).await.is(201);
    let rows = replica.database().superuser_pool().await;
    let largest = "SELECT coalesce(max(octet_length(metadata::text)), 0) FROM api_keys";
    let largest: i32 = sqlx::query_scalar(largest).fetch_one(&rows).await.expect("a number");
    // With a blank after each comma and colon, as Postgres has it.
    assert!(largest <= 3 * 4096, "{largest}");
}

/// A version of Keyward that knows only the column `metadata`, beside this one; or psql.
#[tokio::test]
async fn what_is_written_to_the_column_that_is_searched_counts() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key =
        MadeKey::of(sent(&replica, Method::POST, KEYS, r#"{"metadata":{"n":-0,"team":"a"}}"#.to_owned()).await.is(201));
    let rows = replica.database().superuser_pool().await;
    sqlx::query(r#"UPDATE api_keys SET metadata = metadata || '{"team":"b"}'"#).execute(&rows).await.expect("written");
    assert_eq!(notes(&alice.gets(&replica, &key.path()).await), r#"{"n":0,"team":"b"}"#);
    let service = Person::with_scopes("service", "keyward:verify");
    let verified = service.posts(&replica, VERIFY, json!({ "key": key.holder.key })).await;
    assert_eq!(notes(&verified), r#"{"n":0,"team":"b"}"#);
    let merged = alice.patches(&replica, &key.path(), json!({ "metadata": { "more": 1 } })).await;
    assert_eq!(notes(&merged), r#"{"more":1,"n":0,"team":"b"}"#);
    let found = alice.gets(&replica, &format!("{KEYS}?tag=team:b")).await.is(200);
    assert_eq!(found["keys"].as_array().map(Vec::len), Some(1));
}
