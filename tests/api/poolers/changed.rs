//! A pooler that changes while replicas work.

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{MadeKey, Reply, changes_are_confirmed_by},
    replica::Replica,
};

use super::carried::Behind;

const KEEPS: &str = "pool_mode = transaction\ndefault_pool_size = 2\nmax_prepared_statements = 100";
const MIXES_UP: &str = "pool_mode = transaction\ndefault_pool_size = 2\nmax_prepared_statements = 0";

/// Somebody with a key, and how many.
struct Owner {
    person: Person,
    key: MadeKey,
}

impl Owner {
    /// Asks for one of many things, each with statements of its own: it is answered rightly, or not at all.
    async fn asks(&self, replica: &Replica, which: usize) {
        let (person, key) = (&self.person, &self.key);
        let right = |answer: Reply, is_right: fn(&Value) -> bool| {
            assert!(answer.status == 503 || is_right(&answer.is(200)), "{which}: {answer:?}");
        };
        let list = async |query: &str| {
            let answer = person.gets(replica, &format!("/v1/keys?{query}")).await;
            right(answer, |body| body["keys"].as_array().is_some_and(|keys| keys.len() == 1));
        };
        match which % 8 {
            0 => list("limit=10").await,
            1 => list("sort=expiresAt").await,
            2 => list("state=active").await,
            3 => list("sort=-name").await,
            4 => right(person.gets(replica, &key.path()).await, |body| body["name"] == "kept"),
            5 => right(person.patches(replica, &key.path(), json!({ "name": "kept" })).await, |body| {
                body["name"] == "kept"
            }),
            6 => {
                let status = key.status(replica).await;
                assert!([200, 503].contains(&status), "{status}");
            }
            _ => right(Person::administrator().gets(replica, "/v1/admin/keys?limit=1").await, |body| {
                body["keys"].as_array().is_some_and(|keys| keys.len() == 1)
            }),
        }
    }
}

#[tokio::test]
async fn when_a_pooler_no_longer_keeps_statements_apart_nothing_wrong_is_done() {
    let Some(behind) = Behind::pgbouncer(test_support::database().await, KEEPS).await else { return };
    let replicas = behind.replicas().await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let owners = join_all((0..8).map(async |number| {
        let person = Person::named(&format!("owner {number}"));
        let key = person.creates(&replicas[number % 3], json!({ "name": "kept" })).await;
        Owner { person, key }
    }))
    .await;
    let round = async |round: usize, kinds: usize| {
        let asks = owners.iter().enumerate().map(|(number, owner)| {
            let which = (number * 5 + round * 3) % kinds;
            owner.asks(&replicas[(number + round) % 3], which)
        });
        join_all(asks).await;
    };
    // Each connection has its own statements, in an order of its own.
    for number in 0..10 {
        round(number, 4).await;
    }
    behind.pooler.reload(MIXES_UP);
    for number in 0..60 {
        round(number, 8).await;
    }
    for replica in &replicas {
        replica.prints("the pooler in between would mix them up").await;
        // Postgres notices some of the statements that are executed in place of others by their parameters.
        let output = replica.output();
        assert!(!output.contains("bind message supplies"), "{}", replica.last_output());
    }
}
