//! A credential that came, but not as the route reads it: the answer says so, and nothing of whether it is valid.

use reqwest::Method;
use serde_json::Value;

use test_support::{
    actors::{CREATE, PROTECTED, Person, stranger},
    asking::{Reply, shared_replica},
    replica::Replica,
};

async fn sends(replica: &Replica, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = stranger(replica, method, path);
    Reply::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[tokio::test]
async fn the_detail_says_what_is_wrong_with_how_a_credential_came() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await.key;
    let (bearer_key, bearer_token) = (format!("Bearer {key}"), format!("Bearer {}", alice.token));
    let basic = "Basic YTpi";
    for (path, headers, code, told) in [
        ("/v1/keys", vec![("x-api-key", key.as_str())], "missing_credential", "An API key came in x-api-key"),
        ("/v1/admin/keys", vec![("x-api-key", &key)], "missing_credential", "An API key came in x-api-key"),
        ("/v1/keys", vec![("authorization", &bearer_key)], "invalid_token", "is not a JWT"),
        ("/v1/keys/self", vec![("authorization", &bearer_token)], "missing_credential", "A JWT came in Authorization"),
        ("/v1/keys", vec![("authorization", &alice.token)], "missing_credential", "the word Bearer and a space"),
        ("/v1/keys/self", vec![("authorization", &key)], "missing_credential", "the word Bearer and a space"),
        ("/v1/authorize", vec![("authorization", &key)], "missing_credential", "the word Bearer and a space"),
        ("/v1/keys", vec![("authorization", basic)], "missing_credential", "scheme Basic"),
        ("/v1/authorize", vec![("authorization", basic)], "missing_credential", "scheme Basic"),
        ("/v1/keys", vec![("authorization", "Bearer")], "missing_credential", "no credential behind"),
    ] {
        let answer = sends(&replica, Method::GET, path, &headers).await;
        answer.is_problem(401, code);
        let detail = answer.is(401)["detail"].as_str().expect("a text").to_owned();
        assert!(detail.contains(told), "{path} {headers:?}: {detail}");
    }
    for (path, told) in [
        (format!("/v1/authorize?x-api-key={key}"), "send the new one in x-api-key: <key>"),
        (format!("/v1/authorize?url=https%3A%2F%2Fa%2F%3Fk%3D{key}"), "rotate it"),
        (format!("/v1/keys?api_key={key}"), "This route takes a JWT"),
        (format!("/v1/keys?access_token={}", alice.token), "No credential is read from the query string"),
    ] {
        let answer = sends(&replica, Method::GET, &path, &[]).await;
        answer.is_problem(401, "missing_credential");
        let detail = answer.is(401)["detail"].as_str().expect("a text").to_owned();
        assert!(detail.contains(told) && !answer.text.contains(&key), "{path}: {detail}");
    }
    let answer =
        sends(&replica, Method::GET, &format!("/v1/keys?api_key={key}"), &[("authorization", &bearer_token)]).await;
    answer.is_problem(400, "invalid_parameters");
    let detail = &answer.is(400)["errors"][0]["detail"];
    assert!(detail.as_str().is_some_and(|text| text.contains("rotate the key")) && !answer.text.contains(&key));
    let both = [("x-api-key", key.as_str()), ("authorization", &bearer_token)];
    let answer = sends(&replica, Method::POST, "/v1/keys/verify", &both).await;
    answer.is_problem(400, "invalid_request");
    assert!(answer.is(400)["detail"].as_str().is_some_and(|text| text.contains("one in x-api-key and one in")));
}

#[tokio::test]
async fn what_is_said_does_not_depend_on_whether_the_credential_is_valid() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await.key;
    let forged = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    let detail = async |path: &str, name: &str, value: &str| {
        let body = sends(&replica, Method::GET, path, &[(name, value)]).await.is(401);
        body["detail"].clone()
    };
    let bearer = |text: &str| format!("Bearer {text}");
    for (path, name, good, bad) in [
        ("/v1/keys", "x-api-key", key.clone(), forged.clone()),
        ("/v1/keys", "authorization", bearer(&key), bearer(&forged)),
        ("/v1/keys", "authorization", alice.token.clone(), "a.b.c".to_owned()),
        ("/v1/keys/self", "authorization", bearer(&alice.token), bearer("a.b.c")),
    ] {
        assert_eq!(detail(path, name, &good).await, detail(path, name, &bad).await, "{path} {name}");
    }
}

#[tokio::test]
async fn the_bodies_of_the_compatibility_routes_stay_as_they_are() {
    let replica = shared_replica().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await.key;
    let (basic, bearer) = ("Basic YTpi", format!("Bearer {}", alice.token));
    for (method, path, headers, body) in [
        (Method::POST, CREATE, vec![("x-api-key", key.as_str())], r#"{"message":"No token provided"}"#),
        (Method::GET, PROTECTED, vec![("authorization", bearer.as_str())], r#"{"message":"No API key provided"}"#),
        (Method::GET, PROTECTED, vec![("authorization", basic)], r#"{"message":"No API key provided"}"#),
    ] {
        let answer = sends(&replica, method, path, &headers).await;
        assert_eq!((answer.status, answer.text.as_str()), (403, body), "{path} {headers:?}");
        assert!(serde_json::from_str::<Value>(&answer.text).is_ok());
    }
}

#[tokio::test]
async fn a_key_in_an_address_is_not_repeated_in_the_answer() {
    let replica = shared_replica().await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, serde_json::json!({})).await;
    let (text, start) = (&key.holder.key, key.body["start"].as_str().expect("a text"));
    let secret = &text[start.len()..];
    let twisted = format!("keyward%5Flive_{}", &text["keyward_live_".len()..]);
    for (person, method, path, status) in [
        (Some(&alice), Method::GET, format!("/v1/keys/{text}"), 404),
        (None, Method::GET, format!("/v1/keys/{text}"), 401),
        (Some(&alice), Method::DELETE, format!("/v1/keys/{text}"), 404),
        (None, Method::GET, format!("/v1/{text}"), 404),
        (None, Method::GET, format!("//{text}"), 404),
        (Some(&root), Method::PUT, format!("/v1/admin/plans/{text}"), 400),
        (None, Method::PATCH, format!("/v1/admin/plans/{text}"), 405),
        (None, Method::GET, format!("/v1/{text}/{text}"), 404),
        (None, Method::GET, format!("/v1/{twisted}"), 404),
    ] {
        let request = match person {
            Some(person) => person.request(&replica, method, &path),
            None => stranger(&replica, method, &path),
        };
        let answer = Reply::to(request).await;
        let problem = answer.is(status);
        assert!(!answer.text.contains(secret), "{path}: {}", answer.text);
        let masked = path.replace(secret, "***");
        let masked = if path.starts_with("//") { format!("/.{masked}") } else { masked };
        let expected = (!path.contains('%')).then_some(masked.as_str());
        assert_eq!(problem["instance"].as_str(), expected, "{path}");
    }
}
