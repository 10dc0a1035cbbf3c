//! `keyward keys verify`

use std::{
    io::{self, IsTerminal, Read},
    net::IpAddr,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use keyward::{
    api::{KeyQuery, Verification},
    auth::{
        coherence::Freshness,
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::Hasher,
        },
        usage::writer::UsageWriter,
    },
    domain::{
        api_key::{Environment, Keyring},
        secret::SecretString,
        usage::UsageTag,
    },
};
use zeroize::Zeroizing;

use crate::cli::shared::{
    Desk, Misuse, json_of, now,
    output::{print_line_unless_closed, tell_line},
    values,
};

/// The exit code if the key fails the check.
const NOT_VALID: u8 = 3;
/// Far longer than any key.
const KEY_MAX_BYTES: u64 = 1024;

/// Check whether a key is valid, and if not, why.
#[derive(clap::Args)]
#[command(after_help = "\
The key is read from standard input, because an argument would appear in the shell's history and in the list of \
processes. The check does not count as a use of the key. A key that is bound to networks is refused without \
--client-address.

Exit codes: 0 the key is valid, 3 it is not, 1 it could not be checked, 2 the command line is wrong.

Examples:
  echo \"$KEY\" | keyward keys verify
  echo \"$KEY\" | keyward keys verify --scope orders:read \\
    --environment live --client-address 192.0.2.7 --explain
  keyward keys verify --json < key.txt | jq -r .code")]
pub(super) struct Verify {
    /// A scope that the key must carry; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// The environment that the key must belong to.
    #[arg(long, value_parser = values::environment())]
    environment: Option<Environment>,
    /// The address that the key is used from.
    #[arg(long, value_name = "ADDRESS")]
    client_address: Option<IpAddr>,
    /// Print every reason why the key is not valid, instead of only the first.
    #[arg(long)]
    explain: bool,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<ExitCode> {
        let question = KeyQuery {
            scopes: values::scopes(&self.scope)?,
            environment: self.environment,
            client_address: self.client_address.map(|address| address.to_canonical()),
            key: read_key()?,
            cost: None,
            tag: UsageTag::default(),
        };
        let examined = checker(desk).await?.examine(question.key.expose().as_bytes()).await;
        let examined = examined.context("it cannot be said whether the key is good")?;
        let verification = Verification::preview(&examined, &question, self.explain, now());
        if self.json {
            print_line_unless_closed(json_of(&verification)?)?;
        } else {
            match verification.key_id() {
                Some(id) => print_line_unless_closed(format_args!("{id} {}", judgement(&verification)))?,
                None => print_line_unless_closed(judgement(&verification))?,
            }
        }
        Ok(if verification.is_valid() { ExitCode::SUCCESS } else { ExitCode::from(NOT_VALID) })
    }
}

fn judgement(verification: &Verification) -> String {
    let reasons = verification.reasons();
    if reasons.is_empty() { "valid".to_owned() } else { format!("not valid: {}", reasons.join(", ")) }
}

/// A check like that of a replica with an empty cache. No task writes the recorded uses.
async fn checker(desk: &Desk) -> anyhow::Result<KeyChecker> {
    let keys = desk.settings.keys()?;
    desk.demand_pepper(&keys).await?;
    Ok(KeyChecker::new(
        Arc::new(Keyring::new(keys.prefix, &keys.peppers)?),
        CheckStores { keys: desk.keys(), limits: desk.store.clone() },
        Arc::new(Hasher::new(&desk.settings.hashing()?)?),
        Arc::new(Freshness::new(1)),
        Arc::new(UsageWriter::new(desk.store.clone(), desk.settings.last_used()?, &desk.settings.usage()?)),
        &desk.settings.checks()?,
        tokio::runtime::Handle::current(),
    ))
}

fn read_key() -> anyhow::Result<SecretString> {
    if io::stdin().is_terminal() {
        tell_line("Paste the key, then Enter and Ctrl-D.");
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin().take(KEY_MAX_BYTES).read_to_string(&mut text).context("the key cannot be read from standard input")?;
    match text.trim() {
        "" => bail!("there is no key on standard input: try `echo \"$KEY\" | keyward keys verify`"),
        keys if keys.contains(char::is_whitespace) => {
            Err(Misuse("there are several texts on standard input: give one key".to_owned()).into())
        }
        key => Ok(SecretString::new(key.to_owned())),
    }
}
