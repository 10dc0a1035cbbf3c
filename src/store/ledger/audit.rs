//! The table `audit_events`.

use std::borrow::Cow;

use ipnet::IpNet;
use rand::Rng;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{super::rows::ActorColumns, Statement, Store};
use crate::domain::{
    api_key::KeyId,
    audit::{AuditEvent, Author, Details},
    ledger::{Event, Reach},
    listing::{EventFilter, Listed, Page, Place},
    owner::Owner,
    ports::StoreError,
};

/// A `query!` that writes an event of an author for each row of a table expression `event`, which has `id`, `key_id`,
/// `issuer` and `subject`. The rest of the statement, and `$10` and so on, are the caller's.
macro_rules! insert_events {
    ($before:literal $events:literal $after:literal, $at:expr, $author:expr, $event:expr $(, $argument:expr)* $(,)?) => {{
        let (author, event): (&crate::domain::audit::Author, &crate::domain::ledger::Event) = ($author, $event);
        let actor = crate::store::rows::ActorColumns::of(&author.actor);
        sqlx::query!(
            $before
                + "INSERT INTO audit_events (at, action, actor_kind, actor_issuer, actor_subject, actor_key_id, address,
                                             request_id, details, id, key_id, issuer, subject)
                   SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, event.id, event.key_id, event.issuer, event.subject FROM "
                + $events
                + $after,
            $at,
            event.action.as_str(),
            actor.kind,
            actor.issuer,
            actor.subject,
            actor.key,
            author.address.map(ipnet::IpNet::from) as _,
            author.request_id,
            sqlx::types::Json(&*crate::store::ledger::audit::details(author, event)) as _
            $(, $argument)*
        )
    }};
}
pub(super) use insert_events;

/// Writes one event for each of `keys`, or one event about the owner if there are none.
pub(in crate::store) async fn write(
    connection: &mut PgConnection,
    at: OffsetDateTime,
    keys: &[Uuid],
    owner: &Owner,
    author: &Author,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let keys: Vec<Option<Uuid>> = if keys.is_empty() { vec![None] } else { keys.iter().copied().map(Some).collect() };
    let ids: Vec<Uuid> = keys.iter().map(|_| event_id(at)).collect();
    let query = insert_events!(
        "" "(SELECT id, key_id, $10::text AS issuer, $11::text AS subject
             FROM unnest($12::uuid[], $13::uuid[]) AS keys (id, key_id)) AS event" "",
        at,
        author,
        event,
        &*owner.issuer,
        &*owner.subject,
        &ids,
        &keys as &[Option<Uuid>],
    );
    query.execute(connection).await.map(drop)
}

/// The details of an event as they are stored.
pub(super) fn details<'a>(author: &Author, event: &'a Event) -> Cow<'a, Map<String, Value>> {
    let mut details = Cow::Borrowed(&event.details);
    if let Some(by) = &author.handed_over_by {
        details.to_mut().insert("handedOverBy".to_owned(), by.to_json());
    }
    details
}

/// A UUIDv7 with this timestamp (RFC 9562 §5.7).
pub(super) fn event_id(at: OffsetDateTime) -> Uuid {
    let millis = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    let mut random = [0; 10];
    rand::rng().fill_bytes(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
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
    details: String,
    /// How long its texts are.
    bytes: i32,
    /// Whether there are further rows.
    goes_on: bool,
}

impl TryFrom<Row> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let actor = ActorColumns {
            kind: Some(row.actor_kind),
            issuer: row.actor_issuer,
            subject: row.actor_subject,
            key: row.actor_key_id,
        };
        let corrupt = |kind: String| corrupt_row(row.id, &format!("actor {kind}"));
        let actor = actor.read().map_err(corrupt)?.ok_or_else(|| corrupt("none".to_owned()))?;
        Ok(Self {
            id: row.id,
            at: row.at,
            action: row.action,
            key: row.key_id.map(KeyId::from),
            owner: Owner { issuer: row.issuer.into(), subject: row.subject.into() },
            author: Author {
                actor,
                address: row.address.map(|network| network.addr()),
                request_id: row.request_id,
                // It is among the details.
                handed_over_by: None,
            },
            details: Details::from_stored(&row.details)
                .map_err(|error| corrupt_row(row.id, &format!("details: {error}")))?,
        })
    }
}

