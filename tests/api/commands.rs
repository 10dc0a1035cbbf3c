//! Commands that work on a database of the test's.

use serde_json::Value;
use test_support::{
    TestDatabase,
    program::{Ended, run_beside, run_fed},
    replica::command,
};

/// `keyward` with the settings of the tests.
pub(crate) async fn keyward(database: &TestDatabase, arguments: &[&str]) -> Ended {
    run_beside(on(database, arguments)).await
}

/// The same with this on its standard input.
pub(crate) async fn keyward_fed(database: &TestDatabase, arguments: &[&str], input: &str) -> Ended {
    let (mut command, input) = (on(database, arguments), input.to_owned());
    tokio::task::spawn_blocking(move || run_fed(&mut command, &input)).await.expect("the command ended")
}

fn on(database: &TestDatabase, arguments: &[&str]) -> std::process::Command {
    let mut command = command();
    command.args(arguments).env("DATABASE_URL", database.url());
    command
}

/// What a command has printed, as JSON.
#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
