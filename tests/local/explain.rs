//! `lotse explain` as people and scripts use it, on the quick start's folder and on a matrix of policies.

use std::path::Path;

use clap::Parser as _;
use jiff::Timestamp;
use lotse_operator::args::{Cli, Command};
use lotse_operator::explain;
use lotse_tests::World;
use lotse_tests::manifests::{object, policy};
use serde_json::Value;
use tempfile::TempDir;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/quickstart");

/// What `lotse explain` prints, or the error that it ends with. The 24th of November 2026, unless flags say otherwise.
fn explains(folder: &Path, flags: &[&str]) -> Result<String, String> {
    let path = folder.to_string_lossy().into_owned();
    let all = [&["lotse", "explain", "--manifests", &path], flags].concat();
    let command = Cli::try_parse_from(all).map_err(|error| error.to_string())?.command;
    let Command::Explain(parsed) = command else { return Err("another command".to_owned()) };
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
    let mut out = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(explain::run(&parsed, now, &mut out)).map_err(|error| format!("{error:#}"))?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn json(folder: &Path, flags: &[&str]) -> Value {
    let text = explains(folder, &[flags, &["-o", "json"]].concat()).expect("it can be explained");
    serde_json::from_str(&text).expect("nothing but JSON")
}

/// The eligible providers in the order of trying, and the excluded ones with their codes.
fn verdict(explanation: &Value) -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let name = |candidate: &Value| candidate["provider"].as_str().unwrap_or_default().to_owned();
    let candidates = explanation["candidates"].as_array().cloned().unwrap_or_default();
    let (eligible, excluded): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| candidate["eligible"] == true);
    let codes = |candidate: &Value| {
        let reasons = candidate["excluded"].as_array().cloned().unwrap_or_default();
        reasons.iter().filter_map(|reason| reason["code"].as_str().map(str::to_owned)).collect()
    };
    (eligible.into_iter().map(name).collect(), excluded.into_iter().map(|each| (name(each), codes(each))).collect())
}

#[test]
fn the_quick_start_is_explained_in_json() {
    let explanation = json(Path::new(QUICKSTART), &["--namespace", "support", "--model", "gpt-4o"]);

    let keys: Vec<&String> = explanation.as_object().map(|object| object.keys().collect()).unwrap_or_default();
    assert_eq!(keys, ["model", "workload", "revision", "candidates"]);
    assert_eq!(explanation["workload"]["namespace"], "support");
    let (eligible, excluded) = verdict(&explanation);
    assert_eq!(eligible, ["frankfurt", "dublin", "paris", "basement"].map(|name| format!("lotse-system/{name}")));
    assert_eq!(excluded.len(), 1);
    assert!(excluded[0].1.contains(&"inference_region_not_allowed".to_owned()));
    let first = &explanation["candidates"][0];
    assert_eq!((&first["tier"], &first["model"]), (&1.into(), &"large".into()));
    let weight = |at: usize| explanation["candidates"][at]["weight"].as_f64().unwrap_or_default();
    assert!((weight(0) / weight(1) - (4.8_f64 / 3.6).powi(2)).abs() < 1e-9);
    let reason = &explanation["candidates"][4]["excluded"][0];
    assert_eq!(reason["policy"], "lotse-system/european-data");
    assert!(reason["message"].as_str().is_some_and(|message| message.len() > 20));
}

#[test]
fn another_day_has_another_verdict() {
    let flags = ["--namespace", "support", "--model", "openai/gpt-4o", "--at", "2029-12-31"];

    let (eligible, excluded) = verdict(&json(Path::new(QUICKSTART), &flags));

    assert!(!eligible.contains(&"lotse-system/dublin".to_owned()));
    let dublin = excluded.iter().find(|(name, _)| name == "lotse-system/dublin").expect("it is explained");
    assert_eq!(dublin.1, ["jurisdiction_condition_lapsed"]);
    let frankfurt = verdict(&json(
        Path::new(QUICKSTART),
        &["--namespace", "support", "--model", "gpt-4o", "--at", "2029-12-30T23:59:59Z"],
    ));
    assert!(frankfurt.0.contains(&"lotse-system/dublin".to_owned()));
}

#[test]
fn the_table_reads_for_people() {
    let table = explains(Path::new(QUICKSTART), &["-n", "support", "--model", "gpt-4o"]).expect("it can be explained");

    assert!(table.starts_with("gpt-4o for support/default on 2026-11-24: 4 of 5 candidates may be tried"), "{table}");
    assert!(table.contains("refused by lotse-system/european-data:"), "{table}");
    assert!(table.contains("57 %"), "{table}");
}

#[test]
fn a_request_is_judged_as_the_sidecar_would() {
    let folder = TempDir::new().expect("a folder");
    let request = folder.path().join("request.json");
    let path = request.to_string_lossy().into_owned();
    let flags = ["-n", "support", "--request", &path];
    let write = |text: &str| std::fs::write(&request, text).expect("a file");

    write("{\"model\":\"gpt-4o\",\"messages\":[]}");
    let told = explains(Path::new(QUICKSTART), &flags).expect("it is taken");
    assert!(told.contains("lotse-system/paris: model=\"large-2512\""), "{told}");

    write("{\"model\":\"gpt-4o\",\"a\":{\"b\":1,\"b\":2}}");
    let refused = explains(Path::new(QUICKSTART), &flags).expect_err("it is refused");
    assert!(refused.contains("the key `b` twice"), "{refused}");
}

