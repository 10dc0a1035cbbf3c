//! docs/metrics.md says what the table of metrics says.

use std::{collections::BTreeMap, fmt::Write, fs};

use keyward::telemetry::metrics::{
    family::{Family, Label, Values},
    groups::GROUPS,
};

const BEGIN: &str = "<!-- What follows is made from the table of metrics: see CONTRIBUTING.md -->\n";

/// `KEYWARD_UPDATE_METRICS=1` writes the page anew.
#[test]
fn the_page_of_metrics_says_what_the_table_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = fs::read_to_string(file).expect("a readable page");
    let (above, below) = page.split_once(BEGIN).expect("the line that says where the table begins");
    let tables = tables();
    if std::env::var_os("KEYWARD_UPDATE_METRICS").is_some() {
        fs::write(file, format!("{above}{BEGIN}{tables}")).expect("a writable page");
        return;
    }
    let differs = below.lines().zip(tables.lines()).find(|(page, table)| page != table);
    assert_eq!(differs, None, "KEYWARD_UPDATE_METRICS=1 cargo test --test metrics_docs writes the page anew");
    assert_eq!(below.len(), tables.len(), "one of them is longer");
}

fn tables() -> String {
    let mut text = String::new();
    for group in GROUPS {
        write!(
            text,
            "\n## {}\n\n| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n",
            group.heading
        )
        .expect("a string");
        group.families.iter().for_each(|family| row(&mut text, family));
    }
    text +=
        "\n## Labels\n\nNo label takes a value from a request.\n\n| label | values | meaning |\n| --- | --- | --- |\n";
    for (names, label) in labels() {
        let values = match &label.values {
            Values::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Values::OfTheProgram(values) | Values::OfTheReplica(values) => (*values).to_owned(),
        };
        let mut help = label.help.to_owned();
        if names.len() == 1 && label.name == "state" {
            help = format!("Of `{}`. {help}", names[0]);
        }
        writeln!(text, "| `{}` | {values} | {help} |", label.name).expect("a string");
    }
    text
}

fn row(text: &mut String, family: &Family) {
    let labels: Vec<_> = family.labels.iter().map(|label| format!("`{}`", label.name)).collect();
    let Family { name, kind, help, .. } = family;
    writeln!(text, "| `{name}` | {kind} | {} | {} | {help} |", family.unit(), labels.join(", ")).expect("a string");
}

/// Each label once, by its name, with the metrics that have it.
fn labels() -> Vec<(Vec<&'static str>, &'static Label)> {
    let mut found: BTreeMap<(&str, &str), (Vec<&'static str>, &'static Label)> = BTreeMap::new();
    for family in GROUPS.iter().flat_map(|group| group.families) {
        for label in family.labels {
            let entry = found.entry((label.name, label.help)).or_insert_with(|| (Vec::new(), label));
            entry.0.push(family.name);
        }
    }
    found.into_values().collect()
}
