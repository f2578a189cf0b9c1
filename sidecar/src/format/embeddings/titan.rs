//! Amazon Titan's embeddings on Bedrock: the body of `POST /model/{model}/invoke`. One text a call.
//!
//! Source: the Bedrock user guide, Titan text embeddings (G1 and V2) and multimodal embeddings.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{EmbeddingAnswer, EmbeddingCall, counted, lose, malformed, whole};
use crate::format::loss::{Losses, Lost};
use crate::format::{Invalid, Malformed};

/// The first model's names: it has one length.
const FIRST: [&str; 2] = ["titan-embed-text-v1", "titan-embed-g1-text"];
/// The multimodal models' name: the length has another place.
const MULTIMODAL: &str = "titan-embed-image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_config: Option<Config>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    output_embedding_length: u64,
}

/// Writes a call.
pub fn write_call(call: &EmbeddingCall, losses: &mut Losses) -> Result<Vec<u8>, Invalid> {
    let EmbeddingCall { model, inputs, dimensions, encoding: _, purpose, user, unknown } = call;
    lose(user.as_ref(), unknown, losses);
    if purpose.is_some() {
        losses.lost.push(Lost::Hint("input_type".to_owned()));
    }
    let [input_text] = inputs.texts()? else {
        return Err(Invalid::new("input", "must be one text: this provider's model embeds one a call"));
    };
    if dimensions.is_some() && FIRST.iter().any(|name| model.contains(name)) {
        return Err(Invalid::new("dimensions", "must be absent: this provider's model has one length only"));
    }
    let multimodal = model.contains(MULTIMODAL);
    let call = Call {
        input_text,
        dimensions: dimensions.filter(|_| !multimodal),
        embedding_config: dimensions
            .filter(|_| multimodal)
            .map(|output_embedding_length| Config { output_embedding_length }),
    };
    Ok(serde_json::to_vec(&call).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    embedding: Option<Vec<f32>>,
    embeddings_by_type: Option<ByType>,
    input_text_token_count: Option<Number>,
}

#[derive(Deserialize)]
struct ByType {
    float: Option<Vec<f32>>,
}

/// Reads an answer; `inputs` is 1, or the call would not have been written.
pub fn read_answer(body: &[u8], inputs: usize) -> Result<EmbeddingAnswer, Malformed> {
    let read: Answer = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let vector = read.embedding.or_else(|| read.embeddings_by_type?.float);
    let tokens = read.input_text_token_count.as_ref().and_then(whole);
    Ok(EmbeddingAnswer { usage: tokens.map(counted), ..super::answer(vector.into_iter().collect(), inputs)? })
}
