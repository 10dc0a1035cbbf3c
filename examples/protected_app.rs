//! An application that protects its own routes with Keyward's keys. It is one of Keyward's replicas: it checks keys by
//! itself, and when a revoke returns, it refuses the key.
//!
//! ```sh
//! cargo run -- dev          # in another terminal: a Keyward, for keys to be made
//! DATA=~/.local/share/keyward
//! DATABASE_URL="postgres://postgres@localhost/postgres?host=$DATA/socket" \
//!   KEYWARD_PEPPER=$(cat $DATA/secrets/pepper) cargo run --example protected_app
//! ```
//!
//! `examples/python` and `examples/javascript` are clients of it.

use std::env;

use actix_web::{
    App, HttpServer, Responder,
    web::{self, Json, ServiceConfig},
};
use keyward::{Authorized, Keyward, Pepper, Principal, Protect, SecretString, Settings, scope};
use serde_json::json;

scope!(pub(crate) OrdersWrite = "orders:write");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The database and the pepper of the Keyward that makes the keys.
    let database = SecretString::new(env::var("DATABASE_URL")?);
    let pepper = Pepper::new(SecretString::new(env::var("KEYWARD_PEPPER")?))?;
    let keyward = Keyward::connect(Settings::new(database, vec![pepper])).await?;

    let port = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let of_all_workers = keyward.clone();
    HttpServer::new(move || App::new().configure(|app| routes(app, &of_all_workers)))
        .bind(("127.0.0.1", port))?
        .run()
        .await?;

    // The other replicas need not wait for this one any more.
    keyward.close().await;
    Ok(())
}

pub(crate) fn routes(app: &mut ServiceConfig, keyward: &Keyward) {
    // With this, a handler that takes a `Principal` is protected even where nobody has thought of `Protect`.
    app.app_data(keyward.clone());

    // All of these ask for a key that may read orders; one of them for more, by what its handler takes.
    app.service(
        web::scope("/orders")
            .wrap(Protect::new(keyward.clone()).require(scope!("orders:read")))
            .route("", web::get().to(list_orders))
            .route("", web::post().to(place_order)),
    );

    // Anyone may come here; who shows a key must show a good one.
    app.service(web::resource("/").wrap(Protect::new(keyward.clone()).optional()).to(welcome));
}

async fn list_orders(customer: Principal) -> impl Responder {
    Json(json!({ "customer": customer.owner().subject, "orders": [] }))
}

async fn place_order(customer: Authorized<OrdersWrite>) -> impl Responder {
    Json(json!({ "placedFor": customer.owner().subject }))
}

async fn welcome(customer: Option<Principal>) -> String {
    match customer {
        Some(customer) => format!("Hello, {}!\n", customer.owner().subject),
        None => "Hello, stranger!\n".to_owned(),
    }
}
