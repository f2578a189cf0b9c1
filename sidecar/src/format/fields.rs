//! Takes values of the right type out of what a caller sent, or says which field must be something else. Used by the readers of
//! calls of `messages` and `responses`; `chat` spells its paths only when somebody must be told.

use serde_json::{Map, Number, Value};

use crate::format::Invalid;

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// A text.
pub(super) fn string(value: Value, at: &str) -> Result<String, Invalid> {
    if let Value::String(text) = value { Ok(text) } else { Err(Invalid::new(at, "must be a string")) }
}

/// An object.
pub(super) fn object(value: Value, at: &str) -> Result<Fields, Invalid> {
    if let Value::Object(fields) = value { Ok(fields) } else { Err(Invalid::new(at, "must be an object")) }
}

/// A list.
pub(super) fn list(value: Value, at: &str) -> Result<Vec<Value>, Invalid> {
    if let Value::Array(items) = value { Ok(items) } else { Err(Invalid::new(at, "must be a list")) }
}

/// True or false.
pub(super) fn boolean(value: &Value, at: &str) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::new(at, "must be true or false"))
}

/// A whole number that is not negative.
pub(super) fn count(value: &Value, at: &str) -> Result<u64, Invalid> {
    whole(value).ok_or_else(|| Invalid::new(at, NO_COUNT))
}

/// What is said of what should be a whole number that is not negative.
pub(super) const NO_COUNT: &str = "must be a whole number that is not negative";

/// A whole number that is not negative; `16.0` is one.
pub(super) fn whole(value: &Value) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let of = |float: f64| ((0.0..9e15).contains(&float) && float.fract() == 0.0).then_some(float as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of))
}

/// Any number.
pub(super) fn number(value: Value, at: &str) -> Result<Number, Invalid> {
    if let Value::Number(number) = value { Ok(number) } else { Err(Invalid::new(at, "must be a number")) }
}

/// Takes a field that is there and not null.
pub(super) fn take(fields: &mut Fields, key: &str) -> Option<Value> {
    fields.remove(key).filter(|value| !value.is_null())
}

/// The `type` of an object, taken out of it.
pub(super) fn kind(fields: &mut Fields, at: &str) -> Result<String, Invalid> {
    let at = format!("{at}.type");
    fields.remove("type").map_or_else(|| Err(Invalid::new(&at, "is required")), |kind| string(kind, &at))
}

/// Takes a text that must be there.
pub(super) fn required(fields: &mut Fields, key: &str, at: &str) -> Result<String, Invalid> {
    match optional(fields, key, at)? {
        Some(text) => Ok(text),
        None => Err(Invalid::new(format!("{at}.{key}"), "is required")),
    }
}

/// Takes a text that may be there.
pub(super) fn optional(fields: &mut Fields, key: &str, at: &str) -> Result<Option<String>, Invalid> {
    take(fields, key).map(|value| string(value, &format!("{at}.{key}"))).transpose()
}
