//! Writes an answer for a caller.

use std::borrow::Cow;

use crate::format::answer::{Citation, ModelAnswer, Said, Told, Usage};
use crate::format::call::{Thinking, ToolCall};
use crate::format::error::{self, ErrorClass};
use crate::format::function::unwrapped;
use crate::format::responses::output::{self, Annotation, Item, Part, Summary};
use crate::format::responses::snapshot::{self, Base, Ending, Now};

/// What the items are written into.
struct Items<'t> {
    told: &'t Told,
    written: Vec<Vec<u8>>,
}

/// Writes the body. Of several answers only the first has a place in this dialect, and no call can ask for more.
pub fn write(answer: &ModelAnswer, told: &Told) -> Vec<u8> {
    let ModelAnswer { id, model, created, choices, usage, service_tier } = answer;
    let base = Base::new(told, id.as_deref(), model.as_deref(), created.unwrap_or(told.created));
    let choice = choices.first();
    let ending = Ending::of(choice.and_then(|choice| choice.stop.as_ref()));
    let mut items = Items { told, written: Vec::new() };
    if let Some(choice) = choice {
        items.all(&choice.parts, output::logprobs(choice.logprobs.as_ref()), ending.item);
    }
    let none = Usage::default();
    let now = Now {
        status: ending.status,
        error: ending.failed.as_deref().map(|message| (error::response_code(ErrorClass::Server), message)),
        incomplete: ending.incomplete,
        usage: Some(usage.as_ref().unwrap_or(&none)),
        service_tier: service_tier.as_deref().and_then(tier),
    };
    let mut out = Vec::new();
    base.write(&now, items.written.iter().map(Vec::as_slice), &mut out);
    out
}

/// The tier, if this dialect knows the word.
fn tier(tier: &str) -> Option<&str> {
    match tier {
        "standard" => Some("default"),
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" | "ultrafast" => Some(tier),
        _ => None,
    }
}

impl Items<'_> {
    /// Texts and refusals in a row are one message; only the last item can be incomplete.
    fn all(&mut self, parts: &[Said], logprobs: &[serde_json::Value], last: &'static str) {
        let mut rest = parts;
        while let Some((first, behind)) = rest.split_first() {
            let words = rest.iter().take_while(|said| matches!(said, Said::Text { .. } | Said::Refusal(_))).count();
            let after = if words == 0 { behind } else { &rest[words..] };
            let status = if after.is_empty() { last } else { "completed" };
            match first {
                Said::Text { .. } | Said::Refusal(_) => self.message(&rest[..words], logprobs, status),
                Said::Thinking(thinking) => self.thinking(thinking),
                Said::ToolCall(call) => self.call(call, status),
            }
            rest = after;
        }
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.told.id, self.written.len())
    }

    fn push(&mut self, item: &Item<'_>) {
        let mut bytes = Vec::new();
        snapshot::json(&mut bytes, item);
        self.written.push(bytes);
    }

    fn message(&mut self, words: &[Said], mut logprobs: &[serde_json::Value], status: &'static str) {
        let id = self.id("msg");
        let mut content = Vec::with_capacity(words.len());
        for said in words {
            match said {
                Said::Text { text, citations } => {
                    content.push(Part::OutputText { text, annotations: annotations(citations), logprobs });
                    // They are for the answer as a whole; the first text has them.
                    logprobs = &[];
                }
                Said::Refusal(refusal) => content.push(Part::Refusal { refusal }),
                Said::Thinking(_) | Said::ToolCall(_) => {}
            }
        }
        self.push(&Item::Message { id: &id, status, role: "assistant", content });
    }

    fn thinking(&mut self, thinking: &Thinking) {
        let Thinking { text, signature, redacted, id } = thinking;
        let made_up = self.id("rs");
        let encrypted = signature.as_ref().map(output::encrypted);
        // One empty summary says that the thoughts are proven but not shown.
        let summary = if *redacted && text.is_empty() { Vec::new() } else { vec![Summary { text }] };
        let id = id.as_deref().filter(|id| id.starts_with("rs_")).unwrap_or(&made_up);
        self.push(&Item::Reasoning { id, summary, encrypted_content: encrypted.as_deref() });
    }

    fn call(&mut self, call: &ToolCall, status: &'static str) {
        let ToolCall { id: call_id, name, arguments, custom, signature } = call;
        if let Some(signature) = signature {
            let id = self.id("rs");
            let encrypted = output::encrypted_for_call(signature);
            self.push(&Item::Reasoning { id: &id, summary: Vec::new(), encrypted_content: Some(&encrypted) });
        }
        let wrapped = !custom && self.told.custom_tools.contains(name);
        if *custom || wrapped {
            let id = self.id("ctc");
            let input = if wrapped { unwrapped(arguments) } else { Cow::Borrowed(arguments.as_str()) };
            self.push(&Item::CustomToolCall { id: &id, status, call_id, name, input: &input });
        } else {
            let id = self.id("fc");
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            self.push(&Item::FunctionCall { id: &id, status, call_id, name, arguments });
        }
    }
}

fn annotations(citations: &[Citation]) -> Vec<Annotation<'_>> {
    citations.iter().map(Annotation::of).collect()
}
