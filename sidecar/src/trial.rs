//! One candidate, tried once: sends, reads the head, and tells an answer from a failure.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use lotse_crds::residency::Permitted;
use lotse_crds::route::Timeouts;
use lotse_crds::simulation::Simulation;
use lotse_crds::snapshot::{Route, Target};
use lotse_crds::wire::{Operation, Wire};
use serde_json::Value;
use tokio::time::Instant;

use crate::attempt::{Answer, Answered, Begun};
use crate::call::Call;
use crate::endpoint;
use crate::failure::AttemptError;
use crate::format::answer::Told;
use crate::format::error::{self, ErrorClass, ErrorResponse, ProviderError};
use crate::format::responses::state;
use crate::format::{self, Format, Reader, Writer};
use crate::frames::Framing;
use crate::lane::Lane;
use crate::moment;
use crate::openai::Glance;
use crate::outgoing::{Outgoing, Way};
use crate::server::Server;
use crate::simulate::{self, Question};
use crate::source::{Broken, Source};
use crate::tap::{Seen, Tap};
use crate::upstream::{self, Pieces, SendError};
use crate::whole::{Whole, dialect};

/// The largest answer that is not streamed.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// The largest refusal that is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// How much of a stream is held before its first content, which may be a picture.
const LARGEST_PRELUDE: usize = 16 * 1024 * 1024;

/// How an attempt ended without an answer.
pub(crate) enum End {
    /// The next candidate's turn.
    Next(AttemptError),
    /// The whole call's time is over.
    Deadline,
}

impl From<AttemptError> for End {
    fn from(error: AttemptError) -> Self {
        Self::Next(error)
    }
}

/// The times by which things must have happened.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    first_content: Instant,
    total: Instant,
    connect: Duration,
    idle: Duration,
}

impl Clock {
    /// An attempt that begins now, in a call that must have ended at `total`.
    pub(crate) fn new(total: Instant, timeouts: &Timeouts) -> Self {
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

/// One candidate, tried once.
pub(crate) struct Trial<'a> {
    pub(crate) call: &'a Call,
    pub(crate) lane: &'a Arc<Lane>,
    pub(crate) route: &'a Route,
    pub(crate) permitted: Permitted<'a>,
    pub(crate) clock: Clock,
    pub(crate) request_id: &'a str,
}

/// An answer whose status is known.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
    source: Source,
}

