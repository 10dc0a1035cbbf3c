//! Converts rows of keys to domain types, and spans to the database's.

use std::time::Duration;

use ipnet::IpNet;
use sqlx::postgres::types::PgInterval;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{
    api_key::KeyId,
    audit::Actor,
    key_record::{AllowedIps, KeyRecord, LastUse, ManagedKey},
    limits::{CreditRules, Credits, Holder, Limits, Refill, RefillInterval, SpentCredits},
    metadata::Metadata,
    owner::Owner,
    ports::{
        StoreError,
        keys::{StoredHash, StoredKey},
    },
    role::Role,
    scope::Scopes,
    text::{KeyDescription, KeyName},
};

/// A span as Postgres counts it.
pub(super) fn interval(span: Duration) -> PgInterval {
    let microseconds = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}

/// The columns that a check reads.
pub(super) struct CheckedRow {
    pub(super) id: Uuid,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) environment: String,
    pub(super) scopes: Vec<String>,
    pub(super) metadata: String,
    pub(super) allowed_ips: Vec<IpNet>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) enabled: bool,
    pub(super) owner_disabled: bool,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) limits: String,
    /// `None` if the owner has no row with limits.
    pub(super) owner_limits: Option<String>,
    /// `None` if the owner is on no plan.
    pub(super) plan_limits: Option<String>,
    pub(super) credits_holder: Option<Uuid>,
    pub(super) credits_version: Option<i64>,
    pub(super) owner_credits_version: Option<i64>,
    pub(super) secret_hash: String,
}

impl TryFrom<CheckedRow> for StoredKey {
    type Error = StoreError;

    fn try_from(row: CheckedRow) -> Result<Self, StoreError> {
        let corrupt = |what: String| corrupt(row.id, &what);
        let limits = |text: &str| Limits::from_stored(text).map_err(|error| corrupt(format!("limits: {error}")));
        let optional = |text: &Option<String>| text.as_deref().map_or(Ok(Limits::default()), limits);
        let owner = Owner { issuer: row.issuer.into(), subject: row.subject.into() };
        let own_credits = row.credits_holder.zip(row.credits_version);
        let holder = |holder: Uuid| Holder::from_u128(holder.as_u128());
        let record = KeyRecord {
            id: row.id.into(),
            environment: row.environment.parse().map_err(|error| corrupt(format!("environment {error}")))?,
            name: row.name.map(KeyName::from_stored),
            scopes: Scopes::parse(row.scopes.iter().map(String::as_str)).map_err(|error| corrupt(error.to_string()))?,
            metadata: Metadata::from_stored(&row.metadata).map_err(|error| corrupt(format!("metadata {error}")))?,
            allowed_ips: AllowedIps::new(row.allowed_ips).map_err(|error| corrupt(error.to_string()))?,
            expires_at: row.expires_at,
            enabled: row.enabled,
            owner_disabled: row.owner_disabled,
            revoked_at: row.revoked_at,
            limits: limits(&row.limits)?,
            owner_limits: optional(&row.owner_limits)?.over(&optional(&row.plan_limits)?),
            credits: own_credits.map(|(of, version)| SpentCredits { holder: holder(of), version }),
            owner_credits: row
                .owner_credits_version
                .map(|version| SpentCredits { holder: Holder::of_owner(&owner), version }),
            owner,
        };
        Ok(Self { record, hash: StoredHash::new(row.secret_hash) })
    }
}

/// The columns that an owner sees. The hash stays in the database.
pub(super) struct ManagedRow {
    pub(super) id: Uuid,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) creator_kind: Option<String>,
    pub(super) creator_issuer: Option<String>,
    pub(super) creator_subject: Option<String>,
    pub(super) environment: String,
    pub(super) scopes: Vec<String>,
    pub(super) metadata: String,
    pub(super) allowed_ips: Vec<IpNet>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) enabled: bool,
    pub(super) disabled_by: Option<String>,
    pub(super) owner_disabled: bool,
    pub(super) limits: String,
    pub(super) credits_holder: Option<Uuid>,
    pub(super) credits_version: Option<i64>,
    /// The credits; `None` if there are none.
    pub(super) remaining: Option<i64>,
    pub(super) unsettled: Option<i64>,
    pub(super) granted: Option<i64>,
    pub(super) credits_max: Option<i64>,
    pub(super) refill_amount: Option<i64>,
    pub(super) refill_every: Option<String>,
    pub(super) refill_day: Option<i32>,
    pub(super) next_refill: Option<OffsetDateTime>,
    pub(super) credits_set_by: Option<String>,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) revoked_reason: Option<String>,
    pub(super) predecessor_id: Option<Uuid>,
    pub(super) successor_id: Option<Uuid>,
    pub(super) version: i64,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) last_used_at: Option<OffsetDateTime>,
    pub(super) last_used_from: Option<IpNet>,
}

