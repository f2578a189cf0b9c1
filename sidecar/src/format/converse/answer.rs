//! Reads a whole answer of Converse. Called by `answer` for providers that speak it.
//! Source: botocore's service model and recorded answers.

use super::wire::{Block, CallBlock, CitationsContent, Cited, ReasoningContent, Response, is_own_tool};
use crate::format::answer::{Choice, ModelAnswer, Said};
use crate::format::call::{Signature, Thinking, ToolCall};
use crate::format::function::made_up_id;
use crate::format::{Format, Malformed};

/// Reads an answer; a call without an id gets one of `seed`.
///
/// What Bedrock's own tools did has no neutral place and is left out; so is a generated picture beside text. An answer that
/// is only a picture is refused.
pub fn read(body: &[u8], seed: u64) -> Result<ModelAnswer, Malformed> {
    let response: Response<'_> =
        serde_json::from_slice(body).map_err(|_| Malformed("the answer is not a Converse response".to_owned()))?;
    let Some(output) = response.output else {
        let error = response.message.is_some();
        return Err(Malformed(if error { "an error with status 200" } else { "the answer has no output" }.to_owned()));
    };
    let mut reader = Reader { seed, calls: 0, media: false, parts: Vec::new() };
    for block in output.message.and_then(|message| message.content).unwrap_or_default() {
        reader.block(block);
    }
    if reader.media && reader.parts.is_empty() {
        return Err(only_media());
    }
    let stop = response.stop_reason.map(|reason| super::stop(reason, response.additional_model_response_fields));
    Ok(ModelAnswer {
        id: None,
        model: None,
        created: None,
        choices: vec![Choice { parts: reader.parts, stop, logprobs: None }],
        usage: response.usage.map(|counts| counts.usage()),
        service_tier: response.service_tier.and_then(|tier| tier.kind),
    })
}

pub(super) fn only_media() -> Malformed {
    Malformed("the answer is a picture or sound, which no caller's dialect can carry".to_owned())
}

struct Reader {
    seed: u64,
    calls: u32,
    media: bool,
    parts: Vec<Said>,
}

impl Reader {
    fn block(&mut self, block: Block<'_>) {
        self.media |= block.image.is_some() || block.audio.is_some() || block.video.is_some();
        if let Some(text) = block.text.filter(|text| !text.is_empty()) {
            self.parts.push(Said::Text { text, citations: Vec::new() });
        }
        if let Some(content) = block.reasoning_content {
            self.parts.extend(thinking(content).map(Said::Thinking));
        }
        if let Some(cited) = block.citations_content {
            self.cited(cited);
        }
        if let Some(call) = block.tool_use {
            self.call(call);
        }
    }

    fn cited(&mut self, cited: CitationsContent) {
        let text: String = cited.content.into_iter().flatten().filter_map(|content| content.text).collect();
        let citations: Vec<_> = cited.citations.into_iter().flatten().map(Cited::citation).collect();
        if !text.is_empty() || !citations.is_empty() {
            self.parts.push(Said::Text { text, citations });
        }
    }

    fn call(&mut self, call: CallBlock<'_>) {
        if is_own_tool(call.kind.as_deref()) {
            return;
        }
        let Some(name) = call.name.filter(|name| !name.is_empty()) else { return };
        let arguments = call.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned());
        let id = call.tool_use_id.filter(|id| !id.is_empty()).unwrap_or_else(|| made_up_id(self.seed, self.calls));
        self.calls += 1;
        self.parts.push(Said::ToolCall(ToolCall { id, name, arguments, custom: false, signature: None }));
    }
}

fn thinking(content: ReasoningContent) -> Option<Thinking> {
    let sign = |value: String| (!value.is_empty()).then_some(Signature { maker: Format::Converse, value });
    if let Some(signature) = content.redacted_content.and_then(sign) {
        return Some(Thinking { signature: Some(signature), redacted: true, ..Thinking::default() });
    }
    let thought = content.reasoning_text?;
    let (text, signature) = (thought.text.unwrap_or_default(), thought.signature.and_then(sign));
    (!text.is_empty() || signature.is_some()).then(|| Thinking { text, signature, ..Thinking::default() })
}

#[cfg(test)]
mod tests;
