//! Fields of a request's body that a route or a provider sets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::problem::Problems;

/// Top-level fields of the body and the values they get. The value replaces the whole field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct BodyFields(pub Map<String, Value>);

/// Fields that decide who answers and in which form; they are the route's and the app's to choose.
const NOT_SETTABLE: [&str; 2] = ["model", "stream"];

impl BodyFields {
    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These fields with `stronger` over them: objects are merged field by field, everything else is replaced.
    #[must_use]
    pub fn overlaid(&self, stronger: &Self) -> Self {
        let mut merged = self.0.clone();
        overlay(&mut merged, &stronger.0);
        Self(merged)
    }

    pub(crate) fn check(&self, problems: &mut Problems, path: &str) {
        for name in NOT_SETTABLE.into_iter().filter(|name| self.0.contains_key(*name)) {
            problems.add(format!("{path}.{name}"), "may not be set here: the route and the app choose it");
        }
        if self.0.len() > 64 {
            problems.add(path, "must have at most 64 fields");
        }
    }
}

fn overlay(fields: &mut Map<String, Value>, stronger: &Map<String, Value>) {
    for (name, value) in stronger {
        match (fields.get_mut(name), value) {
            (Some(Value::Object(under)), Value::Object(over)) => overlay(under, over),
            _ => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
}

impl JsonSchema for BodyFields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BodyFields".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "maxProperties": 64,
            "x-kubernetes-preserve-unknown-fields": true,
            // The API server's CEL sees only declared fields; declared, these two can be asked for and refused.
            "properties": {
                "model": {
                    "description": "May not be set here: the route and the app choose it.",
                    "type": "string",
                    "maxLength": 256,
                },
                "stream": {
                    "description": "May not be set here: the route and the app choose it.",
                    "type": "boolean",
                },
            },
            "x-kubernetes-validations": [{
                "rule": "!has(self.model) && !has(self.stream)",
                "message": "model and stream may not be set here: the route and the app choose them",
            }],
        })
    }
}
