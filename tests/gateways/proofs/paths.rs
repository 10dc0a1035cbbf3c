//! A path is the same one to the gateway and to the API, of whatever kind the API's server is. Else somebody gets
//! around a scope.

use serde_json::json;

use super::{KEY, assert_passed};
use crate::{gateway::Gateway, readers::all_readings, scene::Scene};

/// What may stand behind a part of a path, and is not seen by some servers, or ends the part, or the path.
const BEHIND: [&str; 34] = [
    ";",
    ";x",
    ";x=1",
    "%3b",
    "%3Bx",
    "%253b",
    "#",
    "%23",
    "%2523",
    "%3f",
    "%253F",
    "%00",
    "%2500",
    "%09",
    "%0a",
    "%0D%0A",
    "%7f",
    "%01",
    "\\",
    "%5c",
    "%5C",
    "%255c",
    "%2f",
    "%2F",
    "%252f",
    "%ff",
    "%80",
    "%c3",
    "%f0%9f%9a",
    "%ed%a0%80",
    "%",
    "%zz",
    "%u0000",
    "\u{7f}",
];

/// What leads up and out of a folder in some server's view.
const UP: [&str; 34] = [
    "../",
    "..",
    "%2e%2e/",
    "%2E./",
    ".%2e/",
    "..;/",
    "..;a=b/",
    "..%3b/",
    "%2e%2e%3Bx/",
    "..%2f",
    "%2e%2e%2F",
    "..\\",
    "..%5c",
    "%2e%2e%5C",
    "/../",
    "./../",
    "x/../../",
    "x/%2e%2e/..;/",
    "%252e%252e/",
    "..%252f",
    "%25%32%65%25%32%65/",
    "%c0%ae%c0%ae/",
    "%e0%80%ae%e0%80%ae/",
    "..%c0%af",
    "..%e0%80%af",
    "%u002e%u002e/",
    "..%u002f",
    "..%00/",
    "..%09/",
    "..%ff/",
    ".%0d./",
    "..#/",
    "#/../../",
    "..%23/",
];

/// Other spellings of `/orders/7`, for some servers.
fn spellings_of_orders() -> Vec<String> {
    let plain = [
        "/orders",
        "/orders/",
        "/orders?x",
        "/orders/7?x=1",
        "/%6frders/7",
        "/%6Frders/7",
        "/%256frders/7",
        "/%25256frders/7",
        "/%25%36%66rders/7",
        "/%u006frders/7",
        "/%c1%afrders/7",
        "/%e0%81%afrders/7",
        "/ORDERS/7",
        "/Orders/7",
        "/orderS",
        "/oRdErS/7",
        "/%4frders/7",
        "/%254frders/7",
        "/order%c5%bf/7",
        "/ORDER%C5%BF/7",
        "/order\u{17f}/7",
        "//orders/7",
        "///orders/7",
        "//x/orders/7",
        "/%2forders/7",
        "/%5corders/7",
        "/\\orders/7",
        "/;/orders/7",
        "/;x/orders",
        "/./orders/7",
        "/.;x/orders/7",
        "/%2e/orders/7",
        "/%00/../orders/7",
        "/x/../orders/7",
        "/orders%2f7",
        "/orders\\7",
        "/orders//7",
        "/orders/.",
        "/orders/./7",
        "/orders/x/../7",
        "http://keyward/orders/7",
        "orders/7",
        "*",
    ];
    let behind = BEHIND
        .iter()
        .flat_map(|text| [format!("/orders{text}"), format!("/orders{text}/7"), format!("/ord{text}ers/7")]);
    let up = UP.iter().flat_map(|up| ["public", "elsewhere"].map(|folder| format!("/{folder}/{up}orders/7")));
    plain.iter().map(|path| (*path).to_owned()).chain(behind).chain(up).collect()
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// With a key that carries no scope, and without one.
pub(crate) async fn no_spelling_of_a_path_gets_around_a_check<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({})).await.holder.key;
    for target in spellings_of_orders() {
        for headers in [&[(KEY, key.as_str())][..], &[]] {
            let before = scene.api.requests().len();
            let answer = scene.gets(&target, headers).await;
            let got = scene.api.requests().split_off(before);
            assert_eq!(got.is_empty(), answer.status != 200, "{target} gets {answer:?}");
            assert!([200, 301, 400, 401, 403, 404].contains(&answer.status), "{target} gets {answer:?}");
            for request in got {
                let readings = all_readings(&request.target);
                let orders = readings.iter().find(|path| is_below(path, "/orders"));
                assert_eq!(orders, None, "{target} arrives as {}", request.target);
                // Without a credential, what is public in every view.
                let elsewhere = readings.iter().find(|path| headers.is_empty() && !is_below(path, "/public"));
                assert_eq!(elsewhere, None, "{target} arrives as {}", request.target);
            }
        }
    }
    // And the scope opens what it should.
    let reader = scene.reader().await.holder.key;
    for target in ["/orders", "/orders/", "/orders/7", "/%6frders/7", "/orders/a%20b/%C3%A4/100%25?x=%2F..%2f;y"] {
        assert_passed(&scene.gets(target, &[(KEY, &reader)]).await);
    }
    if G::POLICY.is_none() {
        // Capitals don't matter to the gateway. Keyward's policy refuses what differs in nothing else.
        assert_passed(&scene.gets("/ORDERS/7", &[(KEY, &reader)]).await);
    }
}

