//! `keyward tokens revoke`: tokens are ended on the database directly.

use serde_json::{Value, json as value};
use test_support::{
    actors::{Person, claims},
    asking::{KEYS, replica_with},
    replica::Replica,
};

use crate::commands::{json, keyward};

fn bearer(more: Value) -> Person {
    let mut claims = claims("victim");
    claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    Person::with_claims(&claims)
}

async fn status(person: &Person, replica: &Replica) -> u16 {
    person.gets(replica, KEYS).await.status
}

#[tokio::test]
async fn tokens_end_by_their_id_or_by_their_subject_and_the_audit_names_the_command_line() {
    let replica = replica_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let revoke = async |options: &[&str]| keyward(replica.database(), &[&["tokens", "revoke"], options].concat()).await;
    let now = test_support::actors::now();
    let (one, other) = (bearer(value!({ "jti": "1" })), bearer(value!({ "jti": "2", "iat": now })));
    assert_eq!((status(&one, &replica).await, status(&other, &replica).await), (200, 200));
    let ended = json(&revoke(&["--token-id", "1", "--issuer", "", "--json"]).await.succeeded());
    assert_eq!(ended, value!({ "issuer": "", "tokenId": "1" }));
    assert_eq!((status(&one, &replica).await, status(&other, &replica).await), (401, 200));

    let earlier = revoke(&["--subject", "victim", "--issuer", "", "--not-before", "2h", "--json"]).await.succeeded();
    assert!(json(&earlier)["notBefore"].is_string(), "{earlier}");
    assert_eq!(status(&other, &replica).await, 200, "it was issued later");
    let told = revoke(&["--subject", "victim", "--issuer", "", "--reason", "stolen"]).await.succeeded();
    assert_eq!(told, "Revoked the tokens of \"victim\": no replica accepts any of them any more.\n");
    assert_eq!(status(&other, &replica).await, 401);
    let events = Person::administrator().gets(&replica, "/v1/admin/audit?limit=1").await.is(200);
    let event = &events["events"][0];
    assert_eq!(
        (&event["action"], &event["actor"]["kind"]),
        (&value!("subject.tokens_revoked"), &value!("command_line"))
    );
    assert_eq!(event["details"]["reason"], "stolen");
}

#[tokio::test]
async fn whose_tokens_are_meant_must_be_clear() {
    let replica = replica_with(&[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let revoke = async |options: &[&str]| keyward(replica.database(), &[&["tokens", "revoke"], options].concat()).await;
    for misuse in [
        &[][..],
        &["--issuer", ""],
        &["--token-id", "1", "--subject", "victim"],
        &["--token-id", "1", "--not-before", "2h"],
        &["--subject", "victim", "--expires-at", "2100-01-01T00:00:00Z"],
        &["--subject", ""],
    ] {
        assert_eq!(revoke(misuse).await.code, Some(2), "{misuse:?}");
    }
    let later = &["--subject", "victim", "--issuer", "", "--not-before", "2100-01-01T00:00:00Z"][..];
    let ended = &["--token-id", "1", "--issuer", "", "--expires-at", "2001-01-01T00:00:00Z"][..];
    for (options, code, told) in [
        (&["--subject", "victim"][..], 1, "name the issuer of the tokens with --issuer"),
        (later, 2, "must not be in the future"),
        (ended, 2, "must be in the future"),
    ] {
        let ended = revoke(options).await;
        assert_eq!(ended.code, Some(code), "{options:?}: {ended:#?}");
        assert!(ended.stderr.contains(told) && ended.stderr.lines().count() == 1, "{options:?}: {ended:#?}");
    }
    // A whole token would be kept, and end nothing.
    let token = bearer(value!({ "jti": "1" })).token;
    for option in ["--token-id", "--subject"] {
        let ended = revoke(&[option, &token, "--issuer", ""]).await;
        let told = "name a claim of its payload: `keyward tokens revoke --token-id` takes jti, --subject takes sub";
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{ended:#?}");
        assert!(!ended.stderr.contains(&token[..60]), "{ended:#?}");
    }
    // Where one issuer is configured, it is the one that is meant, and no other can be.
    let issuer = "https://login.example.com/";
    let with_an_issuer = async |options: &[&str]| {
        let mut command = test_support::replica::command();
        command.args(["tokens", "revoke", "--token-id", "1"]).args(options);
        command.env("DATABASE_URL", replica.database().url()).env("KEYWARD__JWT__ISSUER", issuer);
        test_support::program::run_beside(command).await
    };
    assert_eq!(json(&with_an_issuer(&["--json"]).await.succeeded())["issuer"], issuer);
    let message = with_an_issuer(&["--issuer", "https://typo.example"]).await.failed();
    assert!(message.contains("no tokens of the issuer") && message.contains("to the letter"), "{message}");
}
