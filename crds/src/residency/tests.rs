//! Proves the decision in three ways, always through `compile`, as operator and sidecar reach it:
//! - `cases.yaml`, the decision table that lawyers read, holds to the word, from a day's first to its last moment;
//! - in random worlds the decision says what a naive oracle says that was written from the design alone;
//! - in random worlds nothing that should only tighten ever permits more, and every refusal says whose it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::permit;
use crate::compile::{Compiled, compile};
use crate::manifests::{DeclaredRoute, Manifests};
use crate::name::{Labels, ObjectName, Workload};
use crate::policy::{
    AttestedIn, ConditionalJurisdiction, DataPolicySpec, Enforcement, EvidenceRules, Jurisdictions, OnOverdue,
    Staleness, TransferRequirement,
};
use crate::promises::{
    CertificationsPromise, ContractPromise, ContractType, Evidence, EvidenceKind, JurisdictionPromise, PlacePromise,
    Promises, RetentionPromise, Role, Subprocessor, SubprocessorsPromise, TrainingPromise, Transfer, TransferMechanism,
    TransfersPromise,
};
use crate::provider::{LLMProviderSpec, Operator};
use crate::residency::Memo;
use crate::secret::Secret;
use crate::selector::LabelSelector;
use crate::snapshot::Reason;

#[path = "oracle.rs"]
mod oracle;

use oracle::World;

const ROOT: &str = "lotse-system";
const MODEL: &str = "m";
/// Stands in every secret and header value of these worlds, and nowhere else.
const CANARY: &str = "sk-canary";
/// The host of a provider of no known vendor.
const HOST: &str = "models.example.org";

/// Every reason that the decision can give.
const CODES: [&str; 22] = [
    "no_data_policy",
    "policy_invalid",
    "not_attested",
    "not_promised",
    "residency_contradiction",
    "inference_region_not_allowed",
    "storage_region_not_allowed",
    "access_region_not_allowed",
    "jurisdiction_not_allowed",
    "jurisdiction_condition_lapsed",
    "jurisdiction_condition_unmet",
    "retention_too_long",
    "trains_on_customer_data",
    "article28_contract_missing",
    "transfer_mechanism_missing",
    "certification_missing",
    "subprocessor_country_denied",
    "evidence_missing",
    "evidence_not_found",
    "evidence_kind_not_accepted",
    "evidence_expired",
    "evidence_overdue",
];

// === The decision table ===

/// One case of `cases.yaml`; its header says what the fields mean.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    says: String,
    #[serde(default = "today")]
    on: Date,
    policy: DataPolicySpec,
    #[serde(default = "root")]
    policy_namespace: String,
    #[serde(default)]
    besides: Vec<DataPolicySpec>,
    #[serde(default)]
    namespace_labels: BTreeMap<String, Labels>,
    provider: Map<String, Value>,
    #[serde(default = "root")]
    provider_namespace: String,
    #[serde(default)]
    boundary_of: Vec<String>,
    expect: Vec<String>,
}

fn today() -> Date {
    jiff::civil::date(2026, 11, 24)
}

fn root() -> String {
    ROOT.to_owned()
}

/// The cases of a table, read as manifests are: plain `NO` is Norway.
fn read_cases(text: &str) -> Result<Vec<Case>, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let values: Vec<Value> = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let case = |value: Value| {
        let says = value.get("says").unwrap_or_default().to_string();
        serde_path_to_error::deserialize(value).map_err(|error| format!("{says}: {error}"))
    };
    values.into_iter().map(case).collect()
}

fn cases() -> Vec<Case> {
    read_cases(include_str!("cases.yaml")).expect("cases.yaml reads as a list of cases")
}

impl Case {
    fn world(&self) -> World {
        let policy = (ObjectName::new(&self.policy_namespace, "policy"), self.policy.clone());
        let besides = self.besides.iter().enumerate();
        let besides = besides.map(|(at, spec)| (ObjectName::new(ROOT, format!("besides-{at}")), spec.clone()));
        World {
            root: root(),
            workload: caller("team-a", "billing"),
            namespace_labels: self.namespace_labels.clone(),
            policies: std::iter::once(policy).chain(besides).collect(),
            unreadable: Vec::new(),
            provider_namespace: self.provider_namespace.clone(),
            provider: provider(&self.provider).unwrap_or_else(|error| panic!("{}: {error}", self.says)),
            day: self.on,
        }
    }
}

