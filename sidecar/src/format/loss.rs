//! What a dialect cannot carry, by name.
//!
//! A writer handles every field of a call: it carries it, changes it (and says so here), or loses it (and says so here).
//! The pipeline refuses a call with losses that matter, or leaves them out when the route says Drop; hints are always left
//! out, and named in `x-lotse-dropped`. The tables in the docs come from this vocabulary.

use super::Format;

/// A thing that some dialects have and others don't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is spelled in its dialects by `ROWS`")]
pub enum Feature {
    MaxTokens,
    Temperature,
    TopP,
    TopK,
    Seed,
    PresencePenalty,
    FrequencyPenalty,
    LogitBias,
    Logprobs,
    Choices,
    Stop,
    JsonObject,
    JsonSchema,
    Tools,
    StrictTools,
    CustomTools,
    ToolChoiceNone,
    ToolChoiceRequired,
    ToolChoiceNamed,
    ToolChoiceAllowed,
    ParallelToolCalls,
    ReasoningEffort,
    ReasoningBudget,
    ReasoningSummary,
    Verbosity,
    SystemTurns,
    ParticipantName,
    Prefill,
    ImageInline,
    ImageUrl,
    ImageDetail,
    Audio,
    FileInline,
    FileText,
    FileUrl,
    MediaId,
    Citations,
    ToolResultImage,
    ToolResultFile,
    ToolResultError,
    Thinking,
    ToolCallSignature,
    State,
    CacheBreakpoint,
    PromptCacheKey,
    User,
    Metadata,
    ServiceTier,
    Store,
}

