//! The role that brings the schema up to date: how it connects, and whether it works where the service does.

use sqlx::{Connection, PgConnection};

use crate::{
    config::{Database, Pooler},
    store::{
        Store,
        connections::{
            failure::{self, ConnectFailure},
            opening::OpenError,
            servers::Servers,
        },
        rights,
    },
};

/// What to do where the owner and the service look into different schemas.
const SAME_SEARCH_PATH: &str =
    "Let both roles have the same search_path (ALTER ROLE … SET search_path), or both addresses";

/// What `keyward doctor` learns of the role that brings the schema up to date.
#[derive(Clone, Debug)]
pub struct OwnerExamination {
    /// The setting with its address.
    pub setting: &'static str,
    /// The role.
    pub role: String,
    /// Why what it migrates is not what the service works with, if so.
    pub elsewhere: Option<String>,
    /// Whether it may change the tables, and make more.
    pub may_migrate: bool,
}

/// The servers by which the schema is brought up to date.
pub(super) fn servers(settings: &Database) -> Result<Servers, OpenError> {
    let name = "keyward/migrate";
    match &settings.migrate_url {
        // Another role, with its own password.
        Some(url) => Servers::new(settings, failure::OWNER, url, settings.migrate_password.as_ref(), name),
        None => {
            // A migration takes a lock of the session, and any time. Neither is for a pooler.
            let (place, url) = match (&settings.listen_url, settings.pooler) {
                (Some(url), Pooler::Transaction) => (failure::LISTENER, url),
                _ => (failure::SERVICE, &settings.url),
            };
            Servers::new(settings, place, url, settings.password.as_ref(), name)
        }
    }
}

/// Where the tables are, as the owner and the service see it.
struct Places {
    is_one_database: bool,
    /// The schemas in which each finds the tables.
    of_owner: Option<String>,
    of_service: Option<String>,
    /// Whether the service would see them if it had the right to.
    is_closed_to_service: bool,
    /// Where the owner would make them, if the service would not look for them there.
    out_of_sight: Option<String>,
}

