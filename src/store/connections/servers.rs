//! The servers of an address, and the current primary among them.
//!
//! As in libpq with `target_session_attrs=read-write`, they are tried in the order of the address, and standbys are
//! skipped. sqlx knows one server at a time, so [`Connections`](super::Connections) follow a change of the
//! chosen server.
//!
//! A primary that was superseded while it goes on looks like any other, but commits nothing. So when the chosen server
//! does not answer in time, another one that commits is chosen instead.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{
    failure::{self, ConnectFailure, Password, Place, SERVICE},
    opening::OpenError,
    purpose::Purpose,
    session_settings,
    transaction::{self, Way},
};
use crate::{
    config::{Database, DatabaseUrl, Pooler},
    domain::secret::SecretString,
};

/// The minimum interval between searches for the primary. Failed connections trigger them, and in an outage there are
/// many.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// All servers of one address.
pub(in crate::store) struct Servers {
    place: Place,
    password: Password,
    /// The time limit of a statement, if a pooler lends the sessions of the servers.
    lent: Option<Duration>,
    candidates: Vec<PgConnectOptions>,
    /// The index of the server that connections are made to.
    chosen: AtomicUsize,
    /// When another server was chosen in its place.
    left_at: Mutex<Option<Instant>>,
    /// How long a server may take to answer.
    patience: Duration,
    /// Held while looking for the primary.
    looking: AsyncMutex<Option<Instant>>,
    /// Held while looking for another server than the chosen one.
    looking_beyond: AsyncMutex<Option<Instant>>,
    failure: Mutex<Option<ConnectFailure>>,
    /// Signals that work has moved to another server, so that whoever listens to the last one stops.
    pub(in crate::store) moved: Notify,
}

impl Servers {
    /// The servers of `url`, with the options of our sessions.
    pub(in crate::store) fn new(
        settings: &Database,
        place: Place,
        url: &SecretString,
        password: Option<&SecretString>,
        application_name: &str,
    ) -> Result<Self, OpenError> {
        let parsed = DatabaseUrl::parse(url, place.password)
            .map_err(|problem| OpenError::Address { setting: place.url, problem })?;
        let in_url = password.is_none() && parsed.has_password();
        let is_pooler = place == SERVICE && settings.pooler == Pooler::Transaction;
        let candidates = parsed.one_each().map(|url| {
            let options = session_settings::options(settings, &url, &parsed, password, is_pooler);
            Ok(options
                .map_err(|error| OpenError::Settings(place.url, error.to_string()))?
                .application_name(application_name))
        });
        Ok(Self {
            place,
            password: Password {
                setting: if in_url { place.url } else { place.password },
                given: in_url || password.is_some(),
            },
            lent: is_pooler.then_some(settings.statement_timeout),
            candidates: candidates.collect::<Result<_, OpenError>>()?,
            chosen: AtomicUsize::new(0),
            left_at: Mutex::default(),
            patience: settings.acquire_timeout.max(Duration::from_millis(500)),
            looking: AsyncMutex::default(),
            looking_beyond: AsyncMutex::default(),
            failure: Mutex::default(),
            moved: Notify::new(),
        })
    }

