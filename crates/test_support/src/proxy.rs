//! A wire between a replica and Postgres that can be damaged. It listens on a port of the loopback
//! interface and speaks to the server's socket.

use std::{io, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::frames::Frames;

/// A wire. Its connections end with it.
pub struct Proxy {
    port: u16,
    targets: watch::Sender<Vec<PathBuf>>,
    conduct: watch::Sender<Conduct>,
    connections: watch::Receiver<u64>,
    accepting: JoinHandle<()>,
}

/// What the wire does. Connections are numbered from 1 in the order of their making.
#[derive(Clone, Default)]
struct Conduct {
    /// Nothing passes, in either direction.
    holds: bool,
    /// Nothing ever passes again on connections up to this one.
    forgotten: u64,
    /// Connections up to this one are reset.
    cut: u64,
    /// What the server sends arrives up to so much later, in order and in pieces.
    delay: Duration,
    /// Notifications that begin so are lost.
    swallows: Option<&'static str>,
    /// Of each two notifications, the second comes first.
    swaps: bool,
}

impl Proxy {
    /// A wire to the server's socket, in good order.
    pub async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let conduct = watch::Sender::new(Conduct::default());
        let targets = watch::Sender::new(vec![socket]);
        let (numbers, connections) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, targets.subscribe(), conduct.clone(), numbers));
        Self { port, targets, conduct, connections, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections lead to the sockets of these servers in turn. The present ones are reset.
    pub fn lead_to(&self, sockets: Vec<PathBuf>) {
        self.targets.send_replace(sockets);
        self.cut();
    }

    /// Nothing passes any more: a black hole. What is sent meanwhile arrives after
    /// [`mend`](Self::mend), as TCP's repetitions do.
    pub fn hold(&self) {
        self.conduct.send_modify(|conduct| conduct.holds = true);
    }

    /// The present connections are lost, and neither end is told: what a firewall does that has lost
    /// its memory. New ones are fine.
    pub fn forget(&self) {
        let present = *self.connections.borrow();
        self.conduct.send_modify(|conduct| conduct.forgotten = present);
    }

    /// Resets the present connections. New ones are fine.
    pub fn cut(&self) {
        let present = *self.connections.borrow();
        self.conduct.send_modify(|conduct| conduct.cut = present);
    }

    /// What the server says takes any time up to `longest` from now on.
    pub fn delay(&self, longest: Duration) {
        self.conduct.send_modify(|conduct| conduct.delay = longest);
    }

    /// Loses notifications that begin with `prefix`, and no others. No network does that: it is a
    /// planted defect.
    pub fn swallow(&self, prefix: &'static str) {
        self.conduct.send_modify(|conduct| conduct.swallows = Some(prefix));
    }

    /// Of each two notifications on a connection, the second comes first. No network does that either.
    pub fn swap(&self) {
        self.conduct.send_modify(|conduct| conduct.swaps = true);
    }

    /// In good order again. What was forgotten or cut stays so.
    pub fn mend(&self) {
        self.conduct.send_modify(|conduct| {
            *conduct = Conduct { forgotten: conduct.forgotten, cut: conduct.cut, ..Conduct::default() };
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.conduct.send_modify(|conduct| conduct.cut = u64::MAX);
    }
}

async fn accept(
    listener: TcpListener,
    targets: watch::Receiver<Vec<PathBuf>>,
    conduct: watch::Sender<Conduct>,
    numbers: watch::Sender<u64>,
) {
    for number in 1.. {
        let Ok((client, _)) = listener.accept().await else { return };
        numbers.send_replace(number);
        let gate = Gate { number, conduct: conduct.subscribe() };
        let socket = {
            let targets = targets.borrow();
            targets[number as usize % targets.len()].clone()
        };
        tokio::spawn(carry(client, socket, gate));
    }
}

/// Carries one connection to its end. When one end closes, or is killed, the other is closed as well.
async fn carry(mut client: TcpStream, socket: PathBuf, gate: Gate) {
    let _ = client.set_nodelay(true);
    let mut cut = gate.clone();
    let was_cut = tokio::select! {
        _ = connect_and_pump(&mut client, socket, gate) => false,
        () = cut.is_cut() => true,
    };
    if was_cut {
        // Closing is a reset then.
        let _ = client.set_zero_linger();
    }
}

async fn connect_and_pump(client: &mut TcpStream, socket: PathBuf, mut gate: Gate) -> io::Result<()> {
    gate.opens().await;
    let server = UnixStream::connect(socket).await?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.into_split();
    let (arriving, arrived) = mpsc::unbounded_channel();
    let down = async {
        tokio::try_join!(downward(from_server, gate.clone(), arriving), deliver(arrived, to_client, gate.clone()))
    };
    tokio::select! {
        ended = upward(from_client, to_server, gate.clone()) => ended,
        ended = down => ended.map(drop),
    }
}

/// From the replica to the server.
async fn upward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut gate: Gate) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        gate.opens().await;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

type Delivery = (Instant, Vec<u8>);

/// From the server, message by message, to [`deliver`].
async fn downward(mut from: impl AsyncRead + Unpin, gate: Gate, to: mpsc::UnboundedSender<Delivery>) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut last_due = Instant::now();
    let mut kept_back = None;
    while from.read_buf(frames.buffer()).await? > 0 {
        let Conduct { delay, swallows, swaps, .. } = *gate.conduct.borrow();
        while let Some(frame) = frames.next() {
            if swallows.is_some_and(|prefix| frame.is_notification(prefix)) {
                continue;
            }
            let is_notification = frame.is_notification("");
            if swaps && is_notification && kept_back.is_none() {
                kept_back = Some(frame);
                continue;
            }
            let before = kept_back.take_if(|_| is_notification);
            for piece in [Some(frame), before].into_iter().flatten().flat_map(|frame| frame.pieces(!delay.is_zero())) {
                last_due = last_due.max(Instant::now() + delay.mul_f64(rand::random()));
                to.send((last_due, piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
        }
    }
    Ok(())
}

/// To the replica, each piece when it is due.
async fn deliver(
    mut arrived: mpsc::UnboundedReceiver<Delivery>,
    mut to: impl AsyncWrite + Unpin,
    mut gate: Gate,
) -> io::Result<()> {
    while let Some((due, piece)) = arrived.recv().await {
        tokio::time::sleep_until(due).await;
        gate.opens().await;
        to.write_all(&piece).await?;
    }
    gate.opens().await;
    Ok(())
}

/// Where a connection asks whether it may go on.
#[derive(Clone)]
struct Gate {
    number: u64,
    conduct: watch::Receiver<Conduct>,
}

impl Gate {
    /// Waits while the wire holds; for ever on a forgotten connection.
    async fn opens(&mut self) {
        let number = self.number;
        let opened = self.conduct.wait_for(|conduct| !conduct.holds && number > conduct.forgotten).await;
        // The proxy is gone, and the connection about to be.
        drop(opened);
    }

    async fn is_cut(&mut self) {
        let number = self.number;
        drop(self.conduct.wait_for(|conduct| number <= conduct.cut).await);
    }
}
