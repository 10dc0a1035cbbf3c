//! Paths into a token's claims.

use std::{fmt, str::FromStr};

/// The maximum length of a path, in bytes.
const MAX_BYTES: usize = 256;
/// The maximum number of steps. Each is looked up in each token.
const MAX_STEPS: usize = 8;

/// A claim, or a place within one: `scope`, `realm_access.roles`, `resource_access.*.roles`, `keys(roles)`.
///
/// A claim whose name is the whole text, including dots, takes precedence, so `https://example.com/roles` is a claim.
/// Otherwise dots separate the names of nested members; `*` stands for every member of an object and every item of a
/// list; and `\.` is a dot within a name. `keys(…)` selects the names of an object's members instead of their values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath {
    written: Box<str>,
    /// The claim whose name is the whole text.
    claim: Box<str>,
    steps: Box<[ClaimStep]>,
    takes_names: bool,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClaimStep {
    /// The member with this name.
    Member(Box<str>),
    /// Every member of an object, and every item of a list.
    Every,
}

/// The text is not a path into claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaimPath {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// It is longer than 256 bytes, or has more than eight steps.
    #[error("is longer than {MAX_BYTES} bytes, or has more than {MAX_STEPS} steps")]
    Long,
    /// It has an empty name: two consecutive dots, or one at the beginning or end.
    #[error(r"has an empty step: a dot separates two names, and `\.` is a dot within a name")]
    EmptyStep,
    /// It begins with `*`, which would select all claims.
    #[error("begins with `*`, which would be all claims")]
    AllClaims,
}

impl ClaimPath {
    /// The name of the claim that takes precedence over the steps.
    pub(crate) fn claim(&self) -> &str {
        &self.claim
    }

    pub(crate) fn steps(&self) -> &[ClaimStep] {
        &self.steps
    }

    /// Whether the path selects the names of members instead of their values.
    pub(crate) fn takes_names(&self) -> bool {
        self.takes_names
    }

    /// Whether the path leads to at most one value.
    #[cfg(feature = "server")]
    pub(crate) fn leads_to_one(&self) -> bool {
        !self.takes_names && !self.steps.contains(&ClaimStep::Every)
    }
}

impl FromStr for ClaimPath {
    type Err = InvalidClaimPath;

    fn from_str(text: &str) -> Result<Self, InvalidClaimPath> {
        let within = text.strip_prefix("keys(").and_then(|rest| rest.strip_suffix(')'));
        let (claim, takes_names) = (within.unwrap_or(text), within.is_some());
        if claim.is_empty() {
            return Err(InvalidClaimPath::Empty);
        }
        let steps = steps(claim)?;
        if text.len() > MAX_BYTES || steps.len() > MAX_STEPS {
            return Err(InvalidClaimPath::Long);
        }
        if steps.first() == Some(&ClaimStep::Every) {
            return Err(InvalidClaimPath::AllClaims);
        }
        Ok(Self { written: text.into(), claim: claim.into(), steps: steps.into(), takes_names })
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

fn steps(text: &str) -> Result<Vec<ClaimStep>, InvalidClaimPath> {
    let (mut steps, mut name, mut is_plain) = (Vec::new(), String::new(), true);
    let mut characters = text.chars().peekable();
    let mut end = |name: &mut String, is_plain: &mut bool| match std::mem::take(name) {
        name if name.is_empty() => Err(InvalidClaimPath::EmptyStep),
        name => {
            let every = name == "*" && std::mem::replace(is_plain, true);
            steps.push(if every { ClaimStep::Every } else { ClaimStep::Member(name.into()) });
            Ok(())
        }
    };
    while let Some(character) = characters.next() {
        match character {
            '.' => end(&mut name, &mut is_plain)?,
            '\\' => {
                if let Some(escaped) = characters.next_if(|next| matches!(next, '.' | '\\' | '*')) {
                    name.push(escaped);
                    is_plain = false;
                } else {
                    name.push(character);
                }
            }
            _ => name.push(character),
        }
    }
    end(&mut name, &mut is_plain)?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(text: &str) -> Vec<String> {
        let path: ClaimPath = text.parse().expect("a path");
        let step = |step: &ClaimStep| match step {
            ClaimStep::Member(name) => name.to_string(),
            ClaimStep::Every => "every".to_owned(),
        };
        path.steps().iter().map(step).collect()
    }

    #[test]
    fn dots_separate_steps_unless_they_are_escaped() {
        assert_eq!(steps_of("scope"), ["scope"]);
        assert_eq!(steps_of("realm_access.roles"), ["realm_access", "roles"]);
        assert_eq!(steps_of("resource_access.*.roles"), ["resource_access", "every", "roles"]);
        assert_eq!(steps_of(r"kubernetes\.io.namespace"), ["kubernetes.io", "namespace"]);
        assert_eq!(steps_of(r"a.\*.b\\c.\d"), ["a", "*", r"b\c", r"\d"]);
        assert_eq!(steps_of("keys(urn:roles)"), ["urn:roles"]);
        assert_eq!(steps_of("a*.b"), ["a*", "b"]);
        let path: ClaimPath = "keys(a.b)".parse().expect("a path");
        assert!(path.takes_names() && !path.leads_to_one() && path.claim() == "a.b" && path.to_string() == "keys(a.b)");
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for (text, cause) in [
            ("", InvalidClaimPath::Empty),
            ("keys()", InvalidClaimPath::Empty),
            ("a..b", InvalidClaimPath::EmptyStep),
            (".a", InvalidClaimPath::EmptyStep),
            ("a.", InvalidClaimPath::EmptyStep),
            ("*.roles", InvalidClaimPath::AllClaims),
            ("a.b.c.d.e.f.g.h.i", InvalidClaimPath::Long),
            (&"x".repeat(257), InvalidClaimPath::Long),
        ] {
            assert_eq!(text.parse::<ClaimPath>(), Err(cause), "{text}");
        }
    }
}
