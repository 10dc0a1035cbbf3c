//! A migrated database for one test: a clone of a template that is made once for each state of
//! `migrations/`.
//!
//! It is dropped with its test, although the cluster goes too after the run: at 8 MB each, three
//! hundred of them would be 2.4 GB of memory.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection};
use tokio::runtime::{self, Runtime};

use crate::cluster::Cluster;
use crate::{in_own_runtime, unique};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

/// PostgreSQL's code for "there is no such database".
const NO_SUCH_DATABASE: &str = "3D000";

/// A new database with all migrations applied, and no rows but theirs.
pub async fn database() -> TestDatabase {
    tokio::task::spawn_blocking(TestDatabase::create).await.expect("making the test's database failed")
}

/// A database that is dropped with this value, whoever is still connected to it.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// As [`database`], for a test that isn't `async`.
    pub fn create() -> Self {
        let cluster = Cluster::get();
        let template = template_name();
        let name = format!("t_{}", unique());
        // The default strategy writes all 8 MB into the write-ahead log: 14 ms and more, not 6.
        let clone = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
        if let Err(error) = administer(async |connection| run(connection, &clone).await) {
            let code = error.as_database_error().and_then(|e| e.code());
            assert_eq!(code.as_deref(), Some(NO_SUCH_DATABASE), "{clone}: {error}");
            Cluster::exclusively(|| in_own_runtime(|| make_template(cluster, &template)))
                .expect("migrating the template database failed");
            administer(async |connection| run(connection, &clone).await).expect("cloning the template failed");
        }
        let url = cluster.url(&name);
        Self { name, url }
    }

    /// A database without any migration, for a test of those.
    pub async fn empty() -> Self {
        let create = || {
            let name = format!("t_{}", unique());
            let create = format!("CREATE DATABASE {name} STRATEGY FILE_COPY");
            administer(async |connection| run(connection, &create).await).expect("making an empty database failed");
            Self { url: Cluster::get().url(&name), name }
        };
        tokio::task::spawn_blocking(create).await.expect("making the test's database failed")
    }

    /// Its URL, as the configuration of Keyward takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Two connections with all rights, for a test that looks at the rows, or changes them behind
    /// Keyward's back.
    pub async fn superuser_pool(&self) -> PgPool {
        superuser_pool(&self.url).await
    }

    /// The URL of a schema beside the first, with all migrations applied.
    pub async fn another_schema(&self, name: &str) -> String {
        execute(&self.url, &format!("CREATE SCHEMA {name}")).await.expect("a schema");
        let url = format!("{}&options[search_path]={name}", self.url);
        migrate(&url).await.expect("its tables");
        url
    }

    /// The channels of the first schema: of changes, of replicas and of pulses.
    pub async fn channels(&self) -> [String; 3] {
        let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
        let names = "SELECT own_channel('keyward'), own_channel('keyward_replicas'), own_channel('keyward_pulses')";
        let names: (String, String, String) = sqlx::query_as(names).fetch_one(&mut connection).await.expect("names");
        names.into()
    }

    /// Makes it look as if all migrations before the schema's own channels were of long ago, so that replicas of
    /// versions before those may still run.
    pub async fn was_made_long_ago(&self) {
        let long_ago = "UPDATE _sqlx_migrations SET installed_on = installed_on - interval '1 year' WHERE version < 17";
        execute(&self.url, long_ago).await.expect("an update");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // If that fails, it goes with the cluster.
        let _ = administer(async |connection| drop_database(connection, &self.name).await);
    }
}

/// `WITH (FORCE)` alone would do, but it looks only every 100 ms whether the sessions have ended.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    for _ in 0..50 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        let ended = sqlx::query(end).bind(name).fetch_all(&mut *connection).await?;
        if ended.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    run(connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await
}

/// Two connections with all rights to any database of the tests.
pub async fn superuser_pool(url: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(10))
        .connect(url)
        .await
        .expect("the test's database does not answer")
}

/// Applies all migrations to the database at `url`.
pub async fn migrate(url: &str) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await?;
    let migrator = Migrator::new(Path::new(MIGRATIONS)).await?;
    migrator.run(&mut connection).await?;
    connection.close().await
}

/// Works on whole databases, on one connection for all tests of this process: a new one for each would be a tenth of
/// what a test costs. On a thread of its own, so that it can be called from anywhere, as [`in_own_runtime`].
fn administer<T: Send>(work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error> + Send) -> Result<T, Error> {
    static CONNECTED: Mutex<Option<(Runtime, PgConnection)>> = Mutex::new(None);
    let run = || {
        // A panic while it was locked left the connection as it was.
        let mut connected = CONNECTED.lock().unwrap_or_else(PoisonError::into_inner);
        let (runtime, connection) = match &mut *connected {
            Some(connected) => connected,
            none => {
                let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let connection = runtime.block_on(PgConnection::connect(&Cluster::get().url("postgres")))?;
                none.insert((runtime, connection))
            }
        };
        runtime.block_on(work(connection))
    };
    thread::scope(|scope| scope.spawn(run).join()).expect("no panic")
}

/// Runs one statement on a connection of its own.
pub async fn execute(url: &str, statement: &str) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await?;
    run(&mut connection, statement).await?;
    connection.close().await
}

/// The text of `statement` is made of our own names only; names can't be bound.
async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), Error> {
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}

/// Makes the template if nobody has meanwhile. It gets its name when it is complete.
async fn make_template(cluster: &Cluster, name: &str) -> Result<(), Error> {
    let new = format!("{name}_new");
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await?;
    let made: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_optional(&mut connection)
        .await?;
    connection.close().await?;
    if made.is_some() {
        return Ok(());
    }
    for statement in [format!("DROP DATABASE IF EXISTS {new} WITH (FORCE)"), format!("CREATE DATABASE {new}")] {
        execute(&cluster.url("postgres"), &statement).await?;
    }
    migrate(&cluster.url(&new)).await?;
    // The first session after the migrations writes down what every session has to know of the catalogue. A clone has
    // it, too.
    execute(&cluster.url(&new), "SELECT").await?;
    // A connection to a template would make cloning it fail; nobody can have one now.
    for statement in
        [format!("ALTER DATABASE {new} WITH ALLOW_CONNECTIONS false"), format!("ALTER DATABASE {new} RENAME TO {name}")]
    {
        execute(&cluster.url("postgres"), &statement).await?;
    }
    Ok(())
}

/// Named by what is in `migrations/`, so that a changed migration gets a new template.
fn template_name() -> String {
    let entries = fs::read_dir(MIGRATIONS).unwrap_or_else(|e| panic!("{MIGRATIONS}: {e}"));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    format!("template_{:016x}", hasher.finish())
}

/// The socket of the server that a database of the tests is on, and the database's name.
pub fn server_socket(url: &str) -> (std::path::PathBuf, String) {
    let options: PgConnectOptions = url.parse().expect("a Postgres address");
    let folder = options.get_socket().expect("the tests' servers listen on a socket");
    let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
    (socket, options.get_database().expect("a database").to_owned())
}
