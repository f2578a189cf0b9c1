//! Whole answers: what any provider's reader takes, every caller's writer writes as JSON that its own reader takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lotse_fuzz::{CALLERS, PROVIDERS, draw, told};
use lotse_sidecar::format::answer::Stop;
use lotse_sidecar::format::{Format, read_answer, write_answer};
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Some((provider, body)) = draw(data, &PROVIDERS) else { return };
    let Ok(answer) = read_answer(provider, body, 7) else { return };
    for caller in CALLERS {
        let written = write_answer(caller, &answer, &told());
        let read = serde_json::from_slice::<Map<String, Value>>(&written);
        assert!(read.is_ok(), "{} writes {}", caller.name(), String::from_utf8_lossy(&written));
        // An answer that failed is told as what it is, which no reader takes for an answer.
        let has_failed = answer.choices.iter().any(|choice| matches!(choice.stop, Some(Stop::Failed(_))));
        if has_failed && caller == Format::Responses {
            continue;
        }
        let again = read_answer(caller, &written, 7);
        assert!(again.is_ok(), "{} writes {} {again:?}", caller.name(), String::from_utf8_lossy(&written));
    }
});
