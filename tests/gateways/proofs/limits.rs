//! What clients learn of their limits.

use serde_json::json;
use test_support::{asking::MadeKey, wire::Answer};

use super::{KEY, assert_passed};
use crate::{gateway::Gateway, scene::Scene};

const OLDER: [(&str, &str); 1] = [("KEYWARD__LIMITS__LEGACY_HEADERS", "seconds")];

async fn limited(scene: &Scene, limit: u64) -> MadeKey {
    scene.key(json!({ "limits": [{ "name": "all", "limit": limit, "window": "month" }] })).await
}

/// It tells that so much is left of a limit.
#[track_caller]
fn assert_tells(answer: &Answer, left: u64, limit: u64) {
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    assert_eq!(header("ratelimit-policy"), format!(r#""all";q={limit}"#));
    assert!(header("ratelimit").starts_with(&format!(r#""all";r={left};t="#)), "{answer:?}");
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining")),
        (&*limit.to_string(), &*left.to_string())
    );
    assert!(header("x-ratelimit-reset").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}

pub(crate) async fn who_has_used_a_limit_up_is_told_when_it_begins_anew<G: Gateway>() {
    let scene = Scene::set_with::<G>(&OLDER).await;
    let key = limited(&scene, 1).await.holder.key;
    assert_passed(&scene.gets("/", &[(KEY, &key)]).await);
    for _ in 0..2 {
        let refused = scene.refuses(429, "/", &[(KEY, &key)]).await;
        assert!(refused.header("retry-after").is_some_and(|text| text.parse::<u64>().is_ok()), "{refused:?}");
        assert_tells(&refused, 0, 1);
    }
}

pub(crate) async fn what_is_left_of_a_limit_is_told_with_what_the_api_answers<G: Gateway>() {
    let scene = Scene::set_with::<G>(&OLDER).await;
    let key = limited(&scene, 3).await.holder.key;
    for left in [2, 1, 0] {
        let passed = scene.gets("/", &[(KEY, &key)]).await;
        assert_passed(&passed);
        assert_tells(&passed, left, 3);
    }
    let asked = json!({ "credits": { "remaining": 2, "refill": { "amount": 2, "interval": "monthly" } } });
    let prepaid = scene.key(asked).await.holder.key;
    for left in [1, 0] {
        let passed = scene.gets("/", &[(KEY, &prepaid)]).await;
        assert_passed(&passed);
        let told = passed.header("ratelimit").unwrap_or_else(|| panic!("no credits: {passed:?}"));
        assert!(told.starts_with(&format!(r#""credits";r={left};t="#)), "{told}");
    }
    let refused = scene.refuses(429, "/", &[(KEY, &prepaid)]).await;
    assert!(refused.header("retry-after").is_some_and(|text| text.parse::<u64>().is_ok()), "{refused:?}");
    let unlimited = scene.reader().await.holder.key;
    for (target, headers) in [("/orders/7", &[(KEY, unlimited.as_str())][..]), ("/public/", &[])] {
        let passed = scene.gets(target, headers).await;
        assert_passed(&passed);
        for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        {
            assert_eq!(passed.header(name), None, "{target}");
        }
    }
}