impl Store {
    /// Connects as the role that brings the schema up to date, and asks whether it could.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn examine_owner(&self, settings: &Database) -> Result<OwnerExamination, OpenError> {
        let servers = servers(settings)?;
        let mut connection = servers.connect().await?;
        let examined = async {
            let elsewhere = self.elsewhere(&mut connection, &servers).await?.err().map(|why| why.to_string());
            let may_migrate = may_migrate(&mut connection).await.map_err(|error| servers.explain_chosen(&error))?;
            let (setting, role) = (servers.setting(), servers.role().to_owned());
            Ok(OwnerExamination { setting, role, elsewhere, may_migrate })
        };
        let examined = examined.await;
        let _ = connection.close().await;
        examined
    }

    /// Requires that the owner works where the service does, as far as there is anything. Returns the schema.
    pub(super) async fn demand_one_place(
        &self,
        owner: &mut PgConnection,
        servers: &Servers,
    ) -> Result<Option<String>, OpenError> {
        Ok(self.elsewhere(owner, servers).await??)
    }

    /// The same for a replica that does not migrate, and finds an older schema. Whether the owner can be reached is not
    /// its concern.
    pub(super) async fn demand_one_place_if_known(&self, settings: &Database) -> Result<(), OpenError> {
        let servers = servers(settings)?;
        let Ok(mut connection) = servers.connect().await else { return Ok(()) };
        let elsewhere = self.elsewhere(&mut connection, &servers).await;
        let _ = connection.close().await;
        match elsewhere {
            Ok(Err(why)) => Err(why.into()),
            _ => Ok(()),
        }
    }

    /// The schema in which the owner finds the tables, or why these are not those of the service.
    async fn elsewhere(
        &self,
        owner: &mut PgConnection,
        servers: &Servers,
    ) -> Result<Result<Option<String>, ConnectFailure>, OpenError> {
        if servers.setting() == self.servers.setting() {
            return Ok(Ok(schema(owner).await.map_err(|error| servers.explain_chosen(&error))?));
        }
        let Places { is_one_database, of_owner, of_service, is_closed_to_service, out_of_sight } =
            self.places(owner, servers).await?;
        let setting = servers.setting();
        Ok(if !is_one_database {
            Err(ConnectFailure::for_good(format!(
                "{setting} leads to another database ({}) than database.url ({}): what is migrated there, the service does \
                 not see",
                servers.shown(),
                self.servers.shown()
            ))
            .remedied("Let both name the same, also after a restore"))
        } else if let (None, None, Some(schema)) = (&of_owner, &of_service, out_of_sight) {
            Err(ConnectFailure::for_good(format!(
                "{setting} would make the tables in the schema {schema}, and database.url does not look for them there"
            ))
            .remedied(SAME_SEARCH_PATH))
        } else if of_owner == of_service || (of_service.is_none() && is_closed_to_service) {
            Ok(of_owner)
        } else {
            let shown =
                |schema: Option<String>| schema.map_or("no schema".to_owned(), |name| format!("the schema {name}"));
            Err(ConnectFailure::for_good(format!(
                "{setting} finds the tables in {}, and database.url in {}",
                shown(of_owner),
                shown(of_service)
            ))
            .remedied(SAME_SEARCH_PATH))
        })
    }

    async fn places(&self, owner: &mut PgConnection, servers: &Servers) -> Result<Places, OpenError> {
        // Locks of applications are those of one database on one server. Names would not do: a copy has the same.
        let lock: i64 = rand::random();
        let explain = |error: sqlx::Error| servers.explain_chosen(&error);
        sqlx::query!("SELECT pg_advisory_lock($1)", lock).execute(&mut *owner).await.map_err(explain)?;
        let mut of_owner = schema(owner).await.map_err(explain)?;
        let target = creation_schema(owner).await.map_err(explain)?;
        let mut service = self.servers.connect().await?;
        let seen = async {
            // Behind a pooler, this is within a transaction.
            let query = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "is_free!""#, lock);
            let is_free = query.fetch_one(&mut service).await?;
            let is_closed = rights::missing(&mut service).await?.is_some();
            // Without a schema to make them in, the migrator says so.
            let out_of_sight = match target {
                Some(target) if !looks_into(&mut service, &target).await? => Some(target),
                _ => None,
            };
            Ok::<_, sqlx::Error>((is_free, schema(&mut service).await?, is_closed, out_of_sight))
        };
        let seen = seen.await.map_err(|error| self.servers.explain_chosen(&error));
        let _ = service.close().await;
        let (is_free, of_service, is_closed_to_service, out_of_sight) = seen?;
        sqlx::query_scalar!("SELECT pg_advisory_unlock($1)", lock).fetch_one(&mut *owner).await.map_err(explain)?;
        if of_owner.is_none() && of_service.is_some() {
            // Another replica may be making them just now.
            of_owner = schema(owner).await.map_err(explain)?;
        }
        Ok(Places { is_one_database: !is_free, of_owner, of_service, is_closed_to_service, out_of_sight })
    }
}

/// The schema in which a session finds the tables.
async fn schema(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT relnamespace::regnamespace::text AS "schema!" FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')"#
    );
    query.fetch_optional(connection).await
}

/// The schema in which a session makes tables.
async fn creation_schema(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT current_schema()::text").fetch_one(connection).await
}

/// Whether a session looks for tables in a schema, or would once it has the right to, which migrating grants. A schema
/// without that right is only in the setting.
async fn looks_into(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT $1 = ANY (current_schemas(false)::text[])
                  OR $1 IN (SELECT replace(trim(part, '" '), '$user', current_user)
                            FROM unnest(string_to_array(current_setting('search_path'), ',')) AS part) AS "looks!""#,
        schema
    );
    query.fetch_one(connection).await
}

/// Whether a session's role may change the tables and make more, as each month needs some.
async fn may_migrate(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar!(
        r#"SELECT coalesce((SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE')
                            FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')),
                           has_schema_privilege(current_schema(), 'CREATE'), false) AS "may_migrate!""#
    );
    query.fetch_one(connection).await
}
