//! This machine: files with secrets, and what a process may open.

use keyward::config::{Config, Settings};
use rustix::process::{Resource, getrlimit};

use super::findings::{Finding, Findings};
use crate::cli::serve::files_wanted;

pub(super) fn examine(settings: &Settings, config: Option<&Config>, findings: &mut Findings) {
    secret_files(settings, findings);
    if let Some(config) = config {
        open_files(config, findings);
    }
}

fn secret_files(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "secret files";
    let exposed = settings.exposed_files();
    if exposed.is_empty() {
        findings.add(Finding::good(CHECK, "no file with secrets can be read or changed by everybody"));
    }
    for (setting, path) in exposed {
        let path = path.display();
        findings.add(Finding::warning(
            CHECK,
            format!("{setting} names {path}, which everybody may read or change"),
            format!("chmod o= {path}"),
        ));
    }
}

fn open_files(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "open files";
    let wanted = files_wanted(config);
    let hard = getrlimit(Resource::Nofile).maximum;
    findings.add(match hard.filter(|hard| *hard < wanted) {
        None => Finding::good(CHECK, format!("this process may open the {wanted} files that the settings need")),
        Some(hard) => Finding::warning(
            CHECK,
            format!("{wanted} are needed for server.max_connections, and the hard limit is {hard}: fewer clients are taken"),
            "raise it (ulimit -Hn, LimitNOFILE= of systemd, `ulimits` of a compose file), or lower server.max_connections",
        ),
    });
}
