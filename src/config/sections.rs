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

    /// The section `[server]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn server(&self) -> Result<Server, Problems> {
        self.section(Server::read)
    }

    /// The section `[database]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn database(&self) -> Result<Database, Problems> {
        self.section(Database::read)
    }

    /// The section `[jwt]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn jwt(&self) -> Result<Jwt, Problems> {
        self.section(Jwt::read)
    }

    /// The setting `jwt.issuer`.
    ///
    /// # Errors
    /// The problems of the setting, and unknown settings.
    pub fn jwt_issuer(&self) -> Result<Option<String>, Problems> {
        self.section(|check| Some(Some(check.text("jwt.issuer", 512)?).filter(|issuer| !issuer.is_empty())))
    }

    /// The setting `keys.prefix`.
    ///
    /// # Errors
    /// The problems of the setting, and unknown settings.
    pub fn key_prefix(&self) -> Result<Prefix, Problems> {
        self.section(|check| parsed(check, "keys.prefix"))
    }

    /// The section `[keys]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn keys(&self) -> Result<Keys, Problems> {
        self.section(|check| Keys::read(check, None))
    }

    /// The policy for keys in the section `[keys]`.
    ///
    /// # Errors
    /// The problems of these settings, and unknown settings.
    pub fn key_policy(&self) -> Result<KeyPolicy, Problems> {
        self.section(KeyPolicy::read)
    }

    /// The section `[checks]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn checks(&self) -> Result<Checks, Problems> {
        self.section(Checks::read)
    }

    /// The section `[last_used]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn last_used(&self) -> Result<LastUsed, Problems> {
        self.section(LastUsed::read)
    }

    /// The section `[usage]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn usage(&self) -> Result<Usage, Problems> {
        self.section(Usage::read)
    }

    /// The setting `usage.tags`.
    ///
    /// # Errors
    /// The problems of the setting, and unknown settings.
    pub fn usage_tags(&self) -> Result<UsageTags, Problems> {
        self.section(Usage::read_tags)
    }

    /// How long the sessions of people last, from the section `[console]`.
    ///
    /// # Errors
    /// The problems of these settings, and unknown settings.
    pub fn session_lives(&self) -> Result<SessionLives, Problems> {
        self.section(SessionLives::read)
    }

    /// The console's own address, if it has one.
    ///
    /// # Errors
    /// The problems of this setting, and unknown settings.
    pub fn console_listen(&self) -> Result<Option<std::net::SocketAddr>, Problems> {
        self.section(Console::read_listen)
    }

    /// How often the keys are surveyed for the console.
    ///
    /// # Errors
    /// The problems of this setting, and unknown settings.
    pub fn console_survey_every(&self) -> Result<std::time::Duration, Problems> {
        self.section(Console::read_survey_every)
    }

    /// The section `[hashing]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn hashing(&self) -> Result<Hashing, Problems> {
        self.section(Hashing::read)
    }

    /// The section `[audit]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn audit(&self) -> Result<Audit, Problems> {
        self.section(Audit::read)
    }

    /// The section `[traces]`; `None` if traces are off.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn traces(&self) -> Result<Option<Traces>, Problems> {
        self.section(Traces::read)
    }

    /// The section `[log]`.
    ///
    /// # Errors
    /// The problems of the section, and unknown settings.
    pub fn log(&self) -> Result<Log, Problems> {
        self.section(Log::read)
    }

    fn section<T>(&self, read: fn(&mut Check<'_>) -> Option<T>) -> Result<T, Problems> {
        let mut check = Check::new(self);
        let section = read(&mut check);
        check.finish(section)
    }
}
