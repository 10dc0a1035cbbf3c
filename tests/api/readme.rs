//! What the documents show is what happens: the README's session, the life of a key, and what is used of it.

use test_support::session::{Dev, check, line_fits};

const README: &str = include_str!("../../README.md");
const KEYS: &str = include_str!("../../docs/keys.md");
/// Pages that are read each for itself.
const OF_USE: [(&str, &str); 3] = [
    ("limits", include_str!("../../docs/limits.md")),
    ("plans", include_str!("../../docs/plans.md")),
    ("usage", include_str!("../../docs/usage.md")),
];

#[tokio::test]
async fn the_session_in_the_readme_is_what_happens() {
    let dev = Dev::start("readme");
    let printed = dev.welcome().await;
    let mut steps = dev.session(README).await;
    let welcome = steps.remove(0);
    assert_eq!(welcome.command, "cargo run -- dev");
    for line in welcome.output.lines() {
        assert!(printed.lines().any(|printed| line_fits(line, printed)), "{line}\nis not in\n{printed}");
    }
    assert!(steps.len() > 5, "the session was not found");
    check(&steps);
}

#[tokio::test]
async fn the_life_of_a_key_in_the_documents_is_what_happens() {
    let dev = Dev::start("life");
    dev.welcome().await;
    let steps = dev.session(KEYS).await;
    assert!(steps.len() > 30, "the session was not found");
    check(&steps);
}

#[tokio::test]
async fn the_examples_of_limits_plans_and_usage_work_in_the_order_of_their_page() {
    for (name, page) in OF_USE {
        let dev = Dev::start(name);
        dev.welcome().await;
        let steps = dev.session(page).await;
        assert!(steps.len() > 1, "the session of {name} was not found");
        assert!(steps.iter().all(|step| !step.command.starts_with("curl") || !step.output.is_empty()), "{name}");
        check(&steps);
    }
}
