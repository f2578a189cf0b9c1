//! Every vendor and dialect of the table compiles from a minimal manifest, and the call goes where its documents say.

use super::*;
use crate::vendors::Vendors;
use crate::wire::{Operation, Wire};

/// Vendor, api, what else the manifest must say, and where a chat completion with a stream goes.
const CALLS: &[(&str, &str, &str, &str)] = &[
    ("openai", "OpenAI", "", "https://api.openai.com/v1/chat/completions"),
    ("anthropic", "Anthropic", "", "https://api.anthropic.com/v1/messages"),
    (
        "google-gemini",
        "Gemini",
        "",
        "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse",
    ),
    ("google-gemini", "OpenAI", "", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
    (
        "google-vertex",
        "Gemini",
        "region: europe-west4, project: p",
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/m:streamGenerateContent?alt=sse",
    ),
    (
        "google-vertex",
        "Gemini",
        "region: global, project: p",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/m:streamGenerateContent?alt=sse",
    ),
    (
        "google-vertex",
        "Gemini",
        "region: eu, project: p, baseURL: 'https://vertex.p.internal.example'",
        "https://vertex.p.internal.example/v1/projects/p/locations/eu/publishers/google/models/m:streamGenerateContent?alt=sse",
    ),
    (
        "google-vertex",
        "Anthropic",
        "region: eu, project: p",
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/anthropic/models/m:streamRawPredict",
    ),
    (
        "google-vertex",
        "OpenAI",
        "region: us, project: p",
        "https://aiplatform.us.rep.googleapis.com/v1/projects/p/locations/us/endpoints/openapi/chat/completions",
    ),
    (
        "aws-bedrock",
        "Bedrock",
        "region: eu-central-1",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse-stream",
    ),
    (
        "aws-bedrock",
        "Bedrock",
        "region: eusc-de-east-1",
        "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu/model/m/converse-stream",
    ),
    (
        "aws-bedrock",
        "Anthropic",
        "region: eu-central-1",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/invoke-with-response-stream",
    ),
    (
        "aws-bedrock",
        "OpenAI",
        "region: eu-central-1",
        "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1/chat/completions",
    ),
    (
        "aws-bedrock",
        "OpenAI",
        "baseURL: 'https://bedrock-mantle.eu-north-1.api.aws/v1'",
        "https://bedrock-mantle.eu-north-1.api.aws/v1/chat/completions",
    ),
    (
        "azure-openai",
        "AzureOpenAI",
        "baseURL: 'https://r.openai.azure.com'",
        "https://r.openai.azure.com/openai/v1/chat/completions",
    ),
    (
        "azure-openai",
        "AzureOpenAI",
        "baseURL: 'https://r.openai.azure.com/', apiVersion: 2024-10-21",
        "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21",
    ),
    (
        "azure-openai",
        "OpenAI",
        "baseURL: 'https://r.openai.azure.com/openai/v1'",
        "https://r.openai.azure.com/openai/v1/chat/completions",
    ),
    (
        "azure-openai",
        "Anthropic",
        "baseURL: 'https://r.services.ai.azure.com'",
        "https://r.services.ai.azure.com/anthropic/v1/messages",
    ),
    ("mistral", "OpenAI", "", "https://api.mistral.ai/v1/chat/completions"),
    ("together", "OpenAI", "", "https://api.together.ai/v1/chat/completions"),
    ("fireworks", "OpenAI", "", "https://api.fireworks.ai/inference/v1/chat/completions"),
    ("fireworks", "Anthropic", "", "https://api.fireworks.ai/inference/v1/messages"),
    ("openrouter", "OpenAI", "", "https://openrouter.ai/api/v1/chat/completions"),
    ("openrouter", "Anthropic", "", "https://openrouter.ai/api/v1/messages"),
    ("portkey", "OpenAI", "", "https://api.portkey.ai/v1/chat/completions"),
    ("portkey", "Anthropic", "", "https://api.portkey.ai/v1/messages"),
    ("litellm", "OpenAI", "baseURL: 'https://litellm.example'", "https://litellm.example/chat/completions"),
    ("litellm", "Anthropic", "baseURL: 'https://litellm.example'", "https://litellm.example/v1/messages"),
    ("vercel", "OpenAI", "", "https://ai-gateway.vercel.sh/v1/chat/completions"),
    ("vercel", "Anthropic", "", "https://ai-gateway.vercel.sh/v1/messages"),
    ("helicone", "OpenAI", "", "https://ai-gateway.helicone.ai/v1/chat/completions"),
    ("edenai", "OpenAI", "", "https://api.edenai.run/v3/chat/completions"),
    ("orq", "OpenAI", "", "https://api.orq.ai/v2/router/chat/completions"),
    ("requesty", "OpenAI", "", "https://router.requesty.ai/v1/chat/completions"),
    ("requesty", "Anthropic", "", "https://router.requesty.ai/v1/messages"),
    ("cortecs", "OpenAI", "", "https://api.cortecs.ai/v1/chat/completions"),
    ("eurouter", "OpenAI", "", "https://api.eurouter.ai/api/v1/chat/completions"),
    ("vllm", "OpenAI", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/chat/completions"),
    ("vllm", "Anthropic", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/messages"),
    ("ollama", "OpenAI", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/chat/completions"),
    ("ollama", "Anthropic", "baseURL: 'https://gpu.example'", "https://gpu.example/v1/messages"),
    ("llama-cpp", "OpenAI", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/chat/completions"),
    ("llama-cpp", "Anthropic", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/messages"),
    ("tgi", "OpenAI", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/chat/completions"),
    ("sglang", "OpenAI", "baseURL: 'https://gpu.example/v1'", "https://gpu.example/v1/chat/completions"),
    ("kserve", "OpenAI", "baseURL: 'https://gpu.example'", "https://gpu.example/openai/v1/chat/completions"),
    ("deepseek", "OpenAI", "", "https://api.deepseek.com/chat/completions"),
    ("groq", "OpenAI", "", "https://api.groq.com/openai/v1/chat/completions"),
    (
        "acme",
        "Gemini",
        "baseURL: 'https://acme.example/v1beta'",
        "https://acme.example/v1beta/models/m:streamGenerateContent?alt=sse",
    ),
    ("acme", "Bedrock", "baseURL: 'https://acme.example'", "https://acme.example/model/m/converse-stream"),
    ("acme", "AzureOpenAI", "baseURL: 'https://acme.example'", "https://acme.example/openai/v1/chat/completions"),
    ("acme", "Anthropic", "baseURL: 'https://acme.example'", "https://acme.example/v1/messages"),
    ("acme", "OpenAI", "baseURL: 'https://acme.example/x'", "https://acme.example/x/chat/completions"),
];

fn manifest(vendor: &str, api: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    format!("{{vendor: {vendor}, api: {api}, models: [{{name: m}}]{more}}}")
}

/// Where a chat completion with a stream goes.
fn url(candidate: &crate::snapshot::Candidate) -> String {
    let server = server(candidate);
    let uri: http::Uri = server.base_url.parse().expect("a URL");
    let path = server.wire.url_path(uri.path(), Operation::ChatCompletions, &candidate.endpoint.upstream_model, true);
    let authority = uri.authority().expect("a host");
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), path.expect("every wire generates"))
}

#[test]
fn every_vendor_is_called_where_its_documents_say() {
    for (vendor, api, more, expected) in CALLS {
        let manifests = world(&provider("team", "p", &manifest(vendor, api, more)));

        let (candidate, _) = only(&manifests, "team");

        assert_eq!(url(&candidate), *expected, "{vendor} {api}");
    }
    for vendor in Vendors::built_in().all() {
        for offering in &vendor.apis {
            let api = format!("{:?}", offering.api);
            let is_there = CALLS.iter().any(|(name, of, ..)| *name == vendor.name && *of == api);
            assert!(is_there, "no case for {} {api}", vendor.name);
        }
    }
}

#[test]
fn the_first_api_of_a_row_is_its_default() {
    for (vendor, more, wire) in [
        ("anthropic", "", Wire::Anthropic),
        ("google-vertex", "region: eu, project: p", Wire::Gemini),
        ("aws-bedrock", "region: eu-west-1", Wire::Bedrock),
        ("mistral", "", Wire::OpenAI),
    ] {
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        let spec = format!("{{vendor: {vendor}, models: [{{name: m}}]{more}}}");

        assert_eq!(server(&only(&world(&provider("team", "p", &spec)), "team").0).wire, wire, "{vendor}");
    }
}

#[test]
fn keys_stand_in_the_vendors_header_and_its_fixed_headers_are_there() {
    let credential = "credential: {type: APIKey, apiKey: {secretRef: {name: s, key: k}}}";
    for (vendor, api, more, headers) in [
        ("openai", "OpenAI", "", "authorization=Bearer k1"),
        ("anthropic", "Anthropic", "", "x-api-key=k1"),
        ("google-gemini", "Gemini", "", "x-goog-api-key=k1"),
        ("google-gemini", "OpenAI", "", "authorization=Bearer k1"),
        ("azure-openai", "AzureOpenAI", "baseURL: 'https://r.openai.azure.com'", "api-key=k1"),
        ("azure-openai", "Anthropic", "baseURL: 'https://r.services.ai.azure.com'", "x-api-key=k1"),
        ("aws-bedrock", "Anthropic", "region: eu-west-1", "authorization=Bearer k1"),
        (
            "portkey",
            "OpenAI",
            "headers: [{name: x-portkey-provider, value: a}]",
            "x-portkey-api-key=k1 x-portkey-debug=false x-portkey-provider=a",
        ),
        (
            "anthropic",
            "Anthropic",
            "headers: [{name: anthropic-version, value: v}]",
            "anthropic-version=v x-api-key=k1",
        ),
    ] {
        let more = if more.is_empty() { credential.to_owned() } else { format!("{more}, {credential}") };
        let documents = provider("team", "p", &manifest(vendor, api, &more)) + &secret("team", "s", "{k: ' k1 '}");

        let (candidate, keys) = only(&world(&documents), "team");

        let carried: BTreeMap<String, String> = server(&candidate)
            .headers
            .iter()
            .map(|header| (header.name.clone(), keys[&header.key.0].clone()))
            .collect();
        let told: Vec<String> = carried.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told.join(" "), headers, "{vendor} {api}");
        assert!(server(&candidate).sigv4.is_none());
    }
}

#[test]
fn an_aggregator_is_told_not_to_fall_back_whatever_the_owner_says() {
    let force = |vendor: &str, force: &str| {
        let spec = manifest(vendor, "OpenAI", &format!("force: {force}"));
        let (candidate, _) = only(&world(&provider("team", "p", &spec)), "team");
        serde_json::Value::Object(candidate.endpoint.force.0)
    };

    assert_eq!(
        force("openrouter", "{provider: {allow_fallbacks: true, zdr: true}, a: 1}"),
        serde_json::json!({"provider": {"allow_fallbacks": false, "zdr": true, "data_collection": "deny"}, "a": 1})
    );
    assert_eq!(force("eurouter", "{provider: surprise}"), serde_json::json!({"provider": {"allow_fallbacks": false}}));
    assert_eq!(
        force("cortecs", "{eu_native: true}"),
        serde_json::json!({"eu_native": true, "enable_model_fallback": false})
    );
    assert_eq!(force("edenai", "{}"), serde_json::json!({"routing": {"allow_fallbacks": false}}));
    let spec = manifest("litellm", "OpenAI", "baseURL: 'https://litellm.example'");
    let (candidate, _) = only(&world(&provider("team", "p", &spec)), "team");
    assert!(server(&candidate).quirks.strip.contains("fallbacks"));
}

#[test]
fn what_is_missing_or_means_nothing_is_told_with_its_field() {
    for (spec, told) in [
        ("{vendor: aws-bedrock, models: [{name: m}]}", "spec.region: must be set, because vendor `aws-bedrock` has it"),
        ("{vendor: google-vertex, region: eu, models: [{name: m}]}", "spec.project: must be set"),
        ("{vendor: google-vertex, project: p, models: [{name: m}]}", "spec.region: must be set"),
        ("{vendor: azure-openai, models: [{name: m}]}", "spec.baseURL: must be set"),
        (
            "{vendor: mistral, api: Gemini, models: [{name: m}]}",
            "spec.api: must be OpenAI or Simulated for vendor `mistral`",
        ),
        (
            "{vendor: google-vertex, api: Bedrock, models: [{name: m}]}",
            "must be Gemini, Anthropic, OpenAI or Simulated",
        ),
        (
            "{vendor: acme, models: [{name: m}]}",
            "spec.api: must be set, because `acme` is not a vendor that Lotse knows",
        ),
        ("{vendor: acme, api: Gemini, models: [{name: m}]}", "spec.baseURL: must be set, because vendor `acme`"),
        (
            "{vendor: mistral, region: eu, models: [{name: m}]}",
            "spec.region: may not be set: it means nothing to vendor `mistral`",
        ),
        ("{vendor: mistral, project: p, models: [{name: m}]}", "spec.project: may not be set"),
        (
            "{vendor: mistral, apiVersion: 2024-10-21, models: [{name: m}]}",
            "spec.apiVersion: may only be set when api is AzureOpenAI",
        ),
        (
            "{vendor: mistral, models: [{name: m, deploymentType: Standard}]}",
            "spec.models[0].deploymentType: may not be set",
        ),
        (
            "{vendor: mistral, credential: {type: OpenAI, openAI: {identityProviderID: i, serviceAccountID: s, serviceAccountName: n}}, models: [{name: m}]}",
            "spec.credential.type: must be APIKey for vendor `mistral`",
        ),
        (
            "{vendor: aws-bedrock, region: eu-west-1, baseURL: 'https://bedrock-runtime.us-east-1.amazonaws.com', models: [{name: m}]}",
            "spec.region: must be us-east-1, as baseURL says",
        ),
        (
            "{vendor: google-vertex, baseURL: 'https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google', models: [{name: m}]}",
            "spec.baseURL: must have one location",
        ),
        (
            "{vendor: acme, api: Bedrock, baseURL: 'https://acme.example', credential: {type: AWS, aws: {podIdentity: {clusterName: c, serviceAccountName: s}}}, models: [{name: m}]}",
            "spec.region: must be set, because AWS signatures name it",
        ),
        (
            "{vendor: mistral, models: [{name: m, contextTokens: 1, maxOutputTokens: 2}]}",
            "maxOutputTokens: must be at most contextTokens",
        ),
        ("{vendor: mistral, models: [{name: m, supports: [Tools, Tools]}]}", "spec.models[0].supports[1]"),
    ] {
        let errors = read(&BTreeMap::from([("a.yaml".to_owned(), provider("team", "p", spec))]), "root")
            .expect_err(spec)
            .into_iter()
            .map(|error| error.to_string())
            .collect::<String>();

        assert!(errors.contains(told), "{spec}: {errors}");
    }
}
