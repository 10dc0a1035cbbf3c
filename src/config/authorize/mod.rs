//! The section `[authorize]`: the decisions on gateway requests.
//!
//! - `policy`: the policy file that `authorize.policy_file` names
//! - `source`: where it comes from

pub mod policy;
mod source;

use std::collections::BTreeSet;

pub use self::source::{PolicyFile, PolicySource};
use super::loading::Check;
use crate::domain::usage::UsageTags;

/// More headers would only be more places to search in each request.
const HEADERS_MAX: usize = 8;

/// How `/v1/authorize` decides on gateway requests.
pub struct Authorize {
    /// The headers that may contain a credential, in lowercase: `authorization` with the scheme `Bearer`, others
    /// without.
    pub credential_headers: Vec<String>,
    /// The policy; `None`: every valid credential is allowed everything.
    pub policy: Option<PolicyFile>,
}

impl Authorize {
    /// The section, or `None` after its problems were recorded.
    pub(super) fn read(check: &mut Check<'_>, has_proxies: bool, tags: UsageTags) -> Option<Self> {
        let credential_headers = credential_headers(check);
        let policy = policy(check, has_proxies, tags);
        Some(Self { credential_headers: credential_headers?, policy: policy? })
    }
}

fn policy(check: &mut Check<'_>, has_proxies: bool, tags: UsageTags) -> Option<Option<PolicyFile>> {
    let setting = "authorize.policy_file";
    let path = check.text(setting, 4096)?;
    if path.is_empty() {
        return Some(None);
    }
    let source = PolicySource { path: path.into(), has_proxies, tags };
    let text = match source.read() {
        Ok(text) => text,
        Err(cause) => {
            check.problem(setting, format!("names a file that can't be read ({cause})"));
            return None;
        }
    };
    match source.parse(&text) {
        Ok(policy) => Some(Some(PolicyFile { source, text, policy })),
        Err(problems) => {
            for problem in problems.lines() {
                check.problem_within(&source.path, problem);
            }
            None
        }
    }
}

fn credential_headers(check: &mut Check<'_>) -> Option<Vec<String>> {
    let setting = "authorize.credential_headers";
    let names: Vec<String> =
        check.list(setting, HEADERS_MAX, 64)?.iter().map(|name| name.to_ascii_lowercase()).collect();
    if names.is_empty() {
        check.problem(setting, "is empty, so nobody could show a credential: name one header at least");
        return None;
    }
    if let Some(wrong) = names.iter().find(|name| !name.bytes().all(is_in_header_names)) {
        check.problem(setting, format!("holds {wrong:?}, which is no name of a header"));
        return None;
    }
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        check.problem(setting, "names a header twice");
        return None;
    }
    Some(names)
}

/// RFC 9110 §5.6.2, in lowercase.
fn is_in_header_names(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