fn caller(namespace: &str, label: &str) -> Workload {
    Workload {
        namespace: namespace.to_owned(),
        service_account: "billing".to_owned(),
        labels: Labels::from([("app".to_owned(), label.to_owned())]),
    }
}

/// What a case says of a provider, over what it need not say.
fn provider(said: &Map<String, Value>) -> Result<LLMProviderSpec, serde_json::Error> {
    let mut spec = json!({
        "vendor": "somebody",
        "api": "OpenAI",
        "credential": {"type": "APIKey", "apiKey": {"secretRef": {"name": "provider", "key": "api-key"}}},
        "headers": [{"name": "x-team", "value": CANARY}],
        "models": [{"name": MODEL}],
        "evidence": [{"name": "dpa", "kind": "Contractual", "source": "17", "reviewedOn": "2026-10-01"}],
        "consumers": {"namespaceSelector": {}},
    });
    if !said.contains_key("vendor") && !said.contains_key("baseURL") {
        spec["baseURL"] = format!("https://{HOST}/v1").into();
    }
    for (field, value) in said {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec)
}

#[test]
fn each_case_is_decided_as_it_says() {
    let mut wrong = Vec::new();

    for case in cases() {
        let expected: BTreeSet<String> = case.expect.iter().cloned().collect();
        let world = case.world();
        for now in [first_moment(case.on), last_moment(case.on)] {
            let reasons = reasons(&compiled(&world, now));
            let found: BTreeSet<String> = reasons.iter().map(|reason| reason.code.clone()).collect();
            if found != expected {
                let Case { says, .. } = &case;
                wrong.push(format!("{says}\n  at {now}: expected {expected:?}, but got {reasons:#?}"));
            }
        }
    }

    assert!(wrong.is_empty(), "{} decisions are not as the case says:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_reason_is_given_by_one_case_and_just_escaped_by_another() {
    let cases = cases();

    let given: BTreeSet<&str> = cases.iter().flat_map(|case| &case.expect).map(String::as_str).collect();
    let escaped: BTreeSet<&str> = cases.iter().flat_map(|case| &case.boundary_of).map(String::as_str).collect();

    assert_eq!(given, BTreeSet::from(CODES));
    assert_eq!(escaped, BTreeSet::from(CODES));
}

#[test]
fn each_case_says_something_else_in_one_sentence() {
    let cases = cases();

    let sentences: BTreeSet<&str> = cases.iter().map(|case| case.says.as_str()).collect();

    assert!(cases.len() >= 70, "only {} cases were read", cases.len());
    assert_eq!(sentences.len(), cases.len());
    for case in &cases {
        assert!(case.says.ends_with('.') && case.says.len() > 20, "must be a sentence: {}", case.says);
        assert!(case.boundary_of.is_empty() || case.expect.is_empty(), "escapes nothing: {}", case.says);
    }
}

#[test]
fn a_case_with_a_misspelt_field_is_not_read() {
    let good = "- {says: A., policy: {maxRetentionDays: 0}, provider: {}, expect: []}";

    assert!(read_cases(good).is_ok());
    assert!(read_cases(&good.replace("expect", "expects")).is_err());
    assert!(read_cases(&good.replace("maxRetentionDays", "maxRetention")).is_err());
    assert!(provider(&Map::from_iter([("operatedby".to_owned(), "Self".into())])).is_err());
}

#[test]
fn the_oracle_decides_each_case_alike() {
    for case in cases() {
        assert_eq!(case.world().allows(), case.expect.is_empty(), "{}", case.says);
    }
}

// === What the table can't say ===

/// A world in which the caller may send data to a provider that promises nothing.
fn open_world() -> World {
    let text = "[{says: open, policy: {inferenceRegions: [Worldwide]}, provider: {}, expect: []}]";
    read_cases(text).expect("it is a case")[0].world()
}

#[test]
fn a_policy_that_cannot_be_read_denies_every_pod_that_it_might_select() {
    let mut world = open_world();
    let mut codes_beside = |namespace: &str| {
        world.unreadable = vec![ObjectName::new(namespace, "broken")];
        let reasons = reasons(&compiled(&world, first_moment(world.day)));
        reasons.into_iter().map(|reason| reason.code).collect::<Vec<_>>()
    };

    assert_eq!(codes_beside(ROOT), ["policy_invalid"]);
    assert_eq!(codes_beside("team-a"), ["policy_invalid"]);
    assert!(codes_beside("team-b").is_empty());
}

#[test]
fn overdue_evidence_that_counts_is_warned_of() {
    let mut world = open_world();
    world.policies[0].1.max_retention_days = Some(0);
    world.policies[0].1.evidence.max_age_days = Some(1);
    world.provider.promises.retention = Some(RetentionPromise { days: 0, evidence: vec!["dpa".to_owned()] });

    let compiled = compiled(&world, first_moment(world.day));

    let codes: Vec<_> = compiled.findings.iter().map(|finding| finding.code).collect();
    assert!(reasons(&compiled).is_empty());
    assert_eq!(codes, ["EvidenceOverdue"]);
}

#[test]
fn a_world_without_policies_allows_nothing() {
    let mut world = open_world();
    world.policies.clear();

    let reasons = reasons(&compiled(&world, first_moment(world.day)));

    assert_eq!(reasons.len(), 1);
    assert_eq!((reasons[0].code.as_str(), &reasons[0].policy), ("no_data_policy", &None));
}

// === From a world to the decision ===

fn first_moment(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).expect("every day has a midnight in UTC").timestamp()
}

