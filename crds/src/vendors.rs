//! The table of vendors: their dialects, hosts, headers, and what the wire shows of where a host works.
//! Data in `vendors.yaml`; read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::place::Places;
use crate::provider::Api;

/// All vendors that Lotse knows, by name.
#[derive(Clone, Debug)]
pub struct Vendors(BTreeMap<String, Vendor>);

/// One vendor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vendor {
    /// What `spec.vendor` says.
    pub name: String,
    /// Its dialect.
    pub api: Api,
    /// Where it listens; absent where everyone has their own.
    #[serde(default, rename = "baseURL")]
    pub base_url: Option<String>,
    /// The header that carries the API key.
    #[serde(default)]
    pub key_header: KeyHeader,
    /// What its hosts show.
    #[serde(default)]
    pub hosts: Vec<Host>,
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

impl Default for KeyHeader {
    fn default() -> Self {
        Self { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() }
    }
}

/// What a host shows of where it works.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// The host's name.
    pub host: String,
    /// Where it may decrypt content.
    pub inference: Vec<String>,
    /// A sentence for people.
    pub why: String,
    /// Where that stands.
    pub source: String,
    /// The day it was read.
    pub as_of: jiff::civil::Date,
}

/// Read once: an operator compiles for many workloads, and what a build holds never changes.
static BUILT_IN: LazyLock<Vendors> = LazyLock::new(Vendors::read);

impl Vendors {
    /// The table that this version was built with.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    fn read() -> Self {
        let rows: Vec<Vendor> =
            serde_saphyr::from_str(include_str!("vendors.yaml")).expect("a test reads the table of this build");
        Self(rows.into_iter().map(|vendor| (vendor.name.clone(), vendor)).collect())
    }

    /// The vendor of this name.
    pub fn get(&self, name: &str) -> Option<&Vendor> {
        self.0.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether this is a vendor's public host.
    pub fn is_public_host(&self, host: &str) -> bool {
        let is_default = |vendor: &Vendor| {
            let url = vendor.base_url.as_ref().and_then(|url| url.parse::<http::Uri>().ok());
            url.as_ref().and_then(http::Uri::host).is_some_and(|default| default.eq_ignore_ascii_case(host))
        };
        self.host(host).is_some() || self.0.values().any(is_default)
    }

    /// The row of a host, whoever claims to be behind it.
    pub fn host(&self, host: &str) -> Option<&Host> {
        self.0.values().flat_map(|vendor| &vendor.hosts).find(|row| row.host.eq_ignore_ascii_case(host))
    }
}

impl Host {
    /// Why `promised` can't be all places where this host decrypts content; nothing when it can.
    pub fn contradicts(&self, promised: &Places) -> Option<String> {
        let shown = Places::expand(&self.inference);
        let covered = promised.worldwide || (!shown.worldwide && shown.countries.is_subset(&promised.countries));
        (!covered).then(|| self.why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_each_place_in_it_is_known() {
        let vendors = Vendors::built_in();

        assert!(vendors.names().count() >= 8);
        for host in vendors.0.values().flat_map(|vendor| &vendor.hosts) {
            let places = Places::expand(&host.inference);
            assert!(places.worldwide || places.is_known(), "{}", host.host);
        }
    }

    #[test]
    fn a_global_host_contradicts_a_promise_of_the_eu_and_an_eu_host_one_of_france_alone() {
        let vendors = Vendors::built_in();
        let contradicts = |host: &str, regions: &[&str]| {
            let words: Vec<String> = regions.iter().map(|word| (*word).to_owned()).collect();
            vendors.host(host).and_then(|row| row.contradicts(&Places::expand(&words))).is_some()
        };

        assert!(contradicts("api.mistral.ai", &["EU"]));
        assert!(contradicts("API.Mistral.AI", &["EU"]));
        assert!(!contradicts("api.mistral.ai", &["Worldwide"]));
        assert!(contradicts("api.eu.mistral.ai", &["FR"]));
        assert!(contradicts("api.eu.mistral.ai", &["EU"]));
        assert!(!contradicts("api.eu.mistral.ai", &["EEA", "CH"]));
        assert!(!contradicts("models.example.org", &["FR"]));
    }
}
