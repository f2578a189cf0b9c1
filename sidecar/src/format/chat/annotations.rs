//! Citations: `annotations[].url_citation`, and the lists of Perplexity. Used by readers and writers of answers and events.
//! Source: OpenAI API specification 2.3.0; `content` is OpenRouter's.

use serde::{Deserialize, Serialize};

use super::lenient::{Count, Words};
use crate::format::answer::Citation;

/// An annotation as providers send it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Annotation<'a> {
    #[serde(borrow)]
    url_citation: Option<UrlCitation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UrlCitation<'a> {
    #[serde(borrow)]
    url: Words<'a>,
    #[serde(borrow)]
    title: Words<'a>,
    #[serde(borrow)]
    content: Words<'a>,
    start_index: Option<Count>,
    end_index: Option<Count>,
}

impl Annotation<'_> {
    /// What it cites; nothing for other kinds.
    pub(crate) fn citation(&self) -> Option<Citation> {
        let cited = self.url_citation.as_ref()?;
        let (start, end) = (cited.start_index.map(|at| at.0), cited.end_index.map(|at| at.0));
        // 0 to 0 is what those send that do not know.
        let known = end.is_some_and(|end| end > 0);
        Some(Citation {
            url: cited.url.owned(),
            title: cited.title.owned(),
            quote: cited.content.owned(),
            start: start.filter(|_| known),
            end: end.filter(|_| known),
        })
    }
}

/// What Perplexity says that an answer rests on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Source<'a> {
    #[serde(borrow)]
    url: Words<'a>,
    #[serde(borrow)]
    title: Words<'a>,
}

/// The citations of Perplexity's two lists, of which the first has titles.
pub(crate) fn sources(results: Option<&[Source<'_>]>, urls: Option<&[Words<'_>]>) -> Vec<Citation> {
    let cite = |url: &Words<'_>, title: Option<String>| Citation { url: url.owned(), title, ..Citation::default() };
    match results {
        Some(results) if !results.is_empty() => {
            results.iter().map(|source| cite(&source.url, source.title.owned())).collect()
        }
        Some(_) | None => urls.unwrap_or_default().iter().map(|url| cite(url, None)).collect(),
    }
}

/// An annotation as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: WrittenCitation<'a>,
}

#[derive(Debug, Serialize)]
struct WrittenCitation<'a> {
    url: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    start_index: u64,
    end_index: u64,
}

/// Writes a citation; `from` and `to` are where the text stands that rests on it, if it doesn't say so itself.
pub(crate) fn write(citation: &Citation, from: u64, to: u64) -> Written<'_> {
    let url = citation.url.as_deref().unwrap_or_default();
    Written {
        kind: "url_citation",
        url_citation: WrittenCitation {
            url,
            title: citation.title.as_deref().unwrap_or(url),
            content: citation.quote.as_deref(),
            start_index: citation.start.unwrap_or(from),
            end_index: citation.end.unwrap_or(to),
        },
    }
}
