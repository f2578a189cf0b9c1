//! Writes turns as input items.
//! Source: `InputItem` of OpenAI's specification 2.3.0. An answer of the model goes back in the easy form, as plain text: the
//! full form needs an id that only the provider can have given.

use std::borrow::Cow;
use std::collections::HashSet;

use super::written::{Item, Part, Said, Summary};
use crate::format::Format;
use crate::format::call::{Content, Media, Part as NeutralPart, Role, Thinking, ToolCall, ToolResult, Turn};
use crate::format::data_uri::Url;
use crate::format::loss::{Feature, Losses};

/// What the items are written into.
struct Output<'a, 'l> {
    items: Vec<Item<'a>>,
    custom: HashSet<&'a str>,
    losses: &'l mut Losses,
}

/// A plain system text at the front goes into `instructions`, which every server knows; gives the turns behind it.
pub(super) fn instructions(turns: &[Turn]) -> (Option<&str>, &[Turn]) {
    if let [Turn { role: Role::System, name: None, parts }, rest @ ..] = turns
        && let [NeutralPart { content: Content::Text(text), cache: None }] = parts.as_slice()
    {
        return (Some(text), rest);
    }
    (None, turns)
}

/// Writes the turns.
pub(super) fn write<'a>(turns: &'a [Turn], losses: &mut Losses) -> Vec<Item<'a>> {
    if let Some(Turn { role: Role::Assistant, parts, .. }) = turns.last() {
        let begun = parts.last().is_some_and(|part| matches!(part.content, Content::Text(_)));
        losses.lose_if(begun, Feature::Prefill);
    }
    let mut output = Output { items: Vec::with_capacity(turns.len()), custom: HashSet::new(), losses };
    for turn in turns {
        output.turn(turn);
    }
    output.items
}

impl<'a> Output<'a, '_> {
    fn turn(&mut self, turn: &'a Turn) {
        let Turn { role, name, parts } = turn;
        self.losses.lose_if(name.is_some(), Feature::ParticipantName);
        let mut said = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let NeutralPart { content, cache } = part;
            self.losses.lose_if(cache.is_some(), Feature::CacheBreakpoint);
            match content {
                Content::ToolCall(call) => {
                    self.message(*role, &mut said);
                    self.call(call);
                }
                Content::ToolResult(result) => {
                    self.message(*role, &mut said);
                    self.result(result);
                }
                Content::Thinking(thinking) => {
                    self.message(*role, &mut said);
                    self.thinking(thinking, &parts[index + 1..]);
                }
                Content::Text(_)
                | Content::Refusal(_)
                | Content::Image { .. }
                | Content::Audio { .. }
                | Content::File { .. } => {
                    if *role == Role::Assistant {
                        self.answer(content);
                    } else {
                        said.extend(input(content, self.losses));
                    }
                }
            }
        }
        self.message(*role, &mut said);
    }

    fn message(&mut self, role: Role, said: &mut Vec<Part<'a>>) {
        if said.is_empty() {
            return;
        }
        let role = match role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        self.items.push(Item::Message { role, content: Said::Parts(std::mem::take(said)) });
    }

    /// What the model said, each part as a message of its own.
    fn answer(&mut self, content: &'a Content) {
        let content = match content {
            Content::Text(text) if text.is_empty() => return,
            Content::Text(text) => Said::Text(Cow::Borrowed(text)),
            Content::Refusal(refusal) => Said::Parts(vec![Part::Refusal { refusal }]),
            Content::Image { .. } => return self.losses.lose(Feature::ImageInline),
            Content::Audio { .. } => return self.losses.lose(Feature::Audio),
            Content::File { .. } => return self.losses.lose(Feature::FileInline),
            Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking(_) => return,
        };
        self.items.push(Item::Message { role: "assistant", content });
    }

    fn call(&mut self, call: &'a ToolCall) {
        let ToolCall { id, name, arguments, custom, signature } = call;
        self.losses.lose_if(signature.is_some(), Feature::ToolCallSignature);
        self.items.push(if *custom {
            self.custom.insert(id);
            Item::CustomToolCall { call_id: id, name, input: arguments }
        } else {
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            Item::FunctionCall { call_id: id, name, arguments }
        });
    }

    fn result(&mut self, result: &'a ToolResult) {
        let ToolResult { call_id, parts, is_error } = result;
        self.losses.lose_if(parts.iter().any(|part| part.cache.is_some()), Feature::CacheBreakpoint);
        let output = match parts.as_slice() {
            [NeutralPart { content: Content::Text(text), .. }] if *is_error => {
                Said::Text(format!("Error: {text}").into())
            }
            [NeutralPart { content: Content::Text(text), .. }] => Said::Text(Cow::Borrowed(text)),
            [] => Said::Text(Cow::Borrowed(if *is_error { "Error" } else { "" })),
            parts => {
                let mut said = Vec::with_capacity(parts.len() + 1);
                if *is_error {
                    said.push(Part::InputText { text: "Error:" });
                }
                said.extend(parts.iter().filter_map(|part| input(&part.content, self.losses)));
                Said::Parts(said)
            }
        };
        if *is_error {
            // There is no field for it, but the model only ever reads the text.
            self.losses.change(Feature::ToolResultError);
        }
        self.items.push(if self.custom.contains(call_id.as_str()) {
            Item::CustomToolCallOutput { call_id, output }
        } else {
            Item::FunctionCallOutput { call_id, output }
        });
    }

    /// Only thoughts that a Responses provider encrypted go back, and only before what they led to: others are refused.
    fn thinking(&mut self, thinking: &'a Thinking, behind: &[NeutralPart]) {
        let Thinking { text, signature, redacted: _, id } = thinking;
        let led_to_something = behind.iter().any(|part| match &part.content {
            Content::Text(text) => !text.is_empty(),
            Content::Thinking(_) => false,
            Content::Refusal(_)
            | Content::Image { .. }
            | Content::Audio { .. }
            | Content::File { .. }
            | Content::ToolCall(_)
            | Content::ToolResult(_) => true,
        });
        match signature {
            Some(signature) if signature.maker == Format::Responses && led_to_something => {
                self.items.push(Item::Reasoning {
                    id: id.as_deref(),
                    summary: if text.is_empty() { Vec::new() } else { vec![Summary { text }] },
                    encrypted_content: &signature.value,
                });
            }
            Some(_) | None => self.losses.lose(Feature::Thinking),
        }
    }
}

