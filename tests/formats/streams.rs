//! Streams from bytes to events and back.

use bytes::Bytes;
use lotse_sidecar::format::answer::Told;
use lotse_sidecar::format::event::{ModelEvent, RawEvent};
use lotse_sidecar::format::{Format, Malformed, Reader, Writer};
use lotse_sidecar::sse::{self, Splitter};

/// An event as it came: its name and its data.
pub(crate) type Raw = (Option<String>, Vec<u8>);

/// What a writer is told.
pub(crate) fn told() -> Told {
    Told {
        id: "0a1b2c".to_owned(),
        created: 1_700_000_000,
        model: "m".to_owned(),
        provider: "team/p".to_owned(),
        include_usage: true,
        ..Told::default()
    }
}

/// A stream for a caller.
pub(crate) fn write(caller: Format, events: &[ModelEvent]) -> Vec<u8> {
    let mut writer = Writer::new(caller, told());
    let mut written = Vec::new();
    for event in events {
        writer.write(event.clone(), &mut written);
    }
    written
}

/// The events of server-sent bytes, which must be whole.
pub(crate) fn split(stream: &[u8]) -> Vec<Raw> {
    let mut splitter = Splitter::default();
    let found = splitter.push(Bytes::copy_from_slice(stream)).expect("small events");
    assert!(!splitter.has_rest(), "an event has no end");
    let mut start = 0;
    let events = found.ends.iter().map(|end| &found.bytes[std::mem::replace(&mut start, *end)..*end]);
    let raw = |event| Some((sse::name(event).map(str::to_owned), sse::data(event)?.into_owned()));
    events.filter_map(raw).collect()
}

/// Reads a provider's stream to its end.
pub(crate) fn read(provider: Format, events: &[Raw]) -> Result<Vec<ModelEvent>, Malformed> {
    let mut reader = Reader::new(provider, 7);
    let mut read = Vec::new();
    for (name, data) in events {
        reader.read(RawEvent { name: name.as_deref(), data }, &mut read)?;
    }
    reader.close(&mut read)?;
    Ok(read)
}
