//! The rules for what stands around the schema.

use serde_json::{Value, json};

use super::unless;

type Rule = fn(&Value) -> Vec<String>;

pub(super) const RULES: &[(&str, Rule)] = &[
    ("one version", one_version),
    ("named after the kind", named_after_the_kind),
    ("short names do not collide", short_names_do_not_collide),
    ("own category", own_category),
    ("namespaced", namespaced),
    ("no conversion", no_conversion),
    ("a status subresource", status_subresource),
    ("a name is a label value", a_name_is_a_label_value),
    ("spec is required", spec_is_required),
    ("columns are described", columns_are_described),
    ("columns show something", columns_show_something),
];

fn versions(definition: &Value) -> &[Value] {
    definition["spec"]["versions"].as_array().map_or(&[], Vec::as_slice)
}

fn root(definition: &Value) -> &Value {
    super::super::root_schema(definition)
}

fn one_version(definition: &Value) -> Vec<String> {
    let well = match versions(definition) {
        [one] => one["name"] == "v1alpha1" && one["served"] == true && one["storage"] == true,
        _ => false,
    };
    unless(well, "must have one version, v1alpha1, that is served and stored")
}

fn named_after_the_kind(definition: &Value) -> Vec<String> {
    let names = &definition["spec"]["names"];
    let kind = names["kind"].as_str().unwrap_or_default().to_lowercase();
    let plural = if let Some(stem) = kind.strip_suffix('y') { format!("{stem}ies") } else { format!("{kind}s") };
    let name = format!("{plural}.{}", definition["spec"]["group"].as_str().unwrap_or_default());
    let well = names["singular"] == kind.as_str()
        && names["plural"] == plural.as_str()
        && definition["spec"]["group"] == "lotse.dev"
        && definition["metadata"]["name"] == name.as_str();
    unless(well, format!("must be {name}, with plural and singular after its kind"))
}

fn short_names_do_not_collide(definition: &Value) -> Vec<String> {
    let names = definition["spec"]["names"]["shortNames"].as_array().map_or(&[][..], Vec::as_slice);
    let well = !names.is_empty() && names.iter().all(|name| name.as_str().is_some_and(|name| name.len() >= 4));
    unless(well, "must have short names of at least 4 letters")
}

fn own_category(definition: &Value) -> Vec<String> {
    unless(definition["spec"]["names"]["categories"] == json!(["lotse"]), "must be in the category lotse alone")
}

fn namespaced(definition: &Value) -> Vec<String> {
    unless(definition["spec"]["scope"] == "Namespaced", "must be namespaced")
}

fn no_conversion(definition: &Value) -> Vec<String> {
    unless(definition["spec"]["conversion"] == json!({ "strategy": "None" }), "must not be converted")
}

fn status_subresource(definition: &Value) -> Vec<String> {
    let well = versions(definition).iter().all(|version| version["subresources"]["status"].is_object())
        && root(definition)["properties"]["status"].is_object();
    unless(well, "must have a status, or users could write what the operator says")
}

fn a_name_is_a_label_value(definition: &Value) -> Vec<String> {
    let rules = root(definition)["x-kubernetes-validations"].as_array().map_or(&[][..], Vec::as_slice);
    unless(rules.iter().any(|rule| rule["rule"] == "size(self.metadata.name) <= 63"), "must bound metadata.name by 63")
}

fn spec_is_required(definition: &Value) -> Vec<String> {
    unless(root(definition)["required"] == json!(["spec"]), "must require spec, and nothing else")
}

fn columns(definition: &Value) -> impl Iterator<Item = &Value> {
    versions(definition).iter().filter_map(|version| version["additionalPrinterColumns"].as_array()).flatten()
}

fn columns_are_described(definition: &Value) -> Vec<String> {
    let bare = columns(definition).filter(|column| column["description"].as_str().unwrap_or_default().is_empty());
    bare.map(|column| format!("column {} must have a description", column["name"])).collect()
}

/// A column that points at no field is empty for ever, and nothing says so.
fn columns_show_something(definition: &Value) -> Vec<String> {
    let blind = columns(definition).filter(|column| {
        let path = column["jsonPath"].as_str().unwrap_or_default();
        !path.starts_with(".metadata.") && !is_declared(root(definition), path)
    });
    blind.map(|column| format!("column {} must point at a declared field", column["name"])).collect()
}

fn is_declared(root: &Value, path: &str) -> bool {
    // A condition is chosen by its type; which field of it is shown is what matters here.
    let path = path.replace(r#"[?(@.type=="Ready")]"#, "[*]");
    let mut node = Some(root);
    for step in path.trim_start_matches('.').split('.') {
        let name = step.trim_end_matches("[*]");
        node = node.and_then(|node| node["properties"].get(name));
        if name != step {
            node = node.and_then(|node| node.get("items"));
        }
    }
    node.is_some()
}
