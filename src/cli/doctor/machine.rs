//! This machine: files with secrets, and what a process may open.

use std::path::Path;

use keyward::config::{Config, Exposure, Settings};

use super::findings::{Finding, Findings};
use crate::cli::serve::{MORE_FILES, OpenFiles};

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
        findings.add(Finding::good(CHECK, "no file with secrets can be read, changed or replaced by everybody"));
    }
    for Exposure { setting, file, folder } in exposed {
        let named = |path: &Path, what| format!("{setting} names {}, {what}", path.display());
        let (found, open) = match &folder {
            None => (named(&file, "which everybody may read or change"), &file),
            Some(folder) => {
                let what = format!("which everybody may replace, as {} lets everybody write to it", folder.display());
                (named(&file, &what), folder)
            }
        };
        let take = if folder.is_some() { "o-w" } else { "o=" };
        findings.add(Finding::warning(CHECK, found, format!("chmod {take} {}", open.display())));
    }
}

fn open_files(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "open files";
    let OpenFiles { hard, fewest, wanted } = OpenFiles::of(config);
    findings.add(if hard < fewest {
        Finding::failed(
            CHECK,
            format!("`keyward serve` needs {fewest} for its connections to the database and a few clients, and the hard limit is {hard}"),
            MORE_FILES,
        )
    } else if hard < wanted {
        Finding::warning(
            CHECK,
            format!("{wanted} are needed for server.max_connections, and the hard limit is {hard}: fewer clients are taken"),
            format!("{MORE_FILES}, or lower server.max_connections"),
        )
    } else {
        Finding::good(CHECK, format!("this process may open the {wanted} files that the settings need"))
    });
}
