//! Embeddings: callers speak OpenAI's dialect; providers OpenAI's, Google's, or one of Bedrock's. Everybody else's calls pass as
//! they are. Called by `attempt` and `answer`.
//!
//! Each provider's file has `write_call` and `read_answer`; `openai` also has `write_answer`. What a provider cannot do and
//! what would change the vectors is refused by field: as `Invalid`, which a route's `unsupportedFields: Drop` does not bend.
//! Source: OpenAI's spec, `CreateEmbeddingRequest`; `input_type` is OpenRouter's.

pub mod cohere;
pub mod gemini;
pub mod openai;
pub mod titan;
pub mod vertex;

use serde_json::{Map, Number, Value};

use super::answer::Usage;
use super::loss::{Feature, Losses, Lost};
use super::{Invalid, Malformed};

/// The most inputs of a call.
const MOST_INPUTS: usize = 2048;
/// What `input` must be.
const INPUT: &str =
    "must be a text, a list of texts, a list of tokens or a list of lists of tokens, none of them empty";

/// A call for embeddings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingCall {
    /// The model: what the app asks for, and, when it is written for a provider, what the provider calls it.
    pub model: String,
    /// What is to be embedded.
    pub inputs: Inputs,
    /// How long each vector is to be.
    pub dimensions: Option<u64>,
    /// How the caller wants the numbers.
    pub encoding: Encoding,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// A name for the end user.
    pub user: Option<String>,
    /// Fields that have no place here, by the caller's name.
    pub unknown: Vec<(String, Value)>,
}

/// What is to be embedded; never empty when a caller's call was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Texts.
    Texts(Vec<String>),
    /// Texts as tokens of the model.
    Tokens(Vec<Vec<u64>>),
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As a list of numbers.
    #[default]
    Float,
    /// As one text: base64 of the numbers with 32 bits, the low byte first. The official Python SDK asks for it.
    Base64,
}

/// What vectors are for: some models embed a question otherwise than what may answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find what answers this.
    Query,
    /// To be found.
    Document,
    /// To be sorted into classes.
    Classification,
    /// To be grouped.
    Clustering,
}

/// What a provider answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingAnswer {
    /// The model that the provider names.
    pub model: Option<String>,
    /// A vector for each input, in the order of the inputs. Models compute with 32 bits or fewer; more digits are noise.
    pub vectors: Vec<Vec<f32>>,
    /// What it counts; `output` is nothing. Bedrock counts in a header: the caller of `read_answer` fills it in.
    pub usage: Option<Usage>,
}

impl Default for Inputs {
    fn default() -> Self {
        Self::Texts(Vec::new())
    }
}

impl Inputs {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }

    /// The texts, for providers that take no tokens.
    fn texts(&self) -> Result<&[String], Invalid> {
        match self {
            Self::Texts(texts) => Ok(texts),
            Self::Tokens(_) => Err(Invalid::new("input", "must be text: this provider takes no tokens")),
        }
    }
}

impl Purpose {
    fn read(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "search_query" | "query" | "retrieval_query" => Some(Self::Query),
            "search_document" | "document" | "passage" | "retrieval_document" => Some(Self::Document),
            "classification" => Some(Self::Classification),
            "clustering" => Some(Self::Clustering),
            _ => None,
        }
    }
}

/// A provider whose calls for embeddings are not OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The Gemini API.
    Gemini,
    /// Vertex AI.
    Vertex,
    /// Amazon's Titan on Bedrock.
    Titan,
    /// Cohere's models on Bedrock.
    Cohere,
}

impl Host {
    /// The call in its dialect, or what it cannot do at all.
    pub fn write_call(self, call: &EmbeddingCall, losses: &mut Losses) -> Result<Vec<u8>, Invalid> {
        match self {
            Self::Gemini => gemini::write_call(call, losses),
            Self::Vertex => vertex::write_call(call, losses),
            Self::Titan => titan::write_call(call, losses),
            Self::Cohere => cohere::write_call(call, losses),
        }
    }

    /// Its answer to so many inputs.
    pub fn read_answer(self, body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
        match self {
            Self::Gemini => gemini::read_answer(body, inputs),
            Self::Vertex => vertex::read_answer(body, inputs),
            Self::Titan => titan::read_answer(body, inputs),
            Self::Cohere => cohere::read_answer(body, inputs),
        }
    }
}