fn last_moment(day: Date) -> Timestamp {
    first_moment(day) + 24.hours() - 1.nanosecond()
}

/// A world as manifests: the provider is the one target of the one route that answers everybody.
fn manifests(world: &World) -> Manifests {
    let name = ObjectName::new(&world.provider_namespace, "provider");
    let route = json!({
        "models": [MODEL],
        "namespaceSelector": {},
        "tiers": [{"targets": [{"provider": {"name": name.name, "namespace": name.namespace}, "model": MODEL}]}],
    });
    let route = serde_json::from_value(route).expect("it is a route");
    let secret = BTreeMap::from([("api-key".to_owned(), Secret::new(CANARY.to_owned()))]);
    Manifests {
        egress_proxy: None,
        root_namespace: world.root.clone(),
        namespaces: world.namespace_labels.clone(),
        providers: BTreeMap::from([(name.clone(), world.provider.clone())]),
        routes: BTreeMap::from([(ObjectName::new(ROOT, "route"), DeclaredRoute { created: None, spec: route })]),
        policies: world.policies.iter().cloned().collect(),
        unreadable_policies: world.unreadable.iter().map(|name| (name.clone(), "not YAML".to_owned())).collect(),
        secrets: BTreeMap::from([(name, secret)]),
        exchanged: BTreeMap::new(),
        unexchanged: BTreeMap::new(),
    }
}

fn compiled(world: &World, now: Timestamp) -> Compiled {
    compile(&manifests(world), &world.workload, now)
}

/// Every reason against the provider; it is a candidate when there is none.
fn reasons(compiled: &Compiled) -> Vec<Reason> {
    let tier = &compiled.snapshot.routes[0].tiers[0];
    assert_eq!(tier.candidates.len() + tier.refused.len(), 1, "the provider is either in or out");
    let reasons: Vec<Reason> = tier.refused.iter().flat_map(|refused| refused.reasons.clone()).collect();
    assert_eq!(reasons.is_empty(), tier.refused.is_empty(), "who is refused is told why");
    reasons
}

fn is_allowed(world: &World) -> bool {
    reasons(&compiled(world, first_moment(world.day))).is_empty()
}

/// The reasons without the policies' names, in an order of their own.
fn told(world: &World) -> Vec<(String, String)> {
    let reasons = reasons(&compiled(world, first_moment(world.day)));
    let mut told: Vec<_> = reasons.into_iter().map(|reason| (reason.code, reason.message)).collect();
    told.sort();
    told
}

// === Random worlds ===

/// One of these, each as often as its number says.
fn weighted<T: Clone + std::fmt::Debug + 'static>(choices: &[(u32, T)]) -> BoxedStrategy<T> {
    let choices = choices.iter().map(|(weight, value)| (*weight, Just(value.clone()).boxed())).collect();
    proptest::strategy::Union::new_weighted(choices).boxed()
}

/// One of these lists of words, each as often as its number says.
fn words(choices: &[(u32, &str)]) -> BoxedStrategy<Vec<String>> {
    let split = |words: &str| words.split_whitespace().map(str::to_owned).collect();
    weighted(&choices.iter().map(|(weight, words)| (*weight, split(words))).collect::<Vec<_>>())
}

fn word(choices: &[(u32, &str)]) -> BoxedStrategy<String> {
    weighted(&choices.iter().map(|(weight, word)| (*weight, (*word).to_owned())).collect::<Vec<_>>())
}

