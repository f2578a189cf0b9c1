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

/// A file with this request.
fn request(folder: &TempDir, body: &Value) -> String {
    let path = folder.path().join("request.json");
    std::fs::write(&path, body.to_string()).expect("a file");
    path.to_string_lossy().into_owned()
}

#[test]
fn a_request_says_who_would_answer_it_in_which_order_and_who_is_out_by_its_own_wishes() {
    let folder = TempDir::new().expect("a folder");
    for (more, order, out) in [
        (serde_json::json!({"provider": {"sort": "price"}}), "frankfurt dublin paris basement", "virginia"),
        (serde_json::json!({"provider": {"order": ["paris"]}}), "paris frankfurt dublin basement", "virginia"),
        (
            serde_json::json!({"provider": {"order": ["paris", "dublin"], "allow_fallbacks": false}}),
            "paris dublin",
            "frankfurt allowed_providers, virginia, basement allowed_providers",
        ),
        (
            serde_json::json!({"provider": {"sort": "price", "allow_fallbacks": false}}),
            "frankfurt",
            "dublin allowed_providers, paris allowed_providers, virginia, basement allowed_providers",
        ),
        (
            serde_json::json!({"provider": {"eu_owned": true, "only": ["dublin", "paris", "virginia"]}}),
            "paris",
            "dublin eu_owned, frankfurt allowed_providers, virginia, basement allowed_providers",
        ),
        (
            serde_json::json!({"provider": {"max_price": {"prompt": 1}}}),
            "frankfurt",
            "dublin max_price, paris max_price, virginia, basement max_price",
        ),
        (
            serde_json::json!({"provider": {"require_parameters": true}, "tools": [{"type": "function"}]}),
            "",
            "dublin require_parameters, frankfurt require_parameters, paris require_parameters, virginia, basement require_parameters",
        ),
        (
            serde_json::json!({"model": "gpt-4o@fr"}),
            "paris",
            "dublin data_region, frankfurt data_region, virginia, basement data_region",
        ),
    ] {
        let mut body = serde_json::json!({"model": "gpt-4o", "messages": []});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let path = request(&folder, &body);

        let explanation = json(Path::new(QUICKSTART), &["-n", "support", "--request", &path]);

        let short = |name: &str| name.trim_start_matches("lotse-system/").to_owned();
        let (eligible, excluded) = verdict(&explanation);
        let eligible: Vec<_> = eligible.iter().map(|name| short(name)).collect();
        assert_eq!(eligible.join(" "), order, "{body}");
        // What policies say of Virginia stands above.
        let tell = |(name, codes): (String, Vec<String>)| {
            let name = short(&name);
            if name == "virginia" { name } else { format!("{name} {}", codes.join(" ")) }
        };
        let mut excluded: Vec<_> = excluded.into_iter().map(tell).collect();
        let mut expected: Vec<_> = out.split(", ").map(str::to_owned).collect();
        excluded.sort();
        expected.sort();
        assert_eq!(excluded, expected, "{body}");
        assert_eq!(explanation.get("leftOut"), None, "{body}");
    }
}

