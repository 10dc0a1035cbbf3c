//! The obvious way to do it safely: look the key's hash up by its id, and compute Argon2id on each request.
//!
//! The look-up is in memory, which flatters this program: a real one would ask its database. The one
//! key that it knows is in API_KEY, as `id.secret`.

use std::{collections::HashMap, io};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data},
};
use argon2::{Algorithm, Argon2, Params, Version};

const SALT: &[u8] = b"sixteen bytes...";

type Hash = [u8; 32];
type Hashes = HashMap<String, Hash>;

fn main() -> io::Result<()> {
    let key = std::env::var("API_KEY").unwrap_or_default();
    let (id, secret) = key.split_once('.').ok_or_else(|| io::Error::other("API_KEY must be id.secret"))?;
    let hashes = Data::new(Hashes::from([(id.to_owned(), argon2id(secret))]));
    load_programs::serve(move |app| {
        app.app_data(hashes.clone()).route("/api/protected-resource", web::get().to(protected_resource));
    })
}

async fn protected_resource(request: HttpRequest, hashes: Data<Hashes>) -> HttpResponse {
    match presented(&request) {
        Some((id, secret)) if is_good(&hashes, id, secret).await => load_programs::granted(),
        _ => HttpResponse::Unauthorized().finish(),
    }
}

fn presented(request: &HttpRequest) -> Option<(&str, &str)> {
    request.headers().get("x-api-key")?.to_str().ok()?.split_once('.')
}

async fn is_good(hashes: &Hashes, id: &str, secret: &str) -> bool {
    let Some(expected) = hashes.get(id).copied() else { return false };
    let secret = secret.to_owned();
    web::block(move || argon2id(&secret) == expected).await.unwrap_or(false)
}

/// With the cost that Keyward has by default (OWASP's second set).
fn argon2id(secret: &str) -> Hash {
    let params = Params::new(19_456, 2, 1, None).expect("OWASP's parameters are within Argon2's limits");
    let mut hash = Hash::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret.as_bytes(), SALT, &mut hash)
        .expect("the salt and the hash have lengths that Argon2 allows");
    hash
}
