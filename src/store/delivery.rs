//! Whether notifications arrive: each that is sent through the pool, on the listening connection, in the order of
//! commits. Poolers and proxies may lose them, or lead to different servers.

use std::time::{Duration, Instant};

use sqlx::postgres::PgListener;

use super::{
    OpenError, Statement, Store,
    announcements::new_listener,
    connections::{failure::ConnectFailure, opening::retry_for},
};
use crate::{config::Database, domain::ports::StoreError};

/// How long a notification may take. On a healthy server it is a millisecond.
const DELIVERED_WITHIN: Duration = Duration::from_secs(2);

/// What became of two notifications that were sent one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// They arrived in this order, the second so long after it was sent.
    InOrder(Duration),
    /// They arrived the other way round.
    OutOfOrder,
    /// At least one did not arrive in time.
    Lost,
}

impl Store {
    /// Sends two notifications in two transactions through the pool, and waits for both on a listening connection.
    ///
    /// # Errors
    /// [`StoreError`] if one of the two connections could not be used.
    pub async fn try_delivery(&self) -> Result<Delivery, StoreError> {
        Ok(self.delivered().await?.0)
    }

    /// The same, with the listening connection.
    async fn delivered(&self) -> Result<(Delivery, PgListener), StoreError> {
        // Nobody else listens to this channel, and no earlier attempt has sent the same.
        let channel = format!("keyward_test_{:032x}", self.id.0);
        let messages = [1, 2].map(|number| format!("{:016x} {number}", rand::random::<u64>()));
        let listen = async {
            let mut listener = new_listener(self).await?;
            listener.listen(&channel).await?;
            Ok(listener)
        };
        let mut listener = self.within_deadline(Statement::Examine, listen).await?;
        let mut sent = Instant::now();
        for message in &messages {
            sent = Instant::now();
            self.execute(Statement::Examine, sqlx::query!("SELECT pg_notify($1, $2)", channel, message)).await?;
        }
        let arrive = async {
            let mut arrived: Vec<String> = Vec::new();
            while arrived.len() < messages.len() {
                let payload = listener.recv().await?.payload().to_owned();
                if messages.contains(&payload) && !arrived.contains(&payload) {
                    arrived.push(payload);
                }
            }
            Ok::<_, sqlx::Error>(arrived)
        };
        let delivery = match tokio::time::timeout(DELIVERED_WITHIN, arrive).await.ok().transpose()? {
            Some(arrived) if arrived == messages => Delivery::InOrder(sent.elapsed()),
            Some(_) => Delivery::OutOfOrder,
            None => Delivery::Lost,
        };
        Ok((delivery, listener))
    }

    /// Requires that notifications arrive. Without them a replica could trust nothing in its memory, and each change
    /// would wait for its lease. Whoever listens next does so on the connection on which they have.
    ///
    /// # Errors
    /// [`OpenError::Failed`], which heals, because what is in between may be repaired.
    pub async fn demand_delivery(&self) -> Result<(), OpenError> {
        let what = match self.delivered().await {
            Ok((Delivery::InOrder(_), mut listener)) => {
                let is_free = listener.unlisten_all().await.is_ok();
                *self.tried_listener.lock() = is_free.then_some(listener);
                return Ok(());
            }
            Ok((Delivery::OutOfOrder, _)) => "notifications do not arrive there in the order of commits".to_owned(),
            Ok((Delivery::Lost, _)) => {
                format!(
                    "notifications that are sent through database.url do not arrive there within {DELIVERED_WITHIN:?}"
                )
            }
            // It says what to do, which is not about poolers.
            Err(error) => {
                return Err(ConnectFailure::that_heals(format!(
                    "whether notifications arrive could not be tried: {error}"
                ))
                .into());
            }
        };
        let setting = self.listen_servers.setting();
        let remedy = "A pooler or proxy in between does not carry LISTEN, or leads to another server. Set \
                      database.listen_url to an address of Postgres itself";
        Err(ConnectFailure::that_heals(format!("{setting}: {what}")).remedied(remedy).into())
    }

    /// The same, for those who wait up to `database.connect_timeout`.
    ///
    /// # Errors
    /// [`OpenError::Unreachable`].
    pub async fn wait_for_delivery(&self, settings: &Database) -> Result<(), OpenError> {
        retry_for(settings.connect_timeout, || self.demand_delivery()).await
    }
}
