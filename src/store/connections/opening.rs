//! Waiting for a database that does not answer yet, and what can prevent a store from being opened or prepared.

use std::{future::Future, time::Duration};

use super::failure::ConnectFailure;
use crate::{config::InvalidDatabaseUrl, domain::ports::StoreError, telemetry::outage::Trouble};

/// The store could not be opened or prepared.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not a Postgres URL. The address itself is not shown, because it may contain a password.
    #[error("{setting} {problem}")]
    Address {
        /// The setting with the address.
        setting: &'static str,
        /// What is wrong with it.
        problem: InvalidDatabaseUrl,
    },
    /// Part of the address can't be used, such as a certificate that can't be read.
    #[error("{0}: {1}")]
    Settings(&'static str, String),
    /// The database can't be reached or used.
    #[error("{what}{}", remedy.as_ref().map(|remedy| format!(". {remedy}")).unwrap_or_default())]
    Failed {
        /// The setting, and the cause.
        what: String,
        /// What to do, if something is known.
        remedy: Option<String>,
        /// Whether the failure may end without a change of settings.
        heals: bool,
    },
    /// The database was not reached within `database.connect_timeout`.
    #[error("the database could not be reached within {0:?} (database.connect_timeout). {1}")]
    Unreachable(Duration, String),
    /// New keys are made with a pepper that is not configured.
    #[error(
        "keys.peppers does not have the pepper that new keys in this database are made with: all of them would be refused. Its \
         fingerprint is {expected}, and those of keys.peppers are: {configured}. Configure the pepper that the other replicas \
         have, or that you have backed up, also if another one is to replace it (docs/pepper.md). If it is lost, and with it \
         its keys, run `keyward keys forget-pepper {expected}`"
    )]
    OtherPepper {
        /// Its fingerprint.
        expected: String,
        /// Those of the configured peppers.
        configured: String,
    },
    /// The schema is older than this program.
    #[error("the database's schema is older than this program: it has migration {found}, {needed} is needed")]
    OldSchema {
        /// The newest applied migration; 0 for none.
        found: i64,
        /// The newest migration of this program.
        needed: i64,
    },
}

impl OpenError {
    /// Whether a retry may succeed: the cause may end by itself, or by an action elsewhere.
    pub fn heals(&self) -> bool {
        match self {
            Self::Failed { heals, .. } => *heals,
            Self::Unreachable(..) | Self::OldSchema { .. } => true,
            Self::Address { .. } | Self::Settings(..) | Self::OtherPepper { .. } => false,
        }
    }
}

/// The database answered before, so it will again.
impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Failed { what: error.to_string(), remedy: None, heals: true }
    }
}

impl From<ConnectFailure> for OpenError {
    fn from(failure: ConnectFailure) -> Self {
        let ConnectFailure { what, remedy, heals } = failure;
        Self::Failed { what, remedy, heals }
    }
}

/// Retries until it succeeds or can't succeed: the database may still be starting.
pub(in crate::store) async fn retry_for<T, A>(limit: Duration, attempt: impl Fn() -> A) -> Result<T, OpenError>
where
    A: Future<Output = Result<T, OpenError>>,
{
    const PAUSE: Duration = Duration::from_millis(200);
    let mut last_error = "It does not answer".to_owned();
    let trouble = Trouble::default();
    let attempts = async {
        loop {
            match attempt().await {
                Err(error) if error.heals() => {
                    let line =
                        |repeated| tracing::warn!(%error, repeated, "the database cannot be reached yet; trying again");
                    trouble.tell(&error, line);
                    last_error = error.to_string();
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(done) => done,
        Err(_) => Err(OpenError::Unreachable(limit, last_error)),
    }
}
