//! What a gateway's request uses of a key's limits: as much as the policy says, and more if the gateway's URL says so.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{MadeKey, Reply, shared_replica},
    replica::Replica,
};

use super::{AUTHORIZE, Grant, Guarded, asks_at, with};

async fn limited(replica: &Replica, limits: Value) -> MadeKey {
    Person::named("alice").creates(replica, json!({ "limits": limits })).await
}

/// What is left of each limit, in the order of the header.
fn left(reply: &Reply) -> Vec<u64> {
    let header = reply.header("ratelimit").expect("what is left");
    let number = |limit: &str| limit.split(';').find_map(|part| part.strip_prefix("r=")?.parse().ok());
    header.split(", ").map(|limit| number(limit).expect("a number")).collect()
}

#[tokio::test]
async fn the_url_of_a_gateway_raises_the_cost_and_never_lowers_it() {
    let replica = shared_replica().await;
    let key = limited(&replica, json!([{ "name": "all", "limit": 20, "window": "month", "cost": 2 }])).await;
    for (query, rest) in [("?cost=5", 15), ("?cost=1", 13), ("?cost=1&cost=4", 9), ("?a=b", 7), ("/?cost=3", 4)] {
        let reply = asks_at(&replica, &key, &format!("{AUTHORIZE}{query}")).await;
        reply.is_grant();
        assert_eq!(left(&reply), [rest], "{query}");
    }
    // This is the client's own query.
    let reply = asks_at(&replica, &key, &format!("{AUTHORIZE}/orders?cost=4")).await;
    assert_eq!((reply.status, left(&reply)), (200, vec![2]));
    let reply = asks_at(&replica, &key, &format!("{AUTHORIZE}?cost=3")).await;
    assert_eq!((reply.is(429)["code"].clone(), left(&reply)), (json!("quota_exceeded"), vec![2]));
    for wrong in ["0", "", "x", "-1", "1.0", "%2B1", "1000000000001"] {
        let reply = asks_at(&replica, &key, &format!("{AUTHORIZE}?cost={wrong}")).await;
        assert_eq!(reply.wrong_parameters(), [("cost".to_owned(), "invalid".to_owned())], "{wrong}");
    }
    assert_eq!(left(&asks_at(&replica, &key, AUTHORIZE).await), [0]);
}

const POLICY: &str = r#"
[[rules]]
paths = ["/health"]
anonymous = true

[[rules]]
paths = ["/free"]
cost = 0

[[rules]]
paths = ["/reports"]
cost = 5
limits = ["reports", "unknown"]

[[rules]]
paths = ["/orders"]
limits = ["all"]

[[rules]]
"#;

#[tokio::test]
async fn a_rule_says_what_a_request_costs_and_which_limits_count_it() {
    let guarded = Guarded::by(POLICY).await;
    let limits = json!([
        { "name": "all", "limit": 3, "window": "month" },
        { "name": "reports", "limit": 12, "window": "month", "cost": 2 },
    ]);
    let key = limited(&guarded.replica, limits).await;
    let asks = async |uri: &str| guarded.asks(Some(&key.holder.key), "GET", "api", uri).await;
    for (uri, rest) in
        [("/orders", [2, 12]), ("/free", [2, 12]), ("/reports", [2, 7]), ("/other", [1, 5]), ("/reports", [1, 0])]
    {
        let reply = asks(uri).await;
        reply.is_grant();
        assert_eq!(left(&reply), rest, "{uri}");
    }
    let reply = asks("/reports").await;
    assert_eq!(reply.is(429)["violated-policies"], json!(["reports"]));
    assert_eq!(asks("/other").await.is(429)["violated-policies"], json!(["reports"]));
    asks("/orders").await.is_grant();
    assert_eq!(asks("/orders").await.is(429)["violated-policies"], json!(["all"]));
    asks("/free").await.is_grant();
}

#[tokio::test]
async fn what_anybody_may_do_costs_nobody_anything_and_is_refused_for_no_limit() {
    let guarded = Guarded::by(POLICY).await;
    let limits = json!([{ "name": "all", "limit": 1, "window": "month" }]);
    let body = json!({ "limits": limits, "credits": { "remaining": 1 } });
    let key = Person::named("alice").creates(&guarded.replica, body).await;
    let asks = async |uri: &str| guarded.asks(Some(&key.holder.key), "GET", "api", uri).await;
    for _ in 0..3 {
        let reply = asks("/health").await;
        reply.is_grant();
        assert_eq!(left(&reply).len(), 2, "what is left is told");
    }
    let reply = asks("/other").await;
    reply.is_grant();
    assert_eq!(left(&reply), [0, 0]);
    asks("/other").await.is(429);
    asks("/health").await.is_grant();
    // What the gateway's own address says is asked for counts for everybody.
    let headers = [("x-forwarded-uri", "/health"), ("x-api-key", &key.holder.key)];
    let priced = with(stranger(&guarded.replica, Method::GET, &format!("{AUTHORIZE}?cost=1")), &headers);
    assert_eq!(Reply::to(priced).await.status, 429);
}
