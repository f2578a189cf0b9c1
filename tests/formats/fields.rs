//! What becomes of every feature that a caller can ask for, in every provider's dialect, by example: it is carried, changed,
//! refused or left out, never lost in silence.

use std::collections::BTreeMap;

use lotse_sidecar::format::call::{ModelCall, Signature};
use lotse_sidecar::format::loss::{Feature, Losses, Lost};
use lotse_sidecar::format::{self, Format};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::neutral::plain;

/// Callers' dialects, and their examples.
pub(crate) const CALLERS: [(Format, &str); 4] = [
    (Format::Chat, include_str!("fields/chat.yaml")),
    (Format::Completions, include_str!("fields/completions.yaml")),
    (Format::Responses, include_str!("fields/responses.yaml")),
    (Format::Messages, include_str!("fields/messages.yaml")),
];

/// Providers' dialects, each with a model that speaks it.
pub(crate) const PROVIDERS: [(Format, &str); 5] = [
    (Format::Chat, "gpt-5.2"),
    (Format::Responses, "gpt-5.2"),
    (Format::Messages, "claude-sonnet-4-6"),
    (Format::Gemini, "gemini-3-pro"),
    (Format::Converse, "eu.anthropic.claude-sonnet-4-6"),
];

/// The examples of a caller's dialect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Examples {
    base: Map<String, Value>,
    pub(crate) rows: Vec<Example>,
}

/// A feature as a caller asks for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    feature: String,
    /// How it is spelled.
    pub(crate) field: String,
    /// Which of its values or places this is.
    pub(crate) note: Option<String>,
    body: Map<String, Value>,
    /// Where it stands, if it stands elsewhere than its feature does.
    #[serde(default)]
    places: BTreeMap<String, Places>,
}

/// What becomes of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Carried,
    Changed,
    Refused,
    LeftOut,
}

/// Pointers into a written body, and what must stand there.
type Places = BTreeMap<String, Value>;

impl Examples {
    pub(crate) fn of(yaml: &str) -> Self {
        serde_saphyr::from_str(yaml).expect("examples")
    }

    fn body(&self, example: &Example, caller: Format, provider: Format) -> Map<String, Value> {
        let mut body = self.base.clone();
        body.extend(example.body.clone());
        let other = if provider == Format::Gemini { Format::Converse } else { Format::Gemini };
        let signature = |maker| Signature { maker, value: "sig".to_owned() }.told_in(caller);
        let text = Value::Object(body).to_string();
        let text = text.replace("$OWN", &signature(provider)).replace("$OTHER", &signature(other));
        let text = text.replace("$MAKER", provider.name());
        serde_json::from_str(&text).expect("JSON of JSON")
    }
}

impl Example {
    fn feature(&self) -> Feature {
        Feature::all().find(|feature| format!("{feature:?}") == self.feature).expect(&self.feature)
    }
}

/// What becomes of an example at a provider, or what is wrong with that.
pub(crate) fn outcome(
    examples: &Examples,
    example: &Example,
    caller: Format,
    (provider, model): (Format, &str),
) -> Result<Outcome, String> {
    let read = |body| {
        let call = format::read_call(caller, body).map_err(|error| error.to_string())?;
        Ok::<_, String>(ModelCall { model: model.to_owned(), ..call })
    };
    let call = read(examples.body(example, caller, provider))?;
    let plain_call = read(examples.base.clone())?;
    let feature = example.feature();
    let (written, losses) = write(provider, &call);
    let (without, nothing) = write(provider, &plain_call);
    if nothing != Losses::default() {
        return Err(format!("the base alone loses {nothing:?}"));
    }
    let others: Vec<_> = losses.lost.iter().filter(|lost| **lost != Lost::Feature(feature)).collect();
    match others.as_slice() {
        [] => {}
        // A caller's own word for what changes no answer.
        [Lost::Hint(_)] if losses.lost.len() == 1 => return Ok(Outcome::LeftOut),
        _ => return Err(format!("loses {others:?} too")),
    }
    if !losses.lost.is_empty() {
        return Ok(if feature.is_hint() { Outcome::LeftOut } else { Outcome::Refused });
    }
    if losses.changed.contains(&feature) {
        let same = written == without;
        return if same { Err("is said to be changed, but is not there".to_owned()) } else { Ok(Outcome::Changed) };
    }
    if !losses.changed.is_empty() {
        return Err(format!("changes {:?}", losses.changed));
    }
    carried(&call, provider, example, &written)?;
    Ok(Outcome::Carried)
}

fn write(provider: Format, call: &ModelCall) -> (Vec<u8>, Losses) {
    let mut losses = Losses::default();
    let written = format::write_call(provider, call, &mut losses).expect("a provider's dialect");
    (written, losses)
}

/// Whether what is said to be carried is there: a dialect that callers speak reads the same call; others have it in its place.
fn carried(call: &ModelCall, provider: Format, example: &Example, written: &[u8]) -> Result<(), String> {
    let body: Map<String, Value> = serde_json::from_slice(written).map_err(|error| error.to_string())?;
    match provider {
        Format::Chat | Format::Completions | Format::Responses | Format::Messages => {
            let read = format::read_call(provider, body).map_err(|error| error.to_string())?;
            let (read, asked) = (plain(read, provider, call), plain(call.clone(), provider, call));
            if read == asked { Ok(()) } else { Err(format!("became\n  {read:?}\nof\n  {asked:?}")) }
        }
        Format::Gemini | Format::Converse => {
            let body = Value::Object(body);
            let places = places(provider, example).ok_or("is carried, but no place is known for it")?;
            for (pointer, expected) in places {
                let found = body.pointer(&pointer);
                if found.is_none() || !(expected.is_null() || found == Some(&expected)) {
                    return Err(format!("{pointer} is {found:?} in {body}"));
                }
            }
            Ok(())
        }
    }
}

fn places(provider: Format, example: &Example) -> Option<Places> {
    if let Some(places) = example.places.get(provider.name()) {
        return Some(places.clone());
    }
    let mut places: BTreeMap<String, BTreeMap<String, Places>> =
        serde_saphyr::from_str(include_str!("fields/places.yaml")).expect("places");
    places.remove(&example.feature)?.remove(provider.name())
}

#[test]
fn nothing_that_a_caller_asks_for_is_lost_in_silence() {
    let mut wrong = Vec::new();
    for (caller, yaml) in CALLERS {
        let examples = Examples::of(yaml);
        for example in &examples.rows {
            for provider in PROVIDERS {
                if let Err(why) = outcome(&examples, example, caller, provider) {
                    let Example { feature, field, note, .. } = example;
                    wrong.push(format!(
                        "{} → {}: {feature} ({field}, {note:?}) {why}",
                        caller.name(),
                        provider.0.name()
                    ));
                }
            }
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_feature_that_a_dialect_spells_has_an_example() {
    for (caller, yaml) in CALLERS {
        let shown: Vec<_> = Examples::of(yaml).rows.iter().map(Example::feature).collect();
        for feature in Feature::all() {
            let is_spelled = feature.spelled_in(caller).is_some();
            assert_eq!(shown.contains(&feature), is_spelled, "{feature:?} in {}", caller.name());
        }
    }
}
