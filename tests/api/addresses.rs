//! `allowedIps` against the address of the client, as far as somebody trustworthy has seen it.

use std::net::IpAddr;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{PROTECTED, Person, stranger},
    asking::{KEYS, MadeKey, Reply, shared_replica},
    replica::Replica,
    shared_replica::SharedReplica,
};

const TRUSTED: (&str, &str) = ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8");
const FORWARDED: (&str, &str) = ("KEYWARD__SERVER__CLIENT_ADDRESS_HEADER", "forwarded");

async fn status(replica: &Replica, key: &MadeKey, headers: &[(&str, &str)]) -> u16 {
    let mut request = stranger(replica, Method::GET, PROTECTED).header("x-api-key", &key.holder.key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer").status().as_u16()
}

async fn bound_key(replica: &Replica, networks: Value) -> MadeKey {
    Person::named("alice").creates(replica, json!({ "allowedIps": networks })).await
}

#[tokio::test]
async fn without_trusted_proxies_the_client_is_whoever_connects() {
    let replica = shared_replica().await;
    let here = bound_key(&replica, json!(["127.0.0.1"])).await;
    let elsewhere = bound_key(&replica, json!(["192.0.2.0/24", "::/0"])).await;
    for headers in [
        &[][..],
        &[("x-forwarded-for", "192.0.2.1")],
        &[("forwarded", "for=192.0.2.1")],
        &[("x-real-ip", "192.0.2.1"), ("true-client-ip", "192.0.2.1"), ("cf-connecting-ip", "192.0.2.1")],
    ] {
        assert_eq!(status(&replica, &here, headers).await, 200, "{headers:?}");
        assert_eq!(status(&replica, &elsewhere, headers).await, 401, "{headers:?}");
    }
}

#[tokio::test]
async fn behind_trusted_proxies_the_rightmost_address_that_is_none_of_theirs_counts() {
    let replica = SharedReplica::get_with(&[TRUSTED]).await;
    let key = bound_key(&replica, json!(["192.0.2.0/24", "2001:db8::/32"])).await;
    for (header, expected) in [
        ("192.0.2.1", 200),
        ("192.0.2.1:4711", 200),
        ("2001:db8::7", 200),
        ("[2001:db8::7]:4711", 200),
        ("::ffff:192.0.2.1", 200),
        ("198.51.100.1, 192.0.2.1", 200),
        ("198.51.100.1, 192.0.2.1, 10.1.2.3", 200),
        // What stands left of the client may be the client's own invention.
        ("192.0.2.1, 198.51.100.1", 401),
        ("192.0.2.1, 198.51.100.1, 10.1.2.3", 401),
        ("198.51.100.1", 401),
        ("2001:db9::1", 401),
        ("10.1.2.3", 401),
        ("unknown", 401),
        ("192.0.2.1, unknown", 401),
        ("192.0.2.1,", 401),
        ("192.0.2", 401),
        ("192.0.2.1 192.0.2.1", 401),
        ("", 401),
        ("192.0.2.1\t, \t10.1.2.3", 200),
        (", 192.0.2.1", 200),
        ("192.0.2.1, ,10.1.2.3", 401),
        ("[2001:db8::7]", 200),
        ("2001:DB8:0:0:0:0:0:7", 200),
        ("::ffff:c000:201", 200),
        ("[::ffff:192.0.2.1]:80", 200),
        ("192.0.2.1, ::ffff:10.1.2.3", 200),
        ("192.0.2.1, [::ffff:10.1.2.3]:4711", 200),
        ("192.0.2.1:65535", 200),
        ("192.0.2.1:", 401),
        ("192.0.2.1:http", 401),
        ("192.0.2.1:123456", 401),
        ("192.0.2.1:80:80", 401),
        ("[2001:db8::7]x", 401),
        ("[2001:db8::7]:", 401),
        ("[2001:db8::7", 401),
        ("2001:db8::7]", 401),
        ("[192.0.2.1]", 401),
        ("[192.0.2.1]:80", 401),
        ("2001:db8::7%eth0", 401),
        ("[2001:db8::7%25eth0]:80", 401),
        ("192.0.02.1", 401),
        ("0xc0000201", 401),
        ("192.0.2.1/32", 401),
        ("\"192.0.2.1\"", 401),
        ("for=192.0.2.1", 401),
    ] {
        assert_eq!(status(&replica, &key, &[("x-forwarded-for", header)]).await, expected, "{header}");
    }
    assert_eq!(status(&replica, &key, &[]).await, 401);
    let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "198.51.100.1")];
    assert_eq!(status(&replica, &key, &lines).await, 401);
    assert_eq!(status(&replica, &key, &[lines[1], lines[0]]).await, 200);
    // The header that is not configured is never read.
    assert_eq!(status(&replica, &key, &[("forwarded", "for=192.0.2.1")]).await, 401);
    assert_eq!(status(&replica, &key, &[("forwarded", "for=198.51.100.1"), lines[0]]).await, 200);
}

