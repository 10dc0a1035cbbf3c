//! How each gateway tells what its client asks for, and who is believed.

use reqwest::Method;
use test_support::{
    actors::{Person, stranger},
    asking::Reply,
    wire::Connection,
};

use super::{Grant, Guarded, question, with};

/// One request is open to anybody, and nothing else is there: so the answer tells what Keyward has understood.
const ONE: &str = r#"
[[rules]]
hosts = ["api.example.com"]
paths = ["/open/7"]
methods = ["PATCH"]
anonymous = true
"#;

#[tokio::test]
async fn what_gateways_tell_is_understood_in_their_own_ways() {
    let guarded = Guarded::by(ONE).await;
    for told in [
        // Traefik's ForwardAuth and Caddy's forward_auth, which ask with GET.
        &[
            ("x-forwarded-method", "PATCH"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example.com"),
            ("x-forwarded-uri", "/open/7?x=/closed"),
            ("x-forwarded-for", "192.0.2.1"),
        ][..],
        // nginx's auth_request, with what one writes beside it.
        &[
            ("x-original-method", "PATCH"),
            ("x-original-host", "api.example.com:8443"),
            ("x-original-uri", "/open/7?x=1"),
        ],
        // ingress-nginx's auth-url.
        &[("x-original-method", "PATCH"), ("x-original-url", "https://api.example.com/open/7?x=1")],
        &[("x-original-method", "PATCH"), ("x-original-url", "http://api.example.com:80/open/7")],
        &[("x-original-method", "PATCH"), ("x-original-url", "/open/7"), ("x-original-host", "api.example.com")],
        // The same thing twice, in other words.
        &[
            ("x-original-method", "PATCH"),
            ("x-forwarded-method", "PATCH"),
            ("x-original-url", "https://API.example.com./open/7/"),
            ("x-forwarded-host", "api.example.com"),
            ("x-forwarded-uri", "/%6fpen/7"),
        ],
    ] {
        let reply = Reply::to(with(question(&guarded.replica), told)).await;
        assert_eq!(reply.status, 200, "{told:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn envoy_asks_with_its_clients_method_and_host_below_our_path() {
    let guarded = Guarded::by(ONE).await;
    let ask = async |method: &str, host: &str, target: &str, more: &str| {
        let mut connection = Connection::open(&guarded.replica).await;
        connection.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")).await;
        connection.answer().await.status
    };
    let right = "/v1/authorize/open/7?scope=closed";
    assert_eq!(ask("PATCH", "api.example.com", right, "").await, 200);
    assert_eq!(ask("PATCH", "api.example.com:8080", right, "Content-Length: 0\r\n").await, 200);
    assert_eq!(ask("PATCH", "api.example.com", right, "X-Forwarded-Uri: /open/7\r\n").await, 200);
    for (method, host, target, more) in [
        ("GET", "api.example.com", right, ""),
        ("PATCH", "other.example.com", right, ""),
        ("PATCH", "api.example.com", "/v1/authorize/open/8", ""),
        ("PATCH", "api.example.com", "/v1/authorize/", ""),
        ("PATCH", "api.example.com", "/v1/authorize", ""),
        ("PATCH", "api.example.com", "/v1/%61uthorize/open/7", ""),
        ("PATCH", "api.example.com", "/v1/authorize//open/7", ""),
        ("PATCH", "api.example.com", "/v1/authorize/closed/../open/7", ""),
        ("PATCH", "api.example.com", "/v1/authorize/open%2f7", ""),
        // Told besides, and not the same.
        ("PATCH", "api.example.com", right, "X-Forwarded-Uri: /open/8\r\n"),
        ("GET", "api.example.com", right, "X-Forwarded-Method: PATCH\r\n"),
        ("PATCH", "other.example.com", right, "X-Forwarded-Host: api.example.com\r\n"),
    ] {
        assert_eq!(ask(method, host, target, more).await, 403, "{method} {host} {target} {more}");
    }
}

const TOLD: [(&str, &str); 3] =
    [("x-forwarded-method", "PATCH"), ("x-forwarded-host", "api.example.com"), ("x-forwarded-uri", "/open/7")];

#[tokio::test]
async fn nobody_else_is_believed_what_somebody_asks_for() {
    let elsewhere = ("KEYWARD__SERVER__TRUSTED_PROXIES", "192.0.2.0/24,2001:db8::/32");
    let guarded = Guarded::with(ONE, &[elsewhere]).await;
    let more = [TOLD[0], TOLD[1], TOLD[2], ("x-forwarded-for", "192.0.2.1"), ("x-real-ip", "192.0.2.1")];
    for told in [&TOLD[..], &more] {
        Reply::to(with(question(&guarded.replica), told)).await.is_problem(403, "not_allowed");
    }
    let below = with(stranger(&guarded.replica, Method::PATCH, "/v1/authorize/open/7"), &[("host", "api.example.com")]);
    Reply::to(below).await.is_problem(403, "not_allowed");
    guarded.replica.prints("policy_request_unknown").await;
}

/// Else a gateway whose address nobody has configured, or that forgets a header, would get to the rule for the rest.
#[tokio::test]
async fn what_is_not_told_meets_no_rule_not_even_one_for_everything() {
    let policy = "[[rules]]\npaths = [\"/admin/**\"]\nscopes_all = [\"admin\"]\n[[rules]]\n";
    let (known, unknown) =
        (Guarded::by(policy).await, Guarded::with(policy, &[("KEYWARD__SERVER__TRUSTED_PROXIES", "192.0.2.1")]).await);
    let alice = Person::named("alice");
    for guarded in [&known, &unknown] {
        let reply = Reply::to(question(&guarded.replica).bearer_auth(&alice.token)).await;
        reply.is_problem(403, "not_allowed");
    }
    known.asks(Some(&alice.token), "", "", "/orders").await.is_grant();
    unknown.asks(Some(&alice.token), "GET", "a", "/orders").await.is_problem(403, "not_allowed");
}

#[tokio::test]
async fn each_thing_that_the_rules_look_at_must_be_told() {
    let guarded = Guarded::by(ONE).await;
    for missing in 0..TOLD.len() {
        let told: Vec<_> =
            TOLD.into_iter().enumerate().filter(|(place, _)| *place != missing).map(|(_, it)| it).collect();
        Reply::to(with(question(&guarded.replica), &told)).await.is_problem(403, "not_allowed");
    }
}

#[tokio::test]
async fn what_is_told_twice_or_in_contradiction_is_refused() {
    let guarded = Guarded::by(ONE).await;
    Reply::to(with(question(&guarded.replica), &TOLD)).await.is_grant();
    for more in [
        // The same, and yet one header too many: another reader may take the other one.
        ("x-forwarded-uri", "/open/7"),
        ("x-forwarded-method", "PATCH"),
        ("x-forwarded-host", "api.example.com"),
        ("x-original-uri", "/closed"),
        ("x-original-url", "https://api.example.com/closed"),
        ("x-original-url", "https://other.example.com/open/7"),
        ("x-original-url", "https://api.example.com@other.example.com/open/7"),
        ("x-original-url", "ftp://api.example.com/open/7"),
        ("x-original-url", "api.example.com/open/7"),
        ("x-original-url", ""),
        ("x-original-url", "https://api.example.com/open/7#"),
        ("x-original-url", "https://api.example.com/open/7#/../../closed"),
        ("x-original-url", "https://api.example.com/open/7?x#/../../closed"),
        ("x-original-url", "https://api.example.com#/open/7"),
        ("x-original-url", "https://api.example.com#@other.example.com/open/7"),
        ("x-original-url", "https:///open/7"),
        ("x-original-url", "/open/7#x"),
        ("x-original-uri", "/open/7#x"),
        ("x-original-uri", "/open/7?x#y"),
        ("x-original-uri", ""),
        ("x-original-method", "GET"),
        ("x-original-method", "patch"),
        ("x-original-method", ""),
        ("x-original-host", "other.example.com"),
        ("x-original-host", "api.example.com, other.example.com"),
        ("x-original-host", ""),
    ] {
        let reply = Reply::to(with(with(question(&guarded.replica), &TOLD), &[more])).await;
        assert_eq!(reply.status, 403, "{more:?}");
        reply.is_problem(403, "not_allowed");
    }
    guarded.replica.prints("policy_request_unclear").await;
}

/// Where a path begins in an address depends on where its host ends, also for rules that look at no host.
#[tokio::test]
async fn an_address_without_a_clear_host_tells_no_path() {
    let guarded = Guarded::by("[[rules]]\npaths = [\"/open/**\"]\nanonymous = true\n").await;
    for url in ["http://a/open/7", "https://a.example:8443/open/7?x", "http://[::1]/open", "/open/7"] {
        Reply::to(with(question(&guarded.replica), &[("x-original-url", url)])).await.is_grant();
    }
    for url in [
        "http://a#/open/7",
        "http://a\\b/open/7",
        "http://a@b/open/7",
        "http://a b/open/7",
        "http://a;b/open/7",
        "http:///open/7",
        "http://a:b/open/7",
        "http://a%2fb/open/7",
        "http:/open/7",
        "HTTP://a/open/7",
        "http://a/open/7#b",
        "http://a/open/7?b#c",
    ] {
        let reply = Reply::to(with(question(&guarded.replica), &[("x-original-url", url)])).await;
        reply.is_problem(403, "not_allowed");
    }
}

#[tokio::test]
async fn what_no_rule_looks_at_may_be_told_anyhow() {
    let guarded = Guarded::by("[[rules]]\npaths = [\"/open\"]\nanonymous = true\n").await;
    let told = [("x-forwarded-uri", "/open"), ("x-forwarded-host", "a, b"), ("x-forwarded-host", "c")];
    Reply::to(with(question(&guarded.replica), &told)).await.is_grant();
}
