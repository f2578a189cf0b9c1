//! What a candidate's text rests on: `citationMetadata` and `groundingMetadata` as citations.
//! Google counts bytes of UTF-8, the neutral form characters of all the text of the choice. Called by `answer` and `events`.

use super::wire::{CitationMetadata, GroundingChunk, GroundingMetadata, Segment};
use crate::format::answer::Citation;

/// The text of a choice so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// All of it.
    pub(super) text: String,
    /// Where in it each part of the answer begins; empty in a stream, whose indices count from the beginning of all.
    pub(super) parts: Vec<usize>,
}

impl Said {
    /// How many characters stand before a byte.
    fn characters(&self, part: Option<usize>, byte: u64) -> u64 {
        let base = part.and_then(|part| self.parts.get(part)).copied().unwrap_or(0);
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).saturating_add(base).min(self.text.len());
        let begun = self.text.as_bytes()[..byte].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        u64::try_from(begun).unwrap_or(u64::MAX)
    }

    /// An absent start is the default 0 of a range that has an end.
    fn range(&self, part: Option<usize>, start: Option<u64>, end: Option<u64>) -> (Option<u64>, Option<u64>) {
        match end {
            Some(end) => (Some(self.characters(part, start.unwrap_or(0))), Some(self.characters(part, end))),
            None => (start.map(|start| self.characters(part, start)), None),
        }
    }
}

/// Adds what `citationMetadata` cites; streams repeat themselves.
pub(super) fn add_cited(metadata: CitationMetadata, said: &Said, citations: &mut Vec<Citation>) {
    for source in metadata.citations.unwrap_or_default() {
        let (start, end) = said.range(None, source.start_index, source.end_index);
        add(Citation { url: source.uri, title: source.title, quote: None, start, end }, citations);
    }
}

/// Adds what `groundingMetadata` rests on: each statement with each of its sources, or the sources alone.
pub(super) fn add_grounded(metadata: &GroundingMetadata, said: &Said, citations: &mut Vec<Citation>) {
    let chunks = metadata.grounding_chunks.as_deref().unwrap_or_default();
    let supports = metadata.grounding_supports.as_deref().unwrap_or_default();
    for support in supports {
        let (start, end) = support.segment.as_ref().map_or((None, None), |segment: &Segment| {
            said.range(segment.part_index, segment.start_index, segment.end_index)
        });
        for place in support.grounding_chunk_indices.as_deref().unwrap_or_default() {
            if let Some(found) = chunks.get(*place).and_then(source) {
                add(Citation { start, end, ..found }, citations);
            }
        }
    }
    if supports.is_empty() {
        for found in chunks.iter().filter_map(source) {
            add(found, citations);
        }
    }
}

fn source(chunk: &GroundingChunk) -> Option<Citation> {
    let source = chunk.web.as_ref().or(chunk.retrieved_context.as_ref()).or(chunk.maps.as_ref())?;
    let known = source.uri.is_some() || source.title.is_some();
    known.then(|| Citation { url: source.uri.clone(), title: source.title.clone(), ..Citation::default() })
}

fn add(citation: Citation, citations: &mut Vec<Citation>) {
    if !citations.contains(&citation) {
        citations.push(citation);
    }
}
