//! A wire to the database on which the answers to batches of uses get lost, after the server has committed them.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use test_support::server_socket;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// What tells the statement from others while it is prepared. After that it is executed.
const STATEMENT: &[u8] = b"SELECT write_usage";

/// The wire.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    /// How many answers are still to be lost.
    to_lose: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

impl Wire {
    /// The address of a database by this wire, of which so many answers get lost.
    pub(crate) async fn to(url: &str, to_lose: usize) -> (Self, String) {
        let (socket, database) = server_socket(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let wire = Self { to_lose: Arc::new(AtomicUsize::new(to_lose)), lost: Arc::default() };
        tokio::spawn(wire.clone().carry(listener, socket));
        (wire, format!("postgres://postgres@127.0.0.1:{port}/{database}"))
    }

    /// How many answers were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(SeqCst)
    }

    async fn carry(self, listener: TcpListener, server: PathBuf) {
        loop {
            let (near, _) = listener.accept().await.expect("a connection");
            let far = UnixStream::connect(&server).await.expect("the server answers");
            tokio::spawn(self.clone().pump(near, far));
        }
    }

    async fn pump(self, near: TcpStream, far: UnixStream) -> io::Result<()> {
        let (mut from_near, mut to_near) = near.into_split();
        let (mut from_far, mut to_far) = far.into_split();
        let executing = watch::Sender::new(false);
        let up = async {
            let (mut buffer, mut is_prepared) = ([0; 65536], false);
            loop {
                let length = from_near.read(&mut buffer).await?;
                if length == 0 {
                    return io::Result::Ok(());
                }
                // What follows the preparation is the execution.
                if is_prepared {
                    executing.send_replace(true);
                }
                is_prepared |= buffer[..length].windows(STATEMENT.len()).any(|text| text == STATEMENT);
                to_far.write_all(&buffer[..length]).await?;
            }
        };
        let down = async {
            let mut buffer = [0; 65536];
            loop {
                let length = from_far.read(&mut buffer).await?;
                if length == 0 {
                    return io::Result::Ok(());
                }
                let loses = |left: usize| left.checked_sub(1);
                if *executing.borrow() && self.to_lose.fetch_update(SeqCst, SeqCst, loses).is_ok() {
                    self.lost.fetch_add(1, SeqCst);
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                to_near.write_all(&buffer[..length]).await?;
            }
        };
        tokio::try_join!(up, down).map(drop)
    }
}
