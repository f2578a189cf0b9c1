//! What providers of each dialect put on the wire, piece by piece: server-sent events, Gemini's bare JSON, and Bedrock's
//! binary event stream, framed here by hand so that no code of the sidecar's judges itself.

use serde_json::{Value, json};

use crate::provider::{Asked, FakeProvider, Step, chunk, last_chunk, response};

/// The dialect of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Bedrock's Converse.
    Bedrock,
}

impl Speaks {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::Gemini, Self::Bedrock];

    /// The lines of a provider's spec that say so.
    pub fn spec(self) -> &'static str {
        match self {
            Self::Anthropic => "vendor: anthropic",
            Self::Gemini => "vendor: google-gemini",
            Self::Bedrock => "vendor: aws-bedrock\nregion: eu-central-1",
        }
    }

    /// Where a provider is called.
    pub fn url(self, provider: &FakeProvider) -> String {
        let path = match self {
            Self::Anthropic | Self::Bedrock => "",
            Self::Gemini => "/v1beta",
        };
        format!("http://{}{path}", provider.address())
    }

    /// Whether a stream is asked for: only Anthropic has it in the body.
    pub fn wants_stream(self, asked: &Asked) -> bool {
        match self {
            Self::Anthropic => asked.wants_stream(),
            Self::Gemini => asked.head.contains(":streamGenerateContent?alt=sse "),
            Self::Bedrock => asked.head.contains("/converse-stream "),
        }
    }

    /// A provider that says `text`, whole or as a stream.
    pub async fn says(self, text: &'static str) -> FakeProvider {
        FakeProvider::plays(move |asked| {
            if self.wants_stream(asked) {
                self.stream(&[self.opening(), self.piece(text), self.ending()], Some(Step::Send(last_chunk())))
            } else {
                vec![Step::Send(response(200, &[], &self.whole(text).to_string()))]
            }
        })
        .await
    }

    /// A provider whose streams are these pieces, each an HTTP chunk, and then end cleanly.
    pub async fn streams(self, pieces: Vec<Vec<u8>>) -> FakeProvider {
        FakeProvider::plays(move |_| self.stream(&pieces, Some(Step::Send(last_chunk())))).await
    }

    /// The same, with a connection that breaks in place of a clean end.
    pub async fn breaks_off(self, pieces: Vec<Vec<u8>>) -> FakeProvider {
        FakeProvider::plays(move |_| self.stream(&pieces, Some(Step::Close))).await
    }

    fn stream(self, pieces: &[Vec<u8>], end: Option<Step>) -> Vec<Step> {
        let kind = match self {
            Self::Anthropic | Self::Gemini => "text/event-stream",
            Self::Bedrock => "application/vnd.amazon.eventstream",
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut steps = vec![Step::Send(head.into_bytes())];
        steps.extend(pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| Step::Send(chunk(piece))));
        steps.extend(end);
        steps
    }

    /// A whole answer: 10 tokens in, 5 out.
    pub fn whole(self, text: &str) -> Value {
        match self {
            Self::Anthropic => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "upstream",
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": 10, "output_tokens": 5},
            }),
            Self::Gemini => json!({
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
                "modelVersion": "upstream", "responseId": "r1",
            }),
            Self::Bedrock => json!({
                "output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {"latencyMs": 1},
            }),
        }
    }

    /// What stands before the first content.
    pub fn opening(self) -> Vec<u8> {
        match self {
            Self::Anthropic => [
                sse(
                    "message_start",
                    &json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
                    "role": "assistant", "model": "upstream", "content": [], "stop_reason": null,
                    "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
                ),
                sse(
                    "content_block_start",
                    &json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}}),
                ),
            ]
            .concat(),
            Self::Gemini => Vec::new(),
            Self::Bedrock => frame("event", "messageStart", br#"{"role":"assistant"}"#),
        }
    }

    /// Content.
    pub fn piece(self, text: &str) -> Vec<u8> {
        match self {
            Self::Anthropic => sse(
                "content_block_delta",
                &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            ),
            Self::Gemini => data(&json!({"candidates": [{"index": 0,
                "content": {"role": "model", "parts": [{"text": text}]}}], "modelVersion": "upstream"})),
            Self::Bedrock => frame(
                "event",
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"text": text}}).to_string().as_bytes(),
            ),
        }
    }

    /// What stands behind the last content: 10 tokens in, 5 out.
    pub fn ending(self) -> Vec<u8> {
        match self {
            Self::Anthropic => [
                sse("content_block_stop", &json!({"type": "content_block_stop", "index": 0})),
                sse(
                    "message_delta",
                    &json!({"type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 5}}),
                ),
                sse("message_stop", &json!({"type": "message_stop"})),
            ]
            .concat(),
            Self::Gemini => data(&json!({
                "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
            })),
            Self::Bedrock => [
                frame("event", "contentBlockStop", br#"{"contentBlockIndex":0}"#),
                frame("event", "messageStop", br#"{"stopReason":"end_turn"}"#),
                frame("event", "metadata", br#"{"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15}}"#),
            ]
            .concat(),
        }
    }

    /// That it went wrong in the middle; Gemini says so in bare JSON.
    pub fn error(self, message: &str) -> Vec<u8> {
        match self {
            Self::Anthropic => {
                sse("error", &json!({"type": "error", "error": {"type": "overloaded_error", "message": message}}))
            }
            Self::Gemini => {
                let error = json!({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}});
                format!("{error:#}\n\n").into_bytes()
            }
            Self::Bedrock => {
                let payload = json!({"message": message}).to_string();
                frame("exception", "serviceUnavailableException", payload.as_bytes())
            }
        }
    }

    /// A piece that is none.
    pub fn garbage(self) -> Vec<u8> {
        match self {
            Self::Anthropic => {
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"ind\n\n".to_vec()
            }
            Self::Gemini => b"data: {\"candidates\": [<html>\n\n".to_vec(),
            Self::Bedrock => {
                let mut broken = self.piece("never");
                let last = broken.len() - 6;
                broken[last] ^= 1;
                broken
            }
        }
    }

    /// The body of a refusal.
    pub fn refusal(self, message: &str) -> Value {
        match self {
            Self::Anthropic => {
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
            }
            Self::Gemini => json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}),
            Self::Bedrock => json!({"message": message}),
        }
    }
}

fn sse(name: &str, event: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {event}\n\n").into_bytes()
}

fn data(event: &Value) -> Vec<u8> {
    format!("data: {event}\r\n\r\n").into_bytes()
}

/// A message of AWS's event stream: two lengths and their checksum, headers, payload, and the checksum of all.
pub fn frame(kind: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    const TEXT: u8 = 7;
    let name_header = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let mut headers = Vec::new();
    for (key, value) in [(":message-type", kind), (name_header, name), (":content-type", "application/json")] {
        headers.push(u8::try_from(key.len()).expect("short"));
        headers.extend(key.as_bytes());
        headers.push(TEXT);
        headers.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).expect("short").to_be_bytes();
    let mut message = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}
