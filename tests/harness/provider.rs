//! A provider that plays a script: it says, refuses, hangs, redirects, cuts and splits as told, byte by byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// One thing that a provider does with a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Does nothing for a while.
    Wait(Duration),
    /// Lets everybody else in the process go first, so many times: a wait that no clock measures.
    Yield(usize),
    /// Sends bytes again and again until the caller goes away, and counts what is taken.
    Flood(Vec<u8>),
    /// Says nothing more until the caller goes away.
    Hang,
    /// Waits until the next request begins, and closes the connection without reading it.
    CloseWhenAsked,
    /// Closes the connection.
    Close,
    /// Breaks the connection: the caller sees a reset.
    Reset,
}

/// A request that reached the provider.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request's head, as it was sent.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the sidecar sends JSON")
    }

    /// Whether a stream is asked for.
    pub fn wants_stream(&self) -> bool {
        self.json()["stream"] == true
    }

    /// Whether its stream is to end with a usage.
    pub fn wants_usage(&self) -> bool {
        self.json()["stream_options"]["include_usage"] == true
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

type Script = Arc<dyn Fn(&Asked) -> Vec<Step> + Send + Sync>;

/// A provider that plays a script.
#[derive(Clone)]
pub struct FakeProvider {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    seen: Arc<Seen>,
}

/// What a provider has seen of its callers, beside their requests.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    taken: AtomicUsize,
    gone: Notify,
    held_back: Notify,
}

/// How long nobody takes a byte before a provider says that it is held back.
const HELD_BACK: Duration = Duration::from_millis(300);

impl FakeProvider {
    /// Plays what `script` makes of each request.
    pub async fn plays(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::listens("127.0.0.1:0", Arc::new(script), None).await
    }

    /// Says `text` over TLS.
    pub async fn says_over_tls(text: &'static str, tls: TlsAcceptor) -> Self {
        let script = move |asked: &Asked| if asked.wants_stream() { stream(text) } else { whole(text) };
        Self::listens("127.0.0.1:0", Arc::new(script), Some(tls)).await
    }

    /// Plays what `script` makes of each request, over TLS.
    pub async fn plays_over_tls(
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
        tls: TlsAcceptor,
    ) -> Self {
        Self::listens("127.0.0.1:0", Arc::new(script), Some(tls)).await
    }

    /// Plays what `script` makes of each request, at this address and port.
    pub async fn plays_at(address: &str, script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::listens(address, Arc::new(script), None).await
    }

