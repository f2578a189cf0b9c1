//! Kubernetes' conventions for a CustomResourceDefinition, one function a rule.
//! Source: <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md>

mod cases;
mod names;
mod schemas;

use std::fmt;

use serde_json::{Map, Value};

pub(super) use cases::{BROKEN_DEFINITIONS, BROKEN_SCHEMAS};

/// What one rule has against one place.
pub(super) struct Finding {
    /// The name of the rule.
    pub(super) rule: &'static str,
    path: String,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] {}", self.path, self.rule, self.text)
    }
}

/// A place in a schema.
struct Node<'a> {
    path: String,
    schema: &'a Map<String, Value>,
    place: Place,
}

/// How a node hangs in its parent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Property,
    Item,
    MapValue,
}

impl<'a> Node<'a> {
    fn text(&self, keyword: &str) -> &'a str {
        self.schema.get(keyword).and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, kind: &str) -> bool {
        self.text("type") == kind
    }

    fn has(&self, keyword: &str) -> bool {
        self.schema.contains_key(keyword)
    }

    /// A map has values under any key, and they all look alike.
    fn is_map(&self) -> bool {
        self.schema.get("additionalProperties").is_some_and(Value::is_object)
    }

    fn list(&self, keyword: &str) -> &'a [Value] {
        self.schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn properties(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    fn children(&self) -> Vec<Node<'a>> {
        let node = |path: String, schema: &'a Value, place| Some(Node { path, schema: schema.as_object()?, place });
        let properties = self
            .properties()
            .filter_map(|(name, schema)| node(format!("{}.{name}", self.path), schema, Place::Property));
        let items = self.schema.get("items").and_then(|items| node(format!("{}[]", self.path), items, Place::Item));
        let values = self.schema.get("additionalProperties");
        let values = values.and_then(|values| node(format!("{}{{}}", self.path), values, Place::MapValue));
        properties.chain(items).chain(values).collect()
    }
}

/// What the rules have against a whole CustomResourceDefinition.
pub(super) fn definition(definition: &Value) -> Vec<Finding> {
    let names = names::RULES.iter().flat_map(|(rule, check)| {
        check(definition).into_iter().map(|text| Finding { rule, path: "definition".into(), text })
    });
    names.chain(schema(super::root_schema(definition))).collect()
}

/// What the rules have against an object's schema.
pub(super) fn schema(root: &Value) -> Vec<Finding> {
    let Some(schema) = root.as_object() else { return Vec::new() };
    let mut open = vec![Node { path: String::new(), schema, place: Place::Root }];
    let mut findings = Vec::new();
    while let Some(node) = open.pop() {
        for (rule, check) in schemas::RULES {
            findings.extend(check(&node).into_iter().map(|text| Finding { rule, path: node.path.clone(), text }));
        }
        open.extend(node.children());
    }
    findings
}

/// The names of all rules.
pub(super) fn rule_names() -> impl Iterator<Item = &'static str> {
    names::RULES.iter().map(|rule| rule.0).chain(schemas::RULES.iter().map(|rule| rule.0))
}

/// The text, unless all is well.
fn unless(well: bool, text: impl Into<String>) -> Vec<String> {
    if well { Vec::new() } else { vec![text.into()] }
}
