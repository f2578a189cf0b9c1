//! The only loop: tries a plan in order, within one deadline, until somebody answers.
//!
//! Before its first content a stream, and before its JSON is whole a unary answer, can still go to another candidate;
//! after that never. Both modes share the loop; streaming is a property of the answer.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, header};
use lotse_crds::body::Scanned;
use lotse_crds::plan::Plan;
use lotse_crds::residency::Permitted;
use lotse_crds::route::Timeouts;
use lotse_crds::simulation::Simulation;
use lotse_crds::snapshot::{Route, Target};
use tokio::time::Instant;

use crate::call::Call;
use crate::failure::{AttemptError, AttemptNote, Failure};
use crate::lane::{Lane, Server};
use crate::moment;
use crate::openai;
use crate::record::Record;
use crate::retry_after;
use crate::simulate::{self, Question};
use crate::table::Table;
use crate::tap::{Seen, Tap};
use crate::upstream::{self, Inbound, SendError};

/// The largest answer that is not streamed.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// The largest refusal that is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// How much of a stream is held before its first content.
const LARGEST_PRELUDE: usize = 1024 * 1024;

/// Who answered, and what.
pub struct Answered {
    /// How the candidate is called.
    pub lane: Arc<Lane>,
    /// The provider's headers.
    pub headers: HeaderMap,
    /// What it said.
    pub answer: Answer,
}

/// What a candidate said.
pub enum Answer {
    /// A whole answer, and where its fields stand.
    Whole(Bytes, Scanned),
    /// A stream that has begun.
    Stream(Box<Begun>),
    /// The request is refused as the caller's fault, with this status and body.
    Refusal(StatusCode, Bytes),
}

/// A stream up to its first content.
pub struct Begun {
    /// What was held back so far.
    pub held: VecDeque<Bytes>,
    /// What is still to come.
    pub source: Source,
    /// What observes it.
    pub tap: Tap,
    /// When the whole call must have ended.
    pub deadline: Instant,
    /// The longest silence.
    pub idle: Duration,
}

/// Where an answer comes from.
pub enum Source {
    /// A provider.
    Wire(Inbound),
    /// The sidecar itself.
    Simulated(simulate::Script),
}

/// The source broke off.
#[derive(Debug)]
pub struct Broken;

impl Source {
    /// The next bytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Wire(inbound) => inbound.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
            Self::Simulated(script) => script.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// How an attempt ended without an answer.
enum End {
    Next(AttemptError),
    Deadline,
}

impl From<AttemptError> for End {
    fn from(error: AttemptError) -> Self {
        Self::Next(error)
    }
}

/// Tries the plan's candidates until one answers.
pub async fn run(
    call: &Call,
    (table, route): (&Table, &Route),
    plan: &Plan<'_>,
    record: &mut Record,
) -> Result<Answered, Failure> {
    let start = Instant::now();
    let total = seconds(route.timeouts.total_seconds);
    let mut waits: Vec<Duration> = Vec::new();
    for attempt in plan.attempts.iter().take(plan.most) {
        let lane = table.lane(attempt.permitted);
        record.tries(lane);
        let trial = Trial {
            call,
            route,
            lane,
            permitted: attempt.permitted,
            clock: Clock::new(start + total, &route.timeouts),
        };
        match trial.run().await {
            Ok(answered) => {
                // A whole answer, and a request that was the caller's fault, are no fault of the provider. A stream
                // is judged when it ends.
                if !matches!(answered.answer, Answer::Stream(_)) {
                    lane.note(false);
                }
                return Ok(answered);
            }
            Err(End::Deadline) => {
                lane.note(true);
                record.fails(lane.note_of(&AttemptError::Timeout("sent nothing")));
                return Err(Failure::DeadlineExceeded);
            }
            Err(End::Next(error)) => {
                lane.note(error.is_own_fault());
                record.fails(lane.note_of(&error));
                if let AttemptError::Status { wait: Some(wait), .. } = error {
                    waits.push(wait);
                }
            }
        }
    }
    Err(spent(record.attempts(), &waits))
}

/// Why a plan that is spent has no answer: when all ask to wait, so does the answer, for the shortest time.
fn spent(attempts: &[AttemptNote], waits: &[Duration]) -> Failure {
    if !attempts.is_empty() && attempts.iter().all(|note| note.code == "rate_limited") {
        return Failure::RateLimited { wait: waits.iter().copied().min() };
    }
    Failure::AllProvidersFailed
}

/// The times by which things must have happened.
#[derive(Clone, Copy)]
struct Clock {
    first_content: Instant,
    total: Instant,
    connect: Duration,
    idle: Duration,
}

impl Clock {
    fn new(total: Instant, timeouts: &Timeouts) -> Self {
        Self {
            first_content: Instant::now() + milliseconds(timeouts.first_content_milliseconds),
            total,
            connect: milliseconds(timeouts.connect_milliseconds),
            idle: milliseconds(timeouts.idle_milliseconds),
        }
    }

    /// Awaits `event` until `by`, or until the whole call must have ended.
    async fn within<T>(&self, by: Instant, what: &'static str, event: impl Future<Output = T>) -> Result<T, End> {
        match tokio::time::timeout_at(by.min(self.total), event).await {
            Ok(value) => Ok(value),
            Err(_) if self.total <= by => Err(End::Deadline),
            Err(_) => Err(End::Next(AttemptError::Timeout(what))),
        }
    }
}

fn milliseconds(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

fn seconds(value: i32) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

/// One candidate, tried once.
struct Trial<'a> {
    call: &'a Call,
    route: &'a Route,
    lane: &'a Arc<Lane>,
    permitted: Permitted<'a>,
    clock: Clock,
}

/// An answer whose status is known.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    source: Source,
}

