//! `tool_calls`, as providers send them, whole or in fragments, and as they are written. Used by readers and writers of
//! calls, answers and events.
//! Source: OpenAI API specification 2.3.0; `extra_content` is Gemini's, on its Chat endpoint.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lenient::{Count, Words, arguments};
use crate::format::Format;
use crate::format::call::{Signature, ToolCall};
use crate::format::function::unwrapped;

/// A call, or a fragment of one, as providers send it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fragment<'a> {
    /// The provider's own count of calls.
    pub(crate) index: Option<Count>,
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Custom<'a>>,
    #[serde(borrow)]
    extra_content: Option<Extra<'a>>,
}

/// A call of a function; also the deprecated `function_call`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Custom<'a> {
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    input: Words<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra<'a> {
    #[serde(borrow)]
    google: Option<Google<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Google<'a> {
    #[serde(borrow)]
    thought_signature: Words<'a>,
}

impl<'a> Fragment<'a> {
    /// The deprecated `function_call` as a fragment.
    pub(crate) fn of_function(function: Function<'a>) -> Self {
        Self { function: Some(function), ..Self::default() }
    }

    /// The id, unless it is empty.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.text()
    }

    /// The name, unless it is empty.
    pub(crate) fn name(&self) -> Option<&str> {
        let function = self.function.as_ref().and_then(|function| function.name.text());
        function.or_else(|| self.custom.as_ref().and_then(|custom| custom.name.text()))
    }

    /// Whether a custom tool is called.
    pub(crate) fn is_custom(&self) -> bool {
        self.custom.is_some()
    }

    /// The arguments, or a custom tool's input.
    pub(crate) fn arguments(&self) -> Cow<'_, str> {
        match (&self.custom, &self.function) {
            (Some(custom), _) => custom.input.flat(),
            (None, Some(function)) => arguments(function.arguments),
            (None, None) => Cow::Borrowed(""),
        }
    }

    /// What the provider wants back with it.
    pub(crate) fn signature(&self) -> Option<Signature> {
        let google = self.extra_content.as_ref()?.google.as_ref()?;
        google.thought_signature.owned().map(|value| Signature { maker: Format::Chat, value })
    }
}

/// A call, or a fragment of one, as it is written.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<WrittenFunction<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<WrittenCustom<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<WrittenExtra>,
}

#[derive(Debug, Serialize)]
struct WrittenFunction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct WrittenCustom<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct WrittenExtra {
    google: WrittenGoogle,
}

#[derive(Debug, Serialize)]
struct WrittenGoogle {
    thought_signature: String,
}

impl<'a> Written<'a> {
    /// A whole call, or the first fragment of one, without what the provider wants back.
    pub(crate) fn call(id: &'a str, name: &'a str, arguments: Cow<'a, str>, is_custom: bool) -> Self {
        let fragment = Self::more(arguments, is_custom);
        Self {
            id: Some(id),
            kind: Some(if is_custom { "custom" } else { "function" }),
            function: fragment.function.map(|function| WrittenFunction { name: Some(name), ..function }),
            custom: fragment.custom.map(|custom| WrittenCustom { name: Some(name), ..custom }),
            ..Self::default()
        }
    }

    /// A further fragment.
    pub(crate) fn more(arguments: Cow<'a, str>, is_custom: bool) -> Self {
        if is_custom {
            Self { custom: Some(WrittenCustom { name: None, input: arguments }), ..Self::default() }
        } else {
            Self { function: Some(WrittenFunction { name: None, arguments }), ..Self::default() }
        }
    }

    /// Says which call of a stream it is.
    pub(crate) fn at(self, index: u32) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Adds what the provider wants back: Chat's own bare, that of others tagged.
    pub(crate) fn signed(self, signature: Option<&Signature>) -> Self {
        let extra_content = signature.map(|signature| WrittenExtra {
            google: WrittenGoogle { thought_signature: signature.told_in(Format::Chat) },
        });
        Self { extra_content, ..self }
    }
}

/// A whole call as a caller is told it; `custom_tools` are those of the call that it answers.
pub(crate) fn told<'a>(call: &'a ToolCall, custom_tools: &[String]) -> Written<'a> {
    let is_wrapped = !call.custom && custom_tools.contains(&call.name);
    let arguments = if is_wrapped { unwrapped(&call.arguments) } else { Cow::Borrowed(call.arguments.as_str()) };
    Written::call(&call.id, &call.name, arguments, call.custom || is_wrapped).signed(call.signature.as_ref())
}
