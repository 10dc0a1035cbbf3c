//! Somebody else's application, with Keyward in front of its routes.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App as Application, HttpServer,
    dev::ServerHandle,
    web::{self, ServiceConfig},
};
use keyward::{
    Authorized, Credentials, Jwt, Keyward, Pepper, Principal, Protect, Refused, SecretString, Settings, scope,
};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    PATIENCE,
    actors::Person,
    asking::{MadeKey, Reply, replica},
    client::request,
    replica::{JWT_SECRET, PEPPER, Replica},
};

scope!(pub(crate) OrdersRead = "orders:read");

/// A running application. It stops with this value.
pub(crate) struct App {
    pub(crate) keyward: Keyward,
    address: SocketAddr,
    server: ServerHandle,
}

/// Whether the application was given its Keyward, beside the middleware's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppData {
    Given,
    Forgotten,
}

impl App {
    /// One on the database at `url`.
    pub(crate) async fn start_on(url: &str) -> Self {
        let keyward = Keyward::connect(settings(url)).await.expect("a replica");
        Self::start(keyward, AppData::Given).await
    }

    pub(crate) async fn start(keyward: Keyward, app_data: AppData) -> Self {
        let given = keyward.clone();
        Self::start_with(keyward, move |app| {
            routes(app, &given);
            if app_data == AppData::Given {
                app.app_data(given.clone());
            }
        })
    }

    /// One with these routes.
    pub(crate) fn start_with(keyward: Keyward, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let server = HttpServer::new(move || Application::new().configure(routes.clone()));
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { keyward, address, server: handle }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with no credential.
    pub(crate) fn request(&self, path: &str) -> RequestBuilder {
        request(Method::GET, self.url(path))
    }

    /// What somebody without a credential is answered.
    pub(crate) async fn answers(&self, path: &str) -> Reply {
        Reply::to(self.request(path)).await
    }

    /// What the holder of `key` is answered.
    pub(crate) async fn answers_key(&self, path: &str, key: &MadeKey) -> Reply {
        Reply::to(self.request(path).header("x-api-key", &key.holder.key)).await
    }

    /// What the bearer of a token is answered.
    pub(crate) async fn answers_token(&self, path: &str, person: &Person) -> Reply {
        Reply::to(self.request(path).bearer_auth(&person.token)).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The signal to stop is sent at once; nobody waits for the rest.
        drop(self.server.stop(false));
    }
}

/// As the tests' replicas have them.
pub(crate) fn settings(url: &str) -> Settings {
    Settings::new(secret(url), vec![Pepper::new(secret(PEPPER)).expect("a strong pepper")])
        .jwt(Jwt::signed_with(secret(JWT_SECRET)).expect("a strong secret"))
        .lease(Duration::from_secs(1))
        .hashing_max_wait(PATIENCE)
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

/// A replica and an application on its database.
pub(crate) async fn replica_and_app() -> (Replica, App) {
    let replica = replica().await;
    let app = App::start_on(replica.database().url()).await;
    (replica, app)
}

/// A key of alice's with these scopes.
pub(crate) async fn key_with(replica: &Replica, scopes: &[&str]) -> MadeKey {
    Person::named("alice").creates(replica, json!({ "scopes": scopes })).await
}

fn routes(app: &mut ServiceConfig, keyward: &Keyward) {
    let protect = || Protect::new(keyward.clone());
    let resource = |path: &str, protect: Protect| web::resource(path.to_owned()).wrap(protect);
    app.route("/open", web::get().to(open))
        .service(resource("/any", protect()).to(name))
        .service(resource("/unnamed", protect()).to(open))
        .service(resource("/keys", protect().accept(Credentials::Keys)).to(name))
        .service(resource("/tokens", protect().accept(Credentials::Tokens)).to(name))
        .service(resource("/orders", protect().require(scope!("orders:read"))).to(name))
        .service(resource("/both", protect().require(scope!("orders:read")).require(scope!("orders:write"))).to(name))
        .service(resource("/optional", protect().optional()).to(perhaps))
        .service(resource("/optional/orders", protect().optional().require(scope!("orders:read"))).to(perhaps))
        .service(resource("/optional/insists", protect().optional()).to(name))
        .service(
            web::scope("/nested")
                .wrap(protect().require(scope!("orders:read")))
                .route("", web::get().to(name))
                .service(resource("/inner", protect().require(scope!("orders:write"))).to(name))
                .service(resource("/optional", protect().accept(Credentials::Tokens).optional()).to(perhaps)),
        )
        .service(resource("/authorized", protect()).to(orders))
        .route("/unwrapped", web::get().to(name))
        .route("/unwrapped/authorized", web::get().to(orders))
        .route("/unwrapped/optional", web::get().to(perhaps))
        .route("/unwrapped/result", web::get().to(either));
}

async fn open() -> &'static str {
    "open"
}

async fn name(principal: Principal) -> String {
    principal.owner().subject.to_string()
}

async fn perhaps(principal: Option<Principal>) -> String {
    principal.map_or_else(|| "nobody".to_owned(), |principal| principal.owner().subject.to_string())
}

async fn orders(customer: Authorized<OrdersRead>) -> String {
    customer.owner().subject.to_string()
}

async fn either(principal: Result<Principal, Refused>) -> String {
    principal.map_or_else(|refused| refused.code().to_owned(), |principal| principal.owner().subject.to_string())
}
