//! Reads a whole answer of generateContent. Called by `answer` for providers that speak Gemini.
//! Source: Google's SDK types and recorded answers.

use super::citations::{self, Said as Spoken};
use super::wire::{Candidate, FunctionCall, Part, parse};
use crate::format::answer::{Choice, Citation, ModelAnswer, Said, Stop};
use crate::format::call::{Signature, Thinking, ToolCall};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed};

/// Reads an answer; calls without an id get one of `seed`.
///
/// A part of code that Google ran, and what it gave, has no neutral place and is left out; so is a generated picture beside
/// text. An answer that is only a picture is refused.
pub fn read(body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    let response = parse(body).map_err(|_| Malformed("the answer is not a generateContent response".to_owned()))?;
    if response.error.is_some() {
        return Err(Malformed("an error with status 200".to_owned()));
    }
    let blocked = response.prompt_feedback.and_then(super::wire::PromptFeedback::block);
    let candidates = response.candidates.unwrap_or_default();
    let mut reader = Reader { seed, calls: 0, pictures: false };
    let mut choices: Vec<(u32, Choice)> = Vec::with_capacity(candidates.len());
    for (place, candidate) in candidates.into_iter().enumerate() {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        choices.push((candidate.index.unwrap_or(place), reader.choice(candidate)));
    }
    choices.sort_by_key(|(index, _)| *index);
    let mut choices: Vec<Choice> = choices.into_iter().map(|(_, choice)| choice).collect();
    if choices.is_empty() {
        let reason = blocked.ok_or_else(|| Malformed("the answer has no candidates".to_owned()))?;
        choices.push(Choice { stop: Some(Stop::Filtered(Some(reason))), ..Choice::default() });
    }
    if reader.pictures && choices.iter().all(|choice| choice.parts.is_empty()) {
        return Err(only_media());
    }
    Ok(ModelAnswer {
        id: response.response_id,
        model: response.model_version,
        created: response
            .create_time
            .and_then(|time| time.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_second),
        choices,
        usage: response.usage_metadata.and_then(|counts| counts.usage()),
        service_tier: None,
    })
}

pub(super) fn only_media() -> Malformed {
    Malformed("the answer is a picture or sound, which no caller's dialect can carry".to_owned())
}

struct Reader {
    seed: u64,
    calls: u32,
    pictures: bool,
}

impl Reader {
    fn choice(&mut self, mut candidate: Candidate<'_>) -> Choice {
        let finish = candidate.finish();
        let mut parts = Vec::new();
        let mut spoken = Spoken::default();
        for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            spoken.parts.push(spoken.text.len());
            self.part(part, &mut parts, &mut spoken);
        }
        let mut found = Vec::new();
        if let Some(metadata) = candidate.citation_metadata {
            citations::add_cited(metadata, &spoken, &mut found);
        }
        if let Some(metadata) = candidate.grounding_metadata {
            citations::add_grounded(&metadata, &spoken, &mut found);
        }
        attach(found, &mut parts);
        let calls_tools = parts.iter().any(|part| matches!(part, Said::ToolCall(_)));
        let stop = finish.map(|finish| super::stop(finish, calls_tools));
        Choice { parts, stop, logprobs: candidate.logprobs_result.and_then(|result| result.as_chat()) }
    }

    fn part(&mut self, part: Part<'_>, parts: &mut Vec<Said>, spoken: &mut Spoken) {
        self.pictures |= part.inline_data.is_some();
        let signature = part.thought_signature.filter(|value| !value.is_empty());
        let mut signature = signature.map(|value| Signature { maker: Format::Gemini, value });
        if let Some(call) = part.function_call {
            parts.extend(self.call(call, signature.take()));
        }
        let text = part.text.unwrap_or_default();
        if !text.is_empty() && part.thought == Some(true) {
            parts.push(Said::Thinking(Thinking { text, signature: signature.take(), ..Thinking::default() }));
        } else if !text.is_empty() {
            spoken.text.push_str(&text);
            match parts.last_mut() {
                Some(Said::Text { text: said, .. }) => said.push_str(&text),
                _ => parts.push(Said::Text { text, citations: Vec::new() }),
            }
        }
        if signature.is_some() {
            // What proves a text, or stands alone, holds the thoughts behind it.
            parts.push(Said::Thinking(Thinking { signature, redacted: true, ..Thinking::default() }));
        }
    }

    fn call(&mut self, call: FunctionCall<'_>, signature: Option<Signature>) -> Option<Said> {
        let arguments = call.json();
        let name = call.name.filter(|name| !name.is_empty())?;
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| made_up_id(self.seed, self.calls));
        self.calls += 1;
        Some(Said::ToolCall(ToolCall { id, name, arguments, custom: false, signature }))
    }
}

/// Gives each citation to the text that it begins in, or to the last.
fn attach(found: Vec<Citation>, parts: &mut [Said]) {
    for citation in found {
        let mut begun = 0;
        let mut texts = parts.iter_mut().filter_map(|part| match part {
            Said::Text { text, citations } => Some((text.chars().count(), citations)),
            Said::Refusal(_) | Said::Thinking(_) | Said::ToolCall(_) => None,
        });
        let mut chosen = None;
        for (length, citations) in texts.by_ref() {
            begun += u64::try_from(length).unwrap_or(u64::MAX);
            let fits = citation.start.is_some_and(|start| start < begun);
            chosen = Some(citations);
            if fits {
                break;
            }
        }
        if let Some(citations) = chosen {
            citations.push(citation);
        }
    }
}

#[cfg(test)]
mod tests;
