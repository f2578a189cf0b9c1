//! Tests of preferences: each field with what it must not say, words and endings, who is out, and two laws for any body:
//! reading never panics, and what an app says only ever tightens.

use std::collections::BTreeSet;

use jiff::civil::Date;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::body::scan;
use crate::facts::Facts;
use crate::fields::BodyFields;
use crate::limits::Limits;
use crate::name::{Labels, ObjectName, Workload};
use crate::policy::DataPolicySpec;
use crate::price::Price;
use crate::promises::{Evidence, Promises};
use crate::route::{Balance, RequestPreferences, Stickiness, Timeouts, UnsupportedFields};
use crate::snapshot::{Candidate, Endpoint, Reason, Refused as Out, Route, Snapshot, Target, Tier};

mod endings;
mod judging;
mod reading;
mod words;

const ROOT: &str = "lotse-system";

fn today() -> Date {
    "2026-11-24".parse().expect("a day")
}

/// A call of Chat Completions, without headers.
fn chat() -> Asked<'static> {
    Asked { operation: Operation::ChatCompletions, session_id: None, metadata: None }
}

fn read_as(asked: Asked<'_>, body: &Value) -> Result<Preferences, Refused> {
    let body = serde_json::to_vec(body).expect("it is JSON");
    let scanned = scan(&body).expect("it can be scanned");
    Preferences::read(&body, &scanned, asked)
}

fn read(body: &Value) -> Result<Preferences, Refused> {
    read_as(chat(), body)
}

/// The preferences of a `provider` object.
#[expect(clippy::needless_pass_by_value, reason = "tests write their JSON where it is read")]
fn provider(value: Value) -> Preferences {
    read(&json!({"model": "m", "provider": value})).expect("they can be kept to")
}

/// What is promised of a provider that can be told everything.
fn promises() -> Value {
    json!({
        "inference": {"regions": ["DE"], "evidence": ["dpa"]},
        "jurisdiction": {"contractingEntity": "DE", "ultimateParent": "FR", "evidence": ["dpa"]},
        "retention": {"days": 0, "evidence": ["dpa"]},
        "training": {"onCustomerData": false, "evidence": ["dpa"]},
    })
}

fn facts(attested_by: &str, promises: Value) -> Facts {
    let promises: Promises = serde_json::from_value(promises).expect("promises");
    let evidence: Vec<Evidence> = serde_json::from_value(json!([
        {"name": "dpa", "kind": "SelfAttested", "source": "https://example.org", "validUntil": "2027-01-01"}
    ]))
    .expect("evidence");
    Facts::new(attested_by, &promises, &evidence)
}

fn candidate(name: &str, vendor: &str, region: Option<&str>) -> Candidate {
    Candidate {
        ordinal: 0,
        provider: ObjectName::new(ROOT, name),
        model: "m".to_owned(),
        weight: 1,
        price: None,
        vendor: vendor.to_owned(),
        region: region.map(str::to_owned),
        supports: Vec::new(),
        context_tokens: None,
        max_output_tokens: None,
        quantization: None,
        limits: None,
        facts: facts(ROOT, promises()),
        endpoint: Endpoint {
            target: Target::Simulated(serde_json::from_value(json!({})).expect("a simulation")),
            upstream_model: "m".to_owned(),
            force: BodyFields::default(),
        },
    }
}

fn price(input: &str, output: &str) -> Price {
    serde_json::from_value(json!({"inputPerMillion": input, "outputPerMillion": output})).expect("a price")
}

/// A policy that opens the world and believes the providers of some namespaces.
fn policy(attested_in: &[&str]) -> Limits {
    with_rules(attested_in, json!({}))
}

/// The same with these rules of evidence.
#[expect(clippy::needless_pass_by_value, reason = "tests write their JSON where it is read")]
fn with_rules(attested_in: &[&str], evidence: Value) -> Limits {
    let spec = json!({"inferenceRegions": ["Worldwide"], "evidence": evidence});
    let spec: DataPolicySpec = serde_json::from_value(spec).expect("a policy");
    let attested_in: BTreeSet<_> = attested_in.iter().map(|name| (*name).to_owned()).collect();
    Limits::new(ObjectName::new(ROOT, "open"), &spec, ROOT, attested_in)
}

fn objections(preferences: &Preferences, candidate: &Candidate) -> Vec<Reason> {
    preferences.judge(&[policy(&[ROOT])], today()).objections(candidate)
}

fn codes(preferences: &Preferences, candidate: &Candidate) -> Vec<String> {
    objections(preferences, candidate).into_iter().map(|reason| reason.code).collect()
}

fn snapshot(candidates: Vec<Candidate>, refused: Vec<Out>) -> Snapshot {
    let route = Route {
        name: ObjectName::new(ROOT, "all"),
        models: Vec::new(),
        tiers: vec![Tier { balance: Balance::Order, candidates, refused }],
        timeouts: Timeouts::default(),
        attempts: None,
        next_tier_on: Vec::new(),
        hedge_after_milliseconds: None,
        min_tokens_per_second: None,
        limits: None,
        budget: None,
        request_preferences: RequestPreferences::default(),
        stickiness: Stickiness::default(),
        defaults: BodyFields::default(),
        overrides: BodyFields::default(),
        unsupported_fields: UnsupportedFields::default(),
    };
    let workload = Workload { namespace: "a".to_owned(), service_account: "default".to_owned(), labels: Labels::new() };
    Snapshot { workload, policies: vec![policy(&[ROOT])], audits: Vec::new(), routes: vec![route] }
}

// === Laws ===

