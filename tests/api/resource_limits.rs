//! What a replica takes of the system and of the database: no more connections and files than it says.

use std::process::{Command, Stdio};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::KEYS,
    client::client,
    database, eventually,
    replica::{Output, Replica, command},
};

/// The service's connections, as the database counts them.
async fn connections(rows: &PgPool) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity
                 WHERE application_name LIKE 'keyward/%' AND datname = current_database()";
    sqlx::query_scalar(query).fetch_one(rows).await.expect("a number")
}

/// What a default setting is, from the commented file.
fn default_of(name: &str) -> i64 {
    let defaults = keyward::config::DEFAULTS;
    let line = defaults.lines().find_map(|line| line.strip_prefix(&format!("{name} = "))).expect("a setting");
    line.parse().expect("a number")
}

#[tokio::test]
async fn a_busy_replica_has_as_many_connections_as_it_says_at_its_start_and_as_the_documents_say() {
    let database = database().await;
    let replica = Replica::start_on(database.url(), &[]).await;
    let line: Value = serde_json::from_str(&replica.prints("Server running on port").await).expect("JSON");
    let said = line["database_connections"].as_i64().expect("a number");
    let sum = default_of("pool_size") + default_of("admin_connections") + 3;
    assert_eq!(said, sum);
    let documents = std::fs::read_to_string("docs/configuration.md").expect("the document");
    assert!(documents.contains(&format!("{said} connections")), "docs/configuration.md doesn't say {said} connections");

    let (administrator, alice) = (Person::administrator(), Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    let admin_path = key.admin_path();
    // Nobody gets further than the table, so all who ask keep a connection, as far as there are any.
    let mut lock = PgConnection::connect(database.url()).await.expect("a connection");
    sqlx::raw_sql("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.expect("a lock");
    let people: Vec<_> = (0..20).map(|number| Person::named(&format!("person-{number}"))).collect();
    let ask = async || {
        let owners = join_all(people.iter().map(|person| person.gets(&replica, KEYS)));
        let administrators =
            join_all((0..4).map(|_| administrator.patches(&replica, &admin_path, json!({ "name": "x" }))));
        tokio::join!(owners, administrators)
    };
    let most = std::cell::Cell::new(0);
    let rows = database.superuser_pool().await;
    let all_are_there = async || {
        let count = connections(&rows).await;
        most.set(most.get().max(count));
        // The one for acknowledgements is made when there is another replica's change.
        count >= said - 1
    };
    let asked = async {
        loop {
            ask().await;
        }
    };
    tokio::select! {
        () = eventually("all connections", all_are_there) => {}
        () = asked => {}
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.expect("unlocked");
    assert!(most.get() <= said, "{} connections, and {said} were told", most.get());
}

#[test]
fn the_compose_file_has_connections_for_all_the_replicas_that_its_load_balancer_knows() {
    let compose = std::fs::read_to_string("docker-compose.yml").expect("the file");
    let haproxy = std::fs::read_to_string("deploy/compose/haproxy.cfg").expect("the file");
    let number = |text: &str, before: &str| -> i64 {
        let (_, after) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?}"));
        after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
    };
    let replicas = number(&haproxy, "server-template replica ");
    let each = default_of("pool_size") + default_of("admin_connections") + 3;
    // While it starts, each has one for migrations and one to look around; Postgres keeps three for superusers.
    let needed = replicas * (each + 1) + 3;
    assert!(number(&compose, "max_connections=") >= needed, "{replicas} replicas may need {needed} connections");
    assert!(!compose.contains("KEYWARD__DATABASE__POOL_SIZE"), "the sum is made of the defaults");
}

/// `keyward serve` in a shell that has set limits.
fn limited(limits: &str, database: &TestDatabase) -> Command {
    let serve = command();
    let mut shell = Command::new("sh");
    shell.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", &format!("{limits}; exec \"$0\" serve")]).arg(serve.get_program());
    shell.env("DATABASE_URL", database.url()).env("KEYWARD__SERVER__WORKERS", "1");
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "limits are read from /proc")]
async fn the_soft_limit_of_open_files_is_raised_at_the_start() {
    let database = database().await;
    let mut shell = limited("ulimit -Sn 256", &database);
    shell.env("KEYWARD__SERVER__MAX_CONNECTIONS", "500");
    let mut process = shell.spawn().expect("a shell");
    let output = Output::collect(&mut process);
    output.line_with("Server running on port").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).expect("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let soft: u64 = line.split_whitespace().nth(3).expect("a number").parse().expect("a number");
    assert!(soft > 500, "{line}");
    assert!(!output.text().contains("fewer connections"), "{}", output.text());
    let _ = process.kill();
    let _ = process.wait();
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "limits are those of Linux")]
async fn where_the_hard_limit_is_too_low_fewer_clients_are_taken_and_the_database_still_gets_its_connections() {
    let database = database().await;
    let mut shell = limited("ulimit -n 256", &database);
    shell.env("KEYWARD__SERVER__KEEP_ALIVE", "1m");
    let mut process = shell.spawn().expect("a shell");
    let output = Output::collect(&mut process);
    let line = output.line_with("fewer connections are taken").await;
    let told: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(told["open_files"], 256, "{line}");
    let running = output.line_with("Server running on port").await;
    let running: Value = serde_json::from_str(&running).expect("JSON");
    assert_eq!(running["max_connections"], told["max_connections"], "{running}");
    let address = running["address"].as_str().expect("an address").to_owned();
    // Who is connected is answered, from the database, however many others come.
    let known = client();
    let ready =
        async || known.get(format!("http://{address}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200);
    eventually("readiness", ready).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(tokio::net::TcpStream::connect(&address).await.expect("the system takes it"));
    }
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(ready().await, "{}", output.last());
    }
    assert!(!output.text().contains("Error accepting connection"), "{}", output.last());
    let _ = process.kill();
    let _ = process.wait();
}
