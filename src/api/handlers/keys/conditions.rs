//! Preconditions of requests about a key: its entity tag, and the effect of `If-Match` and `If-None-Match` (RFC 9110
//! §13). `Last-Modified` is never sent, so conditions on dates are ignored (§13.1.3, §13.1.4).
//!
//! The tag begins with the key's version. Some of the representation can change without a new version: the last use,
//! and the state when the key expires or its owner is disabled. In these cases the version is followed by a digest of
//! both. A read compares the whole tag; a change compares only the version, because a caller need not know that the
//! key was used in the meantime.

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
        failure::{FieldError, Reason},
    },
    domain::{
        key_record::{KeyState, ManagedKey},
        precondition::{Preconditions, Versions},
    },
};

/// The length of the digest after the version, in bytes.
const DIGEST_BYTES: usize = 8;

/// The preconditions in the headers of a request.
pub(crate) struct Conditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
}

/// The outcome of a conditional read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Show the key.
    Shown,
    /// The client's copy is current.
    NotModified,
}

impl Conditions {
    /// Reads the preconditions of a request.
    ///
    /// # Errors
    /// [`Reason::InvalidParameters`] with every header that is not a list of entity tags.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Reason> {
        let mut problems = Vec::new();
        let mut read = |header, name| {
            TagList::of(request.headers(), header).unwrap_or_else(|| {
                problems.push(FieldError::of_parameter(name, "invalid", "entity tags such as \"3\", or *"));
                None
            })
        };
        let conditions =
            Self { if_match: read(IF_MATCH, "If-Match"), if_none_match: read(IF_NONE_MATCH, "If-None-Match") };
        if problems.is_empty() { Ok(conditions) } else { Err(Reason::InvalidParameters(problems)) }
    }

    /// Evaluates the preconditions for a read of a key with this tag.
    ///
    /// # Errors
    /// [`Reason::VersionMismatch`] if the key must not be shown.
    pub(crate) fn of_read(&self, tag: &str) -> Result<Read, Reason> {
        if self.if_match.as_ref().is_some_and(|tags| !tags.names(tag)) {
            return Err(Reason::VersionMismatch);
        }
        let is_known = self.if_none_match.as_ref().is_some_and(|tags| tags.names_weakly(tag));
        Ok(if is_known { Read::NotModified } else { Read::Shown })
    }

    /// The preconditions for the version that a change applies to.
    pub(crate) fn of_change(&self) -> Preconditions {
        Preconditions {
            only: self.if_match.as_ref().map(|tags| versions(tags, |weak| !weak)),
            not: self.if_none_match.as_ref().map(|tags| versions(tags, |_| true)),
        }
    }
}

/// The entity tag of a key at `now`, without quotation marks.
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

/// The version in a tag, if the tag has our format.
fn version(opaque: &[u8]) -> Option<NonZeroI64> {
    let text = str::from_utf8(opaque).ok()?;
    let (number, digest) = text.split_once('-').map_or((text, None), |(number, digest)| (number, Some(digest)));
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = |text: &str| text.len() == 2 * DIGEST_BYTES && text.bytes().all(is_hexadecimal);
    let version: NonZeroI64 = number.parse().ok()?;
    (version.to_string() == number && digest.is_none_or(is_digest)).then_some(version)
}