#[test]
fn a_request_is_told_what_is_taken_out_of_it_what_it_needs_and_what_has_no_effect() {
    let folder = TempDir::new().expect("a folder");
    let path = request(
        &folder,
        &serde_json::json!({
            "models": ["gpt-4o:floor", "unheard-of"], "messages": [], "session_id": "s",
            "tools": [{"type": "function", "function": {"name": "f"}}], "provider": {"ignore": ["dublin"], "sort": "exacto"},
        }),
    );
    let flags = ["-n", "support", "--request", &path];

    let (explanation, told) =
        (json(Path::new(QUICKSTART), &flags), explains(Path::new(QUICKSTART), &flags).expect("it is taken"));

    assert_eq!(verdict(&explanation).0, ["frankfurt", "paris", "basement"].map(|name| format!("lotse-system/{name}")));
    assert_eq!(explanation["model"], "gpt-4o:floor");
    assert_eq!(explanation["leftOut"], serde_json::json!(["provider.sort", "models[1]"]));
    for line in [
        "ignored_provider: provider.ignore names it: dublin",
        "The request is taken, and at most 3 tried.",
        "It needs Tools.",
        "Without effect: provider.sort, models[1].",
        "These fields of its body are set, or taken out (-):",
        "  lotse-system/paris: model=\"large-2512\" -models -session_id -provider",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}

#[test]
fn a_request_that_leaves_nobody_or_contradicts_itself_is_refused_as_the_sidecar_would() {
    let folder = TempDir::new().expect("a folder");
    let flags = |path: &str| ["-n".to_owned(), "support".to_owned(), "--request".to_owned(), path.to_owned()];
    for (provider, told) in [
        (serde_json::json!({"only": []}), Err("`provider.only` must be a list with at least one entry")),
        (serde_json::json!({"only": ["nobody-has-this"]}), Err("`provider.only[0]` must be a provider's name")),
        (
            serde_json::json!({"max_price": {"image": 1}}),
            Err("`provider.max_price.image` is a price that is not known"),
        ),
        (serde_json::json!({"only": ["openai"]}), Ok("The request is refused: 404 no_eligible_provider")),
    ] {
        let path = request(&folder, &serde_json::json!({"model": "gpt-4o", "messages": [], "provider": provider}));
        let flags = flags(&path);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();

        match (explains(Path::new(QUICKSTART), &flags), told) {
            (Ok(text), Ok(line)) | (Err(text), Err(line)) => assert!(text.contains(line), "{line}: {text}"),
            (got, expected) => panic!("{expected:?}, not {got:?}"),
        }
    }
}

#[test]
fn a_request_is_read_as_its_path_says() {
    let folder = TempDir::new().expect("a folder");
    let body = serde_json::json!({
        "model": "gpt-4o", "fallbacks": ["nobody"], "thinking": {"type": "enabled"}, "stop_sequences": ["."], "messages": [],
    });
    let path = request(&folder, &body);
    let told = |more: &[&str]| {
        let flags = [&["-n", "support", "--request", &path][..], more].concat();
        explains(Path::new(QUICKSTART), &flags)
    };

    let messages = told(&["--path", "/v1/messages"]).expect("it is taken");
    assert!(messages.contains("Without effect: fallbacks[0].") && messages.contains(" -fallbacks"), "{messages}");
    assert!(messages.contains("It needs Reasoning."), "{messages}");
    // Elsewhere `fallbacks` is a field as any other.
    for more in [&[][..], &["--path", "/v1/chat/completions"], &["--path", "/v1/responses"]] {
        let chat = told(more).expect("it is taken");
        assert!(!chat.contains("fallbacks"), "{more:?}: {chat}");
    }
    let unknown = told(&["--path", "/v1/chats"]).expect_err("there is no such path");
    assert!(unknown.contains("must be one of /v1/chat/completions, /v1/completions, /v1/responses,"), "{unknown}");
    let flags = ["-n", "support", "--model", "gpt-4o", "--path", "/v1/messages"];
    let alone = explains(Path::new(QUICKSTART), &flags).expect_err("it says nothing without a request");
    assert!(alone.contains("--request"), "{alone}");
}

#[test]
fn a_stream_that_is_no_boolean_is_refused_as_the_sidecar_would() {
    let folder = TempDir::new().expect("a folder");
    let path = request(&folder, &serde_json::json!({"model": "gpt-4o", "stream": "yes", "messages": []}));

    let refused = explains(Path::new(QUICKSTART), &["-n", "support", "--request", &path]).expect_err("it is refused");

    assert!(refused.contains("stream") && refused.contains("true or false"), "{refused}");
}

#[test]
fn the_request_of_the_readme_that_asks_for_routing_goes_where_it_says() {
    let readme = include_str!("../../README.md");
    let bodies = readme.split("-d '").skip(1).filter_map(|rest| rest.split('\'').next());
    let body = bodies.into_iter().find(|body| body.contains("eu_owned")).expect("there is one");
    let folder = TempDir::new().expect("a folder");
    let path = request(&folder, &serde_json::from_str(body).expect("it is JSON"));

    let (eligible, excluded) = verdict(&json(Path::new(QUICKSTART), &["-n", "support", "--request", &path]));

    assert_eq!(eligible, ["lotse-system/paris", "lotse-system/basement"]);
    for reason in [("dublin", vec!["data_policy_zdr", "eu_owned"]), ("frankfurt", vec!["ignored_provider"])] {
        let (name, codes) = (format!("lotse-system/{}", reason.0), reason.1.iter().map(ToString::to_string).collect());
        assert!(excluded.contains(&(name, codes)), "{reason:?} in {excluded:?}");
    }
}

#[test]
fn each_model_of_a_request_is_told_with_its_own_route() {
    let folder = folder(&[policy("lotse-system", "root", "inferenceRegions: [Worldwide]")]);
    let other = "namespaceSelector: {}\nmodels: [other]\ntiers: [{targets: [{model: m}]}]\noverrides: {seed: 7}";
    std::fs::write(folder.path().join("other.yaml"), object("ModelRoute", "lotse-system", "other", other))
        .expect("a file");
    let beside = TempDir::new().expect("a folder");
    let path = request(&beside, &serde_json::json!({"model": "other", "models": ["gpt-4o"], "messages": []}));

    let told = explains(folder.path(), &["-n", "app", "--request", &path]).expect("it is taken");

    let fields: Vec<&str> = told.lines().filter(|line| line.starts_with("  lotse-system/p: ")).collect();
    assert_eq!(fields.len(), 2, "{told}");
    assert_eq!((fields[0].contains("seed=7"), fields[1].contains("seed=7")), (true, false), "{told}");
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
