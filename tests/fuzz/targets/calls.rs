//! Calls: what any caller's reader takes, every provider's writer writes as JSON that the dialect's own reader takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lotse_fuzz::{CALLERS, PROVIDERS, draw};
use lotse_sidecar::format::loss::Losses;
use lotse_sidecar::format::{Format, read_call, write_call};
use serde_json::{Map, Value};

const MODELS: [&str; 6] = [
    "gpt-5.2",
    "claude-sonnet-4-5",
    "claude-opus-4-7",
    "gemini-2.5-pro",
    "eu.anthropic.claude-sonnet-4-6",
    "gemini-3-pro",
];

fuzz_target!(|data: &[u8]| {
    let Some((caller, body)) = draw(data, &CALLERS) else { return };
    let Some((model, body)) = draw(body, &MODELS) else { return };
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(body) else { return };
    let Ok(mut call) = read_call(caller, body) else { return };
    model.clone_into(&mut call.model);
    for provider in PROVIDERS {
        let mut losses = Losses::default();
        let written = write_call(provider, &call, &mut losses).expect("a provider's dialect");
        let body = serde_json::from_slice::<Map<String, Value>>(&written).expect("a call is a JSON object");
        let is_empty = call.turns.iter().all(|turn| turn.parts.is_empty()) || !losses.lost.is_empty();
        if matches!(provider, Format::Gemini | Format::Converse) || is_empty {
            continue;
        }
        let again = read_call(provider, body);
        assert!(again.is_ok(), "{} {again:?} of {}", provider.name(), String::from_utf8_lossy(&written));
    }
});
