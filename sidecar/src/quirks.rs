//! Where a vendor departs from the dialect that it speaks: other names for fields, fields that it refuses or ignores in
//! silence, roles and pictures that it does not take. The rows are in `vendors.yaml`; here a body is made to fit. Pure.

use std::borrow::Cow;

use lotse_crds::body::{Change, Edits};
use lotse_crds::route::UnsupportedFields;
use lotse_crds::snapshot::{Quirks, Thoughts};
use memchr::memmem;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::format::Format;
use crate::format::call::{Content, ModelCall, Part, Thinking, ToolInput};
use crate::format::chat::custom;
use crate::format::chat::thoughts::IN_CONTENT;
use crate::format::loss::{Feature, Losses};
use crate::outgoing::{Unfit, says_nothing};

/// Edits that make a body fit a vendor.
#[derive(Default)]
pub(crate) struct Fitted<'a> {
    /// The edits.
    pub edits: Edits<'a>,
    /// Fields that are left out: as the route wants it, because they are hints, or because they would choose who else gets
    /// the call.
    pub left_out: Vec<String>,
}

/// Fields that change no answer.
const HINTS: [&str; 8] = [
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "user",
    "verbosity",
];

/// A body's top-level names, and how to find their values.
type Fields<'f, 'b> = (&'f [&'f str], &'f dyn Fn(&str) -> Option<&'b [u8]>);

/// What must change in a body for a vendor with these quirks.
pub(crate) fn fit<'a>(
    quirks: &'a Quirks,
    fields: Fields<'_, '_>,
    unsupported: UnsupportedFields,
) -> Result<Fitted<'a>, Unfit> {
    let (names, value) = fields;
    let mut edits = Edits::default();
    let (mut left_out, mut refused) = (Vec::new(), Vec::new());
    edits.rename.extend(quirks.rename.iter().map(|(old, new)| (old.as_str(), new.as_str())));
    for key in quirks.unsupported.iter().filter(|key| names.contains(&key.as_str())) {
        let is_null = value(key).is_none_or(|value| value == b"null");
        if is_null || says_nothing(key, value(key)) {
            edits.remove.push(key);
        } else if HINTS.contains(&key.as_str()) || unsupported == UnsupportedFields::Drop {
            edits.remove.push(key);
            left_out.push(key.clone());
        } else {
            refused.push(key.clone());
        }
    }
    for key in quirks.strip.iter().filter(|key| names.contains(&key.as_str())) {
        edits.remove.push(key);
        left_out.push(key.clone());
    }
    if is_too_hot(quirks, value("temperature")) {
        refused.push("temperature".to_owned());
    }
    for (key, words) in &quirks.replace {
        let word = value(key).and_then(|value| serde_json::from_slice::<String>(value).ok());
        edits.set.extend(word.and_then(|word| words.get(&word)).map(|new| Change::new(key, new)));
    }
    if let Some(messages) = value("messages") {
        let mut messages = Messages { bytes: messages, read: None };
        refused.extend(messages.refused(quirks));
        edits.set.extend(messages.fitted(quirks).map(|messages| Change::new("messages", messages)));
    }
    if refused.is_empty() { Ok(Fitted { edits, left_out }) } else { Err(Unfit::Fields(refused)) }
}

/// Whether a call of Chat Completions can't pass to the vendor as it is: custom tools must become functions, and thoughts that
/// would come among the content must be told apart from it.
pub(crate) fn must_translate<'b>(quirks: &Quirks, value: impl Fn(&str) -> Option<&'b [u8]>) -> bool {
    let has_custom = |tools| memmem::find(tools, b"\"custom\"").is_some();
    let thinks = value("reasoning_effort").is_some_and(|effort| !matches!(effort, b"null" | b"\"none\""));
    quirks.function_tools_only && value("tools").is_some_and(has_custom)
        || quirks.thoughts == Some(Thoughts::Content) && thinks
}

