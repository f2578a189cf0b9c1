//! Reads a provider's stream. Items are told apart by their place, because some servers give an item a new id with every event;
//! what a server leaves out of its deltas is taken from the `done` events, what it leaves out of those from the last one.

use serde_json::Value;

use crate::format::answer::Stop;
use crate::format::call::Signature;
use crate::format::error::{self, ProviderError};
use crate::format::event::{ModelEvent, RawEvent};
use crate::format::function::made_up_id;
use crate::format::responses::answer::stop;
use crate::format::responses::wire::{self, Annotation, Event, Item, Part, Response};
use crate::format::{Format, Malformed};

/// Of which kind a piece of an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Summary,
    Raw,
}

/// A piece of an item: in which item, of which kind, the how many-th of its kind.
#[derive(Clone, Copy, Debug)]
struct At {
    item: Option<u64>,
    kind: Kind,
    index: u64,
}

/// What of a piece has been passed on.
#[derive(Debug)]
struct Piece {
    kind: Kind,
    index: u64,
    passed: String,
}

/// An item so far.
#[derive(Debug, Default)]
struct Place {
    output_index: u64,
    id: String,
    pieces: Vec<Piece>,
    citations: usize,
    /// The number of the call, if it is one, and what of its arguments has been passed on.
    call: Option<(u32, String)>,
    done: bool,
}

/// Whether an event holds the response as it has ended.
fn is_end(kind: &str) -> bool {
    matches!(kind, "response.completed" | "response.incomplete")
}

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub struct Reader {
    seed: u64,
    started: bool,
    over: bool,
    calls: u32,
    places: Vec<Place>,
}

impl Reader {
    /// A reader; `seed` is chance for the ids of calls that have none.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Reads one event.
    pub fn read(&mut self, event: RawEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        let data = event.data.trim_ascii();
        // OpenRouter ends with `[DONE]`, OpenAI without; neither says how the answer ended.
        if self.over || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if let Some(error) = error::read_event(Format::Responses, data) {
            self.fail(error, out);
            return Ok(());
        }
        let mut told: Event<'_> =
            serde_json::from_slice(data).map_err(|_| Malformed("an event that is no JSON object".to_owned()))?;
        let kind = std::mem::take(&mut told.kind);
        let kind = kind.get().or(event.name).unwrap_or_default();
        let status = told.response.as_ref().and_then(|response| response.status.get());
        let has_failed = matches!(kind, "response.failed" | "response.cancelled" | "error");
        if has_failed || is_end(kind) && matches!(status, Some("failed" | "cancelled")) {
            self.fail(error::read_exception(Format::Responses, kind, data), out);
        } else {
            self.event(kind, told, out);
        }
        Ok(())
    }

    /// The transport has ended cleanly.
    pub fn close(&mut self, _out: &mut Vec<ModelEvent>) -> Result<(), Malformed> {
        if self.over { Ok(()) } else { Err(Malformed("the stream ended before the answer did".to_owned())) }
    }

