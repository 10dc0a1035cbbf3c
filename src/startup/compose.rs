//! The common parts of every replica, for Keyward's own routes or another application.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{runtime::Handle, task::AbortHandle, time::timeout};

use crate::{
    auth::{
        coherence::{CoherenceTimings, Freshness, Link},
        housekeeping::{audit_months, ended_keys, limit_counters, usage},
        jwt::{RemoteKeys, RemoteKeysSettings, TokenVerifier, allowed_algorithms},
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::Hasher,
        },
        lifecycle::{ClaimsFollowed, Lifecycle, OwnersStopped},
        tokens::check::{TokenChecker, TokenRoom},
        usage::uses::Uses,
    },
    config::{Checks, Coherence, Hashing, Jwt, KeyPolicy, LastUsed, Limits, Usage},
    domain::{
        api_key::{Keyring, Pepper, Prefix},
        coherence::message_keys::MessageKeys,
        denial::Denial,
    },
    outbound::{KeySets, NoClient},
    protect::{BoundedLog, Credentials, Gate, HostApp, ReplicaHandle, TrustedProxies},
    store::Store,
    telemetry::metrics::counting::Counters,
};

/// How long a start waits until it listens. Without listening, a replica works, but slowly.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for closing the connections to the database. No change is lost if it is exceeded: acknowledged changes are
/// on disk.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The time limit for writing the uses of keys at the end, if there are many. If the database does not answer, it is given up
/// sooner.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for giving back credits. Beyond it, they count as spent some minutes later.
const RETURN_TIMEOUT: Duration = Duration::from_secs(3);

/// The configuration of a replica.
pub(super) struct Sections {
    pub(super) jwt: Jwt,
    pub(super) prefix: Prefix,
    pub(super) peppers: Vec<Pepper>,
    pub(super) policy: KeyPolicy,
    /// `None` if other replicas do it.
    pub(super) housekeeping: Option<Housekeeping>,
    pub(super) hashing: Hashing,
    pub(super) checks: Checks,
    pub(super) limits: Limits,
    pub(super) coherence: Coherence,
    pub(super) last_used: LastUsed,
    pub(super) usage: Usage,
    pub(super) proxies: TrustedProxies,
    /// Where the replica listens, for operators; `None` for an application that uses the library.
    pub(super) address: Option<String>,
    pub(super) host: &'static dyn HostApp,
}

/// The periodic maintenance.
#[derive(Clone, Copy)]
pub(super) struct Housekeeping {
    /// How long ended keys are kept; `None`: for ever.
    pub(super) keep_keys: Option<Duration>,
}

/// The parts of a replica.
pub(super) struct Composed {
    pub(super) gate: Arc<Gate>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) hasher: Arc<Hasher>,
    pub(super) freshness: Arc<Freshness>,
    pub(super) membership: Arc<Member>,
    pub(super) link: Arc<Link>,
    /// The keys of issuers that publish them, each once.
    pub(super) key_sets: Vec<Arc<RemoteKeys>>,
    /// The same by issuer.
    pub(super) remote_keys: HashMap<String, Arc<RemoteKeys>>,
    /// The accepted tokens.
    pub(super) jwt: Jwt,
}

/// An invalid setting.
pub(super) type Impossible = Box<dyn Error + Send + Sync>;

/// Assembles a replica, which [begins](Member::begin) once the database can be used. Its tasks run on the current
/// runtime, whose threads serve nothing else, because checks of known keys must not wait behind first checks.
pub(super) fn compose(store: Arc<Store>, sections: Sections) -> Result<Composed, Impossible> {
    let Sections {
        jwt,
        prefix,
        peppers,
        policy,
        housekeeping,
        hashing,
        checks,
        limits,
        coherence,
        last_used,
        usage,
        proxies,
        address,
        host,
    } = sections;
    let runtime = Handle::current();
    let keyring = Arc::new(Keyring::new(prefix, &peppers)?);
    let hasher = Arc::new(Hasher::new(&hashing)?);
    let settings = CoherenceTimings::for_lease(coherence.lease)?;
    let tasks = Tasks::default();
    let remote_keys = remote_keys(&jwt)?;
    let (verifier, key_sets) = token_verifier(&jwt, &remote_keys, &runtime, &tasks)?;
    let announcements = store.announcements(MessageKeys::new(&peppers), address);
    let link = Arc::new(Link::new(store.replica_id(), settings, announcements));
    let uses = Arc::new(Uses::new(store.clone(), last_used, &usage));
    let lifecycle = Lifecycle {
        ledger: store.clone(),
        plans: store.clone(),
        policy,
        link: Some(Arc::clone(&link)),
        runtime: runtime.clone(),
        stopped: OwnersStopped::default(),
        followed: ClaimsFollowed::default(),
    };
    let room = TokenRoom { cached: jwt.cached_tokens, max_cold: checks.max_cold };
    let tokens = TokenChecker::new(verifier, store.clone(), link.freshness(), room, &runtime);
    let keys = KeyChecker::new(
        Arc::clone(&keyring),
        CheckStores { keys: store.clone(), limits: store.clone() },
        Arc::clone(&hasher),
        link.freshness(),
        Arc::clone(&uses),
        &checks,
        runtime.clone(),
    );
    let gate = Gate {
        tokens,
        keys,
        lifecycle: Arc::new(lifecycle),
        proxies,
        refusals: BoundedLog::default(),
        limited: BoundedLog::default(),
        outages: BoundedLog::default(),
        legacy_headers: limits.legacy_headers,
        denials: Counters::new(Denial::codes().count()),
        credentials: if jwt.names_issuers() { Credentials::KeysAndTokens } else { Credentials::Keys },
        host,
    };
    let freshness = link.freshness();
    let gate = Arc::new(gate);
    let membership = Arc::new(Member {
        link: Arc::clone(&link),
        uses,
        gate: Arc::clone(&gate),
        store,
        tasks,
        runtime,
        housekeeping,
        usage,
    });
    Ok(Composed { gate, keyring, hasher, freshness, membership, link, key_sets, remote_keys, jwt })
}

