//! The fake provider: a plain hyper server on a thread of its own that answers at once. A chunk of a stream is a write
//! of its own, as servers of models write them, but without a pause between them.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// How many chunks of a stream have content.
pub(crate) const CHUNKS: usize = 64;

/// The fake provider.
pub(crate) struct Provider {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicU64>,
}

/// All that it ever says.
struct Lines {
    whole: Bytes,
    events: Vec<Bytes>,
    calls: Arc<AtomicU64>,
}

impl Provider {
    /// Starts; it ends with the process.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let provider = Self { address: listener.local_addr()?, calls: Arc::default() };
        let lines =
            Arc::new(Lines { whole: completion().to_string().into(), events: events(), calls: provider.calls.clone() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name("provider".to_owned())
            .spawn(move || runtime.block_on(accept(listener, lines)))?;
        Ok(provider)
    }

    /// How many calls have reached it.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, lines: Arc<Lines>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let lines = lines.clone();
        let answering = service_fn(move |request| answer(request, lines.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
    }
}

async fn answer(request: Request<Incoming>, lines: Arc<Lines>) -> Result<Response<Said>, hyper::Error> {
    let is_known = request.uri().path() == "/v1/chat/completions";
    let asked = request.into_body().collect().await?.to_bytes();
    lines.calls.fetch_add(1, Ordering::Relaxed);
    let (kind, said) = if memchr::memmem::find(&asked, b"\"stream\":true").is_some() {
        ("text/event-stream; charset=utf-8", Said::Events { lines, next: 0, owes_flush: false })
    } else {
        ("application/json", Said::Whole(Some(lines.whole.clone())))
    };
    let mut response = Response::new(said);
    if !is_known {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("openai-processing-ms", HeaderValue::from_static("1"));
    headers.insert("x-request-id", HeaderValue::from_static("req_5f2c1d0e9b8a47c6a1b2c3d4e5f60718"));
    Ok(response)
}

/// The body of an answer.
enum Said {
    Whole(Option<Bytes>),
    Events { lines: Arc<Lines>, next: usize, owes_flush: bool },
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Poll::Ready(whole.take().map(|bytes| Ok(Frame::data(bytes)))),
            // hyper writes what it has when a body has nothing to say for once.
            Self::Events { owes_flush, .. } if *owes_flush => {
                *owes_flush = false;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Events { lines, next, owes_flush } => {
                let event = lines.events.get(*next).cloned();
                *next += 1;
                *owes_flush = true;
                Poll::Ready(event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Events { .. } => SizeHint::default(),
        }
    }
}

/// What a content chunk says.
fn word(number: usize) -> String {
    format!(" word{number:02}")
}

/// What all of an answer says.
pub(crate) fn text() -> String {
    (0..CHUNKS).map(word).collect()
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 212, "completion_tokens": CHUNKS, "total_tokens": 212 + CHUNKS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

/// A whole answer of about 1 KB.
fn completion() -> Value {
    json!({
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion", "created": 1_795_000_000,
        "model": "bench-large-2026", "system_fingerprint": "fp_44709d6fcb", "service_tier": "default",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text(), "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(),
    })
}

/// The events of a stream: a role, the content, why it ends, the usage, and the mark of the end.
fn events() -> Vec<Bytes> {
    let event = |choices: Value, usage: Value| {
        let data = json!({
            "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk",
            "created": 1_795_000_000, "model": "bench-large-2026", "system_fingerprint": "fp_44709d6fcb",
            "choices": choices, "usage": usage,
        });
        Bytes::from(format!("data: {data}\n\n"))
    };
    let choice = |delta: Value, reason: Value| {
        event(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]), Value::Null)
    };
    let mut events = vec![choice(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null)];
    events.extend((0..CHUNKS).map(|number| choice(json!({"content": word(number)}), Value::Null)));
    events.push(choice(json!({}), "stop".into()));
    events.push(event(json!([]), usage()));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}
