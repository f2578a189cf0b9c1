//! The rules for each place in a schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Node, Place, unless};

type Rule = fn(&Node<'_>) -> Vec<String>;

pub(super) const RULES: &[(&str, Rule)] = &[
    ("keywords are known", keywords_are_known),
    ("has a type", has_a_type),
    ("is described", is_described),
    ("description flows", description_flows),
    ("names are camelCase", names_are_camel_case),
    ("strings are bounded", strings_are_bounded),
    ("integers are bounded", integers_are_bounded),
    ("formats fit", formats_fit),
    ("enums are words", enums_are_words),
    ("arrays are bounded", arrays_are_bounded),
    ("arrays say how they merge", arrays_say_how_they_merge),
    ("map keys are required", map_keys_are_required),
    ("sets hold scalars", sets_hold_scalars),
    ("maps are bounded", maps_are_bounded),
    ("objects say what they hold", objects_say_what_they_hold),
    ("required fields are declared", required_fields_are_declared),
    ("required fields have no default", required_fields_have_no_default),
    ("defaults say something", defaults_say_something),
    ("messages say must or may", messages_say_must_or_may),
    ("rules read declared fields", rules_read_declared_fields),
];

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// Keywords that a structural schema may have and that we have a use for. Not among them: nullable, oneOf, anyOf,
/// allOf, not, title, $ref, uniqueItems, and additionalProperties that are no schema.
const KEYWORDS: [&str; 23] = [
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
    "minProperties",
    "maxProperties",
    "required",
    "items",
    "additionalProperties",
    "properties",
    OPEN,
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
];

fn keywords_are_known(node: &Node<'_>) -> Vec<String> {
    let unknown = node.schema.iter().filter(|(keyword, value)| {
        !KEYWORDS.contains(&keyword.as_str()) || (*keyword == "additionalProperties" && !value.is_object())
    });
    unknown.map(|(keyword, _)| format!("must not use {keyword}")).collect()
}

fn has_a_type(node: &Node<'_>) -> Vec<String> {
    let types = ["array", "boolean", "integer", "object", "string"];
    unless(types.contains(&node.text("type")), format!("type must be one of {}", types.join(", ")))
}

fn is_described(node: &Node<'_>) -> Vec<String> {
    let text = node.text("description");
    let told = node.place == Place::Item || node.place == Place::MapValue || text.len() > 4;
    unless(told && !text.contains("derived type"), "must have a description of its own")
}

/// A line may begin a list or a paragraph; the breaks of the source are not for the reader.
fn description_flows(node: &Node<'_>) -> Vec<String> {
    let text = node.text("description");
    let broken = text.lines().skip(1).any(|line| !line.is_empty() && !line.starts_with("- "));
    unless(!broken || text.contains("\n\n"), "description must not be broken into lines")
}

fn names_are_camel_case(node: &Node<'_>) -> Vec<String> {
    let odd = node.properties().filter(|(name, _)| {
        !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(|c| c.is_ascii_alphanumeric())
    });
    odd.map(|(name, _)| format!("{name} must be camelCase")).collect()
}

fn strings_are_bounded(node: &Node<'_>) -> Vec<String> {
    let bounded = node.schema.get("maxLength").is_some_and(Value::is_u64) || node.has("enum");
    unless(!node.is("string") || bounded, "must have maxLength or enum")
}

fn integers_are_bounded(node: &Node<'_>) -> Vec<String> {
    let most = if node.text("format") == "int32" { i64::from(i32::MAX) } else { i64::MAX };
    let bound = |keyword: &str| node.schema.get(keyword).and_then(Value::as_i64);
    let bounded =
        bound("minimum").zip(bound("maximum")).is_some_and(|(least, greatest)| least < greatest && greatest <= most);
    unless(!node.is("integer") || bounded, "must have minimum and maximum, both integers")
}

fn formats_fit(node: &Node<'_>) -> Vec<String> {
    let well = match node.text("type") {
        "integer" => matches!(node.text("format"), "int32" | "int64"),
        "string" => matches!(node.text("format"), "" | "date" | "date-time"),
        _ => !node.has("format"),
    };
    unless(well, "format must be int32 or int64 of an integer, date or date-time or none of a string")
}

fn enums_are_words(node: &Node<'_>) -> Vec<String> {
    let words = node.list("enum");
    let camel = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let distinct: BTreeSet<&str> = words.iter().filter_map(Value::as_str).filter(|word| camel(word)).collect();
    let well = !node.has("enum") || (node.is("string") && !words.is_empty() && distinct.len() == words.len());
    unless(well, "enum must hold CamelCase words, each once")
}

fn arrays_are_bounded(node: &Node<'_>) -> Vec<String> {
    let bounded = node.schema.get("maxItems").is_some_and(Value::is_u64) && node.schema.get("items").is_some();
    unless(!node.is("array") || bounded, "must have maxItems and items")
}

fn arrays_say_how_they_merge(node: &Node<'_>) -> Vec<String> {
    let merge = node.text("x-kubernetes-list-type");
    let well = matches!(merge, "atomic" | "set") && !node.has("x-kubernetes-list-map-keys")
        || merge == "map" && !node.list("x-kubernetes-list-map-keys").is_empty();
    unless(
        node.is("array") == node.has("x-kubernetes-list-type") && (well || !node.is("array")),
        "must have x-kubernetes-list-type",
    )
}

fn items_of<'a>(node: &Node<'a>) -> Option<Node<'a>> {
    node.children().into_iter().find(|child| child.place == Place::Item)
}

