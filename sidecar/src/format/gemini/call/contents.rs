//! `contents` and `systemInstruction`: turns as Gemini has them, with the roles `user` and `model` alone.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::generation_of;
use crate::format::Format;
use crate::format::call::{self, Media, Role, Signature, Thinking, ToolCall, ToolResult, Turn};
use crate::format::function::{arguments, joined_text, wrapped};
use crate::format::loss::{Feature, Losses};

/// What Google documents for calls that another model made: Gemini 3 refuses a step whose first call has no signature.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
    /// Whether its parts are results of functions.
    #[serde(skip)]
    results: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: Cow<'a, str>,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileData<'a> {
    mime_type: &'static str,
    file_uri: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    name: &'a str,
    args: Cow<'a, RawValue>,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    name: &'a str,
    response: Box<RawValue>,
}

/// What a writer knows on its way through the turns.
struct Writer<'a, 'l> {
    losses: &'l mut Losses,
    /// Whether calls need a signature.
    signed: bool,
    /// The name of each call that was seen, and how many were before it.
    calls: HashMap<&'a str, (&'a str, usize)>,
    called: usize,
}

/// The instructions, if there are any, and the conversation.
pub(super) fn write<'a>(
    turns: &'a [Turn],
    model: &str,
    losses: &mut Losses,
) -> (Option<Content<'a>>, Vec<Content<'a>>) {
    // Aliases such as `gemini-flash-latest` move on to newer models.
    let signed = generation_of(model).map_or(model.contains("-latest"), |generation| generation >= (3, 0));
    let mut writer = Writer { losses, signed, calls: HashMap::new(), called: 0 };
    let mut system = Vec::new();
    let mut contents: Vec<Content<'a>> = Vec::new();
    for turn in turns {
        let (results, parts) = writer.turn(turn);
        match turn.role {
            Role::System | Role::Developer => {
                if !contents.is_empty() {
                    // There is one place for instructions, before everything.
                    writer.losses.change(Feature::SystemTurns);
                }
                system.extend(parts);
            }
            Role::User => {
                // Vertex AI refuses results beside anything else, and takes two contents of the user's in a row.
                push(Content { role: Some("user"), parts: results, results: true }, &mut contents);
                push(Content { role: Some("user"), parts, results: false }, &mut contents);
            }
            Role::Assistant => push(Content { role: Some("model"), parts, results: false }, &mut contents),
        }
    }
    prefill(&mut contents, model, losses);
    if contents.is_empty() && !system.is_empty() {
        // A conversation needs a turn of the user's: instructions alone become one.
        losses.change(Feature::SystemTurns);
        push(Content { role: Some("user"), parts: std::mem::take(&mut system), results: false }, &mut contents);
    }
    let system = Content { role: None, parts: system, results: false };
    ((!system.parts.is_empty()).then_some(system), contents)
}

fn push<'a>(content: Content<'a>, contents: &mut Vec<Content<'a>>) {
    match contents.last_mut() {
        _ if content.parts.is_empty() => {}
        Some(last) if last.role == content.role && last.results == content.results => last.parts.extend(content.parts),
        _ => contents.push(content),
    }
}

/// A last turn of the model's is gone on with by Gemini up to 3.1, and refused by later models.
fn prefill(contents: &mut Vec<Content<'_>>, model: &str, losses: &mut Losses) {
    if contents.last().is_none_or(|last| last.role != Some("model")) {
        return;
    }
    let refused = match generation_of(model) {
        Some(generation) => generation > (3, 1),
        None => model.contains("-latest"),
    };
    if refused {
        losses.lose(Feature::Prefill);
        contents.pop();
    } else {
        losses.change(Feature::Prefill);
    }
}

