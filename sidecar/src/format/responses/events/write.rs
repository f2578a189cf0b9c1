//! Writes a caller's stream. Every item begins with `output_item.added` and ends with `output_item.done`, in between its parts
//! do the same; the last event holds the whole response. A message or thoughts end when something else begins, a call as soon
//! as its arguments are whole, because some providers mix the pieces of several calls.

use serde_json::Value;

use super::frames::{AnyPart, Frame, Frames, Spot, head};
use super::items::{Call, Open, Tool, What, Words, end_thoughts};
use crate::format::Format;
use crate::format::answer::{Citation, Stop, Told, Usage};
use crate::format::call::Signature;
use crate::format::error::{self, ErrorClass, ProviderError};
use crate::format::event::ModelEvent;
use crate::format::responses::output::{self, Annotation, Item, Summary};
use crate::format::responses::snapshot::{self, Base, Ending, Now};

/// Writes one stream.
pub struct Writer {
    told: Told,
    base: Option<Base>,
    frames: Frames,
    open: Vec<Open>,
    /// The finished items, by their place.
    finished: Vec<Option<Vec<u8>>>,
    stop: Option<Stop>,
    usage: Usage,
    over: bool,
}

impl Writer {
    /// A writer.
    pub fn new(told: Told) -> Self {
        Self {
            told,
            base: None,
            frames: Frames::default(),
            open: Vec::new(),
            finished: Vec::new(),
            stop: None,
            usage: Usage::default(),
            over: false,
        }
    }

