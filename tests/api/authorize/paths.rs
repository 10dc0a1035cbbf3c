//! No spelling of a request gets past a rule.

use test_support::{actors::Person, wire::Connection};

use super::{Grant, Guarded};

/// The second rule lets through whatever the first one does not see.
const ADMIN: &str = r#"
[[rules]]
hosts = ["api.example.com"]
paths = ["/admin/**", "/a/*/secret"]
scopes_all = ["admin"]

[[rules]]
hosts = ["*.example.com"]
"#;

#[tokio::test]
async fn every_spelling_of_a_path_meets_its_rule_or_none() {
    let guarded = Guarded::by(ADMIN).await;
    let token = Person::named("alice").token;
    for uri in [
        "/admin",
        "/admin/",
        "/admin/users",
        "/admin?x",
        "/admin/?x",
        "/%61dmin",
        "/%61%64%6d%69%6e/users",
        "/admin/%20",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%2e/admin",
        "/x/%2e%2e/admin",
        "/x/.%2E/admin",
        "/admin/..",
        "/admin/.",
        "/x%2f..%2fadmin",
        "/x/..%2fadmin",
        "/admin%2fusers",
        "/admin%2Fusers",
        "%2fadmin",
        "/%2fadmin",
        "/x\\..\\admin",
        "/\\admin",
        "/admin\\users",
        "/admin%5cusers",
        "/x/..%5cadmin",
        "/%5cadmin",
        "/Admin",
        "/ADMIN/users",
        "/%41dmin",
        "/adm%49n",
        "/admin;x=1/users",
        "/admin;/users",
        "/;/admin",
        "/x/..;/admin",
        "/admin%3b/users",
        "/admin/users;jsessionid=1",
        "/admin%00",
        "/admin%00/users",
        "/admin%0a",
        "/admin%0d%0a",
        "/admin%09",
        "/admin%7f",
        "/admin#x",
        "/#/admin",
        "/admin%23",
        "/admin%3fx",
        "/x%3f/../admin",
        "/%2561dmin",
        "/x/%252e%252e/admin",
        "/admin%252fusers",
        "/%25%36%31dmin",
        "/%u0061dmin",
        "/%",
        "/%zz",
        "/admin/%",
        "/%c0%ae%c0%ae/admin",
        "/x/%c0%afadmin",
        "/%ff",
        "/admin/\u{e9}",
        // A number sign ends a path for some, wherever it stands.
        "/orders#/../admin",
        "/orders/#/../../admin",
        "/orders?x#/../admin",
        "/orders#",
        "/orders?#",
        // Nor is a target what has spaces or control characters in its query.
        "/orders?x y",
        "/orders?x\ty",
        "/orders?\u{e9}",
        // Letters that some servers take for others, or don't see.
        "/ADM\u{131}N",
        "/adm%C4%B1n",
        "/ADM%C4%B0N/users",
        "/%EF%BD%81dmin",
        "/admin%E2%80%8B/users",
        "/ad%C2%ADmin",
        "/%E2%93%90dmin",
        "/admin%EF%BC%8Fusers",
        "/x/%E2%80%A5/admin",
        // What Windows doesn't see.
        "/.../admin",
        "/%20/admin",
        "/x/..%20/admin",
        "http://api.example.com/admin",
        "admin",
        "",
        "*",
        "/a//secret",
        "/a/x/secret/",
        "/A/x/secret",
        "/a/x/%73ecret",
    ] {
        let reply = guarded.asks(Some(&token), "GET", "api.example.com", uri).await;
        assert_eq!(reply.status, 403, "{uri:?}: {}", reply.text);
    }
    for uri in [
        "/",
        "/administration",
        "/orders",
        "/x/admin",
        "/a/secret",
        "/a/b/c/secret",
        "/~x/a:b@c",
        "/100%25",
        "/a%20b",
        "/caf%C3%A9/%F0%9F%A6%80",
        "/orders?x=/../admin;%2f%00%23",
    ] {
        let reply = guarded.asks(Some(&token), "GET", "api.example.com", uri).await;
        assert_eq!(reply.status, 200, "{uri:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn every_spelling_of_a_host_meets_its_rule_or_none() {
    let guarded = Guarded::by(ADMIN).await;
    let token = Person::named("alice").token;
    for host in [
        "api.example.com",
        "API.EXAMPLE.COM",
        "Api.Example.Com",
        "api.example.com.",
        "api.example.com:80",
        "api.example.com:443",
        "api.example.com.:8080",
        "api.example.com:",
        "api.example.com..",
        ".api.example.com",
        "api.example.com,x.example.com",
        "x.example.com, api.example.com",
        "user@api.example.com",
        "api.example.com/x",
        "api..example.com",
        "api.example.com:80:80",
        "api.example.com:x",
        "api%2eexample.com",
        "",
        ".",
        "[::1",
        "api.example.com\t",
        "\u{e9}.example.com",
        "x.example.com/../api.example.com",
    ] {
        let reply = guarded.asks(Some(&token), "GET", host, "/admin").await;
        assert_eq!(reply.status, 403, "{host:?}: {}", reply.text);
    }
    guarded.asks(Some(&token), "GET", "other.example.com", "/admin").await.is_grant();
}

#[tokio::test]
async fn every_spelling_of_a_method_meets_its_rule_or_none() {
    let policy = "[[rules]]\nmethods = [\"DELETE\", \"GET\"]\nscopes_all = [\"admin\"]\n[[rules]]\n";
    let guarded = Guarded::by(policy).await;
    let token = Person::named("alice").token;
    for method in ["DELETE", "delete", "Delete", "DELETE,POST", "GET", "HEAD", "DELETE/1.1", "", "D%45LETE"] {
        let reply = guarded.asks(Some(&token), method, "a", "/").await;
        assert_eq!(reply.status, 403, "{method:?}: {}", reply.text);
    }
    for method in ["POST", "PROPFIND", "OPTIONS", "M-SEARCH"] {
        guarded.asks(Some(&token), method, "a", "/").await.is_grant();
    }
}

/// The status that Keyward answers with when it is asked as Envoy asks.
async fn asked_below(guarded: &Guarded, target: &[u8]) -> u16 {
    let token = Person::named("alice").token;
    let mut connection = Connection::open(&guarded.replica).await;
    let head = format!(" HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n");
    connection.send([b"GET /v1/authorize", target, head.as_bytes()].concat()).await;
    connection.answer().await.status
}

#[tokio::test]
async fn no_spelling_gets_past_a_rule_behind_our_own_path_either() {
    let guarded = Guarded::by(ADMIN).await;
    assert_eq!(asked_below(&guarded, b"/orders").await, 200);
    for below in [
        "/admin",
        "//admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/%61dmin",
        "/admin%2fx",
        "/ADMIN",
        "/admin;x",
        "/admin\\x",
        "/../authorize/admin",
        "/admin%00",
        "/admin%0a",
        "%2fadmin",
        "/%252e%252e/admin",
        "/adm%C4%B1n",
        "/%EF%BD%81dmin",
        "/.../admin",
        "/orders\u{e9}",
        "/x\u{131}/../adm\u{131}n",
    ] {
        let status = asked_below(&guarded, below.as_bytes()).await;
        assert!(matches!(status, 400 | 403 | 404), "{below}: {status}");
    }
    for below in [b"/orders\xff".as_slice(), b"/orders\x7f", b"/orders?\xc3\xa9", b"/orders?\xff"] {
        let status = asked_below(&guarded, below).await;
        assert!(matches!(status, 400 | 403), "{}: {status}", below.escape_ascii());
    }
}

/// actix-http drops what begins with the number sign, so nothing behind it can find that out.
#[tokio::test]
async fn a_number_sign_behind_our_own_path_is_refused() {
    let guarded = Guarded::by(ADMIN).await;
    for below in ["/orders#", "/orders#/../admin", "/orders/#/../../admin", "/orders?x#/../admin", "#/orders", "?#"] {
        assert_eq!(asked_below(&guarded, below.as_bytes()).await, 400, "{below}");
    }
}
