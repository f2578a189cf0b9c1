//! Whole answers that pass as they are, of everything but Chat and Completions: makes sure that each is an answer, and reads
//! what it counts. Of streams that pass, the events that count. Pure.

use bytes::{Bytes, BytesMut};
use lotse_crds::body::{self, Change, Scanned};
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

/// An event with a usage, or with a response that has one, and OpenRouter's `provider` and `usage.cost` in it; nothing when it
/// has none.
pub(crate) fn annotate(data: &[u8], provider: &str, cost: Option<f64>) -> Option<Vec<u8>> {
    let outer = body::outline(data).ok()?;
    if let Some(response) = outer.value(data, "response") {
        let json = annotate(response, provider, cost)?;
        return Some(rewritten(data, &outer, vec![Change { key: "response", json }]));
    }
    let usage = outer.value(data, "usage").filter(|usage| *usage != b"null")?;
    let fields = body::outline(usage).ok()?;
    let mut changes = vec![Change::new("provider", &provider)];
    if let Some(cost) = cost {
        let json = rewritten(usage, &fields, vec![Change::new("cost", &cost)]);
        changes.push(Change { key: "usage", json });
    }
    Some(rewritten(data, &outer, changes))
}

/// The object with these fields set.
pub(crate) fn rewritten(data: &[u8], fields: &Scanned, changes: Vec<Change<'_>>) -> Vec<u8> {
    let mut joined = BytesMut::with_capacity(data.len() + 64);
    pieces::join(data, &fields.rewrite(data, changes), &mut joined);
    joined.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_counts_gets_its_cost_and_others_stay_as_they_are() {
        let told =
            |data: &str| annotate(data.as_bytes(), "a/b", Some(0.5)).map(|data| String::from_utf8(data).expect("text"));

        assert_eq!(
            told(r#"{"type":"message_delta","usage":{"output_tokens":7}}"#).as_deref(),
            Some(r#"{"provider":"a/b","type":"message_delta","usage":{"cost":0.5,"output_tokens":7}}"#)
        );
        assert_eq!(
            told(r#"{"type":"response.completed","response":{"usage":{"input_tokens":1},"id":"r"}}"#).as_deref(),
            Some(
                r#"{"type":"response.completed","response":{"provider":"a/b","usage":{"cost":0.5,"input_tokens":1},"id":"r"}}"#
            )
        );
        assert_eq!(told(r#"{"type":"message_start","message":{"usage":{}}}"#), None);
        assert_eq!(told(r#"{"type":"response.created","response":{"usage":null}}"#), None);
        assert_eq!(told("[DONE]"), None);
    }
}
