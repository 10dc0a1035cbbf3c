//! The transports: TCP, and the Unix socket, which wakes its worker only for requests.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    net::{TcpStream, UnixStream},
};

/// TCP, or the Unix socket.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Ready if there may be something to read. Otherwise the task is woken when there is.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()>;
}

impl Stream for TcpStream {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }
}

/// The maximum number of bytes per read. Most gateway requests are smaller; a larger buffer would cost more, because it
/// is zeroed first.
const AT_ONCE: usize = 4096;

/// A stream that is watched only for readability, until a write would block.
///
/// Linux reports a Unix stream as writable whenever the other end has read something, even if it was writable before,
/// and `UnixStream` watches for that. Each response would then wake the worker once more in vain, which costs nginx and
/// Keyward on one core a tenth of their requests.
pub(super) struct SocketConnection {
    stream: AsyncFd<net::UnixStream>,
    /// While a write would block: a duplicate of the stream, watched for writability.
    full: Option<AsyncFd<net::UnixStream>>,
}

impl SocketConnection {
    /// # Errors
    /// If the system can't watch the stream, because too many files are open.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let stream = watch(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { stream, full: None })
    }

    /// Ready when a write may succeed.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let full = match &mut self.full {
            Some(full) => full,
            none => none.insert(watch(self.stream.get_ref().try_clone()?, Interest::WRITABLE)?),
        };
        ready!(full.poll_write_ready(context))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

impl Stream for SocketConnection {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(context).map(drop)
    }
}

impl AsyncRead for SocketConnection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.stream.poll_read_ready(context))?;
            let room = buffer.remaining().min(AT_ONCE);
            match readable.get_inner().read(buffer.initialize_unfilled_to(room)) {
                Ok(read) => {
                    // A short read: the next one would block.
                    if 0 < read && read < room {
                        readable.clear_ready();
                    }
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => readable.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SocketConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.get_ref().write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.poll_room(context))?,
                written => {
                    self.full = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(Shutdown::Write))
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe because of types that change their descriptor, which this one never does"
)]
fn watch(stream: net::UnixStream, interest: Interest) -> io::Result<AsyncFd<net::UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

#[cfg(test)]
mod tests {
    use std::{fs, future::Future, os::fd::AsRawFd, task::Waker};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Flags of epoll_ctl(2) for readability and writability.
    const IN: u32 = 0x1;
    const OUT: u32 = 0x4;

    fn connection() -> (SocketConnection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (SocketConnection::new(ours).expect("it can be watched"), theirs)
    }

    /// The events that Linux watches for on a descriptor of this process.
    fn watched_for(stream: &AsyncFd<net::UnixStream>) -> u32 {
        let wanted = stream.as_raw_fd().to_string();
        let watches = fs::read_dir("/proc/self/fdinfo").expect("descriptors").flatten();
        let watches: Vec<_> = watches.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect();
        watches
            .iter()
            .flat_map(|watch| watch.lines())
            .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["tfd:", descriptor, "events:", events, ..] if descriptor == wanted => {
                    Some(u32::from_str_radix(events, 16).expect("a number"))
                }
                _ => None,
            })
            .next()
            .expect("it is watched")
    }

    fn waits(future: &mut Pin<Box<impl Future>>) -> bool {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    #[cfg_attr(not(target_os = "linux"), ignore = "what is watched is read in /proc")]
    async fn a_connection_is_watched_for_what_can_be_read_alone() {
        let (mut connection, mut client) = connection();
        client.write_all(b"question").await.expect("room");
        connection.read_exact(&mut [0; 8]).await.expect("a question");
        connection.write_all(b"answer").await.expect("room");
        client.read_exact(&mut [0; 6]).await.expect("an answer");
        let watched = watched_for(&connection.stream);
        assert_eq!(watched & IN, IN);
        assert_eq!(watched & OUT, 0, "it is woken by each answer that is read");
    }

    #[tokio::test]
    async fn what_there_is_no_room_for_is_written_when_there_is_some() {
        let (mut connection, mut client) = connection();
        let answer: Vec<u8> = (0..1 << 20).map(|at: u32| (at >> 3) as u8).collect();
        let mut received = vec![0; answer.len()];
        {
            let mut writing = Box::pin(connection.write_all(&answer));
            assert!(waits(&mut writing), "a megabyte had room");
            let (written, read) = tokio::join!(writing, client.read_exact(&mut received));
            written.and(read.map(drop)).expect("both end");
        }
        assert!(received == answer);
        assert!(connection.full.is_none(), "it is still watched for room");
    }

    #[tokio::test]
    async fn a_client_that_goes_is_noticed_while_there_is_no_room() {
        let (mut connection, client) = connection();
        let answer = vec![0; 1 << 20];
        let mut writing = Box::pin(connection.write_all(&answer));
        assert!(waits(&mut writing));
        drop(client);
        assert_eq!(writing.await.expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_question_longer_than_what_is_read_at_once_arrives_whole() {
        let (mut connection, mut client) = connection();
        let question: Vec<u8> = (0..3 * AT_ONCE + 5).map(|at| at as u8).collect();
        client.write_all(&question).await.expect("room");
        client.shutdown().await.expect("it is open");
        let mut received = Vec::new();
        connection.read_to_end(&mut received).await.expect("a question");
        assert!(received == question);
    }
}
