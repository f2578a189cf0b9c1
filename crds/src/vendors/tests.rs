//! Tests of the table: it reads, and what it says can be meant.

use super::*;
use crate::place::Places;

fn is_known(words: &[String]) -> bool {
    let places = Places::expand(words);
    places.is_known() || (places.worldwide && words.len() == 1)
}

#[test]
fn the_table_reads_and_each_place_in_it_is_known() {
    let vendors = Vendors::built_in();

    assert!(vendors.names().count() >= 27);
    for vendor in vendors.all() {
        for host in &vendor.hosts {
            let words = host.inference.iter().chain(host.forced.iter().map(|forced| &forced.inference));
            assert!(words.into_iter().all(|words| is_known(words)), "{}", host.host);
            assert!(host.inference.is_none() || !host.why.is_empty(), "{}", host.host);
            assert!(host.inference.is_some() || !vendor.rules.is_empty(), "{} says nothing", host.host);
        }
        for rule in &vendor.rules {
            assert!(rule.inference.is_some() != rule.place.is_some(), "{} {rule:?}", vendor.name);
            assert!(rule.inference.iter().chain(rule.also.values()).all(|words| is_known(words)), "{rule:?}");
            assert!(rule.inference.is_none() || !rule.why.is_empty(), "{rule:?}");
            let of_region = matches!(rule.place, Some(PlaceWord::Region | PlaceWord::Zone)) || !rule.also.is_empty();
            assert!(!of_region || vendor.regions.is_some(), "{rule:?}");
        }
        assert!(vendor.zones.iter().all(|zone| is_known(&zone.inside) && is_known(&zone.inference)));
        assert!(vendor.regions.as_ref().is_none_or(|table| vendors.regions.contains_key(table)), "{}", vendor.name);
        assert!(vendor.regions.is_none() || !vendor.unknown.is_empty(), "{}", vendor.name);
    }
    for table in vendors.regions.values() {
        assert!(table.places.keys().all(|place| is_known(std::slice::from_ref(place))), "{:?}", table.places.keys());
    }
    // An ending of a model's name says a region without its vendor.
    let mut regions: Vec<_> = vendors.regions.values().flat_map(|table| table.places.values()).flatten().collect();
    let all = regions.len();
    regions.sort();
    regions.dedup();
    assert_eq!(regions.len(), all, "a region stands in two places");
}

#[test]
fn a_word_calls_one_vendor_and_a_region_is_in_one_place() {
    let vendors = Vendors::built_in();
    let called = |word: &str| vendors.called(word).map(|vendor| vendor.name.as_str());
    let mut words: Vec<_> = vendors.all().flat_map(|vendor| vendor.slugs.iter().map(String::as_str)).collect();
    words.sort_unstable();
    let all = words.len();
    words.dedup();

    assert_eq!(words.len(), all, "a word calls two vendors");
    assert!(words.iter().all(|word| *word == word.to_lowercase()));
    assert_eq!(called("amazon-bedrock"), Some("aws-bedrock"));
    assert_eq!(called("azure"), Some("azure-openai"));
    assert_eq!(called("google"), Some("google-vertex"));
    assert_eq!(called("vllm"), Some("vllm"));
    assert_eq!(called("deepinfra"), None);
    assert_eq!(vendors.place_of_region("eu-west-2"), Some("GB"));
    assert_eq!(vendors.place_of_region("swedencentral"), Some("SE"));
    assert_eq!(vendors.place_of_region("eu-central-9"), None);
}

#[test]
fn everything_that_stands_in_the_table_says_where_from_and_when() {
    let vendors = Vendors::built_in();
    let hosts = vendors.all().flat_map(|vendor| &vendor.hosts).map(|host| (&host.source, host.as_of));
    let rules = vendors.all().flat_map(|vendor| &vendor.rules).map(|rule| (&rule.source, rule.as_of));
    let tables = vendors.regions.values().map(|table| (&table.source, table.as_of));

    for (source, as_of) in hosts.chain(rules).chain(tables) {
        assert!(source.len() > 8 && as_of.year() >= 2025, "{source} {as_of}");
    }
}

#[test]
fn each_offering_can_be_called() {
    let vendors = Vendors::built_in();
    let offerings = vendors.all().flat_map(|vendor| vendor.apis.iter().map(move |of| (vendor.name.as_str(), of)));

    for (vendor, of) in offerings.chain(vendors.dialects.values().map(|of| ("nobody", of))) {
        assert!(of.wire.url_path("", Operation::ChatCompletions, "m", false).is_some(), "{vendor}");
        for operation in &of.operations {
            assert!(of.wire.url_path("", *operation, "m", false).is_some(), "{vendor} {operation:?}");
        }
        assert!(!of.credentials.is_empty(), "{vendor}");
        assert_eq!(of.sigv4.is_some(), of.credentials.contains(&CredentialType::AWS), "{vendor}");
        for (name, value) in of.headers.iter().chain([(&of.key_header.name, &of.key_header.prefix)]) {
            assert!(*name == name.to_lowercase() && http::HeaderName::try_from(name).is_ok(), "{vendor} {name}");
            assert!(http::HeaderValue::from_str(value).is_ok(), "{vendor} {value}");
        }
        assert!(["model", "stream"].iter().all(|name| !of.force.0.contains_key(*name)), "{vendor}");
        assert!(of.quirks.strip.iter().all(|name| !of.force.0.contains_key(name)), "{vendor}");
        for text in of.base_url.iter().chain(of.region_urls.values()).chain(&of.path) {
            assert!(!text.ends_with('/'), "{vendor} {text}");
        }
    }
}

#[test]
fn a_host_is_found_by_its_name_and_its_region_stands_in_it() {
    let vendors = Vendors::built_in();
    let found = |host: &str| vendors.host(host).map(|(vendor, _, region)| (vendor.name.clone(), region));
    let some = |vendor: &str, region: Option<&str>| Some((vendor.to_owned(), region.map(str::to_owned)));

    assert_eq!(found("API.Mistral.AI"), some("mistral", None));
    assert_eq!(found("bedrock-runtime.eu-west-2.amazonaws.com"), some("aws-bedrock", Some("eu-west-2")));
    assert_eq!(found("vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"), some("aws-bedrock", Some("eu-west-1")));
    assert_eq!(found("aiplatform.googleapis.com"), some("google-vertex", Some("global")));
    assert_eq!(found("aiplatform.eu.rep.googleapis.com"), some("google-vertex", Some("eu")));
    assert_eq!(found("europe-west4-aiplatform.googleapis.com"), some("google-vertex", Some("europe-west4")));
    assert_eq!(found("mine.openai.azure.com"), some("azure-openai", None));
    for other in ["a.b.amazonaws.com", "bedrock-runtime.amazonaws.com", "evil-api.mistral.ai", "models.example.org", ""]
    {
        assert_eq!(found(other), None, "{other}");
    }
}

#[test]
fn a_pattern_has_its_stars_at_either_end_or_in_the_middle() {
    for (pattern, text, fits) in [
        ("eu.*", "eu.anthropic.claude", true),
        ("eu.*", "au.anthropic.claude", false),
        ("*:cloud", "gpt-oss:cloud", true),
        ("*:cloud", "gpt-oss:cloud2", false),
        ("*#accounts/*", "a#accounts/b", true),
        ("accounts/fireworks/*-us", "accounts/fireworks/models/x-us", true),
        ("accounts/fireworks/*-us", "accounts/fireworks-us", false),
        ("Standard", "Standard", true),
        ("Standard", "StandardX", false),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}
