//! `generationConfig`.

use serde::Serialize;
use serde_json::{Number, Value};

use super::generation_of;
use crate::format::call::{OutputForm, Reasoning, Sampling};
use crate::format::loss::{Feature, Losses};

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

impl<'a> GenerationConfig<'a> {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn sample(&mut self, sampling: &'a Sampling, losses: &mut Losses) {
        let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty, logit_bias } = sampling;
        self.temperature = temperature.as_ref();
        self.top_p = top_p.as_ref();
        self.top_k = top_k.as_ref();
        self.seed = seed.as_ref();
        self.presence_penalty = presence_penalty.as_ref();
        self.frequency_penalty = frequency_penalty.as_ref();
        losses.lose_if(logit_bias.is_some(), Feature::LogitBias);
    }

    pub(super) fn limit(&mut self, most: Option<u64>, stop: &'a [String], choices: Option<u64>, logprobs: Option<u64>) {
        self.max_output_tokens = most;
        self.stop_sequences = stop;
        self.candidate_count = choices.filter(|count| *count != 1);
        self.response_logprobs = logprobs.map(|_| true);
        self.logprobs = logprobs.filter(|count| *count > 0);
    }

    pub(super) fn form(&mut self, form: &'a OutputForm, losses: &mut Losses) {
        match form {
            OutputForm::Text => {}
            OutputForm::JsonObject => self.response_mime_type = Some("application/json"),
            OutputForm::JsonSchema { name: _, description, schema, strict: _ } => {
                // A schema binds always, and needs no name; what it is for is not told.
                if description.is_some() {
                    losses.change(Feature::JsonSchema);
                }
                self.response_mime_type = Some("application/json");
                self.response_json_schema = Some(schema);
            }
        }
    }

    /// How much to think.
    ///
    /// | asked | Gemini 3 and later | Gemini 2.5, aliases, others |
    /// |---|---|---|
    /// | `none` | `thinkingLevel` MINIMAL, its least | budget 0; 128, its least, for Pro |
    /// | `minimal`, `low` | MINIMAL, LOW | budget 1024 |
    /// | `medium` | MEDIUM | budget 8192 |
    /// | `high` | HIGH | budget 24576 |
    /// | `xhigh`, `max` | HIGH | budget 24576 |
    /// | a budget | the budget | the budget |
    /// | adaptive | as the model likes | budget −1: as the model likes |
    ///
    /// The budgets are those of Google's own OpenAI-compatible endpoint. Models before 2.5 do not think. Thoughts are asked
    /// for (`includeThoughts`) unless thinking is off or the caller wants none of them.
    pub(super) fn think(&mut self, reasoning: &Reasoning, model: &str, losses: &mut Losses) {
        let Reasoning { effort, budget_tokens, summary, adaptive } = reasoning;
        let generation = generation_of(model);
        if generation.is_some_and(|generation| generation < (2, 5)) {
            let off = effort.as_deref() == Some("none") || *budget_tokens == Some(0);
            losses.lose_if(effort.is_some() && !off || *adaptive, Feature::ReasoningEffort);
            losses.lose_if(budget_tokens.is_some() && !off, Feature::ReasoningBudget);
            losses.lose_if(summary.is_some(), Feature::ReasoningSummary);
            return;
        }
        let by_level = generation.is_some_and(|generation| generation >= (3, 0));
        let mut config = ThinkingConfig::default();
        match (budget_tokens, effort) {
            (Some(budget), _) => config.thinking_budget = Some(i64::try_from(*budget).unwrap_or(i64::MAX)),
            (None, Some(effort)) if by_level => config.thinking_level = Some(level(effort, losses)),
            (None, Some(effort)) => {
                losses.change(Feature::ReasoningEffort);
                config.thinking_budget = Some(budget(effort, model));
            }
            (None, None) if *adaptive && !by_level => config.thinking_budget = Some(-1),
            (None, None) => {}
        }
        let off = effort.as_deref() == Some("none") || *budget_tokens == Some(0);
        if matches!(summary.as_deref(), Some("concise" | "detailed")) {
            losses.change(Feature::ReasoningSummary);
        }
        config.include_thoughts = (!off && summary.as_deref() != Some("omitted")).then_some(true);
        self.thinking_config = (config != ThinkingConfig::default()).then_some(config);
    }
}

fn level(effort: &str, losses: &mut Losses) -> &'static str {
    match effort {
        "minimal" => "MINIMAL",
        "low" => "LOW",
        "medium" => "MEDIUM",
        "high" => "HIGH",
        "none" => {
            losses.change(Feature::ReasoningEffort);
            "MINIMAL"
        }
        _ => {
            losses.change(Feature::ReasoningEffort);
            "HIGH"
        }
    }
}

fn budget(effort: &str, model: &str) -> i64 {
    match effort {
        "none" if model.contains("-pro") => 128,
        "none" => 0,
        "minimal" | "low" => 1024,
        "medium" => 8192,
        _ => 24_576,
    }
}
