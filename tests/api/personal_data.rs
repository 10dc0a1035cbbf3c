//! docs/personal-data.md: what it says to run leaves nothing of a person but what it says stays.

use std::process::Command;

use keyward_local_postgres::programs::Programs;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, replica_with},
    eventually,
    program::{Folder, run_beside},
    replica::Replica,
    unique,
};

const PAGE: &str = include_str!("../../docs/personal-data.md");

/// The page's blocks of SQL: what deletes a person, and what makes the audit forget who it was.
fn blocks() -> [String; 2] {
    let blocks = PAGE.split("```sql\n").skip(1).map(|rest| rest.split("```").next().expect("a block").to_owned());
    blocks.collect::<Vec<_>>().try_into().expect("two blocks")
}

/// Runs a block as the page says, with psql.
async fn psql(url: &str, sql: &str, subject: &str) {
    let folder = Folder::new();
    let file = folder.file("delete.sql", sql);
    let mut psql = Command::new(Programs::find().expect("the programs of Postgres").path("psql"));
    psql.arg(url).args(["-v", "ON_ERROR_STOP=1", "-v", "issuer=", "-v"]).arg(format!("subject={subject}"));
    run_beside({
        psql.args(["-f", &file]);
        psql
    })
    .await
    .succeeded();
}

/// The tables in which `text` stands anywhere.
async fn tables_with(pool: &PgPool, text: &str) -> Vec<String> {
    let tables =
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
                  ORDER BY relname";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await.expect("the tables");
    assert!(tables.len() > 5, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM {table} AS row WHERE row::text LIKE '%{text}%'");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(pool).await.expect("a count");
        if count > 0 {
            // The audit is one table to whoever reads of it.
            found.push(if table.starts_with("audit_events") { "audit_events".to_owned() } else { table });
        }
    }
    found.dedup();
    found
}

#[tokio::test]
async fn a_person_is_deleted_by_what_the_page_says_and_only_the_audit_remembers() {
    let replica = replica_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let pool = replica.database().superuser_pool().await;
    let subject = format!("person-{}", unique());
    let (person, bystander, root) = (Person::named(&subject), Person::named("bystander"), Person::administrator());
    let key = makes_a_key(&person, &replica).await;
    let others = bystander.creates(&replica, json!({ "name": "mine" })).await;
    assert_eq!((key.status(&replica).await, others.status(&replica).await), (200, 200));
    eventually("the use is written", async || {
        sqlx::query_scalar("SELECT count(*) = 2 FROM key_uses").fetch_one(&pool).await.expect("a count")
    })
    .await;
    let owner = key.body["owner"]["id"].as_str().expect("an id").to_owned();
    root.posts(&replica, &format!("/v1/admin/owners/{owner}/disable"), json!({ "reason": subject })).await.is(200);
    let of_owner = format!("/v1/admin/owners/{owner}");
    puts(&root, &replica, "/v1/admin/plans/free", json!({ "maxKeys": 3 })).await;
    puts(&root, &replica, &format!("{of_owner}/plan"), json!({ "plan": "free" })).await;
    let limits = json!({ "limits": [{ "name": "minute", "limit": 9, "window": "1m" }], "credits": { "remaining": 5 } });
    puts(&root, &replica, &format!("{of_owner}/limits"), limits).await;
    for signed_in in [
        "INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, scopes, scope_bearing, signed_in_at,
                                       last_used_at, expires_at)
         VALUES (gen_random_uuid(), sha256(random()::text::bytea), '', 'acme', $1, '{}', true, now(), now(), now())",
        "INSERT INTO console_hand_overs (secret_hash, issuer, subject, person, scopes, scope_bearing, lasts, created_at,
                                         expires_at, maker_kind, maker_issuer, maker_subject)
         VALUES (sha256(random()::text::bytea), '', 'bystander', 'bystander', '{}', true, '1h', now(), now(), 'token', '', $1)",
    ] {
        sqlx::query(signed_in).bind(&subject).execute(&pool).await.expect("a row");
    }
    let before = [
        "api_keys",
        "audit_events",
        "console_hand_overs",
        "console_sessions",
        "disabled_owners",
        "idempotency_keys",
        "owner_limits",
        "owner_plans",
        "usage_keys",
    ];
    assert_eq!(tables_with(&pool, &subject).await, before);

    // Step 1.
    root.posts(&replica, &format!("{ALL_KEYS}/revoke"), json!({ "owner": owner, "reason": "deletion" })).await.is(200);
    let tokens = json!({ "issuer": "", "subject": subject, "reason": "deletion" });
    root.posts(&replica, "/v1/admin/tokens/revoke", tokens).await.is(200);
    assert_eq!(key.status(&replica).await, 401);
    puts(&root, &replica, &format!("{of_owner}/plan"), json!({ "plan": null })).await;
    let none = json!({ "limits": [], "credits": null });
    puts(&root, &replica, &format!("{of_owner}/limits"), none).await;
    let credits: i64 = sqlx::query_scalar("SELECT count(*) FROM credits").fetch_one(&pool).await.expect("a count");
    assert_eq!(credits, 0);
    // Step 2.
    let [delete, forget] = blocks();
    psql(replica.database().url(), &delete, &subject).await;
    assert_eq!(tables_with(&pool, &subject).await, ["audit_events", "tokens_not_before"]);
    assert_eq!(key.status(&replica).await, 401);
    person.gets(&replica, KEYS).await.is_problem(401, "invalid_token");
    let uses: i64 = sqlx::query_scalar("SELECT count(*) FROM key_uses").fetch_one(&pool).await.expect("a count");
    assert_eq!((uses, others.status(&replica).await), (1, 200));

    // What the audit keeps, unless somebody insists.
    psql(replica.database().url(), &forget, &subject).await;
    // The reason for which the owner was disabled was free text.
    let events = "SELECT count(*) FROM audit_events WHERE subject = $1 OR actor_subject = $1";
    let events: i64 = sqlx::query_scalar(events).bind(&subject).fetch_one(&pool).await.expect("a count");
    assert_eq!(events, 0);
    let refused = sqlx::query("DELETE FROM audit_events").execute(&pool).await;
    assert!(refused.is_err(), "the audit is final again");
}

/// Whoever skips the first step is told by the database itself.
#[tokio::test]
async fn deleted_rows_are_heard_of_by_replicas_that_knew_the_key() {
    let replica = replica_with(&[]).await;
    let subject = format!("person-{}", unique());
    let key = makes_a_key(&Person::named(&subject), &replica).await;
    assert_eq!(key.status(&replica).await, 200);
    let [delete, _] = blocks();
    psql(replica.database().url(), &delete, &subject).await;
    key.holder.is_refused(&replica).await;
}

async fn puts(person: &Person, replica: &Replica, path: &str, body: Value) {
    let answer = Reply::to(person.request(replica, Method::PUT, path).json(&body)).await;
    // 201 if it is new.
    assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text);
}

async fn makes_a_key(person: &Person, replica: &Replica) -> MadeKey {
    let request = person.request(replica, Method::POST, KEYS).header("idempotency-key", "once");
    MadeKey::of(Reply::to(request.json(&json!({ "name": "mine" }))).await.is(201))
}
