//! The rows of replicas: heartbeats in the table `replicas`, acknowledgements in the table of that name.

use std::{sync::atomic::Ordering, time::Duration};

use sqlx::PgConnection;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Announcer, longest_lease, older::none_is_from_before};
use crate::{
    domain::{
        build::REVISION,
        coherence::{ChangeId, Heartbeat, Holders, Notification, ReplicaId},
        ports::StoreError,
    },
    store::{
        Statement,
        wire::{self, CHANGES, PULSES, REPLICAS},
    },
};

/// The migration with which pulses began. Replicas of versions before it don't hear them, and may have no row either.
const PULSES_SINCE: i64 = 16;

/// The migration with which the schema's own channels began. Replicas of versions before it don't listen to them.
const CHANNELS_SINCE: i64 = 17;

/// How many heartbeats apart the rows of replicas that are gone are looked for: at least the longest lease, and some
/// minutes usually.
const HEARTBEATS_PER_CLEANUP: u64 = 300;

/// The most heartbeats in one part of a pulse. Each takes up to 55 bytes, and a notification has at most 8000.
const HEARTBEATS_PER_PART: i64 = 128;

/// For how long an acknowledged change stays in the row. Revokers look every few milliseconds; one who misses a change
/// waits for the lease.
const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(1);

/// The most changes in a row, which then fits into a page.
const ACKNOWLEDGED_MAX: usize = 600;

/// What a replica that begins to listen reads.
pub(super) struct Register {
    pub(super) holders: Holders,
    /// The number of the latest pulse.
    pub(super) pulse: u64,
    /// The number of the table `replicas` in this database.
    pub(super) table: u32,
    /// Whether replicas may run that listen only to the channels of the whole database.
    pub(super) earlier_may_run: bool,
}

/// What a heartbeat finds.
struct Beaten {
    /// The number of the latest pulse.
    pulse: i64,
    /// The server that has taken it, by its start.
    server: OffsetDateTime,
}

impl Announcer {
    /// Whoever may hold a lease, from a read of the primary. Replicas of earlier versions have no row, or hear no
    /// pulses, so the table counts only where none of them runs any more.
    pub(super) async fn register(&self) -> Result<Register, StoreError> {
        let work = async {
            let mut read = self.store.requests.tentative().await?;
            let all_are_listed = none_is_from_before(PULSES_SINCE, &mut read).await?;
            let all_have_channels = none_is_from_before(CHANNELS_SINCE, &mut read).await?;
            let query = sqlx::query!(
                r#"SELECT number, 'replicas'::regclass::oid AS "table!",
                          (SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM replicas) AS "ids!",
                          (SELECT coalesce(array_agg(sequence ORDER BY id), '{}') FROM replicas) AS "sequences!",
                          (SELECT coalesce(array_agg(lease_ms ORDER BY id), '{}') FROM replicas) AS "leases!"
                   FROM pulses"#
            );
            let register = query.fetch_one(&mut *read).await?;
            read.prove().await?;
            Ok((all_are_listed, all_have_channels, register))
        };
        let (all_are_listed, all_have_channels, register) =
            self.store.within_deadline(Statement::ReadReplicas, work).await?;
        let rows = register.ids.into_iter().zip(register.sequences).zip(register.leases);
        let heartbeats = rows.map(|((id, sequence), lease)| Heartbeat {
            replica: ReplicaId(id.as_u128()),
            sequence: sequence.cast_unsigned(),
            lease: Duration::from_millis(lease.unsigned_abs().into()),
        });
        let holders = match all_are_listed {
            true => Holders::Listed(heartbeats.collect()),
            false => Holders::Unlisted(longest_lease(&self.store).await),
        };
        Ok(Register {
            holders,
            pulse: register.number.cast_unsigned(),
            table: register.table.0,
            earlier_may_run: !all_have_channels,
        })
    }

