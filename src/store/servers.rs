//! The servers that an address names, and which of them is the primary.
//!
//! As libpq has it with `target_session_attrs=read-write`: they are tried in the order of the address, and those that are
//! standbys are passed by. sqlx knows one server at a time, so [`Connections`](super::connections::Connections) are told when it is another one.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex as AsyncMutex;

use super::{
    OpenError,
    failure::{ConnectFailure, Password, Place},
    session,
};
use crate::{
    config::{Database, DatabaseUrl},
    domain::secret::SecretString,
};

/// Whoever could not connect asks why, and at most so often: while the database is away there are many.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// All servers of one address.
pub(super) struct Servers {
    place: Place,
    password: Password,
    candidates: Vec<PgConnectOptions>,
    /// Where connections are made.
    chosen: AtomicUsize,
    /// For how long one of them may be silent.
    patience: Duration,
    /// Held by whoever looks for the primary.
    looking: AsyncMutex<Option<Instant>>,
    failure: Mutex<Option<ConnectFailure>>,
}

impl Servers {
    /// Those that `url` names, with what every session of ours is to be like.
    pub(super) fn new(
        settings: &Database,
        place: Place,
        url: &SecretString,
        password: Option<&SecretString>,
        application_name: &str,
    ) -> Result<Self, OpenError> {
        let parsed = DatabaseUrl::parse(url, place.password)
            .map_err(|problem| OpenError::Address { setting: place.url, problem })?;
        let in_url = password.is_none() && parsed.has_password();
        let candidates = parsed.one_each().map(|url| {
            let options = session::options(settings, &url, &parsed, password);
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
            candidates: candidates.collect::<Result<_, OpenError>>()?,
            chosen: AtomicUsize::new(0),
            patience: settings.acquire_timeout.max(Duration::from_millis(500)),
            looking: AsyncMutex::default(),
            failure: Mutex::default(),
        })
    }

    /// The one that connections are made to, by its number.
    pub(super) fn chosen(&self) -> (usize, PgConnectOptions) {
        let number = self.chosen.load(Ordering::Relaxed);
        (number, self.candidates[number].clone())
    }

    /// Whose sessions they are.
    pub(super) fn role(&self) -> &str {
        self.candidates[0].get_username()
    }

    /// Looks for the primary, from the chosen server on, and chooses it.
    pub(super) async fn connect(&self, durably: bool) -> Result<PgConnection, ConnectFailure> {
        let count = self.candidates.len();
        let first = self.chosen.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for number in (0..count).map(|step| (first + step) % count) {
            match self.connect_to(&self.candidates[number], durably).await {
                Ok(connection) => {
                    self.chosen.store(number, Ordering::Relaxed);
                    self.set_failure(None);
                    return Ok(connection);
                }
                Err(failure) => failures.push(failure),
            }
        }
        let failure = ConnectFailure::of_all(failures);
        self.set_failure(Some(failure.clone()));
        Err(failure)
    }

    async fn connect_to(&self, options: &PgConnectOptions, durably: bool) -> Result<PgConnection, ConnectFailure> {
        let connect = async {
            let mut connection = options.connect().await?;
            let claimed = session::claim(&mut connection, durably).await?;
            Ok(claimed.map(|()| connection))
        };
        match tokio::time::timeout(self.patience, connect).await {
            Ok(Ok(Ok(connection))) => Ok(connection),
            Ok(Ok(Err(unfit))) => Err(ConnectFailure::unfit(unfit, options, self.place)),
            Ok(Err(error)) => Err(self.explain(&error, options)),
            Err(_) => Err(ConnectFailure::silent(options, self.place)),
        }
    }

    /// What went wrong on a connection to the chosen server.
    pub(super) fn explain_chosen(&self, error: &sqlx::Error) -> ConnectFailure {
        self.explain(error, &self.chosen().1)
    }

    fn explain(&self, error: &sqlx::Error, options: &PgConnectOptions) -> ConnectFailure {
        ConnectFailure::new(error, options, self.place, self.password)
    }

    /// Finds out, not too often, whether the primary is elsewhere, or why there is no connection. `None`: nothing is known to be
    /// wrong.
    pub(super) async fn look_again(&self) -> Option<ConnectFailure> {
        // Whoever finds it taken doesn't wait: what was found last will do.
        if let Ok(mut last) = self.looking.try_lock()
            && last.is_none_or(|last| last.elapsed() > ASKED_EVERY)
        {
            drop(self.connect(true).await);
            *last = Some(Instant::now());
        }
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_failure(&self, failure: Option<ConnectFailure>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}
