//! Tests of the wires: each operation's path, as the vendor's documents have it.

use proptest::prelude::*;

use super::*;

fn path(wire: &Wire, base: &str, operation: Operation, model: &str, stream: bool) -> String {
    wire.url_path(base, operation, model, stream).unwrap_or_else(|| "none".to_owned())
}

#[test]
fn openais_operations_stand_under_the_base_url() {
    for operation in Operation::ALL {
        assert_eq!(path(&Wire::OpenAI, "/v1", operation, "m", false), format!("/v1{}", operation.path()));
        assert_eq!(Operation::at(&format!("/v1{}", operation.path())), Some(operation));
        assert_eq!(Operation::at(operation.path()), None);
    }
    assert_eq!(path(&Wire::OpenAI, "", Operation::ChatCompletions, "m", true), "/chat/completions");
    assert_eq!(path(&Wire::OpenAI, "/", Operation::Messages, "m", true), "/messages");
    assert_eq!(path(&Wire::OpenAI, "/v1/", Operation::CountTokens, "m", true), "/v1/messages/count_tokens");
}

#[test]
fn azures_dated_api_has_the_deployment_in_the_path() {
    let wire = Wire::AzureDeployments { api_version: "2024-10-21".to_owned() };
    for base in ["", "/", "/openai", "/openai/v1", "/openai/v1/"] {
        assert_eq!(
            path(&wire, base, Operation::ChatCompletions, "my gpt", true),
            "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(path(&wire, base, Operation::Responses, "d", false), "/openai/responses?api-version=2024-10-21");
    }
    assert_eq!(
        path(&wire, "/gateway", Operation::Embeddings, "d", false),
        "/gateway/openai/deployments/d/embeddings?api-version=2024-10-21"
    );
    assert_eq!(path(&wire, "", Operation::Messages, "d", false), "none");
}

#[test]
fn a_base_url_that_ends_in_v1_does_not_get_a_second_one() {
    for base in ["", "/", "/v1", "/v1/"] {
        assert_eq!(path(&Wire::Anthropic, base, Operation::Messages, "m", true), "/v1/messages");
        assert_eq!(path(&Wire::Anthropic, base, Operation::CountTokens, "m", false), "/v1/messages/count_tokens");
    }
    assert_eq!(path(&Wire::Anthropic, "/anthropic", Operation::ChatCompletions, "m", true), "/anthropic/v1/messages");
    assert_eq!(path(&Wire::Anthropic, "/v1", Operation::Embeddings, "m", false), "none");
}

#[test]
fn claude_on_vertex_has_the_model_in_the_path() {
    let base = "/v1/projects/p/locations/eu/publishers/anthropic";
    let wire = Wire::AnthropicOnVertex;

    let of = |operation, stream| path(&wire, base, operation, "claude-sonnet-4-5@20250929", stream);

    assert_eq!(of(Operation::Messages, false), format!("{base}/models/claude-sonnet-4-5@20250929:rawPredict"));
    assert_eq!(of(Operation::Responses, true), format!("{base}/models/claude-sonnet-4-5@20250929:streamRawPredict"));
    assert_eq!(of(Operation::CountTokens, false), format!("{base}/models/count-tokens:rawPredict"));
    assert_eq!(of(Operation::Embeddings, false), "none");
}

#[test]
fn gemini_has_the_model_and_the_method_in_the_path() {
    let vertex = "/v1/projects/p/locations/eu/publishers/google";
    let of = |base, operation, stream| path(&Wire::Gemini, base, operation, "gemini-3-pro", stream);

    assert_eq!(of("/v1beta", Operation::Messages, false), "/v1beta/models/gemini-3-pro:generateContent");
    assert_eq!(
        of("/v1beta", Operation::ChatCompletions, true),
        "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!(of("/v1beta", Operation::CountTokens, false), "/v1beta/models/gemini-3-pro:countTokens");
    assert_eq!(of("/v1beta", Operation::Embeddings, false), "/v1beta/models/gemini-3-pro:batchEmbedContents");
    assert_eq!(of(vertex, Operation::Embeddings, false), format!("{vertex}/models/gemini-3-pro:predict"));
    assert_eq!(of(vertex, Operation::AudioSpeech, false), "none");
}

#[test]
fn bedrock_has_the_model_as_one_segment_even_when_it_is_an_arn() {
    let claude = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let arn = "arn:aws:bedrock:eu-central-1:1:application-inference-profile/x";

    assert_eq!(
        path(&Wire::Bedrock, "", Operation::ChatCompletions, claude, false),
        "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    );
    assert_eq!(
        path(&Wire::Bedrock, "/", Operation::Messages, arn, true),
        "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Aapplication-inference-profile%2Fx/converse-stream"
    );
    assert_eq!(path(&Wire::Bedrock, "", Operation::Embeddings, "m", false), "/model/m/invoke");
    assert_eq!(path(&Wire::Bedrock, "", Operation::CountTokens, "m", false), "none");
    assert_eq!(path(&Wire::AnthropicOnBedrock, "", Operation::Messages, "m:0", false), "/model/m%3A0/invoke");
    assert_eq!(
        path(&Wire::AnthropicOnBedrock, "", Operation::Messages, "m", true),
        "/model/m/invoke-with-response-stream"
    );
}

#[test]
fn operations_have_each_their_own_name_and_path() {
    let names: std::collections::BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    let paths: std::collections::BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.path()).collect();

    assert_eq!((names.len(), paths.len()), (14, 14));
    assert_eq!(serde_json::to_value(Operation::AudioSpeech).expect("JSON"), "audioSpeech");
    assert_eq!(serde_json::to_value(Wire::OpenAI).expect("JSON"), "openAI");
}

fn wires() -> impl Strategy<Value = Wire> {
    prop::sample::select(vec![
        Wire::OpenAI,
        Wire::AzureDeployments { api_version: "2024-10-21".to_owned() },
        Wire::Anthropic,
        Wire::AnthropicOnVertex,
        Wire::AnthropicOnBedrock,
        Wire::Gemini,
        Wire::Bedrock,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_models_name_can_not_leave_its_segment(wire in wires(), model in ".{0,40}", stream in any::<bool>()) {
        for operation in Operation::ALL {
            let Some(path) = wire.url_path("/base", operation, &model, stream) else { continue };
            let plain = wire.url_path("/base", operation, "m", stream).expect("the same operation");

            prop_assert!(path.parse::<http::uri::PathAndQuery>().is_ok(), "{path}");
            prop_assert_eq!(path.split('/').count(), plain.split('/').count());
            prop_assert_eq!(path.split('?').count(), plain.split('?').count());
        }
    }
}
