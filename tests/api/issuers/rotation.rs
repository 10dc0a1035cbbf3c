//! An issuer changes its keys while replicas serve.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use test_support::{client::client, database, eventually, program::Folder, replica::Replica};

use super::{TOKEN_ROUTE, provider::Provider, signing::SigningKey, table};

const REPLICAS: usize = 3;
const CLIENTS_OF_EACH: usize = 4;

/// What the clients present, and what came of it.
struct Load {
    rotated: AtomicBool,
    over: AtomicBool,
    served: Vec<AtomicUsize>,
}

impl Load {
    /// Waits until each replica has answered so many more.
    async fn goes_on(&self, more: usize) {
        let before: Vec<usize> = self.served.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        eventually("each replica goes on serving", async || {
            self.served.iter().zip(&before).all(|(count, before)| count.load(Ordering::Relaxed) > before + more)
        })
        .await;
    }
}

#[tokio::test]
async fn no_request_fails_while_an_issuer_rotates_its_keys_under_three_replicas() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let provider = Provider::with(&[&old]).await;
    let (database, folder) = (database().await, Folder::new());
    let file = folder.file("keyward.toml", &table(&provider.issuer(), "discovery = true"));
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start_on(database.url(), &[("KEYWARD_CONFIG", &file)]).await);
    }
    let tokens = [provider.token(&old), provider.token(&new)];
    let has_keys = async |replica: &Replica| super::asked(replica, TOKEN_ROUTE, &tokens[0]).await.status() == 200;
    for replica in &replicas {
        eventually("the keys have come", async || has_keys(replica).await).await;
    }

    let load = Arc::new(Load {
        rotated: AtomicBool::new(false),
        over: AtomicBool::new(false),
        served: (0..REPLICAS).map(|_| AtomicUsize::new(0)).collect(),
    });
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..REPLICAS * CLIENTS_OF_EACH {
        let place = number % REPLICAS;
        clients.spawn(presents(replicas[place].url(TOKEN_ROUTE), tokens.clone(), Arc::clone(&load), place));
    }
    load.goes_on(20).await;
    provider.publishes(&[&old, &new]);
    load.rotated.store(true, Ordering::Relaxed);
    load.goes_on(50).await;
    provider.publishes(&[&new]);
    load.goes_on(50).await;
    load.over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("no request failed");
    }
    assert_eq!(provider.fetches(), 2 * REPLICAS, "one at start and one for the new key");
}

async fn presents(url: String, tokens: [String; 2], load: Arc<Load>, place: usize) {
    let client = client();
    while !load.over.load(Ordering::Relaxed) {
        let token = &tokens[usize::from(load.rotated.load(Ordering::Relaxed))];
        let answer = client.get(&url).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        load.served[place].fetch_add(1, Ordering::Relaxed);
    }
}
