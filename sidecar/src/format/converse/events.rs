//! Reads a stream of ConverseStream, whose messages `eventstream` cuts. Called by `stream` for providers that speak it.
//! Source: botocore's service model and recorded streams.
//!
//! The usage comes in `metadata`, behind `messageStop` (before it, too, in some recordings): the stream has ended when both
//! came, or when it closes after `messageStop`.

use super::wire::{Delta, Payload, ReasoningDelta, ToolUseStart, is_own_tool};
use crate::format::call::Signature;
use crate::format::error::{self, ProviderError};
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed};

/// Reads messages of one stream.
#[derive(Debug)]
pub struct Reader {
    seed: u64,
    phase: Phase,
    spoke: bool,
    media: bool,
    counted: bool,
    calls: u32,
    blocks: Vec<ToolBlock>,
}

/// How far the stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Begun,
    Stopped,
    Over,
}

/// A block that calls a tool, until it ends.
#[derive(Debug)]
struct ToolBlock {
    block: u64,
    id: String,
    /// The call's place among the choice's; none for Bedrock's own tools.
    index: Option<u32>,
    argued: bool,
}

impl Reader {
    /// A reader of one stream; a call without an id gets one of `seed`.
    pub fn new(seed: u64) -> Self {
        let (spoke, media, counted) = (false, false, false);
        Self { seed, phase: Phase::Fresh, spoke, media, counted, calls: 0, blocks: Vec::new() }
    }

    /// Takes a message.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let Some(name) = event.name.filter(|_| self.phase != Phase::Over) else { return Ok(()) };
        if let Some(failed) = failure(name, event.data) {
            self.phase = Phase::Over;
            out.push(ModelEvent::Failed(failed));
            return Ok(());
        }
        if !is_known(name) {
            return Ok(());
        }
        let payload: Payload = serde_json::from_slice(event.data)
            .map_err(|_| Malformed("a payload of the event stream is not what its event has".to_owned()))?;
        if self.phase == Phase::Fresh {
            self.phase = Phase::Begun;
            out.push(ModelEvent::Start { id: None, model: None });
        }
        let block = payload.content_block_index.unwrap_or(0);
        match name {
            "contentBlockStart" => {
                if let Some(call) = payload.start.and_then(|start| start.tool_use) {
                    self.call(block, call, out);
                }
            }
            "contentBlockDelta" => {
                if let Some(delta) = payload.delta {
                    self.delta(block, delta, out)?;
                }
            }
            "contentBlockStop" => self.end_calls(Some(block), out),
            "messageStop" if self.phase == Phase::Begun => {
                self.end_calls(None, out);
                if self.media && !self.spoke {
                    return Err(super::answer::only_media());
                }
                let reason = payload.stop_reason.unwrap_or_else(|| "end_turn".to_owned());
                let stop = super::stop(reason, payload.additional_model_response_fields);
                out.push(ModelEvent::Stop { choice: 0, stop });
                self.phase = Phase::Stopped;
            }
            "metadata" => {
                out.extend(payload.usage.map(|counts| ModelEvent::Usage(counts.usage())));
                self.counted = true;
            }
            _ => {}
        }
        if self.phase == Phase::Stopped && self.counted {
            self.phase = Phase::Over;
            out.push(ModelEvent::End);
        }
        Ok(())
    }

    /// The transport ended cleanly.
    pub fn close(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        let stopped = self.phase == Phase::Stopped;
        self.phase = Phase::Over;
        if !stopped {
            return Err(Malformed("the stream ended before the answer did".to_owned()));
        }
        out.push(ModelEvent::End);
        Ok(())
    }

    fn call(&mut self, block: u64, call: ToolUseStart, out: &mut Vec<ModelEvent>) {
        let given = call.tool_use_id.filter(|id| !id.is_empty());
        if self.blocks.iter().any(|open| open.block == block && given.as_ref().is_none_or(|id| *id == open.id)) {
            return;
        }
        // Another call takes the place of one that never ended.
        self.end_calls(Some(block), out);
        let id = given.unwrap_or_else(|| made_up_id(self.seed, self.calls));
        let Some(name) = call.name.filter(|name| !name.is_empty() && !is_own_tool(call.kind.as_deref())) else {
            self.blocks.push(ToolBlock { block, id, index: None, argued: false });
            return;
        };
        let index = self.calls;
        self.calls += 1;
        self.spoke = true;
        self.blocks.push(ToolBlock { block, id: id.clone(), index: Some(index), argued: false });
        out.push(ModelEvent::ToolCall { choice: 0, index, id, name, custom: false, signature: None });
    }

    fn delta(&mut self, block: u64, delta: Delta, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        self.media |= delta.image.is_some();
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            self.spoke = true;
            out.push(ModelEvent::Text { choice: 0, text, logprobs: None });
        }
        if let Some(thought) = delta.reasoning_content {
            self.thought(thought, out);
        }
        if let Some(cited) = delta.citation {
            out.push(ModelEvent::Citation { choice: 0, citation: cited.citation() });
        }
        if let Some(json) = delta.tool_use.and_then(|piece| piece.input).filter(|json| !json.is_empty()) {
            let open = self.blocks.iter_mut().find(|open| open.block == block);
            let open = open.ok_or_else(|| Malformed("arguments came for a call that was not begun".to_owned()))?;
            open.argued = true;
            out.extend(open.index.map(|index| ModelEvent::Arguments { choice: 0, index, json }));
        }
        Ok(())
    }

    fn thought(&mut self, thought: ReasoningDelta, out: &mut Vec<ModelEvent>) {
        if let Some(text) = thought.text.filter(|text| !text.is_empty()) {
            self.spoke = true;
            out.push(ModelEvent::Thinking { choice: 0, text });
        }
        for (value, redacted) in [(thought.signature, false), (thought.redacted_content, true)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let signature = Signature { maker: Format::Converse, value };
                out.push(ModelEvent::Signature { choice: 0, signature, redacted });
            }
        }
    }

    /// Ends the call of a block, or all: one without arguments gets an empty object.
    fn end_calls(&mut self, block: Option<u64>, out: &mut Vec<ModelEvent>) {
        for open in self.blocks.extract_if(.., |open| block.is_none_or(|block| open.block == block)) {
            if let (Some(index), false) = (open.index, open.argued) {
                out.push(ModelEvent::Arguments { choice: 0, index, json: "{}".to_owned() });
            }
        }
    }
}

fn is_known(name: &str) -> bool {
    let known =
        ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
    known.contains(&name)
}

/// An exception, by its name; anything else unknown is one when it has a message to tell.
fn failure(name: &str, payload: &[u8]) -> Option<ProviderError> {
    let is_exception = || name.to_ascii_lowercase().ends_with("exception");
    let is_failure = !is_known(name) && (is_exception() || error::read_event(Format::Converse, payload).is_some());
    is_failure.then(|| error::read_exception(Format::Converse, name, payload))
}

#[cfg(test)]
mod tests;
