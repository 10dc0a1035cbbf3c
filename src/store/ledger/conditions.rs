//! The conditions of a list of keys, which are also those of a bulk revocation, and the state of a key, as SQL.

use serde_json::{Value, json};
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::domain::{listing::KeyFilter, scope::Scope, text::SearchText};

/// A query with the state of a key between `$before` and `$after`. `$owner_disabled` is the condition for a disabled
/// owner, and `$now` is the time.
macro_rules! with_state {
    (
        $($query:ident)::+!([$($flag:ident)?] $before:literal $(+ $more:literal)*, $owner_disabled:literal, $now:literal, $after:literal $(+ $rest:literal)*
        $(, $argument:expr)* $(,)?)
    ) => {
        $($query)::+!(
            $($flag)? $before $(+ $more)*
            + " CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN NOT enabled OR "
            + $owner_disabled
            + " THEN 'disabled' WHEN expires_at <= " + $now + " THEN 'expired' ELSE 'active' END "
            + $after $(+ $rest)*
            $(, $argument)*
        )
    };
}
pub(in crate::store) use with_state;

/// A query about the keys that a filter names. The filter is in the parameters `$3` to `$16`, and follows the condition
/// that `$before` ends with. The queries differ in how they find keys, and so in where they learn these:
///
/// - `$owner_disabled`: whether the key's owner is disabled
/// - `$idle`: whether the key has not been used since `$12`
/// - `$used`: whether it has been used since `$13`
///
/// Instead of the last two, `[each]` asks for the uses of one key after the other, and `[all]` for those of all keys
/// between `$1` and `$2` at once, whichever of the two is greater, which takes a third of the time if most of them are
/// looked at.
///
/// `OFFSET 0` keeps Postgres from reading all limits of all owners, or all uses, at once for what it takes to be many
/// keys.
macro_rules! with_conditions {
    ($($query:ident)::+!(
        [$($flag:ident)?] $before:literal $(+ $more:literal)*, $owner_disabled:literal, [each], $($rest:tt)*
    )) => {
        $crate::store::ledger::conditions::with_conditions!($($query)::+!(
            [$($flag)?] $before $(+ $more)*,
            $owner_disabled,
            "NOT EXISTS (SELECT FROM key_uses WHERE key_id = api_keys.id AND key_uses.last_used_at >= $12 OFFSET 0)",
            "EXISTS (SELECT FROM key_uses WHERE key_id = api_keys.id AND key_uses.last_used_at >= $13 OFFSET 0)",
            $($rest)*
        ))
    };
    ($($query:ident)::+!(
        [$($flag:ident)?] $before:literal $(+ $more:literal)*, $owner_disabled:literal, [all], $($rest:tt)*
    )) => {
        $crate::store::ledger::conditions::with_conditions!($($query)::+!(
            [$($flag)?] $before $(+ $more)*,
            $owner_disabled,
            "api_keys.id NOT IN (SELECT key_id FROM key_uses
                                 WHERE key_id BETWEEN LEAST($1, $2) AND GREATEST($1, $2) AND key_uses.last_used_at >= $12)",
            "api_keys.id IN (SELECT key_id FROM key_uses
                             WHERE key_id BETWEEN LEAST($1, $2) AND GREATEST($1, $2) AND key_uses.last_used_at >= $13)",
            $($rest)*
        ))
    };
    (
        $($query:ident)::+!([$($flag:ident)?] $before:literal $(+ $more:literal)*, $owner_disabled:literal, $idle:literal, $used:literal, $after:literal,
        $one:expr, $two:expr, $filter:expr, $now:expr $(, $argument:expr)* $(,)?)
    ) => {
        $crate::store::ledger::conditions::with_state!($($query)::+!(
            [$($flag)?] $before $(+ $more)* + " AND ($3::text[] IS NULL OR ",
            $owner_disabled,
            "$4",
            "= ANY($3))
             AND ($5::text IS NULL OR environment = $5)
             AND ($6::text IS NULL OR name = $6)
             AND ($7::text IS NULL OR name ILIKE $7 OR description ILIKE $7)
             AND ($8::jsonb IS NULL OR (metadata @> $8 AND metadata <> '{}'))
             AND ($9::text IS NULL OR $9 = ANY(scopes))
             AND ($10::timestamptz IS NULL OR expires_at < $10)
             AND ($11::timestamptz IS NULL OR created_at >= $11)
             AND ($12::timestamptz IS NULL OR (created_at < $12 AND "
            + $idle + ")) AND ($13::timestamptz IS NULL OR " + $used + ")
             AND (NOT $14::boolean OR expires_at IS NULL)
             AND ($15::boolean IS NULL OR $15 = (
                 api_keys.limits <> '[]' OR credits_holder IS NOT NULL
                 OR EXISTS (SELECT FROM owner_limits AS shared
                            WHERE shared.issuer = api_keys.issuer AND shared.subject = api_keys.subject
                              AND (shared.limits <> '[]' OR shared.credits_version IS NOT NULL) OFFSET 0)
                 OR EXISTS (SELECT FROM owner_plans AS theirs JOIN plans ON plans.name = theirs.plan
                            WHERE theirs.issuer = api_keys.issuer AND theirs.subject = api_keys.subject
                              AND plans.limits <> '[]' OFFSET 0)))
             AND ($16::boolean IS NULL OR $16 = coalesce(revoked_reason ILIKE '%leak%', false)) " + $after,
            $one,
            $two,
            $filter.states.as_deref() as _,
            $now,
            $filter.environment,
            $filter.name,
            $filter.search.as_deref(),
            $filter.tag.as_ref() as _,
            $filter.scope,
            $filter.expiring_before,
            $filter.created_since,
            $filter.unused_since,
            $filter.used_since,
            $filter.never_expires,
            $filter.limited,
            $filter.leaked
            $(, $argument)*
        ))
    };
}
pub(super) use with_conditions;

/// A filter as parameters of [`with_conditions`]: NULL for an absent condition.
pub(super) struct Conditions<'a> {
    pub(super) states: Option<Vec<&'static str>>,
    pub(super) environment: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) search: Option<String>,
    pub(super) tag: Option<Json<Value>>,
    pub(super) scope: Option<&'a str>,
    pub(super) expiring_before: Option<OffsetDateTime>,
    pub(super) created_since: Option<OffsetDateTime>,
    pub(super) unused_since: Option<OffsetDateTime>,
    pub(super) used_since: Option<OffsetDateTime>,
    pub(super) never_expires: bool,
    pub(super) limited: Option<bool>,
    pub(super) leaked: Option<bool>,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(filter: &'a KeyFilter) -> Self {
        let states: Vec<&'static str> = filter.states.iter().map(|state| state.as_str()).collect();
        Self {
            states: (!states.is_empty()).then_some(states),
            environment: filter.environment.map(|environment| environment.as_str()),
            name: filter.name.as_ref().map(|name| name.as_str()),
            search: filter.search.as_ref().map(SearchText::like_pattern),
            tag: filter.tag.as_ref().map(|tag| Json(json!({ &tag.name: &tag.value }))),
            scope: filter.scope.as_ref().map(Scope::as_str),
            expiring_before: filter.expiring_before,
            created_since: filter.created_since,
            unused_since: filter.unused_since,
            used_since: filter.used_since,
            never_expires: filter.never_expires,
            limited: filter.limited,
            leaked: filter.leaked,
        }
    }
}