#[test]
fn what_can_not_be_explained_is_an_error_that_says_what_to_do() {
    for (flags, told) in [
        (vec!["--model", "nothing", "-n", "support"], "there are: gpt-4o, openai/gpt-4o"),
        (vec!["--model", "gpt-4o", "--at", "someday"], "must be a day such as"),
        (vec!["--model", "gpt-4o", "--labels", "a"], "must be key=value"),
        (vec![], "--model"),
    ] {
        let error = explains(Path::new(QUICKSTART), &flags).expect_err("it is an error");
        assert!(error.contains(told), "{error}");
    }
    let error = explains(Path::new("/nowhere"), &["--model", "x"]).expect_err("there is no folder");
    assert!(error.contains("/nowhere can't be read"), "{error}");
}

/// A folder with one provider that promises the EU on a contract, and these policies.
fn folder(policies: &[String]) -> TempDir {
    let place = "{regions: [FR], evidence: [dpa]}";
    let provider = format!(
        "vendor: vllm\nbaseURL: https://models.example.org/v1\nconsumers: {{namespaceSelector: {{}}}}\nmodels: [{{name: m}}]\n\
         evidence: [{{name: dpa, kind: Contractual, source: s, reviewedOn: 2026-10-01, validUntil: 2027-10-01}}]\n\
         promises: {{inference: {place}, storage: {place}, access: {place}, retention: {{days: 0, evidence: [dpa]}}}}"
    );
    let folder = TempDir::new().expect("a folder");
    let world = World::default()
        .policies(policies)
        .tiers("- {targets: [{model: m}]}")
        .file("p.yaml", &object("LLMProvider", "lotse-system", "p", &provider));
    for (name, text) in world.files() {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

#[test]
fn a_matrix_of_policies_is_explained() {
    let root = |spec: &str| policy("lotse-system", "root", spec);
    let open = || root("inferenceRegions: [Worldwide]");
    let tenant = |spec: &str| policy("app", "tenant", spec);
    for (policies, codes) in [
        (vec![open()], vec![]),
        (vec![root("inferenceRegions: [EU]")], vec![]),
        (vec![root("inferenceRegions: [FR]\nmaxRetentionDays: 0")], vec![]),
        (vec![], vec!["no_data_policy"]),
        (vec![root("maxRetentionDays: 0")], vec!["no_data_policy"]),
        (vec![root("enforcement: Audit\ninferenceRegions: [EU]")], vec!["no_data_policy"]),
        (vec![tenant("inferenceRegions: [EU]")], vec!["no_data_policy"]),
        (
            vec![root("inferenceRegions: [DE]")],
            vec!["inference_region_not_allowed", "storage_region_not_allowed", "access_region_not_allowed"],
        ),
        (vec![root("inferenceRegions: [EU]\nstorageRegions: [DE]")], vec!["storage_region_not_allowed"]),
        (vec![open(), tenant("inferenceRegions: [FR]")], vec![]),
        (vec![open(), tenant("accessRegions: [DE]")], vec!["access_region_not_allowed"]),
        (vec![root("inferenceRegions: [EU]\nforbidTraining: true")], vec!["not_promised"]),
        (vec![root("inferenceRegions: [EU]\nevidence: {accept: [Audited]}")], vec!["evidence_kind_not_accepted"; 3]),
        (
            vec![root("inferenceRegions: [EU]\nevidence: {maxAgeDays: 30, onOverdue: Exclude}")],
            vec!["evidence_overdue"; 3],
        ),
        (vec![root("inferenceRegions: [EU]\nevidence: {maxAgeDays: 30}")], vec![]),
        (
            vec![root("inferenceRegions: [EU]\nevidence: {attestedIn: {namespaceSelector: {matchLabels: {a: b}}}}")],
            vec!["not_attested"],
        ),
        (vec![root("inferenceRegions: [EU]\njurisdictions: {denied: [US]}")], vec!["not_promised"]),
        (vec![root("inferenceRegions: [EU]\npodSelector: {matchLabels: {tier: gold}}")], vec!["no_data_policy"]),
    ] {
        let folder = folder(&policies);

        let (eligible, excluded) = verdict(&json(folder.path(), &["-n", "app", "--model", "gpt-4o"]));

        let got: Vec<&str> = excluded.iter().flat_map(|(_, codes)| codes.iter().map(String::as_str)).collect();
        assert_eq!((eligible.len(), got), (usize::from(codes.is_empty()), codes), "{policies:?}");
    }
}

#[test]
fn labels_and_the_service_account_select_policies() {
    let gold = "inferenceRegions: [EU]\npodSelector: {matchLabels: {tier: gold}}\nserviceAccountNames: [billing]";
    let folder = folder(&[policy("lotse-system", "gold", gold)]);
    let flags = ["-n", "app", "--model", "gpt-4o", "--labels", "tier=gold,a=b", "--service-account", "billing"];

    assert_eq!(verdict(&json(folder.path(), &flags)).0, ["lotse-system/p"]);
    assert_eq!(verdict(&json(folder.path(), &flags[..6])).0, Vec::<String>::new());
}
