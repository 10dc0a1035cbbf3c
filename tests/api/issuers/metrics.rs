//! What the metrics tell of issuers.

use super::{
    Service,
    provider::{Behaviour, Provider},
    signing::SigningKey,
};
use crate::metrics::{Scrape, becomes, grows};

const FETCHES: &str = "keyward_issuer_key_set_fetches_total";

#[tokio::test]
async fn fetches_failures_the_age_of_keys_and_unknown_keys_are_counted_by_issuer() {
    let (key, other) = (SigningKey::p256("a"), SigningKey::p256("zzmark"));
    let provider = Provider::that_is(Behaviour::Down).await;
    let service = Service::trusting(&provider, "").await;
    let (replica, issuer) = (&service.replica, provider.issuer());
    let of = |result| [("issuer", issuer.as_str()), ("result", result)];
    becomes(replica, FETCHES, &of("failed"), |count| count >= 1.0).await;
    becomes(replica, "keyward_issuers_without_keys", &[], |count| count == 1.0).await;
    assert_eq!(Scrape::of(replica).await.get("keyward_issuer_key_set_age_seconds", &[]), None);

    provider.is(Behaviour::Sound);
    provider.publishes(&[&key]);
    service.comes_to_accept(&provider.token(&key)).await;
    becomes(replica, FETCHES, &of("ok"), |count| count >= 1.0).await;
    becomes(replica, "keyward_issuers_without_keys", &[], |count| count == 0.0).await;
    becomes(replica, "keyward_issuer_key_set_age_seconds", &of("ok")[..1], |age| (0.0..60.0).contains(&age)).await;

    let before = Scrape::of(replica).await;
    assert_eq!(service.status(&provider.token(&other)).await, 401);
    grows(replica, &before, "keyward_issuer_unknown_keys_total", &[("issuer", &issuer)], 1.0).await;
    grows(replica, &before, "keyward_denials_total", &[("reason", "token_key_unknown")], 1.0).await;
    assert!(!Scrape::of(replica).await.text.contains("zzmark"), "a key id of a token is in the metrics");
}
