//! Vertex AI's embeddings: `POST …/publishers/google/models/{model}:predict`.
//!
//! Source: Google's text embeddings API reference, and a recorded answer. `gemini-embedding-001` takes one input a call there,
//! older models 250; the provider says so itself.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::gemini::task;
use super::{EmbeddingAnswer, EmbeddingCall, counted, lose, malformed, whole};
use crate::format::loss::Losses;
use crate::format::{Invalid, Malformed};

#[derive(Serialize)]
struct Call<'a> {
    instances: Vec<Instance<'a>>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    auto_truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

/// Writes a call. A text that is too long is refused, as OpenAI does, not cut as Vertex would by default.
pub fn write_call(call: &EmbeddingCall, losses: &mut Losses) -> Result<Vec<u8>, Invalid> {
    let EmbeddingCall { model: _, inputs, dimensions, encoding: _, purpose, user, unknown } = call;
    lose(user.as_ref(), unknown, losses);
    let instances = inputs.texts()?.iter().map(|content| Instance { content, task_type: purpose.map(task) });
    let parameters = Parameters { auto_truncate: false, output_dimensionality: *dimensions };
    Ok(serde_json::to_vec(&Call { instances: instances.collect(), parameters }).unwrap_or_default())
}

#[derive(Deserialize)]
struct Answer {
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embeddings,
}

#[derive(Deserialize)]
struct Embeddings {
    values: Vec<f32>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    token_count: Option<Number>,
}

/// Reads an answer to a call with so many inputs.
pub fn read_answer(body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    let read: Answer = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let counts = read.predictions.iter().map(|one| whole(one.embeddings.statistics.as_ref()?.token_count.as_ref()?));
    let tokens: Option<u64> = counts.sum();
    let vectors = read.predictions.into_iter().map(|prediction| prediction.embeddings.values).collect();
    Ok(EmbeddingAnswer { usage: tokens.map(counted), ..super::answer(vectors, inputs)? })
}
