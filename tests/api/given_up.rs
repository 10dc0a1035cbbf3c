//! What is given up amid a conversation with the database.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use reqwest::Method;
use test_support::{
    actors::{Person, stranger},
    database, eventually,
    replica::Replica,
    server_socket,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// A wire to the database that can hold back a `BEGIN`.
#[derive(Clone)]
struct Wire {
    /// Whether it does so with the next one.
    armed: Arc<AtomicBool>,
    holds: watch::Sender<bool>,
}

impl Wire {
    /// Carries all connections from `listener` to the server of the tests.
    async fn carry(self, listener: TcpListener, server: PathBuf) {
        loop {
            let (near, _) = listener.accept().await.expect("a connection");
            let far = UnixStream::connect(&server).await.expect("the server answers");
            tokio::spawn(self.clone().pump(near, far));
        }
    }

    async fn pump(self, near: TcpStream, far: UnixStream) {
        let (mut from_near, mut to_near) = near.into_split();
        let (mut from_far, mut to_far) = far.into_split();
        let up = async {
            let mut buffer = [0; 8192];
            loop {
                let length = from_near.read(&mut buffer).await?;
                if length == 0 {
                    return io::Result::Ok(());
                }
                let begins = buffer[..length].windows(5).any(|text| text == b"BEGIN");
                if begins && self.armed.swap(false, Ordering::Relaxed) {
                    self.holds.send_replace(true);
                    let _ = self.holds.subscribe().wait_for(|holds| !holds).await;
                }
                to_far.write_all(&buffer[..length]).await?;
            }
        };
        let _ = tokio::try_join!(up, copy(&mut from_far, &mut to_near));
    }
}

/// What is done on it next would be part of that transaction, and lost with it.
#[tokio::test]
async fn a_transaction_that_is_given_up_while_it_begins_is_left_to_nobody() {
    let database = database().await;
    let (socket, name) = server_socket(database.url());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    let wire = Wire { armed: Arc::default(), holds: watch::Sender::new(false) };
    tokio::spawn(wire.clone().carry(listener, socket));
    let url = format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
    let env = [
        ("KEYWARD__DATABASE__POOL_SIZE", "1"),
        ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "1s"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "1s"),
    ];
    let replica = Replica::start_on(&url, &env).await;
    let alice = Person::named("alice");

    wire.armed.store(true, Ordering::Relaxed);
    assert_eq!(alice.asks_for_a_key(&replica).await.status(), 503);
    assert!(wire.holds.send_replace(false), "nothing was held back");
    let observer = database.superuser_pool().await;
    let lists = async || {
        let list = stranger(&replica, Method::GET, "/v1/keys").bearer_auth(&alice.token);
        assert_eq!(list.send().await.expect("an answer").status(), 200);
    };
    lists().await;
    let now: String =
        sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(&observer).await.expect("the time");
    for _ in 0..10 {
        lists().await;
    }
    // Housekeeping has short ones of its own. One that was left over would go on for as long as it is used.
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name LIKE 'keyward%' AND state LIKE 'idle in transaction%' AND xact_start < $1::timestamptz";
    eventually("no transaction from before is open", async || {
        lists().await;
        sqlx::query_scalar::<_, i64>(left).bind(&now).fetch_one(&observer).await.expect("a count") == 0
    })
    .await;
}