/// The call as the vendor's Chat Completions take it: without custom tools, and with those thoughts only that it takes back.
pub(crate) fn fit_call<'c>(quirks: &Quirks, call: &'c ModelCall, losses: &mut Losses) -> Cow<'c, ModelCall> {
    let mut fitted = Cow::Borrowed(call);
    if quirks.function_tools_only && call.tools.iter().any(|tool| matches!(tool.input, ToolInput::Custom { .. })) {
        custom::as_functions(fitted.to_mut(), losses);
    }
    let is_foreign = |part: &Part| match &part.content {
        Content::Thinking(Thinking { signature: Some(signature), .. }) if signature.maker == Format::Chat => {
            match quirks.thoughts {
                None => true,
                Some(Thoughts::Content) => !signature.value.starts_with(IN_CONTENT),
                Some(Thoughts::Field) => signature.value.starts_with(IN_CONTENT),
            }
        }
        Content::Thinking(_)
        | Content::Text(_)
        | Content::Refusal(_)
        | Content::Image { .. }
        | Content::Audio { .. }
        | Content::File { .. }
        | Content::ToolCall(_)
        | Content::ToolResult(_) => false,
    };
    if call.turns.iter().flat_map(|turn| &turn.parts).any(is_foreign) {
        losses.lose(Feature::Thinking);
        for turn in &mut fitted.to_mut().turns {
            turn.parts.retain(|part| !is_foreign(part));
        }
    }
    fitted
}

fn is_too_hot(quirks: &Quirks, temperature: Option<&[u8]>) -> bool {
    let highest = quirks.max_temperature.as_deref().and_then(|text| text.parse::<f64>().ok());
    let asked = temperature.and_then(|value| serde_json::from_slice::<f64>(value).ok());
    highest.zip(asked).is_some_and(|(highest, asked)| asked > highest)
}

/// A call's messages, read only when something in them may have to change.
struct Messages<'a> {
    bytes: &'a [u8],
    read: Option<Value>,
}

impl Messages<'_> {
    fn mentions(&self, word: &str) -> bool {
        memmem::find(self.bytes, word.as_bytes()).is_some()
    }

    fn read(&mut self) -> &mut Value {
        self.read.get_or_insert_with(|| serde_json::from_slice(self.bytes).unwrap_or_default())
    }

    /// The parts that the vendor does not take, by name.
    fn refused(&mut self, quirks: &Quirks) -> Vec<String> {
        let mut refused: Vec<String> = Vec::new();
        let suspects: Vec<&String> =
            quirks.unsupported_parts.iter().filter(|kind| self.mentions(&format!("\"{kind}\""))).collect();
        let has_image = quirks.inline_images_only && self.mentions("image_url");
        if suspects.is_empty() && !has_image {
            return refused;
        }
        for part in
            self.read().as_array().into_iter().flatten().filter_map(|message| message["content"].as_array()).flatten()
        {
            let kind = part["type"].as_str().unwrap_or_default();
            if suspects.iter().any(|suspect| *suspect == kind) {
                refused.push(format!("messages[].content[].{kind}"));
            }
            if has_image && kind == "image_url" && is_remote(&part["image_url"]) {
                refused.push("messages[].content[].image_url.url".to_owned());
            }
        }
        refused.dedup();
        refused
    }

    /// The messages as the vendor takes them; nothing when they fit as they are.
    fn fitted(&mut self, quirks: &Quirks) -> Option<&Value> {
        let has_role = quirks.system_role_only && self.mentions("\"developer\"");
        let has_calls = quirks.short_tool_ids && self.mentions("tool_call");
        if !has_role && !has_calls {
            return None;
        }
        for message in self.read().as_array_mut()? {
            if has_role && message["role"] == "developer" {
                message["role"] = "system".into();
            }
            if has_calls {
                shorten_ids(message);
            }
        }
        self.read.as_ref()
    }
}

/// Whether a picture is to be fetched from somewhere.
fn is_remote(image: &Value) -> bool {
    let url = image.as_str().or_else(|| image["url"].as_str()).unwrap_or_default();
    !url.starts_with("data:")
}

/// Gives tool calls ids of nine letters and digits: the same for a call and its result.
fn shorten_ids(message: &mut Value) {
    let Some(message) = message.as_object_mut() else { return };
    let shorten = |id: &mut Value| {
        if let Some(long) =
            id.as_str().filter(|id| id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            *id = short(long).into();
        }
    };
    message.get_mut("tool_call_id").into_iter().for_each(shorten);
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten();
    calls.filter_map(|call| call.get_mut("id")).for_each(shorten);
}

