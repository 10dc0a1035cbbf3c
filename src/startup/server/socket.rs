//! The file of the Unix socket: created with the configured permissions, and removed at the end.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tokio::net::UnixSocket;

use crate::config::Socket;

/// The number of connections that may wait to be accepted: Linux's default maximum.
const BACKLOG: u32 = 4096;

/// The file of the socket, for as long as this process listens.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Identifies the file. The identity is unique while we listen, because listening keeps the inode.
    identity: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

impl SocketFile {
    /// Creates the socket and listens.
    ///
    /// # Errors
    /// If another file exists there, or the directory is not writable; the message contains the remedy.
    pub(super) fn listen(settings: &Socket) -> anyhow::Result<(Self, UnixListener)> {
        let Socket { path, mode } = settings;
        make_room(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path).with_context(|| {
            format!("cannot listen on {} (server.socket). Its directory must be there, and writable", path.display())
        })?;
        let file = Self { path: path.clone(), identity: identity(path) };
        // Before anybody can connect, because a client is trusted for as long as its connection lasts.
        fs::set_permissions(path, Permissions::from_mode(*mode))
            .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
        Ok((file, socket.listen(BACKLOG)?.into_std()?))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Self { path, identity: own } = self;
        // If somebody has removed the file, another one may be in its place, which is not ours.
        if own.is_none() || identity(path) != *own {
            return;
        }
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "could not remove the socket {}", path.display());
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Removes a socket on which no process listens any more, such as one left by a killed process.
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

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[tokio::test]
    async fn a_file_that_has_come_in_the_place_of_ours_is_left_alone() {
        let folder = env::temp_dir().join(format!("keyward-socket-{}", process::id()));
        fs::create_dir(&folder).expect("a folder");
        let path = folder.join("keyward.sock");
        let (file, _listener) = SocketFile::listen(&Socket { path: path.clone(), mode: 0o600 }).expect("a socket");
        fs::remove_file(&path).expect("it is there");
        let _successor = UnixListener::bind(&path).expect("its name is free");
        drop(file);
        let is_left = path.exists();
        fs::remove_dir_all(&folder).expect("the folder is removed");
        assert!(is_left);
    }
}
