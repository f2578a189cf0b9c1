//! The table of vendors: their dialects, hosts, headers, and what the wire shows of where a call is answered.
//! Data in `vendors.yaml`, which says what each field means; read once. What a row comes to for a provider is for
//! `endpoint`, what it shows for `shown`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use crate::fields::BodyFields;
use crate::provider::{Api, CredentialType};
use crate::snapshot::Quirks;
use crate::wire::{Operation, Wire};

mod words;

/// All vendors that Lotse knows, by name.
#[derive(Clone, Debug)]
pub struct Vendors {
    dialects: BTreeMap<Api, Offering>,
    regions: BTreeMap<String, RegionTable>,
    rows: BTreeMap<String, Vendor>,
}

/// One vendor.
#[derive(Clone, Debug)]
pub struct Vendor {
    /// What `spec.vendor` says.
    pub name: String,
    /// What other routers call it.
    pub slugs: Vec<String>,
    /// The dialects that it speaks, its default first.
    pub apis: Vec<Offering>,
    /// The name of its table of regions, if it has regions.
    pub regions: Option<String>,
    /// What its hosts show.
    pub hosts: Vec<Host>,
    /// Where it answers which call; the first that fits decides.
    pub rules: Vec<Rule>,
    /// What the zone of a region is.
    pub zones: Vec<Zone>,
    /// What to do where it is unknown.
    pub unknown: String,
}

/// How a vendor speaks one dialect.
#[derive(Clone, Debug)]
pub struct Offering {
    /// The dialect.
    pub api: Api,
    /// The form of its paths.
    pub wire: Wire,
    /// Where it listens, with `{region}` and `{project}`; absent where everyone has their own.
    pub base_url: Option<String>,
    /// Where it listens in regions that have another form.
    pub region_urls: BTreeMap<String, String>,
    /// What a base URL without a path is completed by.
    pub path: Option<String>,
    /// The header that carries the API key.
    pub key_header: KeyHeader,
    /// Headers that every call carries.
    pub headers: BTreeMap<String, String>,
    /// What it has an endpoint for.
    pub operations: BTreeSet<Operation>,
    /// The credentials that it takes.
    pub credentials: BTreeSet<CredentialType>,
    /// The service that AWS signatures name.
    pub sigv4: Option<String>,
    /// Where it departs from its dialect.
    pub quirks: Quirks,
    /// Body fields that every call carries; stronger than `spec.force`.
    pub force: BodyFields,
}

/// A header that carries an API key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyHeader {
    /// Its name.
    pub name: String,
    /// What stands before the key.
    pub prefix: String,
}

/// What a host shows of where it works.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// The host's name: `{region}` stands for a region, a leading `*` for anything.
    pub host: String,
    /// The region behind it, where its name does not say so.
    #[serde(default)]
    pub region: Option<String>,
    /// The service that AWS signatures for it name, where it is not the offering's.
    #[serde(default, rename = "sigV4")]
    pub sigv4: Option<String>,
    /// Where it may decrypt content, whatever the call; absent where rules alone say so.
    #[serde(default)]
    pub inference: Option<Vec<String>>,
    /// What a forced body field changes of that.
    #[serde(default)]
    pub forced: Vec<Forced>,
    /// A sentence for people.
    #[serde(default)]
    pub why: String,
    /// Where that stands.
    pub source: String,
    /// The day it was read.
    pub as_of: Date,
}

/// A body field that, when it is forced, keeps calls in a place.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forced {
    /// The field, as a JSON pointer.
    pub field: String,
    /// The value that it must have.
    pub value: String,
    /// Where content then is decrypted.
    pub inference: Vec<String>,
    /// A sentence for people.
    pub why: String,
}

