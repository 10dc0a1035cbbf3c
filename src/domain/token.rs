//! Tokens that are ended before they expire: what such an end is called among the replicas, what is known of it,
//! and how one is asked for.

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{coherence::RecordId, denial::TokenFault, text::ChangeReason};

/// What a token is ended by: two rows, each of which may be there or not. By their names among the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRecords {
    /// That this token is revoked, by its `jti`; `None` when it has none.
    pub token: Option<RecordId>,
    /// That its subject's tokens are, up to an instant.
    pub subject: RecordId,
}

impl TokenRecords {
    /// Those of a token of `issuer`, about `subject`.
    pub fn of(issuer: &str, token_id: Option<&str>, subject: &str) -> Self {
        Self {
            token: token_id.map(|token_id| record("token", issuer, token_id)),
            subject: record("subject", issuer, subject),
        }
    }

    /// Both.
    pub fn ids(self) -> impl Iterator<Item = RecordId> {
        self.token.into_iter().chain([self.subject])
    }
}

/// A row's name: the first 128 bits of a SHA-256 over its parts, each with its length before it, so that no two rows
/// are spelled alike. `migrations/0004_revoked_tokens.sql` computes the same.
fn record(kind: &str, issuer: &str, name: &str) -> RecordId {
    let mut hash = Sha256::new();
    for part in ["keyward v1 tokens", kind, issuer, name] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    RecordId(u128::from_be_bytes(*hash.first_chunk().expect("32 bytes hold 16")))
}

/// One row of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEnd {
    /// The token is revoked.
    Revoked,
    /// The subject's tokens that were issued earlier are.
    NotBefore(OffsetDateTime),
}

/// What is known of both rows of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenStanding {
    /// Whether the token is revoked.
    pub revoked: bool,
    /// The instant before which its subject's tokens are.
    pub not_before: Option<OffsetDateTime>,
}

impl TokenStanding {
    /// Why a token with this `iat` (in seconds since 1970) is refused, if it is. One that does not say when it was
    /// issued cannot prove that it is new enough.
    pub fn refusal(&self, issued_at: Option<f64>) -> Option<TokenFault> {
        if self.revoked {
            return Some(TokenFault::Revoked);
        }
        let not_before = self.not_before?.unix_timestamp_nanos() as f64 / 1e9;
        let is_new_enough = issued_at.is_some_and(|issued_at| issued_at >= not_before);
        (!is_new_enough).then_some(TokenFault::BeforeNotBefore)
    }
}

/// How much longer than a token can live its end is remembered: the clocks of the replicas that judge it, and of the
/// database that forgets it, are not one.
const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(3600);

/// Until when it must be remembered that tokens were ended which were issued at `from` at the latest, and are accepted for
/// `longest_life`.
pub fn remembered_until(from: OffsetDateTime, longest_life: Duration) -> OffsetDateTime {
    // Beyond the end of the calendar there is none.
    let span = (longest_life + CLOCKS_MAY_DIFFER).try_into().unwrap_or(time::Duration::MAX);
    from.checked_add(span).unwrap_or(from)
}

/// Tokens that are to be refused from now on.
#[derive(Clone, Debug)]
pub struct TokenRevocation {
    /// Whose tokens: their `iss`, empty for those without.
    pub issuer: Box<str>,
    /// Which of them.
    pub which: WhichTokens,
    /// Why.
    pub reason: Option<ChangeReason>,
    /// When it was asked for.
    pub at: OffsetDateTime,
    /// From then on all of them are refused for their age.
    pub expires_at: OffsetDateTime,
}

/// The most that an issuer's clock may be from ours (`jwt.leeway`).
const LEEWAY_MAX: time::Duration = time::Duration::MINUTE;

/// Whether tokens must not be ended up to this instant: it would be a mistake that locks the subject out until then, for
/// the instant never goes back.
pub fn is_too_late(not_before: OffsetDateTime, now: OffsetDateTime) -> bool {
    not_before > now + LEEWAY_MAX
}

impl TokenRevocation {
    /// One that is remembered for as long as it matters. `longest_life`: for how long a token of the issuer may be accepted;
    /// `said_end`: when the one token expires, as far as somebody says so.
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
        // Whatever is said of the token's end: who says it may be wrong, and then the token would be good again.
        let said_end = said_end.map(|end| end.checked_add(LEEWAY_MAX).unwrap_or(end));
        let expires_at = remembered_until(since, longest_life).max(said_end.unwrap_or(since));
        Self { issuer, which, reason, at: now, expires_at }
    }
}

/// Which tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichTokens {
    /// The one with this `jti`.
    WithId(Box<str>),
    /// Those of this subject that were issued before an instant.
    OfSubject {
        /// Who bears them.
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
        // Most issuers tell whole seconds.
        assert_eq!(standing.refusal(seconds(datetime!(2026-11-23 12:00 UTC))), Some(TokenFault::BeforeNotBefore));
        assert_eq!(standing.refusal(None), Some(TokenFault::BeforeNotBefore));
        assert_eq!(TokenStanding::default().refusal(None), None);
        assert_eq!(
            TokenStanding { revoked: true, not_before: None }.refusal(seconds(not_before)),
            Some(TokenFault::Revoked)
        );
    }
}
