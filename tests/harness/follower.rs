//! A sidecar's end of a stream, spoken by hand: for what a real sidecar would not say, or not now.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lotse_crds::delivery::Lines;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A stream that has begun.
pub struct Follower {
    says: Sender<Bytes>,
    hears: Incoming,
    lines: Lines,
    heard: Vec<Value>,
}

/// The first line of a sidecar that can do these.
pub fn hello(restrictions: &[&str]) -> String {
    json!({"hello": {"version": "0.1.0", "restrictions": restrictions}}).to_string()
}

impl Follower {
    /// Begins with this line and token, over TLS; or gives the status that it is refused with.
    pub async fn begin(tls: TlsStream<TcpStream>, (line, token): (&str, &str)) -> Result<Self, StatusCode> {
        let (mut requests, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let (mut says, body) = Channel::<Bytes>::new(2);
        says.send_data(Bytes::from(format!("{line}\n"))).await.expect("there is room");
        let request = Request::post("https://localhost/v1/follow")
            .header("authorization", format!("Bearer {token}"))
            .body(body)
            .expect("a request");
        let response = requests.send_request(request).await.expect("it answers");
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let lines = Lines::new(1024 * 1024);
        Ok(Self { says, hears: response.into_body(), lines, heard: Vec::new() })
    }

    /// Says a word.
    pub async fn says(&mut self, word: &Value) {
        self.says.send_data(Bytes::from(format!("{word}\n"))).await.expect("it listens");
    }

    /// The next line, whatever it is.
    pub async fn next(&mut self) -> Value {
        while self.heard.is_empty() {
            let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.hears.frame());
            let frame = next.await.expect("it says something").expect("there is more").expect("the stream holds");
            let whole = self.lines.push(&frame.into_data().unwrap_or_default()).expect("lines are short");
            self.heard.extend(whole.iter().map(|line| serde_json::from_slice(line).expect("a line is JSON")));
        }
        self.heard.remove(0)
    }

    /// Waits for a word of this name, and gives it; others go by.
    pub async fn hears(&mut self, name: &str) -> Value {
        loop {
            let mut line = self.next().await;
            if let Some(word) = line.get_mut(name) {
                return word.take();
            }
        }
    }
}