/// Boxed, because a world's strategy is too large for a test's stack otherwise.
fn maybe<S: Strategy + 'static>(percent: u32, strategy: S) -> BoxedStrategy<Option<S::Value>> {
    prop::option::weighted(f64::from(percent) / 100.0, strategy).boxed()
}

fn in_days(days: i32) -> Date {
    today().saturating_add(days.days())
}

fn evidence_name() -> BoxedStrategy<String> {
    word(&[(2, "dpa"), (1, "page"), (1, "report")])
}

/// Names of evidence that a promise rests on; `gone` is never there.
fn proofs() -> BoxedStrategy<Vec<String>> {
    words(&[(60, "dpa"), (4, "page dpa"), (4, "gone report"), (4, "report"), (2, "page"), (1, "gone"), (1, "")])
}

fn evidence() -> impl Strategy<Value = Vec<Evidence>> {
    let of = |name: &'static str, likely: EvidenceKind| {
        let kinds = [(8, likely), (1, EvidenceKind::SelfAttested), (1, EvidenceKind::Audited)];
        let reviewed = prop_oneof![8 => -200..=0_i32, 1 => -900..=-200_i32, 1 => 1..=60_i32];
        let valid = prop_oneof![6 => 100..=900_i32, 1 => -30..=100_i32];
        (maybe(98, weighted(&kinds)), maybe(92, reviewed), maybe(40, valid)).prop_map(move |(kind, reviewed, valid)| {
            kind.map(|kind| Evidence {
                name: name.to_owned(),
                kind,
                source: "contract 17".to_owned(),
                reviewed_on: reviewed.map(in_days),
                valid_until: valid.map(in_days),
                applies_to: crate::promises::Account::ThisAccount,
            })
        })
    };
    let all = (
        of("dpa", EvidenceKind::Contractual),
        of("page", EvidenceKind::SelfAttested),
        of("report", EvidenceKind::Audited),
    );
    all.prop_map(|(dpa, page, report)| [dpa, page, report].into_iter().flatten().collect())
}

fn place() -> impl Strategy<Value = PlacePromise> {
    let regions = words(&[
        (50, "FR"),
        (8, "EU"),
        (6, "DE IE"),
        (4, "NO"),
        (4, "CH"),
        (2, "EEA"),
        (2, "EU EFTA"),
        (2, "US"),
        (2, "FR US"),
        (1, "GB"),
        (1, "Worldwide"),
        (1, "XX"),
        (1, "FR eu-central-1"),
    ]);
    (regions, proofs()).prop_map(|(regions, evidence)| PlacePromise { regions, evidence })
}

fn jurisdiction() -> impl Strategy<Value = JurisdictionPromise> {
    let homes = || word(&[(12, "FR"), (4, "IE"), (5, "US"), (1, "CH"), (1, "CN"), (1, "XX")]);
    (homes(), homes(), proofs()).prop_map(|(contracting_entity, ultimate_parent, evidence)| JurisdictionPromise {
        contracting_entity,
        ultimate_parent,
        evidence,
    })
}

fn contract() -> impl Strategy<Value = ContractPromise> {
    let kind = weighted(&[(9, ContractType::Article28), (1, ContractType::None)]);
    let role = weighted(&[(14, Role::Processor), (1, Role::IndependentController), (1, Role::JointController)]);
    (kind, role, proofs()).prop_map(|(kind, role, evidence)| ContractPromise { kind, role, evidence })
}

fn mechanism() -> BoxedStrategy<TransferMechanism> {
    use TransferMechanism::{AdequacyDecision, BCR, Derogation, SCC};
    weighted(&[(3, AdequacyDecision), (6, SCC), (1, BCR), (1, Derogation)])
}

fn transfers() -> impl Strategy<Value = TransfersPromise> {
    let entry = (word(&[(6, "US"), (4, "CH"), (1, "CN"), (1, "XX")]), mechanism(), maybe(60, Just("TIA 3".to_owned())))
        .prop_map(|(country, mechanism, impact_assessment)| Transfer { country, mechanism, impact_assessment });
    (prop::collection::vec(entry, 0..=4), proofs())
        .prop_map(|(entries, evidence)| TransfersPromise { entries, evidence })
}

fn subprocessors() -> impl Strategy<Value = SubprocessorsPromise> {
    let entry = word(&[(8, "FR"), (2, "CH"), (2, "US"), (1, "XX")]).prop_map(|country| Subprocessor {
        name: "cloud".to_owned(),
        country,
        purpose: None,
    });
    (prop::collection::vec(entry, 0..=2), proofs())
        .prop_map(|(entries, evidence)| SubprocessorsPromise { entries, evidence })
}

