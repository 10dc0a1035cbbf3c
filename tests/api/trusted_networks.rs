//! Whom `server.trusted_proxies` may name.

use serde_json::json;
use test_support::{actors::Person, asking::replica_with, program::run, replica::command};

const TRUSTED: &str = "KEYWARD__SERVER__TRUSTED_PROXIES";
const EVERYBODY: &str = "KEYWARD__SERVER__TRUST_EVERYBODY";

#[test]
fn networks_with_strangers_in_them_are_refused_unless_that_is_said_twice() {
    for wide in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8,0.0.0.0/0",
        "0.0.0.0/1,128.0.0.0/1",
        "128.0.0.0/1,10.0.0.0/8,0.0.0.0/2,64.0.0.0/2",
        "0.0.0.0/1",
        "192.0.0.0/4",
        "::/1,8000::/1",
        "2000::/3",
        "::ffff:0.0.0.0/96",
        "::ffff:0.0.0.0/97,::ffff:128.0.0.0/97",
        "1.2.3.4/0",
    ] {
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env(TRUSTED, wide);
        let message = run(&mut serve).failed();
        assert!(message.contains("server.trusted_proxies (env KEYWARD__SERVER__TRUSTED_PROXIES)"), "{wide}: {message}");
        assert!(message.contains("server.trust_everybody"), "{wide}: {message}");
    }
}

#[tokio::test]
async fn who_says_it_twice_trusts_everybody_and_is_warned() {
    let replica = replica_with(&[(TRUSTED, "0.0.0.0/0,::/0"), (EVERYBODY, "true")]).await;
    replica.prints("server.trust_everybody").await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({ "allowedIps": ["192.0.2.0/24"] })).await;
    let request = test_support::actors::stranger(&replica, reqwest::Method::GET, test_support::actors::PROTECTED);
    let request = request.header("x-api-key", &key.holder.key).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn networks_of_ones_own_are_trusted_without_further_words() {
    for own in ["10.0.0.0/8", "172.16.0.0/12,192.168.0.0/16,127.0.0.0/8", "fc00::/7,fe80::/10,::1", "100.64.0.0/10"] {
        let replica = replica_with(&[(TRUSTED, own)]).await;
        assert!(!replica.output().contains("trust_everybody"), "{}", replica.output());
    }
}
