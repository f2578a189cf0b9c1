//! Form bodies of images and audio: finds the model, and puts the provider's name for it in its place. Pure.
//! Source: RFC 7578; RFC 2046, section 5.1.1 for boundaries.
//!
//! Two readers of a form could take two different values, so what is ambiguous is refused: a field that decides is there
//! once, with a plain name.

use std::ops::Range;

use bytes::Bytes;
use lotse_crds::preferences;
use memchr::memmem;

use crate::failure::Failure;

/// A form, by where its fields that matter stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The value of `model`.
    pub model: String,
    /// Whether `stream` is true.
    pub stream: bool,
    /// The names of its fields.
    pub names: Vec<String>,
    model_at: Range<usize>,
}

/// The boundary that a Content-Type names; nothing if it is no form.
pub fn boundary(content_type: &str) -> Option<String> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (!value.is_empty() && value.len() <= 70 && value.is_ascii()).then_some(value)
}

impl Form {
    /// Reads a form, or says what is wrong with it.
    pub fn read(body: &[u8], boundary: &str) -> Result<Self, Failure> {
        let (mut model, mut stream, mut names) = (None, false, Vec::new());
        for part in parts(body, boundary)? {
            let name = field_name(&body[part.head.clone()])?;
            match name.as_str() {
                "model" if model.is_some() => return Err(wrong("the form has the field `model` twice")),
                "model" => {
                    let value = std::str::from_utf8(&body[part.value.clone()]);
                    let value = value.map_err(|_| wrong("the form's `model` must be text"))?;
                    model = Some((value.to_owned(), part.value));
                }
                "stream" => stream = &body[part.value] == b"true",
                _ if preferences::is_routing(plain(&name)) => {
                    return Err(Failure::UnsupportedField(format!(
                        "`{name}` is not honoured in a form and would change who answers; leave it out, and let the ModelRoute decide"
                    )));
                }
                _ => {}
            }
            names.push(name);
        }
        let (model, model_at) = model.ok_or_else(|| wrong("the form must have a field `model`"))?;
        Ok(Self { model, stream, names, model_at })
    }

    /// The form with another model, in pieces of the original.
    pub fn with_model(&self, body: &Bytes, model: &str) -> [Bytes; 3] {
        let Range { start, end } = self.model_at;
        [body.slice(..start), Bytes::copy_from_slice(model.as_bytes()), body.slice(end..)]
    }
}

/// A field's name without the brackets that lists and objects have in forms: `provider` of `provider[only][]`.
pub(crate) fn plain(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

struct Part {
    head: Range<usize>,
    value: Range<usize>,
}

/// The parts between the boundaries. The last boundary must be there: a form that was cut is none.
fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>, Failure> {
    let broken = || wrong("the body must be a form with the boundary that its Content-Type names");
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    if !body.starts_with(first.as_bytes()) {
        return Err(broken());
    }
    let mut at = first.len();
    let mut parts = Vec::new();
    loop {
        match body.get(at..at + 2) {
            Some(b"--") => return Ok(parts),
            Some(b"\r\n") => at += 2,
            _ => return Err(broken()),
        }
        let head_length = memmem::find(&body[at..], b"\r\n\r\n").ok_or_else(broken)?;
        let value_at = at + head_length + 4;
        let value_length = memmem::find(&body[value_at..], next.as_bytes()).ok_or_else(broken)?;
        let end = value_at + value_length;
        parts.push(Part { head: at..at + head_length, value: value_at..end });
        at = end + next.len();
    }
}

/// The name of a part. Names that readers may take differently are refused.
fn field_name(head: &[u8]) -> Result<String, Failure> {
    let unclear = || wrong("each part of the form must have one Content-Disposition with one plain name");
    let text = std::str::from_utf8(head).map_err(|_| unclear())?;
    let mut dispositions = text.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else { return Err(unclear()) };
    let mut names = disposition.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().get(..4).filter(|key| key.eq_ignore_ascii_case("name")).map(|_| (name.trim(), value.trim()))
    });
    let (Some((key, value)), None) = (names.next(), names.next()) else { return Err(unclear()) };
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_plain = key.len() == 4 && !value.is_empty() && !value.contains(['"', '\\', '%']);
    if is_plain { Ok(value.to_owned()) } else { Err(unclear()) }
}

fn wrong(message: &str) -> Failure {
    Failure::InvalidRequest(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut body = String::new();
        for (disposition, value) in fields {
            for piece in ["--b0\r\nContent-Disposition: form-data; ", disposition, "\r\n\r\n", value, "\r\n"] {
                body.push_str(piece);
            }
        }
        (body + "--b0--\r\n").into_bytes()
    }

    #[test]
    fn the_model_is_found_and_replaced_and_nothing_else_changes() {
        let file = "name=\"file\"; filename=\"a; b.mp3\"\r\nContent-Type: audio/mpeg";
        let body = form(&[(file, "\r\n--b1 not ours"), ("name=\"model\"", "whisper"), ("name=stream", "true")]);
        let form = Form::read(&body, "b0").expect("a form");

        assert_eq!((form.model.as_str(), form.stream), ("whisper", true));
        let rewritten = form.with_model(&Bytes::from(body.clone()), "voxtral-mini").concat();
        let expected = String::from_utf8(body).expect("text").replace("whisper", "voxtral-mini");
        assert_eq!(String::from_utf8(rewritten).expect("text"), expected);
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        let model = ("name=\"model\"", "a");
        for fields in [
            &[model, ("name=\"model\"", "b")][..],
            &[model, ("name=\"provider\"", "x")],
            &[model, ("name=\"provider[only][]\"", "x")],
            &[model, ("name=\"models[]\"", "x")],
            &[model, ("name=\"allowed_providers\"", "x")],
            &[model, ("name=\"eu_native\"", "true")],
            &[model, ("name=\"mo\\del\"", "b")],
            &[model, ("name=\"x\"; name=\"model\"", "b")],
            &[model, ("name*=utf-8''model", "b")],
            &[model, ("filename=\"x\"", "b")],
            &[("name=\"file\"", "x")],
        ] {
            assert!(Form::read(&form(fields), "b0").is_err(), "{fields:?}");
        }
        let whole = form(&[model]);
        for end in 0..whole.len() - 4 {
            assert!(Form::read(&whole[..end], "b0").is_err(), "cut at {end}");
        }
    }

    #[test]
    fn only_a_form_with_a_boundary_is_one() {
        assert_eq!(boundary("multipart/form-data; boundary=\"b0\"").as_deref(), Some("b0"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=b0").as_deref(), Some("b0"));
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("multipart/mixed; boundary=b0"), None);
        assert_eq!(boundary("application/json; boundary=b0"), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(1024)
        })]

        #[test]
        fn whatever_an_app_sends_is_read_without_a_panic(bytes in proptest::collection::vec(proptest::sample::select(b"-b0\r\n:;=\"nameodl ".to_vec()), 0..80)) {
            let _ = Form::read(&bytes, "b0");
        }
    }
}
