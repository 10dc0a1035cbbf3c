//! What administrators see first: keys to look at, refusals, and the busiest keys.

use serde_json::json;
use test_support::{actors::KeyHolder, database::execute, eventually, filling::fill_with_keys};

use crate::{
    browser::{Browser, Page},
    provider::Service,
};

/// The cards: the address of the list, and the number.
fn cards(page: &Page) -> Vec<(String, String)> {
    let (_, cards) = page.text.split_once(r#"<ul class="cards">"#).expect("cards");
    let (cards, _) = cards.split_once("</ul>").expect("an end");
    let card = |text: &str| {
        let (address, rest) = text.split_once('"').expect("an address");
        let (_, rest) = rest.split_once(r#"class="number">"#).expect("a number");
        (address.replace("&#38;", "&"), rest.split('<').next().expect("a number").to_owned())
    };
    cards.split(r#"<a href=""#).skip(1).map(card).collect()
}

/// Keys are surveyed about every second, however long that takes on a busy machine.
const SURVEYED: [(&str, &str); 2] =
    [("KEYWARD__CONSOLE__SURVEY_EVERY", "1s"), ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "10s")];

/// Waits until the keys are surveyed and a page is like this.
async fn surveyed(service: &Service, browser: &mut Browser, path: &str, is_as_expected: impl Fn(&Page) -> bool) {
    eventually("the keys are surveyed", async || {
        let is_as_expected = is_as_expected(&browser.open(path).await);
        if !is_as_expected {
            // One that has taken long on a busy machine is followed by a rest that is a hundred times as long.
            let due = "UPDATE surveys SET due_at = '-infinity'";
            execute(service.database.url(), due).await.expect("an update");
        }
        is_as_expected
    })
    .await;
}

/// The numbers of the cards.
fn numbers(page: &Page) -> Vec<String> {
    cards(page).into_iter().map(|(_, number)| number).collect()
}

#[tokio::test]
async fn each_card_counts_what_its_list_shows() {
    let service = Service::start_with(&[&SURVEYED[..], &[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]].concat()).await;
    let mut alice = Browser::signed_in(&service).await;
    let mut make = async |name: &str, more: &[(&str, &str)]| {
        let page = alice.post("/console/keys", &[&[("name", name)], more].concat()).await;
        KeyHolder::of(page.between(r#"<code id="secret">"#, "<"))
    };
    let limits = ("limits", "minute=100/1m");
    make("for-ever", &[limits]).await;
    let soon = make("soon-used", &[limits, ("expiry", "5")]).await;
    make("soon-not-used", &[limits, ("expiry", "5")]).await;
    make("long-ago", &[limits, ("expiry", "90")]).await;
    let leaked = make("leaked", &[limits, ("expiry", "90")]).await;
    make("boundless", &[("expiry", "90")]).await;
    assert_eq!(soon.asks_for_the_resource(&service.replica).await.status(), 200);
    let path = format!("/console/keys/{}", leaked.id());
    alice.open(&path).await;
    alice.submit(&path, &[("action", "revoke"), ("reason", "It LEAKED on a forum")]).await;
    assert_eq!(leaked.asks_for_the_resource(&service.replica).await.status(), 401);
    let aged = "UPDATE api_keys SET created_at = now() - interval '100 days' WHERE name = 'long-ago'";
    execute(service.database.url(), aged).await.expect("an update");

    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    assert_eq!(eve.get("/console").await.location(), "/console/overview");
    surveyed(&service, &mut eve, "/console/overview", |page| {
        page.text.contains("<code>revoked</code></th><td>1</td><td>1</td>")
            && page.text.contains(&format!("<bdi>soon-used</bdi> <code>{}</code>", soon.id()))
            && numbers(page) == ["1"; 5]
    })
    .await;
    let names = ["for-ever", "soon-used", "soon-not-used", "long-ago", "leaked", "boundless"];
    let expected = [
        ("leaked=yes", "leaked"),
        ("state=active&expiring_days=7&used_days=7", "soon-used"),
        ("state=active&expires=never", "for-ever"),
        ("state=active&unused_days=90&sort=createdAt", "long-ago"),
        ("state=active&limited=no", "boundless"),
    ];
    let cards = cards(&eve.open("/console/overview").await);
    assert_eq!(cards.len(), expected.len());
    for ((address, number), (query, name)) in cards.into_iter().zip(expected) {
        assert_eq!((address.as_str(), number.as_str()), (&*format!("/console/all/keys?{query}"), "1"));
        let list = eve.open(&address).await;
        list.shows(&format!(">{name}</a>"));
        names.iter().filter(|other| **other != name).for_each(|other| {
            list.lacks(&format!(">{other}</a>"));
        });
    }
}

#[tokio::test]
async fn very_many_keys_are_counted_up_to_a_bound_and_a_few_among_them_are_found() {
    let service = Service::start_with(&SURVEYED).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.post("/console/keys", &[("name", "the only one"), ("expiry", "90"), ("limits", "minute=1/1m")]).await;
    let id = eve.open("/console/keys").await.between(r#"<a href="/console/keys/0"#, "\"");
    let path = format!("/console/keys/0{id}");
    eve.submit(&path, &[("action", "revoke"), ("reason", "leaked")]).await;
    // All newer than that one.
    let many = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT ('0fffffff-ffff-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, issuer, subject, environment,
                       created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 20500) AS number";
    fill_with_keys(service.database.url(), many).await;
    surveyed(&service, &mut eve, "/console/overview", |page| numbers(page) == ["1", "0", "10000+", "0+", "10000+"])
        .await;
    eve.open("/console/all/keys?leaked=yes").await.shows("the only one");
}

#[tokio::test]
async fn nobody_else_sees_it() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    assert_eq!(alice.get("/console").await.location(), "/console/keys");
    assert_eq!(alice.get("/console/overview").await.status, 403);
    alice.open("/console/keys").await.lacks("/console/overview");
}

#[tokio::test]
async fn the_busiest_of_very_many_keys_are_those_with_the_most_uses_today() {
    let service = Service::start_with(&SURVEYED).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    // More than one query looks at; the busiest are among the first of them, and the last. Yesterday, another one was.
    // Tomorrow they are the same, in case that it begins meanwhile.
    let many = "INSERT INTO usage_keys (key_id, issuer, subject)
                SELECT gen_random_uuid(), '', 'owner-' || turn FROM generate_series(1, 20500) AS turn;
                INSERT INTO usage_days (key, day, outcome, tag, count)
                SELECT number, (now() AT TIME ZONE 'UTC')::date - ago, outcome, '',
                       CASE subject WHEN 'owner-7' THEN 100 WHEN 'owner-15000' THEN 102 WHEN 'owner-20500' THEN 101 ELSE 1 END
                       * CASE WHEN ago > 0 AND subject = 'owner-9' THEN 1000 ELSE 1 END
                FROM usage_keys, (VALUES (1, 0), (0, 0), (0, 9), (-1, 0), (-1, 9)) AS which (ago, outcome)
                WHERE outcome = 0 OR subject IN ('owner-7', 'owner-15000', 'owner-20500')";
    execute(service.database.url(), many).await.expect("uses");
    let row = |turn: u32, count: u32| format!("<td><bdi>owner-{turn}</bdi></td><td>{count}</td><td>{count}</td>");
    let rows = [row(15_000, 102), row(20_500, 101), row(7, 100)];
    for path in ["/console/overview", "/console/usage?all=1"] {
        surveyed(&service, &mut eve, path, |page| {
            let places: Option<Vec<_>> = rows.iter().map(|row| page.text.find(row.as_str())).collect();
            // Those after them are as busy as each other.
            let first = page.text.find("<td><bdi>owner-");
            places.is_some_and(|places| places.is_sorted() && places.first().copied() == first)
        })
        .await;
    }
}

#[tokio::test]
async fn without_the_busiest_keys_it_still_shows_everything_else() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__SURVEY_EVERY", "1s")]).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    // Nobody can read them, so the statement takes longer than it may.
    let mut lock = service.database.superuser_pool().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE busiest_keys").execute(&mut *lock).await.expect("a lock");
    let page = eve.open("/console/overview").await;
    assert_eq!(cards(&page).len(), 5);
    assert!(page.text.contains("It is not known yet which keys these are"), "{}", page.text);
    service.replica.prints("could not read the busiest keys").await;
    lock.rollback().await.expect("the end of the lock");
    surveyed(&service, &mut eve, "/console/overview", |page| {
        !page.text.contains("It is not known yet which keys these are")
    })
    .await;
}
