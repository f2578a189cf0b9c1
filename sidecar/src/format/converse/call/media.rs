//! Pictures, documents and sounds as Converse has them: bytes in base64, with a format of a short list. It fetches no URL.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use serde::Serialize;

use super::messages::Block;
use crate::format::call::Media;
use crate::format::loss::{Feature, Losses};

#[derive(Serialize)]
pub(super) struct Source<'a> {
    bytes: Cow<'a, str>,
}

/// A picture or a sound.
#[derive(Serialize)]
pub(super) struct Medium<'a> {
    format: Cow<'a, str>,
    source: Source<'a>,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    format: &'static str,
    name: String,
    source: Source<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citations: Option<Citations>,
}

#[derive(Serialize)]
struct Citations {
    enabled: bool,
}

pub(super) fn image<'a>(media: &'a Media, detail: Option<&str>, losses: &mut Losses) -> Option<Block<'a>> {
    losses.lose_if(detail.is_some_and(|detail| detail != "auto"), Feature::ImageDetail);
    match media {
        Media::Inline { mime, base64 } => {
            let format = match mime.to_ascii_lowercase().as_str() {
                "image/png" => "png",
                "image/jpeg" | "image/jpg" => "jpeg",
                "image/gif" => "gif",
                "image/webp" => "webp",
                _ => {
                    losses.lose(Feature::ImageInline);
                    return None;
                }
            };
            let source = Source { bytes: Cow::Borrowed(base64) };
            return Some(Block::Image(Medium { format: Cow::Borrowed(format), source }));
        }
        Media::Text(text) => return Some(Block::Text(text)).filter(|_| !text.trim().is_empty()),
        Media::Url(_) => losses.lose(Feature::ImageUrl),
        Media::Id(_) => losses.lose(Feature::MediaId),
    }
    None
}

pub(super) fn audio<'a>(data: &'a str, format: &'a str, losses: &mut Losses) -> Option<Block<'a>> {
    let known = ["mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "m4a", "mpeg", "mpga", "pcm", "webm"];
    if !known.contains(&format) {
        losses.lose(Feature::Audio);
        return None;
    }
    Some(Block::Audio(Medium { format: Cow::Borrowed(format), source: Source { bytes: Cow::Borrowed(data) } }))
}

/// Documents of one call, whose names must differ.
#[derive(Default)]
pub(super) struct Documents {
    names: HashSet<String>,
}

impl Documents {
    pub(super) fn document<'a>(
        &mut self,
        media: &'a Media,
        name: Option<&str>,
        citations: bool,
        losses: &mut Losses,
    ) -> Option<Block<'a>> {
        let (format, bytes) = match media {
            Media::Inline { mime, base64 } => {
                let Some(format) = document_format(mime, name) else {
                    losses.lose(Feature::FileInline);
                    return None;
                };
                (format, Cow::Borrowed(base64.as_str()))
            }
            Media::Text(text) => ("txt", Cow::Owned(base64::engine::general_purpose::STANDARD.encode(text))),
            Media::Url(_) => {
                losses.lose(Feature::FileUrl);
                return None;
            }
            Media::Id(_) => {
                losses.lose(Feature::MediaId);
                return None;
            }
        };
        let name = self.name(name.unwrap_or_default());
        let citations = citations.then_some(Citations { enabled: true });
        Some(Block::Document(Document { format, name, source: Source { bytes }, citations }))
    }

    /// The name with only the letters that are taken, without its extension, and unlike all before it.
    fn name(&mut self, given: &str) -> String {
        let stem = given.rsplit_once('.').filter(|(_, extension)| by_extension(extension).is_some());
        let stem = stem.map_or(given, |(stem, _)| stem);
        let mut name = String::new();
        for letter in stem.chars() {
            let letter = match letter {
                ' ' | '\t' | '\n' if name.ends_with(' ') => continue,
                ' ' | '\t' | '\n' => ' ',
                '-' | '(' | ')' | '[' | ']' => letter,
                _ if letter.is_ascii_alphanumeric() => letter,
                _ => '-',
            };
            if name.len() == 150 {
                break;
            }
            name.push(letter);
        }
        let name = name.trim();
        let name = if name.trim_matches('-').is_empty() { "document" } else { name };
        let mut unlike = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unlike.clone()) {
            count += 1;
            unlike = format!("{name} ({count})");
        }
        unlike
    }
}

fn document_format(mime: &str, name: Option<&str>) -> Option<&'static str> {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match mime.as_str() {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => name.and_then(extension).filter(|format| matches!(*format, "md" | "csv")).unwrap_or("txt"),
        "" | "application/octet-stream" => return name.and_then(extension),
        _ => return None,
    })
}

fn extension(name: &str) -> Option<&'static str> {
    by_extension(name.rsplit_once('.')?.1)
}

fn by_extension(extension: &str) -> Option<&'static str> {
    let known = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(extension))
}