/// Where a vendor answers a kind of call.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which calls.
    pub when: When,
    /// All places that it may be.
    #[serde(default)]
    pub inference: Option<Vec<String>>,
    /// What calls from a region add to them.
    #[serde(default)]
    pub also: BTreeMap<String, Vec<String>>,
    /// In place of `inference`: which place it is.
    #[serde(default)]
    pub place: Option<PlaceWord>,
    /// A sentence for people.
    #[serde(default)]
    pub why: String,
    /// Where that stands.
    pub source: String,
    /// The day it was read.
    pub as_of: Date,
}

/// Which calls a rule is about: those that fit one of each list. An empty list takes all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// Dialects.
    pub apis: Vec<Api>,
    /// What the provider calls the model, with `*` at either end.
    pub models: Vec<String>,
    /// Regions, with `*` at either end.
    pub regions: Vec<String>,
    /// Types of deployment, with `*` at either end.
    pub deployments: Vec<String>,
}

/// A place that depends on the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PlaceWord {
    /// Where its region is.
    Region,
    /// Where the zone of its region is.
    Zone,
    /// Nothing can be said.
    Silent,
}

/// What the zone of a region is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Zone {
    /// The region is here.
    pub inside: Vec<String>,
    /// The zone is all of this.
    pub inference: Vec<String>,
}

/// Which regions are where.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegionTable {
    /// The regions of each country or group.
    pub places: BTreeMap<String, Vec<String>>,
    /// Where that stands.
    pub source: String,
    /// The day it was read.
    pub as_of: Date,
}

/// Read once: an operator compiles for many workloads, and what a build holds never changes.
static BUILT_IN: LazyLock<Vendors> = LazyLock::new(Vendors::read);

impl Vendors {
    /// The table that this version was built with.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    fn read() -> Self {
        let file: File =
            serde_saphyr::from_str(include_str!("vendors.yaml")).expect("a test reads the table of this build");
        let dialects: BTreeMap<Api, Offering> =
            file.dialects.into_iter().map(|row| (row.api, row.over(None))).collect();
        let rows = file.vendors.into_iter().map(|row| {
            let apis = row.apis.into_iter().map(|api| {
                let dialect = dialects.get(&api.api);
                api.over(dialect)
            });
            let vendor = Vendor {
                name: row.name,
                slugs: row.slugs,
                apis: apis.collect(),
                regions: row.regions,
                hosts: row.hosts,
                rules: row.rules,
                zones: row.zones,
                unknown: row.unknown,
            };
            (vendor.name.clone(), vendor)
        });
        Self { rows: rows.collect(), dialects, regions: file.regions }
    }

    /// The vendor of this name.
    pub fn get(&self, name: &str) -> Option<&Vendor> {
        self.rows.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// All vendors.
    pub fn all(&self) -> impl Iterator<Item = &Vendor> {
        self.rows.values()
    }

    /// What a server of this dialect is taken for when nobody knows its vendor; nothing for Simulated.
    pub fn dialect(&self, api: Api) -> Option<&Offering> {
        self.dialects.get(&api)
    }

    /// Where a vendor's region is; nothing when it is unknown.
    pub fn place_of(&self, vendor: &Vendor, region: &str) -> Option<&String> {
        let table = self.regions.get(vendor.regions.as_ref()?)?;
        table.places.iter().find(|(_, regions)| regions.iter().any(|known| known == region)).map(|(place, _)| place)
    }

    /// Whether this is a vendor's public host.
    pub fn is_public_host(&self, host: &str) -> bool {
        let offerings = self.rows.values().flat_map(|vendor| &vendor.apis);
        let defaults = offerings.filter_map(|offering| offering.base_url.as_ref()?.parse::<http::Uri>().ok());
        let mut hosts = defaults.filter_map(|url| url.host().map(str::to_owned));
        self.host(host).is_some() || hosts.any(|default| default.eq_ignore_ascii_case(host))
    }

    /// The row of a host, whoever claims to be behind it, and the region that its name says.
    pub fn host(&self, host: &str) -> Option<(&Vendor, &Host, Option<String>)> {
        let host = host.to_ascii_lowercase();
        let rows = self.rows.values().flat_map(|vendor| vendor.hosts.iter().map(move |row| (vendor, row)));
        let mut found = rows.filter_map(|(vendor, row)| {
            let region = Some(region_in(&row.host, &host)?).filter(|region| !region.is_empty());
            Some((vendor, row, region.map(str::to_owned).or_else(|| row.region.clone())))
        });
        found.next()
    }
}

