//! Reads a provider's stream. Called by the pipeline, event by event.
//! Source: OpenAI API specification 2.3.0; where others deviate, as recorded.

use serde::Deserialize;
use serde_json::Value;

use super::calls::{Calls, Ids};
use crate::format::answer::Stop;
use crate::format::chat::annotations::{self, Annotation, Source};
use crate::format::chat::lenient::{Chunk, Count, Words};
use crate::format::chat::logprobs;
use crate::format::chat::stop;
use crate::format::chat::thoughts::{self, Detail};
use crate::format::chat::tool_calls::{Fragment, Function};
use crate::format::chat::usage::Counted;
use crate::format::error::{self, ProviderError};
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::{Format, Malformed};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Frame<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    object: Words<'a>,
    #[serde(borrow)]
    model: Words<'a>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Counted>,
    x_groq: Option<Groq>,
    /// Perplexity.
    #[serde(borrow)]
    citations: Option<Vec<Words<'a>>>,
    /// Perplexity.
    #[serde(borrow)]
    search_results: Option<Vec<Source<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Option<Counted>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    index: Count,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Words<'a>,
    logprobs: Option<Value>,
    /// vLLM: the stop text, or the number of a token.
    stop_reason: Option<Value>,
    /// SGLang: the same.
    matched_stop: Option<Value>,
    /// Moonshot.
    usage: Option<Counted>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Words<'a>,
    #[serde(borrow)]
    refusal: Words<'a>,
    #[serde(borrow)]
    reasoning_content: Words<'a>,
    #[serde(borrow)]
    reasoning: Words<'a>,
    #[serde(borrow)]
    reasoning_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Fragment<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    annotations: Option<Vec<Annotation<'a>>>,
}

/// Reads a provider's stream.
#[derive(Debug)]
pub struct Reader {
    seed: u64,
    calls: usize,
    has_started: bool,
    has_ended: bool,
    cited: usize,
    choices: Vec<Speaking>,
}

/// One choice as far as it is spoken.
#[derive(Debug, Default)]
struct Speaking {
    index: u32,
    /// Where thoughts stand that nothing has proved yet.
    unproven: Option<&'static str>,
    /// Thoughts beside `reasoning_details` that nothing has proved yet: an entry that says all of them again proves them.
    beside: String,
    calls: Calls,
    has_stopped: bool,
}

impl Reader {
    /// `seed` is chance for ids of tool calls that have none.
    pub fn new(seed: u64) -> Self {
        Self { seed, calls: 0, has_started: false, has_ended: false, cited: 0, choices: Vec::new() }
    }

    /// Reads an event.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let data = event.data.trim_ascii();
        if self.has_ended || data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            return self.done(out);
        }
        // Groq names its errors.
        let named = || (event.name == Some("error")).then(|| error::read_exception(Format::Chat, "error", data));
        if let Some(error) = error::read_event(Format::Chat, data).or_else(named) {
            self.fail(error, out);
            return Ok(());
        }
        let frame: Frame<'_> = match serde_json::from_slice(data) {
            Ok(frame) => frame,
            Err(_) if event.name.is_some_and(|name| name != "message") => return Ok(()),
            Err(_) => return Err(Malformed("an event that is no chunk of Chat Completions".to_owned())),
        };
        self.frame(frame, out);
        Ok(())
    }

    /// The transport has ended cleanly. Some servers do not say `[DONE]`; all say why an answer ended.
    pub fn close(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.has_ended {
            return Ok(());
        }
        if self.choices.is_empty() || !self.choices.iter().all(|choice| choice.has_stopped) {
            return Err(Malformed("a stream that was cut before its end".to_owned()));
        }
        self.done(out)
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ModelEvent>) {
        self.has_ended = true;
        out.push(ModelEvent::Failed(error));
    }

    fn done(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.choices.is_empty() {
            return Err(Malformed("a stream without an answer".to_owned()));
        }
        self.has_ended = true;
        for choice in self.choices.iter_mut().filter(|choice| !choice.has_stopped) {
            let stop = if choice.calls.any() { Stop::ToolUse } else { Stop::End };
            choice.stop(stop, out);
        }
        out.push(ModelEvent::End);
        Ok(())
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) {
        let choices = frame.choices.unwrap_or_default();
        // Azure's first chunk names nothing and holds no choice.
        if !self.has_started && (!choices.is_empty() || frame.id.text().is_some()) {
            self.has_started = true;
            out.push(ModelEvent::Start { id: frame.id.owned(), model: frame.model.owned() });
        }
        let mut counted = frame.usage.or_else(|| frame.x_groq.and_then(|groq| groq.usage));
        let sources = annotations::sources(frame.search_results.as_deref(), frame.citations.as_deref());
        for mut choice in choices {
            counted = counted.or_else(|| choice.usage.take());
            self.choice(&mut choice, out);
            let first = self.choices.first().map_or(0, |choice| choice.index);
            for citation in sources.iter().skip(self.cited) {
                out.push(ModelEvent::Citation { choice: first, citation: citation.clone() });
            }
            self.cited = self.cited.max(sources.len());
            self.stop(&choice, out);
        }
        if let Some(counted) = counted.filter(|_| self.has_started) {
            out.push(ModelEvent::Usage(counted.usage()));
        }
    }

    /// The choice of this index, and the counter of calls.
    fn speaking(&mut self, index: Count) -> (&mut Speaking, &mut usize) {
        let index = u32::try_from(index.0).unwrap_or(u32::MAX);
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.choices.push(Speaking { index, ..Speaking::default() });
            self.choices.len() - 1
        });
        (&mut self.choices[at], &mut self.calls)
    }

    fn choice(&mut self, choice: &mut Choice<'_>, out: &mut Vec<ModelEvent>) {
        let seed = self.seed;
        let (speaking, count) = self.speaking(choice.index);
        let Some(delta) = choice.delta.as_ref().filter(|_| !speaking.has_stopped) else {
            return;
        };
        speaking.think(delta, out);
        speaking.speak(delta, choice.logprobs.take(), out);
        for citation in delta.annotations.iter().flatten().filter_map(Annotation::citation) {
            out.push(ModelEvent::Citation { choice: speaking.index, citation });
        }
        for fragment in delta.tool_calls.iter().flatten() {
            speaking.prove(out);
            speaking.calls.take(fragment, &mut Ids { choice: speaking.index, seed, count }, out);
        }
        if let Some(function) = &delta.function_call {
            speaking.prove(out);
            let fragment = Fragment::of_function(function.clone());
            speaking.calls.take(&fragment, &mut Ids { choice: speaking.index, seed, count }, out);
        }
    }

    fn stop(&mut self, choice: &Choice<'_>, out: &mut Vec<ModelEvent>) {
        let (speaking, _) = self.speaking(choice.index);
        let matched = [&choice.stop_reason, &choice.matched_stop].into_iter().flatten().find_map(Value::as_str);
        let stop = stop::read(&choice.finish_reason.flat(), matched, speaking.calls.any());
        if let Some(stop) = stop.filter(|_| !speaking.has_stopped) {
            speaking.stop(stop, out);
        }
    }
}

