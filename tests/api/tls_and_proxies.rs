//! Whose certificates are believed, and by which way other servers are asked: docs/tls-and-proxies.md.

use serde_json::json;
use test_support::{
    TestDatabase,
    actors::Person,
    database, eventually,
    program::{Folder, run_beside},
    replica::command,
    server_socket,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, UnixStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    issuers::TrustedIssuer,
    tls::{Authority, ConnectProxy},
};

/// Speaks TLS in front of a Postgres, as one with `ssl = on` does.
async fn postgres_with_tls(database: &TestDatabase, tls: TlsAcceptor) -> (u16, String) {
    let (socket, name) = server_socket(database.url());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.expect("a connection");
            let (tls, socket) = (tls.clone(), socket.clone());
            tokio::spawn(async move {
                // SSLRequest: <https://www.postgresql.org/docs/current/protocol-flow.html>
                let mut request = [0; 8];
                if client.read_exact(&mut request).await.is_err() || client.write_all(b"S").await.is_err() {
                    return;
                }
                let Ok(mut client) = tls.accept(client).await else { return };
                let mut server = UnixStream::connect(&socket).await.expect("Postgres");
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, name)
}

/// Connects, or gives what is said instead. A machine's own certificates take a while to read in a program without
/// optimisation, so there is more time than by default.
async fn connected(url: &str, env: &[(&str, &str)]) -> Result<(), String> {
    let mut command = command();
    command.args(["migrate"]).env("DATABASE_URL", url);
    command.env("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "30s").env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "5s");
    command.envs(env.iter().copied());
    let ended = run_beside(command).await;
    if ended.code == Some(0) { Ok(()) } else { Err(ended.stderr) }
}

/// The certificates that key sets are fetched with.
#[tokio::test]
async fn postgres_verify_full_believes_what_ssl_cert_file_and_dir_say() {
    let database = database().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (port, name) = postgres_with_tls(&database, authority.server(&["localhost"])).await;
    let url = format!("postgres://postgres@localhost:{port}/{name}?sslmode=verify-full");
    let folder = Folder::new();
    let ours = folder.file("ours.pem", &authority.pem());
    let theirs = folder.file("theirs.pem", &stranger.pem());
    let directory = Folder::new();
    directory.file("any-name.pem", &authority.pem());
    let directory = directory.path().to_str().expect("UTF-8");

    connected(&url, &[("SSL_CERT_FILE", &ours)]).await.expect("the authority is believed");
    connected(&url, &[("SSL_CERT_DIR", directory)]).await.expect("the authority is believed");
    connected(&format!("{url}&sslrootcert={ours}"), &[]).await.expect("the parameter is believed");
    connected(&url, &[("PGSSLROOTCERT", &ours)]).await.expect("the variable is believed");
    for env in [vec![], vec![("SSL_CERT_FILE", theirs.as_str())]] {
        let message = connected(&url, &env).await.expect_err("nobody knows the authority");
        assert!(message.contains("certificate"), "{message}");
    }
    let wrong_name = url.replace("localhost", "127.0.0.1");
    let message = connected(&wrong_name, &[("SSL_CERT_FILE", &ours)]).await.expect_err("another name");
    assert!(message.contains("certificate"), "{message}");
}

#[tokio::test]
async fn key_sets_are_fetched_with_what_ssl_cert_file_and_dir_say() {
    let authority = Authority::new();
    let issuer = TrustedIssuer::with_tls(authority.server(&["127.0.0.1"])).await;
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &authority.pem());
    let directory = folder.path().to_str().expect("UTF-8");
    for env in [("SSL_CERT_FILE", ca.as_str()), ("SSL_CERT_DIR", directory)] {
        let replica = issuer.replica(&[env]).await;
        eventually("the keys come", async || issuer.status(&replica).await == 200).await;
    }
    let replica = issuer.replica(&[]).await;
    let line = replica.prints("could not fetch an issuer's keys").await;
    assert!(line.contains("certificate"), "{line}");
    assert_eq!(issuer.status(&replica).await, 503);
}

#[tokio::test]
async fn key_sets_are_fetched_by_way_of_https_proxy_but_for_no_proxy() {
    let authority = Authority::new();
    let issuer = TrustedIssuer::with_tls(authority.server(&["127.0.0.1"])).await;
    let url = issuer.url();
    let (_, address) = url.split_once("://").expect("a scheme");
    let proxy = ConnectProxy::to(address.to_owned()).await;
    let url = proxy.url();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &authority.pem());
    let trust = ("SSL_CERT_FILE", ca.as_str());

    let replica = issuer.replica(&[trust, ("HTTPS_PROXY", &url)]).await;
    eventually("the keys come", async || issuer.status(&replica).await == 200).await;
    assert!(!proxy.asked().is_empty() && proxy.asked().iter().all(|asked| asked == address), "{:?}", proxy.asked());

    let questions = proxy.asked().len();
    let replica = issuer.replica(&[trust, ("HTTPS_PROXY", &url), ("NO_PROXY", "example.com,127.0.0.0/8")]).await;
    eventually("the keys come", async || issuer.status(&replica).await == 200).await;
    assert_eq!(proxy.asked().len(), questions, "it was asked all the same");

    let nobody = "http://127.0.0.1:1";
    let replica = issuer.replica(&[trust, ("HTTPS_PROXY", nobody)]).await;
    replica.prints("could not fetch an issuer's keys").await;
    assert_eq!(issuer.status(&replica).await, 503, "only by way of the proxy");
    assert_eq!(Person::named("alice").asks_for_a_key(&replica).await.status(), 201, "{}", json!(replica.output()));
}
