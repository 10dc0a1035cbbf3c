//! Every route is described, and the documented names of everything clients send are those that the readers use.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpRequest, test::TestRequest, web::Bytes};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{bodies, description, documentation, operations, parameters, paths, schemas, text};
use crate::{
    api::{
        handlers::{
            audit, console_sessions,
            keys::{self, requests},
            owners, plans, tokens, usage, verify,
        },
        routes::ENDPOINTS,
        wire::{
            failure::Reason,
            request::{
                bodies::{KEY_PATCH, PLAN},
                fields::Fields,
            },
        },
    },
    auth::jwt::TokenVerifier,
    config::{Settings, Sources},
    domain::{
        api_key::{Environment, KeyId, Keyring, Pepper},
        key_record::KeyState,
        ledger::Reach,
        limits::OnOutage,
        owner::Owner,
        plan::AssignedBy,
        role::Role,
        usage::{Granularity, UsageTags},
    },
};

/// A verifier for tokens signed with a shared secret.
fn verifier() -> TokenVerifier {
    let base = vec![("jwt.secret", "Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4u-jwt-signing".to_owned())];
    let settings = Settings::load(Sources { base, ..Sources::default() }).expect("readable settings");
    TokenVerifier::new(&settings.jwt().expect("valid settings"), &HashMap::new()).expect("usable keys")
}

fn properties(schema: &Value) -> impl Iterator<Item = &String> {
    schema["properties"].as_object().into_iter().flat_map(|members| members.keys())
}

/// The names of the fields that a body may have.
fn documented(body: &str) -> BTreeSet<String> {
    let (_, schema) = bodies::schemas().find(|(name, _)| name == body).expect("a body of that name");
    // An owner can also be named by the id alone.
    let schema = if body == "WhichOwner" { &schema["anyOf"][1] } else { &schema };
    let names: BTreeSet<_> = properties(schema).cloned().collect();
    assert!(!names.is_empty(), "{body}");
    names
}

/// Every field that any body has, with a value that suits none.
fn every_field() -> Map<String, Value> {
    let schemas: Vec<_> = bodies::schemas().map(|(_, schema)| schema).collect();
    let owner = documented("WhichOwner");
    schemas.iter().flat_map(properties).chain(&owner).map(|name| (name.clone(), json!(0))).collect()
}

/// The names that a reader does not refuse as unknown. `body` has every field, possibly within one of its members.
fn known<T>(body: Value, read: impl FnOnce(&HttpRequest, &Bytes) -> Result<T, Reason>) -> BTreeSet<String> {
    let request = TestRequest::post().insert_header(("content-type", "application/json")).to_http_request();
    let Err(Reason::InvalidFields(problems)) = read(&request, &Bytes::from(body.to_string())) else {
        panic!("no body has every field");
    };
    let unknown = problems.iter().filter(|problem| problem.code == "unknown_field");
    let unknown: BTreeSet<_> = unknown.filter_map(|problem| problem.pointer.as_deref()?.rsplit('/').next()).collect();
    every_field().into_iter().map(|(name, _)| name).filter(|name| !unknown.contains(name.as_str())).collect()
}

