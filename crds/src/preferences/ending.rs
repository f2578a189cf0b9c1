//! Endings of a model's name, by which OpenRouter, Requesty and Eden AI let an app choose in the one field that every SDK has.

use super::{Preferences, Refused, Sort};
use crate::place::{Countries, places_of};
use crate::vendors::Vendors;

/// Words behind `@` that are versions: of Claude on Vertex AI, and the first part of a digest.
const VERSIONS: [&str; 3] = ["default", "latest", "sha256"];

/// A model's name without its endings, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The name without them.
    pub model: &'a str,
    /// `:nitro` is the fastest first, `:floor` the cheapest.
    pub sort: Option<Sort>,
    /// Where content may be decrypted: the place that `@eu`, `@de` or `@eu-central-1` names.
    pub places: Option<Countries>,
    /// The vendor's own word for the region, where `@` names one: `eu-central-1`.
    pub region: Option<String>,
}

impl<'a> Ended<'a> {
    /// Takes the endings off a name: `:nitro` and `:floor`, and `@` with a place (`eu`, `eea`, `efta`, an ISO code; in any
    /// case) or with a region that some vendor has. They may follow each other in any order. What is none of these is part
    /// of the name: `llama3:8b` and `claude@20241022` stay whole.
    ///
    /// A name that routes have as it is, `is_name` says, is no further taken apart, since `llama3:floor` may be one of them. It
    /// must not say so of prefixes: `gpt-*` would take `gpt-4o@eu` whole, and the ending would be lost.
    pub fn read(name: &'a str, field: &str, is_name: &dyn Fn(&str) -> bool) -> Result<Self, Refused> {
        let mut ended = Self { model: name, sort: None, places: None, region: None };
        while !is_name(ended.model)
            && let Some(at) = ended.model.rfind([':', '@']).filter(|at| *at > 0)
        {
            let (rest, ending) = ended.model.split_at(at);
            if !ended.take(ending, field)? {
                break;
            }
            ended.model = rest;
        }
        Ok(ended)
    }

    /// Whether the name has no ending.
    pub fn is_plain(&self) -> bool {
        self.sort.is_none() && self.places.is_none() && self.region.is_none()
    }

    /// Refuses a name in which something is left that was meant as an ending: one that we know, with something behind it that
    /// is none, or a word behind `@` that is neither a place nor a region nor a version. For names that only a pattern takes;
    /// those of routes are as they are, and so is `@` that begins a name or a part of it: `@cf/meta/llama-3`.
    pub fn check_name(&self, field: &str) -> Result<(), Refused> {
        let mut rest = self.model;
        while let Some(at) = rest.rfind([':', '@']) {
            let (before, part) = rest.split_at(at);
            if is_ending(part) {
                let behind = &self.model[at + part.len()..];
                return Err(Refused::invalid(field, misplaced(before, part, behind)));
            }
            let word = part.strip_prefix('@').filter(|word| word.starts_with(char::is_alphabetic));
            let begins = before.is_empty() || before.ends_with('/');
            let is_version = |word: &str| VERSIONS.iter().any(|version| word.eq_ignore_ascii_case(version));
            if !begins && word.is_some_and(|word| !is_version(word)) {
                let why = format!(
                    "has `{part}`, which is no place that is known; behind `@` may stand eu, eea, efta, the ISO code of a \
                     country, a region of AWS, Azure or Google Cloud, or a version: {}, or one that begins with a digit",
                    VERSIONS.join(", ")
                );
                return Err(Refused::invalid(field, why));
            }
            rest = before;
        }
        Ok(())
    }

    /// Takes one ending with its sign; whether it is one.
    fn take(&mut self, ending: &str, field: &str) -> Result<bool, Refused> {
        let sort = match ending {
            ":nitro" => Some(Sort::Throughput),
            ":floor" => Some(Sort::Price),
            _ => None,
        };
        if let Some(sort) = sort {
            if self.sort.is_some_and(|other| other != sort) {
                return Err(Refused::invalid(field, "may end in `:nitro` or in `:floor`, not in both"));
            }
            self.sort = Some(sort);
            return Ok(true);
        }
        let Some(word) = ending.strip_prefix('@') else { return Ok(false) };
        if let Some(places) = places_of(word) {
            self.places = Some(met(self.places, places, field)?);
            return Ok(true);
        }
        let word = word.to_ascii_lowercase();
        let Some(place) = Vendors::built_in().place_of_region(&word) else { return Ok(false) };
        if self.region.as_ref().is_some_and(|other| *other != word) {
            return Err(Refused::invalid(field, "may end in one region, not in two"));
        }
        // A region that may be anywhere, such as Google's global, is no place.
        if let Some(places) = places_of(place) {
            self.places = Some(met(self.places, places, field)?);
        }
        self.region = Some(word);
        Ok(true)
    }
}

/// Whether a sign and a word are an ending, by whatever of it.
fn is_ending(part: &str) -> bool {
    let is_place = |word: &str| {
        places_of(word).is_some() || Vendors::built_in().place_of_region(&word.to_ascii_lowercase()).is_some()
    };
    matches!(part, ":nitro" | ":floor") || part.strip_prefix('@').is_some_and(is_place)
}

/// Why an ending does not stand where one can be taken off.
fn misplaced(before: &str, ending: &str, behind: &str) -> String {
    if before.is_empty() {
        format!("has no name before its ending `{ending}`")
    } else {
        format!("has `{behind}` behind its ending `{ending}`; what stands behind an ending must be one, too")
    }
}

/// The countries of both; nobody could answer where there are none.
fn met(one: Option<Countries>, other: Countries, field: &str) -> Result<Countries, Refused> {
    let both = one.map_or(other, |one| one.intersection(&other));
    if both.is_empty() {
        let why = "names a place by its ending that lies outside of the other place that the call names";
        return Err(Refused::invalid(field, why));
    }
    Ok(both)
}

impl Preferences {
    /// These, and what the endings of a model's name say. `field` is where the name stands: `model`, or `models[1]`.
    pub fn narrowed(&self, ended: &Ended<'_>, field: &str) -> Result<Self, Refused> {
        let mut narrowed = self.clone();
        if let Some(sort) = ended.sort {
            if self.sort.is_some_and(|other| other != sort) {
                let why = "ends in another order than the call's own fields say; say it once";
                return Err(Refused::invalid(field, why));
            }
            narrowed.sort = Some(sort);
        }
        if let Some(places) = ended.places {
            narrowed.places = Some(met(self.places, places, field)?);
        }
        narrowed.region.clone_from(&ended.region);
        Ok(narrowed)
    }
}
