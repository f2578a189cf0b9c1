//! Watches a stream pass: finds its first content, its end, its errors and its usage. What is in the caller's dialect goes
//! through untouched; what is not is translated on its way. Pure: frames in, frames out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use lotse_crds::body;
use lotse_crds::price::Tokens;
use serde_json::Number;

use crate::caller::{self, Told};
use crate::failure::AttemptError;
use crate::format::answer::{Stop, Usage};
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::{Format, Malformed, Reader, Writer};
use crate::frames::{Frames, Framing};
use crate::lane::Lane;
use crate::openai::{self, Event, Glance};
use crate::passed;
use crate::pieces;
use crate::sse::{self, Events, Splitter, TooLarge};

/// What a frame brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing that commits.
    Nothing,
    /// The first content, or more.
    Content,
    /// The end of the stream, as the dialect has it.
    Done,
}

/// Watches one stream.
pub struct Tap {
    lane: Arc<Lane>,
    passing: Passing,
    progress: Progress,
    held: usize,
}

/// How far a stream is.
#[derive(Default)]
struct Progress {
    has_content: bool,
    is_done: bool,
    has_error: bool,
    tokens: Option<Tokens>,
    id: Option<String>,
    written: Written,
}

/// How much a stream has said, as far as its pieces show it.
#[derive(Default)]
struct Written {
    pieces: u64,
    bytes: u64,
    /// The shortest piece: what all of them have around their text.
    shortest: Option<u64>,
}

impl Written {
    fn note(&mut self, length: usize) {
        let length = length as u64;
        let shortest = self.shortest.map_or(length, |shortest| shortest.min(length));
        self.shortest = Some(shortest);
        self.pieces += 1;
        self.bytes += length;
    }

    /// An estimate that is rather too high: a piece has a token at least, and a token four bytes at most.
    fn tokens(&self) -> u64 {
        let around = self.shortest.unwrap_or(0) * self.pieces;
        self.pieces.max(self.bytes.saturating_sub(around) / 4)
    }
}

/// How a stream passes.
enum Passing {
    /// Chat and Completions: bytes pass, and only what can matter is read.
    Glanced(Splitter, Box<Glance>),
    /// Another dialect of the caller: bytes pass, and its reader watches them.
    Watched(Frames, Box<Reader>),
    /// Another dialect than the caller's: what its reader reads, the caller's writer writes.
    Translated(Frames, Box<Reader>, Box<Writer>),
    /// Nothing is known of it: bytes pass.
    Unread,
}

impl Tap {
    /// A stream of Chat or Completions for a caller of the same dialect.
    pub fn glancing(lane: Arc<Lane>, glance: Glance) -> Self {
        Self::new(lane, Passing::Glanced(Splitter::default(), Box::new(glance)))
    }

    /// A stream in another dialect of the caller.
    pub fn watching(lane: Arc<Lane>, framing: Framing, reader: Reader) -> Self {
        Self::new(lane, Passing::Watched(Frames::new(framing), Box::new(reader)))
    }

    /// A stream in another dialect than the caller's.
    pub fn translating(lane: Arc<Lane>, framing: Framing, reader: Reader, writer: Writer) -> Self {
        Self::new(lane, Passing::Translated(Frames::new(framing), Box::new(reader), Box::new(writer)))
    }

    /// A stream of which nothing is known.
    pub fn unread(lane: Arc<Lane>) -> Self {
        Self::new(lane, Passing::Unread)
    }

    fn new(lane: Arc<Lane>, passing: Passing) -> Self {
        Self { lane, passing, progress: Progress::default(), held: 0 }
    }

    /// Whose stream it is.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Whether the stream has ended as its dialect ends.
    pub fn is_done(&self) -> bool {
        self.progress.is_done
    }

    /// Whether the provider reported an error after its first content.
    pub fn has_error(&self) -> bool {
        self.progress.has_error
    }

    /// How many bytes have passed before the first content.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// The tokens that the stream's usage counts, once it has come.
    pub fn tokens(&self) -> Option<Tokens> {
        self.progress.tokens
    }

    /// How many tokens have come so far: an estimate, rather too high than too low.
    pub fn tokens_so_far(&self) -> u64 {
        self.progress.written.tokens()
    }

    /// The provider's id for the answer, if it has been read.
    pub fn id(&self) -> Option<&str> {
        self.progress.id.as_deref()
    }

