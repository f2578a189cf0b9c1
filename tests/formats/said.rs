//! What an answer says, whole or streamed, so that two can be compared.

use lotse_sidecar::format::Format;
use lotse_sidecar::format::answer::{Choice, ModelAnswer, Said, Stop, Usage};
use lotse_sidecar::format::event::ModelEvent;
use serde_json::Value;

/// What an answer comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) choices: Vec<One>,
    pub(crate) usage: Usage,
}

/// What one choice comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct One {
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) thinking: String,
    /// Id, name and arguments.
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) stop: Option<Stop>,
}

impl Sum {
    /// Of a whole answer.
    pub(crate) fn of(answer: &ModelAnswer) -> Self {
        let choices = answer.choices.iter().map(One::of).collect();
        Self { choices, usage: answer.usage.clone().unwrap_or_default() }
    }

    /// Of a stream.
    pub(crate) fn of_stream(events: &[ModelEvent]) -> Self {
        let mut sum = Self::default();
        let mut arguments: Vec<(u32, u32, String)> = Vec::new();
        for event in events {
            match event {
                ModelEvent::Text { choice, text, .. } => sum.at(*choice).text += text,
                ModelEvent::Refusal { choice, text } => sum.at(*choice).refusal += text,
                ModelEvent::Thinking { choice, text } => sum.at(*choice).thinking += text,
                ModelEvent::ToolCall { choice, index, id, name, .. } => {
                    sum.at(*choice).calls.push((id.clone(), name.clone(), Value::Null));
                    arguments.push((*choice, *index, String::new()));
                }
                ModelEvent::Arguments { choice, index, json } => {
                    let of_call = arguments.iter_mut().find(|(of, at, _)| (of, at) == (choice, index));
                    of_call.expect("a call before its arguments").2 += json;
                }
                ModelEvent::Stop { choice, stop } => sum.at(*choice).stop = Some(stop.clone()),
                ModelEvent::Usage(usage) => sum.usage = usage.clone(),
                ModelEvent::Start { .. }
                | ModelEvent::Signature { .. }
                | ModelEvent::Citation { .. }
                | ModelEvent::Failed(_)
                | ModelEvent::End => {}
            }
        }
        for (choice, index, text) in arguments {
            sum.at(choice).calls[index as usize].2 = json(&text);
        }
        sum
    }

    fn at(&mut self, choice: u32) -> &mut One {
        let at = choice as usize;
        if self.choices.len() <= at {
            self.choices.resize(at + 1, One::default());
        }
        &mut self.choices[at]
    }

    /// As much of it as a caller of this dialect is told.
    pub(crate) fn told_in(mut self, caller: Format) -> Self {
        if matches!(caller, Format::Responses | Format::Messages) {
            self.choices.truncate(1);
        }
        if self.choices.is_empty() {
            self.choices.push(One::default());
        }
        self.choices.iter_mut().for_each(|one| one.tell(caller));
        self.usage.cost = None;
        self
    }
}

impl One {
    fn of(choice: &Choice) -> Self {
        let mut one = Self { stop: choice.stop.clone(), ..Self::default() };
        for part in &choice.parts {
            match part {
                Said::Text { text, .. } => one.text += text,
                Said::Refusal(text) => one.refusal += text,
                Said::Thinking(thinking) => one.thinking += &thinking.text,
                Said::ToolCall(call) => one.calls.push((call.id.clone(), call.name.clone(), json(&call.arguments))),
            }
        }
        one
    }

    fn tell(&mut self, caller: Format) {
        if caller == Format::Completions {
            self.calls.clear();
            self.thinking.clear();
        }
        // A plain text, which a custom tool takes, is the one field of an object in dialects without custom tools.
        for (_, _, arguments) in self.calls.iter_mut().filter(|_| caller == Format::Messages) {
            if arguments.is_string() {
                *arguments = serde_json::json!({"input": arguments.take()});
            }
        }
        let is_refused = !self.refusal.is_empty();
        // Why it was filtered is told in words where there are no others; Responses has none.
        let why = match &self.stop {
            Some(Stop::Filtered(why)) => why.clone().unwrap_or_default(),
            _ => String::new(),
        };
        match caller {
            Format::Messages | Format::Completions => {
                let refusal = std::mem::take(&mut self.refusal);
                // Words of a refusal and its reason may be one.
                if refusal != why || caller == Format::Completions {
                    self.text += &refusal;
                }
            }
            Format::Chat | Format::Gemini | Format::Converse if self.refusal.is_empty() => self.refusal = why,
            Format::Responses | Format::Chat | Format::Gemini | Format::Converse => {}
        }
        self.stop = Some(match self.stop.take() {
            Some(Stop::Filtered(_)) => Stop::Filtered(None),
            // A failure has a word in Responses alone; elsewhere it is told as cut short.
            Some(Stop::Failed(_)) if caller == Format::Responses => Stop::Failed(String::new()),
            Some(Stop::Length | Stop::ContextWindow | Stop::Failed(_)) => Stop::Length,
            _ if is_refused && caller == Format::Messages => Stop::Filtered(None),
            Some(Stop::End | Stop::Sequence(_) | Stop::Pause | Stop::ToolUse) | None if !self.calls.is_empty() => {
                Stop::ToolUse
            }
            Some(Stop::End | Stop::Sequence(_) | Stop::Pause | Stop::ToolUse) | None => Stop::End,
        });
    }
}

/// Arguments as JSON; those that are none, as their text.
fn json(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(arguments).unwrap_or_else(|_| arguments.into())
}
