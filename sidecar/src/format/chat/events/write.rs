//! Writes a stream for a caller of Chat. Called by the pipeline, event by event.
//! Source: OpenAI API specification 2.3.0, and recorded streams.
//!
//! Order, as recorded: a choice's role, its deltas, a chunk with its `finish_reason`; then the usage if it was asked for;
//! then `[DONE]`. A call of a tool that comes first brings the role along.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::format::answer::{Citation, Stop, Told, Usage};
use crate::format::call::{Signature, Thinking};
use crate::format::chat::annotations;
use crate::format::chat::chunks::{self, Frame, Kind};
use crate::format::chat::thoughts::{self, Entry};
use crate::format::chat::tool_calls::Written;
use crate::format::chat::{logprobs, stop};
use crate::format::event::ModelEvent;
use crate::format::function::unwrapped;

const KIND: Kind = Kind { prefix: "chatcmpl-", object: "chat.completion.chunk" };

#[derive(Serialize)]
struct Piece<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<logprobs::Told<'a>>,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    content: Field<'a>,
    #[serde(skip_serializing_if = "Field::is_absent")]
    refusal: Field<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<annotations::Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Written<'a>>,
}

/// A field that may be absent, or there as null.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(untagged)]
enum Field<'a> {
    #[default]
    Absent,
    Null,
    Text(&'a str),
}

impl Field<'_> {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Writes a stream for a caller.
pub struct Writer {
    told: Told,
    frame: Option<Frame>,
    choices: Vec<Spoken>,
    usage: Option<Usage>,
    has_ended: bool,
}

/// One choice as far as it is written.
#[derive(Default)]
struct Spoken {
    index: u32,
    has_begun: bool,
    has_stopped: bool,
    has_refused: bool,
    /// The thoughts that nothing has followed yet: a signature behind other words proves only what stands behind those.
    thoughts: String,
    entries: usize,
    /// Characters of text.
    length: u64,
    cited: (u64, u64),
    calls: Vec<Called>,
}

/// A call as far as it is written.
struct Called {
    index: u32,
    custom: bool,
    /// A custom tool that was called as a function: its arguments are unwrapped when they are whole.
    wrapped: Option<String>,
    has_arguments: bool,
}

impl Writer {
    /// `told` is what no provider says.
    pub fn new(told: Told) -> Self {
        Self { told, frame: None, choices: Vec::new(), usage: None, has_ended: false }
    }

    /// Appends the SSE events that an event of the stream comes to.
    pub fn write(&mut self, event: ModelEvent, out: &mut Vec<u8>) {
        if self.has_ended {
            return;
        }
        match event {
            ModelEvent::Start { id, model } => {
                let frame = || Frame::new(KIND, id.as_deref(), model.as_deref(), &self.told);
                self.frame.get_or_insert_with(frame);
            }
            ModelEvent::Text { choice, text, logprobs } => self.on(choice, |to| to.text(&text, logprobs.as_ref(), out)),
            ModelEvent::Refusal { choice, text } => self.on(choice, |to| to.refusal(&text, out)),
            ModelEvent::Thinking { choice, text } => self.on(choice, |to| to.thinking(&text, out)),
            ModelEvent::Signature { choice, signature, redacted } => {
                self.on(choice, |to| to.signature(signature, redacted, out));
            }
            ModelEvent::ToolCall { choice, index, id, name, custom, signature } => {
                let is_wrapped = !custom && self.told.custom_tools.contains(&name);
                let custom = custom || is_wrapped;
                let called = Called { index, custom, wrapped: is_wrapped.then(String::new), has_arguments: false };
                self.on(choice, |to| to.call(called, (&id, &name), signature.as_ref(), out));
            }
            ModelEvent::Arguments { choice, index, json } => self.on(choice, |to| to.arguments(index, &json, out)),
            ModelEvent::Citation { choice, citation } => self.on(choice, |to| to.citation(&citation, out)),
            ModelEvent::Stop { choice, stop } => self.on(choice, |to| to.stop(Some(&stop), out)),
            ModelEvent::Usage(usage) => self.usage = Some(usage),
            ModelEvent::Failed(error) => {
                self.has_ended = true;
                chunks::failed(&error, &self.told.provider, out);
            }
            ModelEvent::End => self.end(out),
        }
    }

    /// Lets a choice write, with its frame; one that has stopped writes no more.
    fn on(&mut self, choice: u32, write: impl FnOnce(&mut Line<'_>)) {
        let frame = self.frame.get_or_insert_with(|| Frame::new(KIND, None, None, &self.told));
        let at = self.choices.iter().position(|known| known.index == choice).unwrap_or_else(|| {
            self.choices.push(Spoken { index: choice, ..Spoken::default() });
            self.choices.len() - 1
        });
        let spoken = &mut self.choices[at];
        if !spoken.has_stopped {
            write(&mut Line { frame, spoken });
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let open: Vec<_> =
            self.choices.iter().filter(|choice| !choice.has_stopped).map(|choice| choice.index).collect();
        let open = if self.choices.is_empty() { vec![0] } else { open };
        for choice in open {
            self.on(choice, |to| to.stop(None, out));
        }
        if let (Some(usage), Some(frame), true) = (&self.usage, &self.frame, self.told.include_usage) {
            frame.usage(usage, out);
        }
        chunks::done(out);
        self.has_ended = true;
    }
}

/// A choice that writes.
struct Line<'a> {
    frame: &'a Frame,
    spoken: &'a mut Spoken,
}

impl Line<'_> {
    fn delta(&self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.piece(delta, None, out);
    }

