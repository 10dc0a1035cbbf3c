//! Revoked tokens: the identification of a revocation among the replicas, the known revocations of a token, and the
//! request for one.

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{coherence::RecordId, denial::TokenFault, text::ChangeReason};

/// The ids of the two rows that can revoke a token, as used among the replicas. Each may exist or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRecords {
    /// The row that revokes this token by its `jti`; `None` if the token has none.
    pub token: Option<RecordId>,
    /// The row that revokes its subject's tokens up to an instant.
    pub subject: RecordId,
}

impl TokenRecords {
    /// The rows for a token of `issuer` about `subject`.
    pub fn of(issuer: &str, token_id: Option<&str>, subject: &str) -> Self {
        Self {
            token: token_id.map(|token_id| record("token", issuer, token_id)),
            subject: record("subject", issuer, subject),
        }
    }

    /// The ids of both rows.
    pub fn ids(self) -> impl Iterator<Item = RecordId> {
        self.token.into_iter().chain([self.subject])
    }
}

/// The id of a row: the first 128 bits of a SHA-256 over its parts, each prefixed with its length, so that no two rows
/// have the same input. `migrations/0004_revoked_tokens.sql` computes the same.
fn record(kind: &str, issuer: &str, name: &str) -> RecordId {
    let mut hash = Sha256::new();
    for part in ["keyward v1 tokens", kind, issuer, name] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    RecordId(u128::from_be_bytes(*hash.first_chunk().expect("32 bytes hold 16")))
}

/// The content of one of these rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEnd {
    /// The token is revoked.
    Revoked,
    /// The subject's tokens are revoked if they were issued before this instant.
    NotBefore(OffsetDateTime),
}

/// The known content of both rows of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenStanding {
    /// Whether the token is revoked.
    pub revoked: bool,
    /// The instant before which the subject's tokens are revoked.
    pub not_before: Option<OffsetDateTime>,
}

impl TokenStanding {
    /// Why a token with this `iat` (seconds since 1970) is refused, if it is. A token without `iat` can't prove that it
    /// is recent enough.
    pub fn refusal(&self, issued_at: Option<f64>) -> Option<TokenFault> {
        if self.revoked {
            return Some(TokenFault::Revoked);
        }
        let not_before = self.not_before?.unix_timestamp_nanos() as f64 / 1e9;
        let is_new_enough = issued_at.is_some_and(|issued_at| issued_at >= not_before);
        (!is_new_enough).then_some(TokenFault::BeforeNotBefore)
    }
}

/// The margin for which a revocation is kept beyond the lifetime of a token, because the clocks of replicas and
/// database differ.
const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(3600);

/// How long a revocation must be kept if its tokens were issued at `from` at the latest, and are accepted for
/// `longest_life`.
pub fn remembered_until(from: OffsetDateTime, longest_life: Duration) -> OffsetDateTime {
    // Saturates at the end of the calendar.
    let span = (longest_life + CLOCKS_MAY_DIFFER).try_into().unwrap_or(time::Duration::MAX);
    from.checked_add(span).unwrap_or(from)
}

/// A request to revoke tokens.
#[derive(Clone, Debug)]
pub struct TokenRevocation {
    /// The `iss` of the tokens; empty for tokens without one.
    pub issuer: Box<str>,
    /// The tokens to revoke.
    pub which: WhichTokens,
    /// The reason.
    pub reason: Option<ChangeReason>,
    /// The time of the request.
    pub at: OffsetDateTime,
    /// The instant after which all of these tokens have expired.
    pub expires_at: OffsetDateTime,
}

/// The maximum difference between an issuer's clock and ours (`jwt.leeway`).
const LEEWAY_MAX: time::Duration = time::Duration::MINUTE;

/// Whether `not_before` must be refused as too late. It is probably a mistake, and would lock the subject out until
/// then, because the instant can't be moved back.
pub fn is_too_late(not_before: OffsetDateTime, now: OffsetDateTime) -> bool {
    not_before > now + LEEWAY_MAX
}

impl TokenRevocation {
    /// A revocation that is kept for as long as it matters. `longest_life`: how long a token of the issuer may be
    /// accepted; `said_end`: when the token expires, if the caller knows.
    pub fn new(
        issuer: Box<str>,
        which: WhichTokens,
        reason: Option<ChangeReason>,
        longest_life: Duration,
        said_end: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Self {
        let since = match &which {
            WhichTokens::WithId(_) => now,
            WhichTokens::OfSubject { not_before, .. } => (*not_before).max(now),
        };
        // A given expiry can only extend the time: if it were too early by mistake, the token would be accepted again.
        let said_end = said_end.map(|end| end.checked_add(LEEWAY_MAX).unwrap_or(end));
        let expires_at = remembered_until(since, longest_life).max(said_end.unwrap_or(since));
        Self { issuer, which, reason, at: now, expires_at }
    }
}

/// The tokens of an issuer to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichTokens {
    /// The token with this `jti`.
    WithId(Box<str>),
    /// The tokens of a subject that were issued before an instant.
    OfSubject {
        /// The `sub` of the tokens.
        subject: Box<str>,
        /// The instant.
        not_before: OffsetDateTime,
    },
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn no_two_rows_have_one_name() {
        let names = [
            TokenRecords::of("a", Some("b"), "b"),
            TokenRecords::of("ab", Some(""), ""),
            TokenRecords::of("", Some("ab"), "ab"),
            TokenRecords::of("b", Some("a"), "a"),
        ];
        let names: Vec<RecordId> = names.into_iter().flat_map(TokenRecords::ids).collect();
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), different.len()), (8, 8));
    }

    #[test]
    fn a_token_is_new_enough_from_the_very_instant_on() {
        let not_before = datetime!(2026-11-23 12:00:00.5 UTC);
        let standing = TokenStanding { revoked: false, not_before: Some(not_before) };
        let seconds = |instant: OffsetDateTime| Some(instant.unix_timestamp_nanos() as f64 / 1e9);
        assert_eq!(standing.refusal(seconds(not_before)), None);
        assert_eq!(
            standing.refusal(seconds(not_before - Duration::microseconds(1))),
            Some(TokenFault::BeforeNotBefore)
        );
        // Most issuers send whole seconds.
        assert_eq!(standing.refusal(seconds(datetime!(2026-11-23 12:00 UTC))), Some(TokenFault::BeforeNotBefore));
        assert_eq!(standing.refusal(None), Some(TokenFault::BeforeNotBefore));
        assert_eq!(TokenStanding::default().refusal(None), None);
        assert_eq!(
            TokenStanding { revoked: true, not_before: None }.refusal(seconds(not_before)),
            Some(TokenFault::Revoked)
        );
    }
}
