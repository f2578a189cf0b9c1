//! Looks into a prompt: whether it shows images, and how many tokens it has at least.

use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::body::Scanned;

/// A smaller body has no prompt that is too long for anybody, and is not looked into.
const SMALL: usize = 24 * 1024;
/// So many letters are at least one token. Tokens of prose have about four and a half, in most languages fewer.
const LETTERS_A_TOKEN: u64 = 6;
/// Text is told from data in blocks of so many bytes: a word of prose is shorter.
const BLOCK: usize = 64;

/// Whether messages, or the items of a Responses call, show an image. They are parsed only if the word for one stands in
/// them; a word that is written with escapes is not found.
pub(super) fn shows_images(turns: &[u8]) -> bool {
    let is_type = |at: usize| {
        let rest = &turns[at + b"image".len()..];
        turns[..at].ends_with(b"\"") && (rest.starts_with(b"\"") || rest.starts_with(b"_url\""))
            || turns[..at].ends_with(b"\"input_") && rest.starts_with(b"\"")
    };
    memmem::find_iter(turns, b"image").any(is_type)
        && serde_json::from_slice::<Parts>(turns).is_ok_and(|parts| parts.has_image)
}

/// A list of messages or of parts, one of them, or anything else.
#[derive(Default)]
struct Parts {
    has_image: bool,
}

/// A message or a part. Images stand in what is said, not in what a tool is called with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(rename = "type")]
    kind: Kind,
    content: Parts,
    output: Parts,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Of Messages.
    Image,
    /// Of Chat Completions.
    ImageUrl,
    /// Of Responses.
    InputImage,
    /// Of Responses, behind a call of its computer.
    ComputerScreenshot,
    #[default]
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let has_image = deserializer.deserialize_any(Images)?;
        Ok(Self { has_image })
    }
}

/// Says whether there is an image. Nothing is kept, least of all the image.
struct Images;

impl<'de> Visitor<'de> for Images {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut has_image = false;
        while let Some(parts) = seq.next_element::<Parts>()? {
            has_image |= parts.has_image;
        }
        Ok(has_image)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let item = Item::deserialize(MapAccessDeserializer::new(map))?;
        let is_image = match item.kind {
            Kind::Image | Kind::ImageUrl | Kind::InputImage | Kind::ComputerScreenshot => true,
            Kind::Other => false,
        };
        Ok(is_image || item.content.has_image || item.output.has_image)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
}

/// How many tokens the prompt has at least. None where the provider may leave out part of it: the app asks it to, or the
/// prompt has thoughts of former turns.
pub(super) fn least_tokens(body: &[u8], scanned: &Scanned) -> u64 {
    if body.len() < SMALL || is_cut_down(body, scanned) {
        return 0;
    }
    let mut letters = 0;
    for field in ["system", "instructions", "messages", "input", "prompt"] {
        let Some(value) = scanned.value(body, field) else { continue };
        // A list of prompts is a batch, and each of them has the whole context.
        if field == "prompt" && value.first() != Some(&b'"') {
            continue;
        }
        if has_thoughts(value) {
            return 0;
        }
        letters += value.chunks(BLOCK).map(letters_of).sum::<u64>();
    }
    letters / LETTERS_A_TOKEN
}

/// Whether the app lets the provider cut the prompt down.
fn is_cut_down(body: &[u8], scanned: &Scanned) -> bool {
    ["truncation", "context_management", "transforms", "plugins"].into_iter().any(|field| {
        scanned.value(body, field).is_some_and(|value| !matches!(value, b"null" | b"\"disabled\"" | b"[]"))
    })
}

/// Whether thoughts of former turns are there, which most providers leave out of the prompt.
fn has_thoughts(turns: &[u8]) -> bool {
    ["\"thinking\"", "\"reasoning"].into_iter().any(|word| memmem::find(turns, word.as_bytes()).is_some())
}

/// The letters of a block that surely are text. A block without a space is data, such as an image in base64, unless it is
/// written in letters beyond ASCII. What repeats may be one token, as may an escape with what is around it; and quotes stand
/// around words that are JSON's, not the prompt's.
///
/// Counted in bytes and without a branch, so that it takes a tenth of a nanosecond for a byte.
fn letters_of(block: &[u8]) -> u64 {
    let mut before = block.first().copied().unwrap_or_default();
    let (mut beyond, mut letters, mut quotes, mut escapes) = (0_u8, 0_u8, 0_u8, 0_u8);
    for byte in block.iter().copied() {
        beyond |= u8::from(byte == b' ') | (byte & 0x80);
        letters += u8::from(byte != before) & u8::from(byte & 0xc0 != 0x80);
        quotes += u8::from(byte == b'"');
        escapes += u8::from(byte == b'\\');
        before = byte;
    }
    let not_text = 8 * u64::from(quotes) + 2 * u64::from(escapes);
    if beyond == 0 { 0 } else { u64::from(letters).saturating_sub(not_text) }
}
