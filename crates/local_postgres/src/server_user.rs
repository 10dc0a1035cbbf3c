//! Which system user the server runs as. PostgreSQL refuses to run as root.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::StartError;

/// The user that the server runs as: ourselves, or for root the user `postgres`, else `nobody`.
#[derive(Debug, Clone)]
pub struct ServerUser {
    name: String,
    uid: u32,
    gid: u32,
    is_ourselves: bool,
}

impl ServerUser {
    /// # Errors
    /// [`StartError::NoServerUser`] for root when there is no such user, [`StartError::Io`] when
    /// the system's `id` program can't be run.
    pub fn choose() -> Result<Self, StartError> {
        if !we_are_root()? {
            return Self::look_up(None)?.ok_or(StartError::NoServerUser);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = Self::look_up(Some(name))? {
                return Ok(user);
            }
        }
        Err(StartError::NoServerUser)
    }

    /// The user of that name, or without a name ourselves.
    fn look_up(name: Option<&str>) -> Result<Option<Self>, StartError> {
        let (uid, gid) = (id("-u", name)?, id("-g", name)?);
        Ok(uid.zip(gid).map(|(uid, gid)| Self {
            name: name.unwrap_or("ourselves").to_owned(),
            uid,
            gid,
            is_ourselves: name.is_none(),
        }))
    }

    /// The numeric user id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether the server runs as the user that we are, too.
    #[must_use]
    pub fn is_ourselves(&self) -> bool {
        self.is_ourselves
    }

    /// Lets `command` run as this user, without our supplementary groups (std drops them too).
    pub fn become_in(&self, command: &mut Command) {
        if !self.is_ourselves {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Makes the folder `path` with access for this user alone; it may exist already.
    ///
    /// # Errors
    /// [`StartError::Io`]
    pub fn make_private_folder(&self, path: &Path) -> Result<(), StartError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StartError::io("make", path)(error));
            }
            _ => {}
        }
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(StartError::io("set the permissions of", path))?;
        self.own(path)
    }

    /// Gives a file or a folder that we made to this user.
    ///
    /// # Errors
    /// [`StartError::Io`]
    pub fn own(&self, path: &Path) -> Result<(), StartError> {
        if self.is_ourselves {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).map_err(StartError::io("chown", path))
    }

    /// Makes sure that this user can pass through `folder` and all above it. Without this check
    /// the server's own message names only the end of the path, not the folder that is closed.
    ///
    /// # Errors
    /// [`StartError::NotTraversable`], [`StartError::Io`]
    pub fn check_can_reach(&self, folder: &Path) -> Result<(), StartError> {
        if self.is_ourselves {
            return Ok(());
        }
        for folder in folder.ancestors().filter(|f| !f.as_os_str().is_empty()) {
            let metadata = fs::metadata(folder).map_err(StartError::io("look at", folder))?;
            let may_enter = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if metadata.mode() & may_enter == 0 {
                return Err(StartError::NotTraversable { folder: folder.to_owned(), user: self.name.clone() });
            }
        }
        Ok(())
    }
}

/// Whether this process is root's.
///
/// # Errors
/// [`StartError::Io`] when the system's `id` program can't be run.
pub fn we_are_root() -> Result<bool, StartError> {
    Ok(id("-u", None)? == Some(0))
}

/// What the program `id` prints of a user (without a name: of us), or `None` if there is no such
/// user. It is how to ask without `unsafe`, and unlike `/etc/passwd` it also knows the users of a
/// directory service and of macOS.
fn id(which: &str, user: Option<&str>) -> Result<Option<u32>, StartError> {
    let output = Command::new("id").arg(which).args(user).output().map_err(StartError::io("run", Path::new("id")))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}
