//! Which migrations were applied, as the migrator's table has it. An application that uses sqlx has a table of the same
//! name, so what is there may be another program's.

use sqlx::PgConnection;

use super::MIGRATIONS;

/// The highest number of a migration of Keyward, of this version or a later one: their files have four digits. Other
/// programs number theirs by the time, or begin with 1 as well.
const HIGHEST_NUMBER: i64 = 9999;

/// A row of the migrator's table.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Row {
    version: i64,
    description: String,
    checksum: Vec<u8>,
    success: bool,
}

impl Row {
    /// Whether it is a migration that this program knows, perhaps as another build has it.
    fn is_known(&self) -> bool {
        MIGRATIONS.iter().any(|known| {
            known.version == self.version
                && (known.description == self.description || *known.checksum == *self.checksum)
        })
    }

    /// Whether it may be one of another version, above all a later one.
    fn may_be_ours(&self) -> bool {
        let is_taken = MIGRATIONS.iter().any(|known| known.version == self.version);
        self.is_known() || (!is_taken && (1..=HIGHEST_NUMBER).contains(&self.version))
    }
}

/// A migration that is not Keyward's.
#[derive(Debug, thiserror::Error)]
#[error(
    "the table _sqlx_migrations there is another program's: it has the migration {version} ({description:?}), which is not \
     Keyward's"
)]
pub(super) struct Stranger {
    version: i64,
    description: String,
}

/// The newest applied migration; 0 for none.
pub(super) async fn newest_if_any(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    // The table does not exist before the first migration.
    if is_there(connection).await? { newest(connection).await } else { Ok(0) }
}

pub(super) async fn is_there(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(connection).await
}

/// The newest applied migration of Keyward.
pub(super) async fn newest(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let Some(first) = MIGRATIONS.iter().next() else { return Ok(0) };
    // Not a checked query, as all here: the table belongs to the migrator, not to the schema.
    let query = sqlx::query_scalar(
        "SELECT coalesce(max(version), 0) FROM _sqlx_migrations
         WHERE success AND version <= $1
           AND EXISTS (SELECT FROM _sqlx_migrations WHERE version = $2 AND (description = $3 OR checksum = $4))",
    );
    let query = query.bind(HIGHEST_NUMBER).bind(first.version).bind(&*first.description).bind(&*first.checksum);
    query.fetch_one(connection).await
}

/// How many migrations were applied.
pub(super) async fn count(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    if !is_there(connection).await? {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(connection).await
}

/// Whether there is nothing to migrate: then nothing needs a lock, or is created, which a read-only database would
/// refuse. What is there and differs is left to the migrator, which says what is wrong.
pub(super) async fn are_all(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let applied = rows(connection).await?;
    let is_applied =
        |version: i64, checksum: &[u8]| applied.iter().any(|row| row.version == version && row.checksum == checksum);
    let all_are = MIGRATIONS.iter().all(|migration| is_applied(migration.version, &migration.checksum));
    Ok(all_are && applied.iter().all(|row| row.success || !row.may_be_ours()))
}

/// A migration of another program, if there is any: then nothing is to be made beside its tables. A table without any
/// migration of this program has only such.
pub(super) async fn stranger(connection: &mut PgConnection) -> Result<Option<Stranger>, sqlx::Error> {
    let rows = rows(connection).await?;
    let ours = rows.iter().any(Row::is_known);
    let stranger = rows.into_iter().find(|row| !(ours && row.may_be_ours()));
    Ok(stranger.map(|Row { version, description, .. }| Stranger { version, description }))
}

/// Whether the session's role may change the tables that there are.
pub(super) async fn are_ones_own(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')",
    );
    Ok(query.fetch_optional(connection).await?.unwrap_or(true))
}

async fn rows(connection: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    if !is_there(connection).await? {
        return Ok(Vec::new());
    }
    let query = sqlx::query_as("SELECT version, description, checksum, success FROM _sqlx_migrations ORDER BY version");
    query.fetch_all(connection).await
}

#[cfg(test)]
mod tests {
    use super::{super::newest_known_migration, *};

    fn row(version: i64, description: &str) -> Row {
        Row { version, description: description.to_owned(), checksum: Vec::new(), success: true }
    }

    #[test]
    fn a_migration_of_another_program_is_told_from_one_of_a_later_version() {
        assert!(row(1, "api keys").is_known());
        assert!(!row(1, "users").may_be_ours());
        assert!(row(newest_known_migration() + 1, "more").may_be_ours());
        assert!(row(HIGHEST_NUMBER, "more").may_be_ours());
        assert!(!row(20_260_101_120_000, "users").may_be_ours());
        assert!(newest_known_migration() < HIGHEST_NUMBER, "later versions have room for more");
    }
}