    /// A heartbeat updates the replica's row: NOTIFY alone writes nothing that a standby could confirm, so its commit
    /// would not wait for one. Most heartbeats do nothing else. Returns the number of the latest pulse.
    pub(super) async fn write_beat(
        &self,
        heartbeat: &Heartbeat,
        pulse_after: Option<u64>,
        greets: bool,
    ) -> Result<u64, StoreError> {
        let tells_somebody = pulse_after.is_some() || greets || self.older.may_listen();
        let mut connection = self.store.heartbeats.tentative().await?;
        let renewed = match tells_somebody {
            true => None,
            false => renew_row(heartbeat, &mut connection).await?,
        };
        let beaten = match renewed {
            Some(beaten) => beaten,
            None => self.write_and_tell(heartbeat, pulse_after, greets, &mut connection).await?,
        };
        // Whoever could repeat there what is said here would give us a lease for nothing.
        if self.listens_to.lock().is_some_and(|server| server != beaten.server) {
            self.store.servers.moved.notify_one();
            let why = "the heartbeat has reached another server than the one that is listened to";
            return Err(StoreError::Unavailable(why.to_owned()));
        }
        connection.finish().await?;
        // The heartbeat is committed, whatever becomes of this.
        if self.beats.fetch_add(1, Ordering::Relaxed).is_multiple_of(HEARTBEATS_PER_CLEANUP)
            && let Err(error) = self.forget_the_silent().await
        {
            tracing::debug!(%error, "could not remove the rows of replicas that are gone; trying again later");
        }
        Ok(beaten.pulse.cast_unsigned())
    }

