//! The table `audit_events`.

use ipnet::IpNet;
use rand::Rng;
use serde_json::{Map, Value};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use crate::domain::{
    api_key::KeyId,
    audit::{Actor, AuditEvent, Author},
    ledger::{Event, EventFilter, Page, Reach},
    ports::StoreError,
    principal::Owner,
};

/// Writes one event about each of `keys`, or one about the owner where there are none.
pub(super) async fn write(
    connection: &mut PgConnection,
    at: OffsetDateTime,
    keys: &[Uuid],
    owner: &Owner,
    author: &Author,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let keys: Vec<Option<Uuid>> = if keys.is_empty() { vec![None] } else { keys.iter().copied().map(Some).collect() };
    let ids: Vec<Uuid> = keys.iter().map(|_| event_id(at)).collect();
    let (kind, issuer, subject, key) = actor_columns(&author.actor);
    let query = sqlx::query!(
        "INSERT INTO audit_events (id, at, action, key_id, issuer, subject, actor_kind, actor_issuer, actor_subject,
                                   actor_key_id, address, request_id, details)
         SELECT event.id, $3, $4, event.key_id, $5, $6, $7, $8, $9, $10, $11, $12, $13
         FROM unnest($1::uuid[], $2::uuid[]) AS event (id, key_id)",
        &ids,
        &keys as &[Option<Uuid>],
        at,
        event.action.as_str(),
        &*owner.issuer,
        &*owner.subject,
        kind,
        issuer,
        subject,
        key,
        author.address.map(IpNet::from) as _,
        author.request_id,
        Json(&event.details) as _,
    );
    query.execute(connection).await.map(drop)
}

/// A UUIDv7 of this instant (RFC 9562 §5.7).
fn event_id(at: OffsetDateTime) -> Uuid {
    let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn actor_columns(actor: &Actor) -> (&'static str, Option<&str>, Option<&str>, Option<Uuid>) {
    match actor {
        Actor::Token { issuer, subject } => ("token", Some(issuer), Some(subject), None),
        Actor::Key(id) => ("key", None, None, Some(id.as_uuid())),
        Actor::CommandLine => ("command_line", None, None, None),
    }
}

struct Row {
    id: Uuid,
    at: OffsetDateTime,
    action: String,
    key_id: Option<Uuid>,
    issuer: String,
    subject: String,
    actor_kind: String,
    actor_issuer: Option<String>,
    actor_subject: Option<String>,
    actor_key_id: Option<Uuid>,
    address: Option<IpNet>,
    request_id: Option<String>,
    details: Json<Map<String, Value>>,
}

impl TryFrom<Row> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let actor = match (row.actor_kind.as_str(), row.actor_issuer, row.actor_subject, row.actor_key_id) {
            ("token", Some(issuer), Some(subject), _) => {
                Actor::Token { issuer: issuer.into(), subject: subject.into() }
            }
            ("key", _, _, Some(id)) => Actor::Key(id.into()),
            ("command_line", ..) => Actor::CommandLine,
            (kind, ..) => return Err(StoreError::Corrupt(format!("audit_events {}: actor {kind}", row.id))),
        };
        Ok(Self {
            id: row.id,
            at: row.at,
            action: row.action,
            key: row.key_id.map(KeyId::from),
            owner: Owner { issuer: row.issuer.into(), subject: row.subject.into() },
            author: Author { actor, address: row.address.map(|network| network.addr()), request_id: row.request_id },
            details: row.details.0,
        })
    }
}

impl Store {
    /// One statement for each way to look: each has an index to read along.
    pub(super) async fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        reach: &Reach,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let mut seat = self.to_read(reach).await?;
        let before = page.before.unwrap_or(Uuid::max());
        let limit = i64::from(page.limit);
        let key = filter.key.map(|key| key.as_uuid());
        let rows = match &filter.owner {
            Some(owner) => {
                let query = sqlx::query_as!(
                    Row,
                    r#"SELECT id, at, action, key_id, issuer, subject, actor_kind, actor_issuer, actor_subject,
                              actor_key_id, address, request_id, details AS "details: _"
                       FROM audit_events
                       WHERE issuer = $1 AND subject = $2 AND id < $3 AND ($5::uuid IS NULL OR key_id = $5)
                       ORDER BY id DESC LIMIT $4"#,
                    &*owner.issuer,
                    &*owner.subject,
                    before,
                    limit,
                    key,
                );
                query.fetch_all(&mut *seat.connection).await?
            }
            None => {
                let query = sqlx::query_as!(
                    Row,
                    r#"SELECT id, at, action, key_id, issuer, subject, actor_kind, actor_issuer, actor_subject,
                              actor_key_id, address, request_id, details AS "details: _"
                       FROM audit_events
                       WHERE id < $1 AND ($3::uuid IS NULL OR key_id = $3)
                       ORDER BY id DESC LIMIT $2"#,
                    before,
                    limit,
                    key,
                );
                query.fetch_all(&mut *seat.connection).await?
            }
        };
        rows.into_iter().map(AuditEvent::try_from).collect()
    }
}
