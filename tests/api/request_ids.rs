//! The request id: a load balancer's where it is a plain word, else our own, on every answer.

use test_support::{
    actors::{CREATE, PROTECTED},
    wire::{Answer, head, with_header},
};

use crate::scene::Scene;

fn id(answer: &Answer) -> &str {
    answer.header("x-request-id").expect("a request id")
}

#[tokio::test]
async fn a_plain_word_is_taken_as_the_request_id() {
    let scene = Scene::set().await;
    for word in ["a", "0190b3c4-7c0e-7cc3-98c4-dc0c0c07398f", "lb_7.req-42", &"x".repeat(64)] {
        assert_eq!(id(&scene.answer(with_header("GET", "/healthz", "X-Request-Id", word)).await), word);
    }
}

#[tokio::test]
async fn anything_else_is_replaced_by_an_id_of_ours() {
    let scene = Scene::set().await;
    for bad in ["", "a b", "a\tb", "é", "💥", "a,b", "a=b", "<script>", "\"a\"", "${jndi:ldap}", "%0a", &"x".repeat(65)]
    {
        let answer = scene.answer(with_header("GET", "/healthz", "X-Request-Id", bad)).await;
        assert_eq!(uuid::Uuid::parse_str(id(&answer)).expect("an id of ours").get_version_num(), 7, "{bad}");
    }
    // Nor a credential that somebody has put there: it would be in the log, in the audit and in answers.
    for credential in [&scene.key, &scene.token] {
        assert!(
            uuid::Uuid::parse_str(id(&scene.answer(with_header("GET", "/healthz", "X-Request-Id", credential)).await))
                .is_ok()
        );
    }
    let not_utf8 = scene.answer(with_header("GET", "/healthz", "X-Request-Id", b"\xff")).await;
    assert!(uuid::Uuid::parse_str(id(&not_utf8)).is_ok());
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own() {
    let scene = Scene::set().await;
    let request = format!("{}\r\n", head("GET", "/healthz"));
    let (one, two) = (scene.answer(&request).await, scene.answer(&request).await);
    assert_ne!(id(&one), id(&two));
}

#[tokio::test]
async fn every_answer_of_ours_carries_the_request_id() {
    let scene = Scene::set().await;
    let bearer = format!("Authorization: Bearer {}\r\n", scene.token);
    let json = "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{";
    for (status, head, rest) in [
        (200, head("GET", PROTECTED), format!("x-api-key: {}\r\n\r\n", scene.key)),
        (201, head("POST", CREATE), format!("{bearer}\r\n")),
        (400, head("POST", CREATE), format!("{bearer}{json}")),
        (401, head("GET", PROTECTED), "x-api-key: nonsense\r\n\r\n".to_owned()),
        (403, head("GET", PROTECTED), "\r\n".to_owned()),
        (404, head("GET", "/unknown"), "\r\n".to_owned()),
        (405, head("PUT", "/healthz"), "\r\n".to_owned()),
        (413, head("POST", CREATE), "Content-Length: 100000\r\n\r\n".to_owned()),
        (431, head("GET", "/healthz"), format!("x-filler: {}\r\n\r\n", "a".repeat(20_000))),
    ] {
        let answer = scene.answer(format!("{head}X-Request-Id: lb-{status}\r\n{rest}")).await;
        assert_eq!((answer.status, id(&answer)), (status, format!("lb-{status}").as_str()));
    }
}