impl Trial<'_> {
    async fn run(&self) -> Result<Answered, End> {
        let head = self.ask().await?;
        let headers = head.headers;
        let answer = match head.status.as_u16() {
            200..=299 if headers.contains_key(header::CONTENT_ENCODING) => {
                return Err(AttemptError::BrokenAnswer("a compressed body that nobody asked for".to_owned()).into());
            }
            200..=299 if self.call.stream => self.begin(head.source, &headers).await?,
            200..=299 => self.whole(head.source).await?,
            400 | 413 | 422 => self.refusal(head.status, head.source).await?,
            _ => {
                let wait = retry_after::wait(&headers, moment::now());
                return Err(AttemptError::Status { status: head.status, wait }.into());
            }
        };
        Ok(Answered { lane: self.lane.clone(), headers, answer })
    }

    async fn ask(&self) -> Result<Head, End> {
        let Some(server) = &self.lane.server else { return Ok(self.simulate()) };
        let sending = upstream::send(self.permitted, self.lane, self.request(server), self.clock.connect);
        let response = self.clock.within(self.clock.first_content, "sent no answer", sending).await?;
        let response = response.map_err(|error| match error {
            SendError::Dial(_) | SendError::NoServer => AttemptError::Unreachable(error.to_string()),
            SendError::ConnectTimeout => AttemptError::Timeout("took no connection"),
            SendError::Broken(_) => AttemptError::BrokenAnswer(error.to_string()),
        })?;
        let (parts, body) = response.into_parts();
        Ok(Head { status: parts.status, headers: parts.headers, source: Source::Wire(body) })
    }

    fn simulate(&self) -> Head {
        let candidate = self.permitted.candidate();
        let simulation = match &candidate.endpoint.target {
            Target::Simulated(simulation) => simulation.clone(),
            Target::OpenAI { .. } => Simulation::default(),
        };
        let question = Question {
            candidate,
            stream: self.call.stream,
            include_usage: self.call.wants_usage(),
            prompt_bytes: self.call.prompt_bytes(),
            created: moment::now().as_second(),
        };
        let draws = (moment::chance(), moment::chance());
        let simulated = simulate::answer(&simulation, &question, draws, Instant::now());
        let mut headers = HeaderMap::new();
        if self.call.stream {
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
        }
        Head { status: simulated.status, headers, source: Source::Simulated(simulated.body) }
    }

    fn request(&self, server: &Server) -> Request<upstream::Pieces> {
        let mut request = Request::new(self.call.body_for(self.route, self.permitted.candidate()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = server.path.clone();
        let headers = request.headers_mut();
        headers.reserve(8 + server.headers.len());
        headers.insert(header::HOST, server.host.clone());
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let accept = if self.call.stream { "text/event-stream" } else { "application/json" };
        headers.insert(header::ACCEPT, http::HeaderValue::from_static(accept));
        headers.extend(self.call.headers.clone());
        // Last, so that nothing an app sends stands beside a provider's own headers.
        for (name, value) in &server.headers {
            headers.insert(name, value.clone());
        }
        request
    }

    /// Holds a stream back until its first content.
    async fn begin(&self, mut source: Source, headers: &HeaderMap) -> Result<Answer, End> {
        if !is_event_stream(headers) {
            return Err(AttemptError::BrokenAnswer("no event stream".to_owned()).into());
        }
        let mut tap = Tap::new(self.lane.clone());
        let mut held = VecDeque::new();
        loop {
            let next = self.clock.within(self.clock.first_content, "sent no content", source.next()).await?;
            let frame = match next {
                Some(Ok(frame)) => frame,
                Some(Err(Broken)) | None => return Err(AttemptError::Cut.into()),
            };
            match tap.push(frame, &mut held)? {
                Seen::Nothing if tap.held_bytes() > LARGEST_PRELUDE => {
                    return Err(AttemptError::BrokenAnswer("no content in a megabyte".to_owned()).into());
                }
                Seen::Nothing => {}
                Seen::Content | Seen::Done => {
                    let (deadline, idle) = (self.clock.total, self.clock.idle);
                    return Ok(Answer::Stream(Box::new(Begun { held, source, tap, deadline, idle })));
                }
            }
        }
    }

    /// Reads a whole answer, and makes sure that it is one.
    async fn whole(&self, source: Source) -> Result<Answer, End> {
        let body = self.read(source, LARGEST_ANSWER).await?;
        let scanned = openai::read_answer(&body).map_err(AttemptError::BrokenAnswer)?;
        Ok(Answer::Whole(body, scanned))
    }

    async fn refusal(&self, status: StatusCode, source: Source) -> Result<Answer, End> {
        let body = self.read(source, LARGEST_REFUSAL).await?;
        Ok(Answer::Refusal(status, body))
    }

    async fn read(&self, mut source: Source, most: usize) -> Result<Bytes, End> {
        let mut whole = Bytes::new();
        let mut joined = BytesMut::new();
        let mut by = self.clock.first_content;
        let mut what = "sent no answer";
        loop {
            match self.clock.within(by, what, source.next()).await? {
                None => return Ok(if joined.is_empty() { whole } else { joined.freeze() }),
                Some(Err(Broken)) => return Err(AttemptError::Cut.into()),
                Some(Ok(frame)) => {
                    if whole.len() + joined.len() + frame.len() > most {
                        return Err(AttemptError::BrokenAnswer(format!("more than {most} bytes")).into());
                    }
                    if joined.is_empty() && whole.is_empty() {
                        whole = frame;
                    } else {
                        joined.extend_from_slice(&std::mem::take(&mut whole));
                        joined.extend_from_slice(&frame);
                    }
                }
            }
            by = Instant::now() + self.clock.idle;
            what = "sent nothing more";
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}
