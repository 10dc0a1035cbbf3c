//! The dashboards, as far as that can be seen without Grafana.

use super::shipped::{dashboards, known_names, names_in};

#[test]
fn each_dashboard_is_there_and_asks_only_for_metrics_that_exist() {
    let known = known_names();
    let mut files = Vec::new();
    for dashboard in dashboards() {
        for query in &dashboard.queries {
            let names = names_in(query);
            assert!(!names.is_empty() || query.contains("ALERTS"), "{query}");
            for name in names {
                assert!(known.contains(&name), "{name} in {query} of {}", dashboard.file);
            }
        }
        files.push(dashboard.file);
    }
    files.sort();
    assert_eq!(files, ["coherence.json", "database.json", "issuers.json", "overview.json"]);
}

#[test]
fn each_panel_has_a_title_a_unit_and_the_chosen_data_source_and_none_covers_another() {
    for dashboard in dashboards() {
        let (file, content) = (&dashboard.file, &dashboard.content);
        assert_eq!(content["uid"], format!("keyward-{}", file.trim_end_matches(".json")));
        assert_eq!(content["templating"]["list"][0]["type"], "datasource", "{file}");
        let mut cells = std::collections::BTreeSet::new();
        let mut ids = std::collections::BTreeSet::new();
        for panel in content["panels"].as_array().expect("panels") {
            let title = panel["title"].as_str().expect("a title");
            assert!(ids.insert(panel["id"].as_u64()), "{file}: {title} has the id of another panel");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
            let place = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
            for x in place("x")..place("x") + place("w") {
                assert!(x < 24, "{file}: {title} is out of the page");
                for y in place("y")..place("y") + place("h") {
                    assert!(cells.insert((x, y)), "{file}: {title} covers another panel");
                }
            }
        }
    }
}
