//! The scopes that a request needs, for the answer to a credential without them.

use std::{collections::BTreeSet, fmt};

/// The scopes that a request needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NeededScopes {
    /// These, all of them.
    all: BTreeSet<String>,
    /// And one of these, if there are any.
    any: BTreeSet<String>,
}

impl NeededScopes {
    /// All of `all`, and one of `any` unless that is empty.
    pub(crate) fn new<'a>(all: impl Iterator<Item = &'a str>, any: impl Iterator<Item = &'a str>) -> Self {
        Self { all: all.map(str::to_owned).collect(), any: any.map(str::to_owned).collect() }
    }

    /// What the credential needs, as a sentence.
    pub(super) fn in_words(&self) -> String {
        let listed = |scopes: &BTreeSet<String>, of_several: &str| match scopes.len() {
            0 => None,
            1 => Some(format!("the scope {}", joined(scopes))),
            _ => Some(format!("{of_several} these scopes: {}", joined(scopes))),
        };
        let needs: Vec<String> = listed(&self.all, "all of").into_iter().chain(listed(&self.any, "one of")).collect();
        format!("The credential needs {}.", needs.join(", and "))
    }
}

impl fmt::Display for NeededScopes {
    /// All of them, as a challenge names them (RFC 6750 §3), which can't say that one is enough.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: BTreeSet<&String> = self.all.union(&self.any).collect();
        formatter.write_str(&joined(named))
    }
}

fn joined<'a>(scopes: impl IntoIterator<Item = &'a String>) -> String {
    scopes.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_told_from_all_of_them() {
        for (all, any, told) in [
            (&["b", "a"][..], &[][..], "The credential needs all of these scopes: a b."),
            (&[], &["b", "a"], "The credential needs one of these scopes: a b."),
            (&["a"], &[], "The credential needs the scope a."),
            (&["a"], &["b", "c"], "The credential needs the scope a, and one of these scopes: b c."),
        ] {
            let needed = NeededScopes::new(all.iter().copied(), any.iter().copied());
            assert_eq!(needed.in_words(), told);
        }
        let needed = NeededScopes::new(["b", "c"].into_iter(), ["a", "b"].into_iter());
        assert_eq!(needed.to_string(), "a b c");
    }
}
