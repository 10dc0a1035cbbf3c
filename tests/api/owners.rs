//! An owner is switched off, and with the owner all keys.

use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use test_support::{
    actors::{Person, claims},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, replica, replica_with, shared_replica, three_replicas},
    eventually,
    replica::Replica,
};

use crate::commands::keyward;

async fn switch(replica: &Replica, owner: &str, action: &str) -> Reply {
    let path = format!("/v1/admin/owners/{owner}/{action}");
    Person::administrator().posts(replica, &path, json!({ "reason": "unpaid" })).await
}

const ALICE: &str = "AGFsaWNl";

#[tokio::test]
async fn an_owner_that_is_disabled_has_no_key_that_works_on_any_replica_and_enabling_restores_them() {
    let (database, replicas) = three_replicas(&[]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let (one, two) = (alice.creates(&replicas[0], json!({})).await, alice.creates(&replicas[0], json!({})).await);
    let of_bob = bob.creates(&replicas[0], json!({})).await;
    // So many that they are announced in several notifications.
    let rows = database.superuser_pool().await;
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT gen_random_uuid(), issuer, subject, environment, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 300) WHERE subject = 'alice'";
    for many in [false, true] {
        if many {
            sqlx::query(copy).execute(&rows).await.expect("copied");
        }
        for key in [&one, &two, &of_bob] {
            key.is_everywhere(&replicas, 200).await;
        }
        let answer = switch(&replicas[1], ALICE, "disable").await.is(200);
        assert_eq!(answer["owner"], json!({ "id": ALICE, "issuer": "", "subject": "alice" }));
        assert_eq!((&answer["disabled"], &answer["replicasExpired"]), (&json!(true), &json!(0)));
        for key in [&one, &two] {
            key.is_everywhere(&replicas, 401).await;
        }
        of_bob.is_everywhere(&replicas, 200).await;
        switch(&replicas[2], ALICE, "disable").await.is(200);
        let shown = alice.gets(&replicas[0], &one.path()).await.is(200);
        assert_eq!((&shown["state"], &shown["enabled"]), (&json!("disabled"), &json!(true)));
        assert_eq!(switch(&replicas[0], ALICE, "enable").await.is(200)["disabled"], false);
        one.is_everywhere(&replicas, 200).await;
    }
}

/// Owner ids of `root` and `eve`.
const ROOT: &str = "AHJvb3Q";
const EVE: &str = "AGV2ZQ";

#[tokio::test]
async fn tokens_of_a_disabled_owner_give_no_rights_on_keyward_and_the_command_line_is_the_way_back() {
    let replica = replica_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let (root, eve) = (Person::administrator(), Person::with_scopes("eve", "keyward:admin"));
    eve.gets(&replica, ALL_KEYS).await.is(200);
    switch(&replica, EVE, "disable").await.is(200);
    for answer in [
        eve.gets(&replica, ALL_KEYS).await,
        eve.gets(&replica, "/v1/admin/audit").await,
        eve.posts(&replica, &format!("/v1/admin/owners/{EVE}/enable"), json!({})).await,
        eve.posts(&replica, "/v1/admin/tokens/revoke", json!({ "issuer": "", "tokenId": "1" })).await,
        eve.posts(&replica, ALL_KEYS, json!({ "owner": { "subject": "bob" } })).await,
    ] {
        answer.is_problem(403, "not_allowed");
        let told = "The owner of the token is disabled, so it gives no rights on Keyward itself. Another administrator can \
                    enable the owner, and so can the operator with `keyward owners enable`.";
        assert_eq!(answer.is(403)["detail"], told, "{}", answer.text);
    }
    replica.prints("rights_of_disabled_owner").await;
    // What is theirs they still see.
    eve.gets(&replica, KEYS).await.is(200);
    switch(&replica, EVE, "enable").await.is(200);
    eve.gets(&replica, ALL_KEYS).await.is(200);

    // The last administrator may disable themselves, and the command line asks for no token.
    switch(&replica, EVE, "disable").await.is(200);
    switch(&replica, ROOT, "disable").await.is(200);
    switch(&replica, ROOT, "enable").await.is_problem(403, "not_allowed");
    keyward(replica.database(), &["owners", "enable", "--subject=root"]).await.succeeded();
    root.gets(&replica, ALL_KEYS).await.is(200);
}

