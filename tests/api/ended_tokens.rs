//! Tokens that are ended before they expire, on three replicas and over real HTTP.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    PrivateCluster,
    actors::{CREATE, Person, claims, stranger},
    asking::{KEYS, Reply, VERIFY, changes_are_confirmed_by, pairs, replica, replica_with, three_replicas},
    eventually,
    replica::Replica,
    wire::Connection,
};

const REVOKE: &str = "/v1/admin/tokens/revoke";

/// Somebody whose token has these claims, too.
fn bearer(subject: &str, more: Value) -> Person {
    let mut claims = claims(subject);
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    Person::with_claims(&claims)
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// Of tokens without `iss`, where the body does not say otherwise.
async fn revoke(replica: &Replica, mut body: Value) -> Reply {
    let members = body.as_object_mut().expect("an object");
    members.entry("issuer").or_insert_with(|| json!(""));
    Person::administrator().posts(replica, REVOKE, body).await
}

/// What every one of `replicas` answers for this token, all asked at once: none gets time to learn of a change.
async fn is_everywhere(person: &Person, replicas: &[Replica], status: u16) {
    let answers = join_all(replicas.iter().map(|replica| person.gets(replica, KEYS))).await;
    for answer in answers {
        match status {
            401 => answer.is_problem(401, "invalid_token"),
            status => drop(answer.is(status)),
        }
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_is_refused_by_every_replica_when_the_revoke_returns() {
    let (_database, replicas) = three_replicas(&[]).await;
    // Several times, for a replica that has not answered may be lucky once.
    for turn in 0..5 {
        let id = format!("token-{turn}");
        let (alice, her_other) = (bearer("alice", json!({ "jti": id })), bearer("alice", json!({ "jti": "other" })));
        let nameless = Person::named("alice");
        for person in [&alice, &her_other, &nameless] {
            is_everywhere(person, &replicas, 200).await;
        }
        let answer = revoke(&replicas[turn % 3], json!({ "tokenId": id })).await.is(200);
        is_everywhere(&alice, &replicas, 401).await;
        assert_eq!((&answer["issuer"], &answer["tokenId"]), (&json!(""), &json!(id)));
        assert_eq!(answer["replicasExpired"], 0);
        // The first one waits for whoever it may not have heard of yet, and does not count them.
        assert!(turn == 0 || answer["replicasConfirmed"] == 3, "{answer}");
        assert!(answer["tookMs"].as_f64().is_some_and(|millis| millis > 0.0), "{answer}");
        for person in [&her_other, &nameless] {
            is_everywhere(person, &replicas, 200).await;
        }
    }
    replicas[0].prints("token_revoked").await;
}

#[tokio::test]
async fn a_not_before_ends_the_subjects_earlier_tokens_everywhere_and_lets_later_ones_in() {
    let (_database, replicas) = three_replicas(&[]).await;
    let issued = |ago: i64| bearer("alice", json!({ "iat": now() - ago, "jti": ago.to_string() }));
    let (earlier, dateless, bob) = (issued(30), Person::named("alice"), bearer("bob", json!({ "iat": now() - 30 })));
    for person in [&earlier, &dateless, &bob] {
        is_everywhere(person, &replicas, 200).await;
    }
    let answer = revoke(&replicas[1], json!({ "subject": "alice" })).await.is(200);
    for person in [&earlier, &dateless] {
        is_everywhere(person, &replicas, 401).await;
    }
    assert_eq!((&answer["subject"], &answer["replicasExpired"]), (&json!("alice"), &json!(0)));
    let not_before = answer["notBefore"].as_str().expect("an instant").to_owned();
    is_everywhere(&bob, &replicas, 200).await;
    // A token of the second after: the clocks of issuer and replicas are one here.
    is_everywhere(&bearer("alice", json!({ "iat": now() + 1 })), &replicas, 200).await;
    // It only ever grows.
    let again = revoke(&replicas[2], json!({ "subject": "alice", "notBefore": "2020-01-01T00:00:00Z" })).await.is(200);
    assert_eq!(again["notBefore"], not_before);
    is_everywhere(&earlier, &replicas, 401).await;
    replicas[0].prints("token_before_not_before").await;
}

#[tokio::test]
async fn revoking_again_changes_nothing_and_is_remembered_once() {
    let replica = replica().await;
    let root = Person::administrator();
    for _ in 0..3 {
        revoke(&replica, json!({ "tokenId": "1", "reason": "stolen" })).await.is(200);
        let body = json!({ "subject": "alice", "notBefore": "2026-01-01T00:00:00Z", "reason": "signed out" });
        revoke(&replica, body).await.is(200);
    }
    let events = root.gets(&replica, "/v1/admin/audit").await.is(200);
    let events: Vec<_> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| (&event["action"], &event["owner"]["subject"], &event["actor"]["subject"], &event["details"]))
        .collect();
    assert_eq!(
        events,
        [
            (
                &json!("subject.tokens_revoked"),
                &json!("alice"),
                &json!("root"),
                &json!({ "notBefore": "2026-01-01T00:00:00.000Z", "reason": "signed out" })
            ),
            (
                &json!("token.revoked"),
                &Value::Null,
                &json!("root"),
                &json!({ "issuer": "", "tokenId": "1", "reason": "stolen" })
            ),
        ]
    );
}

#[tokio::test]
async fn a_token_that_was_revoked_is_good_nowhere() {
    let replica = replica().await;
    let service = Person::with_scopes("service", "keyward:verify");
    let (alice, agent) =
        (bearer("alice", json!({ "jti": "1" })), bearer("agent", json!({ "jti": "2", "scope": "keyward:verify" })));
    let introspect = async || {
        let request = service.request(&replica, Method::POST, "/v1/introspect");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Reply::to(request.body(format!("token={}", alice.token))).await.is(200)["active"].clone()
    };
    let guide = async || stranger(&replica, Method::POST, CREATE).bearer_auth(&alice.token).send().await;
    let verify = async || agent.posts(&replica, VERIFY, json!({ "key": "x" })).await.status;
    assert_eq!((introspect().await, verify().await), (json!(true), 200));
    assert_eq!(guide().await.expect("an answer").status(), 201);
    for id in ["1", "2"] {
        revoke(&replica, json!({ "tokenId": id })).await.is(200);
    }
    assert_eq!((introspect().await, verify().await), (json!(false), 401));
    let refused = guide().await.expect("an answer");
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.text().await.expect("a body"), r#"{"message":"Failed to authenticate token"}"#);
    // An administrator's own, too.
    let mallory = bearer("mallory", json!({ "jti": "3", "scope": "keyward:admin" }));
    mallory.posts(&replica, REVOKE, json!({ "issuer": "", "tokenId": "3" })).await.is(200);
    mallory.posts(&replica, REVOKE, json!({ "issuer": "", "tokenId": "4" })).await.is_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_token_that_says_its_owner_is_disabled_ends_the_bearers_earlier_tokens_everywhere() {
    let (_database, replicas) = three_replicas(&[("KEYWARD__JWT__DISABLED_CLAIM", "suspended")]).await;
    let issued = |subject: &str, ago: i64, suspended: bool| {
        bearer(subject, json!({ "iat": now() - ago, "jti": ago.to_string(), "suspended": suspended }))
    };
    let (earlier, later, bob) = (issued("alice", 20, false), issued("alice", 5, false), issued("bob", 20, false));
    for person in [&earlier, &later, &bob] {
        is_everywhere(person, &replicas, 200).await;
    }
    issued("alice", 10, true).gets(&replicas[1], KEYS).await.is_problem(401, "invalid_token");
    is_everywhere(&earlier, &replicas, 401).await;
    // Whoever is enabled again gets a new token, and it works.
    for person in [&later, &bob] {
        is_everywhere(person, &replicas, 200).await;
    }
}

#[tokio::test]
async fn a_token_that_says_so_ends_the_earlier_ones_though_its_bearer_hangs_up() {
    let replica = replica_with(&[
        ("KEYWARD__JWT__DISABLED_CLAIM", "suspended"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "30s"),
        ("KEYWARD__SERVER__WORKERS", "1"),
    ])
    .await;
    let rows = replica.database().superuser_pool().await;
    let mut in_the_way = rows.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE disabled_owners").execute(&mut *in_the_way).await.expect("a lock");
    let token = bearer("alice", json!({ "iat": now(), "suspended": true })).token;
    let mut connection = Connection::open(&replica).await;
    let question = format!("GET {KEYS} HTTP/1.1\r\nhost: keyward\r\nauthorization: Bearer {token}\r\n\r\n");
    // An answer to it that is never read makes a reset of the end.
    connection.send(format!("GET /healthz HTTP/1.1\r\nhost: keyward\r\n\r\n{question}")).await;
    let waits = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
                                WHERE NOT granted AND datname = current_database())";
    let waits = async || sqlx::query_scalar::<_, bool>(waits).fetch_one(&rows).await.expect("an answer");
    eventually("the owner is being disabled", waits).await;
    drop(connection);
    // The only worker comes to this later than to the reset.
    assert_eq!(stranger(&replica, Method::GET, "/healthz").send().await.expect("an answer").status(), 200);
    in_the_way.rollback().await.expect("out of the way");
    let ended = "SELECT EXISTS (SELECT FROM tokens_not_before WHERE subject = 'alice')";
    let ended = async || sqlx::query_scalar::<_, bool>(ended).fetch_one(&rows).await.expect("an answer");
    eventually("her earlier tokens are ended", ended).await;
}

#[tokio::test]
async fn what_psql_writes_counts_too() {
    let (database, replicas) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let run = async |statement: &'static str| {
        sqlx::query(statement).execute(&rows).await.expect("done");
    };
    let becomes = async |person: &Person, status: u16| {
        for replica in &replicas {
            eventually("it arrives", async || person.gets(replica, KEYS).await.status == status).await;
        }
    };
    let alice = bearer("alice", json!({ "jti": "é☃", "iat": now() - 30 }));
    is_everywhere(&alice, &replicas, 200).await;
    run("INSERT INTO revoked_tokens (issuer, token_id) VALUES ('', 'é☃')").await;
    becomes(&alice, 401).await;
    run("UPDATE revoked_tokens SET token_id = 'other'").await;
    becomes(&alice, 200).await;
    run("UPDATE revoked_tokens SET token_id = 'é☃'").await;
    becomes(&alice, 401).await;
    run("DELETE FROM revoked_tokens").await;
    becomes(&alice, 200).await;
    run("INSERT INTO tokens_not_before (issuer, subject) VALUES ('', 'alice')").await;
    becomes(&alice, 401).await;
    run("UPDATE tokens_not_before SET not_before = now() - interval '1 hour'").await;
    becomes(&alice, 200).await;
    run("UPDATE tokens_not_before SET not_before = now()").await;
    becomes(&alice, 401).await;
    run("TRUNCATE tokens_not_before").await;
    becomes(&alice, 200).await;
}

#[tokio::test]
async fn only_administrators_revoke_tokens() {
    let replica = replica().await;
    let alice = bearer("alice", json!({ "jti": "1" }));
    alice.posts(&replica, REVOKE, json!({ "tokenId": "1" })).await.is_problem(403, "insufficient_scope");
    let service = Person::with_scopes("service", "keyward:verify");
    service.posts(&replica, REVOKE, json!({ "subject": "alice" })).await.is_problem(403, "insufficient_scope");
    Reply::to(stranger(&replica, Method::POST, REVOKE)).await.is_problem(401, "missing_credential");
    alice.gets(&replica, KEYS).await.is(200);
}

#[tokio::test]
async fn what_does_not_name_tokens_is_refused_field_by_field() {
    let replica = replica().await;
    let long = "x".repeat(1025);
    for (body, wrong) in [
        (json!({}), pairs(&[("/tokenId", "required")])),
        (json!({ "tokenId": null, "subject": null }), pairs(&[("/tokenId", "required")])),
        (json!({ "issuer": "", "notBefore": "2020-01-01T00:00:00Z" }), pairs(&[("/tokenId", "required")])),
        (json!({ "tokenId": "1", "subject": "alice" }), pairs(&[("/subject", "conflict")])),
        (json!({ "tokenId": "1", "notBefore": "2020-01-01T00:00:00Z" }), pairs(&[("/notBefore", "conflict")])),
        (json!({ "subject": "a", "expiresAt": "2030-01-01T00:00:00Z" }), pairs(&[("/expiresAt", "conflict")])),
        (json!({ "tokenId": "", "reason": "" }), pairs(&[("/reason", "invalid"), ("/tokenId", "invalid")])),
        (json!({ "tokenId": long }), pairs(&[("/tokenId", "invalid")])),
        (json!({ "tokenId": 1 }), pairs(&[("/tokenId", "wrong_type")])),
        (json!({ "subject": "a\u{0}b" }), pairs(&[("/subject", "invalid")])),
        (json!({ "subject": "a", "notBefore": "yesterday" }), pairs(&[("/notBefore", "invalid")])),
        // In UTC, before the year 0.
        (json!({ "subject": "a", "notBefore": "0000-01-01T00:00:00+01:00" }), pairs(&[("/notBefore", "invalid")])),
        (json!({ "subject": "a", "notBefore": "2126-01-01T00:00:00Z" }), pairs(&[("/notBefore", "in_the_future")])),
        (json!({ "tokenId": "1", "expiresAt": 1_893_456_000 }), pairs(&[("/expiresAt", "wrong_type")])),
        (json!({ "jti": "1", "tokenId": "1" }), pairs(&[("/jti", "unknown_field")])),
        (json!({ "issuer": 1, "tokenId": "1" }), pairs(&[("/issuer", "wrong_type")])),
    ] {
        assert_eq!(revoke(&replica, body.clone()).await.wrong_fields(), wrong, "{body}");
    }
    for body in [
        json!({ "tokenId": "1", "notBefore": null, "subject": null, "expiresAt": null, "reason": null }),
        json!({ "tokenId": "x".repeat(1024), "expiresAt": "2100-01-01T00:00:00Z" }),
        json!({ "tokenId": "1", "expiresAt": "9999-12-31T23:59:59Z" }),
        json!({ "subject": "a", "notBefore": "0000-01-01T00:00:00Z" }),
        // Such a token is accepted here, whoever it says has issued it.
        json!({ "issuer": "https://anybody.example", "subject": "a" }),
    ] {
        revoke(&replica, body).await.is(200);
    }
}

#[tokio::test]
async fn an_issuer_whose_tokens_are_not_accepted_is_a_mistake() {
    let replica = replica_with(&[("KEYWARD__JWT__ISSUER", "https://login.example.com/")]).await;
    let with_issuer = |scope: &str, id: &str| {
        bearer("root", json!({ "iss": "https://login.example.com/", "scope": scope, "jti": id }))
    };
    let (root, alice) = (with_issuer("keyward:admin", "0"), with_issuer("", "1"));
    for other in ["", "https://login.example.com", "HTTPS://login.example.com/"] {
        let body = json!({ "issuer": other, "tokenId": "1" });
        assert_eq!(
            root.posts(&replica, REVOKE, body).await.wrong_fields(),
            pairs(&[("/issuer", "invalid")]),
            "{other}"
        );
    }
    alice.gets(&replica, KEYS).await.is(200);
    let answer = root.posts(&replica, REVOKE, json!({ "tokenId": "1" })).await.is(200);
    assert_eq!(answer["issuer"], "https://login.example.com/");
    alice.gets(&replica, KEYS).await.is_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_replica_that_was_stopped_does_not_accept_the_token_when_it_goes_on() {
    let (_database, replicas) = three_replicas(&[]).await;
    for turn in 0..3 {
        let alice = bearer("alice", json!({ "jti": turn.to_string() }));
        is_everywhere(&alice, &replicas, 200).await;
        replicas[1].signal("STOP");
        let answer = revoke(&replicas[0], json!({ "tokenId": turn.to_string() })).await;
        // This waits in its socket until it goes on.
        let asked = tokio::spawn(alice.request(&replicas[1], Method::GET, KEYS).send());
        tokio::task::yield_now().await;
        replicas[1].signal("CONT");
        // It is not counted where it had no lease yet, neither at first nor after the last pause.
        answer.is(200);
        assert_eq!(asked.await.expect("it was asked").expect("an answer").status(), 401);
        is_everywhere(&alice, &replicas, 401).await;
    }
}

#[tokio::test]
async fn what_is_of_no_use_any_more_is_forgotten_as_new_ends_come() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    for statement in [
        "INSERT INTO revoked_tokens (issuer, token_id, expires_at)
         SELECT '', number::text, now() - interval '1 minute' FROM generate_series(1, 10) AS number",
        "INSERT INTO tokens_not_before (issuer, subject, expires_at)
         SELECT '', number::text, now() - interval '1 minute' FROM generate_series(1, 10) AS number",
    ] {
        sqlx::query(statement).execute(&rows).await.expect("rows");
    }
    for number in 0..8 {
        revoke(&replica, json!({ "tokenId": format!("new {number}") })).await.is(200);
        revoke(&replica, json!({ "subject": format!("new {number}") })).await.is(200);
    }
    let left = "SELECT (SELECT count(*) FROM revoked_tokens), (SELECT count(*) FROM tokens_not_before),
                       (SELECT count(*) FROM revoked_tokens WHERE expires_at < now() + interval '29 days'),
                       (SELECT count(*) FROM tokens_not_before WHERE expires_at < now() + interval '29 days')";
    let left: (i64, i64, i64, i64) = sqlx::query_as(left).fetch_one(&rows).await.expect("a row");
    assert_eq!(left, (8, 8, 0, 0));
}

/// A lease that outlasts the test: within it, memory is believed.
#[tokio::test]
async fn while_the_database_is_away_tokens_seen_before_go_on_and_others_are_undecided() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[("KEYWARD__COHERENCE__LEASE", "1m")]).await;
    let service = |id: &str| bearer("service", json!({ "jti": id, "scope": "keyward:verify" }));
    let (seen, new) = (service("1"), service("2"));
    // Asked of what is no key, which needs no database.
    let asks = async |person: &Person| person.posts(&replica, VERIFY, json!({ "key": "x" })).await;
    // The pauses below would leave no heartbeat the time to arrive.
    changes_are_confirmed_by(1, &replica).await;
    eventually("the token is remembered under a lease", async || {
        asks(&seen).await.is(200);
        cluster.pause();
        let status = asks(&seen).await.status;
        cluster.resume();
        status == 200
    })
    .await;
    cluster.stop().await;
    for _ in 0..3 {
        asks(&seen).await.is(200);
        let undecided = asks(&new).await;
        undecided.is_problem(503, "unavailable");
        assert!(undecided.header("retry-after").is_some());
        assert!(undecided.header("www-authenticate").is_none());
        asks(&Person { token: format!("{}x", new.token) }).await.is_problem(401, "invalid_token");
    }
    cluster.restart().await;
    eventually("the new one is looked up", async || asks(&new).await.status == 200).await;
}
