//! Writes a stream for a caller of Completions. Called by the pipeline, event by event.
//! Source: OpenAI API specification 2.3.0, and recorded streams.

use serde::Serialize;

use super::answer::finish_reason;
use crate::format::answer::{Stop, Told, Usage};
use crate::format::chat::chunks::{self, Frame, Kind};
use crate::format::event::ModelEvent;

const KIND: Kind = Kind { prefix: "cmpl-", object: "text_completion" };

#[derive(Serialize)]
struct Piece<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<bool>,
    finish_reason: Option<&'static str>,
}

/// Writes a stream for a caller. A refusal in words is text; thoughts and tools have no place.
pub struct Writer {
    told: Told,
    frame: Option<Frame>,
    choices: Vec<Written>,
    usage: Option<Usage>,
    has_ended: bool,
}

struct Written {
    index: u32,
    has_stopped: bool,
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
            ModelEvent::Text { choice, text, .. } | ModelEvent::Refusal { choice, text } => {
                self.piece(choice, &text, None, out);
            }
            ModelEvent::Stop { choice, stop } => self.stop(choice, Some(&stop), out),
            ModelEvent::Usage(usage) => self.usage = Some(usage),
            ModelEvent::Failed(error) => {
                self.has_ended = true;
                chunks::failed(&error, &self.told.provider, out);
            }
            ModelEvent::End => self.end(out),
            ModelEvent::Thinking { .. }
            | ModelEvent::Signature { .. }
            | ModelEvent::ToolCall { .. }
            | ModelEvent::Arguments { .. }
            | ModelEvent::Citation { .. } => {}
        }
    }

    /// Writes a piece of a choice; one that has stopped writes no more.
    fn piece(&mut self, choice: u32, text: &str, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let at = self.choices.iter().position(|known| known.index == choice).unwrap_or_else(|| {
            self.choices.push(Written { index: choice, has_stopped: false });
            self.choices.len() - 1
        });
        if self.choices[at].has_stopped {
            return;
        }
        self.choices[at].has_stopped = finish_reason.is_some();
        let frame = self.frame.get_or_insert_with(|| Frame::new(KIND, None, None, &self.told));
        frame.choice(&Piece { text, index: choice, logprobs: None, finish_reason }, out);
    }

    fn stop(&mut self, choice: u32, stop: Option<&Stop>, out: &mut Vec<u8>) {
        self.piece(choice, "", Some(finish_reason(stop)), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let open: Vec<_> =
            self.choices.iter().filter(|choice| !choice.has_stopped).map(|choice| choice.index).collect();
        let open = if self.choices.is_empty() { vec![0] } else { open };
        for choice in open {
            self.stop(choice, None, out);
        }
        if let (Some(usage), Some(frame), true) = (&self.usage, &self.frame, self.told.include_usage) {
            frame.usage(usage, out);
        }
        chunks::done(out);
        self.has_ended = true;
    }
}
