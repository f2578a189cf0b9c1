//! Reads a caller's call. Owns what the body's fields mean; called by the pipeline as `call::read`.
//! Source: OpenAI API specification 2.3.0 and, for what only OpenRouter and vLLM have, theirs.

use serde_json::{Map, Value};

use super::{messages, tools};
use crate::format::Invalid;
use crate::format::call::{CacheBreakpoint, ModelCall, Reasoning, Tool, ToolChoice, Turn};
use crate::format::chat::fields::{
    Path, Unknown, choices, count, flag, list, number, number_but_zero, object, present, required, stop,
    stream_options, text,
};

/// Reads a caller's call. What has no neutral place goes to `unknown`.
pub fn read(body: Map<String, Value>) -> Result<ModelCall, Invalid> {
    let mut draft = Draft::default();
    for (key, value) in present(body) {
        draft.take(&key, value)?;
    }
    draft.finish()
}

/// A call of which some fields must be seen together.
#[derive(Default)]
struct Draft {
    call: ModelCall,
    model: Option<String>,
    turns: Option<Vec<Turn>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    wants_logprobs: bool,
    top_logprobs: Option<u64>,
    effort: Option<String>,
    safety_identifier: Option<String>,
    functions: Vec<Tool>,
    function_choice: Option<ToolChoice>,
    cache: Option<CacheBreakpoint>,
}

impl Draft {
    fn take(&mut self, key: &str, value: Value) -> Result<(), Invalid> {
        let at = Path::Field(key);
        let call = &mut self.call;
        match key {
            "model" => self.model = Some(text(value, &at)?),
            "messages" => self.turns = Some(messages::read(list(value, &at)?, &at, call)?),
            "stream" => call.stream = flag(&value, &at)?,
            "stream_options" => {
                call.include_usage |= stream_options(value, &at, &mut call.hints.other, &mut call.unknown)?;
            }
            "max_tokens" => self.max_tokens = Some(count(&value, &at)?),
            "max_completion_tokens" => self.max_completion_tokens = Some(count(&value, &at)?),
            "n" => call.choices = choices(&value, &at)?,
            "stop" => call.stop = stop(value, &at, &mut call.hints.other)?,
            "logprobs" => self.wants_logprobs = flag(&value, &at)?,
            "top_logprobs" => self.top_logprobs = Some(count(&value, &at)?),
            "response_format" => call.output = tools::output(value, &at, &mut call.unknown)?,
            "tools" => call.tools = tools::read(value, &at, &mut call.unknown)?,
            "tool_choice" => call.tool_choice = tools::choice(value, &at, &mut call.unknown)?,
            "parallel_tool_calls" => call.parallel_tool_calls = Some(flag(&value, &at)?),
            "functions" => self.functions = tools::functions(value, &at, &mut call.unknown)?,
            "function_call" => self.function_choice = tools::function_choice(value, &at, &mut call.unknown)?,
            "cache_control" => self.cache = messages::cache(value, &at, &mut call.unknown)?,
            _ => return self.take_tuning(key, value),
        }
        Ok(())
    }

    fn take_tuning(&mut self, key: &str, value: Value) -> Result<(), Invalid> {
        let at = Path::Field(key);
        let call = &mut self.call;
        let sampling = &mut call.sampling;
        match key {
            "temperature" => sampling.temperature = Some(number(value, &at)?),
            "top_p" => sampling.top_p = Some(number(value, &at)?),
            "top_k" => sampling.top_k = Some(number(value, &at)?),
            "seed" => sampling.seed = Some(number(value, &at)?),
            "presence_penalty" => sampling.presence_penalty = number_but_zero(value, &at)?,
            "frequency_penalty" => sampling.frequency_penalty = number_but_zero(value, &at)?,
            "logit_bias" => sampling.logit_bias = Some(Value::Object(object(value, &at)?)).filter(is_not_empty),
            "reasoning_effort" => self.effort = Some(text(value, &at)?),
            "reasoning" => {
                let asked = reasoning(value, &at, &mut call.unknown)?;
                let summary = call.reasoning.take().and_then(|reasoning| reasoning.summary);
                call.reasoning = Some(Reasoning { summary: asked.summary.clone().or(summary), ..asked });
            }
            // vLLM, and OpenRouter before it had `reasoning`.
            "include_reasoning" => {
                if !flag(&value, &at)? {
                    call.reasoning.get_or_insert_default().summary = Some("omitted".to_owned());
                }
            }
            "verbosity" => call.verbosity = Some(text(value, &at)?),
            _ => return self.take_hint(key, value),
        }
        Ok(())
    }