/// Promises of which each is made in so many of a hundred worlds.
fn promises(made: u32) -> impl Strategy<Value = Promises> {
    let days = weighted(&[(5, 0), (4, 30), (1, 31), (1, 90)]);
    let names = words(&[(3, "ISO27001 SOC2"), (1, "ISO27001"), (1, "SOC2"), (1, "")]);
    let retention = (days, proofs()).prop_map(|(days, evidence)| RetentionPromise { days, evidence });
    let training = (prop::bool::weighted(0.1), proofs())
        .prop_map(|(on_customer_data, evidence)| TrainingPromise { on_customer_data, evidence });
    let certifications = (names, proofs()).prop_map(|(names, evidence)| CertificationsPromise { names, evidence });
    let places = (maybe(made, place()), maybe(made, place()), maybe(made, place()));
    let handling = (maybe(made, retention), maybe(made, training), maybe(made, contract()));
    let others = (maybe(made, transfers()), maybe(made, certifications), maybe(made, subprocessors()));
    (places, maybe(made, jurisdiction()), handling, others).prop_map(|(places, jurisdiction, handling, others)| {
        let (inference, storage, access) = places;
        let (retention, training, contract) = handling;
        let (transfers, certifications, subprocessors) = others;
        Promises {
            inference,
            storage,
            access,
            jurisdiction,
            retention,
            training,
            contract,
            transfers,
            certifications,
            subprocessors,
        }
    })
}

fn random_provider() -> impl Strategy<Value = LLMProviderSpec> {
    let host = weighted(&[(30, HOST), (1, "api.mistral.ai"), (1, "api.eu.mistral.ai"), (1, "us.api.openai.com")]);
    let operator = weighted(&[(7, Operator::Vendor), (1, Operator::Own)]);
    (host, operator, evidence(), promises(96), prop_oneof![9 => Just(Promises::default()), 1 => promises(30)]).prop_map(
        |(host, operated_by, evidence, promises, of_model)| {
            let mut spec = provider(&Map::new()).expect("a provider of which nothing is said is one");
            spec.base_url = Some(format!("https://{host}/v1"));
            spec.models[0].promises = of_model;
            LLMProviderSpec { operated_by, evidence, promises, ..spec }
        },
    )
}

fn selector(choices: &[(u32, Value)]) -> BoxedStrategy<LabelSelector> {
    let read = |value: &Value| serde_json::from_value(value.clone()).expect("it is a selector");
    weighted(&choices.iter().map(|(weight, value)| (*weight, read(value))).collect::<Vec<_>>())
}

fn pod_selector() -> BoxedStrategy<LabelSelector> {
    selector(&[
        (1, json!({})),
        (2, json!({"matchLabels": {"app": "billing"}})),
        (2, json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["billing", "shop"]}]})),
        (1, json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["billing"]}]})),
        (1, json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]})),
    ])
}

fn namespace_selector() -> BoxedStrategy<LabelSelector> {
    let name = "kubernetes.io/metadata.name";
    selector(&[
        (2, json!({})),
        (2, json!({"matchLabels": {name: "team-a"}})),
        (2, json!({"matchExpressions": [{"key": name, "operator": "In", "values": [ROOT, "team-b"]}]})),
        (2, json!({"matchExpressions": [{"key": name, "operator": "NotIn", "values": ["team-b"]}]})),
        (1, json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]})),
    ])
}

fn conditional() -> impl Strategy<Value = Vec<ConditionalJurisdiction>> {
    use TransferRequirement::{AdequacyDecision, ImpactAssessment, SCC};
    let requires = weighted(&[(3, vec![SCC]), (2, vec![SCC, ImpactAssessment]), (1, vec![AdequacyDecision])]);
    let of = |country: &'static str| {
        (requires.clone(), maybe(50, -30..=400_i32)).prop_map(move |(requires, until)| ConditionalJurisdiction {
            country: country.to_owned(),
            requires,
            until: until.map(in_days),
        })
    };
    (of("US"), maybe(30, of("CN"))).prop_map(|(first, second)| std::iter::once(first).chain(second).collect())
}

fn jurisdictions() -> impl Strategy<Value = Jurisdictions> {
    let allowed = words(&[(2, "EEA"), (2, "EU CH"), (1, "FR IE US")]);
    let denied = words(&[(3, "US"), (2, "CN"), (1, "US CN")]);
    (prop::bool::ANY, allowed, denied, maybe(60, conditional())).prop_map(|(closed, allowed, denied, conditional)| {
        Jurisdictions { allowed: closed.then_some(allowed), denied: (!closed).then_some(denied), conditional }
    })
}

