//! The Gemini API's embeddings: `POST /v1beta/models/{model}:batchEmbedContents`, for one input as for many.
//!
//! Source: Google's API reference, `models.batchEmbedContents`. Vectors come as the model makes them: below its full length
//! `gemini-embedding-001` does not scale them to length 1, as OpenAI does.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{EmbeddingAnswer, EmbeddingCall, Purpose, counted, lose, malformed, whole};
use crate::format::loss::Losses;
use crate::format::{Invalid, Malformed};

#[derive(Serialize)]
struct Call<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

/// Writes a call.
pub fn write_call(call: &EmbeddingCall, losses: &mut Losses) -> Result<Vec<u8>, Invalid> {
    let EmbeddingCall { model, inputs, dimensions, encoding: _, purpose, user, unknown } = call;
    lose(user.as_ref(), unknown, losses);
    // Each request names the model again, and as a resource.
    let model = if model.contains('/') { model.clone() } else { format!("models/{model}") };
    let requests = inputs.texts()?.iter().map(|text| Request {
        model: &model,
        content: Content { parts: [Part { text }] },
        task_type: purpose.map(task),
        output_dimensionality: *dimensions,
    });
    Ok(serde_json::to_vec(&Call { requests: requests.collect() }).unwrap_or_default())
}

/// Google's word for what vectors are for.
pub(super) fn task(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Values>,
    usage_metadata: Option<Counts>,
}

/// A vector.
#[derive(Deserialize)]
struct Values {
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<Number>,
}

/// Reads an answer to a call with so many inputs. Older models count nothing.
pub fn read_answer(body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    let read: Answer = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let tokens = read.usage_metadata.and_then(|usage| whole(&usage.prompt_token_count?));
    let vectors = read.embeddings.into_iter().map(|embedding| embedding.values).collect();
    Ok(EmbeddingAnswer { usage: tokens.map(counted), ..super::answer(vectors, inputs)? })
}
