//! Every route there is, by the table that serves them.

use keyward::api::{endpoint::Access, routes::ENDPOINTS};
use reqwest::Method;
use test_support::{actors::stranger, shared_replica::SharedReplica};

#[tokio::test]
async fn every_route_that_is_not_public_refuses_who_has_no_credential() {
    let replica = SharedReplica::get().await;
    for endpoint in ENDPOINTS {
        let method: Method = endpoint.method.as_str().parse().expect("a method");
        let status = stranger(&replica, method, endpoint.path).send().await.expect("an answer").status();
        match endpoint.access {
            // The placeholder of a path names nothing; that is 404 for everybody.
            Access::Public(reason) => {
                assert!(!reason.is_empty() && !matches!(status.as_u16(), 401 | 403), "{}", endpoint.path)
            }
            Access::Metrics => assert_eq!(status, 200, "{}: no token is configured", endpoint.path),
            Access::CompatibilityToken
            | Access::Token
            | Access::ApiKey
            | Access::OwnKey
            | Access::KeyHolder
            | Access::Verifier
            | Access::OAuthClient
            | Access::Backend
            | Access::Administrator
            | Access::Forwarded => {
                assert!(matches!(status.as_u16(), 401 | 403), "{}", endpoint.path)
            }
        }
    }
}

#[tokio::test]
async fn another_method_is_405_with_allow() {
    let replica = SharedReplica::get().await;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access != Access::Forwarded) {
        let serves =
            |method: &Method| ENDPOINTS.iter().any(|own| own.path == endpoint.path && own.method == method.as_str());
        let other = [Method::PUT, Method::POST].into_iter().find(|method| !serves(method)).expect("another method");
        let answer = stranger(&replica, other, endpoint.path).send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{}", endpoint.path);
        let allowed = answer.headers()["allow"].to_str().expect("text").to_owned();
        assert!(allowed.split(", ").any(|name| name == endpoint.method.as_str()), "{}: {allowed}", endpoint.path);
    }
}

#[tokio::test]
async fn head_is_answered_wherever_get_is_and_has_no_body() {
    let replica = SharedReplica::get().await;
    let answer = stranger(&replica, Method::HEAD, "/healthz").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("a body"), "");
}

#[tokio::test]
async fn an_unknown_route_is_404_in_the_language_of_its_neighbours() {
    let replica = SharedReplica::get().await;
    let answer = stranger(&replica, Method::GET, "/api/unknown").send().await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.text().await.expect("a body"), r#"{"message":"Not found"}"#);

    let answer = stranger(&replica, Method::GET, "/unknown").send().await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(problem["status"], 404);
    assert_eq!(problem["type"], "/problems/not_found");
}
