//! Cuts a provider's stream into events, in each framing that there is: server-sent events, AWS's event stream, and
//! Anthropic's events in AWS's event stream. Pure.
//! Sources: WHATWG HTML, section 9.2; the service model of bedrock-runtime (research of 2026-11).

use bytes::Bytes;
use serde::de::IgnoredAny;

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

/// Who takes events that pass, and may give other data for one.
type Passed<'e> = &'e mut dyn FnMut(RawEvent<'_>) -> Result<Option<Vec<u8>>, AttemptError>;

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
            Self::Sse(splitter) => cut(splitter, frame, each),
            Self::EventStream(splitter, has_model_events) => {
                let mut messages = Vec::new();
                let outcome = splitter.push(&frame, &mut messages);
                messages.iter().try_for_each(|message| hand_on(message, *has_model_events, each))?;
                outcome.map_err(|error| AttemptError::BrokenAnswer(error.to_string()))
            }
        }
    }

    /// As [`Self::take`]; gives the events as server-sent ones, for a caller who reads those. For an event that must change,
    /// `each` gives other data.
    pub fn pass(&mut self, frame: Bytes, each: Passed<'_>) -> Result<Vec<Bytes>, AttemptError> {
        match self {
            Self::Sse(splitter) => {
                let Events { bytes, ends } = splitter.push(frame).map_err(too_large)?;
                let (mut out, mut start, mut unchanged) = (Vec::new(), 0, 0);
                for end in ends {
                    let event = &bytes[start..end];
                    if let Some(data) = with_raw(event, &mut *each)?.flatten() {
                        out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
                        let mut written = Vec::with_capacity(data.len() + 64);
                        write(&mut written, sse::name(event), &data);
                        out.push(written.into());
                        unchanged = end;
                    }
                    start = end;
                }
                out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
                Ok(out)
            }
            Self::EventStream(..) => {
                let mut written = Vec::new();
                let mut pass = |raw: RawEvent<'_>| {
                    let changed = each(raw)?;
                    write(&mut written, raw.name, changed.as_deref().unwrap_or(raw.data));
                    Ok(())
                };
                self.take(frame, &mut pass)?;
                Ok(if written.is_empty() { Vec::new() } else { vec![written.into()] })
            }
        }
    }

    /// What ends the last event of a transport that has ended; nothing when none has begun, or when it was cut: no app can read
    /// half of one.
    pub fn missing_end(&self) -> Option<Bytes> {
        match self {
            Self::Sse(splitter) => {
                let is_whole = |data: &[u8]| serde_json::from_slice::<IgnoredAny>(data).is_ok();
                let data = sse::data(splitter.rest());
                data.is_some_and(|data| is_whole(&data)).then(|| Bytes::from_static(b"\n\n"))
            }
            Self::EventStream(..) => None,
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

/// Cuts server-sent events, and hands each on.
fn cut(splitter: &mut Splitter, frame: Bytes, each: Each<'_>) -> Result<(), AttemptError> {
    let Events { bytes, ends } = splitter.push(frame).map_err(too_large)?;
    let mut start = 0;
    for end in ends {
        with_raw(&bytes[start..end], &mut *each)?;
        start = end;
    }
    Ok(())
}

/// Calls `each` with what a server-sent event says; not with a comment.
fn with_raw<T>(
    event: &[u8],
    each: impl FnOnce(RawEvent<'_>) -> Result<T, AttemptError>,
) -> Result<Option<T>, AttemptError> {
    match sse::data(event) {
        Some(data) => each(RawEvent { name: sse::name(event), data: &data }).map(Some),
        // Google's servers say in bare JSON what went wrong in the middle of a stream.
        None if event.trim_ascii_start().starts_with(b"{") => {
            each(RawEvent { name: None, data: event.trim_ascii() }).map(Some)
        }
        None => Ok(None),
    }
}

/// Writes a server-sent event.
pub(crate) fn write(out: &mut Vec<u8>, name: Option<&str>, data: &[u8]) {
    if let Some(name) = name {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

fn too_large(TooLarge: TooLarge) -> AttemptError {
    AttemptError::BrokenAnswer("an event without end".to_owned())
}

fn hand_on(message: &eventstream::Message, has_model_event: bool, each: Each<'_>) -> Result<(), AttemptError> {
    if !has_model_event {
        return each(message.as_event());
    }
    let event = hosts::unwrap_event(message.as_event());
    let event = event.map_err(|error| AttemptError::BrokenAnswer(error.to_string()))?;
    event.map_or(Ok(()), |event| each(event.event()))
}
