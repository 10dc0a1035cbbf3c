//! Poolers that Keyward can't work behind, and addresses that must lead past one: found at start, with the remedy.

use std::time::Duration;

use test_support::{
    database,
    pgbouncer::{PgBouncer, Program, pooled},
    program::run_beside,
    replica::command,
};

/// What `keyward` says that can't start with these settings.
async fn says(arguments: &[&str], env: &[(&str, &str)]) -> String {
    let mut keyward = command();
    keyward.args(arguments).env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "1m").envs(env.iter().copied());
    tokio::time::timeout(Duration::from_secs(60), run_beside(keyward)).await.expect("an end").failed()
}

#[tokio::test]
async fn behind_a_pooler_that_nobody_spoke_of_nothing_starts_and_the_reason_is_told() {
    let database = database().await;
    for program in Program::all() {
        for (settings, reason) in [
            ("pool_mode = session", "is a pooler that rejects Keyward's session settings"),
            ("pool_mode = transaction", "is a pooler that rejects Keyward's session settings"),
            (
                "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
                "Keyward's session settings did not arrive",
            ),
            (
                "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
                "Keyward's session settings did not arrive",
            ),
        ] {
            let pooler = PgBouncer::before(&program, database.url(), settings).await;
            let said = says(&["serve"], &[("DATABASE_URL", &pooler.url(database.url()))]).await;
            assert!(said.contains(reason) && said.contains("database.url"), "{program:?}, {settings}: {said}");
            assert!(said.contains("database.pooler"), "{program:?}, {settings}: {said}");
        }
    }
}

#[tokio::test]
async fn a_pooler_that_would_mix_up_prepared_statements_is_refused_with_what_it_needs() {
    let database = database().await;
    for program in Program::all() {
        let settings: &[&str] = match program.keeps_statements {
            true => &["pool_mode = transaction\nmax_prepared_statements = 0", "pool_mode = session"],
            false => &["pool_mode = transaction", "pool_mode = session"],
        };
        for settings in settings {
            let pooler = PgBouncer::before(&program, database.url(), settings).await;
            let url = pooler.url(database.url());
            let said = says(&["serve"], &pooled(&url, database.url())).await;
            let told = said.contains("database.url") && said.contains("PgBouncer 1.21 or later");
            assert!(told && said.contains("max_prepared_statements above 0"), "{program:?}, {settings}: {said}");
        }
    }
}

#[tokio::test]
async fn a_pooler_without_transactions_is_refused() {
    let database = database().await;
    for program in Program::all() {
        let pooler = PgBouncer::before(&program, database.url(), "pool_mode = statement").await;
        let said = says(&["serve"], &pooled(&pooler.url(database.url()), database.url())).await;
        assert!(said.contains("database.url") && said.contains("pool_mode = transaction"), "{program:?}: {said}");
    }
}

#[tokio::test]
async fn where_no_pooler_is_the_setting_for_one_is_refused() {
    let database = database().await;
    let said = says(&["serve"], &pooled(database.url(), database.url())).await;
    assert!(said.contains("database.url") && said.contains("remove database.pooler"), "{said}");
}

#[tokio::test]
async fn a_pooler_needs_an_address_past_it() {
    let database = database().await;
    let url = ("DATABASE_URL", database.url());
    for arguments in [&["serve"][..], &["migrate"]] {
        let said = says(arguments, &[url, ("KEYWARD__DATABASE__POOLER", "transaction")]).await;
        assert!(said.contains("database.listen_url") && said.contains("Postgres itself"), "{said}");
    }
    let said = says(&["serve"], &[url, ("KEYWARD__DATABASE__POOLER", "session")]).await;
    assert!(said.contains("database.pooler") && said.contains(r#""none" or "transaction""#), "{said}");
}

#[tokio::test]
async fn nothing_listens_or_migrates_through_a_pooler() {
    let Some(program) = Program::that_keeps_statements() else { return };
    let database = database().await;
    for (settings, reason) in [
        ("pool_mode = transaction", "is a pooler that rejects Keyward's session settings"),
        (
            "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
            "Keyward's session settings did not arrive",
        ),
    ] {
        let settings = format!("{settings}\nmax_prepared_statements = 100");
        let pooler = PgBouncer::before(&program, database.url(), &settings).await;
        let url = pooler.url(database.url());
        for arguments in [&["serve"][..], &["migrate"]] {
            let said = says(arguments, &pooled(&url, &url)).await;
            assert!(said.contains("database.listen_url") && said.contains(reason), "{settings}: {said}");
            let owner = [("KEYWARD__DATABASE__MIGRATE_URL", &*url)];
            let said = says(arguments, &[&pooled(&url, database.url())[..], &owner].concat()).await;
            assert!(said.contains("database.migrate_url") && said.contains(reason), "{settings}: {said}");
        }
    }
}
