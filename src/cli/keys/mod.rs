//! `keyward keys`: what an operator does with keys, on the database directly. So the first key of a service
//! can be made before anybody has a token.
//!
//! - `create`, `list`, `show`, `update`, `rotate`, `revoke`, `verify`: a file for each command, or two of a kind
//! - `content`: what can be said of a key when it is made or changed
//! - `listed`: ids of keys from files
//! - `table`: keys for people

mod content;
mod create;
mod list;
mod listed;
mod revoke;
mod rotate;
mod show;
mod table;
mod update;
mod verify;

use std::process::ExitCode;

use anyhow::bail;
use keyward::{config::Sources, domain::api_key::KeyId};

use super::shared::DatabaseOptions;

#[derive(clap::Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(clap::Subcommand)]
enum Command {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Update(Box<update::Update>),
    Rotate(rotate::Rotate),
    Disable(update::Disable),
    Enable(update::Enable),
    Revoke(revoke::Revoke),
    RevokeMany(revoke::RevokeMany),
    Verify(verify::Verify),
}

/// Whether a new key was printed, which nothing can show again. The key exists in any case, so its id is told.
fn printed_once(id: KeyId, printed: anyhow::Result<()>) -> anyhow::Result<()> {
    let Err(error) = printed else { return Ok(()) };
    bail!(
        "{error:#}. The key {id} exists, and nothing can show its text again: get another one with `keyward keys rotate {id} \
         --grace-period 0s`, or end it with `keyward keys revoke {id}`"
    )
}

impl Keys {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<ExitCode> {
        let Self { command, database } = self;
        database.work(sources, async |desk| {
            match command {
                Command::Create(create) => create.run(desk).await,
                Command::List(list) => list.run(desk).await,
                Command::Show(show) => show.run(desk).await,
                Command::Update(update) => update.run(desk).await,
                Command::Rotate(rotate) => rotate.run(desk).await,
                Command::Disable(disable) => disable.run(desk).await,
                Command::Enable(enable) => enable.run(desk).await,
                Command::Revoke(revoke) => revoke.run(desk).await,
                Command::RevokeMany(revoke) => revoke.run(desk).await,
                // With an exit code of its own.
                Command::Verify(verify) => return verify.run(desk).await,
            }
            .map(|()| ExitCode::SUCCESS)
        })
    }
}
