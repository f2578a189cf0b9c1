//! Takes the values of a caller's body apart: each by its type, each wrong one by its name. Used by the readers of `chat` and
//! `completions`.

use std::fmt;

use serde_json::{Map, Number, Value};

use crate::format::Invalid;
use crate::format::fields::{NO_COUNT, whole};

/// Fields without a neutral place, by the caller's path.
pub(crate) type Unknown = Vec<(String, Value)>;

/// Where a value stands in the body. Spelled only when somebody must be told.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    /// A field of the body.
    Field(&'a str),
    /// A field of the object that stands there.
    In(&'a Path<'a>, &'a str),
    /// An item of the list that stands there.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// What stands here must be something else.
    pub(crate) fn wrong(&self, message: &str) -> Invalid {
        Invalid::new(self.to_string(), message)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(key) => f.write_str(key),
            Self::In(object, key) => write!(f, "{object}.{key}"),
            Self::Item(list, at) => write!(f, "{list}[{at}]"),
        }
    }
}

/// A string.
pub(crate) fn text(value: Value, at: &Path<'_>) -> Result<String, Invalid> {
    if let Value::String(text) = value { Ok(text) } else { Err(at.wrong("must be a string")) }
}

/// True or false.
pub(crate) fn flag(value: &Value, at: &Path<'_>) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| at.wrong("must be true or false"))
}

/// A number.
pub(crate) fn number(value: Value, at: &Path<'_>) -> Result<Number, Invalid> {
    if let Value::Number(number) = value { Ok(number) } else { Err(at.wrong("must be a number")) }
}

/// A number that asks for something; nothing for 0, which is what all servers do anyway, and which many apps say.
pub(crate) fn number_but_zero(value: Value, at: &Path<'_>) -> Result<Option<Number>, Invalid> {
    Ok(Some(number(value, at)?).filter(|number| number.as_f64() != Some(0.0)))
}

/// `n`: how many answers are wanted; nothing for one, which is what all servers give anyway.
pub(crate) fn choices(value: &Value, at: &Path<'_>) -> Result<Option<u64>, Invalid> {
    match count(value, at)? {
        0 => Err(at.wrong("must be at least 1")),
        1 => Ok(None),
        n => Ok(Some(n)),
    }
}

/// A whole number that is not negative; `16.0` is one.
pub(crate) fn count(value: &Value, at: &Path<'_>) -> Result<u64, Invalid> {
    whole(value).ok_or_else(|| at.wrong(NO_COUNT))
}

/// A list.
pub(crate) fn list(value: Value, at: &Path<'_>) -> Result<Vec<Value>, Invalid> {
    if let Value::Array(list) = value { Ok(list) } else { Err(at.wrong("must be a list")) }
}

/// An object.
pub(crate) fn object(value: Value, at: &Path<'_>) -> Result<Map<String, Value>, Invalid> {
    if let Value::Object(object) = value { Ok(object) } else { Err(at.wrong("must be an object")) }
}

/// The fields of an object that are not null: null is the same as absent.
pub(crate) fn present(object: Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    object.into_iter().filter(|(_, value)| !value.is_null())
}

/// What must be there.
pub(crate) fn required<T>(value: Option<T>, at: &Path<'_>) -> Result<T, Invalid> {
    value.ok_or_else(|| at.wrong("is required"))
}

/// `stop`: a string or a list of them. An empty one ends nothing; its path goes to the hints.
pub(crate) fn stop(value: Value, at: &Path<'_>, hints: &mut Vec<String>) -> Result<Vec<String>, Invalid> {
    let given = match value {
        Value::String(text) => vec![Value::String(text)],
        Value::Array(list) => list,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(at.wrong("must be a string or a list of strings"));
        }
    };
    let mut stop = Vec::with_capacity(given.len());
    for (n, value) in given.into_iter().enumerate() {
        let at = Path::Item(at, n);
        let text = text(value, &at)?;
        if text.is_empty() {
            hints.push(at.to_string());
        } else {
            stop.push(text);
        }
    }
    Ok(stop)
}

/// `stream_options`: whether a usage is wanted.
pub(crate) fn stream_options(
    value: Value,
    at: &Path<'_>,
    hints: &mut Vec<String>,
    unknown: &mut Unknown,
) -> Result<bool, Invalid> {
    let mut wants_usage = false;
    for (key, value) in present(object(value, at)?) {
        let at = Path::In(at, &key);
        match key.as_str() {
            "include_usage" => wants_usage = flag(&value, &at)?,
            "include_obfuscation" | "continuous_usage_stats" => hints.push(at.to_string()),
            _ => unknown.push((at.to_string(), value)),
        }
    }
    Ok(wants_usage)
}
