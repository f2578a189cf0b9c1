//! Framing: a stream gives the same events however it is cut into frames, and what is passed on as server-sent events says
//! the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lotse_fuzz::{draw, events};
use lotse_sidecar::format::event::RawEvent;
use lotse_sidecar::frames::{Frames, Framing};
use lotse_sidecar::sse;

const FRAMINGS: [Framing; 3] = [Framing::Sse, Framing::EventStream, Framing::InvokeModel];

type Read = (Vec<(Option<String>, Vec<u8>)>, bool);

/// The events of frames, and whether they were whole.
fn take(framing: Framing, frames: &[&[u8]]) -> Read {
    let mut read = Vec::new();
    let mut each = |event: RawEvent<'_>| {
        read.push((event.name.map(str::to_owned), event.data.to_vec()));
        Ok(())
    };
    let mut reader = Frames::new(framing);
    for frame in frames {
        if reader.take(Bytes::copy_from_slice(frame), &mut each).is_err() {
            return (read, false);
        }
    }
    let is_whole = reader.close(&mut each).is_ok();
    (read, is_whole)
}

/// JSON of one line as it is passed on.
fn pass(framing: Framing, stream: &[u8]) -> Option<Vec<Vec<u8>>> {
    let passed = Frames::new(framing).pass(Bytes::copy_from_slice(stream), &mut |_| Ok(None)).ok()?;
    let split = events(&passed.concat())?;
    Some(split.iter().filter_map(|event| Some(sse::data(event)?.into_owned())).collect())
}

fuzz_target!(|data: &[u8]| {
    let Some((framing, data)) = draw(data, &FRAMINGS) else { return };
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = take(framing, &[stream]);
    let cut = usize::from(*cut) % (stream.len() + 1);
    let halves = take(framing, &[&stream[..cut], &stream[cut..]]);
    assert_eq!(halves, whole, "cut at {cut}");
    let pieces: Vec<&[u8]> = stream.chunks(3).collect();
    assert_eq!(take(framing, &pieces), whole);
    if framing != Framing::Sse && whole.1 {
        let passed = pass(framing, stream).expect("what is passed on is whole");
        let data: Vec<Vec<u8>> = whole.0.into_iter().map(|(_, data)| data).collect();
        assert_eq!(passed, data);
    }
});