/// Reads a caller's call.
pub fn read(body: Map<String, Value>) -> Result<EmbeddingCall, Invalid> {
    let mut call = EmbeddingCall::default();
    let mut has_input = false;
    for (key, value) in body {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("model", Value::String(model)) => call.model = model,
            ("input", value) => {
                call.inputs = inputs(value)?;
                has_input = true;
            }
            ("dimensions", value) => {
                let dimensions = value.as_u64().filter(|dimensions| *dimensions > 0);
                call.dimensions =
                    Some(dimensions.ok_or_else(|| Invalid::new(key, "must be a whole number greater than 0"))?);
            }
            ("encoding_format", value) => {
                call.encoding = match value.as_str() {
                    Some("float") => Encoding::Float,
                    Some("base64") => Encoding::Base64,
                    _ => return Err(Invalid::new(key, "must be `float` or `base64`")),
                };
            }
            ("input_type", value) => {
                let purpose = value.as_str().and_then(Purpose::read);
                let must = "must be `search_query`, `search_document`, `classification` or `clustering`";
                call.purpose = Some(purpose.ok_or_else(|| Invalid::new(key, must))?);
            }
            ("user", Value::String(user)) => call.user = Some(user),
            ("model" | "user", _) => return Err(Invalid::new(key, "must be a string")),
            (_, value) => call.unknown.push((key, value)),
        }
    }
    if call.model.is_empty() {
        return Err(Invalid::new("model", "is missing"));
    }
    if has_input { Ok(call) } else { Err(Invalid::new("input", "is missing")) }
}

fn inputs(value: Value) -> Result<Inputs, Invalid> {
    let invalid = || Invalid::new("input", INPUT);
    let list = match value {
        Value::String(text) if !text.is_empty() => return Ok(Inputs::Texts(vec![text])),
        Value::Array(list) if !list.is_empty() => list,
        Value::String(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(invalid());
        }
    };
    match list.first() {
        Some(Value::Number(_)) => Ok(Inputs::Tokens(vec![tokens(&list, "input")?])),
        Some(Value::String(_) | Value::Array(_)) if list.len() > MOST_INPUTS => {
            Err(Invalid::new("input", format!("must have at most {MOST_INPUTS} entries")))
        }
        Some(Value::String(_)) => texts(list),
        Some(Value::Array(_)) => {
            let lists = list.iter().enumerate().map(|(at, entry)| {
                let path = format!("input[{at}]");
                let list = entry.as_array().filter(|list| !list.is_empty());
                tokens(list.ok_or_else(|| Invalid::new(path.as_str(), "must be a list of tokens"))?, &path)
            });
            Ok(Inputs::Tokens(lists.collect::<Result<_, _>>()?))
        }
        Some(Value::Null | Value::Bool(_) | Value::Object(_)) | None => Err(invalid()),
    }
}

fn texts(list: Vec<Value>) -> Result<Inputs, Invalid> {
    let texts = list.into_iter().enumerate().map(|(at, entry)| match entry {
        Value::String(text) if !text.is_empty() => Ok(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Invalid::new(format!("input[{at}]"), "must be a text that is not empty"))
        }
    });
    Ok(Inputs::Texts(texts.collect::<Result<_, _>>()?))
}

fn tokens(list: &[Value], path: &str) -> Result<Vec<u64>, Invalid> {
    let tokens = list.iter().enumerate().map(|(at, token)| {
        token.as_u64().ok_or_else(|| Invalid::new(format!("{path}[{at}]"), "must be a token: a whole number"))
    });
    tokens.collect()
}

/// Notes the fields that no provider but OpenAI's relatives can carry.
fn lose(user: Option<&String>, unknown: &[(String, Value)], losses: &mut Losses) {
    losses.lose_if(user.is_some(), Feature::User);
    losses.lost.extend(unknown.iter().map(|(name, _)| Lost::Unknown(name.clone())));
}

/// Makes an answer of vectors, if there is one for each input and each is one.
fn answer(vectors: Vec<Vec<f32>>, inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    if vectors.len() != inputs {
        return Err(Malformed(format!("{} embeddings for {inputs} inputs", vectors.len())));
    }
    if vectors.iter().any(|vector| vector.is_empty() || vector.iter().any(|number| !number.is_finite())) {
        return Err(Malformed("an embedding that is none".to_owned()));
    }
    Ok(EmbeddingAnswer { vectors, ..EmbeddingAnswer::default() })
}

/// What an answer of `input` tokens counts.
fn counted(input: u64) -> Usage {
    Usage { input, ..Usage::default() }
}

/// A count, which some providers write as `5.0`.
fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| format!("{:.0}", number.as_f64()?).parse().ok())
}

fn malformed(error: &serde_json::Error) -> Malformed {
    Malformed(format!("no embeddings: line {} column {}", error.line(), error.column()))
}

#[cfg(test)]
mod tests;
