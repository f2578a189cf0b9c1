//! Manifests that are wrong. Each is refused as a whole, with the file, the object, the field and what it must be.

use lotse_tests::manifests::object;
use lotse_tests::{FakeProvider, Sidecar, World};

/// What a folder with this extra file is refused for.
async fn refusal(text: &str) -> String {
    let world = World::default().file("extra.yaml", text);
    match Sidecar::try_of(&world).await {
        Ok(_) => format!("not refused: {text}"),
        Err(error) => {
            let mut told = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                told += &format!(": {error}");
                cause = error.source();
            }
            told
        }
    }
}

fn provider(spec: &str) -> String {
    object("LLMProvider", "app", "p", &format!("vendor: vllm\nbaseURL: https://models.example.org/v1\n{spec}"))
}

fn route(spec: &str) -> String {
    object("ModelRoute", "app", "r", &format!("models: [x]\n{spec}"))
}

const TIERS: &str = "tiers: [{targets: [{model: m}]}]";
const MODELS: &str = "models: [{name: m}]";

#[tokio::test]
async fn each_wrong_manifest_is_told_with_its_file_its_object_and_its_field() {
    for (text, told) in [
        ("a: [b".to_owned(), vec!["extra.yaml: "]),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}".to_owned(),
            vec!["ConfigMap default/a", "is not read here"],
        ),
        ("kind: LLMProvider\nmetadata: {name: a}".to_owned(), vec!["apiVersion"]),
        (object("LLMProvider", "app", "p", "vendor: vllm"), vec!["LLMProvider app/p", "models"]),
        (object("LLMProvider", "app", "p", MODELS), vec!["spec.vendor: must be set, unless basedOn is"]),
        (provider(&format!("{MODELS}\nprise: 7")), vec!["LLMProvider app/p", "spec.prise: unknown field `prise`"]),
        (
            provider("models: [{name: m, price: {inputPerMillion: \"1\", outputPerMilion: \"1\"}}]"),
            vec!["spec.models[0].price.outputPerMilion", "unknown field `outputPerMilion`"],
        ),
        (
            provider(&format!("{MODELS}\nbasedOn: {{name: x}}")),
            vec![
                "spec.credential: must be set beside basedOn",
                "spec.vendor: nothing but credential and limits may be set",
            ],
        ),
        (
            provider("models: [{name: m, price: {inputPerMillion: \"-1\", outputPerMillion: \"1\"}}]"),
            vec!["spec.models[0].price.inputPerMillion", "not negative"],
        ),
        (
            provider("models: [{name: m, price: {inputPerMillion: 1.5, outputPerMillion: \"1\"}}]"),
            vec!["spec.models[0].price.inputPerMillion", "expected a string"],
        ),
        (
            provider("models: [{name: m, price: {inputPerMillion: \"20000\", outputPerMillion: \"1\"}}]"),
            vec!["must be at most 10000"],
        ),
        (provider("models: [{name: m}, {name: m}]"), vec!["spec.models[1]", "`m` is there twice"]),
        (provider("models: []"), vec!["spec.models: must have from 1"]),
        (
            provider(&format!("{MODELS}\nallowedAddresses: [10.0.0.0/99]")),
            vec!["spec.allowedAddresses[0]: must be a CIDR"],
        ),
        (provider(&format!("{MODELS}\nforce: {{model: other}}")), vec!["spec.force.model: may not be set here"]),
        (
            provider(&format!("{MODELS}\nheaders: [{{name: host, value: x}}]")),
            vec!["spec.headers[0].name: must not be `host`"],
        ),
        (provider(&format!("{MODELS}\nheaders: [{{name: a}}]")), vec!["exactly one of value and secretRef"]),
        (provider(&format!("{MODELS}\ncredential: {{type: APIKey}}")), vec!["spec.credential.apiKey: must be set"]),
        (provider(&format!("{MODELS}\ntls: {{caBundle: x}}")), vec!["spec.tls.caBundle: must hold PEM"]),
        (
            provider(&format!("{MODELS}\nsimulated: {{}}")),
            vec!["spec.simulated: may only be set when api is Simulated"],
        ),
        (
            provider(&format!(
                "{MODELS}\npromises: {{transfers: {{entries: [{{country: US, mechanism: SCC, impactAssessment: \"\"}}]}}}}"
            )),
            vec!["spec.promises.transfers.entries[0].impactAssessment: must say where"],
        ),
        (
            "spec: {}\nmore: 1\nkind: DataPolicy\nmetadata: {name: a}\napiVersion: lotse.dev/v1alpha1".to_owned(),
            vec!["more: unknown field"],
        ),
        (
            provider(&format!("{MODELS}\nevidence: [{{name: a, kind: Hearsay, source: s}}]")),
            vec!["spec.evidence[0].kind", "Hearsay", "SelfAttested"],
        ),
        (
            provider(&format!("{MODELS}\nevidence: [{{name: a, kind: Audited, source: s, reviewedOn: 2026-02-30}}]")),
            vec!["spec.evidence[0].reviewedOn"],
        ),
        (
            object(
                "LLMProvider",
                "app",
                "p",
                &format!("vendor: vllm\nbaseURL: http://models.example.org/v1\n{MODELS}"),
            ),
            vec!["spec.baseURL: may only be http:// when allowedAddresses"],
        ),
        (object("LLMProvider", "app", "p", &format!("vendor: vllm\n{MODELS}")), vec!["spec.baseURL: must be set"]),
        (
            object("LLMProvider", "app", "p", &format!("vendor: acme\n{MODELS}")),
            vec!["spec.api: must be set", "mistral"],
        ),
        (
            object("LLMProvider", "app", "p", &format!("vendor: vllm\nbaseURL: ftp://x\n{MODELS}")),
            vec!["must begin with https://"],
        ),
        (
            object("LLMProvider", "app", &"x".repeat(64), &format!("vendor: mistral\n{MODELS}")),
            vec!["from 1 to 63 characters"],
        ),
        (route("tiers: []"), vec!["ModelRoute app/r", "spec.tiers: must have from 1 to 8"]),
        (route("tiers: [{targets: []}]"), vec!["spec.tiers[0].targets: must have"]),
        (route("tiers: [{targets: [{model: m, weight: 0}]}]"), vec!["spec.tiers[0].targets[0].weight: must be from 1"]),
        (route("tiers: [{balance: Random, targets: [{model: m}]}]"), vec!["spec.tiers[0].balance", "Random"]),
        (route(&format!("{TIERS}\nattempts: 0")), vec!["spec.attempts: must be from 1"]),
        (route(&format!("{TIERS}\ntimeouts: {{totalSeconds: 0}}")), vec!["spec.timeouts.totalSeconds: must be from 1"]),
        (
            route(&format!("{TIERS}\nnamespaceSelector: {{}}")),
            vec!["spec.namespaceSelector: may only be set in the root"],
        ),
        (
            object("ModelRoute", "app", "r", &format!("models: [\"a*b\"]\n{TIERS}")),
            vec!["spec.models[0]: must be a model's name, or a prefix"],
        ),
        (
            object("DataPolicy", "app", "d", "inferenceRegions: [UK]"),
            vec!["DataPolicy app/d", "the United Kingdom is GB"],
        ),
        (object("DataPolicy", "app", "d", "inferenceRegions: []"), vec!["spec.inferenceRegions: must have from 1"]),
        (object("DataPolicy", "app", "d", "inferenceRegions: [Worldwide, FR]"), vec!["Worldwide must stand alone"]),
        (object("DataPolicy", "app", "d", "maxRetentionDays: -1"), vec!["spec.maxRetentionDays: must be from 0"]),
        (object("DataPolicy", "app", "d", "jurisdictions: {}"), vec!["exactly one of allowed and denied"]),
        (
            object("DataPolicy", "app", "d", "evidence: {onOverdue: Exclude}"),
            vec!["spec.evidence.maxAgeDays: must be set"],
        ),
        (object("DataPolicy", "app", "d", "redact: [Email]"), vec!["spec.redact: unknown field"]),
        (
            object("DataPolicy", "app", "d", "namespaceSelector: {}"),
            vec!["spec.namespaceSelector: may only be set in the root"],
        ),
        (
            object("DataPolicy", "app", "d", "podSelector: {matchExpressions: [{key: a, operator: In}]}"),
            vec!["spec.podSelector.matchExpressions[0].values: must be set"],
        ),
        (object("DataPolicy", "app", "d", "{}").repeat(2), vec!["DataPolicy app/d", "is declared twice"]),
        (
            object("DataPolicy", "lotse-system", "everything", "{}"),
            vec!["lotse-system/everything: is declared twice (also in extra.yaml)"],
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {key: \"!!\"}".to_owned(),
            vec!["Secret default/s", "data.key: must be base64"],
        ),
    ] {
        let refused = refusal(&text).await;

        assert!(told.iter().all(|told| refused.contains(told)), "{refused}\nshould tell {told:?}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let refused = refusal(&format!("{}{}", provider("models: []"), route("tiers: []"))).await;

    assert!(refused.contains("spec.models") && refused.contains("spec.tiers"), "{refused}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_empty_is_told() {
    let error = Sidecar::on_files(&[], &[]).await.err().map(|error| format!("{error:?}")).unwrap_or_default();

    assert!(error.contains("Empty"), "{error}");
}

#[tokio::test]
async fn plain_no_is_norway() {
    let paris = FakeProvider::says("bonjour").await;
    let promise = "evidence: [{name: e, kind: Contractual, source: s}]\npromises:\n  inference: {regions: [NO], evidence: [e]}\n  storage: {regions: [NO], evidence: [e]}\n  access: {regions: [NO], evidence: [e]}";
    let world = World::default().provider("oslo", &paris.url(), promise).policies(&[lotse_tests::manifests::policy(
        "lotse-system",
        "eea",
        "inferenceRegions: [EEA]",
    )]);

    assert_eq!(Sidecar::of(&world).await.chat().await.said(), "bonjour");
}
