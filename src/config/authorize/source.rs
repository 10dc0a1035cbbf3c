//! Where a policy comes from, and whether it can be used there.

use std::{io, path::PathBuf};

use super::policy::{parse, read};
use crate::{
    config::Problems,
    domain::{policy::Policy, usage::UsageTags},
};

/// The source of a policy, and its context.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// The path of the file.
    pub path: PathBuf,
    /// Whether any proxy is trusted to describe requests.
    pub has_proxies: bool,
    /// The tags that rules may name.
    pub tags: UsageTags,
}

/// A policy, with the text that it was read from.
pub struct PolicyFile {
    /// The source.
    pub source: PolicySource,
    /// The text of the file.
    pub text: String,
    /// The parsed policy.
    pub policy: Policy,
}

impl PolicySource {
    /// Reads the file.
    ///
    /// # Errors
    /// If it can't be read, is not UTF-8, or is too large.
    pub fn read(&self) -> io::Result<String> {
        read(&self.path)
    }

    /// Parses the text, and checks that the policy can be used.
    ///
    /// # Errors
    /// All problems.
    pub fn parse(&self, text: &str) -> Result<Policy, Problems> {
        let policy = parse(text, Some(&self.tags))?;
        if policy.looks_at().anything() && !self.has_proxies {
            let problem = "the rules look at hosts, paths or methods, which only a gateway can tell, and none is \
                           trusted: name its network in server.trusted_proxies \
                           (KEYWARD__SERVER__TRUSTED_PROXIES=10.0.0.0/8), or let it ask by server.socket";
            return Err(Problems(vec![problem.to_owned()]));
        }
        Ok(policy)
    }
}