fn corrupt_row(id: Uuid, what: &str) -> StoreError {
    StoreError::Corrupt(format!("audit_events {id}: {what}"))
}

/// The number of events that a query examines for a filter that no index supports.
const LOOKED_AT: i64 = 20_000;
/// The bytes of text after which a page ends, however few events it has. A thousand events have a third of it, unless
/// they are about long metadata: their owner must not make a replica hold more than others do.
const PAGE_BYTES: i64 = 1024 * 1024;
/// The number of rows that one statement reads, so that Postgres writes out little that the page has no room for: the
/// longest take it half a millisecond each.
const ROWS_AT_ONCE: usize = 250;

impl Store {
    /// Which of these events the audit has.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn known_events(&self, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query_scalar!("SELECT id FROM audit_events WHERE id = ANY($1)", ids);
            let known = query.fetch_all(&mut *connection).await?;
            connection.finish().await?;
            Ok(known)
        };
        self.within_deadline(Statement::ListEvents, work).await
    }

    pub(super) async fn list_events(
        &self,
        filter: &EventFilter,
        page: &Page,
        reach: &Reach,
    ) -> Result<Listed<AuditEvent>, StoreError> {
        let mut seat = self.to_read(reach).await?;
        // Ids increase with time, so a period of time is a range of ids.
        let end = filter.to.map_or(Uuid::max(), |to| KeyId::first_of(to).as_uuid());
        let before = page.after.as_ref().map_or(end, |place| place.id.min(end));
        let begin = filter.from.map_or(Uuid::nil(), |from| KeyId::first_of(from).as_uuid());
        let is_looked_for = filter.actor.is_some() || !filter.actions.is_empty();
        let looked_at = if is_looked_for && filter.key.is_none() {
            last_to_look_at(&mut seat.connection, filter.owner.as_ref(), before, begin).await?
        } else {
            None
        };
        let ids = (before, looked_at.unwrap_or(begin));
        let rows = page_of_rows(&mut seat.connection, filter, ids, page.limit as usize).await?;
        let last = rows.last().filter(|row| row.goes_on).map(|row| row.id);
        let items = rows.into_iter().map(AuditEvent::try_from).collect::<Result<_, _>>()?;
        Ok(Listed { items, next: last.or(looked_at).map(Place::from) })
    }
}

/// At most `limit` rows, and no more than fit into a page; at least one, if there is one.
async fn page_of_rows(
    connection: &mut PgConnection,
    filter: &EventFilter,
    (mut before, begin): (Uuid, Uuid),
    limit: usize,
) -> Result<Vec<Row>, sqlx::Error> {
    let (mut page, mut room) = (Vec::new(), PAGE_BYTES);
    while page.len() < limit && room > 0 {
        let most = (limit - page.len()).min(ROWS_AT_ONCE);
        let rows = rows(connection, filter, (before, begin), most, room).await?;
        let Some(last) = rows.last() else { break };
        let goes_on = last.goes_on;
        before = last.id;
        room -= rows.iter().map(|row| i64::from(row.bytes)).sum::<i64>();
        page.extend(rows);
        if !goes_on {
            break;
        }
    }
    Ok(page)
}

