//! What the wire contradicts: for each row of the table that shows a place, a promise that it leaves standing and one that
//! it does not, and the sentence.

use super::*;

/// What the provider says, the regions that it promises, and what contradicts them; nothing when they stand.
const CASES: &[(&str, &str, Option<&str>)] = &[
    // Bedrock: profiles, regions, and what hides them.
    ("vendor: aws-bedrock, region: eu-central-1, model: global.anthropic.claude-x", "EU", Some("a global. profile")),
    ("vendor: aws-bedrock, region: eu-central-1, model: global.anthropic.claude-x", "Worldwide", None),
    ("vendor: aws-bedrock, region: us-east-1, model: us.anthropic.claude-x", "US", Some("United States and Canada")),
    ("vendor: aws-bedrock, region: us-east-1, model: us.anthropic.claude-x", "US, CA", None),
    ("vendor: aws-bedrock, region: us-gov-west-1, model: us-gov.anthropic.claude-x", "US", None),
    ("vendor: aws-bedrock, region: eu-central-1, model: eu.anthropic.claude-x", "EU", None),
    ("vendor: aws-bedrock, region: eu-central-1, model: eu.anthropic.claude-x", "DE", Some("an eu. profile")),
    ("vendor: aws-bedrock, region: eu-central-2, model: eu.anthropic.claude-x", "EU", Some("from Zurich")),
    ("vendor: aws-bedrock, region: eu-central-2, model: eu.anthropic.claude-x", "EU, CH", None),
    ("vendor: aws-bedrock, region: eu-west-2, model: eu.anthropic.claude-x", "EU", Some("from Zurich or London")),
    ("vendor: aws-bedrock, region: ap-northeast-1, model: jp.anthropic.claude-x", "JP", None),
    ("vendor: aws-bedrock, region: ap-southeast-6, model: au.anthropic.claude-x", "AU", Some("from Auckland")),
    ("vendor: aws-bedrock, region: ap-south-1, model: in.anthropic.claude-x", "IN", None),
    ("vendor: aws-bedrock, region: ap-south-1, model: apac.anthropic.claude-x", "IN, JP", Some("an apac. profile")),
    ("vendor: aws-bedrock, region: eu-central-1, model: 'mistral.x-v1:0'", "DE", None),
    ("vendor: aws-bedrock, region: eu-west-2, model: anthropic.claude-x", "EU", Some("eu-west-2, which is in GB")),
    (
        "vendor: aws-bedrock, region: eu-central-2, model: anthropic.claude-x",
        "EU",
        Some("eu-central-2, which is in CH"),
    ),
    ("vendor: aws-bedrock, region: eu-central-2, model: anthropic.claude-x", "CH", None),
    (
        "vendor: aws-bedrock, region: eu-nowhere-9, model: anthropic.claude-x",
        "EU",
        Some("does not know where region `eu-nowhere-9`"),
    ),
    (
        "vendor: aws-bedrock, region: eu-central-1, model: mars.anthropic.claude-x",
        "EU",
        Some("nothing says where aws-bedrock answers"),
    ),
    (
        "vendor: aws-bedrock, region: eu-central-1, model: 'arn:aws:bedrock:eu-central-1:1:application-inference-profile/x'",
        "EU",
        Some("an application inference profile hides"),
    ),
    (
        "vendor: aws-bedrock, region: eu-central-1, model: 'arn:aws:bedrock:eu-central-1:1:inference-profile/eu.anthropic.x'",
        "EU",
        None,
    ),
    (
        "vendor: aws-bedrock, region: eu-central-1, model: 'arn:aws:bedrock:eu-central-1::foundation-model/mistral.x'",
        "DE",
        None,
    ),
    (
        "vendor: aws-bedrock, api: OpenAI, baseURL: 'https://bedrock-mantle.eu-west-2.api.aws/v1', model: openai.gpt-oss-x",
        "EU",
        Some("eu-west-2, which is in GB"),
    ),
    // Who says another name has the same host.
    (
        "vendor: acme, api: OpenAI, baseURL: 'https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1', model: openai.gpt-oss-x",
        "EU",
        Some("us-east-1, which is in US"),
    ),
    // A private address does not hide what the model's name says.
    (
        "vendor: aws-bedrock, region: eu-central-1, baseURL: 'https://bedrock.example', model: global.amazon.nova-x",
        "EU",
        Some("a global. profile"),
    ),
    // Vertex AI.
    ("vendor: google-vertex, project: p, region: global, model: gemini-x", "EU", Some("global location")),
    ("vendor: google-vertex, project: p, region: eu, model: gemini-x", "EU", None),
    ("vendor: google-vertex, project: p, region: eu, model: gemini-x", "DE", Some("its region eu, which is in EU")),
    ("vendor: google-vertex, project: p, region: europe-west2, model: gemini-x", "EU", Some("which is in GB")),
    ("vendor: google-vertex, project: p, region: europe-west6, model: gemini-x", "EU", Some("which is in CH")),
    ("vendor: google-vertex, project: p, region: europe-west4, model: gemini-x", "NL", None),
    (
        "vendor: google-vertex, api: Anthropic, project: p, region: europe-west1, model: claude-x",
        "BE",
        Some("European multi-region"),
    ),
    ("vendor: google-vertex, api: Anthropic, project: p, region: europe-west1, model: claude-x", "EU", None),
    (
        "vendor: google-vertex, api: Anthropic, project: p, region: europe-west6, model: claude-x",
        "CH",
        Some("no Claude in London or Zurich"),
    ),
    (
        "vendor: google-vertex, project: p, region: europe-west99, model: gemini-x",
        "EU",
        Some("does not know where region"),
    ),
    (
        "vendor: google-vertex, baseURL: 'https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google', model: gemini-x",
        "EU",
        Some("global location"),
    ),
    (
        "vendor: google-vertex, project: p, baseURL: 'https://vertex.example/v1/projects/p/locations/us-east5/publishers/google', model: gemini-x",
        "EU",
        Some("which is in US"),
    ),
    // Azure: the address shows nothing.
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com', deployment: GlobalStandard",
        "EU",
        Some("a Global deployment"),
    ),
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com', deployment: DataZoneStandard",
        "EU",
        None,
    ),
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com', deployment: DataZoneStandard",
        "SE",
        Some("is all of EU"),
    ),
    (
        "vendor: azure-openai, region: eastus2, baseURL: 'https://r.openai.azure.com', deployment: DataZoneProvisionedManaged",
        "EU",
        Some("is all of US"),
    ),
    (
        "vendor: azure-openai, region: uksouth, baseURL: 'https://r.openai.azure.com', deployment: DataZoneStandard",
        "EU, GB",
        Some("is in no data zone"),
    ),
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com', deployment: Standard",
        "SE",
        None,
    ),
    (
        "vendor: azure-openai, region: uksouth, baseURL: 'https://r.openai.azure.com', deployment: ProvisionedManaged",
        "EU",
        Some("which is in GB"),
    ),
    (
        "vendor: azure-openai, region: norwayeast, baseURL: 'https://r.openai.azure.com', deployment: Standard",
        "EU",
        Some("which is in NO"),
    ),
    (
        "vendor: azure-openai, baseURL: 'https://r.openai.azure.com', deployment: Standard",
        "EU",
        Some("set region to the resource's region"),
    ),
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com'",
        "EU",
        Some("deploymentType to its deployment's SKU"),
    ),
    (
        "vendor: azure-openai, region: swedencentral, baseURL: 'https://r.openai.azure.com', deployment: DeveloperTier",
        "EU",
        Some("a Global deployment"),
    ),
    (
        "vendor: azure-openai, api: Anthropic, region: swedencentral, baseURL: 'https://r.services.ai.azure.com', deployment: DataZoneStandard",
        "EU",
        Some("only data zone of Claude"),
    ),
    (
        "vendor: azure-openai, api: Anthropic, region: eastus2, baseURL: 'https://r.services.ai.azure.com', deployment: DataZoneStandard",
        "US",
        None,
    ),
    (
        "vendor: azure-openai, api: Anthropic, region: swedencentral, baseURL: 'https://r.services.ai.azure.com', deployment: Standard",
        "SE",
        Some("may leave Azure"),
    ),
    (
        "vendor: acme, api: OpenAI, baseURL: 'https://r.openai.azure.com/openai/v1'",
        "EU",
        Some("nothing says where azure-openai"),
    ),
    // First parties.
    ("vendor: openai", "EEA, CH", Some("any region")),
    ("vendor: openai, baseURL: 'https://eu.api.openai.com/v1'", "EEA, CH", None),
    ("vendor: openai, baseURL: 'https://eu.api.openai.com/v1'", "EU", Some("EEA and Switzerland")),
    ("vendor: openai, baseURL: 'https://mtls-eu.api.openai.com/v1'", "EEA, CH", None),
    ("vendor: openai, baseURL: 'https://gb.api.openai.com/v1'", "GB", Some("processes in any")),
    ("vendor: openai, baseURL: 'https://ae.api.openai.com/v1'", "AE", None),
    ("vendor: anthropic", "EU", Some("has no European region")),
    ("vendor: anthropic", "US", Some("has no European region")),
    ("vendor: anthropic, force: {inference_geo: us}", "US", None),
    ("vendor: anthropic, force: {inference_geo: us}", "EU", Some("inference_geo us")),
    ("vendor: anthropic, force: {inference_geo: eu}", "EU", Some("has no European region")),
    ("vendor: google-gemini", "EU", Some("one global host")),
    ("vendor: mistral", "EU, EFTA", Some("the global endpoint")),
    ("vendor: mistral, baseURL: 'https://api.eu.mistral.ai/v1'", "EU, EFTA", None),
    ("vendor: mistral, baseURL: 'https://api.eu.mistral.ai/v1'", "FR", Some("EU and EFTA")),
    ("vendor: mistral, baseURL: 'https://api.eu.mistral.ai./v1'", "FR", Some("EU and EFTA")),
    ("vendor: together", "EU", Some("commits to no place")),
    ("vendor: fireworks, model: accounts/fireworks/models/x", "US", Some("may be answered anywhere")),
    ("vendor: fireworks, model: accounts/mine/deployments/x", "DE", None),
    ("vendor: fireworks, model: 'accounts/fireworks/models/x#accounts/mine/deployments/y'", "DE", None),
    (
        "vendor: fireworks, baseURL: 'https://us.api.fireworks.ai/inference/v1', model: accounts/fireworks/models/x-us",
        "US",
        None,
    ),
    (
        "vendor: fireworks, baseURL: 'https://us.api.fireworks.ai/inference/v1', model: accounts/fireworks/models/x",
        "US",
        Some("may be answered anywhere"),
    ),
    // Aggregators.
    ("vendor: openrouter", "EU", Some("providers anywhere")),
    ("vendor: openrouter, baseURL: 'https://eu.openrouter.ai/api/v1'", "EEA", Some("United Kingdom and Switzerland")),
    ("vendor: openrouter, baseURL: 'https://eu.openrouter.ai/api/v1'", "EEA, CH, GB", None),
    ("vendor: openrouter, baseURL: 'https://us.openrouter.ai/api/v1'", "US", None),
    ("vendor: portkey", "EU", Some("no public host in Europe")),
    ("vendor: vercel", "EU", Some("decrypts anywhere")),
    ("vendor: vercel, force: {providerOptions: {gateway: {inferenceRegion: eu}}}", "EU", Some("decrypts anywhere")),
    ("vendor: vercel, baseURL: 'https://eu.ai-gateway.vercel.sh/v1'", "EU", Some("passes calls on anywhere")),
    (
        "vendor: vercel, baseURL: 'https://eu.ai-gateway.vercel.sh/v1', force: {providerOptions: {gateway: {inferenceRegion: eu}}}",
        "EU",
        None,
    ),
    ("vendor: helicone", "EU", Some("commits to no place")),
    ("vendor: edenai", "EU", Some("providers anywhere")),
    ("vendor: edenai, baseURL: 'https://api.eu.edenai.run/v3'", "EU", None),
    ("vendor: edenai, baseURL: 'https://api.eu.edenai.run/v3'", "FR", Some("anywhere in the EU")),
    ("vendor: requesty, model: 'openai/x@eu'", "EU", Some("router.requesty.ai commits to no place")),
    ("vendor: requesty, baseURL: 'https://router.eu.requesty.ai/v1', model: 'openai/x@eu'", "EU", None),
    (
        "vendor: requesty, baseURL: 'https://router.eu.requesty.ai/v1', model: openai/x",
        "EU",
        Some("without a region such as @eu"),
    ),
    (
        "vendor: requesty, baseURL: 'https://router.eu.requesty.ai/v1', model: 'openai/x@eu-west-2'",
        "EU",
        Some("without a region"),
    ),
    ("vendor: requesty, baseURL: 'https://router.eu.requesty.ai/v1', model: policy/x", "EU", Some("falls back")),
    ("vendor: cortecs", "EU", None),
    ("vendor: cortecs", "AT", Some("anywhere in the EU")),
    // Our own.
    ("vendor: ollama, baseURL: 'https://gpu.example/v1', model: 'gpt-oss:20b'", "DE", None),
    ("vendor: ollama, baseURL: 'https://gpu.example/v1', model: 'kimi:cloud'", "DE", Some("answered at ollama.com")),
    (
        "vendor: ollama, baseURL: 'https://gpu.example/v1', model: 'gpt-oss:120b-cloud'",
        "DE",
        Some("answered at ollama.com"),
    ),
    ("vendor: vllm, baseURL: 'https://gpu.example/v1'", "DE", None),
    ("vendor: acme, api: Simulated", "DE", None),
];