    fn piece(&self, delta: Delta<'_>, logprobs: Option<&Value>, out: &mut Vec<u8>) {
        let piece = Piece {
            index: self.spoken.index,
            delta,
            logprobs: logprobs.map(logprobs::Told),
            finish_reason: None,
            native_finish_reason: None,
            stop_reason: None,
        };
        self.frame.choice(&piece, out);
    }

    /// Writes the role, once.
    fn begin(&mut self, content: Field<'_>, refusal: Field<'_>, out: &mut Vec<u8>) {
        if !self.spoken.has_begun {
            self.spoken.has_begun = true;
            self.delta(Delta { role: Some("assistant"), content, refusal, ..Delta::default() }, out);
        }
    }

    fn begin_text(&mut self, out: &mut Vec<u8>) {
        self.begin(Field::Text(""), Field::Null, out);
    }

    fn text(&mut self, text: &str, logprobs: Option<&Value>, out: &mut Vec<u8>) {
        self.begin_text(out);
        self.spoken.thoughts.clear();
        self.spoken.length += text.chars().count() as u64;
        self.piece(Delta { content: Field::Text(text), ..Delta::default() }, logprobs, out);
    }

    fn refusal(&mut self, text: &str, out: &mut Vec<u8>) {
        self.begin(Field::Null, Field::Text(""), out);
        self.spoken.has_refused = true;
        self.spoken.thoughts.clear();
        self.delta(Delta { refusal: Field::Text(text), ..Delta::default() }, out);
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        self.begin_text(out);
        self.spoken.thoughts.push_str(text);
        self.delta(Delta { reasoning_content: Some(text), ..Delta::default() }, out);
    }

    /// Writes the thoughts so far a second time, whole, with what proves them: an app that keeps the entry can send it back.
    fn signature(&mut self, signature: Signature, redacted: bool, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.spoken.thoughts);
        let thinking = Thinking { text, signature: Some(signature), redacted, id: None };
        let mut entries = Vec::new();
        thoughts::entries(&thinking, self.spoken.entries, &mut entries);
        if !entries.is_empty() {
            self.begin_text(out);
            self.spoken.entries += entries.len();
            self.delta(Delta { reasoning_details: entries, ..Delta::default() }, out);
        }
    }

    fn call(&mut self, called: Called, of: (&str, &str), signature: Option<&Signature>, out: &mut Vec<u8>) {
        let (id, name) = of;
        self.spoken.thoughts.clear();
        let call = Written::call(id, name, Cow::Borrowed(""), called.custom).at(called.index).signed(signature);
        let mut delta = Delta { tool_calls: vec![call], ..Delta::default() };
        if !self.spoken.has_begun {
            self.spoken.has_begun = true;
            delta = Delta { role: Some("assistant"), content: Field::Null, refusal: Field::Null, ..delta };
        }
        self.delta(delta, out);
        self.spoken.calls.push(called);
    }

    fn arguments(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        let Some(call) = self.spoken.calls.iter_mut().find(|call| call.index == index) else {
            return;
        };
        call.has_arguments = true;
        if let Some(wrapped) = &mut call.wrapped {
            wrapped.push_str(json);
            return;
        }
        let more = Written::more(Cow::Borrowed(json), call.custom).at(index);
        self.delta(Delta { tool_calls: vec![more], ..Delta::default() }, out);
    }

    fn citation(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        self.begin_text(out);
        if self.spoken.length > self.spoken.cited.1 {
            self.spoken.cited = (self.spoken.cited.1, self.spoken.length);
        }
        let (from, to) = self.spoken.cited;
        let annotations = vec![annotations::write(citation, from, to)];
        self.delta(Delta { annotations, ..Delta::default() }, out);
    }

    /// Writes what is due of calls: inputs that had to be whole, and objects where no arguments came.
    fn close_calls(&mut self, out: &mut Vec<u8>) {
        for call in &self.spoken.calls {
            let due = match &call.wrapped {
                Some(wrapped) => unwrapped(wrapped),
                None if call.has_arguments || call.custom => continue,
                None => Cow::Borrowed("{}"),
            };
            let more = Written::more(due, call.custom).at(call.index);
            self.delta(Delta { tool_calls: vec![more], ..Delta::default() }, out);
        }
    }

    fn stop(&mut self, stop: Option<&Stop>, out: &mut Vec<u8>) {
        self.begin_text(out);
        self.close_calls(out);
        if let (Some(Stop::Filtered(Some(why))), false) = (stop, self.spoken.has_refused) {
            self.delta(Delta { refusal: Field::Text(why), ..Delta::default() }, out);
        }
        self.spoken.has_stopped = true;
        let told = stop::told(stop, !self.spoken.calls.is_empty());
        let piece = Piece {
            index: self.spoken.index,
            delta: Delta::default(),
            logprobs: None,
            finish_reason: Some(told.reason),
            native_finish_reason: told.native,
            stop_reason: told.matched,
        };
        self.frame.choice(&piece, out);
    }
}