fn evidence_rules() -> impl Strategy<Value = EvidenceRules> {
    use EvidenceKind::{Audited, Contractual, SelfAttested};
    let accept = [(4, vec![Contractual, Audited]), (1, vec![Audited]), (1, vec![SelfAttested, Contractual, Audited])];
    let age = maybe(40, (weighted(&[(1, 90), (3, 365)]), weighted(&[(1, OnOverdue::Warn), (1, OnOverdue::Exclude)])));
    (maybe(20, weighted(&accept)), age, maybe(8, namespace_selector())).prop_map(|(accept, age, attested_in)| {
        EvidenceRules {
            accept,
            max_age_days: age.map(|(days, _)| days),
            on_overdue: age.map(|(_, overdue)| overdue).unwrap_or_default(),
            attested_in: attested_in.map(|namespace_selector| AttestedIn { namespace_selector }),
        }
    })
}

fn regions() -> BoxedStrategy<Vec<String>> {
    words(&[(12, "Worldwide"), (6, "EEA CH"), (4, "EEA"), (4, "EU"), (2, "EU EFTA US"), (1, "FR DE IE"), (1, "US")])
}

/// A policy that can be understood.
fn sound_policy() -> impl Strategy<Value = (ObjectName, DataPolicySpec)> {
    let home = word(&[(5, ROOT), (3, "team-a"), (1, "team-b")]);
    let accounts = words(&[(3, "billing shop"), (1, "shop")]);
    let selectors = (maybe(15, namespace_selector()), maybe(15, pod_selector()), maybe(10, accounts));
    let enforcement = weighted(&[(5, Enforcement::Enforce), (1, Enforcement::Audit)]);
    let places = (maybe(45, regions()), maybe(15, regions()), maybe(15, regions()));
    let handling =
        (maybe(25, weighted(&[(1, 0), (3, 30), (1, 90)])), prop::bool::weighted(0.25), prop::bool::weighted(0.2));
    let others = (
        maybe(12, prop::collection::vec(mechanism(), 1..=3)),
        maybe(12, words(&[(3, "ISO27001"), (1, "ISO27001 SOC2")])),
        maybe(15, words(&[(3, "US"), (1, "EFTA"), (1, "CN")])),
    );
    let demands = (places, maybe(20, jurisdictions()), handling, others);
    (home, selectors, enforcement, demands, evidence_rules()).prop_map(
        |(home, selectors, enforcement, (places, jurisdictions, handling, others), evidence)| {
            let spec = DataPolicySpec {
                namespace_selector: selectors.0.filter(|_| home == ROOT),
                pod_selector: selectors.1,
                service_account_names: selectors.2,
                enforcement,
                inference_regions: places.0,
                storage_regions: places.1,
                access_regions: places.2,
                jurisdictions,
                max_retention_days: handling.0,
                forbid_training: handling.1,
                require_article28: handling.2,
                transfer_mechanisms: others.0,
                require_certifications: others.1,
                denied_subprocessor_countries: others.2,
                evidence,
                staleness: Staleness::default(),
            };
            (ObjectName::new(home, "policy"), spec)
        },
    )
}

/// Ways to make a policy that can't be understood.
const BREAKAGES: [fn(&mut DataPolicySpec); 8] = [
    |spec| spec.inference_regions = Some(vec!["EU".to_owned(), "Worldwide".to_owned()]),
    |spec| spec.storage_regions = Some(vec!["UK".to_owned()]),
    |spec| spec.jurisdictions = Some(Jurisdictions::default()),
    |spec| spec.max_retention_days = Some(-1),
    |spec| spec.transfer_mechanisms = Some(Vec::new()),
    |spec| spec.service_account_names = Some(Vec::new()),
    |spec| {
        spec.evidence.max_age_days = None;
        spec.evidence.on_overdue = OnOverdue::Exclude;
    },
    |spec| {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": []}]});
        spec.pod_selector = Some(serde_json::from_value(selector).expect("it is a selector"));
    },
];

/// A policy that now and then can't be understood.
fn policy() -> impl Strategy<Value = (ObjectName, DataPolicySpec)> {
    (sound_policy(), maybe(4, prop::sample::select(&BREAKAGES[..])), prop::bool::weighted(0.01)).prop_map(
        |((name, mut spec), breakage, reaches_out)| {
            if let Some(breakage) = breakage {
                breakage(&mut spec);
            }
            if reaches_out && name.namespace != ROOT {
                spec.namespace_selector = Some(LabelSelector::default());
            }
            (name, spec)
        },
    )
}

