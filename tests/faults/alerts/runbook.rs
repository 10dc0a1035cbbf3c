//! The runbook has what somebody needs whom an alert has woken up.

use super::shipped::{alerts, text};

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert() {
    let runbook = text("docs/runbook.md");
    let entries: Vec<&str> = runbook.split("\n## Keyward").skip(1).collect();
    let named: Vec<String> =
        entries.iter().map(|entry| format!("Keyward{}", entry.lines().next().expect("a heading"))).collect();
    assert_eq!(named, alerts(), "in the order of the alerts");
    for (name, entry) in named.iter().zip(entries) {
        let mut rest = entry;
        for part in ["**Means**: ", "**Users notice**: ", "**Look first**: ", "**Fix**: "] {
            let found = rest.split_once(part);
            let (_, after) = found.unwrap_or_else(|| panic!("{name} lacks {part}, or has it in another place"));
            rest = after;
        }
    }
}
