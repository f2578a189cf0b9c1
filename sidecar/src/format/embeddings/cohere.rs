//! Cohere's embeddings on Bedrock: the body of `POST /model/{model}/invoke`. At most 96 texts a call; the provider says so.
//!
//! Source: the Bedrock user guide, Cohere Embed v3 and v4, and a recorded answer of Cohere's own API. Tokens stand in
//! Bedrock's header `x-amzn-bedrock-input-token-count`.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{EmbeddingAnswer, EmbeddingCall, Purpose, counted, lose, malformed, whole};
use crate::format::loss::Losses;
use crate::format::{Invalid, Malformed};

/// The third models' names: they have one length each.
const THIRD: [&str; 2] = ["embed-english-v3", "embed-multilingual-v3"];

#[derive(Serialize)]
struct Call<'a> {
    texts: &'a [String],
    input_type: &'static str,
    truncate: &'static str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
}

/// Writes a call. The model needs to know what vectors are for; where the caller does not say, they are to be found. A text
/// that is too long is refused, as OpenAI does, not cut.
pub fn write_call(call: &EmbeddingCall, losses: &mut Losses) -> Result<Vec<u8>, Invalid> {
    let EmbeddingCall { model, inputs, dimensions, encoding: _, purpose, user, unknown } = call;
    lose(user.as_ref(), unknown, losses);
    let texts = inputs.texts()?;
    if dimensions.is_some() && THIRD.iter().any(|name| model.contains(name)) {
        return Err(Invalid::new("dimensions", "must be absent: this provider's model has one length only"));
    }
    let input_type = match purpose.unwrap_or(Purpose::Document) {
        Purpose::Query => "search_query",
        Purpose::Document => "search_document",
        Purpose::Classification => "classification",
        Purpose::Clustering => "clustering",
    };
    let embedding_types = ["float"];
    let call = Call { texts, input_type, truncate: "NONE", embedding_types, output_dimension: *dimensions };
    Ok(serde_json::to_vec(&call).unwrap_or_default())
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Embeddings,
    meta: Option<Meta>,
}

/// One list where no type was asked for, else one for each type.
#[derive(Deserialize)]
#[serde(untagged)]
enum Embeddings {
    ByType { float: Vec<Vec<f32>> },
    Plain(Vec<Vec<f32>>),
}

#[derive(Deserialize)]
struct Meta {
    billed_units: Option<Billed>,
}

#[derive(Deserialize)]
struct Billed {
    input_tokens: Option<Number>,
}

/// Reads an answer to a call with so many inputs.
pub fn read_answer(body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    let read: Answer = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let tokens = read.meta.and_then(|meta| whole(&meta.billed_units?.input_tokens?));
    let vectors = match read.embeddings {
        Embeddings::ByType { float } | Embeddings::Plain(float) => float,
    };
    Ok(EmbeddingAnswer { usage: tokens.map(counted), ..super::answer(vectors, inputs)? })
}
