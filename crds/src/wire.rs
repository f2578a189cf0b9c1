//! Wires: how a server takes calls, and the path of each operation on it. `compile` chooses the wire from `api` and
//! `vendors.yaml`; the sidecar sends by it. Pure.
//!
//! Sources: the OpenAPI document of OpenAI; Azure OpenAI's API lifecycle page; the client modules of Anthropic's SDK
//! for Vertex and Bedrock; googleapis/python-genai; the service model of bedrock-runtime 2023-09-30.

use serde::{Deserialize, Serialize};

/// How a server takes calls: the dialect, and the form of its paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Wire {
    /// OpenAI's paths under the base URL, whatever of its operations the server has.
    OpenAI,
    /// OpenAI's dialect with the deployment in the path and a dated version in the query, as Azure had it first.
    AzureDeployments {
        /// Such as `2024-10-21`.
        api_version: String,
    },
    /// Anthropic's Messages.
    Anthropic,
    /// Messages as Vertex AI takes them: the model is in the path, the version in the body.
    AnthropicOnVertex,
    /// Messages as Bedrock's InvokeModel takes them: the model is in the path, the version in the body, and a stream is
    /// AWS's event stream.
    AnthropicOnBedrock,
    /// Gemini's generateContent, of the Gemini API or of Vertex AI.
    Gemini,
    /// Bedrock's Converse.
    Bedrock,
}

/// What an app can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// OpenAI's Completions, which came before it.
    Completions,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// How many tokens a call of Messages has.
    CountTokens,
    /// Embeddings.
    Embeddings,
    /// An image from words.
    ImageGenerations,
    /// An image from an image.
    ImageEdits,
    /// An image like an image.
    ImageVariations,
    /// Speech from words.
    AudioSpeech,
    /// Words from speech.
    AudioTranscriptions,
    /// English words from speech.
    AudioTranslations,
    /// Whether a text breaks rules.
    Moderations,
    /// Texts by how well they answer.
    Rerank,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::Embeddings,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::AudioSpeech,
        Self::AudioTranscriptions,
        Self::AudioTranslations,
        Self::Moderations,
        Self::Rerank,
    ];

    /// The word for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Embeddings => "embeddings",
            Self::ImageGenerations => "image_generations",
            Self::ImageEdits => "image_edits",
            Self::ImageVariations => "image_variations",
            Self::AudioSpeech => "audio_speech",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
        }
    }

    /// Where it is under a base URL that ends in `/v1`: the sidecar's own, and those of servers with OpenAI's paths.
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::Embeddings => "/embeddings",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::ImageVariations => "/images/variations",
            Self::AudioSpeech => "/audio/speech",
            Self::AudioTranscriptions => "/audio/transcriptions",
            Self::AudioTranslations => "/audio/translations",
            Self::Moderations => "/moderations",
            Self::Rerank => "/rerank",
        }
    }

    /// The operation of a path of the sidecar: `/v1` and [`path`](Self::path).
    pub fn at(path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1")?;
        Self::ALL.into_iter().find(|operation| operation.path() == path)
    }

    /// Whether a model writes an answer, so that one of these can be translated into another.
    pub fn is_generation(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Responses | Self::Messages)
    }
}

impl Wire {
    /// What a sidecar must be able to execute to call by this wire; nothing for OpenAI's, which all of them can.
    pub fn restriction(&self) -> Option<&'static str> {
        match self {
            Self::OpenAI => None,
            Self::AzureDeployments { .. } => Some("wireAzureDeployments"),
            Self::Anthropic => Some("wireAnthropic"),
            Self::AnthropicOnVertex => Some("wireAnthropicOnVertex"),
            Self::AnthropicOnBedrock => Some("wireAnthropicOnBedrock"),
            Self::Gemini => Some("wireGemini"),
            Self::Bedrock => Some("wireBedrock"),
        }
    }

    /// The path and query of an operation on a server with this wire; nothing when the wire has no such operation.
    ///
    /// `base_path` is the path of the base URL. A wire other than OpenAI's has one place for all generation; there it
    /// does not matter in which dialect the app asks. Whether this server has an operation says
    /// [`Server::operations`](crate::snapshot::Server::operations).
    pub fn url_path(&self, base_path: &str, operation: Operation, model: &str, stream: bool) -> Option<String> {
        let base = base_path.trim_end_matches('/');
        match self {
            Self::OpenAI => Some(format!("{base}{}", operation.path())),
            Self::AzureDeployments { api_version } => azure(base, operation, model, api_version),
            Self::Anthropic => anthropic(base, operation),
            Self::AnthropicOnVertex => anthropic_on_vertex(base, operation, model, stream),
            Self::AnthropicOnBedrock => operation.is_generation().then(|| {
                let action = if stream { "invoke-with-response-stream" } else { "invoke" };
                format!("{base}/model/{}/{action}", segment(model))
            }),
            Self::Gemini => gemini(base, operation, model, stream),
            Self::Bedrock => bedrock(base, operation, model, stream),
        }
    }
}

fn azure(base: &str, operation: Operation, model: &str, api_version: &str) -> Option<String> {
    // Whatever of the path people have copied: the resource, the resource's /openai, or the newer API's base URL.
    let resource = base.strip_suffix("/openai/v1").or(base.strip_suffix("/openai")).unwrap_or(base);
    let version = segment(api_version);
    match operation {
        Operation::Responses => Some(format!("{resource}/openai/responses?api-version={version}")),
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Embeddings
        | Operation::ImageGenerations
        | Operation::ImageEdits
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations => {
            let (deployment, path) = (segment(model), operation.path());
            Some(format!("{resource}/openai/deployments/{deployment}{path}?api-version={version}"))
        }
        Operation::Messages
        | Operation::CountTokens
        | Operation::ImageVariations
        | Operation::Moderations
        | Operation::Rerank => None,
    }
}

fn anthropic(base: &str, operation: Operation) -> Option<String> {
    let root = base.strip_suffix("/v1").unwrap_or(base);
    if operation.is_generation() {
        return Some(format!("{root}/v1/messages"));
    }
    (operation == Operation::CountTokens).then(|| format!("{root}/v1/messages/count_tokens"))
}

fn anthropic_on_vertex(base: &str, operation: Operation, model: &str, stream: bool) -> Option<String> {
    if operation.is_generation() {
        let action = if stream { "streamRawPredict" } else { "rawPredict" };
        return Some(format!("{base}/models/{}:{action}", segment(model)));
    }
    (operation == Operation::CountTokens).then(|| format!("{base}/models/count-tokens:rawPredict"))
}

fn gemini(base: &str, operation: Operation, model: &str, stream: bool) -> Option<String> {
    let action = if operation.is_generation() {
        if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
    } else if operation == Operation::CountTokens {
        "countTokens"
    } else if operation == Operation::Embeddings {
        // Vertex AI names the publisher in the path, and has its own call for embeddings.
        if base.contains("/publishers/") { "predict" } else { "batchEmbedContents" }
    } else {
        return None;
    };
    Some(format!("{base}/models/{}:{action}", segment(model)))
}

fn bedrock(base: &str, operation: Operation, model: &str, stream: bool) -> Option<String> {
    let action = if operation.is_generation() {
        if stream { "converse-stream" } else { "converse" }
    } else if operation == Operation::Embeddings {
        "invoke"
    } else {
        return None;
    };
    Some(format!("{base}/model/{}/{action}", segment(model)))
}

/// Text as one segment of a path, or one value of a query. `@` stays: Vertex writes versions of Claude with it.
/// Source: RFC 3986, sections 2.3 and 3.3.
fn segment(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
