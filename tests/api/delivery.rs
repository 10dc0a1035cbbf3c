//! Ways to the database that don't carry notifications: refused at start until they do, with what to do.

use test_support::{TestDatabase, database, program::run_beside, proxy::Proxy, replica::command, server_socket};

use crate::connecting::Waiting;

const REMEDY: &str = "Set database.listen_url to an address of Postgres itself";

/// A wire to the server of a database.
async fn wire_to(database: &TestDatabase) -> (Proxy, String) {
    let (socket, name) = server_socket(database.url());
    let wire = Proxy::to(socket).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", wire.port());
    (wire, url)
}

#[tokio::test]
async fn a_way_that_loses_notifications_is_refused_with_the_remedy_until_it_is_repaired() {
    let database = database().await;
    let (wire, url) = wire_to(&database).await;
    wire.swallow("");
    let waiting = Waiting::serve(&url, &[]).await;
    waiting.waits_saying("database.url: notifications that are sent through database.url do not arrive").await;
    waiting.waits_saying(REMEDY).await;
    wire.mend();
    waiting.becomes_ready().await;
}

#[tokio::test]
async fn a_way_that_confuses_the_order_of_notifications_is_refused_until_it_is_repaired() {
    let database = database().await;
    let (wire, url) = wire_to(&database).await;
    wire.swap();
    let waiting = Waiting::serve(database.url(), &[("KEYWARD__DATABASE__LISTEN_URL", &url)]).await;
    waiting.waits_saying("database.listen_url: notifications do not arrive there in the order of commits").await;
    waiting.waits_saying(REMEDY).await;
    wire.mend();
    waiting.becomes_ready().await;
}

#[tokio::test]
async fn an_address_for_listening_that_leads_elsewhere_is_refused() {
    let (right, other) = (database().await, database().await);
    let waiting = Waiting::serve(right.url(), &[("KEYWARD__DATABASE__LISTEN_URL", other.url())]).await;
    waiting.waits_saying("database.listen_url: notifications that are sent through database.url do not arrive").await;
}

#[tokio::test]
async fn doctor_finds_that_notifications_are_lost_or_come_in_another_order() {
    let database = database().await;
    let (wire, url) = wire_to(&database).await;
    let says = async || {
        let mut doctor = command();
        doctor.arg("doctor").env("DATABASE_URL", &url);
        run_beside(doctor).await
    };
    assert!(says().await.succeeded().contains("a notification takes"));
    wire.swap();
    let swapped = says().await;
    assert!(swapped.code == Some(1) && swapped.stdout.contains("in another order than commits"), "{swapped:?}");
    wire.mend();
    wire.swallow("");
    let lost = says().await;
    assert!(lost.code == Some(1) && lost.stdout.contains("a notification did not arrive"), "{lost:?}");
}
