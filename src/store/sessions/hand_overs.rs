//! Links with which a product hands its customers over to the console.

use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use serde_json::{Map, json};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{begun::keep_newest, rows::LinkRow};
use crate::{
    domain::{
        audit::Action,
        ledger::Event,
        owner::Owner,
        ports::{
            StoreError,
            sessions::{Accepted, HandOverStore, Maker},
        },
        session::{HAND_OVER_LASTS, HandOver, Person},
    },
    store::{
        Statement, Store,
        ledger::audit,
        rows::{ActorColumns, interval},
    },
};

/// The link with the hash `$1`, if it works.
macro_rules! of_links_that_work {
    ($before:literal, $after:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            LinkRow,
            $before + " console_hand_overs AS link
               WHERE secret_hash = $1 AND expires_at > now()
                   AND console_access_stands(true, issuer, subject, person, created_at, maker_issuer, maker_subject,
                                             maker_key_id, maker_token_record)" + $after,
            $($argument),+
        )
    };
}

#[async_trait]
impl HandOverStore for Store {
    async fn offer_session(
        &self,
        hand_over: &HandOver,
        lasts: Duration,
        hash: &[u8; 32],
        most: u32,
        maker: &Maker<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let HandOver { person, return_to } = hand_over;
        let owner = &person.owner;
        let work = async {
            // Not one of the connections for administrators: backends may ask for many links.
            let mut seat = self.to_hand_over(&maker.author.actor).await?;
            seat.connection.begin().await?;
            let transaction = &mut *seat.connection;
            if is_disabled(transaction, owner).await? {
                return Ok(None);
            }
            let scopes: Vec<String> = person.scopes.iter().map(str::to_owned).collect();
            let made_by = ActorColumns::of(&maker.author.actor);
            let query = sqlx::query!(
                "INSERT INTO console_hand_overs (secret_hash, issuer, subject, person, name, scopes, scope_bearing, return_to, lasts,
                                                 created_at, expires_at, maker_kind, maker_issuer, maker_subject, maker_key_id,
                                                 maker_token_record)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now() + $10::interval, $11, $12, $13, $14, $15)
                 RETURNING created_at, expires_at",
                &hash[..],
                &*owner.issuer,
                &*owner.subject,
                &*person.subject,
                person.name.as_deref(),
                &scopes,
                person.scope_bearing,
                return_to.as_ref().map(|address| address.as_str()),
                interval(lasts),
                interval(HAND_OVER_LASTS),
                made_by.kind,
                made_by.issuer,
                made_by.subject,
                made_by.key,
                maker.token.map(|record| Uuid::from_u128(record.0)),
            );
            let made = query.fetch_one(&mut *transaction).await?;
            let oldest = sqlx::query!(
                "DELETE FROM console_hand_overs WHERE secret_hash IN
                     (SELECT secret_hash FROM console_hand_overs WHERE issuer = $1 AND person = $2
                      ORDER BY created_at DESC, secret_hash OFFSET $3)",
                &*owner.issuer,
                &*person.subject,
                i64::from(most),
            );
            oldest.execute(&mut *transaction).await?;
            let mut details = Map::from_iter([
                ("person".to_owned(), json!(&*person.subject)),
                ("lifetime".to_owned(), json!(lasts.as_secs())),
            ]);
            details.extend(return_to.as_ref().map(|address| ("returnTo".to_owned(), json!(address.as_str()))));
            let event = Event { action: Action::SessionHandedOver, details };
            audit::write(transaction, made.created_at, &[], owner, maker.author, &event).await?;
            seat.connection.finish().await?;
            Ok(Some(made.expires_at))
        };
        self.within_deadline(Statement::OfferSession, work).await
    }

    /// Proves by its commit that its server is the primary, if it finds the link, as `find_session` does.
    async fn find_hand_over(&self, hash: &[u8; 32]) -> Result<Option<HandOver>, StoreError> {
        let work = async {
            let mut seat = self.to_find_access(hash).await?;
            let query = of_links_that_work!(
                r#"WITH found AS MATERIALIZED (
                   SELECT issuer AS "issuer!", subject AS "subject!", person AS "person!", name, scopes AS "scopes!",
                          scope_bearing AS "scope_bearing!", return_to FROM"#,
                ") SELECT * FROM found WHERE pg_logical_emit_message(true, 'keyward', '') IS NOT NULL",
                &hash[..]
            );
            let row = query.fetch_optional(&mut *seat.connection).await?;
            seat.connection.finish().await?;
            row.map(HandOver::try_from).transpose()
        };
        self.within_deadline(Statement::FindHandOver, work).await
    }

    /// The session counts from when the link was made, so that a revocation of the person's tokens since then ends it.
    async fn accept_hand_over(&self, link: &[u8; 32], session: &Accepted<'_>) -> Result<Option<Person>, StoreError> {
        let work = async {
            let mut seat = self.to_use_access(link).await?;
            seat.connection.begin().await?;
            // Whoever asks second waits for the first, and then finds none.
            let query = of_links_that_work!(
                r#"WITH used AS (DELETE FROM"#,
                r#" RETURNING link.*),
                   begun AS (INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, name, scopes, scope_bearing,
                                                           authenticated_at, signed_in_at, last_used_at, expires_at, address, browser,
                                                           handed_over, return_to, maker_kind, maker_issuer, maker_subject,
                                                           maker_key_id, maker_token_record)
                             SELECT $2, $3, issuer, subject, person, name, scopes, scope_bearing, created_at, created_at, now(),
                                    now() + lasts, $4, $5, true, return_to, maker_kind, maker_issuer, maker_subject, maker_key_id,
                                    maker_token_record
                             FROM used)
                   SELECT issuer AS "issuer!", subject AS "subject!", person AS "person!", name, scopes AS "scopes!",
                          scope_bearing AS "scope_bearing!", return_to
                   FROM used"#,
                &link[..],
                session.id,
                &session.hash[..],
                session.address.map(IpNet::from) as Option<IpNet>,
                session.browser
            );
            let Some(row) = query.fetch_optional(&mut *seat.connection).await? else { return Ok(None) };
            let HandOver { person, .. } = row.try_into()?;
            keep_newest(&mut seat.connection, &person, true, session.most).await?;
            seat.connection.finish().await?;
            Ok(Some(person))
        };
        self.within_deadline(Statement::AcceptHandOver, work).await
    }
}

/// Whose links end.
pub(super) struct EndedLinks<'a> {
    pub(super) issuer: &'a str,
    /// `None`: of every owner.
    pub(super) subject: Option<&'a str>,
    /// `None`: of everybody.
    pub(super) person: Option<&'a str>,
    /// Only those that were made before; `None`: all.
    pub(super) before: Option<OffsetDateTime>,
}

/// Ends open links, before the sessions of the same people end: whoever is using one up is waited for, and their
/// session is there when sessions are deleted.
pub(super) async fn end_links(connection: &mut PgConnection, ended: &EndedLinks<'_>) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        "DELETE FROM console_hand_overs
         WHERE issuer = $1 AND ($2::text IS NULL OR subject = $2) AND ($3::text IS NULL OR person = $3)
           AND ($4::timestamptz IS NULL OR created_at < $4)",
        ended.issuer,
        ended.subject,
        ended.person,
        ended.before,
    );
    query.execute(connection).await.map(drop)
}

async fn is_disabled(connection: &mut PgConnection, owner: &Owner) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM disabled_owners WHERE issuer = $1 AND subject = $2) AS "is_disabled!""#,
        &*owner.issuer,
        &*owner.subject,
    );
    query.fetch_one(connection).await
}
