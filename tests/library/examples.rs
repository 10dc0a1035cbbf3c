//! The clients in `examples`, with the application in `examples`.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::header::RETRY_AFTER,
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use keyward::Keyward;

use crate::{
    actors::Person,
    app::{App, key_with, settings},
    asking::{Reply, replica},
    program::run,
};

#[allow(dead_code, reason = "the test has a server of its own")]
#[path = "../../examples/protected_app.rs"]
mod protected_app;

const OUTPUT: &str = "made a key\nmy orders: []\nplacing an order: 403 insufficient_scope\nrevoked the key\n\
                      my orders: 401 invalid_token\n";

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
        let request = reqwest::Client::new().post(app.url("/orders")).header("x-api-key", &key.holder.key);
        assert_eq!(Reply::to(request).await.status, status);
    }
}

#[tokio::test]
async fn the_client_in_python_makes_uses_and_revokes_a_key() {
    client("python3", "examples/python/client.py").await;
}

#[tokio::test]
async fn the_client_in_javascript_makes_uses_and_revokes_a_key() {
    client("node", "examples/javascript/client.mjs").await;
}

/// Runs a client to its end. The first thing that the application tells it is to come again.
#[allow(clippy::print_stdout, reason = "for who reads why a test did nothing")]
async fn client(program: &'static str, script: &'static str) {
    if Command::new(program).arg("--version").output().is_err() {
        println!("skipped: there is no {program}");
        return;
    }
    let replica = replica().await;
    let keyward = Keyward::connect(settings(replica.database().url())).await.expect("a replica");
    let was_asked = Arc::new(AtomicBool::new(false));
    let app = App::start_with(keyward.clone(), {
        let was_asked = Arc::clone(&was_asked);
        move |app| unready_at_first(app, &keyward, &was_asked)
    });
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(script);
    command.env("KEYWARD_URL", replica.url("")).env("API_URL", app.url("")).env("TOKEN", Person::named("alice").token);
    let ended = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it was run");
    assert_eq!(ended.succeeded(), OUTPUT);
    assert!(was_asked.load(Ordering::Relaxed));
}

fn unready_at_first(app: &mut ServiceConfig, keyward: &Keyward, was_asked: &Arc<AtomicBool>) {
    let was_asked = Arc::clone(was_asked);
    let unready = from_fn(move |request: ServiceRequest, next: Next<_>| {
        let first = !was_asked.swap(true, Ordering::Relaxed);
        async move {
            if first {
                let answer = HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "1")).finish();
                Ok(request.into_response(answer))
            } else {
                next.call(request).await
            }
        }
    });
    app.service(web::scope("").wrap(unready).configure(|app| protected_app::routes(app, keyward)));
}
