//! Reads a provider's stream. Blocks of the provider's own tools are left out, as in a whole answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::super::wire::{self, Block, Cited, Counts, Kind, StopDetails};
use crate::format::answer::{Citation, Stop};
use crate::format::error;
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    index: Option<u64>,
    message: Option<Message>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Cited>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
}

/// A `tool_use` block that has begun.
struct Call {
    /// The block's index.
    block: u64,
    /// The call's place among the calls.
    index: u32,
    /// The arguments that stood in the block's start, in case that no deltas follow.
    given: Option<String>,
    /// Whether arguments were told.
    told: bool,
}

/// Whether the message has begun, and the id that it then had.
enum First {
    Unseen,
    Seen(Option<String>),
}

/// Reads the events of one stream.
pub struct Reader {
    seed: u64,
    first: First,
    counts: Counts,
    call: Option<Call>,
    calls: u32,
    said: bool,
    stopped: bool,
    ended: bool,
}

impl Reader {
    /// A reader of a new stream; `seed` is chance for the ids of calls that have none.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            first: First::Unseen,
            counts: Counts::default(),
            call: None,
            calls: 0,
            said: false,
            stopped: false,
            ended: false,
        }
    }

    /// Reads one event. After the end everything is ignored.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let data = event.data.trim_ascii();
        if self.ended || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if let Some(error) = error::read_event(Format::Messages, data) {
            self.ended = true;
            out.push(ModelEvent::Failed(error));
            return Ok(());
        }
        let Ok(mut read) = serde_json::from_slice::<Event>(data) else {
            return self.unreadable(event, out);
        };
        if read.kind.is_empty() {
            read.kind = Cow::Borrowed(event.name.unwrap_or_default());
        }
        match read.kind.as_ref() {
            "message_start" => self.start(read.message, out)?,
            "content_block_start" => self.open(read.index.unwrap_or(0), read.content_block, out),
            "content_block_delta" => self.delta(read.index.unwrap_or(0), read.delta, out),
            "content_block_stop" => self.close_call(out),
            "message_delta" => self.finish(read.delta, read.usage, out),
            "message_stop" => self.end(out),
            "error" => {
                self.ended = true;
                out.push(ModelEvent::Failed(error::read_exception(Format::Messages, "error", data)));
            }
            _ => {}
        }
        Ok(())
    }

    /// The transport ended cleanly: fine once the message has a stop reason, even if `message_stop` is missing.
    pub fn close(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.ended {
            return Ok(());
        }
        if !self.stopped {
            return Err(Malformed("the stream ended before the message did".to_owned()));
        }
        self.end(out);
        Ok(())
    }

    /// An event that is not as it should be: an error in plain text is one, a type that nobody knows may look as it likes.
    fn unreadable(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let kind = Kind::of(event.data).unwrap_or_default();
        if kind.is_empty() && event.name == Some("error") {
            self.ended = true;
            out.push(ModelEvent::Failed(error::read_exception(Format::Messages, "error", event.data)));
            return Ok(());
        }
        match kind.as_ref() {
            "content_block_start" if !has_known_block(event.data) => {
                self.close_call(out);
                Ok(())
            }
            "content_block_delta" if !has_known_delta(event.data) => Ok(()),
            "message_start" | "content_block_start" | "content_block_delta" | "message_delta" | "" => {
                Err(Malformed("an event that is none".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, message: Option<Message>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let Some(Message { id, model, usage }) = message else {
            return Ok(());
        };
        if let Some(usage) = usage {
            self.counts.correct(usage);
        }
        if let First::Seen(first) = &self.first {
            // Proxies repeat the start; another message after the first has said something is another answer.
            let another = self.said && *first != id;
            return if another { Err(Malformed("a second message inside the first".to_owned())) } else { Ok(()) };
        }
        self.first = First::Seen(id.clone());
        out.push(ModelEvent::Start { id, model });
        let usage = self.counts.usage();
        if usage.input > 0 {
            out.push(ModelEvent::Usage(usage));
        }
        Ok(())
    }

    fn open(&mut self, index: u64, block: Option<Block<'_>>, out: &mut Vec<ModelEvent>) {
        self.close_call(out);
        let Some(block) = block else { return };
        match block.kind.as_ref() {
            "text" => {
                self.text(block.text, out);
                for cited in block.citations.unwrap_or_default() {
                    out.push(ModelEvent::Citation { choice: 0, citation: Citation::from(cited) });
                }
            }
            "thinking" => {
                self.thinking(block.thinking, out);
                self.signature(block.signature, false, out);
            }
            "redacted_thinking" => self.signature(block.data, true, out),
            "tool_use" => self.tool(index, block, out),
            _ => {}
        }
    }

    fn tool(&mut self, block_index: u64, block: Block<'_>, out: &mut Vec<ModelEvent>) {
        let index = self.calls;
        self.calls += 1;
        self.said = true;
        let id = block.id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| made_up_id(self.seed, index));
        let name = block.name.unwrap_or_default();
        let given = wire::arguments(block.input).map(str::to_owned);
        self.call = Some(Call { block: block_index, index, given, told: false });
        out.push(ModelEvent::ToolCall { choice: 0, index, id, name, custom: false, signature: None });
    }

    fn delta(&mut self, block: u64, delta: Option<Delta<'_>>, out: &mut Vec<ModelEvent>) {
        let Some(delta) = delta else { return };
        match delta.kind.as_ref() {
            "text_delta" => self.text(delta.text, out),
            "thinking_delta" => self.thinking(delta.thinking, out),
            "signature_delta" => self.signature(delta.signature, false, out),
            "citations_delta" => {
                let citation = delta.citation.map(Citation::from);
                out.extend(citation.map(|citation| ModelEvent::Citation { choice: 0, citation }));
            }
            "input_json_delta" => {
                let json = delta.partial_json.filter(|json| !json.is_empty());
                if let (Some(json), Some(call)) = (json, self.call.as_mut().filter(|call| call.block == block)) {
                    call.told = true;
                    out.push(ModelEvent::Arguments { choice: 0, index: call.index, json });
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: Option<String>, out: &mut Vec<ModelEvent>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.said = true;
            out.push(ModelEvent::Text { choice: 0, text, logprobs: None });
        }
    }

    fn thinking(&mut self, text: Option<String>, out: &mut Vec<ModelEvent>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.said = true;
            out.push(ModelEvent::Thinking { choice: 0, text });
        }
    }

    fn signature(&mut self, value: Option<String>, redacted: bool, out: &mut Vec<ModelEvent>) {
        if let Some(signature) = wire::signed(value) {
            self.said = true;
            out.push(ModelEvent::Signature { choice: 0, signature, redacted });
        }
    }

    /// A call's block is over: if no arguments came, they are those of its start, or an empty object.
    fn close_call(&mut self, out: &mut Vec<ModelEvent>) {
        if let Some(call) = self.call.take().filter(|call| !call.told) {
            let json = call.given.unwrap_or_else(|| "{}".to_owned());
            out.push(ModelEvent::Arguments { choice: 0, index: call.index, json });
        }
    }

    fn finish(&mut self, delta: Option<Delta<'_>>, usage: Option<Counts>, out: &mut Vec<ModelEvent>) {
        if let Some(usage) = usage {
            self.counts.correct(usage);
            out.push(ModelEvent::Usage(self.counts.usage()));
        }
        let Some(delta) = delta else { return };
        let Some(reason) = delta.stop_reason else { return };
        if !self.stopped {
            self.close_call(out);
            self.stopped = true;
            let stop = wire::stop(&reason, delta.stop_sequence, delta.stop_details);
            let stop = if stop == Stop::End && self.calls > 0 { Stop::ToolUse } else { stop };
            out.push(ModelEvent::Stop { choice: 0, stop });
        }
    }

    fn end(&mut self, out: &mut Vec<ModelEvent>) {
        self.ended = true;
        self.close_call(out);
        out.push(ModelEvent::End);
    }
}

fn has_known_block(event: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Start {
        content_block: Option<Value>,
    }
    let start = serde_json::from_slice::<Start>(event).ok();
    let block = start.and_then(|start| start.content_block).unwrap_or_default();
    block.get("type").and_then(Value::as_str).is_none_or(wire::is_known)
}

fn has_known_delta(event: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Shift {
        delta: Option<Value>,
    }
    let shift = serde_json::from_slice::<Shift>(event).ok();
    let delta = shift.and_then(|shift| shift.delta).unwrap_or_default();
    let known = ["text_delta", "thinking_delta", "signature_delta", "citations_delta", "input_json_delta"];
    delta.get("type").and_then(Value::as_str).is_none_or(|kind| known.contains(&kind))
}
