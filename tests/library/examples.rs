//! The clients in `examples`, with the application in `examples`.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::header::{HttpDate, RETRY_AFTER},
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use keyward::Keyward;
use reqwest::Method;
use test_support::{
    actors::Person,
    asking::{KEYS, Reply, replica},
    client::request,
    program::{Ended, run},
    replica::Replica,
};

use crate::{
    app::{App, key_with, settings},
    lossy::{Loss, Lossy, Lost},
};

// Not by a crate of what tests share: it is the example itself that is tested.
#[allow(dead_code, reason = "the test has a server of its own")]
#[path = "../../examples/protected_app.rs"]
mod protected_app;

/// What a client prints whose requests are all answered.
const OUTPUT: &str = "made a key\nmy orders: []\nplacing an order: 403 insufficient_scope\nrevoked the key\n\
                      my orders: 401 invalid_token\n";

/// A client: the program that runs it, and its file.
type Client = (&'static str, &'static str);
const PYTHON: Client = ("python3", "examples/python/client.py");
const JAVASCRIPT: Client = ("node", "examples/javascript/client.mjs");

#[tokio::test]
async fn the_example_protects_its_routes_as_it_says() {
    let replica = replica().await;
    let keyward = Keyward::connect(settings(replica.database().url())).await.expect("a replica");
    let app = App::start_with(keyward.clone(), move |app| protected_app::routes(app, &keyward));
    let (reader, writer) =
        (key_with(&replica, &["orders:read"]).await, key_with(&replica, &["orders:read", "orders:write"]).await);
    assert_eq!(app.answers("/").await.text, "Hello, stranger!\n");
    assert_eq!(app.answers_key("/", &reader).await.text, "Hello, alice!\n");
    assert_eq!(app.answers("/orders").await.status, 401);
    assert_eq!(app.answers_key("/orders", &reader).await.is(200)["customer"], "alice");
    for (key, status) in [(&reader, 403), (&writer, 200)] {
        let request = request(Method::POST, app.url("/orders")).header("x-api-key", &key.holder.key);
        assert_eq!(Reply::to(request).await.status, status);
    }
}

#[tokio::test]
async fn the_client_in_python_makes_uses_and_revokes_a_key_and_waits_as_long_as_it_is_told() {
    waits_as_long_as_it_is_told(PYTHON).await;
}

#[tokio::test]
async fn the_client_in_javascript_makes_uses_and_revokes_a_key_and_waits_as_long_as_it_is_told() {
    waits_as_long_as_it_is_told(JAVASCRIPT).await;
}

#[tokio::test]
async fn the_client_in_python_survives_the_loss_of_every_first_answer() {
    survives_lost_answers(PYTHON).await;
}

#[tokio::test]
async fn the_client_in_javascript_survives_the_loss_of_every_first_answer() {
    survives_lost_answers(JAVASCRIPT).await;
}

#[tokio::test]
async fn the_client_in_python_gives_up_where_no_answer_ever_comes_and_has_made_one_key_at_most() {
    gives_up(PYTHON).await;
}

#[tokio::test]
async fn the_client_in_javascript_gives_up_where_no_answer_ever_comes_and_has_made_one_key_at_most() {
    gives_up(JAVASCRIPT).await;
}

#[tokio::test]
async fn the_client_in_python_rotates_a_few_times_at_most_and_leaves_no_key_that_works() {
    rotates_a_few_times(PYTHON).await;
}

#[tokio::test]
async fn the_client_in_javascript_rotates_a_few_times_at_most_and_leaves_no_key_that_works() {
    rotates_a_few_times(JAVASCRIPT).await;
}

/// The first thing that the application tells it is to come again, in both ways that there are to say when.
async fn waits_as_long_as_it_is_told(client: Client) {
    if is_missing(client) {
        return;
    }
    let second = Duration::from_secs(1);
    // A date has no fractions of a second, so the latter may be one second from now.
    let ways: [fn() -> String; 2] =
        [|| "1".to_owned(), || HttpDate::from(SystemTime::now() + Duration::from_secs(2)).to_string()];
    let replica = replica().await;
    for retry_after in ways {
        let (app, asked) = app_with(&replica, Some(retry_after)).await;
        let ended = run_client(client, "alice", &replica.url(""), &app.url(""), "25").await;
        assert_eq!(ended.succeeded(), OUTPUT);
        let asked = asked.lock().expect("no panic");
        assert!(asked[1] - asked[0] >= second, "{}: {asked:?}", retry_after());
    }
    // Longer than the client waits: it says so, and leaves no key behind.
    let (app, asked) = app_with(&replica, Some(|| "3600".to_owned())).await;
    let ended = run_client(client, "alice", &replica.url(""), &app.url(""), "25").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "made a key\nrevoked the key\n"), "{ended:#?}");
    assert!(ended.stderr.contains("503, try again in 3600 s"), "{ended:#?}");
    assert_eq!(asked.lock().expect("no panic").len(), 1);
    assert_eq!(states(&replica, "alice").await, ["revoked"; 3]);
}

