//! Writes the content of a message: parts, or the one string that they come to, and what tools gave. Called by
//! `write_messages`.

use std::borrow::Cow;

use serde::Serialize;

use crate::format::call::{Content, Media, ToolResult};
use crate::format::data_uri::{Url, text_of};
use crate::format::loss::{Feature, Losses};

/// A part.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: ImageUrl<'a> },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
    Thinking { thinking: [Thought<'a>; 1] },
}

#[derive(Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Url<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Audio<'a> {
    data: &'a str,
    format: &'a str,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "OpenAI names them so")]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Url<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

/// A piece of Mistral's thoughts.
#[derive(Serialize)]
pub(super) struct Thought<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl<'a> Part<'a> {
    /// A text.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text { text: Cow::Borrowed(text) }
    }

    /// Sound.
    pub(super) fn audio(data: &'a str, format: &'a str) -> Self {
        Self::InputAudio { input_audio: Audio { data, format } }
    }

    /// Thoughts, as Mistral has them.
    pub(super) fn thinking(text: &'a str) -> Self {
        Self::Thinking { thinking: [Thought { kind: "text", text }] }
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::ImageUrl { .. } | Self::InputAudio { .. } | Self::File { .. } | Self::Thinking { .. } => None,
        }
    }
}

/// A message's content.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Written<'a> {
    One(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

/// One string if all parts are text, with this between them; otherwise the parts.
pub(super) fn written<'a>(mut parts: Vec<Part<'a>>, between: &str) -> Written<'a> {
    let Some(texts) = parts.iter().map(Part::as_text).collect::<Option<Vec<_>>>() else {
        return Written::Parts(parts);
    };
    if texts.len() > 1 {
        return Written::One(Cow::Owned(texts.join(between)));
    }
    match parts.pop() {
        Some(Part::Text { text }) => Written::One(text),
        Some(part) => Written::Parts(vec![part]),
        None => Written::One(Cow::Borrowed("")),
    }
}

/// A picture; nothing for one that is only known by an id.
pub(super) fn image<'a>(media: &'a Media, detail: Option<&'a str>, losses: &mut Losses) -> Option<Part<'a>> {
    let url = match media {
        Media::Inline { mime, base64 } => Url::Data { mime, base64 },
        Media::Url(url) => Url::Place(url),
        Media::Text(_) => {
            losses.lose(Feature::ImageInline);
            return None;
        }
        Media::Id(_) => {
            losses.lose(Feature::MediaId);
            return None;
        }
    };
    Some(Part::ImageUrl { image_url: ImageUrl { url, detail } })
}

/// A document. OpenAI takes none without a name, PDF only, and none by its URL: text stands for itself.
pub(super) fn file<'a>(media: &'a Media, name: Option<&'a str>, losses: &mut Losses) -> Option<Part<'a>> {
    let titled = |text: &str| Part::Text {
        text: Cow::Owned(name.map_or_else(|| text.to_owned(), |name| format!("{name}\n\n{text}"))),
    };
    let file = match media {
        Media::Inline { mime, base64 } => match text_of(mime, base64) {
            Some(text) => {
                losses.change(Feature::FileInline);
                return Some(titled(&text));
            }
            None => File {
                filename: Some(name.unwrap_or(if mime == "application/pdf" { "document.pdf" } else { "document" })),
                file_data: Some(Url::Data { mime, base64 }),
                file_id: None,
            },
        },
        Media::Text(text) => {
            losses.change(Feature::FileText);
            return Some(titled(text));
        }
        Media::Url(_) => {
            losses.lose(Feature::FileUrl);
            return None;
        }
        Media::Id(id) => File { filename: None, file_data: None, file_id: Some(id) },
    };
    Some(Part::File { file })
}

/// What a tool gave: texts for the tool's message, and what only a user can send.
pub(super) struct Results<'a> {
    /// The content of the tool's message.
    pub(super) content: Written<'a>,
    /// What moves into the user's message behind it.
    pub(super) moved: Vec<Part<'a>>,
}

/// Writes what a tool gave. Chat's results are texts, and have no field for a failure.
pub(super) fn result<'a>(result: &'a ToolResult, losses: &mut Losses) -> Results<'a> {
    let ToolResult { call_id, parts, is_error } = result;
    let mut texts = Vec::new();
    let mut moved = Vec::new();
    if *is_error {
        losses.change(Feature::ToolResultError);
        texts.push(Part::text("Error: "));
    }
    for part in parts {
        losses.lose_if(part.cache.is_some(), Feature::CacheBreakpoint);
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => texts.push(Part::text(text)),
            Content::Image { media, detail } => {
                losses.change(Feature::ToolResultImage);
                moved.extend(image(media, detail.as_deref(), losses));
            }
            Content::File { media: Media::Text(text), .. } => {
                losses.change(Feature::FileText);
                texts.push(Part::text(text));
            }
            Content::File { media, name, .. } => {
                losses.change(Feature::ToolResultFile);
                moved.extend(file(media, name.as_deref(), losses));
            }
            Content::Audio { .. } => losses.lose(Feature::Audio),
            Content::Thinking(_) => losses.lose(Feature::Thinking),
            Content::ToolCall(_) | Content::ToolResult(_) => losses.lose(Feature::Tools),
        }
    }
    if !moved.is_empty() {
        if texts.is_empty() {
            texts.push(Part::text("The result is in the next message."));
        }
        moved.insert(0, Part::Text { text: Cow::Owned(format!("Result of tool call {call_id}:")) });
    }
    Results { content: written(texts, if *is_error { "" } else { "\n" }), moved }
}
