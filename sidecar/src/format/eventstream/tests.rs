//! Frames cut anywhere, published vectors, and bytes that are no frames.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream as smithy;
use proptest::prelude::*;

use super::*;

/// A frame with these string headers.
pub(crate) fn frame(headers: &[(&'static str, &str)], payload: &[u8]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| {
        let value = HeaderValue::String(value.to_string().into());
        Header::new(*name, value)
    });
    let message = smithy::Message::new_from_parts(headers.collect(), payload.to_vec());
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a small message");
    bytes
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.as_bytes())
}

fn split(bytes: &[u8], size: usize) -> Result<Vec<Message>, Broken> {
    let mut splitter = Splitter::default();
    let mut messages = Vec::new();
    for piece in bytes.chunks(size) {
        splitter.push(piece, &mut messages)?;
    }
    splitter.close()?;
    Ok(messages)
}

fn stream() -> Vec<u8> {
    [event("messageStart", r#"{"role":"assistant"}"#), event("contentBlockStop", ""), event("metadata", "{}")].concat()
}

#[test]
fn messages_come_whole_however_the_bytes_are_cut() {
    let whole = split(&stream(), usize::MAX).expect("a good stream");
    let names: Vec<_> = whole.iter().map(|message| message.name.as_deref().unwrap_or_default()).collect();
    assert_eq!(names, ["messageStart", "contentBlockStop", "metadata"]);
    assert_eq!(whole[0].payload, r#"{"role":"assistant"}"#);
    for size in 1..stream().len() {
        assert_eq!(split(&stream(), size).expect("a good stream"), whole);
    }
}

#[test]
fn a_stream_that_ends_within_a_message_is_cut() {
    let bytes = stream();
    let mut ends = vec![0];
    for message in [event("messageStart", r#"{"role":"assistant"}"#), event("contentBlockStop", "")] {
        ends.push(ends.last().copied().unwrap_or(0) + message.len());
    }
    for end in 0..bytes.len() {
        let expected = if ends.contains(&end) { None } else { Some(Broken::Cut) };
        assert_eq!(split(&bytes[..end], 7).err(), expected, "{end}");
    }
}

#[test]
fn exceptions_and_errors_have_their_names() {
    let exception = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    let error = [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "it \"broke\"")];
    let bytes = [frame(&exception, br#"{"message":"slow down"}"#), frame(&error, b"")].concat();
    let messages = split(&bytes, 5).expect("good frames");
    assert_eq!(messages[0].kind, Kind::Exception);
    let expected = RawEvent { name: Some("throttlingException"), data: br#"{"message":"slow down"}"# };
    assert_eq!(messages[0].as_event(), expected);
    assert_eq!(messages[1].kind, Kind::Error);
    assert_eq!(messages[1].name.as_deref(), Some("InternalFailure"));
    assert_eq!(messages[1].payload, r#"{"message":"it \"broke\""}"#);
}

#[test]
fn a_message_that_is_too_large_is_refused_by_its_length_alone() {
    let mut splitter = Splitter::default();
    let mut messages = Vec::new();
    let length = u32::try_from(LARGEST_MESSAGE + 1).expect("fits");
    assert_eq!(splitter.push(&length.to_be_bytes(), &mut messages), Err(Broken::TooLarge));
    assert_eq!(splitter.push(&event("metadata", "{}"), &mut messages), Err(Broken::TooLarge));
    assert_eq!(splitter.close(), Err(Broken::TooLarge));
    assert!(messages.is_empty());
    assert_eq!(split(&[0, 0, 0, 15, 0, 0, 0, 0], 8), Err(Broken::Message));
}

#[test]
fn what_comes_before_a_broken_message_is_kept() {
    let mut bytes = stream();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let mut messages = Vec::new();
    assert_eq!(Splitter::default().push(&bytes, &mut messages), Err(Broken::Message));
    assert_eq!(messages.len(), 2);
}

#[test]
fn published_vectors_are_read_or_refused() {
    let Some(folder) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let folder = std::path::Path::new(&folder).join("eventstream/smithy-rs");
    let (mut good, mut bad) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the folder of vectors") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("a vector");
        for size in [1, 3, usize::MAX] {
            let messages = split(&bytes, size);
            assert_eq!(messages.is_ok(), name.starts_with("valid_"), "{name} in pieces of {size}");
            if let Ok(messages) = messages {
                assert_eq!(messages.len(), 1, "{name}");
                let expected: &[u8] = match name.as_str() {
                    "valid_empty_payload.bin" => b"",
                    "valid_no_headers.bin" => b"another test payload",
                    _ => b"some payload",
                };
                assert_eq!(messages[0].payload, expected, "{name}");
            }
        }
        if name.starts_with("valid_") { good += 1 } else { bad += 1 }
    }
    assert_eq!((good, bad), (3, 8));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
        let _ = split(&bytes, size);
    }

    #[test]
    fn any_headers_and_payload_with_a_good_prelude_never_panic(
        body in proptest::collection::vec(any::<u8>(), 4..100), headers in 0_u32..120,
    ) {
        let length = u32::try_from(PRELUDE + body.len()).expect("small");
        let mut bytes = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        let end = body.len() - 4;
        bytes.extend(&body[..end]);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        let _ = split(&bytes, usize::MAX);
    }
}
