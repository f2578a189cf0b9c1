//! What a candidate has answered: whole, as a stream up to its first content, or refused as the caller's fault. `trial` makes it,
//! `answer` writes it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lotse_crds::body::Scanned;
use lotse_crds::price::Tokens;
use tokio::time::Instant;

use crate::format::Format;
use crate::format::error::ErrorClass;
use crate::lane::Lane;
use crate::source::Source;
use crate::tap::Tap;

/// Who answered, and what.
pub struct Answered {
    /// How the candidate is called.
    pub lane: Arc<Lane>,
    /// When it was asked.
    pub began: std::time::Instant,
    /// The provider's headers.
    pub headers: HeaderMap,
    /// What of the call was left out, as the caller spells it.
    pub dropped: Vec<String>,
    /// What it said.
    pub answer: Answer,
}

/// What a candidate said.
pub enum Answer {
    /// A whole answer in Chat's or Completions' own bytes, and where its fields stand.
    Whole(Bytes, Scanned),
    /// A whole answer that goes out as it is: its Content-Type, and what it counts.
    Written(Bytes, HeaderValue, Option<Tokens>),
    /// A stream that has begun.
    Stream(Box<Begun>),
    /// The request is refused as the caller's fault, with this status and body.
    Refusal(StatusCode, Bytes, ErrorClass),
}

impl Answer {
    /// Whether it says what it counts. Of a stream nobody knows before its end.
    pub(super) fn is_counted(&self) -> bool {
        match self {
            Self::Whole(answer, scanned) => scanned.value(answer, "usage").is_some_and(|usage| usage != b"null"),
            Self::Written(_, _, tokens) => tokens.is_some(),
            Self::Stream(_) => false,
            Self::Refusal(..) => true,
        }
    }
}

/// A stream up to its first content.
pub struct Begun {
    /// What was held back so far.
    pub held: VecDeque<Bytes>,
    /// What is still to come.
    pub source: Source,
    /// What observes it.
    pub tap: Tap,
    /// Its Content-Type, when it is not an event stream of text.
    pub kind: Option<HeaderValue>,
    /// The dialect in which the caller reads errors.
    pub caller: Format,
    /// When the whole call must have ended.
    pub deadline: Instant,
    /// The longest silence.
    pub idle: Duration,
    /// The fewest tokens a second.
    pub floor: Option<u32>,
}
