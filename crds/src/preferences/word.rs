//! Who is meant by the words of `order`, `only` and `ignore`. Which words there are is data: `slugs` in `vendors.yaml` for
//! vendors that Lotse knows, `slugs.yaml` for all that other routers publish.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Preferences, Refused};
use crate::name::ObjectName;
use crate::snapshot::{Candidate, Snapshot};
use crate::vendors::Vendors;

/// A word by which an app names a provider, in lower case: `namespace/name` or the name of an LLMProvider, or a vendor by
/// Lotse's or by another router's word, with `/region` behind it or not. A vendor without a region is all of its regions;
/// where a call may be answered is never left to the word, but to the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderWord(pub String);

/// Whether a word names a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Names,
    /// It names a region of the candidate's vendor, and the candidate's is not known.
    MayName,
    NamesNot,
}

impl ProviderWord {
    /// The word, in whatever case the app writes it.
    pub fn new(word: &str) -> Self {
        Self(word.to_lowercase())
    }

    /// Whether it names this candidate for certain: what `only` and `order` ask. A region that is not known is not named.
    pub fn names(&self, candidate: &Candidate) -> bool {
        self.fit(candidate) == Fit::Names
    }

    /// Whether it names this candidate, or could: what `ignore` asks. A region that is not known may be the one.
    pub fn may_name(&self, candidate: &Candidate) -> bool {
        self.fit(candidate) != Fit::NamesNot
    }

    fn fit(&self, candidate: &Candidate) -> Fit {
        let word = self.0.as_str();
        if is_object(word, &candidate.provider) || is_vendor(word, &candidate.vendor) {
            return Fit::Names;
        }
        match word.split_once('/') {
            Some((vendor, region)) if is_vendor(vendor, &candidate.vendor) => match &candidate.region {
                None => Fit::MayName,
                Some(known) if known.eq_ignore_ascii_case(region) => Fit::Names,
                Some(_) => Fit::NamesNot,
            },
            _ => Fit::NamesNot,
        }
    }
}

fn is_object(word: &str, provider: &ObjectName) -> bool {
    word == provider.name || word.split_once('/') == Some((&provider.namespace, &provider.name))
}

fn is_vendor(word: &str, vendor: &str) -> bool {
    !word.is_empty() && (word == vendor || Vendors::built_in().get(vendor).is_some_and(|row| row.is_called(word)))
}

/// What a word comes to where nobody's candidates are known.
#[derive(PartialEq, Eq)]
struct Meant<'a> {
    /// A vendor by Lotse's word where there is one, a slug, or the whole word.
    name: &'a str,
    region: Option<&'a str>,
    /// Whether it is a vendor or a slug, and not perhaps the name of an LLMProvider.
    is_public: bool,
}

impl<'a> Meant<'a> {
    fn new(word: &'a ProviderWord) -> Self {
        let public = |name: &'a str| match Vendors::built_in().called(name) {
            Some(vendor) => Some(vendor.name.as_str()),
            None => Published::built_in().has(name).then_some(name),
        };
        let word = word.0.as_str();
        if let Some(name) = public(word) {
            return Self { name, region: None, is_public: true };
        }
        match word.split_once('/') {
            Some((name, region)) if let Some(name) = public(name) => {
                Self { name, region: Some(region), is_public: true }
            }
            _ => Self { name: word, region: None, is_public: false },
        }
    }

    /// Whether it takes in all that the other takes in.
    fn covers(&self, other: &Self) -> bool {
        self.name == other.name && (self.region.is_none() || self.region == other.region)
    }

    fn may_meet(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self) || !self.is_public || !other.is_public
    }
}

/// Refuses lists that leave nobody, or that say two things of one provider.
pub(super) fn check_lists(preferences: &Preferences) -> Result<(), Refused> {
    let Some(only) = &preferences.only else { return Ok(()) };
    let meant: Vec<_> = only.iter().map(Meant::new).collect();
    for (at, ignored) in preferences.ignore.iter().enumerate() {
        let covers = Meant::new(ignored);
        if let Some(place) = meant.iter().position(|only| covers.covers(only)) {
            let why = format!("must name nobody whom `{}[{place}]` names", preferences.only_field);
            return Err(Refused::invalid(format!("provider.ignore[{at}]"), why));
        }
    }
    let ordered: Vec<_> = preferences.order.iter().map(Meant::new).collect();
    let meets = |ordered: &Meant<'_>| meant.iter().any(|only| ordered.may_meet(only));
    if preferences.is_closed() && !ordered.iter().any(meets) {
        let why = format!("must name somebody whom `{}` names, as allow_fallbacks is false", preferences.only_field);
        return Err(Refused::invalid("provider.order", why));
    }
    Ok(())
}

impl Preferences {
    /// Refuses a word that nobody has: no provider of the snapshot, no vendor, and no router that publishes its slugs. With
    /// it, `only` would leave nobody and `ignore` would pass over nobody, and either would be a slip.
    pub fn check_names(&self, snapshot: &Snapshot) -> Result<(), Refused> {
        let only = self.only.as_deref().unwrap_or_default();
        for (field, list) in
            [("provider.order", &*self.order), (self.only_field, only), ("provider.ignore", &*self.ignore)]
        {
            if let Some(at) = list.iter().position(|word| !is_known(word, snapshot)) {
                let why = "must be a provider's name, a vendor, or a provider's slug as OpenRouter has it; nobody has this one";
                return Err(Refused::invalid(format!("{field}[{at}]"), why));
            }
        }
        Ok(())
    }
}

fn is_known(word: &ProviderWord, snapshot: &Snapshot) -> bool {
    let tiers = || snapshot.routes.iter().flat_map(|route| &route.tiers);
    Meant::new(word).is_public
        || snapshot.candidates().any(|candidate| word.may_name(candidate) || is_vendors_region(word, candidate))
        || tiers().flat_map(|tier| &tier.refused).any(|refused| is_object(&word.0, &refused.provider))
}

/// Whether it is some region of the candidate's vendor: another than its own is a filter that leaves it out, not a slip.
fn is_vendors_region(word: &ProviderWord, candidate: &Candidate) -> bool {
    word.0.split_once('/').is_some_and(|(vendor, _)| is_vendor(vendor, &candidate.vendor))
}

/// The words that other routers publish.
struct Published(BTreeSet<String>);

/// Read once: what a build holds never changes.
static PUBLISHED: LazyLock<Published> = LazyLock::new(Published::read);

impl Published {
    fn built_in() -> &'static Self {
        &PUBLISHED
    }

    fn read() -> Self {
        let rows: Vec<Row> =
            serde_saphyr::from_str(include_str!("slugs.yaml")).expect("a test reads the list of this build");
        Self(rows.into_iter().flat_map(|row| row.slugs.into_iter().chain(row.names)).collect())
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    #[expect(dead_code, reason = "says to people whose words these are")]
    router: String,
    #[expect(dead_code, reason = "says to people where that stands")]
    source: String,
    #[expect(dead_code, reason = "says to people when it was read")]
    as_of: Date,
    slugs: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
}
