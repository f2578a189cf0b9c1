//! Cuts a provider's stream into events, in each framing that there is: server-sent events, AWS's event stream, and
//! Anthropic's events in AWS's event stream. Pure.
//! Sources: WHATWG HTML, section 9.2; the service model of bedrock-runtime (research of 2026-11).

use bytes::Bytes;

use crate::failure::AttemptError;
use crate::format::event::RawEvent;
use crate::format::eventstream;
use crate::format::messages::hosts;
use crate::sse::{self, Events, Splitter, TooLarge};

/// How events are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `text/event-stream`.
    Sse,
    /// `application/vnd.amazon.eventstream`.
    EventStream,
    /// The same, each message with a model's own event in base64.
    InvokeModel,
}

/// Cuts one stream.
pub enum Frames {
    /// Server-sent events.
    Sse(Splitter),
    /// AWS's event stream; whether each message has a model's own event.
    EventStream(Box<eventstream::Splitter>, bool),
}

/// Who takes events.
type Each<'e> = &'e mut dyn FnMut(RawEvent<'_>) -> Result<(), AttemptError>;

impl Frames {
    /// A stream that begins.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(Splitter::default()),
            Framing::EventStream => Self::EventStream(Box::default(), false),
            Framing::InvokeModel => Self::EventStream(Box::default(), true),
        }
    }

    /// Takes a frame, and hands on each event that is whole by now.
    pub fn take(&mut self, frame: Bytes, each: Each<'_>) -> Result<(), AttemptError> {
        match self {
            Self::Sse(splitter) => cut(splitter, frame, each).map(drop),
            Self::EventStream(splitter, has_model_events) => {
                let mut messages = Vec::new();
                let outcome = splitter.push(&frame, &mut messages);
                messages.iter().try_for_each(|message| hand_on(message, *has_model_events, each))?;
                outcome.map_err(|error| AttemptError::BrokenAnswer(error.to_string()))
            }
        }
    }

    /// As [`Self::take`]; gives the events as server-sent ones, for a caller who reads those.
    pub fn pass(&mut self, frame: Bytes, each: Each<'_>) -> Result<Option<Bytes>, AttemptError> {
        match self {
            Self::Sse(splitter) => cut(splitter, frame, each).map(Some),
            Self::EventStream(..) => {
                let mut written = Vec::new();
                let mut write = |raw: RawEvent<'_>| {
                    each(raw)?;
                    if let Some(name) = raw.name {
                        written.extend_from_slice(format!("event: {name}\n").as_bytes());
                    }
                    written.extend_from_slice(b"data: ");
                    written.extend_from_slice(raw.data);
                    written.extend_from_slice(b"\n\n");
                    Ok(())
                };
                self.take(frame, &mut write)?;
                Ok((!written.is_empty()).then(|| Bytes::from(written)))
            }
        }
    }

    /// The transport has ended: what was cut in the middle is no event. A last event without its blank line is one.
    pub fn close(&mut self, each: Each<'_>) -> Result<(), AttemptError> {
        match self {
            Self::Sse(splitter) => {
                if splitter.has_rest() {
                    cut(splitter, Bytes::from_static(b"\n\n"), each)?;
                }
                Ok(())
            }
            Self::EventStream(splitter, _) => splitter.close().map_err(|_| AttemptError::Cut),
        }
    }
}

/// Cuts server-sent events, and gives the bytes of those that are whole.
fn cut(splitter: &mut Splitter, frame: Bytes, each: Each<'_>) -> Result<Bytes, AttemptError> {
    let too_large = |TooLarge| AttemptError::BrokenAnswer("an event without end".to_owned());
    let Events { bytes, ends } = splitter.push(frame).map_err(too_large)?;
    let mut start = 0;
    for end in ends {
        let event = &bytes[start..end];
        start = end;
        match sse::data(event) {
            Some(data) => each(RawEvent { name: sse::name(event), data: &data })?,
            // Google's servers say in bare JSON what went wrong in the middle of a stream.
            None if event.trim_ascii_start().starts_with(b"{") => {
                each(RawEvent { name: None, data: event.trim_ascii() })?;
            }
            None => {}
        }
    }
    Ok(bytes)
}

fn hand_on(message: &eventstream::Message, has_model_event: bool, each: Each<'_>) -> Result<(), AttemptError> {
    if !has_model_event {
        return each(message.as_event());
    }
    let event = hosts::unwrap_event(message.as_event());
    let event = event.map_err(|error| AttemptError::BrokenAnswer(error.to_string()))?;
    event.map_or(Ok(()), |event| each(event.event()))
}