/// A policy that opens the door wherever it selects.
fn opening_policy() -> impl Strategy<Value = (ObjectName, DataPolicySpec)> {
    (policy(), regions()).prop_map(|((_, spec), regions)| {
        let spec = DataPolicySpec { enforcement: Enforcement::Enforce, inference_regions: Some(regions), ..spec };
        (ObjectName::new(ROOT, "policy"), spec)
    })
}

fn numbered(policies: Vec<(ObjectName, DataPolicySpec)>) -> Vec<(ObjectName, DataPolicySpec)> {
    let named = policies.into_iter().enumerate();
    named.map(|(at, (name, spec))| (ObjectName::new(name.namespace, format!("policy-{at}")), spec)).collect()
}

fn world() -> impl Strategy<Value = World> {
    let policies = (maybe(97, opening_policy()), prop::collection::vec(policy(), 0..=2))
        .prop_map(|(opening, others)| numbered(opening.into_iter().chain(others).collect()));
    let labels = maybe(50, Just(Labels::from([("tier".to_owned(), "gold".to_owned())])));
    let namespaces =
        (word(&[(8, "team-a"), (1, "team-b"), (1, ROOT)]), word(&[(24, ROOT), (2, "team-a"), (1, "team-b")]));
    let caller = weighted(&[(4, "billing"), (1, "shop")]);
    let unreadable = maybe(3, word(&[(1, ROOT), (1, "team-a"), (1, "team-b")]));
    (policies, labels, namespaces, caller, unreadable, random_provider(), 0..=200_i32).prop_map(
        |(policies, labels, namespaces, app, unreadable, provider, day)| World {
            root: root(),
            workload: self::caller(&namespaces.0, app),
            namespace_labels: labels.map(|labels| ("team-a".to_owned(), labels)).into_iter().collect(),
            policies,
            unreadable: unreadable.map(|home| ObjectName::new(home, "broken")).into_iter().collect(),
            provider_namespace: namespaces.1,
            provider,
            day: in_days(day),
        },
    )
}

/// A world in which no evidence was reviewed on a day that is still to come.
fn world_without_reviews_ahead() -> impl Strategy<Value = World> {
    world().prop_map(|mut world| {
        for evidence in &mut world.provider.evidence {
            evidence.reviewed_on = evidence.reviewed_on.map(|review| review.min(world.day));
        }
        world
    })
}

#[test]
fn random_worlds_are_allowed_and_refused_often_enough_to_prove_something() {
    let mut runner = TestRunner::deterministic();
    let worlds = world();
    let mut draw = || worlds.new_tree(&mut runner).expect("nothing is filtered out").current();

    let allowed = (0..1000).filter(|_| draw().allows()).count();

    assert!((100..=900).contains(&allowed), "{allowed} of 1000 worlds are allowed");
}

#[test]
fn random_worlds_give_each_reason() {
    let mut runner = TestRunner::deterministic();
    let worlds = world();
    let mut draw = || worlds.new_tree(&mut runner).expect("nothing is filtered out").current();

    let given: BTreeSet<String> = (0..600).flat_map(|_| told(&draw())).map(|(code, _)| code).collect();

    assert_eq!(given, CODES.map(str::to_owned).into());
}

// === Laws ===

