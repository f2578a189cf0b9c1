//! An app: sends requests as bytes would be sent, and sees what an app would see, a broken transport included.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What an app got.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// Whether the body ended as HTTP ends it.
    pub is_complete: bool,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What the model said: of a whole answer, or of all events of a stream.
    pub fn said(&self) -> String {
        if let Ok(answer) = serde_json::from_slice::<Value>(&self.body) {
            return answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
        }
        let content = |event: Value| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
        self.events().into_iter().filter_map(content).collect()
    }

    /// The data of a stream's events that are JSON.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// A stream's events by name, with their data as JSON where it is; a name is empty where there is none.
    pub fn named_events(&self) -> Vec<(String, Value)> {
        let text = self.text();
        let read = |event: &str| {
            let line = |key: &str| event.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
            (line("event:").to_owned(), serde_json::from_str(line("data:")).unwrap_or_default())
        };
        text.split("\n\n").filter(|event| !event.trim().is_empty()).map(read).collect()
    }

    /// The error's code, of a whole answer or of a stream's last event.
    pub fn code(&self) -> String {
        let error = serde_json::from_slice::<Value>(&self.body).ok().or_else(|| self.events().pop());
        error.and_then(|error| error["error"]["code"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// What the header `x-lotse-dropped` names.
    pub fn dropped(&self) -> Vec<String> {
        let names = self.header("x-lotse-dropped").unwrap_or_default();
        names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Who was tried and failed, in order: `metadata.attempts[]` of a whole answer or of a stream's last event, without
    /// namespaces.
    pub fn tried(&self) -> Vec<String> {
        let error =
            serde_json::from_slice::<Value>(&self.body).ok().or_else(|| self.events().pop()).unwrap_or_default();
        let attempts = error["error"]["metadata"]["attempts"].as_array().cloned().unwrap_or_default();
        let name = |note: &Value| note["provider"].as_str()?.rsplit('/').next().map(str::to_owned);
        attempts.iter().filter_map(name).collect()
    }

    /// The reasons of `metadata.excluded[]` for a provider.
    pub fn reasons(&self, provider: &str) -> Vec<String> {
        let answer = self.json();
        let excluded = answer["error"]["metadata"]["excluded"].as_array().cloned().unwrap_or_default();
        let of = excluded.iter().filter(|entry| entry["provider"] == provider);
        of.flat_map(|entry| entry["reasons"].as_array().cloned().unwrap_or_default())
            .filter_map(|reason| reason.as_str().map(str::to_owned))
            .collect()
    }
}

/// A call to this path, of JSON unless the headers say otherwise.
pub fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path);
    let has = |name: &str| headers.iter().any(|(each, _)| *each == name);
    for (name, value) in [("host", "127.0.0.1:14141"), ("content-type", "application/json")] {
        if !has(name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).expect("a request")
}

/// Sends a request and reads the answer to its end, or to where it breaks.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let response = open(address, request).await;
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    let mut is_complete = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            is_complete = false;
            break;
        };
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    Answer { status: parts.status, headers: parts.headers, body: bytes.into(), is_complete }
}

/// Sends a request and gives the answer as it comes. Dropping it closes the connection.
pub async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("the sidecar listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(async move { drop(connection.await) });
    sender.send_request(request).await.expect("the sidecar answers")
}
