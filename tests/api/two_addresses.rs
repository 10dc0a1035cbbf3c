//! The address of the service and that of the role that migrates: they lead to the same tables, or this is said.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{
    TestDatabase, database,
    program::{Ended, run_beside},
    replica::command,
};

use crate::{
    doctor_command::{examined, failed, in_state, warned},
    service_role::TwoRoles,
};

const MIGRATE_URL: &str = "KEYWARD__DATABASE__MIGRATE_URL";
const NOT_ON_START: (&str, &str) = ("KEYWARD__DATABASE__MIGRATE_ON_START", "false");

async fn keyward(word: &str, url: &str, migrate_url: &str, more: &[(&str, &str)]) -> Ended {
    let mut command = command();
    command.arg(word).env("DATABASE_URL", url).env(MIGRATE_URL, migrate_url).envs(more.iter().copied());
    run_beside(command).await
}

async fn has_tables(url: &str) -> bool {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let query = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    query.fetch_one(&mut connection).await.expect("an answer")
}

#[tokio::test]
async fn addresses_of_two_databases_are_told_apart_by_each_command_and_nothing_is_migrated() {
    let (empty, migrated) = (TestDatabase::empty().await, database().await);
    for (url, migrate_url) in [(empty.url(), migrated.url()), (migrated.url(), empty.url())] {
        for (word, more) in [("migrate", &[][..]), ("serve", &[])] {
            let told = keyward(word, url, migrate_url, more).await.failed();
            assert!(told.contains("database.migrate_url leads to another database"), "{word}: {told}");
            for url in [url, migrate_url] {
                let name = url.split('?').next().and_then(|url| url.rsplit('/').next()).expect("a name");
                assert!(told.contains(name), "{word}: {name} is not in {told}");
            }
        }
        let seen = examined(url, &[(MIGRATE_URL, migrate_url)]).await;
        assert!(failed(&seen, "migration").contains("another database"), "{seen:#?}");
        assert!(!has_tables(empty.url()).await);
    }
    // A replica that does not migrate by itself would else ask for `keyward migrate` for ever.
    let told = keyward("serve", empty.url(), migrated.url(), &[NOT_ON_START]).await.failed();
    assert!(told.contains("database.migrate_url leads to another database"), "{told}");
}

#[tokio::test]
async fn addresses_of_two_schemas_are_told_apart_and_no_second_keyward_is_made() {
    let database = database().await;
    test_support::database::execute(database.url(), "CREATE SCHEMA apart").await.expect("a schema");
    let apart = format!("{}&options[search_path]=apart", database.url());
    for (url, migrate_url) in [(database.url(), &*apart), (&*apart, database.url())] {
        let told = keyward("migrate", url, migrate_url, &[]).await.failed();
        assert!(told.contains("the schema public") && told.contains("in no schema"), "{told}");
        let seen = examined(url, &[(MIGRATE_URL, migrate_url)]).await;
        assert!(failed(&seen, "migration").contains("search_path"), "{seen:#?}");
        assert!(!has_tables(&apart).await);
    }
    // Where neither has any tables yet, it is found before they are made.
    let new = TestDatabase::empty().await;
    test_support::database::execute(new.url(), "CREATE SCHEMA apart").await.expect("a schema");
    let apart = format!("{}&options[search_path]=apart", new.url());
    for (url, migrate_url, schema) in [(&*apart, new.url(), "public"), (new.url(), &*apart, "apart")] {
        let would_make = format!("would make the tables in the schema {schema}");
        for word in ["migrate", "serve"] {
            let told = keyward(word, url, migrate_url, &[]).await.failed();
            assert!(told.contains(&would_make) && told.contains("search_path"), "{word}: {told}");
        }
        let seen = examined(url, &[(MIGRATE_URL, migrate_url)]).await;
        assert!(failed(&seen, "migration").contains(&would_make), "{seen:#?}");
        assert!(!has_tables(new.url()).await && !has_tables(&apart).await);
    }
}

/// Which migrating grants it.
#[tokio::test]
async fn a_new_schema_that_the_service_has_no_right_to_yet_is_no_other_place() {
    let mut roles = TwoRoles::make().await;
    let schema = format!("CREATE SCHEMA apart AUTHORIZATION {}", roles.owner.0);
    sqlx::query(AssertSqlSafe(schema)).execute(&mut roles.as_superuser).await.expect("a schema");
    let [service, owner] =
        [&roles.service.1, &roles.owner.1].map(|url| format!("{url}&options[search_path]=apart,public"));
    let migrated = keyward("migrate", &service, &owner, &[]).await.succeeded();
    assert!(migrated.starts_with("Applied"), "{migrated}");
    assert!(has_tables(&service).await && !has_tables(&roles.service.1).await);
    roles.drop_roles().await;
}

#[tokio::test]
async fn doctor_connects_as_the_role_that_migrates_and_finds_one_that_can_not() {
    let roles = TwoRoles::migrated().await;
    let (service, owner) = (&*roles.service.1, &*roles.owner.1);
    let good = examined(service, &[(MIGRATE_URL, owner)]).await;
    assert_eq!(in_state(&good.0, "migration", "good").len(), 1, "{good:#?}");
    assert_eq!(good.1.code, Some(0), "{good:#?}");
    // As `keyward serve` would, which takes the service's role if there is no other, and starts while there is nothing
    // to migrate.
    for env in [&[(MIGRATE_URL, service)][..], &[]] {
        let seen = examined(service, env).await;
        assert!(warned(&seen, "migration").contains("does not own the tables"), "{seen:#?}");
    }
    let nowhere = "postgres://owner@127.0.0.1:1/keyward?sslmode=disable";
    let seen = examined(service, &[(MIGRATE_URL, nowhere)]).await;
    assert!(failed(&seen, "migration").starts_with("database.migrate_url: 127.0.0.1:1 refuses"), "{seen:#?}");
    // Which does not matter to a replica that does not migrate.
    let seen = examined(service, &[(MIGRATE_URL, nowhere), NOT_ON_START]).await;
    assert!(warned(&seen, "migration").contains("127.0.0.1:1"), "{seen:#?}");
    let unasked = examined(service, &[NOT_ON_START]).await;
    assert!(unasked.0.iter().all(|finding| finding["check"] != "migration"), "{unasked:#?}");
    roles.drop_roles().await;
}
