//! All sections together for `keyward serve`, and single ones for commands that need no more.

use super::{
    Audit, Authorize, Checks, Coherence, Config, Console, Database, Hashing, Jwt, KeyPolicy, Keys, LastUsed, Limits,
    Log, Metrics, Problems, Process, Server, SessionLives, Settings, Traces, Usage,
    keys::validate::parsed,
    loading::{Check, names::SECRETS},
};
use crate::domain::{api_key::Prefix, usage::UsageTags};

impl Settings {
    /// The configuration of `keyward serve`.
    ///
    /// # Errors
    /// All problems, in any section.
    pub fn validate(&self) -> Result<Config, Problems> {
        let mut check = Check::new(self);
        let server = Server::read(&mut check);
        let process = Process::read(&mut check);
        let database = Database::read(&mut check);
        let jwt = Jwt::read(&mut check);
        // The text as it is written, without decoding.
        let jwt_secret = self.secret("jwt.secret").and_then(<[_]>::first).map(|text| text.as_str());
        let keys = Keys::read(&mut check, jwt_secret);
        // If the section is invalid, that is reported; the policy is checked as if there were proxies.
        let has_proxies = server.as_ref().is_none_or(Server::trusts_anybody);
        let usage = Usage::read(&mut check);
        // If the section is invalid, that is reported; the policy's tags are then not declared.
        let tags = usage.as_ref().map(|usage| usage.tags.clone()).unwrap_or_default();
        let authorize = Authorize::read(&mut check, has_proxies, tags);
        let public_url = server.as_ref().and_then(|server| server.public_url.as_deref());
        let console = Console::read(&mut check, jwt.as_ref(), public_url);
        let hashing = Hashing::read(&mut check);
        let checks = Checks::read(&mut check);
        let coherence = Coherence::read(&mut check);
        let last_used = LastUsed::read(&mut check);
        let limits = Limits::read(&mut check);
        let audit = Audit::read(&mut check);
        let others = SECRETS.into_iter().filter(|secret| *secret != "metrics.token");
        let others: Vec<_> = others.filter_map(|secret| Some((secret, self.secret(secret)?))).collect();
        let metrics = Metrics::read(&mut check, &others);
        let traces = Traces::read(&mut check);
        let log = Log::read(&mut check);
        let all = (|| {
            Some(Config {
                server: server?,
                process: process?,
                database: database?,
                jwt: jwt?,
                keys: keys?,
                authorize: authorize?,
                console: console?,
                hashing: hashing?,
                checks: checks?,
                coherence: coherence?,
                last_used: last_used?,
                usage: usage?,
                limits: limits?,
                audit: audit?,
                metrics: metrics?,
                traces: traces?,
                log: log?,
            })
        })();
        check.finish(all)
    }

    fn section<T>(&self, read: fn(&mut Check<'_>) -> Option<T>) -> Result<T, Problems> {
        let mut check = Check::new(self);
        let section = read(&mut check);
        check.finish(section)
    }
}

/// Methods that read a part of the settings.
macro_rules! parts {
    ($($(#[$about:meta])* $name:ident: $part:ty = $read:expr;)+) => {
        impl Settings {
            $(
                $(#[$about])*
                ///
                /// # Errors
                /// The problems of this part, and unknown settings.
                pub fn $name(&self) -> Result<$part, Problems> {
                    self.section($read)
                }
            )+
        }
    };
}

parts! {
    /// The section `[server]`.
    server: Server = Server::read;
    /// The section `[database]`.
    database: Database = Database::read;
    /// The section `[jwt]`.
    jwt: Jwt = Jwt::read;
    /// The setting `jwt.issuer`.
    jwt_issuer: Option<String> = |check| Some(Some(check.text("jwt.issuer", 512)?).filter(|issuer| !issuer.is_empty()));
    /// The setting `keys.prefix`.
    key_prefix: Prefix = |check| parsed(check, "keys.prefix");
    /// The section `[keys]`.
    keys: Keys = |check| Keys::read(check, None);
    /// The policy for keys in the section `[keys]`.
    key_policy: KeyPolicy = KeyPolicy::read;
    /// The section `[checks]`.
    checks: Checks = Checks::read;
    /// The section `[last_used]`.
    last_used: LastUsed = LastUsed::read;
    /// The section `[usage]`.
    usage: Usage = Usage::read;
    /// The setting `usage.tags`.
    usage_tags: UsageTags = Usage::read_tags;
    /// How long the sessions of people last, from the section `[console]`.
    session_lives: SessionLives = SessionLives::read;
    /// The console's own address, if it has one.
    console_listen: Option<std::net::SocketAddr> = Console::read_listen;
    /// How often the keys are surveyed for the console.
    console_survey_every: std::time::Duration = Console::read_survey_every;
    /// The section `[hashing]`.
    hashing: Hashing = Hashing::read;
    /// The section `[audit]`.
    audit: Audit = Audit::read;
    /// The section `[traces]`; `None` if traces are off.
    traces: Option<Traces> = Traces::read;
    /// The section `[log]`.
    log: Log = Log::read;
}
