//! Puts routing metadata into a stream that is in the caller's dialect, once, where OpenRouter has it: of Chat and
//! Completions in the chunk that counts, or in one of its own before `[DONE]`; of Responses in the response that its last
//! event has; of Messages in `message_stop`, which its description and documentation name; and beside an error. Pure; `stream`
//! hands it all that goes out.

use bytes::Bytes;
use lotse_crds::body::{self, Change};
use serde_json::{Map, Value, json};

use super::Metadata;
use crate::format::Format;
use crate::frames;
use crate::passed;
use crate::sse::{self, Events, Splitter};

/// What all chunks of a stream say alike.
const HEAD: [&str; 5] = ["id", "object", "created", "model", "provider"];

/// Tells an app in its stream how the call was routed.
#[derive(Debug)]
pub struct Telling {
    metadata: Metadata,
    caller: Format,
    /// What a chunk of our own says as the others do.
    head: Map<String, Value>,
    is_told: bool,
}

impl Telling {
    /// A stream that begins.
    pub fn new(metadata: Metadata, caller: Format) -> Self {
        Self { metadata, caller, head: Map::new(), is_told: false }
    }

    /// Whole events as they go out.
    pub fn frame(&mut self, frame: Bytes) -> Bytes {
        if self.is_told {
            return frame;
        }
        let Ok(Events { bytes, ends }) = Splitter::default().push(frame.clone()) else { return frame };
        let mut out = Vec::with_capacity(frame.len() + self.metadata.0.len() + 256);
        let mut start = 0;
        for end in ends {
            self.event(&bytes[start..end], &mut out);
            start = end;
        }
        // Of an event that ends with a carriage return, the splitter does not know that it has ended.
        self.event(&frame[start..], &mut out);
        Bytes::from(out)
    }

    fn event(&mut self, event: &[u8], out: &mut Vec<u8>) {
        if let Some(data) = sse::data(event).filter(|_| !self.is_told) {
            if self.is_end(&data) {
                self.is_told = true;
                frames::write(out, None, &self.own_chunk());
            } else if let Some(changed) = self.changed(&data) {
                self.is_told = true;
                frames::write(out, sse::name(event), &changed);
                return;
            }
        }
        out.extend_from_slice(event);
    }

    fn is_end(&self, data: &[u8]) -> bool {
        match self.caller {
            Format::Chat | Format::Completions | Format::Gemini | Format::Converse => data == b"[DONE]",
            Format::Responses | Format::Messages => false,
        }
    }

    /// The data of an event with the metadata in it; nothing if its place is elsewhere.
    fn changed(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let said: Value = serde_json::from_slice(data).ok()?;
        let kind = said["type"].as_str().unwrap_or_default();
        let is_place = match self.caller {
            Format::Responses if said["response"].is_object() => {
                return if is_last(kind) { self.in_response(data) } else { None };
            }
            Format::Responses => kind == "error",
            Format::Messages => matches!(kind, "message_stop" | "error"),
            Format::Chat | Format::Completions | Format::Gemini | Format::Converse => {
                self.keep_head(&said);
                counts_at_the_end(&said) || said.get("error").is_some_and(|error| !error.is_null())
            }
        };
        if is_place { self.metadata.put_into(data) } else { None }
    }

    fn in_response(&self, data: &[u8]) -> Option<Vec<u8>> {
        let outer = body::outline(data).ok()?;
        let json = self.metadata.put_into(outer.value(data, "response")?)?;
        Some(passed::rewritten(data, &outer, vec![Change { key: "response", json }]))
    }

    fn keep_head(&mut self, said: &Value) {
        if self.head.is_empty() {
            let kept = HEAD.iter().filter_map(|key| Some(((*key).to_owned(), said.get(key)?.clone())));
            self.head.extend(kept);
        }
    }

    fn own_chunk(&self) -> Vec<u8> {
        let mut chunk = self.head.clone();
        chunk.insert("choices".to_owned(), json!([]));
        let chunk = Value::Object(chunk).to_string().into_bytes();
        self.metadata.put_into(&chunk).unwrap_or(chunk)
    }
}

/// Whether an event is the last of a stream of Responses.
fn is_last(kind: &str) -> bool {
    matches!(kind, "response.completed" | "response.incomplete" | "response.failed")
}

/// Whether a chunk has the usage of the whole answer. Some servers count in every chunk as they go.
fn counts_at_the_end(said: &Value) -> bool {
    let has_more = |choice: &Value| choice["finish_reason"].is_null();
    said["usage"].is_object() && !said["choices"].as_array().is_some_and(|choices| choices.iter().any(has_more))
}

#[cfg(test)]
mod tests;
