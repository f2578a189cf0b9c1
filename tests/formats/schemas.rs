//! Schemas of the published API descriptions, by which what callers get is judged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// What Anthropic's own answers leave out although OpenRouter, whose description of them this is, always has it.
const AT_WILL: [&str; 12] = [
    "container",
    "stop_details",
    "cache_creation",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "inference_geo",
    "output_tokens_details",
    "server_tool_use",
    "service_tier",
    "citations",
    "caller",
    "input_tokens",
];

/// One API description.
pub(crate) struct Description {
    schemas: Map<String, Value>,
    validators: HashMap<String, Validator>,
}

impl Description {
    /// OpenAI's.
    pub(crate) fn openai(vectors: &Path) -> Self {
        let mut description = Self::read(&vectors.join("specs/openai/openapi.yaml"));
        description.schemas.values_mut().for_each(nullable);
        // What OpenAI itself sends, and its description leaves out.
        let chunk = &mut description.schemas["ChatCompletionMessageToolCallChunk"]["properties"]["type"];
        *chunk = json!({"enum": ["function", "custom"]});
        let completion = &mut description.schemas["CreateCompletionResponse"];
        for field in ["usage", "choices/items/properties/finish_reason"] {
            completion.pointer_mut(&format!("/properties/{field}")).into_iter().for_each(or_null);
        }
        description.schemas["ResponseErrorCode"] = json!({"type": "string"});
        description
    }

    /// OpenRouter's, whose Messages are Anthropic's.
    pub(crate) fn anthropic(vectors: &Path) -> Self {
        let mut description = Self::read(&vectors.join("specs/openrouter/openapi.yaml"));
        description.schemas.values_mut().for_each(loosen);
        description
    }

    fn read(path: &Path) -> Self {
        let yaml = std::fs::read_to_string(path).expect("an API description");
        let options = serde_saphyr::options! { budget: None, strict_booleans: true };
        let mut whole: Value = serde_saphyr::from_str_with_options(&yaml, options).expect("YAML");
        let schemas = whole.pointer_mut("/components/schemas").map(Value::take);
        let schemas =
            schemas.and_then(|schemas| if let Value::Object(schemas) = schemas { Some(schemas) } else { None });
        Self { schemas: schemas.expect("an object of schemas"), validators: HashMap::new() }
    }

    /// What is wrong with a value of this schema.
    pub(crate) fn faults(&mut self, schema: &str, value: &Value) -> Vec<String> {
        if !self.validators.contains_key(schema) {
            let validator = self.validator(schema);
            self.validators.insert(schema.to_owned(), validator);
        }
        let faults = self.validators[schema].iter_errors(value);
        faults.map(|fault| format!("{schema}{}: {fault}", fault.instance_path())).take(3).collect()
    }

    /// The schema of each event of a stream, by its `type`.
    pub(crate) fn events(&self, union: &str) -> BTreeMap<String, String> {
        let all = ["anyOf", "oneOf"].iter().find_map(|key| self.schemas[union].get(key)?.as_array());
        let names = all.expect("a union").iter().filter_map(|one| Some(named(one.get("$ref")?)));
        names.flat_map(|name| self.types(name).into_iter().map(move |kind| (kind, name.to_owned()))).collect()
    }

    fn types(&self, schema: &str) -> Vec<String> {
        let kind = &self.schemas[schema]["properties"]["type"];
        let words = kind["enum"].as_array().cloned().unwrap_or_else(|| vec![kind["const"].clone()]);
        words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Compiles a schema with all that it names, and no more: there are thousands.
    fn validator(&self, schema: &str) -> Validator {
        let mut wanted = vec![schema.to_owned()];
        let mut held = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if held.insert(name.clone()) {
                references(&self.schemas[&name], &mut wanted);
            }
        }
        let schemas: Map<String, Value> =
            held.into_iter().map(|name| (name.clone(), self.schemas[&name].clone())).collect();
        let root = json!({"$ref": format!("#/components/schemas/{schema}"), "components": {"schemas": schemas}});
        jsonschema::draft202012::new(&root).expect("a schema")
    }
}

fn or_null(schema: &mut Value) {
    *schema = json!({"anyOf": [schema.take(), {"type": "null"}]});
}

/// `nullable`, which JSON Schema does not know.
fn nullable(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(nullable);
            if fields.remove("nullable") == Some(Value::Bool(true)) {
                or_null(schema);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(nullable),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn named(reference: &Value) -> &str {
    reference.as_str().and_then(|path| path.rsplit('/').next()).expect("a reference")
}

fn references(schema: &Value, into: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("$ref", Value::String(_)) => into.push(named(value).to_owned()),
                    ("example" | "examples" | "default" | "mapping", _) => {}
                    _ => references(value, into),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes back what OpenRouter says more than Anthropic: who it calls, and fields that are always there.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("example");
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                properties.remove("provider");
            }
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.retain(|name| !AT_WILL.iter().any(|free| name == free));
            }
            fields.values_mut().for_each(loosen);
        }
        Value::Array(list) => list.iter_mut().for_each(loosen),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
