//! The events of a caller's stream on the wire, and their numbers. Used by the writer of streams.
//! Source: `ResponseStreamEvent` of OpenAI's specification 2.3.0.

use serde::Serialize;
use serde_json::Value;

use crate::format::responses::output::{Annotation, Item, Part, Summary};
use crate::format::responses::snapshot;

/// One event as a caller gets it.
#[derive(Default, Serialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<AnyPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<Annotation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Item<'a>>,
}

/// A part of a message or of a summary.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnyPart<'a> {
    Content(Part<'a>),
    Summary(Summary<'a>),
}

/// Where an item is.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
}

impl<'a> Spot<'a> {
    /// An event of this item.
    pub(super) fn frame(self, kind: &'static str) -> Frame<'a> {
        let Self { item_id, output_index } = self;
        Frame { kind, item_id: Some(item_id), output_index: Some(output_index), ..Frame::default() }
    }
}

/// Numbers the events.
#[derive(Default)]
pub(super) struct Frames(u64);

impl Frames {
    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0 - 1
    }

    /// Appends an event.
    pub(super) fn push(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) {
        let frame = Frame { sequence_number: self.next(), ..frame };
        head(frame.kind, out);
        snapshot::json(out, &frame);
        out.extend_from_slice(b"\n\n");
    }
}

/// Appends what stands before an event's payload.
pub(super) fn head(kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
}
