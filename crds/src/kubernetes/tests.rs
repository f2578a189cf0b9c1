//! What the generated definitions must be: current, small, and as Kubernetes' conventions ask. `lint` holds the
//! conventions, `rules` runs the CEL.

mod lint;
mod rules;

use std::path::Path;

use serde_json::{Value, json};

use super::{definitions, manifests};

/// Client-side `kubectl apply` keeps the object in an annotation of at most 256 KiB.
const MOST_BYTES: usize = 200 * 1024;

fn root_schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

#[test]
fn the_generated_yaml_is_current() {
    for (file, yaml) in definitions() {
        for folder in ["", "../charts/lotse/files/crds"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file);
            let written = std::fs::read_to_string(&path).unwrap_or_default();

            assert!(written == yaml, "{} is stale; run `cargo generate`", path.display());
        }
    }
}

#[test]
fn the_yaml_says_what_the_json_says() {
    let yaml = definitions();
    for (file, definition) in manifests() {
        let read: Value = serde_saphyr::from_str(&yaml[file]).expect("what was written is YAML");

        assert_eq!(read, definition, "{file}");
    }
}

#[test]
fn the_definitions_are_small_enough_for_client_side_apply() {
    for (file, yaml) in definitions() {
        assert!(yaml.len() < MOST_BYTES, "{file} has {} bytes", yaml.len());
    }
}

#[test]
fn the_definitions_keep_kubernetes_conventions() {
    let findings: Vec<String> = manifests()
        .iter()
        .flat_map(|(file, definition)| {
            lint::definition(definition).into_iter().map(move |found| format!("{file}: {found}"))
        })
        .collect();

    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn fired(findings: Vec<lint::Finding>) -> Vec<&'static str> {
    findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn every_rule_of_the_lint_can_fail() {
    for (rule, field) in lint::BROKEN_SCHEMAS {
        let field: Value = serde_json::from_str(field).expect("the case is JSON");
        let object = json!({ "description": "A thing.", "type": "object", "properties": { "field": field } });

        assert_eq!(fired(lint::schema(&object)), [*rule], "{field}");
    }
    for (rule, place, value) in lint::BROKEN_DEFINITIONS {
        let (_, mut broken) = manifests().into_iter().next().expect("there are three");
        let (parent, name) = place.rsplit_once('/').expect("the case points into something");
        broken.pointer_mut(parent).expect("the case points into something")[name] =
            serde_json::from_str(value).expect("the case is JSON");

        assert_eq!(fired(lint::definition(&broken)), [*rule], "{place} = {value}");
    }
    let cases: Vec<&str> = lint::BROKEN_SCHEMAS
        .iter()
        .map(|case| case.0)
        .chain(lint::BROKEN_DEFINITIONS.iter().map(|case| case.0))
        .collect();
    let untested: Vec<&str> = lint::rule_names().filter(|rule| !cases.contains(rule)).collect();
    assert!(untested.is_empty(), "no case for {untested:?}");
}

#[test]
fn a_field_keeps_its_own_words_and_says_what_its_words_mean() {
    let (_, route) = manifests().into_iter().nth(1).expect("there are three");

    let balance = &root_schema(&route)["properties"]["spec"]["properties"]["tiers"]["items"]["properties"]["balance"];

    assert_eq!(
        *balance,
        json!({
            "description": "How the order of targets is drawn for each call; those with an outage go last.\n\
                - Price: By chance, weighted with the inverse square of the price; who has no price goes last.\n\
                - Order: As listed.\n\
                - Weight: By chance, weighted with weight.\n\
                - Latency: Who had the first content soonest, by the median of the last five minutes, first. Now and then \
                another is tried, so that who was slow can show that it no longer is.\n\
                - Throughput: Who had most tokens a second, by the median of the last five minutes, first; others now and \
                then.",
            "type": "string",
            "enum": ["Price", "Order", "Weight", "Latency", "Throughput"],
            "default": "Price",
        })
    );
}

/// A ship.
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is read")]
struct Ship {
    /// What it flies,
    /// if anything.
    flag: Option<Flag>,
    /// What
    ///
    /// - it is called.
    name: Option<String>,
    /// What it has flown.
    flown: Vec<Flag>,
}

/// A flag.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is read")]
enum Flag {
    /// P.
    BluePeter,
    /// G.
    Pilot,
}

#[test]
fn what_is_optional_may_be_left_out_but_not_be_null() {
    let ship = super::schema::structural::<Ship>();

    assert_eq!(
        ship,
        json!({
            "description": "A ship.",
            "type": "object",
            "required": ["flown"],
            "properties": {
                "flag": {
                    "description": "What it flies, if anything.\n- BluePeter: P.\n- Pilot: G.",
                    "type": "string",
                    "enum": ["BluePeter", "Pilot"],
                },
                "name": { "description": "What\n\n- it is called.", "type": "string" },
                "flown": {
                    "description": "What it has flown.\n- BluePeter: P.\n- Pilot: G.",
                    "type": "array",
                    "items": { "type": "string", "enum": ["BluePeter", "Pilot"] },
                },
            },
        })
    );
}
