//! Event-stream framing: cuts a byte stream into whole events, however the bytes arrive.
//! Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
//!
//! The bytes of an event are handed on as they came; nothing is decoded or copied but an event that a frame cut in two.

use bytes::{Bytes, BytesMut};

/// The largest event that is held; an image in base64 fits, an attack does not.
pub const LARGEST_EVENT: usize = 16 * 1024 * 1024;

/// Cuts frames into events.
#[derive(Debug, Default)]
pub struct Splitter {
    pending: BytesMut,
    cursor: Cursor,
}

/// Whole events that stand one behind the other, and where each ends.
#[derive(Debug, Default)]
pub struct Events {
    /// Their bytes.
    pub bytes: Bytes,
    /// The end of each.
    pub ends: Vec<usize>,
}

/// How far the unfinished event has been looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    line: usize,
    scan: usize,
}

/// An event grew beyond [`LARGEST_EVENT`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Splitter {
    /// Takes a frame and gives the events that are whole by now.
    pub fn push(&mut self, frame: Bytes) -> Result<Events, TooLarge> {
        let mut ends = Vec::new();
        let bytes = if self.pending.is_empty() {
            let mut rest = frame;
            self.find(&rest, &mut ends);
            let whole = rest.split_to(ends.last().copied().unwrap_or(0));
            self.pending.extend_from_slice(&rest);
            whole
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(&frame);
            self.find(&pending, &mut ends);
            let whole = pending.split_to(ends.last().copied().unwrap_or(0)).freeze();
            self.pending = pending;
            whole
        };
        if self.pending.len() > LARGEST_EVENT { Err(TooLarge) } else { Ok(Events { bytes, ends }) }
    }

    /// Whether there are bytes of an event that has not ended.
    pub fn has_rest(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The bytes of an event that only the end of the stream ends, if it has one.
    pub fn rest(&self) -> &[u8] {
        &self.pending
    }

    fn find(&mut self, bytes: &[u8], ends: &mut Vec<usize>) {
        let mut start = 0;
        while let Some(length) = self.cursor.event_end(&bytes[start..]) {
            start += length;
            ends.push(start);
        }
    }
}

impl Cursor {
    /// Where the first whole event ends, or nothing if there is none yet.
    fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(found) = memchr::memchr2(b'\n', b'\r', bytes.get(self.scan..)?) {
            let end = self.scan + found;
            let next = match (bytes[end], bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => end + 2,
                (b'\r', None) => {
                    // A line feed may follow in the next frame, and would belong to this line.
                    self.scan = end;
                    return None;
                }
                _ => end + 1,
            };
            let is_blank = end == self.line;
            *self = if is_blank { Self::default() } else { Self { line: next, scan: next } };
            if is_blank {
                return Some(next);
            }
        }
        self.scan = bytes.len();
        None
    }
}

/// The data of an event: its `data` lines, joined. Nothing if it has none, as a comment has not.
pub fn data(event: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let mut joined: Option<std::borrow::Cow<'_, [u8]>> = None;
    for line in lines(event) {
        let Some(rest) = line.strip_prefix(b"data") else { continue };
        let value = match rest {
            [] => rest,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            _ => continue,
        };
        joined = Some(match joined {
            None => value.into(),
            Some(before) => {
                let mut whole = before.into_owned();
                whole.push(b'\n');
                whole.extend_from_slice(value);
                whole.into()
            }
        });
    }
    joined
}

/// The name of an event: its last `event` line. Nothing if it has none, or an empty one.
pub fn name(event: &[u8]) -> Option<&str> {
    let named = lines(event).filter_map(|line| match line.strip_prefix(b"event:")? {
        [b' ', name @ ..] | name => std::str::from_utf8(name).ok(),
    });
    named.last().filter(|name| !name.is_empty())
}

fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let event = event.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event);
    // `\r\n` yields one empty line more, which has no field.
    event.split(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(frames: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for frame in frames {
            let found = splitter.push(Bytes::copy_from_slice(frame)).expect("small events");
            let mut start = 0;
            for end in found.ends {
                events.push(found.bytes[start..end].to_vec());
                start = end;
            }
            assert_eq!(start, found.bytes.len());
        }
        events
    }

    #[test]
    fn every_split_of_a_stream_gives_the_same_events() {
        for stream in [
            &b"data: a\n\ndata: b\ndata: c\n\n: comment\n\ndata: [DONE]\n\n"[..],
            b"data: a\r\n\r\ndata: b\r\ndata: c\r\n\r\n: comment\r\n\r\ndata: [DONE]\r\n\r\n",
            "event: x\ndata: \u{20ac}\n\n\n\ndata:y\n\n".as_bytes(),
        ] {
            let whole = events(&[stream]);
            assert_eq!(whole.concat(), stream);
            for cut in 0..=stream.len() {
                assert_eq!(events(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(events(&bytes), whole);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(1024)
        })]

        #[test]
        fn bytes_of_any_kind_are_cut_alike_however_they_arrive(
            stream in proptest::collection::vec(proptest::sample::select(b"\n\r: adt\xffx".to_vec()), 0..64),
            cut in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let cut = cut.index(stream.len() + 1);
            let whole = events(&[&stream]);

            proptest::prop_assert_eq!(&events(&[&stream[..cut], &stream[cut..]]), &whole);
            for event in &whole {
                let _ = data(event);
            }
            proptest::prop_assert!(stream.starts_with(&whole.concat()));
        }
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line_once_the_next_byte_is_known() {
        assert_eq!(events(&[b"data: a\r\rdata: b\r\r", b"x"]), [b"data: a\r\r", b"data: b\r\r"]);
    }

    #[test]
    fn data_lines_are_joined_and_comments_have_none() {
        assert_eq!(data(b"data: a\n\n").as_deref(), Some(&b"a"[..]));
        assert_eq!(data(b"data:a\r\ndata: b\r\n\r\n").as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n").as_deref(), Some(&b"a"[..]));
        assert_eq!(data(b": ping\n\n"), None);
        assert_eq!(data(b"database: x\n\n"), None);
        assert_eq!(data(b"data\n\n").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn the_last_name_of_an_event_counts() {
        assert_eq!(name(b"event: a\ndata: x\n\n"), Some("a"));
        assert_eq!(name(b"event:a\r\nevent: b\r\n\r\n"), Some("b"));
        assert_eq!(name(b"data: event: a\n\n"), None);
        assert_eq!(name(b"event: \n\n"), None);
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut splitter = Splitter::default();
        let frame = Bytes::from(vec![b'x'; 1024 * 1024]);
        let outcome: Vec<_> = (0..=16).map(|_| splitter.push(frame.clone()).is_ok()).collect();

        assert!(outcome[..16].iter().all(|ok| *ok));
        assert!(!outcome[16]);
    }
}
