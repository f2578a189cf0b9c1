//! The rules of the three schemas, run as the API server would: each compiles, is cheap, lets a good object pass, and
//! refuses a bad one with its message. What CEL refuses, `check` refuses too.

use std::collections::BTreeSet;

use kube_cel::{ValidationErrors, Validator, compile_schema, estimate_rule_cost};
use serde_json::{Value, json};

use super::super::manifests;
use super::root_schema;
use crate::check;

/// What the API server grants a rule, over all the places that it is asked at, and all rules of a version together.
/// Source: kubernetes, staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
const MOST_FOR_A_RULE: u64 = 10_000_000;
const MOST_FOR_ALL: u64 = 100_000_000;

const PROVIDER: &str = "
metadata: {name: mistral}
spec:
  vendor: mistral
  api: OpenAI
  baseURL: https://api.eu.mistral.ai/v1
  credential: {type: APIKey, apiKey: {secretRef: {name: mistral, key: key}}}
  headers: [{name: x-team, value: pilots}]
  force: {safe_prompt: true}
  models: [{name: mistral-small, promises: {retention: {days: 0}}}]
  promises: {inference: {regions: [FR]}}
  consumers: {namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [pilots]}]}}
";
const ROUTE: &str = "
metadata: {name: chat}
spec:
  models: [chat, 'chat-*']
  namespaceSelector: {}
  podSelector: {matchLabels: {app: chat}, matchExpressions: [{key: canary, operator: DoesNotExist}]}
  tiers: [{targets: [{model: mistral-small}]}]
  defaults: {temperature: 0.2}
  overrides: {user: null}
";
const POLICY: &str = "
metadata: {name: europe}
spec:
  inferenceRegions: [EU, CH]
  storageRegions: [Worldwide]
  jurisdictions: {denied: [US]}
  evidence: {onOverdue: Exclude, maxAgeDays: 365, attestedIn: {namespaceSelector: {}}}
";

const CHOSEN_ELSEWHERE: &str = "model and stream may not be set here: the route and the app choose them";
const LIMITS: &str = "requestsPerMinute, tokensPerMinute or concurrentRequests must be set";
const STALENESS: &str = "warnSeconds must be at most refuseSeconds";
const SELECTOR: &str = "values must be set for In and NotIn, and may not be set for Exists and DoesNotExist";