/// Such a row is about two owners: the one it named, and the one it names.
#[tokio::test]
async fn a_row_that_psql_turns_to_another_owner_lets_the_first_ones_keys_work_again() {
    let (replica, alice, bob) = (replica().await, Person::named("alice"), Person::named("bob"));
    let (of_alice, of_bob) = (alice.creates(&replica, json!({})).await, bob.creates(&replica, json!({})).await);
    let rows = replica.database().superuser_pool().await;
    switch(&replica, ALICE, "disable").await.is(200);
    // Both are remembered as they are.
    assert_eq!((of_alice.status(&replica).await, of_bob.status(&replica).await), (401, 200));
    sqlx::query("UPDATE disabled_owners SET subject = 'bob'").execute(&rows).await.expect("done");
    eventually("the other one's keys stop", async || of_bob.status(&replica).await == 401).await;
    eventually("the first one's work", async || of_alice.status(&replica).await == 200).await;
}

/// Whichever comes first: a key is made and then stopped with the others, or it is not made.
#[tokio::test]
async fn keys_that_are_made_while_their_owner_is_being_disabled_do_not_work_either() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    for _ in 0..3 {
        let make = async |replica: &Replica| {
            let answer = alice.posts(replica, KEYS, json!({})).await;
            if answer.status != 201 {
                answer.is_problem(403, "owner_disabled");
                return None;
            }
            let made = MadeKey::of(answer.is(201));
            made.status(replica).await;
            Some(made)
        };
        let (first, second, third, switched) = tokio::join!(
            make(&replicas[0]),
            make(&replicas[1]),
            make(&replicas[2]),
            switch(&replicas[0], ALICE, "disable"),
        );
        switched.is(200);
        for made in [first, second, third].into_iter().flatten() {
            made.is_everywhere(&replicas, 401).await;
        }
        switch(&replicas[1], ALICE, "enable").await.is(200);
    }
}

#[tokio::test]
async fn the_answers_to_a_disabled_owner_say_how_the_keys_stand() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let key = alice.creates(&replica, json!({})).await;
    switch(&replica, &alice.owner(), "disable").await.is(200);
    assert_eq!(key.status(&replica).await, 401);
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["state"], "disabled");
    let renamed = alice.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
    assert_eq!((&renamed["state"], &renamed["enabled"]), (&json!("disabled"), &json!(true)));
}