impl Vendor {
    /// How it speaks a dialect; its default when none is asked for.
    pub fn offering(&self, api: Option<Api>) -> Option<&Offering> {
        match api {
            None => self.apis.first(),
            Some(api) => self.apis.iter().find(|offering| offering.api == api),
        }
    }

    /// Whether it lets one choose how a model is deployed.
    pub fn has_deployments(&self) -> bool {
        self.rules.iter().any(|rule| !rule.when.deployments.is_empty())
    }
}

/// The region that stands in a host that fits a pattern; empty when the pattern has none.
fn region_in<'a>(pattern: &str, host: &'a str) -> Option<&'a str> {
    let Some((head, tail)) = pattern.split_once("{region}") else {
        return matches(pattern, host).then_some("");
    };
    let rest = host.strip_suffix(tail)?;
    let region = match head.strip_prefix('*') {
        Some(head) => rest.split_once(head)?.1,
        None => rest.strip_prefix(head)?,
    };
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

/// Whether text fits a pattern with `*` at either end, or in the middle.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let head = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    dialects: Vec<OfferingRow>,
    regions: BTreeMap<String, RegionTable>,
    vendors: Vec<VendorRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VendorRow {
    name: String,
    #[serde(default)]
    slugs: Vec<String>,
    apis: Vec<OfferingRow>,
    #[serde(default)]
    regions: Option<String>,
    #[serde(default)]
    hosts: Vec<Host>,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    zones: Vec<Zone>,
    #[serde(default)]
    unknown: String,
}

/// An offering as far as its row says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfferingRow {
    api: Api,
    wire: Option<Wire>,
    #[serde(rename = "baseURL")]
    base_url: Option<String>,
    #[serde(rename = "regionURLs", default)]
    region_urls: BTreeMap<String, String>,
    path: Option<String>,
    key_header: Option<KeyHeader>,
    headers: Option<BTreeMap<String, String>>,
    operations: Option<BTreeSet<Operation>>,
    credentials: Option<BTreeSet<CredentialType>>,
    #[serde(rename = "sigV4")]
    sigv4: Option<String>,
    quirks: Option<Quirks>,
    #[serde(default)]
    force: BodyFields,
}

impl OfferingRow {
    /// The row, with what its dialect says where it says nothing.
    fn over(self, dialect: Option<&Offering>) -> Offering {
        let bearer = || KeyHeader { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() };
        Offering {
            api: self.api,
            wire: self.wire.or(dialect.map(|of| of.wire.clone())).unwrap_or(Wire::OpenAI),
            base_url: self.base_url,
            region_urls: self.region_urls,
            path: self.path.or(dialect.and_then(|of| of.path.clone())),
            key_header: self.key_header.or(dialect.map(|of| of.key_header.clone())).unwrap_or_else(bearer),
            headers: self.headers.or(dialect.map(|of| of.headers.clone())).unwrap_or_default(),
            operations: self.operations.or(dialect.map(|of| of.operations.clone())).unwrap_or_default(),
            credentials: self.credentials.or(dialect.map(|of| of.credentials.clone())).unwrap_or_default(),
            sigv4: self.sigv4.or(dialect.and_then(|of| of.sigv4.clone())),
            quirks: self.quirks.or(dialect.map(|of| of.quirks.clone())).unwrap_or_default(),
            force: self.force,
        }
    }
}

#[cfg(test)]
mod tests;
