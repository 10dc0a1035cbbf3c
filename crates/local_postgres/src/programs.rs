//! Where the PostgreSQL server's programs are.
//!
//! Distributions keep them off the `PATH`, because several versions may be installed at once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::StartError;

/// Folders with one sub-folder a version, and where the programs are in that: Debian, Fedora
/// (from postgresql.org), openSUSE, Alpine, Homebrew on ARM, on Intel and on Linux, MacPorts, Postgres.app.
const VERSIONED: [(&str, &str, &str); 9] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("usr/lib", "postgresql", "bin"),
    ("usr/libexec", "postgresql", ""),
    ("opt/homebrew/opt", "postgresql@", "bin"),
    ("usr/local/opt", "postgresql@", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("opt/local/lib", "postgresql", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The programs of one installed PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Programs {
    bin_dir: PathBuf,
}

impl Programs {
    /// Looks in `PG_BIN_DIR` (and if that is set, nowhere else), where `pg_config` points, on the
    /// `PATH`, then in the usual folders for the highest version.
    ///
    /// # Errors
    /// [`StartError::ProgramsMissing`], or [`StartError::ProgramsNotThere`] for a wrong `PG_BIN_DIR`.
    pub fn find() -> Result<Self, StartError> {
        if let Some(chosen) = env::var_os("PG_BIN_DIR").map(PathBuf::from) {
            return match has_server(&chosen) {
                true => Ok(Self { bin_dir: chosen }),
                false => Err(StartError::ProgramsNotThere(chosen)),
            };
        }
        // `pg_config` comes with the client library too, so what it names may not be there.
        said_by_pg_config()
            .into_iter()
            .chain(on_the_path())
            .chain(newest_installed(Path::new("/")))
            .find(|dir| has_server(dir))
            .map(|bin_dir| Self { bin_dir })
            .ok_or(StartError::ProgramsMissing)
    }

    /// The folder that the programs are in.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The path of one of the programs, such as `initdb`.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.bin_dir.join(program)
    }

    /// The major version as `PG_VERSION` files state it, such as `17`.
    ///
    /// # Errors
    /// [`StartError::Io`] when `postgres --version` can't be run.
    pub fn major_version(&self) -> Result<String, StartError> {
        let postgres = self.path("postgres");
        let output = Command::new(&postgres).arg("--version").output().map_err(StartError::io("run", &postgres))?;
        Ok(major_version_in(&String::from_utf8_lossy(&output.stdout)).to_owned())
    }
}

/// `postgres (PostgreSQL) 17.2 (Debian 17.2-1)` gives `17`, `… 18beta1` gives `18`.
fn major_version_in(line: &str) -> &str {
    let number = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("");
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    &number[..end]
}

fn has_server(dir: &Path) -> bool {
    dir.join("initdb").is_file() && dir.join("postgres").is_file()
}

fn said_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(dir.trim()))
}

fn on_the_path() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

/// Every versioned folder that exists below `root`, the highest version first. Folders whose name is no version
/// (Postgres.app's `latest`) come last.
fn newest_installed(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(Option<u32>, PathBuf)> = Vec::new();
    for (parent, prefix, bin) in VERSIONED {
        let Ok(entries) = fs::read_dir(root.join(parent)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if let Some(version) = name.to_str().and_then(|name| name.strip_prefix(prefix)) {
                found.push((version.parse().ok(), entry.path().join(bin)));
            }
        }
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

#[cfg(test)]
mod tests {
    use std::env::temp_dir;

    use super::*;

    #[test]
    fn programs_are_found_where_each_system_installs_them_and_the_newest_first() {
        let root = temp_dir().join(format!("keyward-programs-{}", std::process::id()));
        for installed in [
            "usr/lib/postgresql/15/bin",
            "usr/pgsql-17/bin",
            "usr/lib/postgresql16/bin",
            "usr/libexec/postgresql18",
            "opt/homebrew/opt/postgresql@14/bin",
            "usr/local/opt/postgresql@13/bin",
            "opt/local/lib/postgresql12/bin",
            "Applications/Postgres.app/Contents/Versions/latest/bin",
            // Of the same systems, and no versions.
            "usr/lib/postgresql-common/bin",
            "usr/bin/bin",
        ] {
            let folder = root.join(installed);
            fs::create_dir_all(&folder).expect("a folder");
            for program in ["initdb", "postgres"] {
                fs::write(folder.join(program), "").expect("a file");
            }
        }
        let found: Vec<_> = newest_installed(&root).into_iter().filter(|dir| has_server(dir)).collect();
        let found: Vec<_> = found.iter().map(|dir| dir.strip_prefix(&root).expect("below it")).collect();
        fs::remove_dir_all(&root).expect("removed");
        let versions = [
            "usr/libexec/postgresql18",
            "usr/pgsql-17/bin",
            "usr/lib/postgresql16/bin",
            "usr/lib/postgresql/15/bin",
            "opt/homebrew/opt/postgresql@14/bin",
            "usr/local/opt/postgresql@13/bin",
            "opt/local/lib/postgresql12/bin",
        ];
        assert_eq!(found[..versions.len()], versions.map(Path::new));
        assert!(found.contains(&Path::new("Applications/Postgres.app/Contents/Versions/latest/bin")), "{found:?}");
    }

    #[test]
    fn the_major_version_is_read_from_what_postgres_prints() {
        for (line, major) in [
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", "15"),
            ("postgres (PostgreSQL) 18beta1\n", "18"),
            ("postgres (PostgreSQL) 9.6.24\n", "9"),
            ("", ""),
        ] {
            assert_eq!(major_version_in(line), major, "{line}");
        }
    }
}
