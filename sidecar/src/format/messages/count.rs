//! An estimate of a call's input tokens, for `/v1/messages/count_tokens` where the provider cannot count.
//!
//! It is an estimate: the constants below are round averages over tokenizers, good enough for a client to decide when to
//! compact its context, and never used for billing or budgets, which go by what the provider counts.

use std::io;

use serde::Serialize;

use crate::format::call::{Content, Media, ModelCall, OutputForm, Part, Tool, ToolCall, ToolInput, ToolResult};

/// What each message costs beside its words: its role and its ends.
const TURN: u64 = 4;
/// What each tool costs beside its words.
const TOOL: u64 = 12;
/// What the mere presence of tools costs, as Anthropic documents it for its models.
const TOOLS: u64 = 346;
/// What each call and each result costs beside its words.
const CALL: u64 = 8;
/// A picture of common size (about 1.2 megapixels, at 750 pixels a token).
const IMAGE: u64 = 1600;
/// A document whose size is not known, or is small.
const FILE: u64 = 3000;
/// Bytes of a PDF a token: a page of some 50 KB holds about 2000, its picture included.
const FILE_BYTES: u64 = 25;
/// Bytes of sound a token.
const AUDIO_BYTES: u64 = 500;

/// Estimates a call's input tokens: a quarter token for each ASCII letter, a half for letters of two bytes (accents, Greek,
/// Cyrillic, Arabic), one for letters of three (Chinese, Japanese, Korean, most of India's), two for others (emoji), and
/// fixed costs for messages, tools, pictures and documents. Signatures and encrypted thoughts count nothing.
pub fn estimate(call: &ModelCall) -> u64 {
    let mut words = Words(0);
    let mut fixed = 0;
    for turn in &call.turns {
        fixed += TURN;
        for part in &turn.parts {
            fixed += count_part(part, &mut words);
        }
    }
    if !call.tools.is_empty() {
        fixed += TOOLS;
    }
    for tool in &call.tools {
        fixed += TOOL;
        count_tool(tool, &mut words);
    }
    if let Some(OutputForm::JsonSchema { schema, .. }) = &call.output {
        words.json(schema);
    }
    // A field that has no neutral place may still be a large part of the prompt.
    for (_, value) in &call.unknown {
        words.json(value);
    }
    fixed + words.tokens()
}

fn count_tool(tool: &Tool, words: &mut Words) {
    words.text(&tool.name);
    words.text(tool.description.as_deref().unwrap_or_default());
    match &tool.input {
        ToolInput::Function { schema: Some(value), .. } | ToolInput::Custom { format: Some(value) } => {
            words.json(value);
        }
        ToolInput::Function { schema: None, .. } | ToolInput::Custom { format: None } => {}
    }
}

/// Adds a part's words, and gives what it costs beside them.
fn count_part(part: &Part, words: &mut Words) -> u64 {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            words.text(text);
            0
        }
        Content::Thinking(thoughts) => {
            words.text(&thoughts.text);
            0
        }
        Content::Image { .. } => IMAGE,
        Content::Audio { data, .. } => decoded(data) / AUDIO_BYTES,
        Content::File { media, name, .. } => {
            words.text(name.as_deref().unwrap_or_default());
            match media {
                Media::Text(text) => {
                    words.text(text);
                    0
                }
                Media::Inline { base64, .. } => FILE.max(decoded(base64) / FILE_BYTES),
                Media::Url(_) | Media::Id(_) => FILE,
            }
        }
        Content::ToolCall(ToolCall { name, arguments, .. }) => {
            words.text(name);
            words.text(arguments);
            CALL
        }
        Content::ToolResult(ToolResult { parts, .. }) => {
            CALL + parts.iter().map(|part| count_part(part, words)).sum::<u64>()
        }
    }
}

/// How many bytes a base64 text holds.
fn decoded(base64: &str) -> u64 {
    base64.len() as u64 / 4 * 3
}

/// Counts quarters of tokens.
struct Words(u64);

impl Words {
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn json(&mut self, value: &impl Serialize) {
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut *self, value);
    }

    /// By the first byte of each letter, which tells how long the letter is.
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 += bytes
            .iter()
            .map(|byte| match byte {
                0..0x80 => 1,
                0x80..0xC0 => 0,
                0xC0..0xE0 => 2,
                0xE0..0xF0 => 4,
                0xF0.. => 8,
            })
            .sum::<u64>();
    }

    fn tokens(&self) -> u64 {
        self.0.div_ceil(4)
    }
}

impl io::Write for Words {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