#[test]
fn bodies_are_documented_with_the_names_that_are_read() {
    let (now, alice) = (crate::api::wire::times::now(), Owner { issuer: "".into(), subject: "alice".into() });
    let all = || Value::Object(every_field());
    let owned = |request: &HttpRequest, body: &Bytes| requests::new_key(request, body, None, now);
    assert_eq!(documented("NewKey"), known(all(), |request, body| requests::new_key(request, body, Some(&alice), now)));
    assert_eq!(documented("NewKeyOfAnOwner"), known(all(), owned));
    assert_eq!(documented("WhichOwner"), known(json!({ "owner": all() }), owned));
    assert_eq!(documented("Rotation"), known(all(), |request, body| requests::rotation(request, body, now)));
    assert_eq!(documented("Conditions"), known(all(), keys::selection));
    let plan = |request: &HttpRequest, body: &Bytes| plans::content(Fields::of(request, body, PLAN)?);
    assert_eq!(documented("PlanToSet"), known(all(), plan));
    assert_eq!(documented("OwnerPlanToSet"), known(all(), plans::asked_of_an_owner));
    let lives = verifier();
    let revocation = |request: &HttpRequest, body: &Bytes| tokens::revocation(request, body, lives.lives(), now);
    assert_eq!(documented("EndOfTokens"), known(all(), revocation));
    assert_eq!(documented("HandOver"), known(all(), console_sessions::read));
    assert_eq!(documented("Reason"), known(all(), keys::reason_in_body));
    let edit = |request: &HttpRequest, body: &Bytes| requests::edit(Fields::of(request, body, KEY_PATCH)?, now);
    assert_eq!(documented("KeyPatch"), known(all(), edit));
    let mut one = every_field();
    one.remove("checks");
    let verification = |request: &HttpRequest, body: &Bytes| verify::read(request, body, &UsageTags::default());
    let mut one = known(one.into(), verification);
    one.remove("checks");
    assert_eq!(documented("OneQuestion"), one);
    assert_eq!(documented("ManyQuestions"), known(all(), verification));
    assert_eq!(documented("QuestionOfMany"), known(json!({ "checks": [all()] }), verification));
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

/// The parameters that a reader does not refuse as unknown, out of all that any route has.
fn known_in_query<T>(read: impl FnOnce(&HttpRequest) -> Result<T, Reason>) -> BTreeSet<String> {
    let paths = paths_in_full();
    let operations = paths.as_object().into_iter().flat_map(|paths| paths.values()).filter_map(Value::as_object);
    let parameters = operations.flatten().filter_map(|(_, operation)| operation["parameters"].as_array()).flatten();
    let names: BTreeSet<_> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
    let query: Vec<_> = names.iter().map(|name| format!("{name}=")).collect();
    let request = TestRequest::with_uri(&format!("/?{}", query.join("&"))).to_http_request();
    let Err(Reason::InvalidParameters(problems)) = read(&request) else { panic!("no query has every parameter") };
    let unknown = problems.iter().filter(|problem| problem.code == "unknown_parameter");
    let unknown: BTreeSet<_> = unknown.filter_map(|problem| problem.parameter.as_deref()).collect();
    names.difference(&unknown).map(|name| (*name).to_owned()).collect()
}

#[test]
fn queries_are_documented_with_the_names_that_are_read() {
    let pepper = Pepper::new("p".repeat(32).into()).expect("a pepper");
    let keyring = Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a keyring");
    let own = Reach::Own(Owner { issuer: "".into(), subject: "alice".into() });
    for (reach, list, log, report) in [
        (own, "/v1/keys", "/v1/audit", "/v1/usage"),
        (Reach::Any, "/v1/admin/keys", "/v1/admin/audit", "/v1/admin/usage"),
    ] {
        let read = known_in_query(|request| keys::selected_keys(request, &keyring, &reach));
        assert_eq!(names_in_query("get", list), read, "{list}");
        let read = known_in_query(|request| audit::selected_events(request, &keyring, &reach));
        assert_eq!(names_in_query("get", log), read, "{log}");
        let read = known_in_query(|request| usage::of_many(request, &reach));
        assert_eq!(names_in_query("get", report), read, "{report}");
    }
    let read = known_in_query(|request| usage::of_one(request, KeyId::from(Uuid::nil())));
    assert_eq!(names_in_query("get", "/v1/keys/{id}/usage"), read);
    let read = known_in_query(|request| owners::selected_owners(request, &keyring));
    assert_eq!(names_in_query("get", "/v1/admin/owners"), read);
    let read = known_in_query(|request| plans::selected_plans(request, &keyring));
    assert_eq!(names_in_query("get", "/v1/admin/plans"), read);
    for path in ["/v1/keys/self", "/v1/keys/{id}", "/v1/admin/keys/{id}"] {
        assert_eq!(names_in_query("delete", path), known_in_query(keys::reason_in_query), "{path}");
    }
}

#[test]
fn words_are_documented_as_the_domain_has_them() {
    let schemas = schemas::schemas();
    assert_eq!(schemas["State"]["enum"], json!(KeyState::ALL.map(KeyState::as_str)));
    assert_eq!(schemas["Switcher"]["enum"], json!(Role::ALL.map(Role::as_str)));
    assert_eq!(schemas["InOutage"]["enum"], json!(OnOutage::ALL.map(OnOutage::as_str)));
    assert_eq!(schemas["Assigner"]["enum"], json!(AssignedBy::ALL.map(AssignedBy::as_str)));
    assert_eq!(schemas["UsageGranularity"]["enum"], json!(Granularity::ALL.map(Granularity::as_str)));
    let environments = [Environment::Live, Environment::Test].map(Environment::as_str);
    assert_eq!(schemas["Environment"]["enum"], json!(environments));
}

#[test]
fn the_id_of_a_key_is_documented_in_one_form() {
    let schemas = schemas::schemas();
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
    for name in operations::names() {
        assert!(routes.contains(name), "{name} is described, but there is no such route");
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
    let documented: BTreeSet<_> = documentation::names().map(str::to_owned).collect();
    assert_eq!(routes, documented);
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