/// A change to the good object, as a merge patch, and what the API server says of the changed one.
const REFUSED: &[(&str, &str, &str)] = &[
    ("llmproviders.yaml", "{spec: {simulated: {answer: ahoy}}}", "simulated may only be set when api is Simulated"),
    (
        "llmproviders.yaml",
        "{spec: {api: null, simulated: {answer: ahoy}}}",
        "simulated may only be set when api is Simulated",
    ),
    ("llmproviders.yaml", "{spec: {api: Simulated}}", "baseURL may not be set when api is Simulated"),
    (
        "llmproviders.yaml",
        "{spec: {baseURL: 'http://10.0.0.1/v1'}}",
        "baseURL may only be http:// when allowedAddresses names the addresses that may be dialled",
    ),
    (
        "llmproviders.yaml",
        "{spec: {baseURL: 'https://user:password@example.com/v1'}}",
        "baseURL must not carry a user or a password",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {apiKey: null}}}",
        "apiKey must be set when type is APIKey, and only then",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: AWS, apiKey: null}}}",
        "aws must be set when type is AWS, and only then",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: GoogleCloud, apiKey: null}}}",
        "googleCloud must be set when type is GoogleCloud, and only then",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: Azure, apiKey: null}}}",
        "azure must be set when type is Azure, and only then",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: OpenAI, apiKey: null}}}",
        "openAI must be set when type is OpenAI, and only then",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: AWS, apiKey: null, aws: {}}}}",
        "one of staticKeys, assumeRole and podIdentity must be set",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: AWS, apiKey: null, aws: {podIdentity: {clusterName: c, serviceAccountName: s}, staticKeys: {accessKeyIDRef: {name: a, key: i}, secretAccessKeyRef: {name: a, key: s}}}}}}",
        "podIdentity must stand alone",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: AWS, apiKey: null, aws: {assumeRole: {roleARN: 'arn:aws:iam::123456789012:role/lotse'}}}}}",
        "assumeRole must have exactly one of staticKeys beside it and serviceAccountName in it",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: AWS, apiKey: null, aws: {assumeRole: {roleARN: 'arn:aws:iam::123456789012:role/lotse', externalID: id, serviceAccountName: s}}}}}",
        "externalID may only be set beside staticKeys: web identity has none",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: GoogleCloud, apiKey: null, googleCloud: {}}}}",
        "exactly one of serviceAccountKey and workloadIdentity must be set",
    ),
    (
        "llmproviders.yaml",
        "{spec: {credential: {type: Azure, apiKey: null, azure: {tenantID: t, clientID: c}}}}",
        "exactly one of clientSecret and serviceAccountName must be set",
    ),
    ("llmproviders.yaml", "{spec: {tls: {}}}", "caBundle or clientCertificateRef must be set"),
    ("llmproviders.yaml", "{spec: {apiVersion: '2024-10-21'}}", "apiVersion may only be set when api is AzureOpenAI"),
    ("llmproviders.yaml", "{spec: {vendor: null}}", "vendor must be set, unless basedOn is"),
    ("llmproviders.yaml", "{spec: {models: null}}", "models must be set, unless basedOn is"),
    (
        "llmproviders.yaml",
        "{spec: {basedOn: {name: shared}}}",
        "nothing but credential and limits may be set beside basedOn",
    ),
    (
        "llmproviders.yaml",
        "{spec: {basedOn: {name: shared}, vendor: null, api: null, baseURL: null, credential: null, headers: null, force: null, models: null, promises: null, consumers: null}}",
        "credential must be set beside basedOn",
    ),
    ("llmproviders.yaml", "{spec: {headers: [{name: x-team}]}}", "exactly one of value and secretRef must be set"),
    (
        "llmproviders.yaml",
        "{spec: {headers: [{name: x-team, value: pilots, secretRef: {name: team, key: team}}]}}",
        "exactly one of value and secretRef must be set",
    ),
    ("llmproviders.yaml", "{spec: {force: {model: another}}}", CHOSEN_ELSEWHERE),
    ("llmproviders.yaml", "{spec: {limits: {}}}", LIMITS),
    ("modelroutes.yaml", "{spec: {limits: {}}}", LIMITS),
    ("modelroutes.yaml", "{spec: {budget: {action: Warn}}}", "perDay or perMonth must be set"),
    ("modelroutes.yaml", "{spec: {maxPrice: {}}}", "inputPerMillion or outputPerMillion must be set"),
    (
        "llmproviders.yaml",
        "{spec: {consumers: {namespaceSelector: {matchExpressions: [{key: team, operator: Exists, values: [a]}]}}}}",
        SELECTOR,
    ),
    ("modelroutes.yaml", "{spec: {defaults: {stream: true}}}", CHOSEN_ELSEWHERE),
    ("modelroutes.yaml", "{spec: {overrides: {model: another}}}", CHOSEN_ELSEWHERE),
    ("modelroutes.yaml", "{spec: {podSelector: {matchExpressions: [{key: team, operator: NotIn}]}}}", SELECTOR),
    (
        "modelroutes.yaml",
        "{spec: {namespaceSelector: {matchExpressions: [{key: team, operator: In, values: []}]}}}",
        SELECTOR,
    ),
    ("datapolicies.yaml", "{spec: {inferenceRegions: [DE, Worldwide]}}", "Worldwide must stand alone"),
    ("datapolicies.yaml", "{spec: {storageRegions: [DE, Worldwide]}}", "Worldwide must stand alone"),
    ("datapolicies.yaml", "{spec: {accessRegions: [Worldwide, DE]}}", "Worldwide must stand alone"),
    ("datapolicies.yaml", "{spec: {jurisdictions: {allowed: [DE]}}}", "exactly one of allowed and denied must be set"),
    ("datapolicies.yaml", "{spec: {jurisdictions: {denied: null}}}", "exactly one of allowed and denied must be set"),
    ("datapolicies.yaml", "{spec: {evidence: {maxAgeDays: null}}}", "maxAgeDays must be set when onOverdue is Exclude"),
    ("datapolicies.yaml", "{spec: {staleness: {warnSeconds: 61, refuseSeconds: 60}}}", STALENESS),
    ("datapolicies.yaml", "{spec: {podSelector: {matchExpressions: [{key: team, operator: In}]}}}", SELECTOR),
    ("datapolicies.yaml", "{spec: {namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}}", SELECTOR),
    (
        "datapolicies.yaml",
        "{spec: {evidence: {attestedIn: {namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}}}}",
        SELECTOR,
    ),
];

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the sample is YAML")
}

