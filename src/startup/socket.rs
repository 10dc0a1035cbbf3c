//! The file of the Unix socket: made with the permissions that are configured, and taken away at the end.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tokio::net::UnixSocket;

use crate::config::Socket;

/// Connections that wait to be accepted: as many as Linux itself lets wait by default.
const BACKLOG: u32 = 4096;

/// The file, as long as this process listens.
pub(super) struct SocketFile(PathBuf);

impl SocketFile {
    /// Makes it and listens.
    ///
    /// # Errors
    /// When something else is there, or the directory can't be written to; the message says what to do.
    pub(super) fn listen(settings: &Socket) -> anyhow::Result<(Self, UnixListener)> {
        let Socket { path, mode } = settings;
        make_room(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path).with_context(|| {
            format!("cannot listen on {} (server.socket). Its directory must be there, and writable", path.display())
        })?;
        let file = Self(path.clone());
        // Before anybody can connect: who has, is believed for as long as the connection lasts.
        fs::set_permissions(path, Permissions::from_mode(*mode))
            .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
        Ok((file, socket.listen(BACKLOG)?.into_std()?))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, "could not remove the socket {}", self.0.display());
        }
    }
}

/// Removes a socket on which nobody listens any more: a process that was killed leaves it.
fn make_room(path: &Path) -> anyhow::Result<()> {
    let socket = path.display();
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(_) => bail!("something listens on {socket} already. Stop it, or set server.socket to another path"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused && is_socket(path) => {
            fs::remove_file(path).with_context(|| format!("cannot remove {socket}, on which nobody listens any more"))
        }
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {socket}, where something else is. Set server.socket to another path")
        }),
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}
