//! The tables `[[scopes]]`.

use super::*;
use crate::config::KeyPolicy;

/// The policy from this file.
fn read(toml: &str) -> Result<KeyPolicy, Problems> {
    let folder = Folder::new("scopes");
    let file = folder.file("keyward.toml", toml);
    load_with(Some(file), good_env_and(&[])).validate().map(|config| config.keys.policy)
}

#[test]
fn scopes_are_described_in_order_and_only_their_name_is_required() {
    let toml = "[[scopes]]\nname = \"b\"\ndescription = \"does b\"\ngroup = \"Letters\"\n[[scopes]]\nname = \"a\"\n\
                [keys]\nrefuse_unknown_scopes = true\n";
    let policy = read(toml).expect("valid");
    let told: Vec<_> = policy
        .catalogue
        .as_slice()
        .iter()
        .map(|one| (one.scope.as_str(), one.description.as_ref().map(|text| text.as_str()), one.group.is_some()))
        .collect();
    assert_eq!(told, [("b", Some("does b"), true), ("a", None, false)]);
    assert!(policy.refuse_unknown_scopes);
    let without = config_with(&[]).keys.policy;
    assert!(without.catalogue.as_slice().is_empty() && !without.refuse_unknown_scopes);
}

#[test]
fn whatever_is_wrong_in_a_table_is_said_with_its_place() {
    let long = "x".repeat(201);
    for (toml, cause) in [
        ("[[scopes]]\ndescription = \"x\"", "number 1: name is not set"),
        ("[[scopes]]\nname = \"a b\"", "number 1 (a b): name is no scope"),
        ("[[scopes]]\nname = 1", "number 1: name is not a text"),
        (
            "[[scopes]]\nname = \"a\"\ndescriptions = \"x\"",
            "descriptions is not a setting of a scope: did you mean description?",
        ),
        (&format!("[[scopes]]\nname = \"a\"\ndescription = {long:?}"), "description is not 1 to 200 characters"),
        (&format!("[[scopes]]\nname = \"a\"\ngroup = {long:?}"), "group is not 1 to 200 characters"),
        ("[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"a\"", "describes a twice"),
        ("[[scopes]]\nname = \"keyward:admin\"", "describes keyward:admin, which no key may have"),
        (&"[[scopes]]\nname = \"a\"\n".repeat(201), "holds more than 200 scopes"),
        ("scopes = \"a\"", "scopes"),
        ("[keys]\nrefuse_unknown_scopes = true", "keys.refuse_unknown_scopes"),
    ] {
        let problems = problems_of(read(&format!("{toml}\n")));
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(cause), "{cause}: {problems:#?}");
    }
    let problems = problems_with(&[("KEYWARD__SCOPES", "orders:read")]);
    assert!(problems[0].contains("a list of tables: [[scopes]] in the configuration file"), "{problems:#?}");
}
