//! Reads a stream of generateContent (`alt=sse`). Called by `stream` for providers that speak Gemini.
//! Source: Google's SDK types and recorded streams.
//!
//! Each event is a whole response whose parts are deltas. Any event may have a finish reason, and more may follow; nothing
//! says that the stream is over but its end. So stops, citations and the end are told when it closes.

use serde_json::Value;

use super::arguments::Arguments;
use super::citations::{self, Said};
use super::wire::{Candidate, FinishReason, FunctionCall, GroundingMetadata, Part, parse};
use crate::format::answer::{Citation, Stop, Usage};
use crate::format::call::Signature;
use crate::format::error;
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed};

/// Reads events of one stream.
#[derive(Debug)]
pub struct Reader {
    seed: u64,
    made_up: u32,
    begun: bool,
    over: bool,
    blocked: Option<String>,
    usage: Option<Usage>,
    choices: Vec<Choice>,
}

/// What is known of a choice.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    said: Said,
    calls: u32,
    open: Option<Arguments>,
    spoke: bool,
    media: bool,
    finish: Option<FinishReason>,
    citations: Vec<Citation>,
    grounding: Option<GroundingMetadata>,
}

impl Reader {
    /// A reader of one stream; calls without an id get one of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, made_up: 0, begun: false, over: false, blocked: None, usage: None, choices: Vec::new() }
    }

    /// Takes an event, or the bare JSON of an error that broke into the stream.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.over || event.data.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Some(error) = error::read_event(Format::Gemini, event.data) {
            self.over = true;
            out.push(ModelEvent::Failed(error));
            return Ok(());
        }
        let response =
            parse(event.data).map_err(|_| Malformed("an event is not a generateContent response".to_owned()))?;
        if !self.begun {
            self.begun = true;
            out.push(ModelEvent::Start { id: response.response_id, model: response.model_version });
        }
        if let Some(reason) = response.prompt_feedback.and_then(super::wire::PromptFeedback::block) {
            self.blocked = Some(reason);
        }
        for candidate in response.candidates.unwrap_or_default() {
            self.candidate(candidate, out)?;
        }
        let usage = response.usage_metadata.and_then(|counts| counts.usage());
        if usage.is_some() && usage != self.usage {
            self.usage.clone_from(&usage);
            out.extend(usage.map(ModelEvent::Usage));
        }
        Ok(())
    }

    /// The transport ended cleanly.
    pub fn close(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.over {
            return Ok(());
        }
        self.over = true;
        if let (true, Some(reason)) = (self.choices.iter().all(|choice| choice.finish.is_none()), self.blocked.take()) {
            out.push(ModelEvent::Stop { choice: 0, stop: Stop::Filtered(Some(reason)) });
            out.push(ModelEvent::End);
            return Ok(());
        }
        if self.choices.is_empty() || self.choices.iter().any(|choice| choice.finish.is_none()) {
            return Err(Malformed("the stream ended before the answer did".to_owned()));
        }
        if self.choices.iter().any(|choice| choice.media) && !self.choices.iter().any(|choice| choice.spoke) {
            return Err(super::answer::only_media());
        }
        for choice in &mut self.choices {
            choice.end(out);
        }
        out.push(ModelEvent::End);
        Ok(())
    }

    fn candidate(&mut self, mut candidate: Candidate<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let index = candidate.index.unwrap_or(0);
        let place = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Choice { index, ..Choice::default() });
            self.choices.len() - 1
        });
        let finish = candidate.finish();
        let mut logprobs = candidate.logprobs_result.and_then(|result| result.as_chat());
        for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.part(place, part, &mut logprobs, out)?;
        }
        let choice = &mut self.choices[place];
        if let Some(finish) = finish {
            choice.close_call(out);
            choice.finish = Some(finish);
        }
        if let Some(metadata) = candidate.citation_metadata {
            citations::add_cited(metadata, &choice.said, &mut choice.citations);
        }
        if let Some(metadata) = candidate.grounding_metadata.filter(|metadata| metadata.grounding_chunks.is_some()) {
            // It grows from event to event; the last holds all.
            choice.grounding = Some(metadata);
        }
        Ok(())
    }

    fn part(
        &mut self,
        place: usize,
        part: Part<'_>,
        logprobs: &mut Option<Value>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), Malformed> {
        let signature = part.thought_signature.filter(|value| !value.is_empty());
        let mut signature = signature.map(|value| Signature { maker: Format::Gemini, value });
        if let Some(call) = part.function_call {
            self.call(place, call, &mut signature, out)?;
        }
        let choice = &mut self.choices[place];
        choice.media |= part.inline_data.is_some();
        let index = choice.index;
        let text = part.text.unwrap_or_default();
        let thought = part.thought == Some(true);
        // What proves a text, or stands alone, holds the thoughts behind it.
        let redacted = !thought || text.is_empty();
        if !text.is_empty() {
            choice.spoke = true;
            if thought {
                out.push(ModelEvent::Thinking { choice: index, text });
            } else {
                choice.said.text.push_str(&text);
                out.push(ModelEvent::Text { choice: index, text, logprobs: logprobs.take() });
            }
        }
        out.extend(signature.map(|signature| ModelEvent::Signature { choice: index, signature, redacted }));
        Ok(())
    }

    fn call(
        &mut self,
        place: usize,
        call: FunctionCall<'_>,
        signature: &mut Option<Signature>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), Malformed> {
        let choice = &mut self.choices[place];
        let json = call.json();
        let whole = call.args.is_some();
        if let Some(name) = call.name.filter(|name| !name.is_empty()) {
            choice.close_call(out);
            let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| made_up_id(self.seed, self.made_up));
            self.made_up += 1;
            let index = choice.calls;
            choice.calls += 1;
            choice.spoke = true;
            choice.open = Some(Arguments::default());
            let signature = signature.take();
            out.push(ModelEvent::ToolCall { choice: choice.index, index, id, name, custom: false, signature });
        }
        let Some(open) = &mut choice.open else { return Ok(()) };
        if whole {
            choice.open = None;
            out.push(ModelEvent::Arguments { choice: choice.index, index: choice.calls - 1, json });
            return Ok(());
        }
        for piece in call.partial_args.unwrap_or_default() {
            open.add(piece)?;
        }
        if call.will_continue != Some(true) {
            choice.close_call(out);
        }
        Ok(())
    }
}

impl Choice {
    /// Tells the arguments of a call that came in pieces; what should end it may be missing.
    fn close_call(&mut self, out: &mut Vec<ModelEvent>) {
        if let Some(open) = self.open.take() {
            out.push(ModelEvent::Arguments { choice: self.index, index: self.calls - 1, json: open.json() });
        }
    }

    fn end(&mut self, out: &mut Vec<ModelEvent>) {
        self.close_call(out);
        if let Some(metadata) = self.grounding.take() {
            citations::add_grounded(&metadata, &self.said, &mut self.citations);
        }
        let choice = self.index;
        out.extend(self.citations.drain(..).map(|citation| ModelEvent::Citation { choice, citation }));
        if let Some(finish) = self.finish.take() {
            out.push(ModelEvent::Stop { choice, stop: super::stop(finish, self.calls > 0) });
        }
    }
}

#[cfg(test)]
mod tests;
