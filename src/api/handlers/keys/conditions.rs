//! Preconditions of requests about a key: the tag of what is shown, and what `If-Match` and `If-None-Match` make of it
//! (RFC 9110 §13). No date of a last modification is ever sent, so conditions on one are ignored (§13.1.3, §13.1.4).
//!
//! The tag begins with the key's version. What is shown besides may change without it: when the key was last used, and
//! its state once it expires or its owner is stopped. Then a digest of that follows. A read is conditional on the whole
//! tag, a change on the version alone: whoever changes a key need not know that it was used meanwhile.

use std::num::NonZeroI64;

use actix_web::{
    HttpRequest,
    http::header::{IF_MATCH, IF_NONE_MATCH},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    api::wire::{
        entity_tag::TagList,
        failure::{FieldProblem, Reason},
    },
    domain::{
        key_record::{KeyState, ManagedKey},
        precondition::{Preconditions, Versions},
    },
};

/// Bytes of the digest that a tag may have behind the version.
const DIGEST_BYTES: usize = 8;

/// What a request demands, as its headers have it.
pub(super) struct Conditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
}

/// What becomes of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The key is shown.
    Shown,
    /// The client has it.
    NotModified,
}

impl Conditions {
    /// Those of a request.
    ///
    /// # Errors
    /// [`Reason::InvalidParameters`] with every header that is no list of tags.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Reason> {
        let mut problems = Vec::new();
        let mut read = |header, name| {
            TagList::of(request.headers(), header).unwrap_or_else(|| {
                problems.push(FieldProblem::of_parameter(name, "invalid", "entity tags such as \"3\", or *"));
                None
            })
        };
        let conditions =
            Self { if_match: read(IF_MATCH, "If-Match"), if_none_match: read(IF_NONE_MATCH, "If-None-Match") };
        if problems.is_empty() { Ok(conditions) } else { Err(Reason::InvalidParameters(problems)) }
    }

    /// What they make of a read of what has this tag.
    ///
    /// # Errors
    /// [`Reason::VersionMismatch`]: nothing may be shown.
    pub(super) fn of_read(&self, tag: &str) -> Result<Read, Reason> {
        if self.if_match.as_ref().is_some_and(|tags| !tags.names(tag)) {
            return Err(Reason::VersionMismatch);
        }
        let is_known = self.if_none_match.as_ref().is_some_and(|tags| tags.names_weakly(tag));
        Ok(if is_known { Read::NotModified } else { Read::Shown })
    }

    /// What they demand of the version that a change meets.
    pub(super) fn of_change(&self) -> Preconditions {
        Preconditions {
            only: self.if_match.as_ref().map(|tags| versions(tags, |weak| !weak)),
            not: self.if_none_match.as_ref().map(|tags| versions(tags, |_| true)),
        }
    }
}

/// The tag of a key as it is shown at `now`, without its quotation marks.
pub(super) fn tag(key: &ManagedKey, now: OffsetDateTime) -> String {
    let state = key.record.state(now);
    let state_of_version = match (key.record.revoked_at, key.record.enabled) {
        (Some(_), _) => KeyState::Revoked,
        (None, false) => KeyState::Disabled,
        (None, true) => KeyState::Active,
    };
    if state == state_of_version && key.last_use.is_none() {
        return key.version.to_string();
    }
    let last_use = key.last_use.map(|last| (last.at.unix_timestamp_nanos(), last.from));
    let digest = Sha256::digest(format!("{} {last_use:?}", state.as_str()));
    let digest: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", key.version)
}

fn versions(tags: &TagList, counts: impl Fn(bool) -> bool) -> Versions {
    match tags {
        TagList::Any => Versions::Any,
        TagList::These(tags) => {
            Versions::These(tags.iter().filter(|tag| counts(tag.weak)).filter_map(|tag| version(&tag.opaque)).collect())
        }
    }
}

/// The version in a tag that we may have written.
fn version(opaque: &[u8]) -> Option<NonZeroI64> {
    let text = str::from_utf8(opaque).ok()?;
    let (number, digest) = text.split_once('-').map_or((text, None), |(number, digest)| (number, Some(digest)));
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = |text: &str| text.len() == 2 * DIGEST_BYTES && text.bytes().all(is_hexadecimal);
    let version: NonZeroI64 = number.parse().ok()?;
    (version.to_string() == number && digest.is_none_or(is_digest)).then_some(version)
}
