//! What a cold check costs among few rows and among many, side by side:
//!
//!     scripts/with-postgres.sh cargo bench --bench row_count [-- FEW MANY]
//!
//! Makes a table of ten thousand rows and one of ten million (some 4 GB, some minutes), then checks random
//! keys of either in turn, through the real store. Nothing here has a lease, so memory is never believed and
//! each check reads its row; each key's secret was proven before, so no check computes a hash.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::{
    env,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::{
    auth::{
        coherence::Freshness,
        keys::{
            check::{CheckStores, KeyChecker},
            hasher::{Hasher, Lane},
        },
        usage::writer::UsageWriter,
    },
    config::{Audit, Checks, Database, Hashing, LastUsed, Usage},
    domain::{
        api_key::{Environment, KeyId, Keyring, Pepper},
        audit::Author,
        key_record::{KeyRecord, ManagedKey},
        ledger::{Insertion, Quota, Reach},
        owner::Owner,
        ports::{
            keys::{KeyStore, StoredHash},
            ledger::KeyLedger,
            limits::LimitStore,
            usage::UsageStore,
        },
        verdict::Verdict,
    },
    store::Store,
};
use rand::seq::SliceRandom;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use tokio::runtime::Handle;

/// The table is filled in so many steps, each some seconds after the one before by the time in the ids.
const STEPS: usize = 1_000;
/// Keys that can be presented, in the larger table: their pages are several times the default shared_buffers, so
/// that a walk through all of them finds none there.
const PRESENTABLE: usize = 40_000;
/// Checks of each kind.
const CHECKS: usize = 10_000;
/// Keys that are asked for again and again, so that their pages stay in shared_buffers.
const FAMILIAR: usize = 1_000;
/// Speeds up the filling, and nothing else.
const FILLING: &str = "ALTER SYSTEM SET max_wal_size = '16GB'";

