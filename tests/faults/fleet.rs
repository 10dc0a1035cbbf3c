//! Replicas, each on two wires of its own to the one database: for its work, and for listening.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use futures_util::future::join_all;
use test_support::{proxy::Proxy, replica::Replica, server_socket};
use tokio::sync::watch;

/// The shortest lease there is, so that the tests are fast.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Connections of a replica for everything but heartbeats, acknowledgements and listening.
pub(crate) const POOL_SIZE: usize = 4;

/// At info it logs each denial, which here is hundreds a second.
const LOG_LEVEL: &str = "warn,keyward::startup=info";

/// How long the replicas wait for the database.
#[derive(Clone, Copy)]
pub(crate) enum Deadlines {
    /// As they do in production: half a second for a connection, a second for a statement.
    AsShipped,
    /// Longer than a machine is ever busy. For faults that leave the connections for work alone, and must disturb
    /// nobody: there a 503 is a defect, and not a machine that has forty other things to do.
    Long,
}

impl Deadlines {
    fn env(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AsShipped => &[],
            Self::Long => {
                &[("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "10s"), ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "10s")]
            }
        }
    }
}

/// A replica's place, which may be empty for a while.
pub(crate) struct Member {
    pub(crate) number: usize,
    /// Its connections for everything but listening.
    pub(crate) main: Proxy,
    /// Its listening connection.
    pub(crate) listening: Proxy,
    database: String,
    deadlines: Deadlines,
    replica: Mutex<Option<Replica>>,
    address: watch::Sender<Option<SocketAddr>>,
}

/// `count` replicas on the database at `url`.
pub(crate) async fn start(count: usize, url: &str, deadlines: Deadlines) -> Vec<Member> {
    join_all((0..count).map(|number| Member::start(number, url, deadlines))).await
}

impl Member {
    /// A replica in place `number`, with its wires.
    pub(crate) async fn start(number: usize, url: &str, deadlines: Deadlines) -> Self {
        let (socket, database) = server_socket(url);
        let member = Self {
            number,
            main: Proxy::to(socket.clone()).await,
            listening: Proxy::to(socket).await,
            database,
            deadlines,
            replica: Mutex::default(),
            address: watch::Sender::new(None),
        };
        member.restart().await;
        member
    }

    /// Where it is to be reached; `None` while it is dead.
    pub(crate) fn address(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.subscribe()
    }

    /// Kills the process, if there is one, without a word of warning.
    pub(crate) fn kill(&self) {
        self.address.send_replace(None);
        drop(self.replica().take());
    }

    /// Starts a new process in the place of the present one.
    pub(crate) async fn restart(&self) {
        self.kill();
        let url =
            |proxy: &Proxy| format!("postgres://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), self.database);
        let (listen_url, pool_size) = (url(&self.listening), POOL_SIZE.to_string());
        let mut env = vec![
            ("KEYWARD__COHERENCE__LEASE", "1s"),
            ("KEYWARD__DATABASE__LISTEN_URL", &listen_url),
            ("KEYWARD__DATABASE__POOL_SIZE", &pool_size),
            // There is one owner, who may use all of them.
            ("KEYWARD__DATABASE__OWNER_CONNECTIONS", &pool_size),
            ("KEYWARD__SERVER__WORKERS", "1"),
            ("KEYWARD__LOG__LEVEL", LOG_LEVEL),
        ];
        env.extend(self.deadlines.env());
        let replica = Replica::start_on(&url(&self.main), &env).await;
        self.address.send_replace(Some(replica.address().parse().expect("an address")));
        *self.replica() = Some(replica);
    }

    /// Stops the process where it stands.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Ends [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// The last of what the process has printed.
    pub(crate) fn last_output(&self) -> String {
        self.replica().as_ref().map(Replica::last_output).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        self.replica().as_ref().expect("it runs").signal(name);
    }

    fn replica(&self) -> MutexGuard<'_, Option<Replica>> {
        self.replica.lock().expect("nobody panics meanwhile")
    }

    /// Cuts it off from the database: nothing passes.
    pub(crate) fn partition(&self) {
        self.main.hold();
        self.listening.hold();
    }

    /// Resets all its connections to the database.
    pub(crate) fn cut(&self) {
        self.main.cut();
        self.listening.cut();
    }

    /// Loses all its connections to the database without a word.
    pub(crate) fn forget(&self) {
        self.main.forget();
        self.listening.forget();
    }

    /// Ends whatever its wires suffer.
    pub(crate) fn mend(&self) {
        self.main.mend();
        self.listening.mend();
    }
}
