//! Whole answers that pass as they are, of everything but Chat and Completions: makes sure that each is an answer, and reads
//! what it counts. Pure.

use bytes::Bytes;
use lotse_crds::body;
use lotse_crds::price::Tokens;
use lotse_crds::wire::Operation;

use crate::format::Format;
use crate::lane::Lane;
use crate::openai::{self, Names};
use crate::pieces;

/// The answer as it goes out, and what it counts; or why it is none.
pub(crate) fn read(
    answer: &Bytes,
    dialect: Option<Format>,
    operation: Operation,
    lane: &Lane,
) -> Result<(Bytes, Option<Tokens>), String> {
    let Some((field, names)) = shape(dialect, operation) else { return Ok((answer.clone(), None)) };
    let scanned = body::outline(answer).map_err(|error| error.to_string())?;
    match scanned.value(answer, "error") {
        None | Some(b"null") => {}
        Some(_) => return Err("an error with status 200".to_owned()),
    }
    if scanned.value(answer, field).is_none() {
        return Err(format!("JSON without {field}"));
    }
    let Some(names) = names else { return Ok((answer.clone(), None)) };
    let (pieces, tokens) = openai::annotate(answer, &scanned, lane.told(), names);
    Ok((Bytes::from(pieces::put_together(answer, pieces).concat()), tokens))
}

/// The field without which an answer is none, and how what it counts is named. Of sound and pictures nothing is known.
fn shape(dialect: Option<Format>, operation: Operation) -> Option<(&'static str, Option<Names>)> {
    match (dialect, operation) {
        (Some(Format::Responses), _) => Some(("output", Some(openai::RESPONSES))),
        (Some(Format::Messages), _) => Some(("content", Some(openai::MESSAGES))),
        (_, Operation::Embeddings) => Some(("data", Some(openai::CHAT))),
        (_, Operation::CountTokens) => Some(("input_tokens", None)),
        _ => None,
    }
}