    /// Takes a frame, and puts what goes out into `out`. Before the first content, an error or garbage is the attempt's.
    pub fn push(&mut self, frame: Bytes, out: &mut VecDeque<Bytes>) -> Result<Seen, AttemptError> {
        self.held += frame.len();
        let (lane, progress) = (&self.lane, &mut self.progress);
        match &mut self.passing {
            Passing::Glanced(splitter, glance) => Glancing { lane, glance, progress }.push((splitter, frame), out)?,
            Passing::Watched(frames, reader) => {
                out.extend(frames.pass(frame, &mut |raw| progress.watch(lane, reader, raw))?);
            }
            Passing::Translated(frames, reader, writer) => {
                let mut written = Vec::new();
                let mut each = |raw: RawEvent<'_>| {
                    let mut events = Vec::new();
                    let length = raw.data.len();
                    reader.read(raw, &mut events).map_err(broken)?;
                    if events.iter().any(ModelEvent::is_content) {
                        progress.written.note(length);
                    }
                    events.into_iter().try_for_each(|event| progress.translate(lane, event, (writer, &mut written)))
                };
                frames.take(frame, &mut each)?;
                out.extend((!written.is_empty()).then(|| Bytes::from(written)));
            }
            Passing::Unread => {
                progress.has_content |= !frame.is_empty();
                progress.written.note(frame.len());
                out.push_back(frame);
            }
        }
        Ok(match (progress.is_done, progress.has_content) {
            (true, _) => Seen::Done,
            (false, true) => Seen::Content,
            (false, false) => Seen::Nothing,
        })
    }

    /// The transport has ended cleanly: whether that was the end of the stream, too. Some dialects have no other end.
    pub fn close(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), AttemptError> {
        let (lane, progress) = (&self.lane, &mut self.progress);
        match &mut self.passing {
            _ if progress.is_done => {}
            // Many servers end with `data: [DONE]` and no blank line.
            Passing::Glanced(splitter, _) if sse::data(splitter.rest()).as_deref() == Some(b"[DONE]") => {
                progress.is_done = true;
                out.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
            }
            Passing::Glanced(..) => return Err(AttemptError::Cut),
            Passing::Unread => progress.is_done = true,
            Passing::Watched(frames, reader) => {
                if let Some(end) = frames.missing_end() {
                    out.extend(frames.pass(end, &mut |raw| progress.watch(lane, reader, raw))?);
                }
                frames.close(&mut |_| Ok(()))?;
                let mut events = Vec::new();
                reader.close(&mut events).map_err(|_| AttemptError::Cut)?;
                events.iter().try_for_each(|event| progress.sees(event))?;
            }
            Passing::Translated(frames, reader, writer) => {
                let (mut events, mut written) = (Vec::new(), Vec::new());
                frames.close(&mut |raw| reader.read(raw, &mut events).map_err(broken))?;
                reader.close(&mut events).map_err(|_| AttemptError::Cut)?;
                for event in events {
                    progress.translate(lane, event, (writer, &mut written))?;
                }
                out.extend((!written.is_empty()).then(|| Bytes::from(written)));
            }
        }
        if progress.is_done { Ok(()) } else { Err(AttemptError::Cut) }
    }

    /// The last event of a stream that failed, in the caller's dialect. Responses ends with all that it said, which its writer
    /// knows.
    pub fn failure(&mut self, caller: Format, told: Told<'_>) -> Bytes {
        if let (Passing::Translated(_, _, writer), Format::Responses) = (&mut self.passing, caller) {
            let mut written = Vec::new();
            writer.write(ModelEvent::Failed(told.failure.as_provider_error()), &mut written);
            return Bytes::from(written);
        }
        caller::event(caller, told)
    }
}

/// The provider says that it went wrong, in the place of an answer. Its word is not passed on.
pub(crate) fn failed_without_content() -> AttemptError {
    AttemptError::BrokenAnswer("it stopped as failed, without content".to_owned())
}

fn broken(Malformed(why): Malformed) -> AttemptError {
    AttemptError::BrokenAnswer(why)
}

/// What a usage counts, as prices have it.
pub(crate) fn tokens(usage: &Usage) -> Tokens {
    Tokens { input: usage.input, cached_input: usage.cached_input, output: usage.output }
}

/// Puts what a usage costs into it.
pub(crate) fn price(lane: &Lane, usage: &mut Usage) {
    usage.cost = lane.price.as_ref().and_then(|price| Number::from_f64(price.cost(tokens(usage))));
}

impl Progress {
    /// Notes what an event says. What goes out in its place if it must change: a usage gets its cost.
    fn watch(&mut self, lane: &Lane, reader: &mut Reader, raw: RawEvent<'_>) -> Result<Option<Vec<u8>>, AttemptError> {
        let mut events = Vec::new();
        let length = raw.data.len();
        match reader.read(raw, &mut events) {
            Ok(()) => events.iter().try_for_each(|event| self.sees(event))?,
            // After the first content, what can't be read passes all the same: it is no reason to break a stream.
            Err(_) if self.has_content => return Ok(None),
            Err(error) => return Err(broken(error)),
        }
        if events.iter().any(ModelEvent::is_content) {
            self.written.note(length);
        }
        if !events.iter().any(|event| matches!(event, ModelEvent::Usage(_))) {
            return Ok(None);
        }
        let cost = self.tokens.zip(lane.price.as_ref()).map(|(tokens, price)| price.cost(tokens));
        Ok(passed::annotate(raw.data, &lane.provider, cost))
    }