    /// A heartbeat of which somebody is told, or which is the first. A pulse goes with it unless somebody else has sent
    /// one, or is sending one: whoever counts up its number sends it, by a trigger on our channel, and here on that of
    /// earlier versions. Always: one that knows pulses, but not our channel, finds out by them alone who holds a lease.
    async fn write_and_tell(
        &self,
        heartbeat: &Heartbeat,
        pulse_after: Option<u64>,
        greets: bool,
        connection: &mut PgConnection,
    ) -> Result<Beaten, StoreError> {
        let Heartbeat { replica, sequence, lease } = *heartbeat;
        let earlier_too = self.older.may_listen();
        let notification = (greets || earlier_too).then_some(Notification::Heartbeat(*heartbeat));
        let query = sqlx::query!(
            r#"WITH row AS (
                   INSERT INTO replicas (id, address, version, lease_ms, started_at, heartbeat_at, sequence, revision)
                   VALUES ($1, $2, $3, $4, now(), now(), $5, $13)
                   ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, sequence = excluded.sequence
               ), turn AS (
                   SELECT number FROM pulses WHERE number = $6 FOR UPDATE SKIP LOCKED
               ), pulse AS (
                   UPDATE pulses SET number = pulses.number + 1 FROM turn RETURNING pulses.number
               ), heartbeat AS (
                   SELECT (row_number() OVER () - 1) / $7 AS part, id, sequence, lease_ms
                   FROM (SELECT $1 AS id, $5 AS sequence, $4 AS lease_ms
                         UNION ALL SELECT id, sequence, lease_ms FROM replicas WHERE id <> $1) AS latest
               ), sent AS (
                   SELECT pg_notify($8, 'replicas'::regclass::oid || ' ' || number || ' '
                                        || string_agg(encode(uuid_send(id), 'hex') || ':' || to_hex(sequence) || ':' || lease_ms, ','))
                   FROM pulse, heartbeat GROUP BY number, part
               )
               SELECT coalesce((SELECT number FROM pulse), (SELECT number FROM pulses)) AS "pulse!",
                      (SELECT count(*) FROM sent) AS parts,
                      pg_postmaster_start_time() AS "server!",
                      CASE WHEN $9::text IS NOT NULL THEN tell_replicas($9, $10) END AS message,
                      CASE WHEN $12::text IS NOT NULL THEN pg_notify($11, $12) END AS older_form"#,
            Uuid::from_u128(replica.0),
            self.address,
            env!("CARGO_PKG_VERSION"),
            i32::try_from(lease.as_millis()).unwrap_or(i32::MAX),
            sequence.cast_signed(),
            pulse_after.map(u64::cast_signed),
            HEARTBEATS_PER_PART,
            PULSES,
            notification.as_ref().and_then(|notification| wire::write(notification, &self.keys)),
            earlier_too,
            CHANGES,
            notification.as_ref().filter(|_| earlier_too).and_then(wire::write_older_form),
            REVISION,
        );
        let row = query.fetch_one(connection).await?;
        Ok(Beaten { pulse: row.pulse, server: row.server })
    }

    /// Removes the rows of replicas that sent no heartbeat since the last call, which was longer ago than any lease
    /// lasts. By their sequence, because a clock that steps must not make a living replica's row look old.
    async fn forget_the_silent(&self) -> Result<(), StoreError> {
        let mut connection = self.store.heartbeats.tentative().await?;
        self.older.may_run(!none_is_from_before(CHANNELS_SINCE, &mut connection).await?);
        let before = std::mem::take(&mut *self.sequences.lock());
        let rows = sqlx::query!("SELECT id, sequence FROM replicas").fetch_all(&mut *connection).await?;
        *self.sequences.lock() = rows.into_iter().map(|row| (row.id, row.sequence)).collect();
        if before.is_empty() {
            return Ok(connection.finish().await?);
        }
        let (ids, sequences): (Vec<Uuid>, Vec<i64>) = before.into_iter().unzip();
        // Others may be at it; a lock that is waited for would delay our next heartbeat. Acknowledgements without a
        // replica are of one that sent no heartbeat afterwards; they are no more than a hint, so a clock may judge
        // them.
        let query = sqlx::query!(
            "WITH gone AS (
                 SELECT id FROM replicas JOIN unnest($1::uuid[], $2::bigint[]) AS before (id, sequence) USING (id, sequence)
                 FOR UPDATE OF replicas SKIP LOCKED
             ), acknowledgement AS (DELETE FROM acknowledgements USING gone WHERE replica = gone.id),
             orphans AS (
                 DELETE FROM acknowledgements WHERE acknowledged_at < now() - interval '10 minutes'
                     AND NOT EXISTS (SELECT FROM replicas WHERE replicas.id = acknowledgements.replica)
             )
             DELETE FROM replicas USING gone WHERE replicas.id = gone.id",
            &ids,
            &sequences,
        );
        query.execute(&mut *connection).await?;
        Ok(connection.finish().await?)
    }

    /// Changes of earlier versions' revokers are acknowledged by a message, all others by the replica's row. Most
    /// acknowledgements write that row again, and do nothing else.
    pub(super) async fn acknowledge(
        &self,
        replica: ReplicaId,
        changes: &[ChangeId],
        up_to: Option<u64>,
    ) -> Result<(), StoreError> {
        let (by_rows, by_message) = changes.iter().copied().partition::<Vec<_>, _>(|change| change.is_by_rows());
        let row = (!by_rows.is_empty()).then(|| self.row_with(&by_rows));
        let by_message = Notification::Applied { replica, changes: by_message, up_to };
        let (message, older_form) = (wire::write(&by_message, &self.keys), wire::write_older_form(&by_message));
        let mut connection = self.store.acknowledgements.tentative().await?;
        let is_written = match (&row, &message, &older_form) {
            (Some(row), None, None) => rewrite_acknowledged(replica, row, &mut connection).await?,
            _ => false,
        };
        if !is_written {
            let query = sqlx::query!(
                "WITH row AS (
                     INSERT INTO acknowledgements (replica, changes, acknowledged_at)
                     SELECT $1, $2, now() WHERE $2::bigint[] IS NOT NULL
                     ON CONFLICT (replica) DO UPDATE
                     SET changes = excluded.changes, acknowledged_at = excluded.acknowledged_at
                 )
                 SELECT CASE WHEN $4::text IS NOT NULL THEN pg_notify($3, $4) END AS message,
                        CASE WHEN $6::text IS NOT NULL THEN pg_notify($5, $6) END AS older_form",
                Uuid::from_u128(replica.0),
                row.as_deref(),
                REPLICAS,
                message,
                CHANGES,
                older_form,
            );
            query.fetch_one(&mut *connection).await?;
        }
        Ok(connection.finish().await?)
    }

    /// The changes of the row with these too. A change whose acknowledgement failed may be in it already.
    fn row_with(&self, changes: &[ChangeId]) -> Vec<i64> {
        let (mut acknowledged, now) = (self.acknowledged.lock(), Instant::now());
        acknowledged.retain(|(since, _)| now.duration_since(*since) < ACKNOWLEDGED_FOR);
        acknowledged.extend(changes.iter().map(|change| (now, row_id(*change))));
        let too_many = acknowledged.len().saturating_sub(ACKNOWLEDGED_MAX);
        acknowledged.drain(..too_many);
        acknowledged.iter().map(|(_, change)| *change).collect()
    }

    /// Removes the row of a replica that has given up its lease, and says so.
    pub(super) async fn leave(&self, replica: ReplicaId, notification: &Notification) -> Result<(), StoreError> {
        let mut connection = self.store.acknowledgements.tentative().await?;
        let query = sqlx::query!(
            "WITH row AS (DELETE FROM replicas WHERE id = $1),
                  acknowledgement AS (DELETE FROM acknowledgements WHERE replica = $1)
             SELECT tell_replicas($2, $3) AS message,
                    CASE WHEN $3 THEN pg_notify($4, $5) END AS older_form",
            Uuid::from_u128(replica.0),
            wire::write(notification, &self.keys),
            self.older.may_listen(),
            CHANGES,
            wire::write_older_form(notification),
        );
        query.fetch_one(&mut *connection).await?;
        Ok(connection.finish().await?)
    }

    /// Which replicas have acknowledged which of these changes.
    pub(super) async fn look(&self, changes: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError> {
        let changes: Vec<i64> = changes.iter().copied().map(row_id).collect();
        let query = sqlx::query!(
            r#"SELECT replica, array_agg(change) AS "changes!"
               FROM acknowledgements, unnest(changes) AS change WHERE change = ANY($1) GROUP BY replica"#,
            &changes,
        );
        let mut connection = self.store.acknowledgements.tentative().await?;
        let rows = query.fetch_all(&mut *connection).await?;
        connection.finish().await?;
        let changes = |ids: Vec<i64>| ids.into_iter().map(|id| ChangeId(id.cast_unsigned())).collect();
        Ok(rows.into_iter().map(|row| (ReplicaId(row.replica.as_u128()), changes(row.changes))).collect())
    }
}

/// Writes a heartbeat that nobody is told of into the replica's row, if there is one.
async fn renew_row(heartbeat: &Heartbeat, connection: &mut PgConnection) -> Result<Option<Beaten>, sqlx::Error> {
    let query = sqlx::query_as!(
        Beaten,
        r#"UPDATE replicas SET heartbeat_at = now(), sequence = $2 WHERE id = $1
           RETURNING (SELECT number FROM pulses) AS "pulse!", pg_postmaster_start_time() AS "server!""#,
        Uuid::from_u128(heartbeat.replica.0),
        heartbeat.sequence.cast_signed(),
    );
    query.fetch_optional(connection).await
}

/// Writes what a replica has acknowledged into its row, and returns whether there is one.
async fn rewrite_acknowledged(
    replica: ReplicaId,
    changes: &[i64],
    connection: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query!(
        "UPDATE acknowledgements SET changes = $2, acknowledged_at = now() WHERE replica = $1",
        Uuid::from_u128(replica.0),
        changes,
    );
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

/// A change as a row has it.
fn row_id(change: ChangeId) -> i64 {
    change.0.cast_signed()
}
