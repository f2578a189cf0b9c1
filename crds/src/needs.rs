//! Needs: what a call needs of a model, read from its body in whichever dialect. `plan` compares them with what a
//! candidate is said to be able to do.
//!
//! They choose who is worth asking, and protect nothing: what is read over here is answered by whoever can't, with an error.
//! So they are read cheaply, and never found where they are not. `prompt` looks into the prompt itself.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::body::Scanned;
use crate::provider::Ability;
use crate::snapshot::{Candidate, Reason};
use crate::wire::Operation;

mod prompt;

/// What a call needs of a model. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What the model must be able to do.
    pub abilities: BTreeSet<Ability>,
    /// How many tokens the prompt has at least; an estimate that is surely not too high. 0 for a small body.
    pub least_prompt_tokens: u64,
    /// How many tokens the answer may have, if the call says so.
    pub output_tokens: Option<u64>,
}

impl Needs {
    /// What a call needs. Only what generates, and what counts its tokens, needs anything.
    pub fn read(body: &[u8], scanned: &Scanned, operation: Operation) -> Self {
        let mut needs = Self::default();
        if !has_prompt(operation) {
            return needs;
        }
        for name in scanned.names(body) {
            let value = || scanned.value(body, name).unwrap_or_default();
            let ability = match name {
                "tools" | "functions" if has_entries(value()) => Ability::Tools,
                "response_format" | "output_format" if is_schema(value()) => Ability::StructuredOutput,
                "text" | "output_config" if holds_schema(value()) => Ability::StructuredOutput,
                "reasoning_effort" | "reasoning" | "thinking" if asks_for_thought(name, value()) => Ability::Reasoning,
                "messages" | "input" if prompt::shows_images(value()) => Ability::Vision,
                "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                    let said: Option<u64> = serde_json::from_slice(value()).ok();
                    needs.output_tokens = needs.output_tokens.into_iter().chain(said).min();
                    continue;
                }
                _ => continue,
            };
            needs.abilities.insert(ability);
        }
        needs.least_prompt_tokens = prompt::least_tokens(body, scanned);
        needs
    }

    /// Every reason why a candidate could not serve the call. Of a candidate of which nothing is said that it supports,
    /// nothing is known; it is out only where the app requires that it is.
    pub fn objections(&self, candidate: &Candidate, require_parameters: bool) -> Vec<Reason> {
        let mut reasons = Vec::new();
        self.judge_abilities(candidate, require_parameters, &mut reasons);
        self.judge_lengths(candidate, &mut reasons);
        reasons
    }

    fn judge_abilities(&self, candidate: &Candidate, require_parameters: bool, reasons: &mut Vec<Reason>) {
        if self.abilities.is_empty() || (candidate.supports.is_empty() && !require_parameters) {
            return;
        }
        let lacks = |ability: &&Ability| !candidate.supports.contains(ability);
        let missing: Vec<_> = self.abilities.iter().filter(lacks).map(|ability| ability.name()).collect();
        if missing.is_empty() {
            return;
        }
        let code = if require_parameters { "require_parameters" } else { "ability_not_supported" };
        let missing = missing.join(" and ");
        let message = format!("the call needs {missing}, which the model is not said to support");
        reasons.push(Reason { code: code.to_owned(), message, policy: None });
    }

    fn judge_lengths(&self, candidate: &Candidate, reasons: &mut Vec<Reason>) {
        let most = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
        let output = self.output_tokens.unwrap_or(0);
        let least = self.least_prompt_tokens.saturating_add(output);
        if let Some(most) = most(candidate.context_tokens).filter(|most| least > *most) {
            let message = format!("the call has at least {least} tokens, its answer included; the model takes {most}");
            reasons.push(Reason { code: "context_length".to_owned(), message, policy: None });
        }
        if let Some(most) = most(candidate.max_output_tokens).filter(|most| output > *most) {
            let message = format!("the call asks for up to {output} tokens; the model answers with at most {most}");
            reasons.push(Reason { code: "max_output_tokens".to_owned(), message, policy: None });
        }
    }
}

/// Whether a call of this kind has a prompt that a model answers. An embedding has texts instead, each with a limit of its own.
fn has_prompt(operation: Operation) -> bool {
    match operation {
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Responses
        | Operation::Messages
        | Operation::CountTokens => true,
        Operation::Embeddings
        | Operation::ImageGenerations
        | Operation::ImageEdits
        | Operation::ImageVariations
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::Moderations
        | Operation::Rerank => false,
    }
}

/// Whether it is a list that is not empty.
fn has_entries(list: &[u8]) -> bool {
    let inside = list.strip_prefix(b"[").unwrap_or_default();
    inside.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first != b']')
}

/// A format of an answer.
#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// What holds a format.
#[derive(Deserialize)]
struct Holder<'a> {
    #[serde(borrow)]
    format: Format<'a>,
}

fn is_schema(format: &[u8]) -> bool {
    serde_json::from_slice::<Format<'_>>(format).is_ok_and(|format| format.kind == "json_schema")
}

fn holds_schema(holder: &[u8]) -> bool {
    serde_json::from_slice::<Holder<'_>>(holder).is_ok_and(|holder| holder.format.kind == "json_schema")
}

/// Whether a field of reasoning is set to something that asks for it.
fn asks_for_thought(name: &str, value: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(value) else { return false };
    let is_on = |key: &str| value.get(key).is_some_and(|inner| !inner.is_null());
    match (name, &value) {
        (_, Value::Null) => false,
        ("reasoning_effort", effort) => effort.as_str() != Some("none"),
        ("thinking", Value::Object(thinking)) => {
            !thinking.is_empty() && value.get("type").and_then(Value::as_str) != Some("disabled")
        }
        ("reasoning", Value::Object(_)) => match (value.get("enabled"), value.get("effort").and_then(Value::as_str)) {
            (Some(Value::Bool(false)), _) | (_, Some("none")) => false,
            (Some(Value::Bool(true)), _) | (_, Some(_)) => true,
            (_, None) => {
                value.get("max_tokens").and_then(Value::as_u64).is_some_and(|most| most > 0) || is_on("summary")
            }
        },
        (_, other) => *other == Value::Bool(true),
    }
}

#[cfg(test)]
mod tests;