/// At most `most` rows, up to the one with which they have `bytes`.
async fn rows(
    connection: &mut PgConnection,
    filter: &EventFilter,
    (before, begin): (Uuid, Uuid),
    most: usize,
    bytes: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    // One row more tells whether there are further ones.
    let looked_at = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let actions: Vec<&str> = filter.actions.iter().map(|action| action.as_str()).collect();
    let actions = (!actions.is_empty()).then_some(&actions[..]);
    let actor = filter.actor.as_ref().map(ActorColumns::of);
    let kind = actor.as_ref().and_then(|actor| actor.kind.as_deref());
    let issuer = actor.as_ref().and_then(|actor| actor.issuer.as_deref());
    let subject = actor.as_ref().and_then(|actor| actor.subject.as_deref());
    let actor_key = actor.as_ref().and_then(|actor| actor.key);
    let key = filter.key.map(|key| key.as_uuid());
    // A `query_as!` for the filtered rows. There is one statement per access path, each with its own index.
    macro_rules! events {
        ($of:literal $(, $argument:expr)* $(,)?) => {
            sqlx::query_as!(
                Row,
                r#"SELECT id, at, action, key_id, issuer, subject, actor_kind, actor_issuer, actor_subject,
                          actor_key_id, address, request_id, details AS "details!", bytes AS "bytes!",
                          goes_on AS "goes_on!"
                   FROM (SELECT *, sum(bytes) OVER newest - bytes AS bytes_before,
                                lead(id) OVER newest IS NOT NULL AS goes_on
                         FROM (SELECT *, octet_length(concat(issuer, subject, actor_issuer, actor_subject, details))
                                         AS bytes
                               FROM (SELECT id, at, action, key_id, issuer, subject, actor_kind, actor_issuer,
                                            actor_subject, actor_key_id, address, request_id, details::text AS details
                                     FROM audit_events
                                     WHERE id < $1 AND id >= $2
                                       AND ($4::text[] IS NULL OR action = ANY($4))
                                       AND ($5::text IS NULL OR actor_kind = $5)
                                       AND ($6::text IS NULL OR actor_issuer = $6)
                                       AND ($7::text IS NULL OR actor_subject = $7)
                                       AND ($8::uuid IS NULL OR actor_key_id = $8)
                                       AND ($9::timestamptz IS NULL OR at >= $9)
                                       AND ($10::timestamptz IS NULL OR at < $10) "#
                    + $of
                    + r#"            ORDER BY id DESC LIMIT $3) AS found) AS measured
                         WINDOW newest AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)) AS summed
                   WHERE bytes_before < $11 ORDER BY id DESC"#,
                before,
                begin,
                looked_at,
                actions as _,
                kind,
                issuer,
                subject,
                actor_key,
                filter.from,
                filter.to,
                bytes
                $(, $argument)*
            )
        };
    }
    let mut rows = match (&filter.owner, key) {
        (Some(owner), key) => {
            let query = events!(
                "AND issuer = $12 AND subject = $13 AND ($14::uuid IS NULL OR key_id = $14)",
                &*owner.issuer,
                &*owner.subject,
                key,
            );
            query.fetch_all(connection).await?
        }
        (None, Some(key)) => {
            let query = events!("AND key_id = $12", key);
            query.fetch_all(connection).await?
        }
        (None, None) => {
            let query = events!("");
            query.fetch_all(connection).await?
        }
    };
    rows.truncate(most);
    Ok(rows)
}

/// The last event that a query examines; `None` if there are fewer.
async fn last_to_look_at(
    connection: &mut PgConnection,
    owner: Option<&Owner>,
    before: Uuid,
    begin: Uuid,
) -> Result<Option<Uuid>, sqlx::Error> {
    match owner {
        Some(owner) => {
            let query = sqlx::query_scalar!(
                "SELECT id FROM audit_events WHERE issuer = $1 AND subject = $2 AND id < $3 AND id >= $4
                 ORDER BY id DESC OFFSET $5 LIMIT 1",
                &*owner.issuer,
                &*owner.subject,
                before,
                begin,
                LOOKED_AT - 1,
            );
            query.fetch_optional(connection).await
        }
        None => {
            let query = sqlx::query_scalar!(
                "SELECT id FROM audit_events WHERE id < $1 AND id >= $2 ORDER BY id DESC OFFSET $3 LIMIT 1",
                before,
                begin,
                LOOKED_AT - 1,
            );
            query.fetch_optional(connection).await
        }
    }
}
