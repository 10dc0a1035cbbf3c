//! `keyward keys hashes`

use keyward::{config::Hashing, store::HashCount};
use serde::Serialize;

use crate::cli::shared::{Desk, fingerprints, output::print, print_json, table::columns};

/// Count the keys by the Argon2id parameters and the pepper of their hashes.
///
/// A key whose hash has other parameters than the configuration gets a new hash at its next first use. A key keeps its
/// pepper, and ends with it. This shows how many are left of each. A pepper is shown by its fingerprint, and by its
/// place in keys.peppers if that is configured here; `-` for keys from before that was noted.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys hashes
  keyward keys hashes --json | jq 'map(select(.current | not)) | length'")]
pub(super) struct Hashes {
    /// Print JSON: a list of parameters and peppers with numbers of keys.
    #[arg(long)]
    json: bool,
}

/// Keys whose hashes have the same parameters and pepper.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// As a hash has them: memory in KiB, passes, lanes.
    parameters: String,
    keys: u64,
    /// Neither revoked nor disabled nor expired.
    usable: u64,
    /// Whether new hashes get these parameters.
    current: bool,
    /// The fingerprint of their pepper, if it was noted.
    pepper: Option<String>,
    /// Its place in `keys.peppers`, from 1, if it is there.
    pepper_place: Option<usize>,
}

impl Hashes {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let Hashing { memory_kib, iterations, parallelism, .. } = desk.configured(desk.settings.hashing())?;
        let current = format!("m={memory_kib},t={iterations},p={parallelism}");
        // Whoever only counts need not have the peppers.
        let peppers = desk.settings.keys().map(|keys| fingerprints(&keys)).unwrap_or_default();
        let row = |HashCount { parameters, pepper, keys, usable }| Row {
            current: parameters == current,
            parameters,
            keys,
            usable,
            pepper: pepper.map(|pepper| pepper.to_string()),
            pepper_place: peppers.iter().position(|known| Some(*known) == pepper).map(|index| index + 1),
        };
        let rows: Vec<Row> = desk.store.count_hashes().await?.into_iter().map(row).collect();
        if self.json {
            return print_json(&rows);
        }
        let cells = rows.into_iter().map(|Row { parameters, keys, usable, current, pepper, pepper_place }| {
            let current = if current { "yes" } else { "no" };
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let place = pepper_place.map(|place| place.to_string());
            [parameters, keys.to_string(), usable.to_string(), current.to_owned(), or_dash(pepper), or_dash(place)]
        });
        Ok(print(columns(["PARAMETERS", "KEYS", "USABLE", "CURRENT", "PEPPER", "PLACE"], cells))?)
    }
}