fn main() {
    let mut sizes = env::args().filter_map(|word| word.parse().ok());
    let (few, many) = (sizes.next().unwrap_or(10_000), sizes.next().unwrap_or(10_000_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(few, many));
}

async fn run(few: usize, many: usize) {
    let few = Table::filled("few", few).await;
    let many = Table::filled("many", many).await;
    println!("first checks, with their hash, to prove each key once");
    for table in [&few, &many] {
        for key in 0..table.keys.len() {
            table.check(key).await;
        }
    }
    println!("{CHECKS} of each, in turn; microseconds, median (mean)");
    compare("read of the row, its pages not in shared_buffers", &few, &many, 0..CHECKS, Table::find).await;
    let second_part = CHECKS..2 * CHECKS;
    compare("whole check,     its pages not in shared_buffers", &few, &many, second_part, Table::check).await;
    let familiar = || (0..CHECKS).map(|number| number % FAMILIAR);
    for key in 0..FAMILIAR {
        many.find(key).await;
    }
    compare("read of the row, its pages in shared_buffers    ", &few, &many, familiar(), Table::find).await;
    compare("whole check,     its pages in shared_buffers    ", &few, &many, familiar(), Table::check).await;
}

async fn compare(
    what: &str,
    few: &Table,
    many: &Table,
    keys: impl Iterator<Item = usize>,
    ask: impl AsyncFn(&Table, usize),
) {
    let (mut among_few, mut among_many) = (Vec::new(), Vec::new());
    for (turn, key) in keys.enumerate() {
        let mut tables = [(few, &mut among_few), (many, &mut among_many)];
        // Each comes first as often as the other: who comes second finds the processor's caches warmer.
        tables.rotate_left(turn % 2);
        for (table, micros) in tables {
            let begin = Instant::now();
            ask(table, key % table.keys.len()).await;
            micros.push(begin.elapsed().as_nanos() as f64 / 1000.0);
        }
    }
    let [(few, few_mean), (many, many_mean)] = [among_few, among_many].map(median_and_mean);
    let (ratio, of_means) = (many / few, many_mean / few_mean);
    println!("{what}: few {few:.1} ({few_mean:.1}), many {many:.1} ({many_mean:.1}), ratio {ratio:.2} ({of_means:.2})");
}

fn median_and_mean(mut numbers: Vec<f64>) -> (f64, f64) {
    numbers.sort_by(f64::total_cmp);
    (numbers[numbers.len() / 2], numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// A table of so many rows, in a database of its own.
struct Table {
    store: Arc<dyn KeyStore>,
    checker: KeyChecker,
    /// Some of its keys, in random order.
    keys: Vec<(KeyId, String)>,
}

impl Table {
    async fn filled(name: &str, rows: usize) -> Self {
        let began = Instant::now();
        let url = new_database(name).await;
        let store = Store::open(&settings(&url)).await.expect("a store");
        let audit = Audit { retention: None };
        store.migrate(&settings(&url), &audit).await.expect("the schema");
        let maker = Maker::new();
        let presentable = PRESENTABLE.min(rows) / STEPS;
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        let mut keys = Vec::new();
        for step in 0..STEPS {
            let second = 1_700_000_000 + 60 * step as i64;
            fill(&mut connection, second, rows / STEPS - presentable, &maker.hash_of_nobody().await).await;
            for _ in 0..presentable {
                keys.push(maker.make_key(&*store, second).await);
            }
        }
        sqlx::raw_sql("VACUUM ANALYZE api_keys").execute(&mut connection).await.expect("vacuum");
        keys.shuffle(&mut rand::rng());
        println!("{rows} rows made in {:.0} s", began.elapsed().as_secs_f64());
        let checker = maker.checker(store.clone(), keys.len());
        Self { store, checker, keys }
    }

    async fn find(&self, key: usize) {
        let found = self.store.find(&[self.keys[key].0]).await.expect("an answer");
        assert_eq!(found.len(), 1);
    }

    async fn check(&self, key: usize) {
        let verdict = self.checker.check(self.keys[key].1.as_bytes(), OffsetDateTime::now_utc(), None).await;
        assert!(matches!(verdict, Ok(Verdict::Granted(_))));
    }
}

/// Creates a database on the server of DATABASE_URL, and gives its address.
async fn new_database(name: &str) -> String {
    let url = env::var("DATABASE_URL").expect("DATABASE_URL, as scripts/with-postgres.sh sets it");
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    for statement in [FILLING, "SELECT pg_reload_conf()", &format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
    }
    url.replace("/keyward?", &format!("/{name}?"))
}

fn settings(url: &str) -> Database {
    Database {
        pool_size: 2,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        migrate_on_start: false,
        ..Database::at(url.to_owned().into())
    }
}

/// Adds rows that nobody will ask for, with ids as Keyward makes them.
async fn fill(connection: &mut PgConnection, second: i64, rows: usize, hash: &StoredHash) {
    sqlx::query(
        "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
         SELECT (lpad(to_hex($1 * 1000 + number), 12, '0') || '7' || substr(random, 1, 3) || '8' || substr(random, 4, 15))::uuid,
                'https://issuer.example', 'user-' || number, 'live', now(), now(), $3
         FROM (SELECT number, md5(random()::text) AS random FROM generate_series(1, $2) AS number) AS numbers",
    )
    .bind(second)
    .bind(rows as i64)
    .bind(hash.expose())
    .execute(connection)
    .await
    .expect("rows");
}

/// Makes keys and their checker. Hashes are as cheap as Argon2 goes, because this is not about them.
struct Maker {
    keyring: Arc<Keyring>,
    hasher: Arc<Hasher>,
}

impl Maker {
    fn new() -> Self {
        let pepper = Pepper::new("p".repeat(32).into()).expect("32 bytes");
        let keyring = Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a pepper");
        let hashing = Hashing {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            concurrency: NonZeroUsize::MIN,
            max_wait: Duration::from_secs(10),
        };
        Self { keyring: Arc::new(keyring), hasher: Arc::new(Hasher::new(&hashing).expect("valid settings")) }
    }

    async fn hash_of_nobody(&self) -> StoredHash {
        let issued = self.keyring.generate(Environment::Live, OffsetDateTime::UNIX_EPOCH);
        let pepper = self.keyring.hash_secret(issued.pepper);
        self.hasher.hash(issued.secret, pepper, Lane::Issue).await.expect("a hash")
    }

    async fn make_key(&self, ledger: &dyn KeyLedger, second: i64) -> (KeyId, String) {
        let now = OffsetDateTime::from_unix_timestamp(second).expect("a time");
        let issued = self.keyring.generate(Environment::Live, now);
        let pepper = self.keyring.hash_secret(issued.pepper);
        let hash = self.hasher.hash(issued.secret, pepper, Lane::Issue).await.expect("a hash");
        let record = KeyRecord::new(
            issued.id,
            Owner { issuer: "https://issuer.example".into(), subject: "alice".into() },
            Environment::Live,
        );
        let key = ManagedKey::new(record, None, now);
        let reach = Reach::Own(key.record.owner.clone());
        let quota = Quota::default();
        let insertion = Insertion {
            key: &key,
            fit: &|_| Ok(key.clone()),
            credits: None,
            hash: &hash,
            pepper: self.keyring.fingerprint(issued.pepper),
            reach: &reach,
            request: None,
            quota,
        };
        ledger.insert(&insertion, &Author::command_line()).await.expect("a row");
        (issued.id, issued.text.expose().to_owned())
    }

    fn checker<S: KeyStore + LimitStore + UsageStore + 'static>(&self, store: Arc<S>, keys: usize) -> KeyChecker {
        let checks = Checks { cached_keys: 2 * keys, max_cold: 1024, ..Checks::default() };
        let without_lease = Arc::new(Freshness::new(1));
        let never = LastUsed { write_every: Duration::MAX, max_pending: keys };
        let uses = Arc::new(UsageWriter::new(Arc::clone(&store) as Arc<dyn UsageStore>, never, &Usage::default()));
        KeyChecker::new(
            Arc::clone(&self.keyring),
            CheckStores { keys: Arc::clone(&store) as Arc<dyn KeyStore>, limits: store },
            Arc::clone(&self.hasher),
            without_lease,
            uses,
            &checks,
            Handle::current(),
        )
    }
}
