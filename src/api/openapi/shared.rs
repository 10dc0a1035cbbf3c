//! Moves what several operations have in common (responses, parameters, headers, examples) into the document's
//! components and replaces it with references. This halves the document, and readers see each definition once.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

/// Values used less often stay inline.
const MANY: usize = 2;

/// Shared values of one kind.
struct Kind {
    /// The member of `components`.
    section: &'static str,
    uses: HashMap<String, usize>,
    named: BTreeMap<String, Value>,
    names: HashMap<String, String>,
}

impl Kind {
    fn new(section: &'static str) -> Self {
        Self { section, uses: HashMap::new(), named: BTreeMap::new(), names: HashMap::new() }
    }

    fn count(&mut self, value: &Value) {
        *self.uses.entry(value.to_string()).or_default() += 1;
    }

    /// Replaces the value with a reference if it occurs several times.
    fn share(&mut self, value: &mut Value, name: &str) {
        let text = value.to_string();
        if self.uses.get(&text).is_none_or(|uses| *uses < MANY) {
            return;
        }
        let name = match self.names.get(&text) {
            Some(name) => name.clone(),
            None => {
                let name = self.free(name);
                self.named.insert(name.clone(), value.clone());
                self.names.insert(text, name.clone());
                name
            }
        };
        *value = json!({ "$ref": format!("#/components/{}/{name}", self.section) });
    }

    /// The name, or the name with the next free number.
    fn free(&self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| !self.named.contains_key(name)).unwrap_or_default()
    }
}

/// Shares the parts of these operations and returns the sections for `components`.
pub(super) fn share<'a>(operations: impl IntoIterator<Item = &'a mut Value>) -> Map<String, Value> {
    let mut operations: Vec<&mut Value> = operations.into_iter().collect();
    let [mut headers, mut examples, mut parameters, mut responses] =
        ["headers", "examples", "parameters", "responses"].map(Kind::new);
    // From the inside out: two responses are equal only once their parts are replaced.
    each_part(&mut operations, |is_header, _, part| {
        let kind = if is_header { &mut headers } else { &mut examples };
        kind.count(part);
    });
    each_part(&mut operations, |is_header, name, part| {
        let kind = if is_header { &mut headers } else { &mut examples };
        kind.share(part, name);
    });
    for operation in &operations {
        members(&operation["responses"]).for_each(|(_, response)| responses.count(response));
        items(&operation["parameters"]).for_each(|parameter| parameters.count(parameter));
    }
    for operation in &mut operations {
        for (status, response) in members_mut(operation.get_mut("responses")) {
            responses.share(response, status);
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let name = parameter_name(parameter);
            parameters.share(parameter, &name);
        }
    }
    let kinds = [headers, examples, parameters, responses];
    kinds.into_iter().map(|kind| (kind.section.to_owned(), json!(kind.named))).collect()
}

/// Visits every header (`true`) and every example of the responses.
fn each_part(operations: &mut [&mut Value], mut visit: impl FnMut(bool, &str, &mut Value)) {
    for operation in operations {
        for (_, response) in members_mut(operation.get_mut("responses")) {
            members_mut(response.get_mut("headers")).for_each(|(name, header)| visit(true, name, header));
            for (_, content) in members_mut(response.get_mut("content")) {
                members_mut(content.get_mut("examples")).for_each(|(name, example)| visit(false, name, example));
            }
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn members_mut(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Prefixed, because parameters in two places can have the same name.
fn parameter_name(parameter: &Value) -> String {
    let text = |member: &str| parameter[member].as_str().unwrap_or_default().to_owned();
    format!("{}.{}", text("in"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(answer: &str) -> Value {
        json!({
            "parameters": [{ "in": "query", "name": "limit" }, { "in": "path", "name": answer }],
            "responses": {
                "404": { "headers": { "x": { "a": 1 } }, "content": { "c": { "examples": { "e": { "value": 1 } } } } },
                "200": { "description": answer, "headers": { "x": { "a": 1 } } },
            },
        })
    }

    #[test]
    fn what_stands_in_two_places_is_shared_and_what_does_not_stays() {
        let mut operations = [operation("one"), operation("two")];
        let components = share(&mut operations);
        for (operation, name) in operations.iter().zip(["one", "two"]) {
            assert_eq!(operation["responses"]["404"]["$ref"], "#/components/responses/404");
            assert_eq!(operation["responses"]["200"]["description"], name);
            assert_eq!(operation["responses"]["200"]["headers"]["x"]["$ref"], "#/components/headers/x");
            assert_eq!(operation["parameters"][0]["$ref"], "#/components/parameters/query.limit");
            assert_eq!(operation["parameters"][1]["name"], name);
        }
        let answer = &components["responses"]["404"];
        assert_eq!(answer["headers"]["x"]["$ref"], "#/components/headers/x");
        assert_eq!(answer["content"]["c"]["examples"]["e"]["$ref"], "#/components/examples/e");
        assert_eq!((&components["headers"]["x"]["a"], &components["examples"]["e"]["value"]), (&json!(1), &json!(1)));
    }

    #[test]
    fn two_things_of_one_name_get_two() {
        let mut operations = [operation("one"), operation("one"), operation("two"), operation("two")];
        let components = share(&mut operations);
        let answers = components["responses"].as_object().expect("answers");
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["200", "200-2", "404"]);
    }
}