/// Starts fetching the keys of issuers that publish them. They are also returned by name, so that operators always see
/// them in the same order.
fn token_verifier(
    settings: &Jwt,
    remote: &HashMap<String, Arc<RemoteKeys>>,
    runtime: &Handle,
    tasks: &Tasks,
) -> Result<(TokenVerifier, Vec<Arc<RemoteKeys>>), Impossible> {
    let mut started = HashSet::new();
    let mut key_sets: Vec<_> = remote.values().filter(|keys| started.insert(Arc::as_ptr(keys))).cloned().collect();
    key_sets.sort_by(|one, other| one.issuer().cmp(other.issuer()));
    for keys in &key_sets {
        tasks.add(runtime.spawn(Arc::clone(keys).run()).abort_handle());
    }
    Ok((TokenVerifier::new(settings, remote)?, key_sets))
}

/// The keys of issuers that publish them, by issuer. Issuers with the same key set share it, such as the tenants of a
/// provider.
pub(super) fn remote_keys(settings: &Jwt) -> Result<HashMap<String, Arc<RemoteKeys>>, NoClient> {
    let fetching = RemoteKeysSettings {
        refresh: settings.key_set_refresh,
        cool_down: settings.key_set_cool_down,
        keep: settings.key_set_keep,
    };
    let (mut remote, mut shared, mut key_sets) = (HashMap::new(), HashMap::new(), None);
    for issuer in settings.issuers.iter().filter(|issuer| issuer.keys.are_fetched()) {
        let key_sets = match &mut key_sets {
            Some(key_sets) => key_sets,
            none => none.insert(KeySets::new()?),
        };
        let keys = shared.entry(KeySets::key(issuer)).or_insert_with(|| {
            let (name, source) = (issuer.name().to_owned(), key_sets.of(issuer));
            Arc::new(RemoteKeys::new(name, source, allowed_algorithms(issuer), fetching.clone()))
        });
        remote.insert(issuer.issuer.clone(), Arc::clone(keys));
    }
    Ok(remote)
}

/// This process as a replica.
pub(super) struct Member {
    link: Arc<Link>,
    uses: Arc<Uses>,
    /// As long as this exists, so do the keys in memory, with what is in hand of their limits.
    gate: Arc<Gate>,
    store: Arc<Store>,
    tasks: Tasks,
    runtime: Handle,
    housekeeping: Option<Housekeeping>,
    usage: Usage,
}

impl Member {
    /// Starts to listen and to do a replica's own work. Must be called once, after the schema exists. Returns once it
    /// listens, or after a while: a change that can't hear its own announcement waits for the longest lease.
    pub(super) async fn begin(&self) {
        self.spawn(Arc::clone(&self.link).run());
        let _ = timeout(LISTEN_TIMEOUT, self.link.listens()).await;
        self.spawn(Arc::clone(&self.uses).run());
        self.spawn(Arc::clone(self.gate.keys.teller()).give_back_idle());
        if let Some(Housekeeping { keep_keys }) = self.housekeeping {
            self.spawn(audit_months::keep(self.store.clone()));
            self.spawn(limit_counters::forget(self.store.clone()));
            self.spawn(usage::keep(self.store.clone(), self.usage.clone()));
            self.spawn(limit_counters::settle(self.store.clone(), Arc::clone(self.gate.keys.limit_counts())));
            if let Some(keep) = keep_keys {
                self.spawn(ended_keys::forget(self.store.clone(), keep));
            }
        }
    }

    /// Runs a task for as long as the replica.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.add(self.runtime.spawn(task).abort_handle());
    }
}

#[async_trait]
impl ReplicaHandle for Member {
    async fn end(&self) {
        // On different connections, so that none is lost if another's hangs.
        let leave = timeout(CLOSE_TIMEOUT, self.link.leave());
        let write = timeout(WRITE_TIMEOUT, self.uses.write_finally());
        let give_back = timeout(RETURN_TIMEOUT, self.gate.keys.teller().give_back_all());
        let (left, written, given_back) = tokio::join!(leave, write, give_back);
        if given_back.is_err() {
            tracing::warn!("could not give back all credits in hand in time; they will count as spent");
        }
        let unwritten = self.uses.unwritten();
        if unwritten > 0 {
            tracing::warn!(unwritten, "the last uses of some keys could not be written before the end; they are lost");
        }
        let closed = timeout(CLOSE_TIMEOUT, self.store.close()).await;
        if left.is_err() || written.is_err() || closed.is_err() {
            tracing::warn!("the database's connections did not close in time; exiting anyway");
        }
        self.tasks.end();
    }
}

/// The background tasks, which end when this is dropped; the process may outlive the replica.
#[derive(Default)]
struct Tasks(Mutex<Vec<AbortHandle>>);

impl Tasks {
    fn add(&self, task: AbortHandle) {
        self.lock().push(task);
    }

    fn end(&self) {
        self.lock().iter().for_each(AbortHandle::abort);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        // A panic while the list was locked leaves a valid list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}
