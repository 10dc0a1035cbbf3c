//! `keyward doctor`: what is wrong with a set-up, and what to do.
//!
//! - `findings`: what a check has found, and how it is printed
//! - `database`: what an examined database means
//! - `replicas`: what the rows of replicas mean, and room for their connections
//! - `migration`: the schema's version, and whether it could be brought up to date
//! - `machine`: this machine's limits and files

mod database;
mod findings;
mod machine;
mod migration;
mod replicas;

use std::process::ExitCode;

use keyward::{
    config::{Config, Settings, Sources},
    domain::ports::replicas::ReplicaDirectory,
    startup::examine_issuers,
    store::{OpenError, Store},
};

use self::findings::{Finding, Findings};
use super::{
    runtime,
    shared::{DatabaseOptions, fingerprints},
    validate,
};

/// The check of all settings.
const CONFIGURATION: &str = "configuration";
const NO_RUNTIME: &str =
    "let this process open more files and start more threads (LimitNOFILE= and TasksMax= of systemd)";

/// Check the configuration, the database, the issuers and this machine, and say what to do.
///
/// It changes nothing. It connects as `keyward serve` would, commits an empty message, sends a notification to
/// itself, and writes a key that it undoes. Run it where `keyward serve` runs, with the same configuration and
/// as the same user.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 nothing failed (there may be warnings), 1 something failed, 2 the command line is wrong.

Examples:
  keyward doctor
  keyward doctor --config /etc/keyward.toml
  docker compose exec keyward keyward doctor
  keyward doctor --json | jq '.[] | select(.state == \"failed\")'")]
pub(super) struct Doctor {
    /// Print JSON: a list of findings.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

impl Doctor {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<ExitCode> {
        let settings = self.database.load(sources)?;
        let mut findings = Findings::default();
        match settings {
            Ok(settings) => examine(&settings, &mut findings),
            Err(problems) => tell_problems(&problems.into(), &mut findings),
        }
        findings.print(self.json)
    }
}

fn examine(settings: &Settings, findings: &mut Findings) {
    let config = configuration(settings, findings);
    machine::examine(settings, config.as_ref(), findings);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return findings.add(Finding::failed("database", format!("{error:#}"), NO_RUNTIME)),
    };
    runtime.block_on(async {
        examine_database(settings, config.as_ref(), findings).await;
        if let Some(config) = &config {
            examine_published_keys(config, findings).await;
        }
    });
}

fn tell_problems(problems: &anyhow::Error, findings: &mut Findings) {
    for problem in format!("{problems:#}").lines() {
        findings.add(Finding::failed(
            CONFIGURATION,
            problem.trim(),
            "correct it; `keyward config` shows where each value comes from",
        ));
    }
}

fn configuration(settings: &Settings, findings: &mut Findings) -> Option<Config> {
    match validate(settings).and_then(|()| Ok(settings.validate()?)) {
        Ok(config) => {
            findings.add(Finding::good(CONFIGURATION, "every setting has a possible value"));
            Some(config)
        }
        Err(problems) => {
            tell_problems(&problems, findings);
            None
        }
    }
}

async fn examine_database(settings: &Settings, config: Option<&Config>, findings: &mut Findings) {
    const CHECK: &str = "database";
    // Told with the configuration, if that is wrong.
    let Ok(database) = settings.database() else { return };
    let store = match Store::new(&database) {
        Ok(store) => store,
        Err(error) => return findings.add(Finding::failed(CHECK, error, "correct the setting")),
    };
    match store.examine().await {
        Ok(examination) => {
            database::judge(&examination, findings);
            // Whoever neither migrates nor knows who does has nothing to look at.
            if database.migrate_on_start || database.migrate_url.is_some() {
                let owner = store.examine_owner(&database).await;
                findings.add(migration::judge(owner, &examination, database.migrate_on_start));
            }
            database::try_out(&store, findings).await;
            if examination.has_schema() && examination.missing_rights.is_none() {
                if !examination.is_read_only {
                    findings.add(database::writes(store.try_write().await));
                }
                if let Some(config) = config {
                    findings.add(database::pepper(store.pepper().await, &fingerprints(&config.keys)));
                }
                replicas::judge(&store.replicas().await, store.most_connections(), &examination.connections, findings);
            }
        }
        Err(OpenError::Failed { what, remedy: Some(remedy), .. }) => findings.add(Finding::failed(CHECK, what, remedy)),
        Err(error) => findings.add(Finding::failed(CHECK, error, "see docs/operations.md, The database's address")),
    }
    store.close().await;
}

async fn examine_published_keys(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "issuers";
    let remedy = "see docs/issuers.md and docs/tls-and-proxies.md; until keys were fetched once, tokens of this issuer are \
                  answered with 503";
    match examine_issuers(&config.jwt).await {
        Ok(issuers) if issuers.is_empty() => {
            findings.add(Finding::good(CHECK, "no issuer publishes keys that would have to be fetched"));
        }
        Ok(issuers) => {
            for (issuer, failure) in issuers {
                findings.add(match failure {
                    None => Finding::good(CHECK, format!("fetched the keys of {issuer}")),
                    Some(failure) => Finding::failed(CHECK, format!("{issuer}: {failure}"), remedy),
                });
            }
        }
        Err(error) => findings.add(Finding::failed(CHECK, format!("{error:#}"), remedy)),
    }
}
