//! Whom a word names, and which words there are.

use super::*;

fn word(text: &str) -> ProviderWord {
    ProviderWord::new(text)
}

#[test]
fn a_word_names_a_provider_or_a_vendor_by_lotses_or_another_routers_word() {
    let bedrock = candidate("frankfurt", "aws-bedrock", Some("eu-central-1"));
    for text in [
        "frankfurt",
        "lotse-system/frankfurt",
        "Lotse-System/Frankfurt",
        "aws-bedrock",
        "amazon-bedrock",
        "Amazon Bedrock",
        "amazon-bedrock/eu-central-1",
        "aws-bedrock/EU-Central-1",
    ] {
        assert!(word(text).names(&bedrock) && word(text).may_name(&bedrock), "{text}");
    }
    for text in
        ["", "/", "other/frankfurt", "amazon", "amazon-bedrock/", "amazon-bedrock/eu-west-1", "eu-central-1", "m"]
    {
        assert!(!word(text).names(&bedrock) && !word(text).may_name(&bedrock), "{text}");
    }
}

#[test]
fn a_region_that_is_not_known_is_not_allowed_and_is_ignored() {
    let somewhere = candidate("azure", "azure-openai", None);
    let sweden = candidate("azure", "azure-openai", Some("swedencentral"));
    let pinned = word("azure-openai/swedencentral");

    assert!(!pinned.names(&somewhere) && pinned.may_name(&somewhere));
    assert!(pinned.names(&sweden));
    let only = provider(json!({"only": ["azure-openai/swedencentral"]}));
    let ignore = provider(json!({"ignore": ["azure-openai/swedencentral"]}));
    let elsewhere = provider(json!({"ignore": ["azure-openai/eastus"]}));
    assert_eq!(codes(&only, &somewhere), ["allowed_providers"]);
    assert_eq!(codes(&ignore, &somewhere), ["ignored_provider"]);
    assert_eq!(codes(&only, &sweden), [""; 0]);
    assert_eq!(codes(&ignore, &sweden), ["ignored_provider"]);
    assert_eq!(codes(&elsewhere, &sweden), [""; 0]);
}

#[test]
fn a_vendor_that_nobody_knows_is_named_by_its_own_word() {
    let own = candidate("own", "acme", Some("mars"));

    assert!(word("acme").names(&own) && word("acme/mars").names(&own));
    assert!(!word("azure").may_name(&own));
    let mut unnamed = own;
    unnamed.vendor = String::new();
    assert!(!word("/mars").may_name(&unnamed));
}

#[test]
fn the_place_in_order_is_that_of_the_first_word_that_names() {
    let sweden = candidate("azure-se", "azure-openai", Some("swedencentral"));
    let position = |order: &[&str]| provider(json!({"order": order})).position(&sweden);

    assert_eq!(position(&["openai", "azure/swedencentral", "azure"]), Some(1));
    assert_eq!(position(&["openai", "azure/eastus"]), None);
    assert_eq!(position(&[]), None);
}

#[test]
fn a_word_is_known_if_a_provider_a_vendor_or_another_router_has_it() {
    let refused = Out { provider: ObjectName::new(ROOT, "refused"), model: "m".to_owned(), reasons: Vec::new() };
    let snapshot = snapshot(vec![candidate("own", "acme", None)], vec![refused]);
    for text in [
        "own",
        "lotse-system/own",
        "acme",
        "acme/mars",
        "refused",
        "lotse-system/refused",
        "vllm",
        "azure",
        "google-vertex/us-east5",
        "google-vertex/flex",
        "deepinfra",
        "deepinfra/turbo",
        "Black Forest Labs",
        "anthropic/2",
        "scaleway",
    ] {
        for field in ["order", "only", "ignore"] {
            assert_eq!(provider(json!({field: [text]})).check_names(&snapshot), Ok(()), "{text}");
        }
    }
}

#[test]
fn a_word_that_nobody_has_is_refused_where_it_stands() {
    let snapshot = snapshot(vec![candidate("own", "acme", None)], Vec::new());
    let check = |body| read(&body).expect("read").check_names(&snapshot).expect_err("nobody has it");

    for (body, field) in [
        (json!({"provider": {"only": ["azure", "azzure"]}}), "provider.only[1]"),
        (json!({"provider": {"order": ["other/own"]}}), "provider.order[0]"),
        (json!({"provider": {"ignore": ["own/mars"]}}), "provider.ignore[0]"),
        (json!({"allowed_providers": ["azure", "own", "nobody"]}), "allowed_providers[2]"),
    ] {
        let refused = check(body);

        assert_eq!((refused.field(), refused.code()), (field, "invalid_request"));
    }
}

#[test]
fn each_word_for_a_vendor_is_one_that_a_router_publishes() {
    let rows: Vec<Value> = serde_saphyr::from_str(include_str!("../slugs.yaml")).expect("the list reads");
    let of = |row: &Value, key: &str| {
        let list = row.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.into_iter().map(|word| word.as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<_> = rows.iter().flat_map(|row| [of(row, "slugs"), of(row, "names")].concat()).collect();

    assert!(all.len() > 150, "{}", all.len());
    assert!(all.iter().all(|word| *word == word.to_lowercase()));
    for vendor in crate::vendors::Vendors::built_in().all() {
        for slug in &vendor.slugs {
            assert!(all.contains(slug), "{slug}");
        }
    }
}
