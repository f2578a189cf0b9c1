//! What the wire shows of where a call is answered: by its host, its model's name, its region and its deployment's type.
//! It can only contradict a promise, never make one. `compile` asks.
//!
//! Fail closed: where a vendor has regions and nothing says which, the call may be answered anywhere.

use crate::fields::BodyFields;
use crate::place::{Places, WORLDWIDE};
use crate::provider::{Api, DeploymentType};
use crate::vendors::{Host, PlaceWord, Rule, Vendor, Vendors, When, matches};

/// A kind of call, as far as it shows where it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// What `spec.vendor` says.
    pub(crate) vendor: &'a str,
    /// The host that is called.
    pub(crate) host: &'a str,
    pub(crate) api: Api,
    pub(crate) region: Option<&'a str>,
    /// What the provider calls the model.
    pub(crate) model: &'a str,
    pub(crate) deployment: Option<DeploymentType>,
    /// The body fields that every call carries.
    pub(crate) force: &'a BodyFields,
}

/// Where a call may be answered, and why.
#[derive(Debug)]
struct Shown {
    places: Places,
    why: String,
}

impl Shown {
    fn new(words: &[String], why: impl Into<String>) -> Self {
        Self { places: Places::expand(words), why: why.into() }
    }

    fn unknown(why: String) -> Self {
        Self::new(&[WORLDWIDE.to_owned()], why)
    }

    fn is_covered_by(&self, promised: &Places) -> bool {
        let places = &self.places;
        promised.worldwide || (!places.worldwide && places.countries.is_subset(&promised.countries))
    }
}

impl Call<'_> {
    /// Why `promised` can't be all places where such a call is answered; nothing when it can.
    pub(crate) fn contradicts(&self, promised: &Places, vendors: &Vendors) -> Option<String> {
        let shown = self.shown(vendors);
        let reasons: Vec<String> =
            shown.into_iter().filter(|shown| !shown.is_covered_by(promised)).map(|shown| shown.why).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// The vendor whose host it is shows, and so does the vendor that the provider names.
    fn shown(&self, vendors: &Vendors) -> Vec<Shown> {
        let mut shown = Vec::new();
        let host = vendors.host(self.host);
        shown.extend(host.as_ref().and_then(|(_, row, _)| self.shown_by_host(row)));
        let behind = host.map(|(vendor, _, _)| vendor);
        let named = vendors.get(self.vendor).filter(|named| behind.is_none_or(|behind| behind.name != named.name));
        for vendor in [behind, named].into_iter().flatten() {
            shown.extend(self.shown_by_rules(vendor, vendors));
        }
        shown
    }

    fn shown_by_host(&self, row: &Host) -> Option<Shown> {
        let forced = row.forced.iter().find(|forced| self.forces(&forced.field, &forced.value));
        match forced {
            Some(forced) => Some(Shown::new(&forced.inference, &forced.why)),
            None => row.inference.as_ref().map(|inference| Shown::new(inference, &row.why)),
        }
    }

    fn forces(&self, pointer: &str, value: &str) -> bool {
        let mut steps = pointer.trim_start_matches('/').split('/');
        let first = steps.next().and_then(|name| self.force.0.get(name));
        let found = steps.try_fold(first, |at, name| at.map(|at| at.get(name)));
        found.flatten().and_then(serde_json::Value::as_str) == Some(value)
    }

    fn shown_by_rules(&self, vendor: &Vendor, vendors: &Vendors) -> Option<Shown> {
        let Some(rule) = vendor.rules.iter().find(|rule| self.fits(&rule.when)) else {
            return vendor.regions.is_some().then(|| self.nothing_says(vendor));
        };
        match (&rule.inference, rule.place) {
            (Some(inference), _) => Some(Shown::new(&self.with_region(inference, rule), &rule.why)),
            (None, Some(PlaceWord::Region)) => Some(self.by_region(vendor, vendors)),
            (None, Some(PlaceWord::Zone)) => Some(self.by_zone(vendor, vendors)),
            (None, Some(PlaceWord::Silent) | None) => None,
        }
    }

    fn with_region(&self, inference: &[String], rule: &Rule) -> Vec<String> {
        let added = self.region.and_then(|region| rule.also.get(region)).into_iter().flatten();
        inference.iter().chain(added).cloned().collect()
    }

    fn by_region(&self, vendor: &Vendor, vendors: &Vendors) -> Shown {
        let Some(region) = self.region else { return self.nothing_says(vendor) };
        match vendors.place_of(vendor, region) {
            Some(place) => {
                let why = format!("{} answers in its region {region}, which is in {place}", vendor.name);
                Shown::new(std::slice::from_ref(place), why)
            }
            None => Shown::unknown(format!("Lotse does not know where region `{region}` of {} is", vendor.name)),
        }
    }

    fn by_zone(&self, vendor: &Vendor, vendors: &Vendors) -> Shown {
        let Some(region) = self.region else { return self.nothing_says(vendor) };
        let place = vendors.place_of(vendor, region).map(|place| Places::expand([place]));
        let is_around =
            |inside: &[String]| place.as_ref().is_some_and(|place| place.is_inside(&Places::expand(inside).countries));
        match vendor.zones.iter().find(|zone| is_around(&zone.inside)) {
            Some(zone) => {
                let zones = zone.inference.join(", ");
                let why = format!("the data zone of region {region} of {} is all of {zones}", vendor.name);
                Shown::new(&zone.inference, why)
            }
            None => Shown::unknown(format!("region `{region}` of {} is in no data zone that Lotse knows", vendor.name)),
        }
    }

    fn nothing_says(&self, vendor: &Vendor) -> Shown {
        let (name, model, hint) = (&vendor.name, self.model, &vendor.unknown);
        Shown::unknown(format!("nothing says where {name} answers model `{model}`; {hint}"))
    }

    fn fits(&self, when: &When) -> bool {
        let fits = |patterns: &[String], text: Option<&str>| {
            patterns.is_empty() || text.is_some_and(|text| patterns.iter().any(|pattern| matches(pattern, text)))
        };
        (when.apis.is_empty() || when.apis.contains(&self.api))
            && fits(&when.models, Some(bare(self.model)))
            && fits(&when.regions, self.region)
            && fits(&when.deployments, self.deployment.map(DeploymentType::name))
    }
}

/// A model's id without the ARN around it: `arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x` is `eu.x`.
fn bare(model: &str) -> &str {
    let resource = if model.starts_with("arn:") { model.splitn(6, ':').nth(5).unwrap_or(model) } else { model };
    let known = ["inference-profile/", "foundation-model/"];
    known.into_iter().find_map(|kind| resource.strip_prefix(kind)).unwrap_or(resource)
}
