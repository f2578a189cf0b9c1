//! A provider that plays a script: it says, refuses, hangs, redirects, cuts and splits as told, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// One thing that a provider does with a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Does nothing for a while.
    Wait(Duration),
    /// Says nothing more until the caller goes away.
    Hang,
    /// Closes the connection.
    Close,
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
    gone: Arc<Notify>,
}

impl FakeProvider {
    /// Plays what `script` makes of each request.
    pub async fn plays(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::listens(Arc::new(script), None).await
    }

    /// Says `text` over TLS.
    pub async fn says_over_tls(text: &'static str, tls: TlsAcceptor) -> Self {
        let script = move |asked: &Asked| if asked.wants_stream() { stream(text) } else { whole(text) };
        Self::listens(Arc::new(script), Some(tls)).await
    }

    /// Plays what `script` makes of each request, over TLS.
    pub async fn plays_over_tls(
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
        tls: TlsAcceptor,
    ) -> Self {
        Self::listens(Arc::new(script), Some(tls)).await
    }

    async fn listens(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let provider =
            Self { address: listener.local_addr().expect("it is bound"), asked: Arc::default(), gone: Arc::default() };
        let served = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, script, tls) = (served.clone(), script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => served.serve(stream, script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                served.serve(stream, script).await;
                            }
                        }
                    }
                });
            }
        });
        provider
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says `text`, as a stream of words or whole.
    pub async fn says(text: &'static str) -> Self {
        Self::plays(move |asked| if asked.wants_stream() { stream(text) } else { whole(text) }).await
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

    /// Waits until a caller has gone away while the provider was hanging.
    pub async fn is_left_alone(&self) {
        tokio::time::timeout(Duration::from_secs(5), self.gone.notified()).await.expect("the caller goes away");
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
        while let Some(asked) = read(&mut stream).await {
            self.asked.lock().expect("no test panics with it").push(asked.clone());
            for step in script(&asked) {
                match step {
                    Step::Send(bytes) => {
                        if stream.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    Step::Wait(time) => tokio::time::sleep(time).await,
                    Step::Hang => {
                        let mut rest = [0; 64];
                        while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {}
                        self.gone.notify_one();
                        return;
                    }
                    Step::Close => return,
                }
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