impl TryFrom<ManagedRow> for ManagedKey {
    type Error = StoreError;

    fn try_from(row: ManagedRow) -> Result<Self, StoreError> {
        // Older versions do not record who disabled a key; that counts as the owner.
        let named = row.disabled_by.as_deref().and_then(Role::of);
        let disabled_by = (!row.enabled).then(|| named.unwrap_or(Role::Owner));
        let version = row.version.try_into().map_err(|_| corrupt(row.id, "version 0"))?;
        let creator = ActorColumns {
            kind: row.creator_kind,
            issuer: row.creator_issuer,
            subject: row.creator_subject,
            key: None,
        };
        let credits = CreditsColumns {
            remaining: row.remaining,
            unsettled: row.unsettled,
            granted: row.granted,
            max: row.credits_max,
            refill_amount: row.refill_amount,
            refill_every: row.refill_every,
            refill_day: row.refill_day,
            next_refill: row.next_refill,
            set_by: row.credits_set_by,
            // Only owners are on plans.
            from_plan: false,
        };
        let credits = credits.read().map_err(|what| corrupt(row.id, &what))?;
        let created_by = creator.read().map_err(|kind| corrupt(row.id, &format!("creator {kind}")))?;
        let checked = CheckedRow {
            id: row.id,
            issuer: row.issuer,
            subject: row.subject,
            name: row.name,
            environment: row.environment,
            scopes: row.scopes,
            metadata: row.metadata,
            allowed_ips: row.allowed_ips,
            expires_at: row.expires_at,
            enabled: row.enabled,
            owner_disabled: row.owner_disabled,
            revoked_at: row.revoked_at,
            limits: row.limits,
            // Those are for checks.
            owner_limits: None,
            plan_limits: None,
            owner_credits_version: None,
            credits_holder: row.credits_holder,
            credits_version: row.credits_version,
            secret_hash: String::new(),
        };
        Ok(Self {
            record: StoredKey::try_from(checked)?.record,
            description: row.description.map(KeyDescription::from_stored),
            credits,
            created_at: row.created_at,
            created_by,
            updated_at: row.updated_at,
            disabled_by,
            revoked_reason: row.revoked_reason,
            predecessor: row.predecessor_id.map(KeyId::from),
            successor: row.successor_id.map(KeyId::from),
            version,
            last_use: row.last_used_at.map(|at| LastUse { at, from: row.last_used_from.map(|network| network.addr()) }),
        })
    }
}

/// Credits, as the table has them.
pub(super) struct CreditsColumns {
    pub(super) remaining: Option<i64>,
    pub(super) unsettled: Option<i64>,
    pub(super) granted: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) refill_amount: Option<i64>,
    pub(super) refill_every: Option<String>,
    pub(super) refill_day: Option<i32>,
    pub(super) next_refill: Option<OffsetDateTime>,
    pub(super) set_by: Option<String>,
    pub(super) from_plan: bool,
}

impl CreditsColumns {
    /// The credits; `None` if there is no row.
    ///
    /// # Errors
    /// What makes no sense.
    pub(super) fn read(self) -> Result<Option<Credits>, String> {
        let Some(remaining) = self.remaining else { return Ok(None) };
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let refill = refill(self.refill_amount, self.refill_every.as_deref(), self.refill_day)?;
        // Without a word that we know, nobody but an administrator can have set them.
        let set_by = self.set_by.as_deref().and_then(Role::of).unwrap_or(Role::Administrator);
        Ok(Some(Credits {
            remaining: count(remaining),
            unsettled: count(self.unsettled.unwrap_or_default()),
            granted: count(self.granted.unwrap_or_default()),
            rules: CreditRules { max: self.max.map(count), refill, set_by },
            next_refill_at: self.next_refill,
            from_plan: self.from_plan,
        }))
    }
}

/// A refill, as the tables have it.
///
/// # Errors
/// What makes no sense.
pub(super) fn refill(amount: Option<i64>, every: Option<&str>, day: Option<i32>) -> Result<Option<Refill>, String> {
    let (Some(amount), Some(every)) = (amount, every) else { return Ok(None) };
    let day = day.map(|day| u64::from(day.unsigned_abs()));
    let interval = RefillInterval::of(every, day).map_err(|error| format!("refill: {error}"))?;
    Ok(Some(Refill { amount: u64::try_from(amount).unwrap_or_default(), interval }))
}