fn good(file: &str) -> Value {
    match file {
        "llmproviders.yaml" => yaml(PROVIDER),
        "modelroutes.yaml" => yaml(ROUTE),
        "datapolicies.yaml" => yaml(POLICY),
        _ => panic!("no sample for {file}"),
    }
}

/// How many problems a folder's reader would tell.
fn problems(file: &str, object: &Value) -> usize {
    let spec = object["spec"].clone();
    let checked = match file {
        "llmproviders.yaml" => serde_json::from_value(spec).map(|spec| check::provider(&spec)),
        "modelroutes.yaml" => serde_json::from_value(spec).map(|spec| check::route(&spec)),
        "datapolicies.yaml" => serde_json::from_value(spec).map(|spec| check::policy(&spec)),
        _ => panic!("no kind for {file}"),
    };
    checked.unwrap_or_else(|error| panic!("{file} {object}: {error}")).len()
}

/// RFC 7396.
fn merge(value: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, change) in patch {
        if change.is_null() {
            value.as_object_mut().expect("just made one").shift_remove(name);
        } else {
            merge(&mut value[name], change);
        }
    }
}

fn messages(schema: &Value, object: &Value) -> Vec<String> {
    let errors = Validator::new().validate(schema, object, None).err();
    errors.into_iter().flat_map(ValidationErrors::into_vec).map(|error| error.message).collect()
}

/// Each place that has rules: its path, its schema, and how often an object may have it.
fn places<'a>(path: &str, schema: &'a Value, times: u64) -> Vec<(String, &'a Value, u64)> {
    let mut found = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.extend(places(&format!("{path}.{name}"), property, times));
    }
    if let Some(items) = schema.get("items") {
        let most = schema["maxItems"].as_u64().expect("arrays are bounded");
        found.extend(places(&format!("{path}[]"), items, times * most));
    }
    if schema.get("x-kubernetes-validations").is_some() {
        found.push((path.to_owned(), schema, times));
    }
    found
}

fn rules(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.map(|rule| (rule["rule"].as_str().expect("a rule"), rule["message"].as_str().expect("a message")))
}