    fn take_hint(&mut self, key: &str, value: Value) -> Result<(), Invalid> {
        let at = Path::Field(key);
        let call = &mut self.call;
        match key {
            "user" => call.hints.user = Some(text(value, &at)?),
            "safety_identifier" => self.safety_identifier = Some(text(value, &at)?),
            "metadata" => call.hints.metadata = Some(Value::Object(object(value, &at)?)).filter(is_not_empty),
            "service_tier" => call.hints.service_tier = Some(text(value, &at)?),
            "prompt_cache_key" => call.hints.prompt_cache_key = Some(text(value, &at)?),
            "store" => call.hints.store = Some(flag(&value, &at)?),
            // They speed up, keep longer or name for logs; none of them changes an answer.
            "prediction" | "prompt_cache_options" | "prompt_cache_retention" | "session_id" | "trace" => {
                call.hints.other.push(key.to_owned());
            }
            // OpenRouter: a usage is always there, and asked for in a stream.
            "usage" => {
                for (inner, value) in present(object(value, &at)?) {
                    let at = Path::In(&at, &inner);
                    match inner.as_str() {
                        "include" => call.include_usage |= flag(&value, &at)?,
                        _ => call.unknown.push((at.to_string(), value)),
                    }
                }
            }
            // Text is what all answers are.
            "modalities" if value.as_array().is_some_and(|list| list.iter().all(|item| item == "text")) => {}
            _ => call.unknown.push((key.to_owned(), value)),
        }
        Ok(())
    }

    fn finish(self) -> Result<ModelCall, Invalid> {
        let mut call = self.call;
        call.model = required(self.model, &Path::Field("model"))?;
        call.turns = required(self.turns, &Path::Field("messages"))?;
        call.max_tokens = match (self.max_completion_tokens, self.max_tokens) {
            (Some(new), Some(old)) if new != old => {
                return Err(Invalid::new("max_tokens", "must not differ from `max_completion_tokens`"));
            }
            (new, old) => new.or(old),
        };
        call.logprobs = match (self.wants_logprobs, self.top_logprobs) {
            (true, top) => Some(top.unwrap_or(0)),
            (false, None | Some(0)) => None,
            (false, Some(_)) => return Err(Invalid::new("top_logprobs", "needs `logprobs` to be true")),
        };
        if let Some(effort) = self.effort {
            let reasoning = call.reasoning.get_or_insert_default();
            if reasoning.budget_tokens.is_some() || reasoning.effort.as_ref().is_some_and(|other| *other != effort) {
                return Err(Invalid::new("reasoning_effort", "must not differ from `reasoning`"));
            }
            reasoning.effort = Some(effort);
        }
        if let Some(identifier) = self.safety_identifier
            && call.hints.user.replace(identifier).is_some()
        {
            call.hints.other.push("user".to_owned());
        }
        if !self.functions.is_empty() && !call.tools.is_empty() {
            return Err(Invalid::new("functions", "must not be there beside `tools`"));
        }
        call.tools.extend(self.functions);
        call.tool_choice = call.tool_choice.or(self.function_choice);
        let last = call.turns.last_mut().and_then(|turn| turn.parts.last_mut());
        if let (Some(last), Some(cache)) = (last, self.cache) {
            last.cache.get_or_insert(cache);
        }
        Ok(call)
    }
}

fn is_not_empty(value: &Value) -> bool {
    value.as_object().is_none_or(|object| !object.is_empty())
}

/// OpenRouter's `reasoning`.
fn reasoning(value: Value, at: &Path<'_>, unknown: &mut Unknown) -> Result<Reasoning, Invalid> {
    let mut reasoning = Reasoning::default();
    let mut enabled = None;
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "effort" => reasoning.effort = Some(text(value, &at)?),
            "max_tokens" => reasoning.budget_tokens = Some(count(&value, &at)?),
            "summary" => reasoning.summary = Some(text(value, &at)?),
            "enabled" => enabled = Some(flag(&value, &at)?),
            "exclude" => {
                if flag(&value, &at)? {
                    reasoning.summary = Some("omitted".to_owned());
                }
            }
            _ => unknown.push((at.to_string(), value)),
        }
    }
    match (&reasoning.effort, reasoning.budget_tokens, enabled) {
        (Some(_), Some(_), _) => return Err(at.wrong("must have `effort` or `max_tokens`, not both")),
        (_, _, Some(false)) => reasoning = Reasoning { effort: Some("none".to_owned()), ..Reasoning::default() },
        (None, None, Some(true)) => reasoning.effort = Some("medium".to_owned()),
        (None | Some(_), _, None | Some(true)) => {}
    }
    Ok(reasoning)
}
