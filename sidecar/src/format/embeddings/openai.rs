//! OpenAI's embeddings, at OpenAI and who is compatible: written for providers, read from them, and written for callers. Its
//! call is read by `embeddings::read`.
//!
//! Source: OpenAI's spec; `encoding_format: base64` is little-endian `f32`, as its Python SDK decodes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::{EmbeddingAnswer, EmbeddingCall, Encoding, Inputs, counted, malformed, whole};
use crate::format::Malformed;
use crate::format::answer::Told;
use crate::format::loss::{Losses, Lost};

#[derive(Serialize)]
struct Call<'a> {
    model: &'a str,
    input: Input<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Texts(&'a [String]),
    Tokens(&'a [Vec<u64>]),
}

/// Writes a call for a provider that can do `encoding`, whatever the caller wants.
pub fn write_call(call: &EmbeddingCall, encoding: Encoding, losses: &mut Losses) -> Vec<u8> {
    let EmbeddingCall { model, inputs, dimensions, encoding: _, purpose, user, unknown } = call;
    if purpose.is_some() {
        losses.lost.push(Lost::Hint("input_type".to_owned()));
    }
    losses.lost.extend(unknown.iter().map(|(name, _)| Lost::Unknown(name.clone())));
    let input = match inputs {
        Inputs::Texts(texts) => Input::Texts(texts),
        Inputs::Tokens(lists) => Input::Tokens(lists),
    };
    let encoding_format = match encoding {
        Encoding::Float => "float",
        Encoding::Base64 => "base64",
    };
    let call = Call { model, input, dimensions: *dimensions, encoding_format, user: user.as_deref() };
    serde_json::to_vec(&call).unwrap_or_default()
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<Entry<'a>>,
    model: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<Number>,
}

/// Reads an answer to a call with so many inputs; lists and base64 alike.
pub fn read_answer(body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    let mut read: Answer<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    // A provider that computes them side by side may send them so; without indices, the order counts.
    read.data.sort_by_key(|entry| entry.index);
    let vectors = read.data.iter().map(|entry| vector(entry.embedding)).collect::<Result<_, _>>()?;
    let tokens = read.usage.and_then(|usage| whole(&usage.prompt_tokens?));
    Ok(EmbeddingAnswer { model: read.model, usage: tokens.map(counted), ..super::answer(vectors, inputs)? })
}

fn vector(raw: &RawValue) -> Result<Vec<f32>, Malformed> {
    let error = |error: serde_json::Error| malformed(&error);
    if !raw.get().starts_with('"') {
        return serde_json::from_str(raw.get()).map_err(error);
    }
    let text: String = serde_json::from_str(raw.get()).map_err(error)?;
    decode(&text).ok_or_else(|| Malformed("an embedding that is no base64 of 32-bit numbers".to_owned()))
}

/// The numbers in OpenAI's base64.
pub fn decode(text: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

/// Numbers in OpenAI's base64.
pub fn encode(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<WrittenEntry<'a>>,
    model: &'a str,
    usage: WrittenCounts<'a>,
    provider: &'a str,
}

#[derive(Serialize)]
struct WrittenEntry<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Float(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct WrittenCounts<'a> {
    prompt_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'a Number>,
}

/// Writes an answer for a caller that wants `encoding`. A provider that counts nothing counts as 0: SDKs need the field.
pub fn write_answer(answer: &EmbeddingAnswer, encoding: Encoding, told: &Told) -> Vec<u8> {
    let numbers = |vector| match encoding {
        Encoding::Float => Numbers::Float(vector),
        Encoding::Base64 => Numbers::Base64(encode(vector)),
    };
    let entry = |(index, vector)| WrittenEntry { object: "embedding", index, embedding: numbers(vector) };
    let tokens = answer.usage.as_ref().map_or(0, |usage| usage.input);
    let written = Written {
        object: "list",
        data: answer.vectors.iter().map(Vec::as_slice).enumerate().map(entry).collect(),
        model: answer.model.as_deref().unwrap_or(&told.model),
        usage: WrittenCounts {
            prompt_tokens: tokens,
            total_tokens: tokens,
            cost: answer.usage.as_ref().and_then(|usage| usage.cost.as_ref()),
        },
        provider: &told.provider,
    };
    serde_json::to_vec(&written).unwrap_or_default()
}
