//! Writes a stream for a caller, in the order of the real API: one block at a time, with rising indices.
//!
//! Providers of other dialects may tell the arguments of several calls in turns. The first call's block stays open until
//! its arguments are a whole object; what comes for others meanwhile waits, and is then told in its order.

use serde::Serialize;

use super::super::CALL_TAG;
use super::super::wire::{self, ToldCitation, ToldError, ToldStop, ToldUsage};
use crate::format::Format;
use crate::format::answer::{Stop, Told, Usage};
use crate::format::call::Signature;
use crate::format::error::{ErrorClass, ProviderError};
use crate::format::event::ModelEvent;
use object::ObjectScan;

mod object;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: &'a Block<'a> },
    ContentBlockDelta { index: u32, delta: &'a Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: ToldStop<'a>, usage: ToldUsage<'a> },
    MessageStop,
    Error { error: ToldError<'a> },
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Error { .. } => "error",
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Writing borrowed strings and numbers into memory cannot fail.
        let _ = serde_json::to_writer(&mut *out, self);
        out.extend_from_slice(b"\n\n");
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    usage: ToldUsage<'a>,
    provider: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: Empty },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: ToldCitation<'a> },
}

/// The block that is open.
enum Open {
    Nothing,
    Text,
    Thinking { signed: bool },
    Tool { call: u32, arguments: ObjectScan },
}

/// How far the stream is; before `message_start` with what that will say.
enum Stage {
    New { id: Option<String>, model: Option<String> },
    Begun,
    Done,
}

/// Writes one stream.
pub struct Writer {
    told: Told,
    stage: Stage,
    open: Open,
    blocks: u32,
    waiting: Vec<ModelEvent>,
    called: bool,
    refused: bool,
    stop: Option<Stop>,
    usage: Usage,
}

impl Writer {
    /// A writer of a new stream.
    pub fn new(told: Told) -> Self {
        Self {
            told,
            stage: Stage::New { id: None, model: None },
            open: Open::Nothing,
            blocks: 0,
            waiting: Vec::new(),
            called: false,
            refused: false,
            stop: None,
            usage: Usage::default(),
        }
    }

    /// Writes one event as the caller's SSE events. `message_start` waits for the first event that says something, so that
    /// it can hold the counts. Choices but the first are left out: a caller of this dialect cannot ask for them.
    pub fn write(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Done) {
            return;
        }
        match event {
            ModelEvent::Start { id, model } => {
                if matches!(self.stage, Stage::New { .. }) {
                    self.stage = Stage::New { id, model };
                }
            }
            ModelEvent::Usage(usage) => self.usage = usage,
            ModelEvent::Failed(error) => self.fail(&error, out),
            ModelEvent::End => self.end(out),
            ModelEvent::Stop { choice: 0, stop: Stop::Failed(word) } => {
                let message = format!("the provider stopped with `{word}`");
                let error =
                    ProviderError { class: ErrorClass::Server, code: Some(word), param: None, message, wait: None };
                self.fail(&error, out);
            }
            ModelEvent::Stop { choice: 0, stop } => {
                self.begin(out);
                self.close_all(out);
                self.stop = Some(stop);
            }
            content @ (ModelEvent::Text { choice: 0, .. }
            | ModelEvent::Refusal { choice: 0, .. }
            | ModelEvent::Thinking { choice: 0, .. }
            | ModelEvent::Signature { choice: 0, .. }
            | ModelEvent::ToolCall { choice: 0, .. }
            | ModelEvent::Arguments { choice: 0, .. }
            | ModelEvent::Citation { choice: 0, .. }) => {
                self.begin(out);
                self.place(content, out);
            }
            ModelEvent::Text { .. }
            | ModelEvent::Refusal { .. }
            | ModelEvent::Thinking { .. }
            | ModelEvent::Signature { .. }
            | ModelEvent::ToolCall { .. }
            | ModelEvent::Arguments { .. }
            | ModelEvent::Citation { .. }
            | ModelEvent::Stop { .. } => {}
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let Stage::New { id, model } = &mut self.stage else { return };
        let (id, model) = (id.take(), model.take());
        self.stage = Stage::Begun;
        let id = id.unwrap_or_else(|| format!("msg_{}", self.told.id));
        let message = Message {
            id: &id,
            kind: "message",
            role: "assistant",
            model: model.as_deref().unwrap_or(&self.told.model),
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: wire::usage(&self.usage, None),
            provider: &self.told.provider,
        };
        Event::MessageStart { message }.write(out);
    }

