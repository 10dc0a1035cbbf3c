//! Secrets that are generated once and kept in files: for `keyward dev`, and for containers that share a volume.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward::domain::secret::SecretString;
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use super::shared::output::print_line;

/// The file with the JWT secret.
pub(super) const JWT_SECRET: &str = "jwt_secret";
/// The file with the pepper.
pub(super) const PEPPER: &str = "pepper";
/// The file with the password of the database user.
const DATABASE_PASSWORD: &str = "database_password";
/// The file with the password of the role that owns the tables.
const DATABASE_OWNER_PASSWORD: &str = "database_owner_password";

#[derive(clap::Subcommand)]
pub(super) enum Secrets {
    /// Generate the secrets that are not there yet; those that are stay as they are.
    ///
    /// Writes jwt_secret, pepper and database_password, each 256 random bits, readable by the owner
    /// only. Point KEYWARD__JWT__SECRET_FILE, KEYWARD__KEYS__PEPPERS_FILE and
    /// KEYWARD__DATABASE__PASSWORD_FILE at them. Back them up: without the pepper no key works any more.
    ///
    /// With --owner-dir, also database_owner_password, for a role of its own that owns the tables
    /// (KEYWARD__DATABASE__MIGRATE_PASSWORD_FILE). The service must not be able to read that folder.
    #[command(after_help = "\
Examples:
  keyward secrets init --dir /var/lib/keyward/secrets
  keyward secrets init --dir /run/keyward --owner-dir /run/keyward-owner")]
    Init {
        /// The folder to keep them in.
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
        /// The folder for the password of the role that owns the tables.
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        owner_dir: Option<PathBuf>,
    },
}

impl Secrets {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self::Init { dir, owner_dir } = self;
        let of_service = [JWT_SECRET, PEPPER, DATABASE_PASSWORD].map(|name| (&dir, name));
        let of_owner = owner_dir.iter().map(|dir| (dir, DATABASE_OWNER_PASSWORD));
        for (dir, name) in of_service.into_iter().chain(of_owner) {
            let word = if generate_if_absent(dir, name)? { "generated" } else { "kept" };
            print_line(format_args!("{word} {}", dir.join(name).display()))?;
        }
        Ok(())
    }
}

/// Generates the secret `name` in `folder` unless it exists; returns whether it did. If several processes do this
/// concurrently, one secret wins and all of them use it.
pub(super) fn generate_if_absent(folder: &Path, name: &str) -> anyhow::Result<bool> {
    let target = folder.join(name);
    if target.exists() {
        return Ok(false);
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    write_once(&target).with_context(|| format!("cannot write the secret {}", target.display()))
}

/// Writes and syncs under another name, then links: the secret exists completely or not at all, and a link never
/// replaces an existing file.
fn write_once(target: &Path) -> io::Result<bool> {
    let draft = target.with_extension(format!("draft-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = random_text()
        .and_then(|secret| writeln!(file, "{}", secret.expose()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, target));
    fs::remove_file(&draft)?;
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn random_text() -> io::Result<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(&mut *bytes).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(*bytes).into())
}