fn short(id: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    Sha256::digest(id).iter().take(9).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(
        quirks: &Quirks,
        body: &str,
        unsupported: UnsupportedFields,
    ) -> Result<(String, Vec<String>), Vec<String>> {
        let scanned = lotse_crds::body::scan(body.as_bytes()).expect("a body");
        let names: Vec<&str> = scanned.names(body.as_bytes()).collect();
        let value = |key: &str| scanned.value(body.as_bytes(), key);
        match fit(quirks, (&names, &value), unsupported) {
            Ok(Fitted { edits, left_out }) => {
                let original = bytes::Bytes::copy_from_slice(body.as_bytes());
                let pieces = crate::pieces::put_together(&original, scanned.edit(body.as_bytes(), edits));
                Ok((String::from_utf8(pieces.concat()).expect("text"), left_out))
            }
            Err(Unfit::Fields(fields)) => Err(fields),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn mistral() -> Quirks {
        Quirks {
            rename: [("max_completion_tokens", "max_tokens"), ("seed", "random_seed")]
                .map(|(old, new)| (old.to_owned(), new.to_owned()))
                .into(),
            unsupported: ["logprobs", "store", "n", "user"].map(str::to_owned).into(),
            strip: ["fallbacks".to_owned()].into(),
            replace: [("reasoning_effort".to_owned(), [("low".to_owned(), "high".to_owned())].into())].into(),
            unsupported_parts: ["file".to_owned()].into(),
            function_tools_only: true,
            short_tool_ids: true,
            thoughts: Some(Thoughts::Content),
            system_role_only: true,
            inline_images_only: true,
            max_temperature: Some("1.5".to_owned()),
        }
    }

    #[test]
    fn names_roles_and_hints_are_made_to_fit() {
        let body = r#"{"seed":7,"max_completion_tokens":5,"user":"u","store":false,"n":1,"messages":[{"role":"developer","content":"x"}]}"#;

        let (fitted, left_out) = fitted(&mistral(), body, UnsupportedFields::Refuse).expect("it fits");

        assert_eq!(fitted, r#"{"random_seed":7,"max_tokens":5,"messages":[{"role":"system","content":"x"}]}"#);
        assert_eq!(left_out, ["user"]);
    }

    #[test]
    fn what_would_be_ignored_in_silence_is_refused_by_name_or_left_out_as_the_route_says() {
        let body = r#"{"logprobs":true,"n":2}"#;

        assert_eq!(
            fitted(&mistral(), body, UnsupportedFields::Refuse),
            Err(vec!["logprobs".to_owned(), "n".to_owned()])
        );
        let (fitted, left_out) = fitted(&mistral(), body, UnsupportedFields::Drop).expect("it fits");
        assert_eq!((fitted.as_str(), left_out), ("{}", vec!["logprobs".to_owned(), "n".to_owned()]));
    }

    #[test]
    fn a_temperature_or_a_picture_that_the_vendor_refuses_is_named() {
        let image = |url: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#
            )
        };

        assert_eq!(
            fitted(&mistral(), r#"{"temperature":1.6}"#, UnsupportedFields::Drop),
            Err(vec!["temperature".to_owned()])
        );
        assert!(fitted(&mistral(), r#"{"temperature":1.5}"#, UnsupportedFields::Refuse).is_ok());
        assert!(fitted(&mistral(), &image("https://example.org/a.png"), UnsupportedFields::Refuse).is_err());
        assert!(fitted(&mistral(), &image("data:image/png;base64,AA=="), UnsupportedFields::Refuse).is_ok());
    }

    #[test]
    fn ids_of_calls_and_words_are_made_to_fit_and_a_part_that_it_does_not_take_is_named() {
        let body = r#"{"reasoning_effort":"low","messages":[{"role":"assistant","tool_calls":[{"id":"toolu_01ABC","type":"function"},{"id":"FI5qQGzDE"}]},{"role":"tool","tool_call_id":"toolu_01ABC","content":"x"}]}"#;

        let (text, _) = fitted(&mistral(), body, UnsupportedFields::Refuse).expect("it fits");

        let fitted_body: Value = serde_json::from_str(&text).expect("JSON");
        let (calls, result) = (&fitted_body["messages"][0]["tool_calls"], &fitted_body["messages"][1]["tool_call_id"]);
        assert_eq!((&calls[0]["id"], &calls[1]["id"]), (result, &Value::from("FI5qQGzDE")));
        assert_eq!(result.as_str().map(str::len), Some(9));
        assert_eq!(fitted_body["reasoning_effort"], "high");
        let file =
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"file"},{"type":"file","file":{}}]}]}"#;
        assert_eq!(
            fitted(&mistral(), file, UnsupportedFields::Drop),
            Err(vec!["messages[].content[].file".to_owned()])
        );
        let custom = |key: &str| (key == "tools").then_some(&br#"[{"type":"custom"}]"#[..]);
        assert!(must_translate(&mistral(), custom));
        assert!(!must_translate(&Quirks::default(), custom));
    }
}