    /// Tells a content event, or lets it wait while another call's arguments are not whole.
    fn place(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        if let Open::Tool { call, arguments } = &mut self.open {
            if let ModelEvent::Arguments { index, json, .. } = &event
                && index == call
            {
                arguments.take(json);
                let whole = arguments.is_whole();
                self.delta(&Delta::Input { partial_json: json }, out);
                if whole {
                    self.close(out);
                    self.resume(out);
                }
                return;
            }
            self.waiting.push(event);
            return;
        }
        self.tell(event, out);
    }

    fn resume(&mut self, out: &mut Vec<u8>) {
        for event in std::mem::take(&mut self.waiting) {
            self.place(event, out);
        }
    }

    /// Tells a content event while no call is open.
    fn tell(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        match event {
            ModelEvent::Text { text, .. } => self.text(&text, out),
            ModelEvent::Refusal { text, .. } => {
                self.refused = true;
                self.text(&text, out);
            }
            ModelEvent::Thinking { text, .. } => {
                self.think(out);
                self.delta(&Delta::Thinking { thinking: &text }, out);
            }
            ModelEvent::Signature { signature, redacted, .. } => self.signature(&signature, redacted, out),
            ModelEvent::ToolCall { index, id, name, signature, .. } => {
                self.called = true;
                if let Some(Signature { maker, value }) = signature {
                    self.redacted(&format!("{CALL_TAG}{}.{value}", maker.name()), out);
                }
                self.open(&Block::ToolUse { id: &id, name: &name, input: Empty {} }, out);
                self.open = Open::Tool { call: index, arguments: ObjectScan::default() };
                self.delta(&Delta::Input { partial_json: "" }, out);
            }
            ModelEvent::Citation { citation, .. } => {
                let told = wire::citation(&citation).filter(|_| matches!(self.open, Open::Text));
                if let Some(citation) = told {
                    self.delta(&Delta::Citation { citation }, out);
                }
            }
            // Arguments behind a whole object, or of no call, have no place; the rest is no content.
            ModelEvent::Arguments { .. }
            | ModelEvent::Start { .. }
            | ModelEvent::Stop { .. }
            | ModelEvent::Usage(_)
            | ModelEvent::Failed(_)
            | ModelEvent::End => {}
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Text) {
            self.open(&Block::Text { text: "" }, out);
            self.open = Open::Text;
        }
        self.delta(&Delta::Text { text }, out);
    }

    fn think(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Thinking { signed: false }) {
            self.open(&Block::Thinking { thinking: "", signature: "" }, out);
            self.open = Open::Thinking { signed: false };
        }
    }

    /// A signature belongs to the open thoughts. Encrypted thoughts are a block of their own, but for those of Responses, whose
    /// items hold a summary and the encrypted thoughts themselves.
    fn signature(&mut self, signature: &Signature, redacted: bool, out: &mut Vec<u8>) {
        let value = signature.told_in(Format::Messages);
        let summarized = signature.maker == Format::Responses && matches!(self.open, Open::Thinking { signed: false });
        if redacted && !summarized {
            self.redacted(&value, out);
            return;
        }
        self.think(out);
        self.delta(&Delta::Signature { signature: &value }, out);
        self.open = Open::Thinking { signed: true };
    }

    fn redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.open(&Block::RedactedThinking { data }, out);
        self.stop_block(out);
    }

    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        self.close(out);
        Event::ContentBlockStart { index: self.blocks, content_block: block }.write(out);
    }

    fn delta(&self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        Event::ContentBlockDelta { index: self.blocks, delta }.write(out);
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) {
        Event::ContentBlockStop { index: self.blocks }.write(out);
        self.blocks += 1;
        self.open = Open::Nothing;
    }

    /// Closes the open block. Thoughts without a signature get an empty one: SDKs want the field, and an empty one is read
    /// as none when it comes back.
    fn close(&mut self, out: &mut Vec<u8>) {
        match self.open {
            Open::Nothing => return,
            Open::Thinking { signed: false } => self.delta(&Delta::Signature { signature: "" }, out),
            Open::Thinking { signed: true } | Open::Text | Open::Tool { .. } => {}
        }
        self.stop_block(out);
    }

    /// Nothing more comes: what waits is told, whole or not.
    fn close_all(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        while !self.waiting.is_empty() {
            self.resume(out);
            self.close(out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.close_all(out);
        self.stage = Stage::Done;
        let delta = wire::told_stop(self.stop.as_ref(), self.called, self.refused);
        Event::MessageDelta { delta, usage: wire::usage(&self.usage, None) }.write(out);
        Event::MessageStop.write(out);
    }

    fn fail(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        self.stage = Stage::Done;
        Event::Error { error: wire::told_error(error) }.write(out);
    }
}