#[tokio::test]
async fn forwarded_is_read_where_that_is_configured_rfc_7239() {
    let replica = SharedReplica::get_with(&[TRUSTED, FORWARDED]).await;
    let key = bound_key(&replica, json!(["192.0.2.0/24", "2001:db8::/32"])).await;
    for (header, expected) in [
        ("for=192.0.2.1", 200),
        ("For=\"192.0.2.1:80\";proto=https", 200),
        ("proto=http; by=10.0.0.1; for=192.0.2.1", 200),
        ("for=\"[2001:db8::1]:4711\"", 200),
        ("for=198.51.100.1, for=192.0.2.1, for=10.0.0.1", 200),
        ("for=192.0.2.1, for=198.51.100.1", 401),
        ("for=192.0.2.1, for=_hidden", 401),
        ("for=unknown", 401),
        ("by=192.0.2.1", 401),
        ("192.0.2.1", 401),
        // A quotation mark that is left open makes one text of all that follows: whose address it is, nobody can say.
        ("for=\"x, for=192.0.2.1", 401),
        ("for=\"192.0.2.1, for=198.51.100.1", 401),
        ("for=198.51.100.1;host=\"x,for=192.0.2.1", 401),
        ("for=192.0.2.1;host=\"x\\\"", 401),
        // What stands between quotation marks is no element, and no parameter.
        ("for=198.51.100.1;host=\"x,for=192.0.2.1\"", 401),
        ("for=198.51.100.1;host=\"x;for=192.0.2.1\"", 401),
        ("for=198.51.100.1;host=\"x\\\",for=192.0.2.1;y=\\\"\"", 401),
        ("for=192.0.2.1;host=\"x,for=198.51.100.1\"", 200),
        ("for=192.0.2.1;host=\"\\\\\";proto=https", 200),
        ("host=\"x,for=198.51.100.1\";for=192.0.2.1, for=10.0.0.1", 200),
        ("for=\"192\\.0.2.1\"", 200),
        ("for=\"192.0.2.1:_obscure-port.1\"", 200),
        ("for=\"[2001:db8::1]\"", 200),
        ("FOR=192.0.2.1;;by=unknown;", 200),
        (";for=192.0.2.1", 200),
        ("garbage, for=192.0.2.1", 200),
        ("for=198.51.100.1;for=198.51.100.2, for=192.0.2.1", 200),
        ("for=192.0.2.1;for=198.51.100.1", 401),
        ("for=198.51.100.1;for=192.0.2.1", 401),
        ("for=192.0.2.1;For=\"192.0.2.1\"", 401),
        ("for=192.0.2.1 ;proto=https", 200),
        ("for =192.0.2.1", 401),
        ("for= 192.0.2.1", 401),
        ("for=192.0.2.1:80", 401),
        ("for=[2001:db8::1]", 401),
        ("for=\"2001:db8::1\"", 401),
        ("for=\"[192.0.2.1]\"", 401),
        ("for=\"[2001:db8::1%eth0]\"", 401),
        ("for=\"192.0.2.1:\"", 401),
        ("for=\"192.0.2.1:123456\"", 401),
        ("for=\"192.0.2.1\"x", 401),
        ("for=\"192.0.2.1\"\"\"", 401),
        ("for=x\"192.0.2.1\"", 401),
        ("for=192.0.2.1;proto", 401),
        ("for=192.0.2.1;=https", 401),
        ("for=192.0.2.1;proto=", 401),
        ("for=192.0.2.1;pr(oto=https", 401),
        ("for=192.0.2.1;host=a b", 401),
        ("for=192.0.2.1, for=Unknown", 401),
        ("for=192.0.2.1,", 401),
        ("for=192.0.2.1,,for=10.0.0.1", 401),
        ("", 401),
        ("for=", 401),
    ] {
        assert_eq!(status(&replica, &key, &[("forwarded", header)]).await, expected, "{header}");
    }
    assert_eq!(status(&replica, &key, &[("x-forwarded-for", "192.0.2.1")]).await, 401);
}

