//! `application/vnd.amazon.eventstream` framing: cuts a byte stream into whole messages, however the bytes arrive.
//! Called by `stream` for providers that speak Converse; one frame is decoded by `aws-smithy-eventstream`.
//! Source: the framing of Smithy's Amazon Event Stream specification, and botocore's `eventstream.py`.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::{Header, HeaderValue};
use bytes::{Bytes, BytesMut};

use super::event::RawEvent;

/// The largest message that is held, frame included.
pub const LARGEST_MESSAGE: usize = 16 * 1024 * 1024;

/// Two lengths and a checksum stand before the headers.
const PRELUDE: usize = 12;

/// A message without headers and payload: the prelude and a checksum.
const SMALLEST_MESSAGE: usize = PRELUDE + 4;

/// What a message is, by `:message-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `event`, or nothing said.
    Event,
    /// `exception`: an error that the service's model names.
    Exception,
    /// `error`: one that it does not.
    Error,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// `:event-type`, `:exception-type` or `:error-code`, if there is one.
    pub name: Option<String>,
    /// Its payload; for [`Kind::Error`] without one, `:error-message` as `{"message": "…"}`.
    pub payload: Bytes,
}

impl Message {
    /// As the dialect's reader takes it.
    pub fn as_event(&self) -> RawEvent<'_> {
        RawEvent { name: self.name.as_deref(), data: &self.payload }
    }
}

/// Why a stream cannot be read on. It never holds what the provider wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A message is larger than [`LARGEST_MESSAGE`].
    #[error("a message of the event stream is too large")]
    TooLarge,
    /// A length, a header or a checksum is wrong.
    #[error("a message of the event stream is broken")]
    Message,
    /// The stream ended within a message.
    #[error("the event stream ended within a message")]
    Cut,
}

/// Cuts bytes into messages.
#[derive(Debug, Default)]
pub struct Splitter {
    pending: BytesMut,
    broken: Option<Broken>,
}

impl Splitter {
    /// Takes the bytes that came, and appends the messages that are whole by now. After an error it takes nothing more.
    pub fn push(&mut self, bytes: &[u8], messages: &mut Vec<Message>) -> Result<(), Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        self.pending.extend_from_slice(bytes);
        let read = self.read(messages);
        self.broken = read.err();
        read
    }

    /// Says whether the stream may end here.
    pub fn close(&self) -> Result<(), Broken> {
        match self.broken {
            Some(broken) => Err(broken),
            None if self.pending.is_empty() => Ok(()),
            None => Err(Broken::Cut),
        }
    }

    fn read(&mut self, messages: &mut Vec<Message>) -> Result<(), Broken> {
        while let Some(prelude) = self.pending.first_chunk::<4>() {
            // The length is judged before anything is held for it.
            let length = usize::try_from(u32::from_be_bytes(*prelude)).map_err(|_| Broken::TooLarge)?;
            if length > LARGEST_MESSAGE {
                return Err(Broken::TooLarge);
            }
            if length < SMALLEST_MESSAGE {
                return Err(Broken::Message);
            }
            if self.pending.len() < length {
                break;
            }
            messages.push(decode(self.pending.split_to(length).freeze())?);
        }
        Ok(())
    }
}

fn decode(frame: Bytes) -> Result<Message, Broken> {
    let message = read_message_from(frame).map_err(|_| Broken::Message)?;
    let find = |name| text(message.headers(), name);
    let kind = match find(":message-type").as_deref() {
        Some("exception") => Kind::Exception,
        Some("error") => Kind::Error,
        _ => Kind::Event,
    };
    let (name, payload) = match kind {
        Kind::Event => (find(":event-type"), message.payload().clone()),
        Kind::Exception => (find(":exception-type"), message.payload().clone()),
        Kind::Error if message.payload().is_empty() => (find(":error-code"), said(find(":error-message"))),
        Kind::Error => (find(":error-code"), message.payload().clone()),
    };
    Ok(Message { kind, name, payload })
}

fn said(message: Option<String>) -> Bytes {
    serde_json::json!({ "message": message.unwrap_or_default() }).to_string().into()
}

fn text(headers: &[Header], name: &str) -> Option<String> {
    let header = headers.iter().find(|header| header.name().as_str() == name)?;
    let value: &HeaderValue = header.value();
    value.as_string().ok().map(|value| value.as_str().to_owned())
}

#[cfg(test)]
mod tests;