fn manifests(said: &str, regions: &str) -> Manifests {
    let mut fields = Vec::new();
    let mut model = vec!["name: m".to_owned()];
    // No value of a case has a comma and a blank but to begin the next field.
    for field in said.split(", ") {
        match field.split_once(": ").expect("a field and its value") {
            ("model", name) => model.push(format!("upstreamName: {name}")),
            ("deployment", kind) => model.push(format!("deploymentType: {kind}")),
            _ => fields.push(field),
        }
    }
    let promises = format!("promises: {{inference: {{regions: [{regions}]}}}}");
    world(&provider("team", "p", &format!("{{{}, models: [{{{}}}], {promises}}}", fields.join(", "), model.join(", "))))
}

#[test]
fn each_row_contradicts_what_it_must_and_leaves_the_rest() {
    let mut wrong = Vec::new();

    for (said, regions, expected) in CASES {
        let manifests = manifests(said, regions);
        let compiled = compile(&manifests, &workload("team"), at("2026-11-24"));
        let candidate = compiled.snapshot.candidates().next().expect("the door is open");
        let found = candidate.facts.inference.as_ref().and_then(|fact| fact.contradiction.clone());
        let told = compiled.findings.iter().find(|finding| finding.code == "ResidencyContradiction");

        let is_as_expected = match (&found, expected) {
            (None, None) => told.is_none(),
            (Some(found), Some(expected)) => {
                found.contains(expected) && told.is_some_and(|told| told.message.contains(expected))
            }
            _ => false,
        };
        if !is_as_expected {
            wrong.push(format!("{said} [{regions}]: {found:?}, not {expected:?}"));
        }
    }

    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_place_that_the_table_shows_is_shown_in_a_case() {
    let vendors = crate::vendors::Vendors::built_in();
    for vendor in vendors.all() {
        let shows = vendor.hosts.iter().any(|host| host.inference.is_some()) || !vendor.rules.is_empty();
        let is_there = CASES.iter().any(|(said, ..)| said.starts_with(&format!("vendor: {}", vendor.name)));
        assert!(!shows || is_there, "no case for {}", vendor.name);
    }
}

#[test]
fn a_public_host_of_a_cloud_is_not_our_own_model_server() {
    let spec = "{vendor: aws-bedrock, region: eu-west-1, operatedBy: Self, models: [{name: m}]}";
    let compiled = compile(&world(&provider("team", "p", spec)), &workload("team"), at("2026-11-24"));

    assert!(compiled.findings.iter().any(|finding| finding.message.contains("operatedBy: Self counts as Vendor")));
}
