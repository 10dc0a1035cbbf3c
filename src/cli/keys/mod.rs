//! `keyward keys`: the management of keys directly on the database, so that the first key of a service can be created
//! before anybody has a token.
//!
//! - `create`, `list`, `show`, `update`, `rotate`, `revoke`, `verify`, `hashes`, `forget_pepper`: one file per command
//!   or pair of commands
//! - `content`: the options for the content of a key

mod content;
mod create;
mod forget_pepper;
mod hashes;
mod list;
mod revoke;
mod rotate;
mod show;
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
    Credits(update::KeyCredits),
    Disable(update::Disable),
    Enable(update::Enable),
    Revoke(revoke::Revoke),
    RevokeMany(revoke::RevokeMany),
    Verify(verify::Verify),
    Hashes(hashes::Hashes),
    ForgetPepper(forget_pepper::ForgetPepper),
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
                Command::Credits(credits) => credits.run(desk).await,
                Command::Disable(disable) => disable.run(desk).await,
                Command::Enable(enable) => enable.run(desk).await,
                Command::Revoke(revoke) => revoke.run(desk).await,
                Command::RevokeMany(revoke) => revoke.run(desk).await,
                Command::Hashes(hashes) => hashes.run(desk).await,
                Command::ForgetPepper(forget) => forget.run(desk).await,
                // With its own exit codes.
                Command::Verify(verify) => return verify.run(desk).await,
            }
            .map(|()| ExitCode::SUCCESS)
        })
    }
}
