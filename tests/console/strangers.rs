//! Strangers who make up cookies and links are refused without a question to the database.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use test_support::{database::execute, replica::PEPPER};

use crate::{
    browser::{Browser, SESSION},
    handed_over::{follows, link},
    provider::Service,
};

/// Texts that look like this secret, but that nobody here has made.
fn made_up(real: &str) -> Vec<String> {
    let mut bytes = URL_SAFE_NO_PAD.decode(real).expect("base64");
    bytes[0] ^= 1;
    vec![URL_SAFE_NO_PAD.encode([7; 32]), URL_SAFE_NO_PAD.encode(bytes), real[..43].to_owned()]
}

#[tokio::test]
async fn cookies_and_links_that_somebody_has_made_up_cost_the_database_nothing() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let cookie = alice.cookie(SESSION).expect("a session").clone();
    let real = link(&service).await;
    let secret = real.split_once("?link=").expect("a secret").1.to_owned();
    // From now on, whoever asks the database is answered 503.
    for table in ["console_sessions", "console_hand_overs"] {
        execute(service.database.url(), &format!("ALTER TABLE {table} RENAME TO {table}_away"))
            .await
            .expect("a change");
    }
    let mut stranger = Browser::new(&service.replica);
    assert_eq!((alice.get("/console/keys").await.status, stranger.get(&real).await.status), (503, 503));
    for forged in made_up(&cookie) {
        stranger.keeps(SESSION, &forged);
        assert_eq!(stranger.get("/console/keys").await.status, 303, "{forged}");
        assert_eq!(stranger.post("/console/keys", &[("name", "x")]).await.status, 403, "{forged}");
    }
    for forged in made_up(&secret) {
        assert_eq!(stranger.get(&format!("/console/handed-over?link={forged}")).await.status, 410, "{forged}");
        assert_eq!(stranger.post("/console/handed-over", &[("link", &forged)]).await.status, 410, "{forged}");
    }
    // A session is no link, nor the other way round.
    assert_eq!(stranger.get(&format!("/console/handed-over?link={cookie}")).await.status, 410);
    stranger.keeps(SESSION, &secret);
    assert_eq!(stranger.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn a_new_pepper_signs_nobody_out_and_links_that_the_old_one_has_sealed_go_on_working() {
    const NEW: &str = "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE-for-tests";
    let service = Service::start().await;
    let turned = service.another_with(&[("KEYWARD__KEYS__PEPPERS", &format!("{NEW},{PEPPER}"))]).await;
    let mut alice = Browser::signed_in(&service).await.at(&turned);
    alice.open("/console/keys").await;
    let mut browser = Browser::new(&turned);
    follows(&mut browser, &link(&service).await).await;
    browser.open("/console/keys").await;
    // A pepper that is gone takes along what it has sealed.
    let gone = service.another_with(&[("KEYWARD__KEYS__PEPPERS", NEW)]).await;
    assert_eq!(alice.at(&gone).get("/console/keys").await.status, 303);
}
