//! A request's body: read once, changed only where it must be, and sent as it was judged.
//!
//! `scan` reads the body whole and notes where its top-level fields stand; duplicate keys at any depth are refused,
//! because two readers could take two different values. `rewrite` says how the body for one candidate is put together
//! from pieces of the original and new values: nothing else changes, not even white space.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::fields::BodyFields;
use crate::snapshot::{Candidate, Route};

use scan::{Fault, Reader};

mod scan;

/// The fields of a body, by where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    members: Vec<Member>,
    /// Just behind the opening brace.
    opening: usize,
    length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    /// Where its key stands, with the quotes.
    name: Range<usize>,
    /// What its key says, when it is written with escapes.
    said: Option<String>,
    value: Range<usize>,
}

/// A field that is set, and the JSON that it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The field's name.
    pub key: &'a str,
    /// Its new value.
    pub json: Vec<u8>,
}

/// What is done to a body's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// Set, whether they are there or not.
    pub set: Vec<Change<'a>>,
    /// Given another name, if they are there: old, new. One whose new name is there too is removed.
    pub rename: Vec<(&'a str, &'a str)>,
    /// Removed, if they are there.
    pub remove: Vec<&'a str>,
}

/// A piece of a rewritten body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the original.
    Kept(Range<usize>),
    /// New bytes.
    New(Vec<u8>),
}

impl Piece {
    /// How many bytes it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Kept(range) => range.len(),
            Self::New(bytes) => bytes.len(),
        }
    }

    /// Whether it is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a body can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is not JSON.
    #[error("the body must be JSON: {0}")]
    NotJson(String),
    /// It is JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A key is there twice, at any depth.
    #[error("the body has the key `{0}` twice in one object; each key must be there once")]
    DuplicateKey(String),
    /// A field is not of the type that the API gives it.
    #[error("`{field}` must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// Reads a body and notes where its fields stand. A key that is there twice, at any depth, is refused.
pub fn scan(body: &[u8]) -> Result<Scanned, BodyError> {
    read(body, true)
}

/// As [`scan`], but looks for duplicate keys in the outermost object only: for what a provider sends, which nobody judges.
pub fn outline(body: &[u8]) -> Result<Scanned, BodyError> {
    read(body, false)
}

fn read(body: &[u8], is_deep: bool) -> Result<Scanned, BodyError> {
    let text = std::str::from_utf8(body).map_err(|_| BodyError::NotJson("it is not UTF-8".to_owned()))?;
    match Reader::new(text, is_deep).read() {
        Ok(scanned) => Ok(scanned),
        Err(Fault::Duplicate(key)) => Err(BodyError::DuplicateKey(key)),
        Err(Fault::Malformed) => Err(explain(text)),
    }
}

/// What is wrong with a text that was refused.
fn explain(text: &str) -> BodyError {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => BodyError::NotJson(error.to_string()),
        Ok(_) if !text.trim_ascii_start().starts_with('{') => BodyError::NotAnObject,
        Ok(_) => BodyError::NotJson("a number is too large, a surrogate is alone, or it is nested too deep".to_owned()),
    }
}

