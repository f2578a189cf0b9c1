//! What a translation costs: a call and its answer, and one chunk of a stream, for every two dialects, beside what it costs to
//! pass a call on.
//!
//! ```text
//! cargo run --release -p lotse-tests --bin bench-formats
//! ```
//!
//! Nothing but the translation is measured: bytes in memory become bytes in memory, on one thread.

mod samples;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use lotse_crds::body::{Change, Piece, scan};
use lotse_sidecar::format::event::{ModelEvent, RawEvent};
use lotse_sidecar::format::loss::Losses;
use lotse_sidecar::format::{Format, Reader, Writer, read_answer, read_call, write_answer, write_call};
use lotse_sidecar::sse::{self, Splitter};
use serde_json::{Map, Value};

use samples::{CHUNKS, Sample};

const CALLERS: [Format; 4] = [Format::Chat, Format::Completions, Format::Responses, Format::Messages];
const PROVIDERS: [Format; 5] = [Format::Chat, Format::Responses, Format::Messages, Format::Gemini, Format::Converse];

/// How often each is measured; the median of these counts.
const ROUNDS: usize = 2_000;
/// A call of 4 KB and its answer shall take no longer.
const LONGEST_CALL: Duration = Duration::from_micros(50);
/// A chunk shall take no longer.
const LONGEST_CHUNK: Duration = Duration::from_micros(5);

#[expect(clippy::disallowed_methods, reason = "time is what a benchmark measures")]
fn now() -> Instant {
    Instant::now()
}

/// The median of many rounds.
fn median(mut round: impl FnMut()) -> Duration {
    (0..ROUNDS / 10).for_each(|_| round());
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let began = now();
            round();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

/// A call from a caller's bytes to a provider's, and its answer back.
fn translate(caller: Format, provider: Format, call: &[u8], answer: &[u8]) {
    let body: Map<String, Value> = serde_json::from_slice(call).expect("an object");
    let mut call = read_call(caller, body).expect("a call");
    "model".clone_into(&mut call.model);
    let mut losses = Losses::default();
    black_box(write_call(provider, &call, &mut losses).expect("a provider's dialect"));
    let answer = read_answer(provider, answer, 7).expect("an answer");
    black_box(write_answer(caller, &answer, &samples::told()));
}

/// A call that is scanned and gets another model.
fn pass(call: &[u8]) {
    let scanned = scan(call).expect("a body");
    let pieces = scanned.rewrite(call, vec![Change::new("model", &"other")]);
    let mut written = Vec::with_capacity(call.len() + 16);
    for piece in &pieces {
        written.extend_from_slice(match piece {
            Piece::Kept(range) => &call[range.clone()],
            Piece::New(bytes) => bytes,
        });
    }
    black_box(written);
}

/// A stream, chunk by chunk as it would come.
fn stream(caller: Format, provider: Format, chunks: &[(Option<String>, Vec<u8>)]) {
    let mut reader = Reader::new(provider, 7);
    let mut writer = Writer::new(caller, samples::told());
    let (mut events, mut written) = (Vec::<ModelEvent>::new(), Vec::new());
    for (name, data) in chunks {
        reader.read(RawEvent { name: name.as_deref(), data }, &mut events).expect("an event");
        events.drain(..).for_each(|event| writer.write(event, &mut written));
        black_box(&written);
        written.clear();
    }
    reader.close(&mut events).expect("a whole stream");
    events.drain(..).for_each(|event| writer.write(event, &mut written));
    black_box(&written);
}

/// A stream that is only cut into events and looked at.
fn pass_stream(frames: &[bytes::Bytes]) {
    let mut splitter = Splitter::default();
    for frame in frames {
        let events = splitter.push(frame.clone()).expect("small events");
        black_box(sse::data(&events.bytes));
    }
}

fn main() -> io::Result<()> {
    let samples: Vec<_> = PROVIDERS.into_iter().map(|provider| (provider, Sample::of(provider))).collect();
    let mut text = format!("medians of {ROUNDS} rounds, µs\n\n{:<26}{:>14}{:>14}\n", "", "call + answer", "chunk");
    let mut slow = Vec::new();
    for caller in CALLERS {
        let call = samples::call(caller);
        let frames = samples::frames();
        let passed = [median(|| pass(&call)), per_chunk(median(|| pass_stream(&frames)))];
        line(&mut text, &format!("{} passed on", caller.name()), passed);
        for (provider, sample) in &samples {
            let times = [
                median(|| translate(caller, *provider, &call, &sample.answer)),
                per_chunk(median(|| stream(caller, *provider, &sample.chunks))),
            ];
            let name = format!("{} → {}", caller.name(), provider.name());
            line(&mut text, &name, times);
            if times[0] > LONGEST_CALL || times[1] > LONGEST_CHUNK {
                slow.push(name);
            }
        }
    }
    let verdict = if slow.is_empty() { "ok".to_owned() } else { format!("missed by {}", slow.join(", ")) };
    let _ = writeln!(
        text,
        "\naim: {} µs a call, {} µs a chunk: {verdict}",
        LONGEST_CALL.as_micros(),
        LONGEST_CHUNK.as_micros()
    );
    io::stdout().write_all(text.as_bytes())
}

fn per_chunk(stream: Duration) -> Duration {
    stream / u32::try_from(CHUNKS).expect("a small number")
}

fn line(text: &mut String, name: &str, [call, chunk]: [Duration; 2]) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let _ = writeln!(text, "{name:<26}{:>14.1}{:>14.2}", micros(call), micros(chunk));
}