    /// The setting with the address.
    pub(in crate::store) fn setting(&self) -> &'static str {
        self.place.url
    }

    /// The chosen server and the database there, for people.
    pub(in crate::store) fn shown(&self) -> String {
        failure::shown(&self.chosen().1)
    }

    /// The chosen server, and its index.
    pub(in crate::store) fn chosen(&self) -> (usize, PgConnectOptions) {
        let number = self.chosen.load(Ordering::Relaxed);
        (number, self.candidates[number].clone())
    }

    /// Whether a connection of this age was made to the chosen server. Its age counts from when it was made, which may
    /// have taken as long as we are patient.
    pub(in crate::store) fn is_current(&self, age: Duration) -> bool {
        let left_at = *self.left_at.lock();
        left_at.is_none_or(|left_at| age + self.patience < left_at.elapsed())
    }

    fn choose(&self, number: usize) {
        if self.chosen.swap(number, Ordering::Relaxed) != number {
            *self.left_at.lock() = Some(Instant::now());
            self.moved.notify_one();
            tracing::info!(host = self.candidates[number].get_host(), "another database server is the primary now");
        }
        self.set_failure(None);
    }

    /// The role of the sessions.
    pub(in crate::store) fn role(&self) -> &str {
        self.candidates[0].get_username()
    }

    /// How work on connections to the servers begins.
    pub(super) fn way(&self, purpose: Purpose) -> Way {
        self.lent.map_or(Way::Own(purpose), |statement_timeout| Way::lent(statement_timeout, purpose))
    }

    /// Looks for the primary, starting with the chosen server, and chooses it. A server that
    /// commits is preferred to one that does not: a primary that was superseded does not know it.
    ///
    /// Behind a pooler, the connection has begun a transaction.
    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, ConnectFailure> {
        let count = self.candidates.len();
        let first = self.chosen.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        let mut silent = None;
        for number in (0..count).map(|step| (first + step) % count) {
            match self.connect_to(&self.candidates[number]).await {
                Ok(mut connection) => {
                    if number == first || self.commits(&mut connection).await {
                        self.choose(number);
                        return Ok(connection);
                    }
                    silent = silent.or(Some(number));
                }
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(number) = silent
            && let Ok(connection) = self.connect_to(&self.candidates[number]).await
        {
            self.choose(number);
            return Ok(connection);
        }
        let failure = ConnectFailure::of_all(failures);
        self.set_failure(Some(failure.clone()));
        Err(failure)
    }

    /// Whether a server commits soon. If it waits for a standby instead, its process waits on, so the one that an
    /// earlier question of ours has left there is ended.
    async fn commits(&self, connection: &mut PgConnection) -> bool {
        let commit = async {
            session_settings::end_abandoned(connection, 2 * self.patience).await?;
            session_settings::prove(&mut *connection).await?;
            let way = self.way(Purpose::Work);
            if way.is_lent() {
                transaction::commit(&mut *connection).await?;
            }
            Ok::<_, sqlx::Error>(way.enter(connection, false).await?.is_ok())
        };
        matches!(tokio::time::timeout(self.patience, commit).await, Ok(Ok(true)))
    }

    async fn connect_to(&self, options: &PgConnectOptions) -> Result<PgConnection, ConnectFailure> {
        let connect = async {
            let mut connection = options.connect().await?;
            let claimed = self.way(Purpose::Work).enter(&mut connection, true).await?;
            Ok(claimed.map(|()| connection))
        };
        match tokio::time::timeout(self.patience, connect).await {
            Ok(Ok(Ok(connection))) => Ok(connection),
            Ok(Ok(Err(unfit))) => Err(ConnectFailure::unfit(unfit, options, self.place)),
            Ok(Err(error)) => Err(self.explain(&error, options)),
            Err(_) => Err(ConnectFailure::silent(options, self.place)),
        }
    }

    /// Explains an error on a connection to the chosen server.
    pub(in crate::store) fn explain_chosen(&self, error: &sqlx::Error) -> ConnectFailure {
        self.explain(error, &self.chosen().1)
    }

    fn explain(&self, error: &sqlx::Error, options: &PgConnectOptions) -> ConnectFailure {
        ConnectFailure::new(error, options, self.place, self.password)
    }

    /// Checks, at a limited rate, whether the primary has moved, or why there is no connection. `None` if no failure is
    /// known.
    pub(in crate::store) async fn look_again(&self) -> Option<ConnectFailure> {
        // If another task is looking, the last result suffices.
        if let Ok(mut last) = self.looking.try_lock()
            && last.is_none_or(|last| last.elapsed() > ASKED_EVERY)
        {
            drop(self.connect().await);
            *last = Some(Instant::now());
        }
        self.failure.lock().clone()
    }

    /// The chosen server has not answered in time: looks, at a limited rate, for another one that commits. Its commits
    /// wait for nobody any more, or for a standby that is there; the chosen one may wait for ever for its successor.
    pub(in crate::store) async fn look_beyond(&self) {
        let (count, chosen) = (self.candidates.len(), self.chosen.load(Ordering::Relaxed));
        let Ok(mut last) = self.looking_beyond.try_lock() else { return };
        if count == 1 || last.is_some_and(|last| last.elapsed() <= ASKED_EVERY) {
            return;
        }
        for number in (1..count).map(|step| (chosen + step) % count) {
            let Ok(mut connection) = self.connect_to(&self.candidates[number]).await else { continue };
            if self.commits(&mut connection).await {
                self.choose(number);
                break;
            }
        }
        *last = Some(Instant::now());
    }

    fn set_failure(&self, failure: Option<ConnectFailure>) {
        *self.failure.lock() = failure;
    }
}
