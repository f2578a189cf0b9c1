//! Reads `input`: items become turns. What the model said in a row (thoughts, text, calls) is one turn; results of tools stand
//! right behind the turn that called them, wherever the caller has them, because other dialects demand it.
//! Source: `InputItem` of OpenAI's specification 2.3.0, and what Codex CLI sends back.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{content, read::keep};
use crate::format::call::{Content, ModelCall, Part, Role, Signature, Thinking, ToolCall, ToolResult, Turn};
use crate::format::responses::output::CALL_SIGNATURE;
use crate::format::{Format, Invalid, fields};

/// What is read so far.
struct Input<'c> {
    call: &'c mut ModelCall,
    /// What the next call of a tool gets.
    signature: Option<Signature>,
    /// The turn that holds each call, by the call's id; ids may come again, the latest counts.
    calls: HashMap<String, usize>,
    /// Results of tools, and the turn that each belongs behind.
    results: Vec<(usize, Part)>,
    /// Whether the last turn has results by now, so that nothing can be added to it.
    answered: bool,
}

/// Reads the items into the call's turns.
pub(super) fn read(list: Vec<Value>, call: &mut ModelCall) -> Result<(), Invalid> {
    let mut input = Input { call, signature: None, calls: HashMap::new(), results: Vec::new(), answered: false };
    for (index, value) in list.into_iter().enumerate() {
        let at = format!("input[{index}]");
        let mut object = fields::object(value, &at)?;
        let kind = match object.remove("type") {
            Some(Value::String(kind)) => kind,
            None | Some(Value::Null) if object.contains_key("role") => "message".to_owned(),
            None | Some(Value::Null) if object.contains_key("id") => "item_reference".to_owned(),
            None | Some(_) => return Err(Invalid::new(format!("{at}.type"), "must name a type of item")),
        };
        input.item(&kind, object, &at)?;
    }
    input.settle();
    Ok(())
}

