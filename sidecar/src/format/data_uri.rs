//! Pictures and documents in OpenAI's dialects: `data:` URIs both ways, without a copy of their bytes. Used by the readers and
//! writers of calls of `chat` and `responses`.
//! Source: RFC 2397, and what OpenAI and OpenRouter take in `image_url.url` and `file.file_data`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::format::call::Media;

/// Media types by the ends of names, for bytes without one.
const TYPES: [(&str, &str); 10] = [
    (".pdf", "application/pdf"),
    (".txt", "text/plain"),
    (".log", "text/plain"),
    (".md", "text/markdown"),
    (".csv", "text/csv"),
    (".html", "text/html"),
    (".json", "application/json"),
    (".xml", "application/xml"),
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];

/// What a URL in a call points at: bytes that it holds, or a place.
pub(super) fn read(mut url: String) -> Media {
    let is_data = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let Some(comma) = url.find(',').filter(|_| is_data) else {
        return Media::Url(url);
    };
    let head = &url[5..comma];
    let mime = match head.split(';').next() {
        None | Some("") => "text/plain",
        Some(mime) => mime,
    };
    let mime = mime.to_owned();
    if head.rsplit(';').next().is_some_and(|last| last.eq_ignore_ascii_case("base64")) {
        url.drain(..=comma);
        Media::Inline { mime, base64: url }
    } else {
        Media::Inline { mime, base64: STANDARD.encode(unescape(&url.as_bytes()[comma + 1..])) }
    }
}

/// What `file_data` holds: a `data:` URI, a URL (OpenRouter), or bare base64.
pub(super) fn read_file(data: String, name: Option<&str>) -> Media {
    let is_url = ["data:", "http://", "https://"].iter().any(|scheme| data.starts_with(scheme));
    if is_url {
        return read(data);
    }
    let name = name.unwrap_or_default().to_ascii_lowercase();
    // OpenAI takes PDF first of all.
    let mime = TYPES.iter().find(|(end, _)| name.ends_with(end)).map_or("application/pdf", |(_, mime)| mime);
    Media::Inline { mime: mime.to_owned(), base64: data }
}

/// Takes `%41` for `A`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(byte) = escaped.filter(|_| first == b'%') {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

/// The text that a file of this type holds, if it is one: OpenAI's Chat takes PDF only.
pub(super) fn text_of(mime: &str, base64: &str) -> Option<String> {
    let is_text = mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml");
    if !is_text {
        return None;
    }
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

/// A URL as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Url<'a> {
    /// Bytes.
    Data {
        /// Their type.
        mime: &'a str,
        /// In base64.
        base64: &'a str,
    },
    /// A place.
    Place(&'a str),
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { mime, base64 } => write!(f, "data:{mime};base64,{base64}"),
            Self::Place(url) => f.write_str(url),
        }
    }
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Data { .. } => serializer.collect_str(self),
            Self::Place(url) => serializer.serialize_str(url),
        }
    }
}