/// Each promise, and how it is taken back.
const PROMISES: [fn(&mut Promises); 10] = [
    |promises| promises.jurisdiction = None,
    |promises| promises.retention = None,
    |promises| promises.training = None,
    |promises| promises.contract = None,
    |promises| promises.inference = None,
    |promises| promises.storage = None,
    |promises| promises.access = None,
    |promises| promises.transfers = None,
    |promises| promises.certifications = None,
    |promises| promises.subprocessors = None,
];
/// The first of them count for our own model server where it does not make them.
const COUNT_FOR_OUR_OWN: usize = 4;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn the_decision_says_what_the_oracle_says(world in world()) {
        let told = told(&world);

        prop_assert_eq!(told.is_empty(), world.allows(), "{:?}", told);
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn one_more_policy_never_permits_more_unless_it_opens_a_closed_door(world in world(), more in policy()) {
        let (name, spec) = more;
        let could_open_the_door = !world.is_open() && world.is_opening(&name, &spec);
        let mut tightened = world.clone();
        tightened.policies.push((ObjectName::new(name.namespace, "one-more"), spec));

        let (before, after) = (is_allowed(&world), is_allowed(&tightened));

        prop_assert!(before || !after || could_open_the_door);
    }

    // A policy's age is nothing that `Manifests` could hold, so it can't matter.
    #[test]
    fn names_and_order_of_policies_do_not_matter(world in world(), names in any::<[u8; 4]>()) {
        let mut renamed = world.clone();
        for (at, (name, _)) in renamed.policies.iter_mut().enumerate() {
            name.name = format!("{:03}-{at}", names[at]);
        }
        renamed.policies.reverse();

        prop_assert_eq!(told(&world), told(&renamed));
    }

    #[test]
    fn a_policy_that_audits_changes_nothing(world in world(), audit in sound_policy()) {
        let (name, spec) = audit;
        let audit = DataPolicySpec { enforcement: Enforcement::Audit, ..spec };
        let mut audited = world.clone();
        audited.policies.push((ObjectName::new(name.namespace, "audit"), audit));

        prop_assert_eq!(told(&world), told(&audited));
    }

    #[test]
    fn a_promise_less_never_permits_more(world in world(), at in 0..PROMISES.len()) {
        let counts_unmade = world.provider.operated_by == Operator::Own && at < COUNT_FOR_OUR_OWN;
        let mut silent = world.clone();
        PROMISES[at](&mut silent.provider.promises);
        PROMISES[at](&mut silent.provider.models[0].promises);

        let (before, after) = (is_allowed(&world), is_allowed(&silent));

        prop_assert!(before || !after || counts_unmade);
    }

    #[test]
    fn evidence_less_never_permits_more(world in world(), name in evidence_name()) {
        let mut weaker = world.clone();
        weaker.provider.evidence.retain(|evidence| evidence.name != name);

        let (before, after) = (is_allowed(&world), is_allowed(&weaker));

        prop_assert!(before || !after);
    }

    #[test]
    fn a_later_day_never_permits_more(world in world_without_reviews_ahead(), days in 1..=900_i32) {
        let later = World { day: world.day.saturating_add(days.days()), ..world.clone() };

        let (before, after) = (is_allowed(&world), is_allowed(&later));

        prop_assert!(before || !after);
    }

    #[test]
    fn a_candidate_judged_again_later_fares_as_if_compiled_then(world in world(), days in 0..=900_i32) {
        let later = World { day: world.day.saturating_add(days.days()), ..world.clone() };

        let snapshot = compiled(&world, first_moment(world.day)).snapshot;

        for candidate in snapshot.candidates() {
            prop_assert!(permit(&snapshot.policies, candidate, world.day).is_ok());
            let permitted = permit(&snapshot.policies, candidate, later.day).is_ok();
            prop_assert_eq!(permitted, is_allowed(&later));
            // A memo says the same, whatever it was asked before.
            let memo = Memo::default();
            for day in [world.day, world.day, later.day, world.day, later.day] {
                let remembered = memo.ask(&snapshot.policies, day).permit(&snapshot.policies, candidate, day).is_ok();
                prop_assert_eq!(remembered, permit(&snapshot.policies, candidate, day).is_ok());
            }
            prop_assert!(memo.ask(&[], world.day).permit(&[], candidate, world.day).is_err());
        }
    }

    #[test]
    fn a_snapshot_holds_no_secret_and_no_address_of_who_is_refused(world in world()) {
        let compiled = compiled(&world, first_moment(world.day));

        let json = serde_json::to_string(&compiled.snapshot).expect("a snapshot is JSON");
        let shown = format!("{json} {compiled:?}");
        let is_called = reasons(&compiled).is_empty();
        let base_url = world.provider.base_url.unwrap_or_default();
        prop_assert!(!shown.contains(CANARY));
        prop_assert_eq!(shown.contains(&base_url), is_called);
        prop_assert_eq!(compiled.keys.is_empty(), !is_called);
    }

    #[test]
    fn each_objection_names_a_policy_of_its_own_world_but_for_no_data_policy(world in world()) {
        let reasons = reasons(&compiled(&world, first_moment(world.day)));

        let policies: Vec<_> = world.policies.iter().map(|(name, _)| name).chain(&world.unreadable).collect();
        for reason in reasons {
            prop_assert!(CODES.contains(&reason.code.as_str()) && !reason.message.is_empty());
            prop_assert_eq!(reason.policy.is_none(), reason.code == "no_data_policy");
            prop_assert!(reason.policy.iter().all(|name| policies.contains(&name)));
        }
    }
}