    /// Appends what one event comes to.
    pub fn write(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            ModelEvent::Start { id, model } => self.start(id.as_deref(), model.as_deref(), out),
            ModelEvent::Text { choice: 0, text, logprobs } => self.words(false, &text, logprobs.as_ref(), out),
            ModelEvent::Refusal { choice: 0, text } => self.words(true, &text, None, out),
            ModelEvent::Thinking { choice: 0, text } => self.thoughts(&text, out),
            ModelEvent::Signature { choice: 0, signature, redacted } => self.signature(&signature, redacted, out),
            ModelEvent::ToolCall { choice: 0, index, id, name, custom, signature } => {
                let tool = match (custom, self.told.custom_tools.contains(&name)) {
                    (true, _) => Tool::Custom,
                    (false, true) => Tool::Wrapped,
                    (false, false) => Tool::Function,
                };
                let call = Call { index, id, name, arguments: String::new(), tool };
                self.call(call, signature.as_ref(), out);
            }
            ModelEvent::Arguments { choice: 0, index, json } => self.arguments(index, &json, out),
            ModelEvent::Citation { choice: 0, citation } => self.citation(citation, out),
            ModelEvent::Stop { choice: 0, stop } => {
                self.stop = Some(stop);
                self.close(|_| true, out);
            }
            ModelEvent::Usage(usage) => self.usage = usage,
            ModelEvent::Failed(error) => self.failed(&error, out),
            ModelEvent::End => self.end(out),
            // A call in this dialect cannot ask for a second answer.
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

    fn start(&mut self, id: Option<&str>, model: Option<&str>, out: &mut Vec<u8>) {
        if self.base.is_none() {
            self.base = Some(Base::new(&self.told, id, model, self.told.created));
            let now = Now { status: "in_progress", ..Now::default() };
            self.snapshot("response.created", &now, out);
            self.snapshot("response.in_progress", &now, out);
        }
    }

    fn snapshot(&mut self, kind: &'static str, now: &Now<'_>, out: &mut Vec<u8>) {
        let Some(base) = &self.base else { return };
        head(kind, out);
        let number = self.frames.next();
        out.extend_from_slice(format!(r#"{{"type":"{kind}","sequence_number":{number},"response":"#).as_bytes());
        base.write(now, self.finished.iter().flatten().map(Vec::as_slice), out);
        out.extend_from_slice(b"}\n\n");
    }

    /// Begins an item; what can end before it ends.
    fn begin(&mut self, prefix: &str, what: What, out: &mut Vec<u8>) -> usize {
        self.start(None, None, out);
        self.close(|open| !matches!(&open.what, What::Call(call) if !call.settled()), out);
        let output_index = self.finished.len();
        self.finished.push(None);
        let id = format!("{prefix}_{}_{output_index}", self.told.id);
        let open = Open { output_index, id, what };
        let id = open.id.as_str();
        let item = match &open.what {
            What::Message(_) => Item::Message { id, status: "in_progress", role: "assistant", content: Vec::new() },
            What::Thoughts(_) => Item::Reasoning { id, summary: Vec::new(), encrypted_content: None },
            What::Call(call) => call.item(id, "in_progress", ""),
        };
        let kind = "response.output_item.added";
        let frame = Frame { kind, output_index: Some(output_index), item: Some(&item), ..Frame::default() };
        self.frames.push(frame, out);
        self.open.push(open);
        self.open.len() - 1
    }

    fn words(&mut self, refusal: bool, text: &str, logprobs: Option<&Value>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let position = match self.open.iter().rposition(|open| matches!(open.what, What::Message(_))) {
            Some(position) => position,
            None => self.begin("msg", What::Message(Vec::new()), out),
        };
        let Self { open, frames, .. } = self;
        let Some(Open { output_index, id, what: What::Message(parts) }) = open.get_mut(position) else { return };
        let spot = Spot { item_id: id, output_index: *output_index };
        if parts.last().is_none_or(|last| last.refusal != refusal) {
            if let Some(last) = parts.last() {
                last.end(spot, parts.len() - 1, frames, out);
            }
            let words = Words { refusal, ..Words::default() };
            let (content_index, part) = (Some(parts.len()), Some(AnyPart::Content(words.part())));
            frames.push(Frame { content_index, part, ..spot.frame("response.content_part.added") }, out);
            parts.push(words);
        }
        let content_index = Some(parts.len() - 1);
        let Some(words) = parts.last_mut() else { return };
        words.text.push_str(text);
        let entries = output::logprobs(logprobs);
        words.logprobs.extend_from_slice(entries);
        let (kind, logprobs) =
            if refusal { ("response.refusal.delta", None) } else { ("response.output_text.delta", Some(entries)) };
        frames.push(Frame { content_index, delta: Some(text), logprobs, ..spot.frame(kind) }, out);
    }

    /// A citation belongs to the text that is being written; where none is, there is nothing it could point into.
    fn citation(&mut self, citation: Citation, out: &mut Vec<u8>) {
        let Self { open, frames, .. } = self;
        for Open { output_index, id, what } in open {
            if let What::Message(parts) = what
                && let Some(content_index) = parts.iter().rposition(|words| !words.refusal)
            {
                let words = &mut parts[content_index];
                let frame = Frame {
                    content_index: Some(content_index),
                    annotation_index: Some(words.citations.len()),
                    annotation: Some(Annotation::of(&citation)),
                    ..Spot { item_id: id, output_index: *output_index }.frame("response.output_text.annotation.added")
                };
                frames.push(frame, out);
                words.citations.push(citation);
                return;
            }
        }
    }

    fn thoughts(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let position = self.thinking(out);
        let Self { open, frames, .. } = self;
        let Some(Open { output_index, id, what: What::Thoughts(thoughts) }) = open.get_mut(position) else { return };
        thoughts.push_str(text);
        let spot = Spot { item_id: id, output_index: *output_index };
        let base = spot.frame("response.reasoning_summary_text.delta");
        frames.push(Frame { summary_index: Some(0), delta: Some(text), ..base }, out);
    }

    /// Where thoughts are being written; begins them if they aren't.
    fn thinking(&mut self, out: &mut Vec<u8>) -> usize {
        if let Some(position) = self.open.iter().rposition(|open| matches!(open.what, What::Thoughts(_))) {
            return position;
        }
        let position = self.begin("rs", What::Thoughts(String::new()), out);
        let base = self.open[position].spot().frame("response.reasoning_summary_part.added");
        let part = Some(AnyPart::Summary(Summary { text: "" }));
        self.frames.push(Frame { summary_index: Some(0), part, ..base }, out);
        position
    }

    /// Proves the thoughts so far, which ends them; one that holds thoughts itself is an item of its own, but for those of
    /// Responses, whose items hold a summary of them too.
    fn signature(&mut self, signature: &Signature, redacted: bool, out: &mut Vec<u8>) {
        let encrypted = output::encrypted(signature);
        let is_open = self.open.iter().any(|open| matches!(open.what, What::Thoughts(_)));
        if redacted && !(is_open && signature.maker == Format::Responses) {
            self.sealed(&encrypted, out);
        } else {
            let position = self.thinking(out);
            let open = self.open.remove(position);
            self.finish(&open, Some(&encrypted), out);
        }
    }

    /// A reasoning item that shows nothing.
    fn sealed(&mut self, encrypted: &str, out: &mut Vec<u8>) {
        let position = self.begin("rs", What::Thoughts(String::new()), out);
        let open = self.open.remove(position);
        let item = Item::Reasoning { id: &open.id, summary: Vec::new(), encrypted_content: Some(encrypted) };
        self.item_done(open.spot(), &item, out);
    }

    fn call(&mut self, call: Call, signature: Option<&Signature>, out: &mut Vec<u8>) {
        let again = |open: &Open| matches!(&open.what, What::Call(other) if other.index == call.index);
        if self.open.iter().any(again) {
            return;
        }
        if let Some(signature) = signature {
            self.sealed(&output::encrypted_for_call(signature), out);
        }
        let prefix = if call.tool == Tool::Function { "fc" } else { "ctc" };
        self.begin(prefix, What::Call(call), out);
    }

    fn arguments(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        let Self { open, frames, .. } = self;
        for Open { output_index, id, what } in open.iter_mut().rev() {
            if let What::Call(call) = what
                && call.index == index
            {
                call.arguments.push_str(json);
                // What is wrapped can only be unwrapped when it is whole.
                if call.tool != Tool::Wrapped {
                    let spot = Spot { item_id: id, output_index: *output_index };
                    frames.push(Frame { delta: Some(json), ..spot.frame(call.tool.delta()) }, out);
                }
                return;
            }
        }
    }

    /// Ends those of the open items that can end.
    fn close(&mut self, can_end: impl Fn(&Open) -> bool, out: &mut Vec<u8>) {
        let mut position = 0;
        while let Some(open) = self.open.get(position) {
            if can_end(open) {
                let open = self.open.remove(position);
                self.finish(&open, None, out);
            } else {
                position += 1;
            }
        }
    }

    fn finish(&mut self, open: &Open, encrypted: Option<&str>, out: &mut Vec<u8>) {
        let (id, spot) = (open.id.as_str(), open.spot());
        let status = Ending::of(self.stop.as_ref()).item;
        match &open.what {
            What::Message(parts) => {
                if let Some(last) = parts.last() {
                    last.end(spot, parts.len() - 1, &mut self.frames, out);
                }
                let content = parts.iter().map(Words::part).collect();
                self.item_done(spot, &Item::Message { id, status, role: "assistant", content }, out);
            }
            What::Thoughts(text) => {
                end_thoughts(text, spot, &mut self.frames, out);
                let summary = vec![Summary { text }];
                self.item_done(spot, &Item::Reasoning { id, summary, encrypted_content: encrypted }, out);
            }
            What::Call(call) => {
                let text = call.end(spot, &mut self.frames, out);
                self.item_done(spot, &call.item(id, status, &text), out);
            }
        }
    }

    fn item_done(&mut self, spot: Spot<'_>, item: &Item<'_>, out: &mut Vec<u8>) {
        let base = Frame { item_id: None, ..spot.frame("response.output_item.done") };
        self.frames.push(Frame { item: Some(item), ..base }, out);
        let mut bytes = Vec::new();
        snapshot::json(&mut bytes, item);
        if let Some(place) = self.finished.get_mut(spot.output_index) {
            *place = Some(bytes);
        }
    }

    fn failed(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        let (code, message, param) = (error::response_code(error.class), error::told(error), error.param.as_deref());
        self.start(None, None, out);
        // Flat as specified and nested as recorded: the official SDKs raise an error only for the nested one.
        let told = serde_json::json!({
            "type": "error",
            "sequence_number": self.frames.next(),
            "code": code,
            "message": message,
            "param": param,
            "error": {"type": error::kind(Format::Responses, error), "code": code, "message": message, "param": param},
        });
        head("error", out);
        snapshot::json(out, &told);
        out.extend_from_slice(b"\n\n");
        let now = Now { status: "failed", error: Some((code, message)), ..Now::default() };
        self.snapshot("response.failed", &now, out);
        self.over = true;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(None, None, out);
        self.close(|_| true, out);
        let ending = Ending::of(self.stop.as_ref());
        let usage = std::mem::take(&mut self.usage);
        let now = Now {
            status: ending.status,
            error: ending.failed.as_deref().map(|message| (error::response_code(ErrorClass::Server), message)),
            incomplete: ending.incomplete,
            usage: Some(&usage),
            service_tier: None,
        };
        let kind = match ending.status {
            "incomplete" => "response.incomplete",
            "failed" => "response.failed",
            _ => "response.completed",
        };
        self.snapshot(kind, &now, out);
        self.over = true;
    }
}