impl Trial<'_> {
    /// Sends the call, and reads an answer up to where it commits.
    pub(crate) async fn run(&self, outgoing: Outgoing) -> Result<Answered, End> {
        let Outgoing { uri, headers, body, way, told, dropped } = outgoing;
        let began = moment::instant();
        let head = match &self.lane.server {
            None => self.simulate(),
            Some(server) => self.ask(server, (uri, headers), body).await?,
        };
        let headers = head.headers;
        let answer = match head.status.as_u16() {
            200..=299 if is_coded(&headers) => {
                return Err(AttemptError::BrokenAnswer("a compressed body that nobody asked for".to_owned()).into());
            }
            // Vectors come whole, whatever is asked.
            200..=299 if self.call.stream && !matches!(way, Way::Embed(..)) => {
                self.or_refusal(self.begin(head.source, &headers, (way, told)).await)?
            }
            200..=299 => self.or_refusal(self.whole(head.source, &headers, (way, told)).await)?,
            300..=399 => return Err(AttemptError::Redirect(head.status).into()),
            _ => self.refusal((head.status, &headers), head.source, way).await?,
        };
        match &answer {
            Answer::Stream(_) => self.lane.had_content(began),
            Answer::Whole(..) | Answer::Written(..) => self.lane.answered(began),
            Answer::Refusal(..) => {}
        }
        Ok(Answered { lane: self.lane.clone(), began, headers, dropped, answer })
    }

    /// An error in the place of an answer that another provider of the same model would have as well goes back to the caller, as
    /// it does with a status of its own.
    fn or_refusal(&self, answer: Result<Answer, End>) -> Result<Answer, End> {
        match answer {
            Err(End::Next(AttemptError::Provider { error, .. }))
                if matches!(error.class, ErrorClass::ContextLength | ErrorClass::ContentFilter) =>
            {
                let class = error.class;
                Ok(Answer::Refusal(StatusCode::BAD_REQUEST, self.told(error), class))
            }
            Ok(_) | Err(_) => answer,
        }
    }

    async fn ask(
        &self,
        server: &Server,
        (uri, headers): (http::Uri, HeaderMap),
        body: Vec<Bytes>,
    ) -> Result<Head, End> {
        let mut request = Request::new(Pieces::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        server.authenticate(&mut request, &body).map_err(|error| AttemptError::Unreachable(error.to_string()))?;
        *request.body_mut() = Pieces::new(body);
        let sending = upstream::send(self.permitted, self.lane, request, self.clock.connect);
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
            Target::Server(_) => Simulation::default(),
        };
        let question = Question {
            candidate,
            stream: self.call.stream,
            prompt_bytes: self.call.prompt_bytes(),
            created: moment::now().as_second(),
        };
        let draws = (moment::chance(), moment::chance());
        let simulated = simulate::answer(&simulation, &question, draws, Instant::now());
        let mut headers = HeaderMap::new();
        if self.call.stream {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        }
        Head { status: simulated.status, headers, source: Source::Simulated(simulated.body) }
    }

    /// Holds a stream back until its first content.
    async fn begin(&self, mut source: Source, headers: &HeaderMap, how: (Way, Told)) -> Result<Answer, End> {
        let is_own = how.0 == Way::Pass;
        let mut tap = self.tap(headers, how)?;
        let mut held = VecDeque::new();
        loop {
            let next = self.clock.within(self.clock.first_content, "sent no content", source.next()).await?;
            let seen = match next {
                Some(Ok(frame)) => tap.push(frame, &mut held)?,
                Some(Err(Broken)) => return Err(AttemptError::Cut.into()),
                None => {
                    tap.close(&mut held)?;
                    Seen::Done
                }
            };
            match seen {
                Seen::Nothing if tap.held_bytes() > LARGEST_PRELUDE => {
                    return Err(AttemptError::BrokenAnswer("no content in sixteen megabytes".to_owned()).into());
                }
                Seen::Nothing => {}
                Seen::Content | Seen::Done => {
                    self.remember(tap.id().filter(|_| is_own));
                    let (deadline, idle) = (self.clock.total, self.clock.idle);
                    let floor = self.route.min_tokens_per_second.and_then(|floor| u32::try_from(floor).ok());
                    let caller = self.call.caller;
                    // Of sound and pictures only the provider knows what they are.
                    let kind =
                        endpoint::format(self.call.operation).is_none().then(|| headers.get(header::CONTENT_TYPE));
                    let kind = kind.flatten().cloned();
                    return Ok(Answer::Stream(Box::new(Begun {
                        held,
                        source,
                        tap,
                        kind,
                        caller,
                        deadline,
                        idle,
                        floor,
                    })));
                }
            }
        }
    }

    /// What watches the candidate's stream. A body of another kind is no stream.
    fn tap(&self, headers: &HeaderMap, (way, told): (Way, Told)) -> Result<Tap, AttemptError> {
        let lane = self.lane.clone();
        let wire = self.lane.server.as_ref().map(|server| &server.wire);
        let (framing, kind) = match wire {
            Some(Wire::Bedrock) => (Framing::EventStream, "application/vnd.amazon.eventstream"),
            Some(Wire::AnthropicOnBedrock) => (Framing::InvokeModel, "application/vnd.amazon.eventstream"),
            _ => (Framing::Sse, "text/event-stream"),
        };
        let dialect = dialect(self.call, way);
        if dialect.is_some() && content_type(headers) != kind {
            return Err(AttemptError::BrokenAnswer("no event stream".to_owned()));
        }
        Ok(match (way, dialect) {
            (_, None) => Tap::unread(lane),
            (Way::Pass, Some(Format::Chat | Format::Completions)) => {
                Tap::glancing(lane, Glance::new(told.include_usage))
            }
            (Way::Pass, Some(format)) => Tap::watching(lane, framing, Reader::new(format, moment::seed())),
            (Way::Translate(_) | Way::Embed(..), Some(format)) => {
                let (reader, writer) = (Reader::new(format, moment::seed()), Writer::new(self.call.caller, told));
                Tap::translating(lane, framing, reader, writer)
            }
        })
    }

    /// Reads a whole answer, and makes sure that it is one.
    async fn whole(&self, source: Source, headers: &HeaderMap, (way, told): (Way, Told)) -> Result<Answer, End> {
        let body = self.read(source, LARGEST_ANSWER).await?;
        let whole = Whole { call: self.call, lane: self.lane, headers, told: &told, seed: moment::seed() };
        let answer = whole.read(body, way)?;
        if let (Way::Pass, Answer::Written(body, ..)) = (way, &answer)
            && self.call.operation == Operation::Responses
        {
            self.remember(state::answer_id(body).as_deref());
        }
        Ok(answer)
    }

    /// Remembers who made an answer that the caller may refer to later.
    fn remember(&self, id: Option<&str>) {
        if let (Operation::Responses, Some(id)) = (self.call.operation, id) {
            self.lane.makers.note(id, &self.lane.name);
        }
    }

    /// What a provider says in place of an answer: the caller's fault goes back to the caller, all else to the next.
    async fn refusal(
        &self,
        (status, headers): (StatusCode, &HeaderMap),
        source: Source,
        way: Way,
    ) -> Result<Answer, End> {
        let body = match self.read(source, LARGEST_REFUSAL).await {
            Ok(body) => body,
            Err(End::Deadline) => return Err(End::Deadline),
            // The status alone says enough.
            Err(End::Next(_)) => Bytes::new(),
        };
        let dialect = dialect(self.call, way).unwrap_or(Format::Chat);
        let response = ErrorResponse { status: status.as_u16(), headers, body: &body };
        let mut error = error::read(dialect, &response);
        error.wait = format::wait::asked(&response, &error, moment::now());
        if !is_callers(status, error.class) {
            return Err(AttemptError::Provider { status: Some(status), error }.into());
        }
        let body = match way {
            Way::Pass => self.own_words(&body),
            Way::Translate(_) | Way::Embed(..) => None,
        };
        let class = error.class;
        Ok(Answer::Refusal(status, body.unwrap_or_else(|| self.told(error)), class))
    }

    /// What the provider said, if it can go on as it is: it never holds a credential, and is always a JSON object.
    fn own_words(&self, body: &[u8]) -> Option<Bytes> {
        let text = std::str::from_utf8(body).ok()?;
        let body: Value = serde_json::from_str(text).ok()?;
        // A host of a dialect may write errors in its own.
        let is_told = match self.call.caller {
            Format::Messages => body["type"] == "error",
            Format::Chat | Format::Completions | Format::Responses | Format::Gemini | Format::Converse => {
                body.is_object()
            }
        };
        is_told.then(|| Bytes::from(self.lane.scrub(text)))
    }

    /// A refusal in the caller's dialect.
    fn told(&self, mut error: ProviderError) -> Bytes {
        error.message = format!("{}: {}", self.lane.provider, self.lane.scrub(&error.message));
        Bytes::from(error::write(self.call.caller, &error, self.request_id).to_string())
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

/// Whether a refusal goes back to the caller: another provider would say the same.
fn is_callers(status: StatusCode, class: ErrorClass) -> bool {
    match class {
        ErrorClass::ContextLength | ErrorClass::ContentFilter => status.is_client_error(),
        ErrorClass::Caller | ErrorClass::Unsupported => matches!(status.as_u16(), 400 | 413 | 422),
        ErrorClass::Auth
        | ErrorClass::Residency
        | ErrorClass::NotFound
        | ErrorClass::RateLimit
        | ErrorClass::Quota
        | ErrorClass::Overload
        | ErrorClass::Server
        | ErrorClass::UpstreamProtocol
        | ErrorClass::Timeout
        | ErrorClass::Unreachable => false,
    }
}

/// Whether a body is coded; `identity` is the word for no coding.
fn is_coded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn content_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
