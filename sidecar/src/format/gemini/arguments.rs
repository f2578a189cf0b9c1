//! Arguments of a function call that come in pieces, each with the place it belongs to (`streamFunctionCallArguments`):
//! `$.operations[0].action` and a value, or a piece of a string. Called by `events`.
//!
//! The pieces are put together and told at once when the call ends: a place may come back after another one, and JSON that
//! was told cannot be taken back.

use serde_json::Value;

use super::wire::PartialArg;
use crate::format::Malformed;

/// The most elements that a place may be beyond the end of a list.
const LARGEST_GAP: usize = 1000;

/// The most steps of a place.
const DEEPEST: usize = 100;

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    root: Value,
    /// The place whose string goes on.
    open: Option<String>,
}

impl Arguments {
    /// Takes a piece.
    pub(super) fn add(&mut self, piece: PartialArg) -> Result<(), Malformed> {
        let Some(path) = piece.json_path else { return Ok(()) };
        let goes_on = piece.will_continue == Some(true);
        let continues = self.open.take_if(|open| *open == path).is_some();
        let place = find(&mut self.root, &path)?;
        match (piece.string_value, piece.number_value, piece.bool_value) {
            (Some(text), ..) => {
                if let (Value::String(said), true) = (&mut *place, continues) {
                    said.push_str(&text);
                } else {
                    *place = Value::String(text);
                }
            }
            (None, Some(number), _) => *place = Value::Number(number),
            (None, None, Some(truth)) => *place = Value::Bool(truth),
            // `nullValue`, or the end of a string that went on: the place exists now, and is null if nothing was said.
            (None, None, None) => {}
        }
        if goes_on {
            self.open = Some(path);
        }
        Ok(())
    }

    /// All of it, as JSON of an object.
    pub(super) fn json(&self) -> String {
        if self.root.is_object() { self.root.to_string() } else { "{}".to_owned() }
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn find<'v>(root: &'v mut Value, path: &str) -> Result<&'v mut Value, Malformed> {
    let mut rest = path.strip_prefix('$').ok_or_else(bad)?;
    let mut place = root;
    let mut depth = 0;
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        depth += 1;
        if depth > DEEPEST {
            return Err(bad());
        }
        place = enter(place, &step)?;
        rest = behind;
    }
    if depth == 0 { Err(bad()) } else { Ok(place) }
}

/// The first step of `.name[0]['other']`, and what stands behind it.
fn step(path: &str) -> Result<(Step<'_>, &str), Malformed> {
    if let Some(name) = path.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        return if end == 0 { Err(bad()) } else { Ok((Step::Key(&name[..end]), &name[end..])) };
    }
    let inner = path.strip_prefix('[').ok_or_else(bad)?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, behind) = quoted.split_once([quote]).ok_or_else(bad)?;
            return Ok((Step::Key(name), behind.strip_prefix(']').ok_or_else(bad)?));
        }
    }
    let (digits, behind) = inner.split_once(']').ok_or_else(bad)?;
    Ok((Step::Index(digits.parse().map_err(|_| bad())?), behind))
}

fn enter<'v>(place: &'v mut Value, step: &Step<'_>) -> Result<&'v mut Value, Malformed> {
    match step {
        Step::Key(name) => {
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            let map = place.as_object_mut().ok_or_else(bad)?;
            Ok(map.entry(*name).or_insert(Value::Null))
        }
        Step::Index(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut().ok_or_else(bad)?;
            if *index >= list.len() {
                if *index - list.len() > LARGEST_GAP {
                    return Err(bad());
                }
                list.resize(index + 1, Value::Null);
            }
            list.get_mut(*index).ok_or_else(bad)
        }
    }
}

fn bad() -> Malformed {
    Malformed("a piece of a function call's arguments has no place in them".to_owned())
}
