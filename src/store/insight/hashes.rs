//! How many keys have hashes of which parameters and of which pepper.

use crate::{
    domain::{api_key::PepperFingerprint, ports::StoreError},
    store::Store,
};

/// Keys whose hashes have the same parameters and the same pepper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCount {
    /// The parameters, as a hash has them: `m=1024,t=1,p=1`.
    pub parameters: String,
    /// The pepper. `None` if an earlier version made the keys, which did not note it.
    pub pepper: Option<PepperFingerprint>,
    /// How many keys have such a hash.
    pub keys: u64,
    /// How many of these are neither revoked nor disabled nor expired.
    pub usable: u64,
}

impl Store {
    /// Counts the keys by the parameters and the pepper of their hashes, most frequent first. Reads the whole table, so
    /// it is for operators, and takes seconds for millions of keys; no other statement waits for it.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn count_hashes(&self) -> Result<Vec<HashCount>, StoreError> {
        let mut connection = self.requests.acquire().await?;
        connection.begin().await?;
        // Longer than `database.statement_timeout`, which is for requests.
        sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(&mut *connection).await?;
        let rows = sqlx::query!(
            r#"SELECT split_part(secret_hash, '$', 4) AS "parameters!", pepper, count(*) AS "keys!",
                      count(*) FILTER (WHERE revoked_at IS NULL AND enabled AND (expires_at IS NULL OR expires_at > now()))
                          AS "usable!"
               FROM api_keys GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"#
        )
        .fetch_all(&mut *connection)
        .await?;
        connection.finish().await?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let counts = rows.into_iter().map(|row| HashCount {
            parameters: row.parameters,
            pepper: row.pepper.and_then(|bytes| PepperFingerprint::from_bytes(&bytes)),
            keys: count(row.keys),
            usable: count(row.usable),
        });
        Ok(counts.collect())
    }
}