async fn survives_lost_answers(client: Client) {
    if is_missing(client) {
        return;
    }
    let replica = replica().await;
    let (app, _) = app_with(&replica, None).await;
    let (replica, app) = (&replica, &app);
    futures_util::future::join_all(Loss::ALL.map(async |loss| {
        let keyward = Lossy::in_front_of(replica.address(), loss, Lost::First).await;
        let api = Lossy::in_front_of(&app.address(), loss, Lost::First).await;
        let person = format!("{loss:?}");
        // Short only where it is waited for: a busy machine must not lose what this test lets through.
        let timeout = if loss == Loss::Silence { "3" } else { "25" };
        let ended = run_client(client, &person, &keyward.url(), &api.url(), timeout).await;
        // An order isn't placed twice. Of a refusal that is torn, the head has told enough.
        let order = if loss == Loss::Torn { "403 unknown" } else { "unknown, the answer was lost" };
        let expected = OUTPUT.replace("403 insufficient_scope", order);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected.as_str()), "{loss:?}: {ended:#?}");
        assert_eq!(api.done("POST /orders"), 1, "{loss:?}");
        // Each is asked for twice and done once: the key, and a rotation. The successor is rotated once more. Nothing
        // is left that anybody could use.
        let asked = (keyward.done("POST /v1/keys"), keyward.done("POST /v1/keys/{id}/rotate"));
        assert!(asked == (2, 3) || (loss == Loss::Silence && asked >= (2, 3)), "{loss:?}: {asked:?}");
        let states = states(replica, &person).await;
        assert!(states.len() >= 3 && states.iter().all(|state| state == "revoked"), "{loss:?}: {states:?}");
    }))
    .await;
}

async fn gives_up(client: Client) {
    if is_missing(client) {
        return;
    }
    let replica = replica().await;
    let keyward = Lossy::in_front_of(replica.address(), Loss::Closed, Lost::All).await;
    let ended = run_client(client, "alice", &keyward.url(), "http://127.0.0.1:1", "25").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert_eq!(keyward.done("POST /v1/keys"), 5);
    assert_eq!(states(&replica, "alice").await, ["active"]);
}

async fn rotates_a_few_times(client: Client) {
    if is_missing(client) {
        return;
    }
    let replica = replica().await;
    let keyward = Lossy::in_front_of(replica.address(), Loss::Closed, Lost::FirstOfEachKey).await;
    let ended = run_client(client, "alice", &keyward.url(), "http://127.0.0.1:1", "25").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("the first answers to a new key and to 4 rotations"), "{ended:#?}");
    assert_eq!(keyward.done("POST /v1/keys/{id}/rotate"), 8);
    assert_eq!(states(&replica, "alice").await, ["revoked"; 5]);
}

#[allow(clippy::print_stdout, reason = "for who reads why a test did nothing")]
fn is_missing((program, _): Client) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        println!("skipped: there is no {program}");
    }
    missing
}

/// Runs a client of somebody's to its end.
async fn run_client((program, script): Client, person: &str, keyward: &str, api: &str, timeout: &str) -> Ended {
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(script);
    command.env("KEYWARD_URL", keyward).env("API_URL", api).env("TOKEN", Person::named(person).token);
    command.env("TIMEOUT", timeout);
    tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it was run")
}

/// The states of all of somebody's keys.
async fn states(replica: &Replica, person: &str) -> Vec<String> {
    let list = Person::named(person).gets(replica, KEYS).await.is(200);
    let keys = list["keys"].as_array().expect("a list").iter();
    keys.map(|key| key["state"].as_str().map(str::to_owned).unwrap_or_else(|| panic!("{key}"))).collect()
}

type Asked = Arc<Mutex<Vec<Instant>>>;

/// The application, and when it was asked. With `retry_after` it is unavailable at first.
async fn app_with(replica: &Replica, retry_after: Option<fn() -> String>) -> (App, Asked) {
    let keyward = Keyward::connect(settings(replica.database().url())).await.expect("a replica");
    let (asked, was_asked) = (Asked::default(), Arc::new(AtomicBool::new(retry_after.is_none())));
    let times = Arc::clone(&asked);
    let app = App::start_with(keyward.clone(), move |app: &mut ServiceConfig| {
        let (times, was_asked) = (Arc::clone(&times), Arc::clone(&was_asked));
        let unready = from_fn(move |request: ServiceRequest, next: Next<_>| {
            times.lock().expect("no panic").push(Instant::now());
            let first = !was_asked.swap(true, Ordering::Relaxed);
            async move {
                match retry_after.filter(|_| first) {
                    Some(when) => {
                        let answer = HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, when())).finish();
                        Ok(request.into_response(answer))
                    }
                    None => next.call(request).await,
                }
            }
        });
        app.service(web::scope("").wrap(unready).configure(|app| protected_app::routes(app, &keyward)));
    });
    (app, asked)
}
