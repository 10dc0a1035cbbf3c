//! The section `[metrics]`: who may read the metrics, and where.

use std::{net::SocketAddr, time::Duration};

use zeroize::Zeroizing;

use super::{
    loading::Check,
    weak::{MAKE_ONE, weakness},
};
use crate::domain::secret::SecretString;

/// As for other secrets: 32 random characters can't be guessed.
const TOKEN_MIN_BYTES: usize = 32;
const TOKEN_MAX_BYTES: usize = 1024;

/// A setting with secrets, and their texts.
pub(super) type OtherSecret<'a> = (&'static str, &'a [Zeroizing<String>]);

/// Who may read the metrics, and where.
pub struct Metrics {
    /// Whether there are any.
    pub enabled: bool,
    /// The address at which they are served; `None`: where the API is.
    pub listen: Option<SocketAddr>,
    /// What a reader presents as a bearer token; `None`: nothing.
    pub token: Option<SecretString>,
    /// How often the database is asked for what costs more than a look into memory.
    pub sample_every: Duration,
}

impl Metrics {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>, others: &[OtherSecret<'_>]) -> Option<Self> {
        let enabled = check.value("metrics.enabled", "true or false");
        let listen = check.listen("metrics.listen", 9464);
        let token = token(check, others);
        let sample_every = check.duration("metrics.sample_every", "10s", "1h");
        Some(Self { enabled: enabled?, listen: listen?, token: token?, sample_every: sample_every? })
    }
}

fn token(check: &mut Check<'_>, others: &[OtherSecret<'_>]) -> Option<Option<SecretString>> {
    let setting = "metrics.token";
    let token = check.secret(setting)?;
    if token.is_empty() {
        return Some(None);
    }
    let problem = if !(TOKEN_MIN_BYTES..=TOKEN_MAX_BYTES).contains(&token.len()) {
        Some(format!("has {} bytes, not {TOKEN_MIN_BYTES} to {TOKEN_MAX_BYTES}", token.len()))
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("holds characters that no header can carry".to_owned())
    } else if let Some((other, _)) = others.iter().find(|(_, texts)| texts.contains(&token)) {
        Some(format!("is the same as in {other}, which whoever reads the metrics must not know"))
    } else {
        weakness(token.as_bytes()).map(str::to_owned)
    };
    match problem {
        Some(problem) => {
            check.problem(setting, format!("{problem}: {MAKE_ONE}"));
            None
        }
        None => Some(Some(SecretString::from(token))),
    }
}
