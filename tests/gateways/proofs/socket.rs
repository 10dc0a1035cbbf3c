//! Gateways that can ask by a Unix socket.

use serde_json::json;
use test_support::{actors::Person, asking::replica_with, program::Folder};

use super::{KEY, assert_passed};
use crate::{
    gateway::{Gateway, Running},
    scene::{api, assert_is_problem, gets},
};

/// `before`: how the gateway writes that a path is a socket's.
pub(crate) async fn by_the_unix_socket_the_gateway_is_believed<G: Gateway>(before: &str) {
    let folder = Folder::new();
    let socket = folder.path().join("keyward.sock").display().to_string();
    // Gateways may run as somebody else.
    let settings = [("KEYWARD__SERVER__SOCKET", socket.as_str()), ("KEYWARD__SERVER__SOCKET_MODE", "0666")];
    let (keyward, api) = tokio::join!(replica_with(&settings), api());
    let gateway = Running::start::<G>(&format!("{before}{socket}"), api.address()).await;

    let alice = Person::named("alice");
    let here = alice.creates(&keyward, json!({ "allowedIps": ["127.0.0.1"] })).await;
    let elsewhere = alice.creates(&keyward, json!({ "allowedIps": ["192.0.2.0/24"] })).await;
    let told = ("X-Forwarded-For", "192.0.2.1");
    assert_passed(&gets(&gateway, "/", &[(KEY, &here.holder.key)]).await);
    assert_is_problem(&gets(&gateway, "/", &[(KEY, &elsewhere.holder.key), told]).await, 401);

    assert_eq!(alice.deletes(&keyward, &here.path()).await.status, 200);
    assert_is_problem(&gets(&gateway, "/", &[(KEY, &here.holder.key)]).await, 401);
}
