//! Offers to install the PostgreSQL server programs if `keyward dev` does not find them.

use std::{
    io::{self, BufRead, IsTerminal},
    process::Command,
};

use anyhow::{Context, bail};
use keyward_local_postgres::{StartError, packages::InstallCommand, programs::Programs};

use crate::cli::shared::output::{tell, tell_line};

/// The alternatives.
const OR_ELSE: &str = "or set PG_BIN_DIR to the folder of `initdb` and `postgres`, or KEYWARD__DATABASE__URL to use a server \
                       that is already running";

/// Makes sure that the programs exist. Shows the command that installs them and runs it: without asking if `unasked`,
/// otherwise after a confirmation at the terminal.
pub(super) fn install_if_missing(unasked: bool) -> anyhow::Result<()> {
    match Programs::find() {
        Err(StartError::ProgramsMissing) => {}
        found => return Ok(found.map(drop)?),
    }
    let Some(command) = InstallCommand::of_this_machine()? else { return Err(StartError::ProgramsMissing.into()) };
    let InstallCommand { script, can_be_run } = command;
    let indented = script.replace('\n', "\n  ");
    tell_line(format_args!(
        "`keyward dev` needs the programs of a PostgreSQL server, and there are none here. This installs them, and starts no \
         server:\n\n  {indented}\n"
    ));
    if !can_be_run {
        bail!("that needs root, and there is no `sudo` here: run it as root and start again, {OR_ELSE}");
    }
    if !unasked && !is_wanted()? {
        bail!("without these programs there is no database: run that and start again, or use --install, {OR_ELSE}");
    }
    // The command may fail only at its end, for example because of an outdated index; what matters is whether the
    // programs exist.
    let ended = Command::new("/bin/sh").args(["-c", &script]).status().context("cannot run /bin/sh")?;
    match Programs::find() {
        Err(StartError::ProgramsMissing) => {
            bail!(
                "that command ({ended}) has installed no PostgreSQL server that is found: look at what it says, {OR_ELSE}"
            )
        }
        found => Ok(found.map(drop)?),
    }
}

/// Asks for a confirmation at the terminal; without a terminal, the answer is no.
fn is_wanted() -> anyhow::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(false);
    }
    tell("Run it now? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
