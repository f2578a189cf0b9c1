//! What the targets share: dialects drawn by a byte, and what must hold of everything that is written.

use bytes::Bytes;
use lotse_sidecar::format::answer::Told;
use lotse_sidecar::format::event::{ModelEvent, RawEvent};
use lotse_sidecar::format::{Format, Malformed, Reader, Writer};
use lotse_sidecar::sse::{self, Splitter};
use serde_json::{Map, Value};

/// Dialects of callers.
pub const CALLERS: [Format; 4] = [Format::Chat, Format::Completions, Format::Responses, Format::Messages];

/// Dialects of providers.
pub const PROVIDERS: [Format; 5] =
    [Format::Chat, Format::Responses, Format::Messages, Format::Gemini, Format::Converse];

/// What a byte draws from a list, and the bytes behind it.
pub fn draw<'d, T: Copy>(data: &'d [u8], list: &[T]) -> Option<(T, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    Some((list[usize::from(*first) % list.len()], rest))
}

/// What a writer is told.
pub fn told() -> Told {
    Told {
        id: "0a1b2c".to_owned(),
        created: 1_700_000_000,
        model: "m".to_owned(),
        provider: "team/p".to_owned(),
        include_usage: true,
        custom_tools: vec!["c".to_owned()],
        echo: Map::new(),
    }
}

/// Server-sent events of these bytes; nothing if the last one has no end.
pub fn events(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut splitter = Splitter::default();
    let found = splitter.push(Bytes::copy_from_slice(bytes)).ok()?;
    let mut start = 0;
    let whole = found.ends.iter().map(|end| found.bytes[std::mem::replace(&mut start, *end)..*end].to_vec());
    let whole = whole.collect();
    (!splitter.has_rest()).then_some(whole)
}

/// Reads a stream of a dialect. Gives what was read before it broke, if it did.
pub fn read_stream(provider: Format, events: &[Vec<u8>]) -> (Vec<ModelEvent>, Result<(), Malformed>) {
    let mut reader = Reader::new(provider, 7);
    let mut read = Vec::new();
    for event in events {
        let Some(data) = sse::data(event) else { continue };
        if let Err(malformed) = reader.read(RawEvent { name: sse::name(event), data: &data }, &mut read) {
            return (read, Err(malformed));
        }
    }
    let closed = reader.close(&mut read);
    (read, closed)
}

/// Writes a stream for a caller.
pub fn write_stream(caller: Format, events: &[ModelEvent]) -> Vec<u8> {
    let mut writer = Writer::new(caller, told());
    let mut written = Vec::new();
    events.iter().for_each(|event| writer.write(event.clone(), &mut written));
    written
}

/// Whether these are whole events, each of JSON, or Chat's last word.
pub fn assert_stream(written: &[u8]) -> Vec<Vec<u8>> {
    let events = events(written).expect("every event that is written has an end");
    for event in &events {
        let data = sse::data(event).expect("every event that is written has data");
        let is_json = serde_json::from_slice::<Value>(&data).is_ok_and(|value| value.is_object());
        assert!(is_json || &data[..] == b"[DONE]", "{}", String::from_utf8_lossy(&data));
    }
    events
}
