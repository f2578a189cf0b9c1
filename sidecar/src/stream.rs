//! The body of an answer, as hyper takes it: whole, or a stream that passes while it is watched.
//!
//! A stream that breaks off after its first content ends with an error in the caller's dialect and an aborted
//! transport: a clean end would pass half an answer off as a whole one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::attempt::Begun;
use crate::bound::Bound;
use crate::caller::Told;
use crate::failure::{AttemptError, AttemptNote, Failure};
use crate::format::Format;
use crate::health::Outcome;
use crate::metadata::{Metadata, Telling};
use crate::moment;
use crate::pieces::CHEAP_TO_COPY;
use crate::record::{OK, Record};
use crate::source::Source;
use crate::tap::Tap;

/// The body of an answer.
pub enum AnswerBody {
    /// A whole answer, in pieces.
    Whole(VecDeque<Bytes>),
    /// A stream.
    Stream(Box<Flow>),
}

/// The stream was cut; the transport is aborted.
#[derive(Debug, thiserror::Error)]
#[error("the stream was cut")]
pub struct Aborted;

impl AnswerBody {
    /// One piece.
    pub fn whole(body: Bytes) -> Self {
        Self::pieces([body])
    }

    /// Several.
    pub fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self::Whole(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match self.get_mut() {
            Self::Whole(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Self::Stream(flow) => flow.poll(cx).map(|next| next.map(|frame| frame.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces) => pieces.is_empty(),
            Self::Stream(flow) => matches!(flow.state, State::Ended) && flow.out.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// A stream on its way from a provider to the app.
pub struct Flow {
    out: VecDeque<Bytes>,
    /// Tells in what goes out how the call was routed, if the app wants that.
    telling: Option<Box<Telling>>,
    source: Source,
    tap: Tap,
    record: Option<Record>,
    state: State,
    caller: Format,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    /// When something came last.
    silent_since: Instant,
    deadline: Instant,
    has_moved: bool,
    /// When its first content came.
    content_at: std::time::Instant,
    floor: Option<Floor>,
    /// The bound of the app's connection.
    bound: Bound,
}

/// How fast a stream must be.
struct Floor {
    /// The fewest tokens a second.
    least: u32,
    /// When what is counted now began, and how many tokens there had been.
    since: (Instant, u64),
}

/// Over how long a stream's speed is judged.
const JUDGED: Duration = Duration::from_secs(10);
/// By how much that may be exceeded. When it is longer, it was the app that did not read.
const LATE: Duration = Duration::from_secs(1);

enum State {
    /// More may come.
    Flowing,
    /// All has come.
    Ended,
    /// It broke off: what is in `out` still goes, then the transport is aborted.
    Broken,
    /// What was in `out` is with hyper, which flushes it when the body has nothing to say for once.
    Flushing,
}

impl Flow {
    /// Goes on with a stream that has begun.
    pub fn new(begun: Begun, record: Record, metadata: Option<Metadata>) -> Self {
        let Begun { held, source, tap, kind: _, caller, deadline, idle, floor } = begun;
        let now = Instant::now();
        let silence = Box::pin(tokio::time::sleep_until(deadline.min(now + idle)));
        let bound = record.bound.clone();
        bound.set(deadline);
        let floor = floor.map(|least| Floor { least, since: (now, tap.tokens_so_far()) });
        Self {
            content_at: moment::instant(),
            floor,
            bound,
            out: held,
            telling: metadata.map(|metadata| Box::new(Telling::new(metadata, caller))),
            source,
            tap,
            record: Some(record),
            state: State::Flowing,
            caller,
            idle,
            silence,
            silent_since: now,
            deadline,
            has_moved: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        self.fill(cx);
        if let Some(frame) = self.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match self.state {
            State::Flowing => Poll::Pending,
            State::Ended => Poll::Ready(None),
            State::Broken => {
                self.state = State::Flushing;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Flushing => Poll::Ready(Some(Err(Aborted))),
        }
    }

    /// Takes what has come by now, as far as it goes out in one piece.
    fn fill(&mut self, cx: &mut Context<'_>) {
        while matches!(self.state, State::Flowing) && self.waiting() < CHEAP_TO_COPY {
            match self.source.poll_next(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.has_moved = true;
                    if let Err(error) = self.tap.push(frame, &mut self.out) {
                        self.breaks(&error);
                    }
                }
                Poll::Ready(None) => match self.tap.close(&mut self.out) {
                    Ok(()) => self.ends(),
                    Err(error) => self.breaks(&error),
                },
                Poll::Ready(Some(Err(_))) => self.breaks(&AttemptError::Cut),
                Poll::Pending if self.is_too_slow() => return,
                Poll::Pending if !self.out.is_empty() || self.poll_silence(cx).is_pending() => return,
                // All of the answer is there; only the provider's connection lingers.
                Poll::Pending if self.tap.is_done() => self.ends(),
                Poll::Pending if Instant::now() >= self.deadline => {
                    // The call was long; that says nothing of who has not been silent for too long.
                    let error = AttemptError::Timeout("sent nothing more");
                    self.fails((&Failure::DeadlineExceeded, Outcome::Answered), &error);
                }
                Poll::Pending if self.silent_since + self.idle <= Instant::now() => {
                    self.breaks(&AttemptError::Timeout("sent nothing more"));
                }
                // It was time to judge its speed, and that is done.
                Poll::Pending => self.set_silence(),
            }
        }
    }

    /// Whether the stream has been slower than it must be, over the seconds that end now; it is then broken off.
    fn is_too_slow(&mut self) -> bool {
        let Some(Floor { least, since: (began, tokens) }) = self.floor else { return false };
        let now = Instant::now();
        if now < began + JUDGED || self.tap.is_done() {
            return false;
        }
        let so_far = self.tap.tokens_so_far();
        let needed = u64::from(least) * JUDGED.as_secs();
        self.floor = Some(Floor { least, since: (now, so_far) });
        let is_slow = now < began + JUDGED + LATE && so_far.saturating_sub(tokens) < needed;
        if is_slow {
            self.breaks(&AttemptError::TooSlow(least));
        }
        is_slow
    }

    fn waiting(&self) -> usize {
        self.out.iter().map(Bytes::len).sum()
    }

    /// What goes out next: small frames in one piece, because each costs a chunk and a slice of hyper's and the kernel's.
    fn take(&mut self) -> Option<Bytes> {
        let first = self.pop()?;
        let fits = |joined: usize, next: Option<&Bytes>| next.is_some_and(|next| joined + next.len() <= CHEAP_TO_COPY);
        if !fits(first.len(), self.out.front()) {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity((first.len() + self.waiting()).min(CHEAP_TO_COPY));
        joined.extend_from_slice(&first);
        while fits(joined.len(), self.out.front()) {
            joined.extend_from_slice(&self.pop().unwrap_or_default());
        }
        Some(joined.freeze())
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.out.pop_front()?;
        Some(match &mut self.telling {
            Some(telling) => telling.frame(frame),
            None => frame,
        })
    }

    /// Ready when it has been silent for too long. The timer is set only when there is nothing else to do.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.has_moved) {
            self.silent_since = Instant::now();
            self.set_silence();
        }
        self.silence.as_mut().poll(cx)
    }

    /// Sets the timer to what comes first: the longest silence, the end of the call, or the time to judge its speed.
    fn set_silence(&mut self) {
        let judged = self.floor.as_ref().map_or(self.deadline, |floor| floor.since.0 + JUDGED);
        self.silence.as_mut().reset(self.deadline.min(self.silent_since + self.idle).min(judged));
    }

    fn ends(&mut self) {
        self.state = State::Ended;
        if let Some((record, code)) = self.has_come() {
            record.ends(200, code);
        }
    }

    /// All of it has come: notes what that says of the provider and charges it. What is still to be told, and by which code.
    fn has_come(&mut self) -> Option<(Record, &'static str)> {
        let has_error = self.tap.has_error();
        self.tap.lane().ends(if has_error { Outcome::Fault(None) } else { Outcome::Answered });
        if let Some(tokens) = self.tap.tokens() {
            self.tap.lane().wrote(tokens.output, self.content_at);
        }
        let mut record = self.record.take()?;
        self.count(&mut record);
        Some((record, if has_error { "all_providers_failed" } else { OK }))
    }

    fn breaks(&mut self, error: &AttemptError) {
        self.fails((&Failure::StreamCut(error.clone()), error.outcome()), error);
    }

    fn fails(&mut self, (failure, outcome): (&Failure, Outcome), error: &AttemptError) {
        self.state = State::Broken;
        self.tap.lane().ends(outcome);
        let Some(mut record) = self.record.take() else { return };
        self.count(&mut record);
        // A provider that has said itself what went wrong is not contradicted.
        if !self.tap.has_error() {
            let attempt = self.tap.lane().note_of(error);
            let attempts: Vec<AttemptNote> = record.attempts().iter().cloned().chain([attempt]).collect();
            let told = Told { failure, request_id: &record.request_id, attempts: &attempts };
            let event = self.tap.failure(self.caller, told);
            self.out.push_back(event);
        }
        record.ends(200, failure.code());
    }

    /// Charges what the provider has counted; else what has come, as far as it can be estimated: it was made all the same.
    fn count(&self, record: &mut Record) {
        let price = self.tap.lane().price.as_ref();
        match self.tap.tokens() {
            Some(tokens) => record.counts(tokens, price.map(|price| price.cost(tokens))),
            None => record.estimates(self.tap.tokens_so_far(), price),
        }
    }
}

impl Drop for Flow {
    /// The body is done with. If the app has gone, the provider had begun to answer, which is all that is known of it; what it
    /// has said until then is charged.
    fn drop(&mut self) {
        self.bound.lift();
        if !matches!(self.state, State::Flowing) {
            return;
        }
        // An app that has read the last event need not wait for the connection's end.
        if self.tap.is_done() {
            if let Some((mut record, code)) = self.has_come() {
                record.has_ended(200, code);
            }
            return;
        }
        self.tap.lane().ends(Outcome::Answered);
        if let Some(mut record) = self.record.take() {
            self.count(&mut record);
        }
    }
}
