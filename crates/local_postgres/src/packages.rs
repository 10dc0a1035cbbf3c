//! How the package manager of this machine is told to install the programs.

use std::path::Path;
use std::{env, fs};

use crate::{StartError, server_user};

/// What stands in [`Manager::script`] for how to become root.
const AS_ROOT: &str = "{as_root}";

/// A package manager, and what to tell it.
struct Manager {
    /// The program, by which it is recognised.
    program: &'static str,
    /// The systems whose own it is: values of `ID` and `ID_LIKE` in `/etc/os-release`. Elsewhere it may be there as
    /// well, to look into packages of other systems.
    systems: &'static [&'static str],
    /// For a shell.
    script: &'static str,
}

/// All that we know, the more common ones first.
///
/// Debian's package makes a database and starts a server by itself, now and at each boot, unless this drop-in says
/// otherwise when it is installed (pg_createcluster(1)). The others install programs and start nothing.
const MANAGERS: [Manager; 8] = [
    Manager {
        program: "apt-get",
        systems: &["debian", "ubuntu"],
        script: "\
{as_root}mkdir -p /etc/postgresql-common/createcluster.d &&
  echo 'create_main_cluster = false' | {as_root}tee /etc/postgresql-common/createcluster.d/keyward.conf >/dev/null &&
  {as_root}apt-get update &&
  {as_root}apt-get install --yes --no-install-recommends postgresql
{as_root}rm -f /etc/postgresql-common/createcluster.d/keyward.conf",
    },
    Manager {
        program: "dnf",
        systems: &["fedora", "rhel", "centos"],
        script: "{as_root}dnf install --assumeyes postgresql-server",
    },
    Manager {
        program: "microdnf",
        systems: &["fedora", "rhel", "centos"],
        script: "{as_root}microdnf install --assumeyes postgresql-server",
    },
    Manager { program: "apk", systems: &["alpine"], script: "{as_root}apk add postgresql" },
    Manager { program: "pacman", systems: &["arch"], script: "{as_root}pacman -S --needed --noconfirm postgresql" },
    Manager {
        program: "zypper",
        systems: &["suse", "opensuse"],
        script: "{as_root}zypper --non-interactive install postgresql-server",
    },
    // Refuses to run as root, and needn't.
    Manager { program: "brew", systems: &["macos"], script: "brew install postgresql@17" },
    Manager { program: "port", systems: &["macos"], script: "{as_root}port install postgresql17-server" },
];

/// A command that installs the programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallCommand {
    /// What a shell runs, or somebody who pastes it.
    pub script: String,
    /// Whether we can run it. If not, it needs root, and there is no `sudo` or `doas` to become that.
    pub can_be_run: bool,
}

impl InstallCommand {
    /// The one for this machine; `None` where no package manager is known.
    ///
    /// # Errors
    /// [`StartError::Io`] when the system's `id` program can't be run.
    pub fn of_this_machine() -> Result<Option<Self>, StartError> {
        let system = match env::consts::OS {
            "macos" => vec!["macos".to_owned()],
            _ => ids_in(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
        };
        let Some(manager) = choose(&system, is_on_the_path) else { return Ok(None) };
        let become_root = match server_user::we_are_root()? {
            true => Some(""),
            false => ["sudo ", "doas "].into_iter().find(|program| is_on_the_path(program.trim_end())),
        };
        Ok(Some(Self {
            script: manager.script.replace(AS_ROOT, become_root.unwrap_or_default()),
            can_be_run: become_root.is_some() || !manager.script.contains(AS_ROOT),
        }))
    }
}

/// The system's own package manager where it is there, else any.
fn choose(system: &[String], is_there: impl Fn(&str) -> bool) -> Option<&'static Manager> {
    let there = || MANAGERS.iter().filter(|manager| is_there(manager.program));
    let own = there().find(|manager| system.iter().any(|id| manager.systems.contains(&id.as_str())));
    own.or_else(|| there().next())
}

/// `ID` and `ID_LIKE` of an os-release file, the more specific first.
fn ids_in(os_release: &str) -> Vec<String> {
    let value = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'', ' ']).to_owned()
    };
    format!("{} {}", value("ID"), value("ID_LIKE")).split_whitespace().map(str::to_owned).collect()
}

fn is_on_the_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_its_own_package_manager_though_others_are_installed() {
        let everything = |_: &str| true;
        for (os_release, program) in [
            ("PRETTY_NAME=\"Debian\"\nID=debian\n", "apt-get"),
            ("ID=ubuntu\nID_LIKE=debian\n", "apt-get"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt-get"),
            ("ID=fedora\n", "dnf"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf"),
            ("ID=alpine\n", "apk"),
            ("ID=arch\n", "pacman"),
            ("ID=endeavouros\nID_LIKE='arch'\n", "pacman"),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "zypper"),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", "zypper"),
        ] {
            let chosen = choose(&ids_in(os_release), everything).map(|manager| manager.program);
            assert_eq!(chosen, Some(program), "{os_release}");
        }
        assert_eq!(choose(&["macos".to_owned()], everything).map(|manager| manager.program), Some("brew"));
    }

    #[test]
    fn elsewhere_the_one_that_is_there_is_taken() {
        let program = |there: &str| choose(&ids_in("ID=other\n"), |name| name == there).map(|found| found.program);
        for name in ["apt-get", "dnf", "microdnf", "apk", "pacman", "zypper", "brew", "port"] {
            assert_eq!(program(name), Some(name));
        }
        assert_eq!(program("none"), None);
        assert_eq!(choose(&["debian".to_owned()], |name| name == "dnf").map(|found| found.program), Some("dnf"));
    }
}
