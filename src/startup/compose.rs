//! The common parts of every replica, for Keyward's own routes or another application.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::Arc,
};

use tokio::runtime::Handle;

use super::member::{Housekeeping, Member, Tasks};
use crate::{
    auth::{
        administrators::Administrators,
        coherence::{CoherenceTimings, Freshness, Link},
        jwt::{RemoteKeys, RemoteKeysSettings, TokenVerifier, allowed_algorithms},
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::Hasher,
        },
        lifecycle::{ClaimsFollowed, HeldKeys, Lifecycle, OwnersStopped},
        tokens::check::{TokenChecker, TokenRoom},
        usage::writer::UsageWriter,
    },
    config::{Checks, Coherence, Hashing, Jwt, KeyPolicy, LastUsed, Limits, Usage},
    domain::{
        api_key::{Keyring, Pepper, Prefix},
        coherence::message_keys::MessageKeys,
        denial::Denial,
    },
    outbound::{KeySets, NoClient},
    protect::{BoundedLog, Credentials, Gate, HostApp, TrustedProxies},
    store::Store,
    telemetry::metrics::counting::Counters,
};

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
    let uses = Arc::new(UsageWriter::new(store.clone(), last_used, &usage));
    let lifecycle = Lifecycle {
        ledger: store.clone(),
        plans: store.clone(),
        policy,
        link: Some(Arc::clone(&link)),
        runtime: runtime.clone(),
        stopped: OwnersStopped::default(),
        followed: ClaimsFollowed::default(),
        held: HeldKeys::default(),
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
    let (most_at_once, patience) = store.turns_of_an_owner();
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
        administrators: Administrators::new(most_at_once, patience),
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