/// Lines of one name are one list (RFC 9110 §5.3), also where a text between quotation marks goes over them.
#[tokio::test]
async fn lines_of_forwarded_are_one_list_in_their_order() {
    let replica = SharedReplica::get_with(&[TRUSTED, FORWARDED]).await;
    let key = bound_key(&replica, json!(["192.0.2.0/24"])).await;
    for (lines, expected) in [
        (["for=198.51.100.1", "for=192.0.2.1"], 200),
        (["for=192.0.2.1", "for=198.51.100.1"], 401),
        (["for=192.0.2.1", "for=10.0.0.1"], 200),
        (["for=192.0.2.1", "for=10.0.0.1, for=unknown"], 401),
        (["for=198.51.100.1;host=\"x", "for=192.0.2.1"], 401),
        (["for=198.51.100.1;host=\"x", "for=192.0.2.1\""], 401),
        (["for=192.0.2.1;host=\"x", "for=198.51.100.1\""], 200),
    ] {
        let headers = lines.map(|line| ("forwarded", line));
        assert_eq!(status(&replica, &key, &headers).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn a_network_of_proxies_may_be_written_as_ipv4_or_as_ipv6_that_stands_for_it() {
    let replica =
        SharedReplica::get_with(&[("KEYWARD__SERVER__TRUSTED_PROXIES", "::ffff:127.0.0.1,::ffff:10.0.0.0/104")]).await;
    let key = bound_key(&replica, json!(["192.0.2.0/24"])).await;
    for header in ["192.0.2.1", "192.0.2.1, 10.7.7.7", "192.0.2.1, ::ffff:10.7.7.7"] {
        assert_eq!(status(&replica, &key, &[("x-forwarded-for", header)]).await, 200, "{header}");
    }
}

#[tokio::test]
async fn the_audit_has_the_clients_address_from_the_proxy() {
    let (replica, alice) = (SharedReplica::get_with(&[TRUSTED]).await, Person::of_this_test("alice"));
    for address in ["192.0.2.1", "2001:db8::1", "unknown"] {
        let request = alice.request(&replica, Method::POST, KEYS).header("x-forwarded-for", address);
        Reply::to(request).await.is(201);
        let events = alice.gets(&replica, "/v1/audit?limit=1").await.is(200);
        let known = address.parse::<IpAddr>().map_or(Value::Null, |_| json!(address));
        assert_eq!(events["events"][0]["address"], known);
    }
}

#[tokio::test]
async fn a_network_of_ipv4_addresses_in_ipv6_form_is_the_network_of_ipv4_addresses() {
    let replica = shared_replica().await;
    let key = bound_key(&replica, json!(["::ffff:127.0.0.1", "::ffff:192.0.2.0/120"])).await;
    assert_eq!(key.body["allowedIps"], json!(["127.0.0.1/32", "192.0.2.0/24"]));
    assert_eq!(status(&replica, &key, &[]).await, 200);
}