/// Never less than what the API server reckons: each step of the rule might go over the longest string below, and each
/// comprehension over the longest list.
fn cost(rule: &str, schema: &Value) -> u64 {
    let steps = rule.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count() as u64;
    let comprehends = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("].iter().any(|call| rule.contains(call));
    let items = if comprehends { greatest(schema, "maxItems").max(1) } else { 1 };
    // Four bytes a character, a tenth of a unit a byte.
    let string = (greatest(schema, "maxLength") * 4).div_ceil(10).max(1);
    steps * items * string
}

fn greatest(schema: &Value, keyword: &str) -> u64 {
    let own = schema.get(keyword).and_then(Value::as_u64).unwrap_or_default();
    let children = schema["properties"].as_object().into_iter().flat_map(|all| all.values()).chain(schema.get("items"));
    children.map(|child| greatest(child, keyword)).fold(own, u64::max)
}

#[test]
fn every_rule_compiles_within_the_budget_of_the_api_server() {
    for (file, definition) in manifests() {
        let mut all = 0;
        for (path, schema, times) in places("", root_schema(&definition), 1) {
            let compiled = compile_schema(schema);
            assert!(!compiled.has_errors(), "{file} {path}: {:?}", compiled.compilation_errors());
            for (rule, _) in rules(schema) {
                let warnings = estimate_rule_cost(rule, &compiled);
                assert!(warnings.is_empty(), "{file} {path} `{rule}`: {warnings:?}");
                let cost = times * cost(rule, schema);
                assert!(cost < MOST_FOR_A_RULE, "{file} {path} `{rule}` may cost {cost}");
                all += cost;
            }
        }
        assert!(all < MOST_FOR_ALL, "{file}: all rules together may cost {all}");
    }
}

#[test]
fn a_good_object_passes() {
    for (file, definition) in manifests() {
        let object = good(file);

        assert_eq!(messages(root_schema(&definition), &object), [""; 0], "{file}");
        assert_eq!(problems(file, &object), 0, "{file}");
    }
}

/// What a provider with its own key may be, and one of each kind of credential.
const GOOD_PROVIDERS: [&str; 7] = [
    "{basedOn: {name: shared, namespace: lotse-system}, credential: {type: APIKey, apiKey: {secretRef: {name: a, key: b}}}}",
    "{vendor: aws-bedrock, region: eu-west-1, models: [{name: m}], credential: {type: AWS, aws: {staticKeys: {accessKeyIDRef: {name: a, key: i}, secretAccessKeyRef: {name: a, key: s}, sessionTokenRef: {name: a, key: t}}, assumeRole: {roleARN: 'arn:aws:iam::123456789012:role/lotse', sessionName: s1, externalID: 'a:b/c'}}}}",
    "{vendor: aws-bedrock, region: eu-west-1, models: [{name: m}], credential: {type: AWS, aws: {assumeRole: {roleARN: 'arn:aws-us-gov:iam::123456789012:role/a/b', serviceAccountName: s}}}}",
    "{vendor: aws-bedrock, region: eu-west-1, models: [{name: m}], credential: {type: AWS, aws: {podIdentity: {clusterName: c, serviceAccountName: s}}}}",
    "{vendor: google-vertex, region: eu, project: p, models: [{name: m, contextTokens: 1000, maxOutputTokens: 100, quantization: FP8, supports: [Tools, Vision]}], credential: {type: GoogleCloud, googleCloud: {workloadIdentity: {audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/c', serviceAccountName: s, impersonate: lotse@p.iam.gserviceaccount.com}}}}",
    "{vendor: azure-openai, region: swedencentral, apiVersion: 2025-04-01-preview, baseURL: 'https://r.openai.azure.com', models: [{name: m, deploymentType: DataZoneStandard}], credential: {type: Azure, azure: {tenantID: 6d7e, clientID: 12ab, serviceAccountName: s, authority: China}}, tls: {clientCertificateRef: {name: cert}}}",
    "{vendor: openai, models: [{name: m}], credential: {type: OpenAI, openAI: {identityProviderID: idp_1, serviceAccountID: sa_1, serviceAccountName: s}}, evidence: [{name: e, kind: Contractual, source: s, appliesTo: AnyAccount}]}",
];

#[test]
fn every_kind_of_credential_passes_and_so_does_a_key_of_ones_own() {
    let (_, definition) = manifests().into_iter().next().expect("there are three");
    for spec in GOOD_PROVIDERS {
        let object = json!({"metadata": {"name": "p"}, "spec": yaml(spec)});

        assert_eq!(messages(root_schema(&definition), &object), [""; 0], "{spec}");
        assert_eq!(problems("llmproviders.yaml", &object), 0, "{spec}");
    }
}

#[test]
fn every_rule_refuses_with_its_message() {
    for (file, definition) in manifests() {
        let mut fired = BTreeSet::new();
        for (_, patch, message) in REFUSED.iter().filter(|case| case.0 == file) {
            let mut object = good(file);
            merge(&mut object, &yaml(patch));

            assert_eq!(messages(root_schema(&definition), &object), [*message], "{file} {patch}");
            assert_ne!(problems(file, &object), 0, "{file} {patch}: `check` lets it pass");
            fired.insert(*message);
        }
        let spec = &root_schema(&definition)["properties"]["spec"];
        let untested: Vec<_> = places("spec", spec, 1)
            .into_iter()
            .flat_map(|(path, schema, _)| rules(schema).map(move |rule| (path.clone(), rule)))
            .filter(|(_, (_, message))| !fired.contains(message))
            .collect();
        assert!(untested.is_empty(), "{file}: no case for {untested:?}");
    }
}

#[test]
fn a_name_longer_than_the_value_of_a_label_is_refused() {
    for (file, definition) in manifests() {
        let mut object = good(file);

        object["metadata"]["name"] = "n".repeat(63).into();
        assert_eq!(messages(root_schema(&definition), &object), [""; 0], "{file}");

        object["metadata"]["name"] = "n".repeat(64).into();
        assert_eq!(
            messages(root_schema(&definition), &object),
            ["metadata.name must have at most 63 characters"],
            "{file}"
        );
    }
}