/// What is not clear is refused where nobody is asked, too: on public routes there is no second look.
pub(crate) async fn what_servers_read_differently_is_refused_on_public_routes_too<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    for text in BEHIND.iter().chain(&[
        "%c0%af",
        "%e0%80%af",
        "%f8%80%80%80%af",
        "%c4%b0",
        "%c4%b1",
        "%c5%bf",
        "%e2%84%aa",
        "%2541",
    ]) {
        for target in [format!("/public/x{text}"), format!("/public/x{text}/y"), format!("/public{text}/y")] {
            is_refused_or_clear::<G>(&scene, &target).await;
        }
    }
    for target in [
        "/public/...",
        "/public/%20/x",
        "/public/.%20/x",
        "/public/.%2e%20./x",
        "/public/x?y#z",
        "/PUBLIC/x",
        "/Public/x",
    ] {
        is_refused_or_clear::<G>(&scene, target).await;
    }
    // However long it takes to look at it.
    for long in [".", "a.", "%2e", "%20.", "%c3%a4", ".%20"] {
        is_refused_or_clear::<G>(&scene, &format!("/public/{}/%2541", long.repeat(7000 / long.len()))).await;
    }
    let long = format!("/public/{}", "a%20%C3%A4.b/%f0%9f%a6%80".repeat(250));
    for target in [
        "/public/",
        "/public/a.b/.c/..d/e../f..g",
        "/public/A-_.~!$&'()*+,=:@",
        "/public/%20a/%E2%82%AC/%F0%9F%A6%80",
        "/public/100%25",
        "/public/100%25x",
        "/public/x?/../;%2f%zz=%00",
        &long,
    ] {
        let answer = scene.gets(target, &[]).await;
        assert_eq!(answer.status, 200, "{target} gets {answer:?}");
    }
}

/// Without a credential, it doesn't get to the API; or the gateway has made a path of it that is public in every view.
async fn is_refused_or_clear<G: Gateway>(scene: &Scene, target: &str) {
    let before = scene.api.requests().len();
    let answer = scene.gets(target, &[]).await;
    let got = scene.api.requests().split_off(before);
    match (answer.status, got.as_slice()) {
        (400 | 401 | 403, []) => {}
        (200, [request]) if G::RESOLVES_PATHS => {
            let elsewhere = all_readings(&request.target).into_iter().find(|path| !is_below(path, "/public"));
            assert_eq!(elsewhere, None, "{target} arrives as {}", request.target);
        }
        _ => panic!("{target} gets {answer:?}, and the API {got:?}"),
    }
}
