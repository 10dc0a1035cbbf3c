//! docs/configuration.md lists exactly the settings of keyward.default.toml, with their defaults.

use std::collections::BTreeMap;

use config::{File, FileFormat, Source, Value, ValueKind};

const DEFAULTS: &str = include_str!("../keyward.default.toml");
const DOCS: &str = include_str!("../docs/configuration.md");

#[test]
fn the_documentation_lists_every_setting_with_its_default_and_no_other() {
    let actual = defaults();
    let documented = documented(|columns| columns[2].to_owned());
    assert!(!actual.is_empty());
    let mut differences = Vec::new();
    for (setting, default) in &actual {
        match documented.get(setting) {
            None => differences.push(format!("{setting} is not documented")),
            Some(told) if told != default => {
                differences.push(format!("{setting} is {default}, documented as {told}"));
            }
            Some(_) => {}
        }
    }
    for setting in documented.keys().filter(|name| !actual.contains_key(*name)) {
        differences.push(format!("{setting} is documented but doesn't exist"));
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn the_documentation_names_the_environment_variable_of_every_setting() {
    for (setting, variables) in documented(|columns| columns[1].to_owned()) {
        let name = format!("KEYWARD__{}", setting.to_uppercase().replace('.', "__"));
        let first = variables.split('`').next();
        assert_eq!(first, Some(name.as_str()), "{setting}");
    }
}

/// Every setting of the default file by its dotted name, with its default written like TOML.
fn defaults() -> BTreeMap<String, String> {
    let sections = File::from_str(DEFAULTS, FileFormat::Toml).collect().expect("the defaults are TOML");
    let mut settings = BTreeMap::new();
    for (section, table) in sections {
        for (name, value) in table.into_table().expect("all settings are in sections") {
            settings.insert(format!("{section}.{name}"), toml(&value));
        }
    }
    settings
}

fn toml(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// One column of the tables' rows, by setting. Rows are those whose first cell is code with a dot.
fn documented(column: fn(&[&str]) -> String) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for row in DOCS.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let twice = settings.insert(cells[0].to_owned(), column(&cells));
        assert!(twice.is_none(), "{} is documented twice", cells[0]);
    }
    settings
}
