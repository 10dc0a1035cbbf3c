//! `keyward keys hashes`

use keyward::{config::Hashing, store::HashCount};
use serde::Serialize;

use crate::cli::shared::{Desk, output::print, print_json, table::columns};

/// Count the keys by the Argon2id parameters of their hashes.
///
/// A key whose hash has other parameters than the configuration gets a new hash at its next first use. This shows how many
/// are left.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys hashes
  keyward keys hashes --json | jq 'map(select(.current | not)) | length'")]
pub(super) struct Hashes {
    /// Print JSON: a list of parameters with numbers of keys.
    #[arg(long)]
    json: bool,
}

/// Keys whose hashes have the same parameters.
#[derive(Serialize)]
struct Row {
    /// As a hash has them: memory in KiB, passes, lanes.
    parameters: String,
    keys: u64,
    /// Neither revoked nor disabled nor expired.
    usable: u64,
    /// Whether new hashes get these parameters.
    current: bool,
}

impl Hashes {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let Hashing { memory_kib, iterations, parallelism, .. } = desk.configured(desk.settings.hashing())?;
        let current = format!("m={memory_kib},t={iterations},p={parallelism}");
        let row = |HashCount { parameters, keys, usable }| {
            let current = parameters == current;
            Row { parameters, keys, usable, current }
        };
        let rows: Vec<Row> = desk.store.count_hashes().await?.into_iter().map(row).collect();
        if self.json {
            return print_json(&rows);
        }
        let cells = rows.into_iter().map(|Row { parameters, keys, usable, current }| {
            let current = if current { "yes" } else { "no" };
            [parameters, keys.to_string(), usable.to_string(), current.to_owned()]
        });
        Ok(print(columns(["PARAMETERS", "KEYS", "USABLE", "CURRENT"], cells))?)
    }
}