impl Input<'_> {
    fn item(&mut self, kind: &str, mut object: Map<String, Value>, at: &str) -> Result<(), Invalid> {
        match kind {
            "message" => self.message(object, at),
            "function_call" => self.tool_call(object, false, at),
            "custom_tool_call" => self.tool_call(object, true, at),
            "function_call_output" | "custom_tool_call_output" => self.tool_result(object, at),
            "reasoning" => self.reasoning(object, at),
            "item_reference" => {
                let id = fields::string(object.remove("id").unwrap_or_default(), &format!("{at}.id"))?;
                keep(self.call, format!("{at}.item_reference"), id);
                Ok(())
            }
            _ => {
                self.call.unknown.push((format!("{at}.{kind}"), Value::Object(object)));
                Ok(())
            }
        }
    }

    fn message(&mut self, object: Map<String, Value>, at: &str) -> Result<(), Invalid> {
        let (mut role, mut parts) = (None, None);
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match name.as_str() {
                _ if value.is_null() => {}
                "role" => role = Some(fields::string(value, &at)?),
                "content" => parts = Some(content::read(value, &at, self.call)?),
                // How the provider filed it; no part of what was said.
                "id" | "status" => {}
                "phase" | "internal_chat_message_metadata_passthrough" => self.hint(&name),
                _ => self.call.unknown.push((at, value)),
            }
        }
        let role = match role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            _ => return Err(Invalid::new(format!("{at}.role"), "must be user, assistant, system or developer")),
        };
        let parts = parts.ok_or_else(|| Invalid::new(format!("{at}.content"), "is required"))?;
        if role == Role::Assistant {
            self.said().extend(parts);
        } else {
            self.answered = false;
            self.call.turns.push(Turn { role, name: None, parts });
        }
        Ok(())
    }

    fn tool_call(&mut self, object: Map<String, Value>, custom: bool, at: &str) -> Result<(), Invalid> {
        let (mut id, mut label, mut arguments) = (None, None, None);
        let written = if custom { "input" } else { "arguments" };
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match name.as_str() {
                _ if value.is_null() => {}
                "call_id" => id = Some(fields::string(value, &at)?),
                "name" => label = Some(fields::string(value, &at)?),
                name if name == written => arguments = Some(fields::string(value, &at)?),
                "id" | "status" | "parsed_arguments" => {}
                "caller" if value.get("type").is_some_and(|kind| kind == "direct") => {}
                "internal_chat_message_metadata_passthrough" => self.hint(&name),
                _ => self.call.unknown.push((at, value)),
            }
        }
        let missing = |name: &str| Invalid::new(format!("{at}.{name}"), "is required");
        let mut arguments = arguments.ok_or_else(|| missing(written))?;
        if !custom && arguments.trim().is_empty() {
            "{}".clone_into(&mut arguments);
        }
        let call = ToolCall {
            id: id.ok_or_else(|| missing("call_id"))?,
            name: label.ok_or_else(|| missing("name"))?,
            arguments,
            custom,
            signature: self.signature.take(),
        };
        let id = call.id.clone();
        self.said().push(Part::new(Content::ToolCall(call)));
        self.calls.insert(id, self.call.turns.len() - 1);
        Ok(())
    }

    fn tool_result(&mut self, object: Map<String, Value>, at: &str) -> Result<(), Invalid> {
        let (mut id, mut parts) = (None, None);
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match name.as_str() {
                _ if value.is_null() => {}
                "call_id" => id = Some(fields::string(value, &at)?),
                "output" => parts = Some(content::read(value, &at, self.call)?),
                // `name` repeats what the call says.
                "id" | "status" | "name" => {}
                "caller" if value.get("type").is_some_and(|kind| kind == "direct") => {}
                "internal_chat_message_metadata_passthrough" => self.hint(&name),
                _ => self.call.unknown.push((at, value)),
            }
        }
        let missing = |name: &str| Invalid::new(format!("{at}.{name}"), "is required");
        let result = ToolResult {
            call_id: id.ok_or_else(|| missing("call_id"))?,
            parts: parts.ok_or_else(|| missing("output"))?,
            is_error: false,
        };
        self.place(result);
        Ok(())
    }

    /// Puts a result behind the turn that called for it; one that nobody called for stays where it is.
    fn place(&mut self, result: ToolResult) {
        let turn = self.calls.get(&result.call_id).copied();
        let part = Part::new(Content::ToolResult(result));
        let turns = &mut self.call.turns;
        match (turn, turns.last_mut().filter(|turn| is_results(turn))) {
            (Some(turn), _) => {
                self.answered |= turn + 1 == turns.len();
                self.results.push((turn, part));
            }
            (None, Some(last)) => last.parts.push(part),
            (None, None) => turns.push(Turn { role: Role::User, name: None, parts: vec![part] }),
        }
    }

    /// Sets the results in among the turns.
    fn settle(self) {
        let mut results = self.results;
        results.sort_by_key(|(turn, _)| *turn);
        let mut results = results.into_iter().peekable();
        let turns = std::mem::take(&mut self.call.turns);
        for (index, turn) in turns.into_iter().enumerate() {
            self.call.turns.push(turn);
            let mut parts = Vec::new();
            while let Some((_, part)) = results.next_if(|(turn, _)| *turn == index) {
                parts.push(part);
            }
            if !parts.is_empty() {
                self.call.turns.push(Turn { role: Role::User, name: None, parts });
            }
        }
    }

    fn reasoning(&mut self, object: Map<String, Value>, at: &str) -> Result<(), Invalid> {
        let mut item_id = None;
        let (mut summary, mut raw, mut encrypted) = (Vec::new(), Vec::new(), None);
        for (name, value) in object {
            let at = format!("{at}.{name}");
            match name.as_str() {
                _ if value.is_null() => {}
                "id" => item_id = Some(fields::string(value, &at)?),
                "summary" => summary = self.thoughts(value, &at)?,
                "content" => raw = self.thoughts(value, &at)?,
                "encrypted_content" => encrypted = Some(fields::string(value, &at)?),
                "status" => {}
                "internal_chat_message_metadata_passthrough" => self.hint(&name),
                _ => self.call.unknown.push((at, value)),
            }
        }
        let encrypted = encrypted.filter(|value| !value.is_empty());
        if let Some(of_call) = encrypted.as_deref().and_then(|value| value.strip_prefix(CALL_SIGNATURE)) {
            self.signature = Some(Signature::read(&format!("lotse.{of_call}"), Format::Responses));
            return Ok(());
        }
        let signature = encrypted.map(|value| Signature::read(&value, Format::Responses));
        let thoughts = if raw.is_empty() { summary } else { raw };
        // What Responses signs it encrypts. Of others' thoughts, answers written here say with one empty summary that they are
        // proven but not shown.
        let redacted =
            signature.as_ref().is_some_and(|signature| signature.maker == Format::Responses || thoughts.is_empty());
        let text = thoughts.join("\n\n");
        if text.is_empty() && signature.is_none() {
            // Only the provider that keeps it knows what it was: thoughts that nobody else can read are a hint.
            self.hint("reasoning");
        } else {
            let thinking = Thinking { text, signature, redacted, id: item_id };
            self.said().push(Part::new(Content::Thinking(thinking)));
        }
        Ok(())
    }

    fn thoughts(&mut self, value: Value, at: &str) -> Result<Vec<String>, Invalid> {
        let mut texts = Vec::new();
        for (index, value) in fields::list(value, at)?.into_iter().enumerate() {
            let at = format!("{at}[{index}]");
            for (name, value) in fields::object(value, &at)? {
                let at = format!("{at}.{name}");
                match name.as_str() {
                    "type" => {}
                    "text" => texts.push(fields::string(value, &at)?),
                    _ if value.is_null() => {}
                    _ => self.call.unknown.push((at, value)),
                }
            }
        }
        Ok(texts)
    }

    /// The parts of the model's turn at the end, which is begun if another side spoke last.
    fn said(&mut self) -> &mut Vec<Part> {
        let turns = &mut self.call.turns;
        if self.answered || turns.last().is_none_or(|turn| turn.role != Role::Assistant) {
            self.answered = false;
            turns.push(Turn { role: Role::Assistant, name: None, parts: Vec::new() });
        }
        let last = turns.len() - 1;
        &mut turns[last].parts
    }

    /// Notes a key that every item may have, once.
    fn hint(&mut self, name: &str) {
        let path = format!("input[].{name}");
        if !self.call.hints.other.contains(&path) {
            self.call.hints.other.push(path);
        }
    }
}

fn is_results(turn: &Turn) -> bool {
    turn.role == Role::User && matches!(turn.parts.last(), Some(Part { content: Content::ToolResult(_), .. }))
}
