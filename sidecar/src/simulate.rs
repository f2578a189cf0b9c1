//! The simulated provider: answers inside the sidecar, as slow, wrong or cut as the manifest asks. Its answers go the
//! same way as everybody's: judged, observed, failed over.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lotse_crds::simulation::Simulation;
use lotse_crds::snapshot::Candidate;
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

/// What a simulated provider is asked.
pub struct Question<'a> {
    /// Who answers.
    pub candidate: &'a Candidate,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// How long the prompt is, in bytes; four count as a token.
    pub prompt_bytes: usize,
    /// When the answer is made, in seconds since 1970.
    pub created: i64,
}

/// A simulated answer: its status, and its body over time.
pub struct Simulated {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Script,
}

/// Pieces of a body, each with its time.
pub struct Script {
    pieces: VecDeque<(Duration, Bytes)>,
    is_cut: bool,
    start: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The script has been cut.
#[derive(Debug)]
pub struct ScriptCut;

/// Answers as `simulation` says. Each of the two draws is from 0 to 1.
pub fn answer(simulation: &Simulation, question: &Question<'_>, draws: (f64, f64), start: Instant) -> Simulated {
    let hits = |percent: Option<i32>, draw: f64| draw * 100.0 < f64::from(percent.unwrap_or(0));
    let thinking = Duration::from_millis(unsigned(simulation.first_content_milliseconds, 0));
    if hits(simulation.error_percent, draws.0) {
        let status = u16::try_from(simulation.error_status.unwrap_or(503)).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let body =
            json!({"error": {"message": "a simulated error", "type": "server_error", "param": null, "code": null}});
        let pieces = VecDeque::from([(thinking, Bytes::from(body.to_string()))]);
        let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        return Simulated { status, body: Script { pieces, is_cut: false, start, sleep: None } };
    }
    let candidate = question.candidate;
    let text = simulation
        .answer
        .clone()
        .unwrap_or_else(|| format!("This is {}, simulated by {}.", candidate.model, candidate.provider));
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let pace = simulation
        .tokens_per_second
        .map_or(Duration::ZERO, |rate| Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1).max(1));
    let usage = usage(question.prompt_bytes, words.len());
    let mut pieces = VecDeque::new();
    let mut is_cut = false;
    if question.stream {
        if hits(simulation.cut_percent, draws.1) {
            is_cut = true;
        }
        let cut_after = usize::try_from(simulation.cut_after_tokens.unwrap_or(3)).unwrap_or(0);
        pieces.push_back((thinking, event(question, &json!({"role": "assistant", "content": ""}), None)));
        let mut at = thinking;
        let count = if is_cut { cut_after } else { usize::MAX };
        for word in words.iter().take(count) {
            pieces.push_back((at, event(question, &json!({"content": word}), None)));
            at += pace;
        }
        if !is_cut {
            pieces.push_back((at, event(question, &json!({}), Some("stop"))));
            // It is not shown to an app that has not asked for it.
            let mut chunk = chunk(question);
            chunk["choices"] = json!([]);
            chunk["usage"] = usage;
            pieces.push_back((at, Bytes::from(format!("data: {chunk}\n\n"))));
            pieces.push_back((at, Bytes::from_static(b"data: [DONE]\n\n")));
        }
    } else {
        let mut answer = chunk(question);
        answer["object"] = json!("chat.completion");
        answer["choices"] = json!([{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "finish_reason": "stop",
        }]);
        answer["usage"] = usage;
        let writing = pace * u32::try_from(words.len()).unwrap_or(u32::MAX);
        pieces.push_back((thinking + writing, Bytes::from(answer.to_string())));
    }
    Simulated { status: StatusCode::OK, body: Script { pieces, is_cut, start, sleep: None } }
}

fn unsigned(value: Option<i32>, default: u64) -> u64 {
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default)
}

fn usage(prompt_bytes: usize, words: usize) -> Value {
    let prompt = prompt_bytes.div_ceil(4);
    json!({"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words})
}

fn chunk(question: &Question<'_>) -> Value {
    json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion.chunk",
        "created": question.created,
        "model": question.candidate.endpoint.upstream_model,
        "system_fingerprint": "fp_simulated",
    })
}

fn event(question: &Question<'_>, delta: &Value, finish_reason: Option<&str>) -> Bytes {
    let mut chunk = chunk(question);
    chunk["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish_reason}]);
    Bytes::from(format!("data: {chunk}\n\n"))
}

impl Script {
    /// The next piece, when its time has come.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ScriptCut>>> {
        let Some((at, _)) = self.pieces.front() else {
            return Poll::Ready(self.is_cut.then_some(Err(ScriptCut)));
        };
        let due = self.start + *at;
        if due > self.start {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.pieces.pop_front().map(|(_, piece)| Ok(piece)))
    }
}