    async fn listens(address: &str, script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a loopback port");
        let provider =
            Self { address: listener.local_addr().expect("it is bound"), asked: Arc::default(), seen: Arc::default() };
        let served = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                served.seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(served.clone().meets(stream, script.clone(), tls.clone()));
            }
        });
        provider
    }

    async fn meets(self, mut stream: TcpStream, script: Script, tls: Option<TlsAcceptor>) {
        match tls {
            None => {
                if self.serve(&mut stream, script).await {
                    stream.set_zero_linger().expect("it is a socket");
                }
            }
            Some(tls) => {
                let Ok(mut stream) = tls.accept(stream).await else { return };
                if self.serve(&mut stream, script).await {
                    stream.get_ref().0.set_zero_linger().expect("it is a socket");
                }
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says `text`, as a stream of words or whole.
    pub async fn says(text: &'static str) -> Self {
        Self::plays(move |asked| match (asked.wants_stream(), asked.wants_usage()) {
            (true, true) => stream(text),
            (true, false) => stream_without_usage(text),
            (false, _) => whole(text),
        })
        .await
    }

    /// Answers every request with this status and an OpenAI error.
    pub async fn refuses(status: u16) -> Self {
        Self::answers(status, &[], r#"{"error":{"message":"no","type":"x","code":null}}"#).await
    }

    /// Answers every request with this.
    pub async fn answers(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let steps = vec![Step::Send(response(status, headers, body))];
        Self::plays(move |_| steps.clone()).await
    }

    /// Takes requests and never answers.
    pub async fn hangs() -> Self {
        Self::plays(|_| vec![Step::Hang]).await
    }

    /// Streams these pieces, each an HTTP chunk, and goes on as told.
    pub async fn streams(pieces: Vec<Vec<u8>>, end: Vec<Step>) -> Self {
        let mut steps = vec![Step::Send(stream_head())];
        steps.extend(pieces.iter().map(|piece| Step::Send(chunk(piece))));
        steps.extend(end);
        Self::plays(move |_| steps.clone()).await
    }

    /// A base URL at which nobody listens.
    pub async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        format!("http://{}/v1", listener.local_addr().expect("it is bound"))
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Its base URL over TLS, at this host.
    pub fn tls_url(&self, host: &str) -> String {
        format!("https://{host}:{}/v1", self.address.port())
    }

    /// How many requests have reached it.
    pub fn calls(&self) -> usize {
        self.asked.lock().expect("no test panics with it").len()
    }

    /// The last request that has reached it.
    pub fn last(&self) -> Asked {
        self.asked.lock().expect("no test panics with it").last().cloned().expect("it was called")
    }

    /// Each request that has reached it.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics with it").clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of a flood were taken.
    pub fn taken(&self) -> usize {
        self.seen.taken.load(Ordering::SeqCst)
    }

    /// Waits until nobody has taken a byte of a flood for a while.
    pub async fn is_held_back(&self) {
        tokio::time::timeout(Duration::from_mins(1), self.seen.held_back.notified()).await.expect("it is held back");
    }

    /// Waits until a caller has gone away while the provider was hanging, or had more to say.
    pub async fn is_left_alone(&self) {
        self.is_left_within(Duration::from_secs(5)).await;
    }

    /// The same, where it must not take longer than this.
    pub async fn is_left_within(&self, time: Duration) {
        tokio::time::timeout(time, self.seen.gone.notified()).await.expect("the caller goes away");
    }

    /// Plays its script on one connection; whether that ends with a reset.
    async fn serve(self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), script: Script) -> bool {
        while let Some(asked) = read(stream).await {
            self.asked.lock().expect("no test panics with it").push(asked.clone());
            for step in script(&asked) {
                match step {
                    Step::Send(bytes) => {
                        if stream.write_all(&bytes).await.is_err() {
                            self.seen.gone.notify_one();
                            return false;
                        }
                    }
                    Step::Wait(time) => tokio::time::sleep(time).await,
                    Step::Yield(times) => {
                        for _ in 0..times {
                            tokio::task::yield_now().await;
                        }
                    }
                    Step::Flood(bytes) => return self.flood(stream, &bytes).await,
                    Step::Hang => {
                        let mut rest = [0; 64];
                        while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {}
                        self.seen.gone.notify_one();
                        return false;
                    }
                    Step::CloseWhenAsked => {
                        drop(stream.read(&mut [0]).await);
                        return false;
                    }
                    Step::Close => return false,
                    Step::Reset => return true,
                }
            }
        }
        false
    }

    async fn flood(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
        let mut at = 0;
        loop {
            match tokio::time::timeout(HELD_BACK, stream.write(&bytes[at..])).await {
                Ok(Ok(taken)) if taken > 0 => {
                    at = (at + taken) % bytes.len();
                    self.seen.taken.fetch_add(taken, Ordering::SeqCst);
                }
                Ok(_) => {
                    self.seen.gone.notify_one();
                    return false;
                }
                Err(_) => self.seen.held_back.notify_one(),
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut body = bytes[head_end..].to_vec();
    let length: usize = Asked { head: head.clone(), body: Vec::new() }.header("content-length")?.parse().ok()?;
    while body.len() < length {
        let read = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Asked { head, body })
}

/// An HTTP answer with a body of known length.
pub fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head += "content-type: application/json\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// A whole answer.
pub fn whole(text: &str) -> Vec<Step> {
    vec![Step::Send(response(200, &[], &completion(text).to_string()))]
}

/// A chat completion that says `text`.
pub fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "upstream",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    })
}

/// The head of a stream.
pub fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()
}

/// One HTTP chunk.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The last HTTP chunk.
pub fn last_chunk() -> Vec<u8> {
    b"0\r\n\r\n".to_vec()
}

/// An event that says `text`.
pub fn event(text: &str) -> String {
    let data = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "upstream",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    format!("data: {data}\n\n")
}

/// The events of a whole stream that says `text`, word by word, with its usage.
pub fn events(text: &str) -> Vec<String> {
    let role = r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
    let stop = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
    let usage = r#"{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;
    let mut events = vec![format!("data: {role}\n\n")];
    events.extend(text.split_inclusive(' ').map(event));
    events.extend([stop, usage, "[DONE]"].map(|data| format!("data: {data}\n\n")));
    events
}

/// A stream that says `text`.
pub fn stream(text: &str) -> Vec<Step> {
    let mut steps = vec![Step::Send(stream_head())];
    steps.extend(events(text).iter().map(|event| Step::Send(chunk(event.as_bytes()))));
    steps.push(Step::Send(last_chunk()));
    steps
}

/// A stream that says `text` and not what it counts, as providers do that are not asked for it.
pub fn stream_without_usage(text: &str) -> Vec<Step> {
    let is_usage =
        |step: &Step| matches!(step, Step::Send(bytes) if bytes.windows(15).any(|part| part == b"\"prompt_tokens\""));
    stream(text).into_iter().filter(|step| !is_usage(step)).collect()
}