impl Scanned {
    /// The bytes of a field's value.
    pub fn value<'b>(&self, body: &'b [u8], key: &str) -> Option<&'b [u8]> {
        body.get(self.member(body, key)?.value.clone())
    }

    fn member(&self, body: &[u8], key: &str) -> Option<&Member> {
        self.members.iter().find(|member| match &member.said {
            Some(said) => said == key,
            None => body.get(member.name.start + 1..member.name.end - 1) == Some(key.as_bytes()),
        })
    }

    /// The model that the app asks for.
    pub fn model(&self, body: &[u8]) -> Result<String, BodyError> {
        let wrong = BodyError::WrongType { field: "model", expected: "a string that names a model" };
        let value = self.value(body, "model").ok_or_else(|| wrong.clone())?;
        serde_json::from_slice(value).map_err(|_| wrong)
    }

    /// Whether the app asks for a stream.
    pub fn stream(&self, body: &[u8]) -> Result<bool, BodyError> {
        match self.value(body, "stream") {
            None | Some(b"false" | b"null") => Ok(false),
            Some(b"true") => Ok(true),
            Some(_) => Err(BodyError::WrongType { field: "stream", expected: "true or false" }),
        }
    }

    /// The fields that a candidate's body sets, in the order that decides: what the route sets when the app does not,
    /// what the app says, what the route always sets, what the provider always sets. The model is the provider's name
    /// for it.
    pub fn changes<'c>(&self, body: &[u8], route: &'c Route, candidate: &'c Candidate) -> Vec<Change<'c>> {
        let mut changes = vec![Change::new("model", &candidate.endpoint.upstream_model)];
        let mut set = |fields: &'c BodyFields, only_absent: bool| {
            for (key, value) in &fields.0 {
                if only_absent && self.member(body, key).is_some() {
                    continue;
                }
                let change = Change::new(key, value);
                match changes.iter_mut().find(|change| change.key == key) {
                    Some(old) => *old = change,
                    None => changes.push(change),
                }
            }
        };
        set(&route.defaults, true);
        set(&route.overrides, false);
        set(&candidate.endpoint.force, false);
        changes
    }

    /// The body with these fields set, as pieces of the original and new values.
    pub fn rewrite(&self, body: &[u8], changes: Vec<Change<'_>>) -> Vec<Piece> {
        self.edit(body, Edits { set: changes, ..Edits::default() })
    }

    /// The body with some fields set, renamed and removed.
    pub fn edit(&self, body: &[u8], edits: Edits<'_>) -> Vec<Piece> {
        let mut removed = edits.remove;
        let mut inserted = Vec::new();
        let mut replaced: Vec<(Range<usize>, Vec<u8>)> = Vec::with_capacity(edits.set.len());
        for (old, new) in edits.rename {
            match (self.member(body, old), self.member(body, new)) {
                (None, _) => {}
                (Some(member), None) => replaced.push((member.name.clone(), json(&new))),
                // Both are there: what is said in the provider's own words holds.
                (Some(_), Some(_)) => removed.push(old),
            }
        }
        for Change { key, json } in edits.set {
            if let Some(member) = self.member(body, key) {
                replaced.push((member.value.clone(), json));
            } else {
                serde_json::to_writer(&mut inserted, key).expect("memory can be written");
                inserted.push(b':');
                inserted.extend(json);
                inserted.push(b',');
            }
        }
        let runs = self.runs(body, &removed);
        if runs.iter().map(ExactSizeIterator::len).sum::<usize>() == self.members.len() {
            inserted.pop();
        }
        replaced.retain(|(range, _)| !runs.iter().any(|run| self.span(run).contains(&range.start)));
        replaced.extend(runs.iter().map(|run| (self.span(run), Vec::new())));
        replaced.sort_by_key(|(range, _)| range.start);
        let mut pieces = Vec::with_capacity(3 + 2 * replaced.len());
        pieces.extend([Piece::Kept(0..self.opening), Piece::New(inserted)]);
        let mut kept = self.opening;
        for (range, json) in replaced {
            pieces.extend([Piece::Kept(kept..range.start), Piece::New(json)]);
            kept = range.end;
        }
        pieces.push(Piece::Kept(kept..self.length));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Members that are removed, as runs of neighbours.
    fn runs(&self, body: &[u8], removed: &[&str]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut places: Vec<usize> = removed
            .iter()
            .filter_map(|key| {
                let member = self.member(body, key)?;
                self.members.iter().position(|each| std::ptr::eq(each, member))
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            match runs.last_mut() {
                Some(run) if run.end == place => run.end = place + 1,
                _ => runs.push(place..place + 1),
            }
        }
        runs
    }

    /// The bytes of a run of members, with the one comma that goes with it.
    fn span(&self, run: &Range<usize>) -> Range<usize> {
        let start = self.members[run.start].name.start;
        let end = self.members[run.end - 1].value.end;
        match (self.members.get(run.end), run.start.checked_sub(1)) {
            (Some(next), _) => start..next.name.start,
            (None, Some(before)) => self.members[before].value.end..end,
            (None, None) => start..end,
        }
    }

    /// The names of all fields.
    pub fn names<'b>(&'b self, body: &'b [u8]) -> impl Iterator<Item = &'b str> {
        self.members.iter().filter_map(|member| match &member.said {
            Some(said) => Some(said.as_str()),
            None => std::str::from_utf8(body.get(member.name.start + 1..member.name.end - 1)?).ok(),
        })
    }
}

impl<'a> Change<'a> {
    /// Sets `key` to `value`.
    pub fn new(key: &'a str, value: &impl serde::Serialize) -> Self {
        Self { key, json: json(value) }
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is set is JSON")
}

#[cfg(test)]
mod tests;