impl Speaking {
    /// Thoughts. `reasoning` says the same as the texts of `reasoning_details`; only the latter prove them.
    fn think(&mut self, delta: &Delta<'_>, out: &mut Vec<ModelEvent>) {
        let details = delta.reasoning_details.as_deref().unwrap_or_default();
        let beside =
            [(&delta.reasoning_content, thoughts::IN_REASONING_CONTENT), (&delta.reasoning, thoughts::IN_REASONING)];
        let beside = beside.into_iter().find_map(|(words, place)| Some((words.text()?, place)));
        if let Some((text, place)) = beside {
            self.thought(text, place, out);
            self.beside.push_str(text);
        }
        for detail in details {
            if let Some(text) = detail.words().filter(|text| beside.is_none() && *text != self.beside) {
                self.thought(text, thoughts::IN_REASONING, out);
            }
            if let Some((signature, redacted)) = detail.signature() {
                self.unproven = None;
                self.beside.clear();
                out.push(ModelEvent::Signature { choice: self.index, signature, redacted });
            }
        }
    }

    fn thought(&mut self, text: &str, place: &'static str, out: &mut Vec<ModelEvent>) {
        self.unproven = Some(place);
        out.push(ModelEvent::Thinking { choice: self.index, text: text.to_owned() });
    }

    /// Says where the thoughts stood before anything else is said, if nothing has proved them.
    fn prove(&mut self, out: &mut Vec<ModelEvent>) {
        if let Some(place) = self.unproven.take() {
            self.beside.clear();
            let signature = thoughts::place(place);
            out.push(ModelEvent::Signature { choice: self.index, signature, redacted: false });
        }
    }

    fn speak(&mut self, delta: &Delta<'_>, logprobs: Option<Value>, out: &mut Vec<ModelEvent>) {
        match &delta.content {
            Words::Nothing => {}
            Words::Text(text) => self.say(text, logprobs, out),
            Words::Chunks(chunks) => chunks.iter().for_each(|chunk| self.chunk(chunk, out)),
        }
        if let Some(text) = delta.refusal.owned() {
            self.prove(out);
            out.push(ModelEvent::Refusal { choice: self.index, text });
        }
    }

    fn say(&mut self, text: &str, logprobs: Option<Value>, out: &mut Vec<ModelEvent>) {
        if !text.is_empty() {
            self.prove(out);
            let logprobs = logprobs.and_then(logprobs::read);
            out.push(ModelEvent::Text { choice: self.index, text: text.to_owned(), logprobs });
        }
    }

    /// A chunk of Mistral's content.
    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Vec<ModelEvent>) {
        if let Some(text) = chunk.text.text() {
            self.say(text, None, out);
        } else {
            let text = chunk.thinking.flat();
            if !text.is_empty() {
                self.thought(&text, thoughts::IN_CONTENT, out);
            }
        }
    }

    fn stop(&mut self, stop: Stop, out: &mut Vec<ModelEvent>) {
        self.prove(out);
        self.calls.close(self.index, out);
        self.has_stopped = true;
        out.push(ModelEvent::Stop { choice: self.index, stop });
    }
}
