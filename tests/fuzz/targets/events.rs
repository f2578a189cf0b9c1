//! Streams: what any provider's reader makes of server-sent events, every caller's writer writes as events of JSON that its
//! own reader takes to the end, with the same words and calls.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lotse_fuzz::{CALLERS, PROVIDERS, assert_stream, draw, events, read_stream, write_stream};
use lotse_sidecar::format::Format;
use lotse_sidecar::format::answer::Stop;
use lotse_sidecar::format::event::ModelEvent;

/// The words of the first choice, thoughts and calls of tools: what no dialect may change.
fn words(said: &[ModelEvent]) -> (String, String, Vec<String>) {
    let (mut text, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
    for event in said {
        match event {
            ModelEvent::Text { choice: 0, text: more, .. } | ModelEvent::Refusal { choice: 0, text: more } => {
                text += more
            }
            ModelEvent::Thinking { choice: 0, text } => thoughts += text,
            // A call of nothing is none.
            ModelEvent::ToolCall { choice: 0, name, .. } if !name.is_empty() => calls.push(name.clone()),
            _ => {}
        }
    }
    (text, thoughts, calls)
}

/// Why it was filtered is told as a refusal where there is none; a failure is told as one.
fn is_plain(said: &[ModelEvent]) -> bool {
    let other = |event: &ModelEvent| {
        matches!(
            event,
            ModelEvent::Stop { stop: Stop::Filtered(Some(_)) | Stop::Failed(_), .. } | ModelEvent::Failed(_)
        )
    };
    // What comes behind a choice's end has no place; no provider sends it.
    let end = said.iter().position(|event| matches!(event, ModelEvent::Stop { choice: 0, .. }));
    let late = end.is_some_and(|end| said[end..].iter().any(ModelEvent::is_content));
    !late && !said.iter().any(other)
}

fuzz_target!(|data: &[u8]| {
    let Some((provider, stream)) = draw(data, &PROVIDERS) else { return };
    let whole = [stream, b"\n\n"].concat();
    let Some(split) = events(&whole) else { return };
    let (said, outcome) = read_stream(provider, &split);
    let ends = said.iter().filter(|event| matches!(event, ModelEvent::End)).count();
    assert!(ends <= 1, "{said:?}");
    assert!(
        !matches!(said.iter().position(|event| *event == ModelEvent::End), Some(at) if at + 1 < said.len()),
        "{said:?}"
    );
    for caller in CALLERS {
        let written = assert_stream(&write_stream(caller, &said));
        let is_whole = outcome.is_ok() && ends == 1 && said.iter().all(|event| !matches!(event, ModelEvent::Failed(_)));
        if caller == Format::Completions || !is_whole {
            continue;
        }
        let (again, outcome) = read_stream(caller, &written);
        let is_failure = matches!(caller, Format::Responses | Format::Messages) && !is_plain(&said);
        assert!(outcome.is_ok() || is_failure, "{} {outcome:?} of {said:?}", caller.name());
        if is_plain(&said) {
            assert_eq!(words(&again), words(&said), "{}", caller.name());
        }
    }
});
