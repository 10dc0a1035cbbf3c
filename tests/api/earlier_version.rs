//! A rolling update: a replica of an earlier build beside one of this. `KEYWARD_EARLIER` names the earlier program, which is
//! from before migration 17; without it, these tests are skipped.

use std::{env, process::Command};

use serde_json::json;
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{MadeKey, changes_are_confirmed_by},
    replica::{Replica, command},
};

use crate::metrics::becomes;

const LEASE: (&str, &str) = ("KEYWARD__COHERENCE__LEASE", "3s");

/// One of each, which know each other: the new one migrates the database of the earlier one. `None` without an earlier
/// program.
async fn one_of_each(database: &TestDatabase, is_old: bool) -> Option<[Replica; 2]> {
    let mut earlier = Command::new(env::var_os("KEYWARD_EARLIER")?);
    earlier.env_clear().envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    earlier.arg("serve").env("DATABASE_URL", database.url()).env(LEASE.0, LEASE.1);
    let earlier = Replica::start_by(earlier, "127.0.0.1").await;
    if is_old {
        database.was_made_long_ago().await;
    }
    let replicas = [earlier, Replica::start_on(database.url(), &[LEASE]).await];
    for replica in &replicas {
        becomes(replica, "keyward_replicas", &[], |count| count == 2.0).await;
    }
    Some(replicas)
}

async fn known_key(replicas: &[Replica; 2]) -> MadeKey {
    let key = Person::named("alice").creates(&replicas[0], json!({})).await;
    for _ in 0..2 {
        key.is_everywhere(replicas, 200).await;
    }
    key
}

#[tokio::test]
async fn during_an_update_both_versions_confirm_each_others_changes() {
    let database = TestDatabase::empty().await;
    let Some(replicas) = one_of_each(&database, true).await else { return };
    for replica in &replicas {
        changes_are_confirmed_by(2, replica).await;
    }
    for round in 0..10 {
        let key = known_key(&replicas).await;
        let revoked = Person::named("alice").deletes(&replicas[round % 2], &key.path()).await.is(200);
        key.is_everywhere(&replicas, 401).await;
        assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&json!(2), &json!(0)), "{revoked}");
    }
}

/// Where nobody expects one any more, too.
#[tokio::test]
async fn beside_an_earlier_version_no_key_is_accepted_after_its_revoke_whichever_of_the_two_stands_still() {
    for is_old in [true, false] {
        let database = TestDatabase::empty().await;
        let Some(replicas) = one_of_each(&database, is_old).await else { return };
        for round in 0..6 {
            let key = known_key(&replicas).await;
            let (revoker, other) = (&replicas[round % 2], &replicas[(round + 1) % 2]);
            let stands_still = round % 4 < 2;
            if stands_still {
                other.signal("STOP");
            }
            let revoked = Person::named("alice").deletes(revoker, &key.path()).await.is(200);
            if stands_still {
                assert_eq!(revoked["replicasExpired"], 1, "{revoked}");
                other.signal("CONT");
            }
            key.is_everywhere(&replicas, 401).await;
        }
    }
}
