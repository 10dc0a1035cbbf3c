//! `keyward doctor` finds too little room: for connections to the database, and for open files.

use std::process::Stdio;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use test_support::{
    PrivateCluster, database,
    program::{Ended, run_beside},
    replica::{Output, command},
    superuser_pool, unique,
};

use crate::{
    commands,
    doctor_command::{examined, failed, in_state, warned},
};

/// The role owns no tables, so it can't migrate.
const NOT_ITS_OWNER: (&str, &str) = ("KEYWARD__DATABASE__MIGRATE_ON_START", "false");

async fn execute(pool: &PgPool, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await.expect("done");
}

/// What a check says that complains of nothing.
#[track_caller]
fn good<'a>((findings, _): &'a (Vec<Value>, Ended), check: &str) -> &'a str {
    let found = in_state(findings, check, "good");
    found.last().unwrap_or_else(|| panic!("{findings:#?}"))["found"].as_str().expect("a text")
}

#[tokio::test]
async fn a_server_that_is_nearly_full_is_found_by_a_role_that_may_not_see_the_sessions_of_others() {
    let cluster = PrivateCluster::start().await;
    let url = cluster.create_migrated_database("keyward").await;
    let pool = superuser_pool(&url).await;
    execute(&pool, "CREATE ROLE service LOGIN; SELECT grant_to_service('service')".to_owned()).await;
    let service = url.replacen("postgres@", "service@", 1);
    assert!(good(&examined(&service, &[NOT_ITS_OWNER]).await, "connections").contains(" are open"));
    let most: i64 = sqlx::query_scalar(
        "SELECT sum(setting::bigint * CASE name WHEN 'max_connections' THEN 1 ELSE -1 END)::bigint FROM pg_settings
         WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')",
    )
    .fetch_one(&pool)
    .await
    .expect("a number");
    let mut sessions = Vec::new();
    let fill = async |sessions: &mut Vec<PgConnection>, left: i64| {
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
                .fetch_one(&pool)
                .await
                .expect("a number");
        for _ in 0..most - open - left {
            sessions.push(PgConnection::connect(&url).await.expect("a session"));
        }
    };
    fill(&mut sessions, 14).await;
    assert!(warned(&examined(&service, &[NOT_ITS_OWNER]).await, "connections").contains(&format!(" of {most} ")));
    assert!(warned(&examined(&url, &[]).await, "connections").contains(&format!(" of {most} ")));
    // Sessions of the programs before may still end, and leave more room than was counted.
    let mut full = examined(&service, &[NOT_ITS_OWNER]).await;
    for _ in 0..10 {
        fill(&mut sessions, 3).await;
        full = examined(&service, &[NOT_ITS_OWNER]).await;
        if !in_state(&full.0, "connections", "failed").is_empty() {
            return;
        }
    }
    panic!("{full:#?}");
}

#[tokio::test]
async fn who_may_not_see_the_transactions_of_others_does_not_claim_that_there_are_none() {
    let database = database().await;
    let role = format!("doctor_{}", unique());
    let pool = database.superuser_pool().await;
    execute(&pool, format!("CREATE ROLE {role} LOGIN; SELECT grant_to_service('{role}')")).await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    assert!(
        good(&examined(&url, &[]).await, "transactions").contains(&format!("GRANT pg_read_all_stats TO \"{role}\""))
    );
    execute(&pool, format!("GRANT pg_read_all_stats TO {role}")).await;
    assert!(!good(&examined(&url, &[]).await, "transactions").contains("GRANT"));
    execute(&pool, format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_role_that_may_open_too_few_connections_is_told_so_and_not_of_poolers() {
    let database = database().await;
    let role = format!("doctor_{}", unique());
    let pool = database.superuser_pool().await;
    execute(&pool, format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; SELECT grant_to_service('{role}')")).await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let seen = examined(&url, &[]).await;
    assert!(failed(&seen, "listening").contains("too many connections for role"), "{seen:#?}");
    assert!(failed(&seen, "connections").contains("role"), "{seen:#?}");
    assert!(!seen.1.stdout.contains("pooler"), "{seen:#?}");
    let mut serve = command();
    serve.arg("serve").env("DATABASE_URL", &url).env("KEYWARD__DATABASE__MIGRATE_ON_START", "false");
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
    let output = Output::collect(&mut process);
    let waits = output.line_with("waiting for the database").await;
    assert!(waits.contains("too many connections for role") && !waits.contains("pooler"), "{waits}");
    process.kill().expect("it runs");
    process.wait().expect("it has ended");
    execute(&pool, format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// What a command says that may open no more files than this.
async fn with_files(url: &str, limit: &str, arguments: &str, env: &[(&str, &str)]) -> Ended {
    let keyward = command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit}; exec \"$0\" {arguments}")]).arg(keyward.get_program()).env_clear();
    shell.envs(keyward.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("DATABASE_URL", url).env("KEYWARD__SERVER__WORKERS", "1").envs(env.iter().copied());
    run_beside(shell).await
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "limits are those of Linux")]
async fn with_too_few_files_to_serve_doctor_fails_and_serve_does_not_start() {
    let database = database().await;
    for limit in ["-n 12", "-n 25", "-n 64", "-n 110"] {
        let ended = with_files(database.url(), limit, "doctor --json", &[]).await;
        let seen = (commands::json(&ended.stdout).as_array().expect("a list").clone(), ended);
        assert!(failed(&seen, "open files").contains(&limit[3..]), "{limit}: {seen:#?}");
        let message = with_files(database.url(), limit, "serve", &[]).await.failed();
        assert!(message.contains("open files") && message.contains("LimitNOFILE"), "{limit}: {message}");
        assert!(!message.contains("Too many open files"), "{limit}: {message}");
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "limits are those of Linux")]
async fn with_files_for_fewer_clients_than_configured_doctor_warns_and_so_it_does_of_a_pool_beyond_the_servers() {
    let database = database().await;
    let ended = with_files(database.url(), "-n 512", "doctor --json", &[]).await;
    let seen = (commands::json(&ended.stdout).as_array().expect("a list").clone(), ended);
    warned(&seen, "open files");
    warned(&examined(database.url(), &[("KEYWARD__DATABASE__POOL_SIZE", "900")]).await, "connections");
}