/// An actor, as the tables store it.
pub(super) struct ActorColumns {
    pub(super) kind: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) key: Option<Uuid>,
}

impl ActorColumns {
    /// The columns for an actor.
    pub(super) fn of(actor: &Actor) -> Self {
        let columns = |kind: &str| Self { kind: Some(kind.to_owned()), issuer: None, subject: None, key: None };
        match actor {
            Actor::Token { issuer, subject } => {
                Self { issuer: Some(issuer.to_string()), subject: Some(subject.to_string()), ..columns("token") }
            }
            Actor::Key(id) => Self { key: Some(id.as_uuid()), ..columns("key") },
            Actor::CommandLine => columns("command_line"),
        }
    }

    /// The actor; `None` if none was recorded.
    ///
    /// # Errors
    /// The kind, if it is unknown.
    pub(super) fn read(self) -> Result<Option<Actor>, String> {
        let Some(kind) = self.kind else { return Ok(None) };
        Ok(Some(match (kind.as_str(), self.issuer, self.subject, self.key) {
            ("token", Some(issuer), Some(subject), _) => {
                Actor::Token { issuer: issuer.into(), subject: subject.into() }
            }
            ("key", _, _, Some(id)) => Actor::Key(id.into()),
            ("command_line", ..) => Actor::CommandLine,
            _ => return Err(kind),
        }))
    }
}

pub(super) fn corrupt(id: Uuid, what: &str) -> StoreError {
    StoreError::Corrupt(format!("api_keys {}: {what}", KeyId::from(id)))
}

/// A `query_as!` for [`ManagedRow`]s with the given rest of the statement. With `of_owner`, all keys belong to the
/// owner `$1`, `$2`; whether the owner is disabled is then looked up once and not for each key.
macro_rules! managed_rows {
    (of_owner $rest:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        managed_rows!(
            @ "EXISTS (SELECT FROM disabled_owners AS disabled WHERE disabled.issuer = $1 AND disabled.subject = $2)",
            "", $rest $(+ $more)* $(, $argument)*
        )
    };
    (@ $owner_disabled:literal, $join:literal, $rest:literal $(+ $more:literal)* $(, $argument:expr)*) => {
        sqlx::query_as!(
            crate::store::rows::ManagedRow,
            // Declared NOT NULL explicitly, because the planner may reorder the joins, and the query macro relies on
            // its plan.
            r#"SELECT api_keys.id AS "id!", api_keys.issuer AS "issuer!", api_keys.subject AS "subject!", name,
                      description, creator_kind, creator_issuer, creator_subject, environment AS "environment!", scopes AS "scopes!",
                      coalesce(metadata_as_sent, metadata::text) AS "metadata!", allowed_ips AS "allowed_ips!",
                      expires_at, enabled AS "enabled!", disabled_by AS "disabled_by?", revoked_at, revoked_reason,
                      predecessor_id, successor_id, version AS "version!", created_at AS "created_at!", updated_at AS "updated_at!",
                      key_uses.last_used_at AS "last_used_at?", key_uses.last_used_from AS "last_used_from?",
                      api_keys.limits::text AS "limits!", credits_holder, credits_version,
                      (balance).remaining AS "remaining?", (balance).unsettled AS "unsettled?", (balance).granted AS "granted?",
                      (balance).max AS "credits_max?",
                      (balance).refill_amount AS "refill_amount?", (balance).refill_every AS "refill_every?",
                      (balance).refill_day AS "refill_day?", (balance).next_refill AS "next_refill?",
                      (balance).set_by AS "credits_set_by?", "#
                + $owner_disabled
                + r#" AS "owner_disabled!"
               FROM api_keys
               LEFT JOIN LATERAL (SELECT refilled_credits(credits, clock_timestamp()) AS balance FROM credits
                                  WHERE credits.holder = api_keys.credits_holder OFFSET 0) AS credits ON true
               LEFT JOIN key_uses ON key_uses.key_id = api_keys.id "#
                + $join
                + $rest $(+ $more)*
            $(, $argument)*
        )
    };
    ($rest:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        managed_rows!(
            @ "disabled_owners.subject IS NOT NULL",
            "LEFT JOIN disabled_owners USING (issuer, subject) ", $rest $(+ $more)* $(, $argument)*
        )
    };
}
pub(super) use managed_rows;