fn map_keys_are_required(node: &Node<'_>) -> Vec<String> {
    let Some(items) = items_of(node).filter(|_| node.text("x-kubernetes-list-type") == "map") else {
        return Vec::new();
    };
    let loose = node.list("x-kubernetes-list-map-keys").iter().filter(|key| !items.list("required").contains(key));
    loose.map(|key| format!("items must require their key {key}")).collect()
}

fn sets_hold_scalars(node: &Node<'_>) -> Vec<String> {
    let Some(items) = items_of(node).filter(|_| node.text("x-kubernetes-list-type") == "set") else {
        return Vec::new();
    };
    unless(items.is("string") || items.is("integer"), "a set must hold scalars")
}

fn maps_are_bounded(node: &Node<'_>) -> Vec<String> {
    let is_map = node.is_map() || node.has(OPEN);
    unless(!is_map || node.schema.get("maxProperties").is_some_and(Value::is_u64), "must have maxProperties")
}

fn objects_say_what_they_hold(node: &Node<'_>) -> Vec<String> {
    let holds = [node.properties().next().is_some(), node.is_map()];
    let well = holds == [true, false] || holds == [false, true] || (holds == [false, false] && node.has(OPEN));
    unless(!node.is("object") || well, "must have either properties or additionalProperties")
}

fn required_fields_are_declared(node: &Node<'_>) -> Vec<String> {
    let declared = |name: &Value| node.properties().any(|(property, _)| name == property);
    node.list("required").iter().filter(|name| !declared(name)).map(|name| format!("{name} must be declared")).collect()
}

fn required_fields_have_no_default(node: &Node<'_>) -> Vec<String> {
    let required = node.properties().filter(|(name, _)| node.list("required").iter().any(|required| required == *name));
    let eager = required.filter(|(_, schema)| schema.get("default").is_some());
    eager.map(|(name, _)| format!("{name} must not have a default, since it is required")).collect()
}

fn defaults_say_something(node: &Node<'_>) -> Vec<String> {
    let Some(default) = node.schema.get("default") else { return Vec::new() };
    let fits = match node.text("type") {
        "string" => default.is_string() && (!node.has("enum") || node.list("enum").contains(default)),
        "integer" => default.is_i64(),
        "boolean" => default.is_boolean(),
        "object" => default.as_object().is_some_and(|fields| {
            !fields.is_empty() && fields.keys().all(|field| node.properties().any(|(name, _)| name == field))
        }),
        _ => *default != json!([]) && default.is_array(),
    };
    unless(fits, format!("default must be a value of the field that says something, not {default}"))
}

fn rules_of<'a>(node: &Node<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    node.list("x-kubernetes-validations")
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap_or_default(), rule["message"].as_str().unwrap_or_default()))
}

fn messages_say_must_or_may(node: &Node<'_>) -> Vec<String> {
    let speaks = |message: &str| ["must", "may"].iter().any(|word| message.split(' ').any(|said| said == *word));
    let odd = rules_of(node).filter(|(_, message)| !speaks(message) || message.ends_with('.'));
    odd.map(|(rule, message)| format!("the message of `{rule}` must say must or may, not `{message}`")).collect()
}

/// The API server's CEL is typed: a field that the schema does not declare fails the whole definition, and an object
/// is no map. Source: kubernetes, staging/src/k8s.io/apiserver/pkg/cel/common/schemas.go, `SchemaDeclType`.
fn rules_read_declared_fields(node: &Node<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    for (rule, _) in rules_of(node) {
        for after in rule.split("self").skip(1) {
            let path: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || "._".contains(*c)).collect();
            let is_call = after[path.len()..].starts_with('(');
            let steps = path.split('.').skip(1).collect::<Vec<_>>();
            let steps = &steps[..steps.len() - usize::from(is_call && !steps.is_empty())];
            if !reads_declared(node, steps) {
                findings.push(format!("`{rule}` must not read self{path}, which is not declared"));
            }
        }
        if rule.contains(" in self)") && !node.is_map() {
            findings.push(format!("`{rule}` must not look for a name in an object that is no map"));
        }
    }
    findings
}

fn reads_declared(node: &Node<'_>, steps: &[&str]) -> bool {
    if node.place == Place::Root && steps == ["metadata", "name"] {
        return true;
    }
    let Some((first, rest)) = steps.split_first() else { return true };
    let suffix = format!(".{first}");
    let mut children = node.children().into_iter();
    children
        .any(|child| child.place == Place::Property && child.path.ends_with(&suffix) && reads_declared(&child, rest))
}
