//! An app of each dialect: what it asks, and how it reads what it gets.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{self, Answer};

/// The dialect of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Chat Completions.
    Chat,
    /// Completions.
    Completions,
    /// Responses.
    Responses,
    /// Messages.
    Messages,
}

impl Asks {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Completions, Self::Responses, Self::Messages];

    /// Where it asks.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// A question to `gpt-4o`.
    pub fn body(self, stream: bool) -> Value {
        let messages = json!([{"role": "user", "content": "hi"}]);
        match self {
            Self::Chat => json!({"model": "gpt-4o", "stream": stream, "messages": messages}),
            Self::Completions => json!({"model": "gpt-4o", "stream": stream, "prompt": "hi"}),
            Self::Responses => json!({"model": "gpt-4o", "stream": stream, "input": "hi", "store": false}),
            Self::Messages => json!({"model": "gpt-4o", "stream": stream, "messages": messages, "max_tokens": 64}),
        }
    }

    /// The same question to another model.
    pub fn of(self, model: &str, stream: bool) -> Request<Full<Bytes>> {
        let mut body = self.body(stream);
        body["model"] = model.into();
        self.with(&body)
    }

    /// A question to `gpt-4o`, as it is sent.
    pub fn request(self, stream: bool) -> Request<Full<Bytes>> {
        self.with(&self.body(stream))
    }

    /// A question to `gpt-4o` with these fields besides, or in the place of its own. Null takes one out.
    pub fn also(self, fields: &Value, stream: bool) -> Request<Full<Bytes>> {
        let mut body = self.body(stream);
        let own = body.as_object_mut().expect("a body is an object");
        for (name, value) in fields.as_object().expect("fields are an object") {
            if value.is_null() {
                own.remove(name);
            } else {
                own.insert(name.clone(), value.clone());
            }
        }
        self.with(&body)
    }

    /// Any body, as it is sent.
    pub fn with(self, body: &Value) -> Request<Full<Bytes>> {
        client::post(self.path(), &[], body.to_string())
    }

    /// What the model said: of a whole answer, or of all events of a stream.
    pub fn said(self, answer: &Answer) -> String {
        if let Ok(whole) = serde_json::from_slice::<Value>(&answer.body) {
            let said = match self {
                Self::Chat => &whole["choices"][0]["message"]["content"],
                Self::Completions => &whole["choices"][0]["text"],
                Self::Responses => &whole["output"][0]["content"][0]["text"],
                Self::Messages => &whole["content"][0]["text"],
            };
            return said.as_str().unwrap_or_default().to_owned();
        }
        let piece = |(name, event): (String, Value)| {
            let text = match self {
                Self::Chat => &event["choices"][0]["delta"]["content"],
                Self::Completions => &event["choices"][0]["text"],
                Self::Responses if name == "response.output_text.delta" => &event["delta"],
                Self::Messages if name == "content_block_delta" => &event["delta"]["text"],
                Self::Responses | Self::Messages => &Value::Null,
            };
            text.as_str().map(str::to_owned)
        };
        answer.named_events().into_iter().filter_map(piece).collect()
    }

    /// Whether a stream says that it has ended well.
    pub fn ends_well(self, answer: &Answer) -> bool {
        let has = |end: &str| answer.named_events().iter().any(|(name, _)| name == end);
        match self {
            Self::Chat | Self::Completions => answer.text().ends_with("data: [DONE]\n\n"),
            Self::Responses => has("response.completed"),
            Self::Messages => has("message_stop"),
        }
    }

    /// The error in a body, which must have the dialect's shape.
    pub fn error(self, answer: &Answer) -> Value {
        let body = answer.json();
        let shape = (body["type"] == "error", body["request_id"].is_string());
        assert_eq!(shape, (self == Self::Messages, self == Self::Messages), "{self:?}: {body}");
        let error = body["error"].clone();
        let is_told = error["message"].as_str().is_some_and(|message| message.len() > 10);
        assert!(is_told && error["type"].is_string(), "{self:?}: {body}");
        assert!(self == Self::Messages || error.get("param").is_some(), "{self:?}: {body}");
        error
    }

    /// The error that is a stream's last word, which must have the dialect's shape.
    pub fn last_error(self, answer: &Answer) -> Value {
        let mut events = answer.named_events();
        assert!(!self.ends_well(answer), "{self:?}: {}", answer.text());
        let (name, event) = events.pop().expect("an event");
        let error = match self {
            Self::Responses => {
                assert_eq!((name.as_str(), &event["response"]["status"]), ("response.failed", &json!("failed")));
                event["response"]["error"].clone()
            }
            Self::Messages => {
                assert_eq!((name.as_str(), &event["type"]), ("error", &json!("error")), "{}", answer.text());
                event["error"].clone()
            }
            Self::Chat | Self::Completions => {
                assert_eq!(name, "", "{}", answer.text());
                event["error"].clone()
            }
        };
        assert!(error["message"].is_string(), "{self:?}: {}", answer.text());
        error
    }
}