    fn translate(
        &mut self,
        lane: &Lane,
        mut event: ModelEvent,
        (writer, written): (&mut Writer, &mut Vec<u8>),
    ) -> Result<(), AttemptError> {
        self.sees(&event)?;
        if let ModelEvent::Usage(usage) = &mut event {
            price(lane, usage);
        } else if let ModelEvent::Failed(error) = &mut event {
            error.message = lane.scrub(&error.message);
            // The caller is told, and then the transport breaks: a clean end would pass half an answer off as a whole one.
            self.is_done = false;
        }
        writer.write(event, written);
        Ok(())
    }

    /// Notes what an event means. An error before the first content is the attempt's, and so is a stop that is one.
    fn sees(&mut self, event: &ModelEvent) -> Result<(), AttemptError> {
        self.has_content |= event.is_content();
        match event {
            ModelEvent::Usage(usage) => self.tokens = Some(tokens(usage)),
            ModelEvent::Start { id, .. } if self.id.is_none() => self.id.clone_from(id),
            ModelEvent::End => self.is_done = true,
            ModelEvent::Failed(error) if !self.has_content => {
                return Err(AttemptError::Provider { status: None, error: error.clone() });
            }
            ModelEvent::Stop { stop: Stop::Failed(_), .. } if !self.has_content => return Err(failed_without_content()),
            ModelEvent::Stop { stop: Stop::Failed(_), .. } => self.has_error = true,
            ModelEvent::Failed(_) => {
                self.has_error = true;
                self.is_done = true;
            }
            ModelEvent::Start { .. }
            | ModelEvent::Text { .. }
            | ModelEvent::Refusal { .. }
            | ModelEvent::Thinking { .. }
            | ModelEvent::Signature { .. }
            | ModelEvent::ToolCall { .. }
            | ModelEvent::Arguments { .. }
            | ModelEvent::Citation { .. }
            | ModelEvent::Stop { .. } => {}
        }
        Ok(())
    }
}

/// What passes of Chat and Completions, watched with as little reading as can be.
struct Glancing<'a> {
    lane: &'a Lane,
    glance: &'a Glance,
    progress: &'a mut Progress,
}

impl Glancing<'_> {
    fn push(
        &mut self,
        (splitter, frame): (&mut Splitter, Bytes),
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), AttemptError> {
        let too_large = |TooLarge| AttemptError::BrokenAnswer("an event without end".to_owned());
        let Events { bytes, ends } = splitter.push(frame).map_err(too_large)?;
        let (mut start, mut unchanged) = (0, 0);
        for end in ends {
            // What stands behind the end of a stream is no part of it.
            if self.progress.is_done {
                break;
            }
            if let Some(rewritten) = self.watch(&bytes[start..end])? {
                out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
                out.extend((!rewritten.is_empty()).then_some(rewritten));
                unchanged = end;
            }
            start = end;
        }
        out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
        Ok(())
    }

    /// What an event means, and what goes out in its place if it must change; nothing if it is for us alone.
    fn watch(&mut self, event: &[u8]) -> Result<Option<Bytes>, AttemptError> {
        let Some(data) = sse::data(event) else { return Ok(None) };
        let progress = &mut *self.progress;
        let said = if progress.has_content { self.glance.event(&data) } else { openai::read_event(&data) };
        match said {
            Event::Done => {
                progress.is_done = true;
                return Ok(None);
            }
            Event::Error if progress.has_content => progress.has_error = true,
            Event::Error => {
                let error = crate::format::error::read_event(Format::Chat, &data);
                return Err(error.map_or_else(
                    || AttemptError::BrokenAnswer("an error in place of content".to_owned()),
                    |error| AttemptError::Provider { status: None, error },
                ));
            }
            Event::Garbage if !progress.has_content => {
                return Err(AttemptError::BrokenAnswer("an event that is not JSON".to_owned()));
            }
            Event::Content => {
                progress.has_content = true;
                progress.written.note(data.len());
            }
            Event::Other | Event::Garbage => {}
        }
        if !self.glance.may_have_usage(&data) {
            return Ok(None);
        }
        // An event that can't be annotated passes as it is: it is no reason to break a stream.
        let Ok(scanned) = body::outline(&data) else { return Ok(None) };
        let lane = self.lane;
        let (pieces, tokens) = openai::annotate(&data, &scanned, lane.told(), openai::CHAT);
        progress.tokens = tokens.or(progress.tokens);
        if self.glance.hides(&data, &scanned) {
            return Ok(Some(Bytes::new()));
        }
        let mut rewritten = BytesMut::with_capacity(data.len() + 128);
        rewritten.put_slice(b"data: ");
        pieces::join(&data, &pieces, &mut rewritten);
        rewritten.put_slice(b"\n\n");
        Ok(Some(rewritten.freeze()))
    }
}

#[cfg(test)]
mod tests;