    fn event(&mut self, kind: &str, mut event: Event<'_>, out: &mut Vec<ModelEvent>) {
        let item = event.output_index;
        let piece = |kind, index: Option<u64>| At { item, kind, index: index.unwrap_or_default() };
        let (text, refusal) = (piece(Kind::Text, event.content_index), piece(Kind::Refusal, event.content_index));
        let (summary, raw) = (piece(Kind::Summary, event.summary_index), piece(Kind::Raw, event.content_index));
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => self.start(event.response.as_mut(), out),
            "response.output_text.delta" => {
                let logprobs = event.logprobs.take();
                self.delta(text, event.delta.text(), logprobs, out);
            }
            "response.refusal.delta" => self.delta(refusal, event.delta.text(), None, out),
            "response.reasoning_summary_text.delta" => self.delta(summary, event.delta.text(), None, out),
            "response.reasoning_text.delta" => self.delta(raw, event.delta.text(), None, out),
            "response.output_text.done" => self.whole(text, event.text.text(), out),
            "response.refusal.done" => self.whole(refusal, event.refusal.text(), out),
            "response.reasoning_summary_text.done" => self.whole(summary, event.text.text(), out),
            "response.reasoning_text.done" => self.whole(raw, event.text.text(), out),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(item, event.delta.text(), false, out);
            }
            "response.function_call_arguments.done" => self.arguments(item, event.arguments.text(), true, out),
            "response.custom_tool_call_input.done" => self.arguments(item, event.input.text(), true, out),
            "response.output_text.annotation.added" => {
                if let Some(annotation) = event.annotation {
                    self.start(None, out);
                    self.place(item).citations += 1;
                    cite(annotation, out);
                }
            }
            "response.output_item.added" => {
                if let Some(told) = event.item {
                    self.added(item, &told, out);
                }
            }
            "response.output_item.done" => {
                if let Some(told) = event.item {
                    self.finished(item, told, out);
                }
            }
            _ if is_end(kind) => self.end(kind, event, out),
            // Other events are of hosted tools.
            _ => {}
        }
    }

    fn start(&mut self, response: Option<&mut Response<'_>>, out: &mut Vec<ModelEvent>) {
        if !self.started {
            self.started = true;
            let (id, model) = response.map_or((None, None), |response| {
                (std::mem::take(&mut response.id).owned(), std::mem::take(&mut response.model).owned())
            });
            out.push(ModelEvent::Start { id, model });
        }
    }

    fn fail(&mut self, error: ProviderError, out: &mut Vec<ModelEvent>) {
        self.over = true;
        out.push(ModelEvent::Failed(error));
    }

    fn end(&mut self, kind: &str, mut event: Event<'_>, out: &mut Vec<ModelEvent>) {
        let mut response = event.response.take().unwrap_or_default();
        self.start(Some(&mut response), out);
        if self.places.is_empty() {
            for (index, item) in (0..).zip(response.output.take().unwrap_or_default()) {
                self.finished(Some(index), item, out);
            }
        }
        let reason = response.incomplete_details.as_ref().and_then(|details| details.reason.get());
        let status = if kind == "response.incomplete" { Some("incomplete") } else { response.status.get() };
        let stop: Stop = stop(status, reason, self.calls > 0);
        out.push(ModelEvent::Stop { choice: 0, stop });
        out.extend(response.usage.map(|usage| ModelEvent::Usage(usage.neutral())));
        out.push(ModelEvent::End);
        self.over = true;
    }

    /// The item at a place, or, where a server gives no place, the last one.
    fn place(&mut self, output_index: Option<u64>) -> &mut Place {
        let found = match output_index {
            Some(index) => self.places.iter().rposition(|place| place.output_index == index),
            None => self.places.len().checked_sub(1),
        };
        let position = found.unwrap_or_else(|| {
            self.places.push(Place { output_index: output_index.unwrap_or_default(), ..Place::default() });
            self.places.len() - 1
        });
        &mut self.places[position]
    }

    /// The same, but a new one where the item that is there is finished and another one begins.
    fn place_of(&mut self, output_index: Option<u64>, item: &Item<'_>) -> &mut Place {
        let id = item.id.text();
        let place = self.place(output_index);
        let other = place.done && (id.is_empty() || place.id != id);
        if other {
            let output_index = place.output_index;
            self.places.push(Place { output_index, ..Place::default() });
        }
        let place = self.place(output_index);
        if !id.is_empty() {
            id.clone_into(&mut place.id);
        }
        place
    }

    fn delta(&mut self, at: At, text: &str, logprobs: Option<Value>, out: &mut Vec<ModelEvent>) {
        if text.is_empty() {
            return;
        }
        self.start(None, out);
        let Some((piece, first)) = self.place(at.item).piece(at.kind, at.index) else { return };
        let begins = piece.passed.is_empty();
        piece.passed.push_str(text);
        let mut text = text.to_owned();
        if begins && !first && matches!(at.kind, Kind::Summary | Kind::Raw) {
            text.insert_str(0, "\n\n");
        }
        out.push(match at.kind {
            Kind::Text => ModelEvent::Text { choice: 0, text, logprobs: wire::chat_logprobs(wire::entries(logprobs)) },
            Kind::Refusal => ModelEvent::Refusal { choice: 0, text },
            Kind::Summary | Kind::Raw => ModelEvent::Thinking { choice: 0, text },
        });
    }

    /// Passes on what the deltas left out of a whole text. One that says something else than they did is too late.
    fn whole(&mut self, at: At, text: &str, out: &mut Vec<ModelEvent>) {
        let Some((piece, _)) = self.place(at.item).piece(at.kind, at.index) else { return };
        let rest = text.strip_prefix(piece.passed.as_str()).unwrap_or_default();
        self.delta(at, rest, None, out);
    }

    fn added(&mut self, at: Option<u64>, item: &Item<'_>, out: &mut Vec<ModelEvent>) {
        self.start(None, out);
        self.place_of(at, item);
        self.call(at, item, out);
    }

    /// Says that a call has begun, once its name is known.
    fn call(&mut self, at: Option<u64>, item: &Item<'_>, out: &mut Vec<ModelEvent>) {
        let custom = match item.kind.get() {
            Some("function_call") => false,
            Some("custom_tool_call") => true,
            Some(_) | None => return,
        };
        let (seed, index) = (self.seed, self.calls);
        let place = self.place(at);
        let Some(name) = item.name.get().filter(|_| place.call.is_none()) else { return };
        place.call = Some((index, String::new()));
        self.calls += 1;
        let id = item.call_id.get().or(item.id.get()).map_or_else(|| made_up_id(seed, index), str::to_owned);
        out.push(ModelEvent::ToolCall { choice: 0, index, id, name: name.to_owned(), custom, signature: None });
    }

    /// Passes on more arguments, or what is missing of the whole.
    fn arguments(&mut self, at: Option<u64>, text: &str, whole: bool, out: &mut Vec<ModelEvent>) {
        let Some((index, passed)) = self.place(at).call.as_mut() else { return };
        let json = if whole { text.strip_prefix(passed.as_str()).unwrap_or_default() } else { text };
        if !json.is_empty() {
            passed.push_str(json);
            out.push(ModelEvent::Arguments { choice: 0, index: *index, json: json.to_owned() });
        }
    }

    fn finished(&mut self, at: Option<u64>, item: Item<'_>, out: &mut Vec<ModelEvent>) {
        self.start(None, out);
        let place = self.place_of(at, &item);
        if std::mem::replace(&mut place.done, true) {
            return;
        }
        self.call(at, &item, out);
        match item.kind.get() {
            Some("message") => self.message(at, item.content.0, out),
            Some("function_call") => self.arguments(at, item.arguments.text(), true, out),
            Some("custom_tool_call") => self.arguments(at, item.input.text(), true, out),
            Some("reasoning") => self.reasoning(at, item, out),
            Some(_) | None => {}
        }
    }

    fn message(&mut self, at: Option<u64>, parts: Vec<Part<'_>>, out: &mut Vec<ModelEvent>) {
        let mut cited = 0;
        for (index, part) in (0..).zip(parts) {
            self.whole(At { item: at, kind: Kind::Text, index }, part.text.text(), out);
            self.whole(At { item: at, kind: Kind::Refusal, index }, part.refusal.text(), out);
            for annotation in part.annotations.unwrap_or_default() {
                cited += 1;
                let place = self.place(at);
                if cited > place.citations {
                    place.citations = cited;
                    cite(annotation, out);
                }
            }
        }
    }

    fn reasoning(&mut self, at: Option<u64>, item: Item<'_>, out: &mut Vec<ModelEvent>) {
        for (index, part) in (0..).zip(&item.content.0) {
            self.whole(At { item: at, kind: Kind::Raw, index }, part.text.text(), out);
        }
        for (index, part) in (0..).zip(&item.summary.0) {
            self.whole(At { item: at, kind: Kind::Summary, index }, part.text.text(), out);
        }
        if let Some(value) = item.encrypted_content.owned() {
            let signature = Signature { maker: Format::Responses, value };
            out.push(ModelEvent::Signature { choice: 0, signature, redacted: true });
        }
    }
}

impl Place {
    /// A piece, and whether nothing was there before it; none for thoughts of a second kind, which say the same again.
    fn piece(&mut self, kind: Kind, index: u64) -> Option<(&mut Piece, bool)> {
        let second = match kind {
            Kind::Summary => Kind::Raw,
            Kind::Raw => Kind::Summary,
            Kind::Text | Kind::Refusal => kind,
        };
        if second != kind && self.pieces.iter().any(|piece| piece.kind == second && !piece.passed.is_empty()) {
            return None;
        }
        let first = self.pieces.iter().all(|piece| piece.passed.is_empty());
        let found = self.pieces.iter().rposition(|piece| piece.kind == kind && piece.index == index);
        let position = found.unwrap_or_else(|| {
            self.pieces.push(Piece { kind, index, passed: String::new() });
            self.pieces.len() - 1
        });
        Some((&mut self.pieces[position], first))
    }
}

fn cite(annotation: Annotation<'_>, out: &mut Vec<ModelEvent>) {
    out.push(ModelEvent::Citation { choice: 0, citation: annotation.neutral() });
}