/// Fields that are routing's, and those inside of them.
const KEYS: [&str; 28] = [
    "provider",
    "models",
    "fallbacks",
    "session_id",
    "prompt_cache_key",
    "eu_native",
    "allow_quantization",
    "allow_zero_data_retention",
    "allowed_providers",
    "preference",
    "enable_model_fallback",
    "order",
    "only",
    "ignore",
    "sort",
    "by",
    "partition",
    "max_price",
    "prompt",
    "image",
    "preferred_max_latency",
    "p50",
    "quantizations",
    "data_residency",
    "max_retention_days",
    "zdr",
    "data_collection",
    "model",
];

/// Any JSON, with fields of routing's among its keys more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![proptest::sample::select(&KEYS[..]).prop_map(str::to_owned), "\\PC{0,6}",];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        proptest::sample::select(vec![
            "azure",
            "mistral/eu",
            "price",
            "none",
            "deny",
            "fp8",
            "eu",
            "1.5",
            "NaN",
            "cost"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Fields of `provider` that are read without a refusal, more often than not.
fn any_provider() -> impl Strategy<Value = Value> {
    let words = || {
        let word =
            proptest::sample::select(vec!["azure", "azure/swedencentral", "mistral", "lotse-system/own", "deepinfra"]);
        proptest::option::of(proptest::collection::vec(word, 1..4))
    };
    let quantizations = proptest::sample::select(vec!["fp8", "fp4", "bf16", "unknown"]);
    (
        (words(), words(), words(), any::<bool>()),
        proptest::option::of(proptest::collection::vec(quantizations, 1..3)),
        proptest::option::of(0.0..10.0),
        proptest::option::of(proptest::sample::select(vec!["eu", "us", "de", "CH"])),
        proptest::option::of(0..60),
        (any::<bool>(), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |((order, only, ignore, falls_back), quantizations, most, residency, days, (zdr, denies, owned))| {
                json!({
                    "order": order, "only": only, "ignore": ignore, "allow_fallbacks": falls_back,
                    "quantizations": quantizations, "max_price": {"prompt": most}, "data_residency": residency,
                    "max_retention_days": days, "zdr": zdr,
                    "data_collection": if denies { "deny" } else { "allow" }, "eu_owned": owned,
                })
            },
        )
}

/// Candidates of all kinds.
fn candidates() -> Vec<Candidate> {
    let mut all = vec![
        candidate("azure-se", "azure-openai", Some("swedencentral")),
        candidate("azure-us", "azure-openai", Some("eastus")),
        candidate("azure-somewhere", "azure-openai", None),
        candidate("mistral", "mistral", None),
        candidate("own", "vllm", None),
    ];
    all[0].price = Some(price("2", "6"));
    all[0].quantization = Some(Quantization::MXFP8);
    all[1].facts = facts(ROOT, json!({"inference": {"regions": ["US"], "evidence": ["dpa"]}}));
    all[2].facts = facts("tenant", promises());
    all[3].quantization = Some(Quantization::BF16);
    all[3].price = Some(price("0.1", "0.3"));
    all[4].facts.self_operated = true;
    all
}

proptest! {
    #[test]
    fn reading_any_json_never_panics(fields in any_json(), asks_messages in any::<bool>(), header in ".{0,300}") {
        let operation = if asks_messages { Operation::Messages } else { Operation::Responses };
        let body = if fields.is_object() { fields } else { json!({"provider": fields}) };
        let bytes = serde_json::to_vec(&body).expect("it is JSON");
        if let Ok(scanned) = scan(&bytes) {
            let asked = Asked { operation, session_id: Some(&header), metadata: None };
            if let Err(refused) = Preferences::read(&bytes, &scanned, asked) {
                prop_assert!(!refused.field().is_empty() && refused.to_string().len() < 1000, "{}", refused);
            }
            let taken = routing_fields(&bytes, &scanned, operation);
            prop_assert!(taken.iter().all(|field| body.get(field).is_some()));
        }
    }

    #[test]
    fn what_an_app_says_only_ever_tightens(said in any_provider(), more in any_provider()) {
        let (Ok(said), Ok(more)) = (
            read(&json!({"provider": said})),
            read(&json!({"provider": more})),
        ) else { return Ok(()) };
        // Both at once, as far as one call can say both.
        let both = Preferences {
            only: more.only.clone().or(said.only.clone()),
            ignore: said.ignore.iter().chain(&more.ignore).cloned().collect(),
            quantizations: said.quantizations.clone().or(more.quantizations.clone()),
            max_price: said.max_price.or(more.max_price),
            places: said.places.or(more.places),
            max_retention_days: said.max_retention_days.into_iter().chain(more.max_retention_days).min(),
            forbid_training: said.forbid_training || more.forbid_training,
            eu_owned: said.eu_owned || more.eu_owned,
            ..said.clone()
        };
        for candidate in candidates() {
            prop_assert!(objections(&Preferences::default(), &candidate).is_empty());
            let is_in = |preferences: &Preferences| objections(preferences, &candidate).is_empty();
            if said.only.is_none() || more.only.is_none() {
                prop_assert!(!is_in(&both) || is_in(&said), "{:?}", candidate.provider);
            }
            // Whoever believes fewer namespaces allows fewer.
            let believes = |namespaces: &[&str]| said.judge(&[policy(namespaces)], today()).objections(&candidate).is_empty();
            // A further policy never allows more, whatever its rules of evidence are.
            let strict = with_rules(&[ROOT, "tenant"], json!({"accept": ["SelfAttested"], "maxAgeDays": 9}));
            let under = |policies: &[Limits]| said.judge(policies, today()).objections(&candidate).is_empty();
            prop_assert!(!under(&[policy(&[ROOT]), strict.clone()]) || under(&[policy(&[ROOT])]) && under(&[strict]));
            prop_assert!(!believes(&[ROOT]) || believes(&[ROOT, "tenant"]));
            prop_assert!(!believes(&[]) || believes(&[ROOT]));
        }
    }
}