#[tokio::test]
async fn what_cannot_be_an_owner_is_none() {
    let replica = shared_replica().await;
    let word = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    // Of the length that no token's subject has. Digits that no compression makes short.
    let long: String =
        (0..400_u64).map(|number| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let too_long =
        [word(&format!("\0{}", &long[..1025])), word(&format!("{}\0x", &long[..1025])), word(&format!("\0{long}"))];
    for bad in ["alice", "AA", "%00", "x", &word("no separator"), &word("\0a\0b")]
        .into_iter()
        .chain(too_long.iter().map(String::as_str))
    {
        switch(&replica, bad, "disable").await.is_problem(404, "not_found");
    }
    let longest = word(&format!("{}\0{}", &long[..1024], &long[1024..2048]));
    for action in ["disable", "enable", "enable"] {
        switch(&replica, &longest, action).await.is(200);
    }
    let path = format!("/v1/admin/owners/{ALICE}/disable");
    for body in [json!({ "reason": "" }), json!({ "reason": 1 }), json!({ "until": "x" })] {
        Person::administrator().posts(&replica, &path, body).await.is_problem(422, "invalid_fields");
    }
}

#[tokio::test]
async fn a_token_that_says_its_owner_is_disabled_is_refused_and_stops_the_owners_keys() {
    let (_database, replicas) = three_replicas(&[("KEYWARD__JWT__DISABLED_CLAIM", "suspended")]).await;
    let says = |value: Value| {
        let mut claims = claims("alice");
        claims["suspended"] = value;
        Person::with_claims(&claims)
    };
    let alice = says(json!(false));
    let key = alice.creates(&replicas[0], json!({})).await;
    key.is_everywhere(&replicas, 200).await;
    says(Value::Null).gets(&replicas[0], KEYS).await.is(200);
    says(json!(true)).gets(&replicas[1], KEYS).await.is_problem(401, "invalid_token");
    key.is_everywhere(&replicas, 401).await;
    says(json!("since yesterday")).gets(&replicas[1], KEYS).await.is_problem(401, "invalid_token");
    // Whoever is enabled is enabled by an administrator.
    alice.gets(&replicas[0], KEYS).await.is(200);
    key.is_everywhere(&replicas, 401).await;
    switch(&replicas[0], ALICE, "enable").await.is(200);
    key.is_everywhere(&replicas, 200).await;
    let events = alice.gets(&replicas[0], "/v1/audit").await.is(200);
    let stopped = &events["events"][1];
    assert_eq!((&stopped["action"], &stopped["actor"]["subject"]), (&json!("owner.disabled"), &json!("alice")));
}

/// Who is refused may come back as often as they like.
#[tokio::test]
async fn a_refused_person_makes_no_replica_read_the_owners_keys_twice() {
    let env = [("KEYWARD__JWT__DISABLED_CLAIM", "suspended")];
    let replica = replica_with(&env).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    let mut listener = PgListener::connect(replica.database().url()).await.expect("a connection");
    listener.listen("keyward").await.expect("listening");
    let mut suspended = claims("alice");
    suspended["suspended"] = json!(true);
    let rows = replica.database().superuser_pool().await;
    let id = sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM api_keys").fetch_one(&rows).await.expect("a row");
    // Each replica has a memory of its own of whom it has stopped, and this one has none yet.
    let other =
        Replica::start_on(replica.database().url(), &[&[test_support::asking::SHORT_LEASE], &env[..]].concat()).await;
    for (replica, announced) in [(&replica, true), (&replica, false), (&other, false)] {
        suspended["jti"] = json!(test_support::unique());
        Person::with_claims(&suspended).gets(replica, KEYS).await.is_problem(401, "invalid_token");
        sqlx::query("NOTIFY keyward, 'end of it'").execute(&rows).await.expect("a notification");
        let mut told = Vec::new();
        loop {
            let arrived = listener.recv().await.expect("a notification");
            if arrived.payload() == "end of it" {
                break;
            }
            told.push(arrived.payload().to_owned());
        }
        assert!(!told.iter().any(|payload| payload.ends_with('*')), "{told:?}");
        let names = |payload: &String| payload.starts_with("changed ") && payload.contains(&id.to_string());
        assert_eq!(told.iter().any(names), announced, "{told:?}");
    }
    assert_eq!((key.status(&replica).await, key.status(&other).await), (401, 401));
}

#[tokio::test]
async fn the_members_of_an_organisation_share_its_keys_and_the_audit_names_the_person() {
    let replica = replica_with(&[("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let member = |name: &str, organisation: Value| {
        let mut claims = claims(name);
        claims["org"] = organisation;
        Person::with_claims(&claims)
    };
    let (alice, bob) = (member("alice", json!("acme")), member("bob", json!("acme")));
    let key = alice.creates(&replica, json!({})).await;
    assert_eq!((&key.body["owner"]["subject"], key.status(&replica).await), (&json!("acme"), 200));
    assert_eq!(bob.gets(&replica, KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(1));
    bob.deletes(&replica, &key.path()).await.is(200);
    let events = alice.gets(&replica, "/v1/audit").await.is(200);
    let actors: Vec<_> =
        events["events"].as_array().expect("a list").iter().map(|event| &event["actor"]["subject"]).collect();
    assert_eq!(actors, ["bob", "alice"]);
    member("alice", json!("other")).gets(&replica, &key.path()).await.is_problem(404, "not_found");
    for bad in [json!(""), json!(null), json!(1), json!(["acme"]), json!("a\u{0}b")] {
        member("alice", bad).gets(&replica, KEYS).await.is_problem(401, "invalid_token");
    }
    // Not even who is called like it is the organisation.
    Person::named("acme").gets(&replica, KEYS).await.is_problem(401, "invalid_token");
}
