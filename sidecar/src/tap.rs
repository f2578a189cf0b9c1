//! Watches a stream pass: finds its first content, its end, its errors and its usage, and lets everything else through
//! untouched. Pure: frames in, frames out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use lotse_crds::body;
use lotse_crds::price::Tokens;

use crate::failure::AttemptError;
use crate::lane::Lane;
use crate::openai::{self, Event, Glance};
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
    splitter: Splitter,
    glance: Glance,
    has_content: bool,
    is_done: bool,
    has_error: bool,
    held: usize,
    tokens: Option<Tokens>,
}

impl Tap {
    /// Watches a stream of this candidate.
    pub fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            splitter: Splitter::default(),
            glance: Glance::default(),
            has_content: false,
            is_done: false,
            has_error: false,
            held: 0,
            tokens: None,
        }
    }

    /// Whose stream it is.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Whether the stream has ended as its dialect ends.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the provider reported an error after its first content.
    pub fn has_error(&self) -> bool {
        self.has_error
    }

    /// How many bytes have passed before the first content.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// The tokens that the stream's usage counts, once it has come.
    pub fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Takes a frame, and puts whole events into `out`. Before the first content, an error or garbage is the attempt's.
    pub fn push(&mut self, frame: Bytes, out: &mut VecDeque<Bytes>) -> Result<Seen, AttemptError> {
        self.held += frame.len();
        let too_large = |TooLarge| AttemptError::BrokenAnswer("an event without end".to_owned());
        let Events { bytes, ends } = self.splitter.push(frame).map_err(too_large)?;
        let (mut start, mut unchanged) = (0, 0);
        for end in ends {
            // What stands behind the end of a stream is no part of it.
            if self.is_done {
                break;
            }
            if let Some(rewritten) = self.watch(&bytes[start..end])? {
                out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
                out.push_back(rewritten);
                unchanged = end;
            }
            start = end;
        }
        out.extend((unchanged < start).then(|| bytes.slice(unchanged..start)));
        Ok(match (self.is_done, self.has_content) {
            (true, _) => Seen::Done,
            (false, true) => Seen::Content,
            (false, false) => Seen::Nothing,
        })
    }

    /// What an event means, and what goes out in its place if it must change.
    fn watch(&mut self, event: &[u8]) -> Result<Option<Bytes>, AttemptError> {
        let Some(data) = sse::data(event) else { return Ok(None) };
        let said = if self.has_content { self.glance.event(&data) } else { openai::read_event(&data) };
        match said {
            Event::Done => {
                self.is_done = true;
                return Ok(None);
            }
            Event::Error if self.has_content => self.has_error = true,
            Event::Error => return Err(AttemptError::BrokenAnswer("an error in place of content".to_owned())),
            Event::Garbage if !self.has_content => {
                return Err(AttemptError::BrokenAnswer("an event that is not JSON".to_owned()));
            }
            Event::Content => self.has_content = true,
            Event::Other | Event::Garbage => {}
        }
        if !self.glance.may_have_usage(&data) {
            return Ok(None);
        }
        // An event that can't be annotated passes as it is: it is no reason to break a stream.
        let Ok(scanned) = body::outline(&data) else { return Ok(None) };
        let lane = &self.lane;
        let (pieces, tokens) = openai::annotate(&data, &scanned, &lane.provider, lane.price.as_ref());
        self.tokens = tokens.or(self.tokens);
        let mut rewritten = BytesMut::with_capacity(data.len() + 128);
        rewritten.put_slice(b"data: ");
        pieces::join(&data, &pieces, &mut rewritten);
        rewritten.put_slice(b"\n\n");
        Ok(Some(rewritten.freeze()))
    }
}
