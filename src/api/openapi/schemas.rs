//! The schemas of responses, from the structs that are serialized.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::{
    handlers::{
        audit::EventList,
        compatibility,
        console_sessions::ConsoleLink,
        health,
        keys::{
            RevokedTogether, WouldBeRevoked,
            representation::{CreatedKey, Key, KeyList, RevokedKey, RotatedKey},
        },
        oauth::Introspection,
        owner_limits::{ChangedOwnerLimits, OwnerLimits},
        owners::{OwnerDetails, OwnerList, SwitchedOwner},
        plans::{AssignedPlan, ChangedPlan, OwnPlan, OwnerPlan, Plan, PlanList},
        problem_page::{ProblemType, ProblemTypes},
        scopes::ScopeCatalogue,
        tokens::RevokedTokens,
        usage::UsageReport,
        verify::{KnownKey, Verification, Verifications},
    },
    wire::{
        failure::problem::{Message, OAuthError, Problem},
        request::schema::reference,
    },
};

/// The schemas of all responses, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    add::<Key>(&mut schemas);
    add::<CreatedKey>(&mut schemas);
    add::<RotatedKey>(&mut schemas);
    add::<KeyList>(&mut schemas);
    add::<RevokedKey>(&mut schemas);
    add::<RevokedTogether>(&mut schemas);
    add::<WouldBeRevoked>(&mut schemas);
    add::<SwitchedOwner>(&mut schemas);
    add::<OwnerLimits>(&mut schemas);
    add::<ChangedOwnerLimits>(&mut schemas);
    add::<Plan>(&mut schemas);
    add::<PlanList>(&mut schemas);
    add::<ChangedPlan>(&mut schemas);
    add::<OwnPlan>(&mut schemas);
    add::<OwnerPlan>(&mut schemas);
    add::<AssignedPlan>(&mut schemas);
    add::<ScopeCatalogue>(&mut schemas);
    add::<OwnerDetails>(&mut schemas);
    add::<OwnerList>(&mut schemas);
    add::<RevokedTokens>(&mut schemas);
    add::<ConsoleLink>(&mut schemas);
    add::<EventList>(&mut schemas);
    add::<UsageReport>(&mut schemas);
    add::<KnownKey>(&mut schemas);
    add::<Verification>(&mut schemas);
    add::<Verifications>(&mut schemas);
    add::<compatibility::CreatedKey<'_>>(&mut schemas);
    add::<Message>(&mut schemas);
    add::<Problem<'_>>(&mut schemas);
    add::<OAuthError>(&mut schemas);
    add::<ProblemType>(&mut schemas);
    add::<ProblemTypes>(&mut schemas);
    add::<Introspection>(&mut schemas);
    add::<health::State>(&mut schemas);
    schemas.insert("Verdict".to_owned(), json!({ "oneOf": [reference("Verification"), reference("Verifications")] }));
    let or_not = json!({ "oneOf": [reference("RevokedTogether"), reference("WouldBeRevoked")] });
    schemas.insert("RevokedTogetherOrNot".to_owned(), or_not);
    schemas.insert(
        "Metadata".to_owned(),
        json!({ "type": "object", "required": ["issuer", "introspection_endpoint", "revocation_endpoint"] }),
    );
    schemas.insert("Document".to_owned(), json!({ "type": "object", "required": ["openapi", "info", "paths"] }));
    for name in schemas.keys().cloned().collect::<Vec<_>>() {
        let flat = flattened(schemas[&name].clone(), &schemas);
        schemas.insert(name, flat);
    }
    // A flattened part may also be absent as a whole.
    may_have(&mut schemas, "Verification", "KnownKey");
    schemas.remove("KnownKey");
    schemas.remove("Confirmation");
    schemas.remove("EndedTokens");
    schemas
}

fn add<T: ToSchema>(schemas: &mut Map<String, Value>) {
    let mut all = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut all);
    schemas.extend(all.into_iter().map(|(name, schema)| (name, json!(schema))));
}

/// Replaces `allOf`, which utoipa emits for serde's `flatten`, with one object, so that client generators produce one
/// type.
fn flattened(mut schema: Value, schemas: &Map<String, Value>) -> Value {
    let Some(Value::Array(parts)) = schema.as_object_mut().and_then(|schema| schema.remove("allOf")) else {
        return schema;
    };
    for part in parts {
        let named = part["$ref"].as_str().and_then(|reference| schemas.get(reference.rsplit('/').next()?));
        let part = flattened(named.cloned().unwrap_or(part), schemas);
        schema["type"] = json!("object");
        merge(&mut schema, &part, true);
    }
    schema
}

/// Adds the members of `part` as optional members.
fn may_have(schemas: &mut Map<String, Value>, whole: &str, part: &str) {
    let part = schemas[part].clone();
    merge(&mut schemas[whole], &part, false);
}

fn merge(whole: &mut Value, part: &Value, required: bool) {
    for (name, member) in part["properties"].as_object().into_iter().flatten() {
        whole["properties"][name] = member.clone();
    }
    let names = [whole["required"].as_array(), part["required"].as_array().filter(|_| required)];
    let names: Vec<Value> = names.into_iter().flatten().flatten().cloned().collect();
    whole["required"] = names.into();
}
