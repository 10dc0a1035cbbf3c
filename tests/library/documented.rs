//! What docs/library.md shows is what happens.

use std::fs;

use actix_web::web::{self, ServiceConfig};
use keyward::{Authorized, Keyward, Pepper, Principal, Protect, Settings, scope};
use keyward_local_postgres::data_directory::DataDirectory;
use test_support::session::{Dev, check};

use crate::app::{App, secret};

const PAGE: &str = include_str!("../../docs/library.md");

scope!(OrdersWrite = "orders:write");

#[tokio::test]
async fn the_session_in_the_page_of_the_library_is_what_happens() {
    let dev = Dev::start("library");
    dev.welcome().await;
    // As the page's lines have it, which the application is started with.
    let database = DataDirectory::url_of_running(dev.data_dir(), "postgres").expect("it runs");
    let pepper = fs::read_to_string(dev.data_dir().join("secrets/pepper")).expect("a pepper");
    let pepper = Pepper::new(secret(pepper.trim_end())).expect("a strong pepper");
    let keyward = Keyward::connect(Settings::new(secret(&database), vec![pepper])).await.expect("a replica");
    let app = App::start_with(keyward.clone(), move |app| as_on_the_page(app, &keyward));
    let steps = dev.session(&PAGE.replace("localhost:8080", &app.address())).await;
    assert_eq!(steps.len(), 4, "the session was not found");
    tokio::task::spawn_blocking(move || check(&steps)).await.expect("as on the page");
}

/// That the page's own lines compile is proven by a documentation test.
fn as_on_the_page(app: &mut ServiceConfig, keyward: &Keyward) {
    let orders = web::scope("/orders")
        .wrap(Protect::new(keyward.clone()).require(scope!("orders:read")))
        .route("", web::get().to(list))
        .route("", web::post().to(place));
    app.app_data(keyward.clone()).service(orders);
}

async fn list(customer: Principal) -> String {
    format!("the orders of {}", customer.owner().subject)
}

async fn place(customer: Authorized<OrdersWrite>) -> String {
    format!("placed for {}", customer.owner().subject)
}
