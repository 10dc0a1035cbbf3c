//! Every route is described, and the documented names of everything clients send are those that the readers use.

use std::collections::{BTreeSet, HashMap};

use actix_web::test::TestRequest;
use serde_json::{Map, Value, json};

use super::{answers, bodies, description, operations, parameters, paths, text, told};
use crate::{
    api::{
        handlers::{
            audit,
            keys::{self, requests},
            owners, tokens, verify,
        },
        routes::ENDPOINTS,
        wire::{
            asked,
            fields::{Fields, parsed},
            parameters::Parameters,
        },
    },
    auth::jwt::TokenVerifier,
    config::{Settings, Sources},
    domain::{
        api_key::{Environment, Keyring, Pepper},
        key_record::{DisabledBy, KeyState},
        ledger::Reach,
        owner::Owner,
    },
};

/// A verifier for tokens signed with a shared secret.
fn verifier() -> TokenVerifier {
    let base = vec![("jwt.secret", "Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4u-jwt-signing".to_owned())];
    let settings = Settings::load(Sources { base, ..Sources::default() }).expect("readable settings");
    TokenVerifier::new(&settings.jwt().expect("valid settings"), &HashMap::new()).expect("usable keys")
}

/// The names of all members that a body may have, except those within the metadata.
fn documented(body: &str) -> BTreeSet<String> {
    fn collect(schema: &Value, names: &mut BTreeSet<String>) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            names.insert(name.clone());
            collect(member, names);
        }
        // An owner can be named in more than one way.
        if schema["$ref"] == "#/components/schemas/WhichOwner" {
            let (_, owner) = bodies::schemas().find(|(name, _)| name == "WhichOwner").expect("a schema of that name");
            owner["anyOf"].as_array().into_iter().flatten().for_each(|way| collect(way, names));
        }
    }
    let (_, schema) = bodies::schemas().find(|(name, _)| name == body).expect("a body of that name");
    let mut names = BTreeSet::new();
    collect(&schema, &mut names);
    assert!(!names.is_empty(), "{body}");
    names
}

fn read<T>(body: Value, read: impl FnOnce(Fields) -> T) -> BTreeSet<String> {
    let Value::Object(members) = body else { panic!("a body is an object") };
    let asked = asked::by(|| read(Fields::within(members, String::new())));
    asked.iter().filter_map(|pointer| pointer.rsplit('/').next()).map(str::to_owned).collect()
}

#[test]
fn bodies_are_documented_with_the_names_that_are_read() {
    let (now, alice) = (crate::api::wire::times::now(), Owner { issuer: "".into(), subject: "alice".into() });
    let nothing = || Value::Object(Map::new());
    assert_eq!(documented("NewKey"), read(nothing(), |fields| requests::order(fields, Some(&alice), now)));
    let with_owner = json!({ "owner": {} });
    assert_eq!(documented("NewKeyOfAnOwner"), read(with_owner, |fields| requests::order(fields, None, now)));
    assert_eq!(documented("Rotation"), read(nothing(), |fields| requests::rotation(fields, now)));
    assert_eq!(documented("Conditions"), read(json!({ "owner": {} }), keys::which));
    let verifier = verifier();
    assert_eq!(documented("EndOfTokens"), read(nothing(), |fields| tokens::which(fields, verifier.lives(), now)));
    assert_eq!(documented("Reason"), read(nothing(), |mut fields| fields.take("reason", parsed::<String>)));
    let mut edit = read(nothing(), |fields| requests::edit(fields, now));
    edit.retain(|name| !requests::READ_ONLY.contains(&name.as_str()));
    assert_eq!(documented("KeyPatch"), edit);
    let mut question = read(nothing(), verify::read);
    question.extend(read(json!({ "checks": [{}] }), verify::read));
    let names = ["OneQuestion", "ManyQuestions", "QuestionOfMany"].map(documented);
    assert_eq!(names.into_iter().flatten().collect::<BTreeSet<_>>(), question);
}

/// The document as clients receive it.
fn document() -> Value {
    serde_json::from_str(&text(ENDPOINTS)).expect("JSON")
}

/// Its paths, before shared parts move to the components.
fn paths_in_full() -> Value {
    serde_json::to_value(paths(ENDPOINTS)).expect("JSON")
}

