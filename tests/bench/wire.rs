//! A minimal HTTP/1.1 client: light enough not to be what is measured, and strict enough that an answer that counts is
//! a whole one.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use memchr::memmem::{self, Finder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::now;
use crate::provider::CHUNKS;

/// What an event with content holds, and no other: the provider's words begin with a space.
static CONTENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"content\":\" "));

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole answer.
    Unary,
    /// A stream.
    Stream,
}

impl Kind {
    /// A request of about 1 KB, head and body: all that is sent.
    pub(crate) fn request(self) -> Vec<u8> {
        let sentence = "The customer writes that the parcel has not arrived and asks what can be done about it. ";
        let mut body = json!({
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "You answer letters of customers, briefly and politely."},
                {"role": "user", "content": sentence.repeat(9)},
            ],
            "temperature": 0.2,
            "max_tokens": 256,
        });
        if self == Self::Stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        let body = body.to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }

    /// Whether a body is the whole answer.
    fn check(self, body: &[u8]) -> anyhow::Result<()> {
        let contents = CONTENT.find_iter(body).count();
        let (expected, end) = match self {
            Self::Unary => (1, "}"),
            Self::Stream => (CHUNKS, "data: [DONE]\n\n"),
        };
        ensure!(contents == expected, "{contents} pieces of content, not {expected}");
        ensure!(body.ends_with(end.as_bytes()), "the answer does not end with {end:?}");
        ensure!(memmem::find(body, b"\"total_tokens\":").is_some(), "the answer has no usage");
        Ok(())
    }

    /// What a body says, read as an app reads it, and the body of a whole answer or of the event with the usage.
    pub(crate) fn read(self, body: &[u8]) -> anyhow::Result<(String, Value)> {
        let text = std::str::from_utf8(body)?;
        if self == Self::Unary {
            let answer: Value = serde_json::from_str(text)?;
            return Ok((answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(), answer));
        }
        let (mut said, mut counted) = (String::new(), Value::Null);
        for event in text.split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").context("an event without data")?;
            if data == "[DONE]" {
                break;
            }
            let event: Value = serde_json::from_str(data)?;
            said += event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
            if event["usage"].is_object() {
                counted = event;
            }
        }
        Ok((said, counted))
    }
}

/// How long a call took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    /// Until its first content was there.
    pub(crate) first: Duration,
    /// Until all was there.
    pub(crate) total: Duration,
}

/// A connection, and the answer that came last.
pub(crate) struct Connection {
    stream: TcpStream,
    raw: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, raw: Vec::with_capacity(64 * 1024), body: Vec::with_capacity(64 * 1024) })
    }

    /// Makes a call and reads its answer to the end.
    pub(crate) async fn call(&mut self, kind: Kind, request: &[u8]) -> anyhow::Result<Took> {
        self.raw.clear();
        self.body.clear();
        let began = now();
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let mut framing = Framing::read(&self.raw[..head])?;
        framing.at = head;
        let mut first = None;
        while !framing.take(&self.raw, &mut self.body)? {
            if first.is_none() && CONTENT.find(&self.body).is_some() {
                first = Some(began.elapsed());
            }
            self.fill().await?;
        }
        let total = began.elapsed();
        ensure!(framing.at == self.raw.len(), "bytes behind the end of the answer");
        kind.check(&self.body)?;
        Ok(Took { first: first.unwrap_or(total), total })
    }

    /// The body of the answer that came last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    async fn head(&mut self) -> anyhow::Result<usize> {
        loop {
            self.fill().await?;
            if let Some(end) = memmem::find(&self.raw, b"\r\n\r\n") {
                return Ok(end + 4);
            }
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        let length = self.stream.read_buf(&mut self.raw).await?;
        ensure!(length > 0, "the connection was closed before the end of the answer");
        Ok(())
    }
}

/// How a body is framed, and how much of it has been taken.
struct Framing {
    is_chunked: bool,
    /// Up to where the bytes are taken.
    at: usize,
    /// What is left of the body; when it is chunked, of the chunk and the two bytes behind it.
    left: usize,
    is_last: bool,
}

impl Framing {
    /// Reads a head that must say 200.
    fn read(head: &[u8]) -> anyhow::Result<Self> {
        let head = std::str::from_utf8(head)?;
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 200"), "the answer is {status:?}");
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                return Ok(Self { is_chunked: false, at: 0, left: value.parse()?, is_last: true });
            }
            if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                return Ok(Self { is_chunked: true, at: 0, left: 0, is_last: false });
            }
        }
        bail!("an answer without a length")
    }

    /// Moves what has come into `body`; whether that is all of it.
    fn take(&mut self, raw: &[u8], body: &mut Vec<u8>) -> anyhow::Result<bool> {
        let ending = if self.is_chunked { 2 } else { 0 };
        loop {
            let data = (raw.len() - self.at).min(self.left.saturating_sub(ending));
            body.extend_from_slice(&raw[self.at..self.at + data]);
            self.skip(data);
            let end = (raw.len() - self.at).min(self.left);
            self.skip(end);
            if self.left > 0 || self.is_last {
                return Ok(self.left == 0);
            }
            let Some(line) = memchr::memchr(b'\n', &raw[self.at..]) else { return Ok(false) };
            let size = std::str::from_utf8(&raw[self.at..self.at + line])?.trim_end();
            let size = usize::from_str_radix(size, 16).context("a chunk without a size")?;
            self.at += line + 1;
            self.left = size + ending;
            self.is_last = size == 0;
        }
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
        self.left -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of an answer that comes in two parts, and whether it was whole in the end.
    fn read(answer: &[u8], cut: usize) -> anyhow::Result<(Vec<u8>, bool)> {
        let head = memmem::find(answer, b"\r\n\r\n").context("no head")? + 4;
        let mut framing = Framing::read(&answer[..head])?;
        framing.at = head;
        let mut body = Vec::new();
        framing.take(&answer[..cut.max(head)], &mut body)?;
        let is_whole = framing.take(answer, &mut body)?;
        Ok((body, is_whole && framing.at == answer.len()))
    }

    #[test]
    fn a_body_is_read_however_it_comes() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nb\r\n to us all!\r\n0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\nhello to us all!",
        ] {
            for cut in 0..=answer.len() {
                let (body, is_whole) = read(answer, cut).expect("a well-formed answer");
                assert!(is_whole, "cut at {cut}");
                assert_eq!(body, b"hello to us all!", "cut at {cut}");
            }
            assert!(!read(&answer[..answer.len() - 1], 0).expect("a well-formed answer").1);
        }
    }

    #[test]
    fn only_a_200_with_a_length_counts() {
        for head in ["HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n{}"] {
            assert!(read(head.as_bytes(), 0).is_err(), "{head}");
        }
    }
}
