//! What the metadata says, against what the schema requires.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::place::Places;
use lotse_crds::plan::{Moment, Standing, Wish, plan};
use lotse_crds::preferences::Preferences;
use lotse_crds::read::read;
use lotse_crds::residency::Memo;
use lotse_crds::snapshot::Snapshot;
use serde_json::{Value, json};

use super::*;

/// Three targets: `own` of the calling namespace's, `paris`, and one in America that the policy refuses.
fn snapshot() -> Snapshot {
    let object = |kind: &str, (namespace, name): (&str, &str), spec: &str| {
        format!(
            "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
        )
    };
    let provider = |namespace: &str, name: &str, regions: &str| {
        let consumers = if namespace == "app" { "" } else { "consumers: {namespaceSelector: {}}, " };
        let evidence = "evidence: [{name: dpa, kind: Contractual, source: s}]";
        let place = format!("{{regions: {regions}, evidence: [dpa]}}");
        let spec = format!(
            "{{vendor: x, api: Simulated, {consumers}models: [{{name: m}}], {evidence}, promises: {{inference: {place}, storage: {place}, access: {place}}}}}"
        );
        object("LLMProvider", (namespace, name), &spec)
    };
    let targets = "[{model: m, provider: {name: own}}, {model: m, provider: {namespace: lotse-system, name: paris}}, {model: m, provider: {namespace: lotse-system, name: texas}}]";
    let route = format!("{{models: [gpt], minTokensPerSecond: 20, tiers: [{{balance: Order, targets: {targets}}}]}}");
    let text = [
        object(
            "DataPolicy",
            ("lotse-system", "eu"),
            "{inferenceRegions: [EU], evidence: {attestedIn: {namespaceSelector: {}}}}",
        ),
        provider("app", "own", "[DE]"),
        provider("lotse-system", "paris", "[FR, BE]"),
        provider("lotse-system", "texas", "[US]"),
        object("ModelRoute", ("app", "route"), &route),
    ];
    let files = BTreeMap::from([("all.yaml".to_owned(), text.concat())]);
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    compile(&read(&files, "lotse-system").expect("good manifests"), &workload, Timestamp::UNIX_EPOCH).snapshot
}

fn note(snapshot: &Snapshot, at: usize, (code, status): (&'static str, Option<u16>)) -> AttemptNote {
    let candidate = snapshot.candidates().nth(at).expect("a candidate");
    let (provider, model) = (candidate.provider.clone(), candidate.model.clone());
    AttemptNote { provider, model, code, status, message: String::new() }
}

/// The metadata after these attempts, the last of which answers with this status, if one does.
fn told(snapshot: &Snapshot, notes: &[AttemptNote], answered: Option<(usize, u16)>) -> Value {
    let (needs, preferences) = (Needs::default(), Preferences::default());
    let (standing, mut chance) = (|_: &_| Standing::default(), || 0.5);
    let mut moment = Moment {
        now: Timestamp::UNIX_EPOCH,
        needs: &needs,
        memo: &Memo::default(),
        sticky: None,
        standing: &standing,
        chance: &mut chance,
    };
    let wish = Wish { route: &snapshot.routes[0], preferences: &preferences };
    let plan = plan(&[wish], &snapshot.policies, &mut moment);
    let answering = answered.and_then(|(ordinal, status)| {
        let candidate = snapshot.candidates().nth(ordinal)?;
        Some(Tried { provider: &candidate.provider, model: &candidate.model, status })
    });
    let tried: Vec<_> = notes.iter().map(Tried::from).chain(answering).collect();
    let routing =
        Routing { requested: "gpt", namespace: "app", has_fallbacks: false, plan: &plan, tried: &tried, answered };
    serde_json::from_slice(&Metadata::of(&routing).0).expect("JSON")
}

#[test]
fn an_answer_at_the_second_attempt_says_all_that_the_schema_requires() {
    let snapshot = snapshot();

    let told = told(&snapshot, &[note(&snapshot, 0, ("server_error", Some(503)))], Some((1, 200)));

    assert_eq!(
        told,
        json!({
            "requested": "gpt", "strategy": "direct", "region": "BE, FR",
            "summary": "available=2, selected=lotse-system/paris", "attempt": 2, "is_byok": false,
            "endpoints": {"total": 3, "available": [
                {"provider": "app/own", "model": "m", "selected": false},
                {"provider": "lotse-system/paris", "model": "m", "selected": true},
            ]},
            "params": {"throughput_floor": 20},
            "attempts": [
                {"provider": "app/own", "model": "m", "status": 503},
                {"provider": "lotse-system/paris", "model": "m", "status": 200},
            ],
        })
    );
}

#[test]
fn a_provider_of_the_calling_namespace_is_its_own_key() {
    let told = told(&snapshot(), &[], Some((0, 200)));

    assert_eq!((&told["is_byok"], &told["region"], &told["attempt"]), (&json!(true), &json!("DE"), &json!(1)));
}

#[test]
fn who_has_not_been_asked_and_who_has_failed_are_told_without_a_region() {
    let snapshot = snapshot();
    let failed = [note(&snapshot, 0, ("timeout", None)), note(&snapshot, 1, ("unreachable", None))];

    let (nobody, all) = (told(&snapshot, &[], None), told(&snapshot, &failed, None));

    assert_eq!((&nobody["attempt"], &nobody["region"], &nobody["attempts"]), (&json!(0), &Value::Null, &json!([])));
    assert_eq!(nobody["summary"], "available=2, selected=none");
    assert_eq!((&all["attempt"], &all["is_byok"], &all["region"]), (&json!(2), &json!(false), &Value::Null));
    assert_eq!((&all["attempts"][0]["status"], &all["attempts"][1]["status"]), (&json!(504), &json!(502)));
}

#[test]
fn the_statuses_of_attempts_are_those_of_failures() {
    let snapshot = snapshot();
    for (said, status) in [
        (("overloaded", Some(529)), 529),
        (("server_error", Some(200)), 502),
        (("rate_limited", None), 429),
        (("cancelled", None), CUT_OFF),
        (("cut", None), 502),
    ] {
        assert_eq!(Tried::from(&note(&snapshot, 0, said)).status, status, "{said:?}");
    }
}

#[test]
fn a_region_that_is_anywhere_unknown_or_contradicted_is_none() {
    let mut facts = snapshot().candidates().next().expect("a candidate").facts.clone();
    assert_eq!(region(&facts).as_deref(), Some("DE"));
    for words in [&["Worldwide"][..], &["DE", "XX"], &[]] {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        facts.inference.as_mut().expect("promised").places = Places::expand(&words);
        assert_eq!(region(&facts), None, "{words:?}");
    }

    let mut contradicted = snapshot().candidates().next().expect("a candidate").facts.clone();
    contradicted.inference.as_mut().expect("promised").contradiction = Some("it is elsewhere".to_owned());
    assert_eq!(region(&contradicted), None);

    contradicted.inference = None;
    assert_eq!(region(&contradicted), None);
}

#[test]
fn a_body_gets_the_field_and_what_is_no_object_stays() {
    let metadata = Metadata(b"{\"a\":1}".to_vec());
    let beside = |body: &'static str| String::from_utf8(metadata.beside(Bytes::from(body)).to_vec()).expect("text");

    assert_eq!(beside(r#"{"error": 1}"#), r#"{"openrouter_metadata":{"a":1},"error": 1}"#);
    assert_eq!(beside(r#"{"openrouter_metadata":{"b":2}}"#), r#"{"openrouter_metadata":{"a":1}}"#);
    assert_eq!(beside("[1]"), "[1]");
    assert_eq!(beside("no JSON"), "no JSON");
}