/// A part of a user's, a developer's or a tool's message.
fn input<'a>(content: &'a Content, losses: &mut Losses) -> Option<Part<'a>> {
    match content {
        Content::Text(text) | Content::Refusal(text) => Some(Part::InputText { text }),
        Content::Image { media, detail } => Some(image(media, detail.as_deref().unwrap_or("auto"))),
        Content::Audio { .. } => {
            losses.lose(Feature::Audio);
            None
        }
        Content::File { media, name, citations } => {
            losses.lose_if(*citations, Feature::Citations);
            Some(file(media, name.as_deref(), losses))
        }
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Thinking(_) => None,
    }
}

fn image<'a>(media: &'a Media, detail: &'a str) -> Part<'a> {
    let (image_url, file_id) = match media {
        Media::Inline { mime, base64 } => (Some(Url::Data { mime, base64 }), None),
        Media::Url(url) => (Some(Url::Place(url)), None),
        Media::Id(id) => (None, Some(id.as_str())),
        Media::Text(text) => return Part::InputText { text },
    };
    Part::InputImage { detail, image_url, file_id }
}

fn file<'a>(media: &'a Media, name: Option<&'a str>, losses: &mut Losses) -> Part<'a> {
    let (mut filename, mut file_data, mut file_url, mut file_id) = (name.map(Cow::Borrowed), None, None, None);
    match media {
        Media::Inline { mime, base64 } => {
            // Bytes without a name are refused.
            filename.get_or_insert_with(|| Cow::Owned(format!("file.{}", mime.rsplit('/').next().unwrap_or("bin"))));
            file_data = Some(Url::Data { mime, base64 });
        }
        Media::Url(url) => file_url = Some(url.as_str()),
        Media::Id(id) => file_id = Some(id.as_str()),
        Media::Text(text) => {
            losses.change(Feature::FileText);
            return Part::InputText { text };
        }
    }
    Part::InputFile { filename, file_data, file_url, file_id }
}