/// A feature, and how Chat, Responses and Messages spell it; `-` where a caller of that dialect cannot ask for it.
type Row = (Feature, &'static str, &'static str, &'static str);

/// How callers spell each feature.
const ROWS: [Row; 49] = [
    (Feature::MaxTokens, "max_completion_tokens", "max_output_tokens", "max_tokens"),
    (Feature::Temperature, "temperature", "temperature", "temperature"),
    (Feature::TopP, "top_p", "top_p", "top_p"),
    (Feature::TopK, "top_k", "top_k", "top_k"),
    (Feature::Seed, "seed", "-", "-"),
    (Feature::PresencePenalty, "presence_penalty", "-", "-"),
    (Feature::FrequencyPenalty, "frequency_penalty", "-", "-"),
    (Feature::LogitBias, "logit_bias", "-", "-"),
    (Feature::Logprobs, "logprobs", "top_logprobs", "-"),
    (Feature::Choices, "n", "-", "-"),
    (Feature::Stop, "stop", "-", "stop_sequences"),
    (Feature::JsonObject, "response_format.json_object", "text.format.json_object", "-"),
    (Feature::JsonSchema, "response_format.json_schema", "text.format.json_schema", "output_config.format"),
    (Feature::Tools, "tools", "tools", "tools"),
    (Feature::StrictTools, "tools[].function.strict", "tools[].strict", "tools[].strict"),
    (Feature::CustomTools, "tools[].custom", "tools[].custom", "-"),
    (Feature::ToolChoiceNone, "tool_choice.none", "tool_choice.none", "tool_choice.none"),
    (Feature::ToolChoiceRequired, "tool_choice.required", "tool_choice.required", "tool_choice.any"),
    (Feature::ToolChoiceNamed, "tool_choice.function", "tool_choice.function", "tool_choice.tool"),
    (Feature::ToolChoiceAllowed, "tool_choice.allowed_tools", "tool_choice.allowed_tools", "-"),
    (Feature::ParallelToolCalls, "parallel_tool_calls", "parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    (Feature::ReasoningEffort, "reasoning_effort", "reasoning.effort", "output_config.effort"),
    (Feature::ReasoningBudget, "reasoning.max_tokens", "-", "thinking.budget_tokens"),
    (Feature::ReasoningSummary, "reasoning.summary", "reasoning.summary", "thinking.display"),
    (Feature::Verbosity, "verbosity", "text.verbosity", "-"),
    (Feature::SystemTurns, "messages[].role", "input[].role", "messages[].role"),
    (Feature::ParticipantName, "messages[].name", "-", "-"),
    (Feature::Prefill, "messages[].role", "input[].role", "messages[].role"),
    (
        Feature::ImageInline,
        "messages[].content[].image_url",
        "input[].content[].image_url",
        "messages[].content[].source",
    ),
    (Feature::ImageUrl, "messages[].content[].image_url", "input[].content[].image_url", "messages[].content[].source"),
    (Feature::ImageDetail, "messages[].content[].image_url.detail", "input[].content[].detail", "-"),
    (Feature::Audio, "messages[].content[].input_audio", "input[].content[].input_audio", "-"),
    (Feature::FileInline, "messages[].content[].file", "input[].content[].file_data", "messages[].content[].source"),
    (Feature::FileText, "-", "-", "messages[].content[].source"),
    (Feature::FileUrl, "messages[].content[].file", "input[].content[].file_url", "messages[].content[].source"),
    (Feature::MediaId, "messages[].content[].file.file_id", "input[].content[].file_id", "messages[].content[].source"),
    (Feature::Citations, "-", "-", "messages[].content[].citations"),
    (Feature::ToolResultImage, "messages[].content[]", "input[].output[]", "messages[].content[].content[]"),
    (Feature::ToolResultFile, "messages[].content[]", "input[].output[]", "messages[].content[].content[]"),
    (Feature::ToolResultError, "-", "-", "messages[].content[].is_error"),
    (Feature::Thinking, "messages[].reasoning_details", "input[].reasoning", "messages[].content[].thinking"),
    (
        Feature::ToolCallSignature,
        "messages[].tool_calls[].extra_content",
        "input[].encrypted_content",
        "messages[].content[].signature",
    ),
    (Feature::State, "-", "previous_response_id", "-"),
    (Feature::CacheBreakpoint, "cache_control", "cache_control", "cache_control"),
    (Feature::PromptCacheKey, "prompt_cache_key", "prompt_cache_key", "-"),
    (Feature::User, "user", "user", "metadata.user_id"),
    (Feature::Metadata, "metadata", "metadata", "-"),
    (Feature::ServiceTier, "service_tier", "service_tier", "service_tier"),
    (Feature::Store, "store", "store", "-"),
];

impl Feature {
    /// All features, in the order of the docs.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.into_iter().map(|(feature, ..)| feature)
    }

    /// How a caller of this dialect spells it; nothing where it cannot ask for it.
    pub fn spelled_in(self, caller: Format) -> Option<&'static str> {
        let (_, chat, responses, messages) = ROWS.into_iter().find(|(feature, ..)| *feature == self)?;
        let spelled = match caller {
            Format::Completions => self.spelled_in_completions().unwrap_or("-"),
            Format::Chat | Format::Gemini | Format::Converse => chat,
            Format::Responses => responses,
            Format::Messages => messages,
        };
        (spelled != "-").then_some(spelled)
    }

    /// Completions has few of Chat's fields, and an older name for one.
    fn spelled_in_completions(self) -> Option<&'static str> {
        if self == Self::MaxTokens {
            return Some("max_tokens");
        }
        let is_known = matches!(
            self,
            Self::Temperature
                | Self::TopP
                | Self::TopK
                | Self::Seed
                | Self::PresencePenalty
                | Self::FrequencyPenalty
                | Self::LogitBias
                | Self::Choices
                | Self::Stop
                | Self::User
        );
        if is_known { self.spelled_in(Format::Chat) } else { None }
    }

    /// Whether leaving it out changes no answer's meaning, so that no caller is refused for it: who asks, where to cache, how
    /// much to think or say, how many tools to call at once (Claude Code and Codex always say), and thoughts that only the
    /// provider that made them can read.
    pub fn is_hint(self) -> bool {
        matches!(
            self,
            Self::CacheBreakpoint
                | Self::PromptCacheKey
                | Self::User
                | Self::Metadata
                | Self::ServiceTier
                | Self::Store
                | Self::Verbosity
                | Self::ImageDetail
                | Self::ParallelToolCalls
                | Self::ReasoningEffort
                | Self::ReasoningBudget
                | Self::ReasoningSummary
                | Self::Thinking
                | Self::ToolCallSignature
        )
    }
}

/// What a writer could not carry as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// What is not in the written call at all.
    pub lost: Vec<Lost>,
    /// What is in it in another form that means the same, or nearly.
    pub changed: Vec<Feature>,
}

/// One thing that is not in the written call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A thing that other dialects have.
    Feature(Feature),
    /// A hint of the caller, by its own name: always left out without a refusal.
    Hint(String),
    /// A field of the caller that nobody knows, by its own name.
    Unknown(String),
}

impl Losses {
    /// Notes, once, that a feature is not in the written call.
    pub fn lose(&mut self, feature: Feature) {
        let lost = Lost::Feature(feature);
        if !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }

    /// Notes, once, that a feature is in it in another form.
    pub fn change(&mut self, feature: Feature) {
        if !self.changed.contains(&feature) {
            self.changed.push(feature);
        }
    }

    /// Loses a feature if the caller asks for it.
    pub fn lose_if(&mut self, asked: bool, feature: Feature) {
        if asked {
            self.lose(feature);
        }
    }
}
