//! From the JSON Schema that schemars makes of a Rust type to the structural schema that the API server takes:
//! nothing is a reference, nothing may be null, an enum is a list of words, and only keywords that Kubernetes knows are
//! left. What this can't turn is left as it is, and the lint in `tests/lint.rs` finds it. `kubernetes` calls it.
//!
//! The schema is not kube's, because schemars' `inline_subschemas` loses a field's own words where its type has some.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

type Node = Map<String, Value>;

const RULES: &str = "x-kubernetes-validations";
const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// Formats that the API server has a use for. It warns about those of unsigned and floating numbers.
const FORMATS: [&str; 4] = ["date", "date-time", "int32", "int64"];

/// The order in which a reader looks for keywords: what it is, its bounds, its rules, what is in it.
const ORDER: [&str; 21] = [
    "description",
    "type",
    "format",
    "enum",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    OPEN,
    "required",
    RULES,
    "items",
    "additionalProperties",
    "properties",
];

/// The structural schema of a type. It must not contain itself: a structural schema has no references.
pub(super) fn structural<T: JsonSchema>() -> Value {
    let mut root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let definitions = root.remove("$defs").as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    Value::Object(Definitions(definitions).node(root.ensure_object()))
}

/// What references refer to, by name.
struct Definitions(Node);

impl Definitions {
    fn node(&self, schema: &Node) -> Node {
        let mut node = self.resolve(schema);
        if let Some(text) = node.get("description").and_then(Value::as_str).map(flowing) {
            node.insert("description".into(), text.into());
        }
        list_words(&mut node);
        self.items(&mut node);
        if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut() {
                self.replace(property);
            }
        }
        if let Some(values) = node.get_mut("additionalProperties") {
            self.replace(values);
        }
        clean(&mut node);
        ordered(node)
    }

    fn replace(&self, schema: &mut Value) {
        if let Some(node) = schema.as_object() {
            *schema = Value::Object(self.node(node));
        }
    }

    /// `kubectl explain` shows the words of a list, not of its items.
    fn items(&self, node: &mut Node) {
        let Some(items) = node.get("items").and_then(Value::as_object) else { return };
        let mut items = self.node(items);
        if items.contains_key("enum")
            && let Some(words) = items.shift_remove("description").as_ref().and_then(Value::as_str).and_then(bullets)
        {
            append(node, &words);
        }
        node.insert("items".into(), Value::Object(items));
    }

    /// The schema with what it refers to in its place, and without `null`. Its own words and bounds come first.
    fn resolve(&self, schema: &Node) -> Node {
        let mut own = schema.clone();
        let referred = own.remove("$ref").as_ref().and_then(Value::as_str).and_then(|name| self.referred(name));
        let optional = referred.or_else(|| {
            let target = but_null(own.get("anyOf")?)?.clone();
            own.remove("anyOf");
            Some(target)
        });
        let Some(target) = optional else { return without_null(own) };
        let mut node = self.resolve(&target);
        for (keyword, value) in own {
            match (node.get_mut(&keyword).and_then(Value::as_array_mut), value.as_array()) {
                (Some(rules), Some(more)) if keyword == RULES => rules.extend(more.iter().cloned()),
                _ => {
                    node.insert(keyword, value);
                }
            }
        }
        node
    }

    fn referred(&self, name: &str) -> Option<Node> {
        self.0.get(name.strip_prefix("#/$defs/")?)?.as_object().cloned()
    }
}

/// Of `[X, null]`, X: how schemars says that X is optional.
fn but_null(any_of: &Value) -> Option<&Node> {
    let [one, null] = any_of.as_array()?.as_slice() else { return None };
    (*null == json!({ "type": "null" })).then_some(one)?.as_object()
}

/// An optional field is one that may be left out. Server-side apply has no null.
fn without_null(mut node: Node) -> Node {
    if let Some([one, null]) = node.get("type").and_then(Value::as_array).map(Vec::as_slice)
        && null == "null"
    {
        let one = one.clone();
        node.insert("type".into(), one);
    }
    if let Some(words) = node.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    node
}

/// Turns the alternatives that schemars makes of an enum into one list of words; what each means goes into the
/// description, because the API server has no other place for it.
fn list_words(node: &mut Node) {
    let Some(words) = node.get("oneOf").and_then(Value::as_array).map(|all| all.iter().map(words_of)) else { return };
    let Some(words) = words.collect::<Option<Vec<_>>>() else { return };
    let words = words.concat();
    let meanings: Vec<String> =
        words.iter().filter_map(|(word, meaning)| Some(format!("- {word}: {}", meaning.as_ref()?))).collect();
    node.remove("oneOf");
    node.insert("type".into(), "string".into());
    node.insert("enum".into(), words.into_iter().map(|(word, _)| word).collect());
    if !meanings.is_empty() {
        append(node, &meanings.join("\n"));
    }
}

/// The words of one alternative: one that is documented, or all that are not.
fn words_of(alternative: &Value) -> Option<Vec<(String, Option<String>)>> {
    let alternative = alternative.as_object()?;
    let word = |word: &Value| word.as_str().map(str::to_owned);
    if let Some(constant) = alternative.get("const") {
        let meaning = alternative.get("description").and_then(Value::as_str).map(flowing);
        return Some(vec![(word(constant)?, meaning)]);
    }
    alternative.get("enum")?.as_array()?.iter().map(|constant| Some((word(constant)?, None))).collect()
}

fn clean(node: &mut Node) {
    node.retain(|keyword, value| match keyword.as_str() {
        // They say nothing, or nothing that may be said.
        "$schema" | "nullable" | "title" => false,
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "default" => !(value.is_null() || *value == json!({}) || *value == json!([])),
        // Beside `properties` the API server refuses it. It prunes what is not declared, or refuses it on demand.
        "additionalProperties" => *value != json!(false),
        _ => true,
    });
}

fn ordered(mut node: Node) -> Node {
    let mut ordered: Node = ORDER.iter().filter_map(|keyword| node.remove_entry(*keyword)).collect();
    ordered.extend(node);
    ordered
}

/// Rustdoc without the breaks that only keep source lines short.
fn flowing(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        match lines.last_mut() {
            Some(last) if goes_on && !line.is_empty() && !line.starts_with("- ") => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        goes_on = !line.is_empty();
    }
    lines.join("\n")
}

fn append(node: &mut Node, lines: &str) {
    let text = node.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = format!("{text}\n{lines}");
    node.insert("description".into(), text.trim_start().into());
}

/// The lines of a description that list words.
fn bullets(description: &str) -> Option<String> {
    let lines: Vec<&str> = description.lines().filter(|line| line.starts_with("- ")).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