fn names_in_query(method: &str, path: &str) -> BTreeSet<String> {
    let operation = &paths_in_full()[path][method];
    let parameters = operation["parameters"].as_array().expect("parameters");
    let names = parameters.iter().filter(|parameter| parameter["in"] == "query").filter_map(|it| it["name"].as_str());
    names.map(str::to_owned).collect()
}

#[test]
fn queries_are_documented_with_the_names_that_are_read() {
    let pepper = Pepper::new("p".repeat(32).into()).expect("a pepper");
    let keyring = Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a keyring");
    let request = TestRequest::default().to_http_request();
    let own = Reach::Own(Owner { issuer: "".into(), subject: "alice".into() });
    for (reach, list, log) in [(own, "/v1/keys", "/v1/audit"), (Reach::Any, "/v1/admin/keys", "/v1/admin/audit")] {
        let read = asked::by(|| keys::which_keys(Parameters::of(&request), &keyring, &reach));
        assert_eq!(names_in_query("get", list), read, "{list}");
        let read = asked::by(|| audit::which_events(&request, &keyring, &reach));
        assert_eq!(names_in_query("get", log), read, "{log}");
    }
    let read = asked::by(|| owners::which_owners(Parameters::of(&request), &keyring));
    assert_eq!(names_in_query("get", "/v1/admin/owners"), read);
    for path in ["/v1/keys/self", "/v1/keys/{id}", "/v1/admin/keys/{id}"] {
        assert_eq!(
            names_in_query("delete", path),
            asked::by(|| keys::reason_in_query(Parameters::of(&request))),
            "{path}"
        );
    }
}

#[test]
fn words_are_documented_as_the_domain_has_them() {
    let schemas = answers::schemas();
    assert_eq!(schemas["State"]["enum"], json!(KeyState::ALL.map(KeyState::as_str)));
    assert_eq!(schemas["Switcher"]["enum"], json!(DisabledBy::ALL.map(DisabledBy::as_str)));
    let environments = [Environment::Live, Environment::Test].map(Environment::as_str);
    assert_eq!(schemas["Environment"]["enum"], json!(environments));
}

#[test]
fn the_id_of_a_key_is_documented_in_one_form() {
    let schemas = answers::schemas();
    let keys = [&schemas["Key"]["properties"]["id"], &schemas["RevokedKey"]["properties"]["id"]];
    let others = [&schemas["Key"]["properties"]["successorId"], &schemas["Event"]["properties"]["keyId"]];
    for id in keys.into_iter().chain(others) {
        assert_eq!(id["pattern"], parameters::KEY_ID);
    }
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    for endpoint in ENDPOINTS {
        assert!(operations::of(endpoint).is_some(), "{} {} is not described", endpoint.method, endpoint.path);
    }
    let routes: BTreeSet<_> = ENDPOINTS.iter().map(operations::name).collect();
    for (name, _) in operations::OPERATIONS {
        assert!(routes.contains(*name), "{name} is described, but there is no such route");
    }
}

#[test]
fn every_operation_has_an_id_and_a_summary_of_its_own_and_a_description() {
    let paths = paths_in_full();
    let operations: Vec<_> =
        paths.as_object().expect("paths").values().flat_map(|it| it.as_object()).flatten().collect();
    assert_eq!(operations.len(), ENDPOINTS.len());
    for member in ["operationId", "summary"] {
        let texts = operations.iter().map(|(_, written)| written[member].as_str().expect("a text"));
        let different: BTreeSet<_> = texts.clone().collect();
        assert_eq!(different.len(), operations.len(), "{member}: {:?}", texts.collect::<Vec<_>>());
    }
    for (_, written) in operations {
        let description = written["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{}: {description:?}", written["operationId"]);
        assert_eq!(written["tags"].as_array().map(Vec::len), Some(1), "{}", written["operationId"]);
    }
}

#[test]
fn every_route_has_its_place_in_the_reading_order_and_nothing_else_has() {
    let routes: BTreeSet<_> = ENDPOINTS.iter().map(operations::name).collect();
    let told: BTreeSet<_> = told::names().map(str::to_owned).collect();
    assert_eq!(routes, told);
}

#[test]
fn the_rules_of_the_api_are_the_description_of_the_document() {
    let rules = description();
    assert!(rules.starts_with("**Credentials.**") && rules.ends_with('.') && !rules.contains("<!--"), "{rules}");
    assert!(!rules.contains("]("), "a link leads nowhere from the document");
}

#[test]
fn every_reference_leads_to_a_schema() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "the references were not found");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