impl<'a> Writer<'a, '_> {
    /// The results of functions, and all else.
    fn turn(&mut self, turn: &'a Turn) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
        self.losses.lose_if(turn.name.is_some(), Feature::ParticipantName);
        let mut results: Vec<(usize, Part<'a>)> = Vec::new();
        let mut parts = Vec::new();
        let mut called = false;
        for call::Part { content, cache } in &turn.parts {
            self.losses.lose_if(cache.is_some(), Feature::CacheBreakpoint);
            match content {
                call::Content::Text(text) | call::Content::Refusal(text) => parts.extend(plain(text)),
                call::Content::Image { media, detail } => parts.extend(self.image(media, detail.as_deref())),
                call::Content::Audio { data, format } => {
                    let blob = Blob { mime_type: format!("audio/{format}").into(), data };
                    parts.push(Part { inline_data: Some(blob), ..Part::default() });
                }
                call::Content::File { media, name: _, citations } => {
                    self.losses.lose_if(*citations, Feature::Citations);
                    parts.extend(self.file(media));
                }
                call::Content::ToolCall(call) => {
                    parts.push(self.call(call, !called));
                    called = true;
                }
                call::Content::ToolResult(result) => {
                    let known = self.calls.get(result.call_id.as_str()).copied();
                    let (name, place) = known.unwrap_or((&result.call_id, usize::MAX));
                    results.push((place, response(name, result)));
                    self.media_of(result, &mut parts);
                }
                call::Content::Thinking(thinking) => parts.extend(self.thinking(thinking)),
            }
        }
        // Without ids, calls of one tool are told apart by their order.
        results.sort_by_key(|(place, _)| *place);
        (results.into_iter().map(|(_, part)| part).collect(), parts)
    }

    fn call(&mut self, call: &'a ToolCall, first: bool) -> Part<'a> {
        self.calls.insert(&call.id, (&call.name, self.called));
        self.called += 1;
        let own = own(call.signature.as_ref());
        self.losses.lose_if(call.signature.is_some() && own.is_none(), Feature::ToolCallSignature);
        let args = arguments(call, self.losses);
        Part {
            function_call: Some(FunctionCall { name: &call.name, args }),
            thought_signature: own.or((first && self.signed).then_some(FOREIGN_CALL)),
            ..Part::default()
        }
    }

    fn thinking(&mut self, thinking: &'a Thinking) -> Option<Part<'a>> {
        let Thinking { text, signature, redacted, id: _ } = thinking;
        let Some(signature) = own(signature.as_ref()) else {
            self.losses.lose(Feature::Thinking);
            return None;
        };
        let text = if *redacted { "" } else { text.as_str() };
        let thought = (!text.is_empty()).then_some(true);
        Some(Part { text: Some(text), thought, thought_signature: Some(signature), ..Part::default() })
    }

    fn image(&mut self, media: &'a Media, detail: Option<&str>) -> Option<Part<'a>> {
        self.losses.lose_if(detail.is_some_and(|detail| detail != "auto"), Feature::ImageDetail);
        match media {
            Media::Url(url) => self.fetched(url, Feature::ImageUrl),
            Media::Text(text) => plain(text),
            Media::Inline { .. } | Media::Id(_) => self.inline(media),
        }
    }

    fn file(&mut self, media: &'a Media) -> Option<Part<'a>> {
        match media {
            Media::Url(url) => self.fetched(url, Feature::FileUrl),
            Media::Text(text) => {
                self.losses.change(Feature::FileText);
                plain(text)
            }
            Media::Inline { .. } | Media::Id(_) => self.inline(media),
        }
    }

    fn inline(&mut self, media: &'a Media) -> Option<Part<'a>> {
        if let Media::Inline { mime, base64 } = media {
            let blob = Blob { mime_type: mime.into(), data: base64 };
            return Some(Part { inline_data: Some(blob), ..Part::default() });
        }
        self.losses.lose(Feature::MediaId);
        None
    }

    /// Google fetches `gs:` and `https:`, and must be told what it will find.
    fn fetched(&mut self, url: &'a str, feature: Feature) -> Option<Part<'a>> {
        let scheme = url.starts_with("gs://") || url.starts_with("https://");
        let Some(mime_type) = mime_of(url).filter(|_| scheme) else {
            self.losses.lose(feature);
            return None;
        };
        Some(Part { file_data: Some(FileData { mime_type, file_uri: url }), ..Part::default() })
    }

    /// Pictures and documents of a result follow it in the same turn.
    fn media_of(&mut self, result: &'a ToolResult, parts: &mut Vec<Part<'a>>) {
        for call::Part { content, cache } in &result.parts {
            self.losses.lose_if(cache.is_some(), Feature::CacheBreakpoint);
            match content {
                call::Content::Image { media, detail } => {
                    self.losses.change(Feature::ToolResultImage);
                    parts.extend(self.image(media, detail.as_deref()));
                }
                call::Content::File { media, name: _, citations } => {
                    self.losses.change(Feature::ToolResultFile);
                    self.losses.lose_if(*citations, Feature::Citations);
                    parts.extend(self.file(media));
                }
                call::Content::Audio { data: _, format: _ } => self.losses.lose(Feature::Audio),
                call::Content::Text(_)
                | call::Content::Refusal(_)
                | call::Content::ToolCall(_)
                | call::Content::ToolResult(_)
                | call::Content::Thinking(_) => {}
            }
        }
    }
}

/// Empty texts are refused.
fn plain(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Part { text: Some(text), ..Part::default() })
}

fn own(signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|signature| signature.maker == Format::Gemini).map(|signature| signature.value.as_str())
}

/// A result is an object: `output` for what a function gave, `error` for how it failed, by Google's definition.
fn response<'a>(name: &'a str, result: &ToolResult) -> Part<'a> {
    let key = if result.is_error { "error" } else { "output" };
    let response = wrapped(key, &joined_text(&result.parts));
    Part { function_response: Some(FunctionResponse { name, response }), ..Part::default() }
}

fn mime_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "json" => "application/json",
        _ => return None,
    })
}
