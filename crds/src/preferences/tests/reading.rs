//! Each field: what it means, and what it must not say.

use super::*;
use crate::provider::Quantization::{BF16, FP4, FP8, FP16, FP32, MXFP4, MXFP8, NVFP4};

fn words(words: &[&str]) -> Vec<ProviderWord> {
    words.iter().map(|word| ProviderWord((*word).to_owned())).collect()
}

#[test]
fn a_body_that_asks_nothing_of_routing_says_nothing() {
    let body = json!({"model": "m", "messages": [], "fallbacks": 3, "providers": ["x"], "metadata": {"provider": 1}});

    assert_eq!(read(&body), Ok(Preferences::default()));
}

#[test]
fn null_says_no_more_than_absence() {
    let nothing = json!({
        "provider": {
            "order": null, "only": null, "ignore": null, "allow_fallbacks": null, "require_parameters": null,
            "data_collection": null, "zdr": null, "enforce_distillable_text": null, "quantizations": null, "sort": null,
            "preferred_min_throughput": null, "preferred_max_latency": {"p50": null}, "data_residency": null,
            "max_price": {"prompt": null, "completion": null, "request": null, "image": null, "audio": null},
            "max_retention_days": null, "eu_owned": null,
        },
        "models": null, "fallbacks": null, "session_id": null, "prompt_cache_key": null, "eu_native": null,
        "allow_quantization": null, "allow_zero_data_retention": null, "allowed_providers": null, "preference": null,
        "enable_model_fallback": null,
    });
    let messages = Asked { operation: Operation::Messages, ..chat() };

    assert_eq!(read_as(messages, &nothing), Ok(Preferences::default()));
    assert_eq!(read(&json!({"provider": null})), Ok(Preferences::default()));
    assert_eq!(provider(json!({"sort": {"by": null, "partition": null}})), Preferences::default());
}

#[test]
fn every_field_of_provider_is_read() {
    let read = provider(json!({
        "order": ["Mistral", "azure/SwedenCentral"], "only": ["mistral", "azure"], "ignore": ["openai"],
        "allow_fallbacks": false, "require_parameters": true, "data_collection": "deny", "zdr": true,
        "enforce_distillable_text": false, "quantizations": ["fp8", "unknown"],
        "sort": {"by": "latency", "partition": "none"}, "preferred_min_throughput": 40,
        "preferred_max_latency": {"p50": 1, "p99": 5.5}, "max_price": {"prompt": 1, "completion": "2.50"},
        "data_residency": "Eu", "max_retention_days": 30, "eu_owned": true,
    }));

    let expected = Preferences {
        order: words(&["mistral", "azure/swedencentral"]),
        only: Some(words(&["mistral", "azure"])),
        ignore: words(&["openai"]),
        allow_fallbacks: false,
        require_parameters: true,
        quantizations: Some(vec![Some(FP8), Some(MXFP8), None]),
        sort: Some(Sort::Latency),
        across_models: true,
        min_throughput: Percentiles { p50: Some(40.0), ..Percentiles::default() },
        max_latency: Percentiles { p50: Some(1.0), p99: Some(5.5), ..Percentiles::default() },
        max_price: Some(MaxPrice {
            input_per_million: crate::price::Dollars::not_above(1.0),
            output_per_million: crate::price::Dollars::not_above(2.5),
        }),
        places: Some(Countries::eu()),
        max_retention_days: Some(0),
        forbid_training: true,
        eu_owned: true,
        ..Preferences::default()
    };
    assert_eq!(read, expected);
}

#[test]
fn what_can_be_said_in_several_ways_means_the_same() {
    assert_eq!(provider(json!({"sort": "price"})).sort, Some(Sort::Price));
    assert_eq!(provider(json!({"sort": {"by": "throughput"}})).sort, Some(Sort::Throughput));
    assert!(!provider(json!({"sort": {"by": "price", "partition": "model"}})).across_models);
    assert_eq!(provider(json!({"max_retention_days": 7})).max_retention_days, Some(7));
    assert_eq!(provider(json!({"max_retention_days": u64::MAX})).max_retention_days, Some(i32::MAX));
    assert_eq!(provider(json!({"data_collection": "allow", "zdr": false})), Preferences::default());
    assert_eq!(provider(json!({"data_residency": "de"})), provider(json!({"data_residency": "DE"})));
    assert_eq!(provider(json!({"max_price": {}})), Preferences::default());
    assert_eq!(provider(json!({"max_price": {"prompt": "1e-1"}})), provider(json!({"max_price": {"prompt": 0.1}})));
    assert_eq!(
        provider(json!({"quantizations": ["fp4", "nvfp4"]})).quantizations,
        Some(vec![Some(FP4), Some(MXFP4), Some(NVFP4)])
    );
}

#[test]
fn exacto_has_no_effect_and_the_app_is_told() {
    for sort in [json!("exacto"), json!({"by": "exacto", "partition": "model"})] {
        let read = provider(json!({"sort": sort}));

        assert_eq!((read.sort, read.left_out), (None, vec!["provider.sort".to_owned()]));
    }
}

#[test]
fn models_come_from_models_or_in_messages_from_fallbacks() {
    let messages = Asked { operation: Operation::Messages, ..chat() };
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let models = |asked, body| read_as(asked, &body).expect("they can be kept to").models;

    assert_eq!(models(chat(), json!({"models": ["a", "b:nitro"]})), named(&["a", "b:nitro"]));
    assert_eq!(models(messages, json!({"models": ["a"]})), named(&["a"]));
    assert_eq!(models(messages, json!({"fallbacks": [{"model": "a"}, "b"]})), named(&["a", "b"]));
    assert_eq!(models(chat(), json!({"fallbacks": [{"model": "a"}]})), named(&[]));
    assert_eq!(models(messages, json!({"models": null, "fallbacks": ["a"]})), named(&["a"]));
    assert_eq!(models(chat(), json!({"models": ["a"], "enable_model_fallback": false})), named(&[]));
    assert_eq!(models(chat(), json!({"models": ["a"], "enable_model_fallback": true})), named(&["a"]));
}

#[test]
fn the_words_of_cortecs_stand_beside_the_model() {
    let read = |body| read(&body).expect("they can be kept to");

    assert!(read(json!({"eu_native": true})).eu_owned);
    assert_eq!(read(json!({"eu_native": false})), Preferences::default());
    assert_eq!(read(json!({"allow_zero_data_retention": true})).max_retention_days, Some(0));
    assert_eq!(read(json!({"allow_zero_data_retention": false})), Preferences::default());
    assert_eq!(read(json!({"preference": "speed"})).sort, Some(Sort::Throughput));
    assert_eq!(read(json!({"preference": "cost"})).sort, Some(Sort::Price));
    assert_eq!(read(json!({"preference": "balanced"})), Preferences::default());
    assert_eq!(read(json!({"preference": "cost", "provider": {"sort": "price"}})).sort, Some(Sort::Price));
    let only = read(json!({"allowed_providers": ["azure"]}));
    assert_eq!((only.only, only.only_field), (Some(words(&["azure"])), "allowed_providers"));
    let unquantized = Some(vec![Some(FP16), Some(BF16), Some(FP32)]);
    assert_eq!(read(json!({"allow_quantization": false})).quantizations, unquantized);
    assert_eq!(read(json!({"allow_quantization": true})), Preferences::default());
    let both = json!({"allow_quantization": false, "provider": {"quantizations": ["bf16", "fp8", "unknown"]}});
    assert_eq!(read(both).quantizations, Some(vec![Some(BF16)]));
}

#[test]
fn the_session_is_the_fields_then_the_headers_then_the_cache_keys() {
    let header = Asked { session_id: Some("header"), ..chat() };
    let session = |asked, body| read_as(asked, &body).expect("they can be kept to").session;
    let some = |text: &str| Some(text.to_owned());

    assert_eq!(session(header, json!({"session_id": "field", "prompt_cache_key": "key"})), some("field"));
    assert_eq!(session(header, json!({"prompt_cache_key": "key"})), some("header"));
    assert_eq!(session(header, json!({"session_id": ""})), some("header"));
    assert_eq!(session(chat(), json!({"prompt_cache_key": "key"})), some("key"));
    assert_eq!(session(chat(), json!({"session_id": "ü".repeat(256)})), Some("ü".repeat(256)));
    // Whether these are good is for the provider to say.
    assert_eq!(session(chat(), json!({"prompt_cache_key": "k".repeat(257)})), None);
    assert_eq!(session(chat(), json!({"prompt_cache_key": 3})), None);
    assert_eq!(session(Asked { session_id: Some(""), ..chat() }, json!({})), None);
}

#[test]
fn the_metadata_is_wanted_when_it_is_enabled() {
    let wants = |value| read_as(Asked { metadata: Some(value), ..chat() }, &json!({})).expect("read").wants_metadata;

    assert!(wants("enabled") && wants("Enabled"));
    assert!(!wants("disabled") && !wants(""));
}

#[test]
fn what_is_taken_out_of_a_body_is_what_is_there_of_routings() {
    let body = json!({
        "model": "m", "provider": {}, "models": [], "fallbacks": [], "session_id": null, "prompt_cache_key": "k",
        "eu_native": false, "allow_quantization": true, "allow_zero_data_retention": true, "allowed_providers": [],
        "preference": "cost", "enable_model_fallback": true, "metadata": {"session_id": "x"},
    });
    let bytes = serde_json::to_vec(&body).expect("JSON");
    let scanned = scan(&bytes).expect("scanned");
    let taken = |operation| routing_fields(&bytes, &scanned, operation).into_iter().collect::<BTreeSet<_>>();

    let mut all = BTreeSet::from([
        "provider",
        "models",
        "session_id",
        "eu_native",
        "allow_quantization",
        "allow_zero_data_retention",
        "allowed_providers",
        "preference",
        "enable_model_fallback",
    ]);
    assert_eq!(taken(Operation::ChatCompletions), all);
    all.insert("fallbacks");
    assert_eq!(taken(Operation::Messages), all);
}

/// Each body is refused, by the name of the field.
fn all_are_refused(bodies: &[(Value, &str)]) {
    for (body, field) in bodies {
        let refused = read(body).expect_err(field);

        assert_eq!((refused.field(), refused.code()), (*field, "invalid_request"), "{body}");
        assert!(refused.to_string().starts_with(&format!("`{field}` ")), "{refused}");
    }
}

/// A body with one field of `provider`.
#[expect(clippy::needless_pass_by_value, reason = "tests write their JSON where it is read")]
fn with(field: &str, value: Value) -> Value {
    json!({"provider": {field: value}})
}

/// One entry more than a list may have.
fn many(entry: &str) -> Value {
    Value::from(vec![entry; 101])
}

#[test]
fn who_and_how_fast_is_refused_by_its_full_name() {
    let long = "x".repeat(257);
    all_are_refused(&[
        (with("order", json!("azure")), "provider.order"),
        (with("order", json!(["azure", 3])), "provider.order[1]"),
        (with("only", json!([])), "provider.only"),
        (with("only", json!([null])), "provider.only[0]"),
        (with("only", json!([""])), "provider.only[0]"),
        (with("only", json!(["a", "b", "c", long])), "provider.only[3]"),
        (with("only", many("azure")), "provider.only"),
        (with("ignore", json!({"0": "azure"})), "provider.ignore"),
        (with("ignore", many("azure")), "provider.ignore"),
        (with("allow_fallbacks", json!("false")), "provider.allow_fallbacks"),
        (with("require_parameters", json!(1)), "provider.require_parameters"),
        (with("quantizations", json!("fp8")), "provider.quantizations"),
        (with("quantizations", json!([])), "provider.quantizations"),
        (with("quantizations", json!(["fp8", "fp7"])), "provider.quantizations[1]"),
        (with("sort", json!("cheapest")), "provider.sort"),
        (with("sort", json!(3)), "provider.sort"),
        (with("sort", json!(["price"])), "provider.sort"),
        (with("sort", json!({"by": "speed"})), "provider.sort.by"),
        (with("sort", json!({"by": "price", "partition": "all"})), "provider.sort.partition"),
        (with("sort", json!({"by": "price", "order": "asc"})), "provider.sort.order"),
        (with("preferred_min_throughput", json!("40")), "provider.preferred_min_throughput"),
        (with("preferred_min_throughput", json!(-1)), "provider.preferred_min_throughput"),
        (with("preferred_min_throughput", json!({"p95": 1})), "provider.preferred_min_throughput.p95"),
        (with("preferred_max_latency", json!({"p50": "1"})), "provider.preferred_max_latency.p50"),
        (with("preferred_max_latency", json!({"p99": -0.5})), "provider.preferred_max_latency.p99"),
    ]);
}

#[test]
fn prices_and_what_becomes_of_data_are_refused_by_their_full_names() {
    all_are_refused(&[
        (with("data_collections", json!("deny")), "provider.data_collections"),
        (with("data_collection", json!("Deny")), "provider.data_collection"),
        (with("data_collection", json!(false)), "provider.data_collection"),
        (with("zdr", json!("yes")), "provider.zdr"),
        (with("enforce_distillable_text", json!("true")), "provider.enforce_distillable_text"),
        (with("max_price", json!(3)), "provider.max_price"),
        (with("max_price", json!({"prompt": "cheap"})), "provider.max_price.prompt"),
        (with("max_price", json!({"prompt": "NaN"})), "provider.max_price.prompt"),
        (with("max_price", json!({"prompt": "inf"})), "provider.max_price.prompt"),
        (with("max_price", json!({"prompt": "1e999"})), "provider.max_price.prompt"),
        (with("max_price", json!({"prompt": ""})), "provider.max_price.prompt"),
        (with("max_price", json!({"completion": -1})), "provider.max_price.completion"),
        (with("max_price", json!({"completion": "-0.1"})), "provider.max_price.completion"),
        (with("max_price", json!({"completion": true})), "provider.max_price.completion"),
        (with("max_price", json!({"input": 1})), "provider.max_price.input"),
        (with("data_residency", json!("europe")), "provider.data_residency"),
        (with("data_residency", json!("Worldwide")), "provider.data_residency"),
        (with("data_residency", json!("uk")), "provider.data_residency"),
        (with("data_residency", json!(["eu"])), "provider.data_residency"),
        (with("max_retention_days", json!(-1)), "provider.max_retention_days"),
        (with("max_retention_days", json!(0.5)), "provider.max_retention_days"),
        (with("max_retention_days", json!("0")), "provider.max_retention_days"),
        (with("eu_owned", json!("true")), "provider.eu_owned"),
    ]);
}

#[test]
fn fields_beside_provider_are_refused_by_their_names() {
    let long = "x".repeat(257);
    all_are_refused(&[
        (json!({"provider": "openai"}), "provider"),
        (json!({"provider": []}), "provider"),
        (json!({"provider": {"only": ["azure"], "Only": ["x"]}}), "provider.Only"),
        (json!({"models": "gpt-4o"}), "models"),
        (json!({"models": ["gpt-4o", {}]}), "models[1]"),
        (json!({"models": ["gpt-4o", long]}), "models[1]"),
        (json!({"models": many("m")}), "models"),
        (json!({"session_id": 7}), "session_id"),
        (json!({"session_id": long}), "session_id"),
        (json!({"eu_native": "yes"}), "eu_native"),
        (json!({"allow_quantization": 0}), "allow_quantization"),
        (json!({"allow_zero_data_retention": "no"}), "allow_zero_data_retention"),
        (json!({"allowed_providers": []}), "allowed_providers"),
        (json!({"allowed_providers": ["azure", 1]}), "allowed_providers[1]"),
        (json!({"preference": "fast"}), "preference"),
        (json!({"enable_model_fallback": "no"}), "enable_model_fallback"),
    ]);
}

#[test]
fn what_messages_may_not_say_in_fallbacks_is_refused() {
    let messages = Asked { operation: Operation::Messages, ..chat() };
    for (body, field) in [
        (json!({"fallbacks": "a"}), "fallbacks"),
        (json!({"fallbacks": ["a", "b", "c", "d"]}), "fallbacks"),
        (json!({"fallbacks": [{"model": "a"}, {}]}), "fallbacks[1]"),
        (json!({"fallbacks": [{"model": null}]}), "fallbacks[0]"),
        (json!({"fallbacks": [7]}), "fallbacks[0]"),
        (json!({"fallbacks": [{"model": 3}]}), "fallbacks[0].model"),
        (json!({"fallbacks": [{"model": "a", "max_tokens": 3}]}), "fallbacks[0].max_tokens"),
        (json!({"fallbacks": ["a"], "models": ["b"]}), "fallbacks"),
    ] {
        let refused = read_as(messages, &body).expect_err(field);

        assert_eq!((refused.field(), refused.code()), (field, "invalid_request"), "{body}");
    }
}

#[test]
fn a_header_that_is_too_long_is_refused() {
    let long = "x".repeat(257);
    let refused = read_as(Asked { session_id: Some(&long), ..chat() }, &json!({})).expect_err("it is too long");

    assert_eq!((refused.field(), refused.code()), ("x-session-id", "invalid_request"));
}

#[test]
fn what_is_known_of_nobody_is_refused_as_unsupported() {
    for (fields, field) in [
        (json!({"enforce_distillable_text": true}), "provider.enforce_distillable_text"),
        (json!({"max_price": {"prompt": 1, "request": 0}}), "provider.max_price.request"),
        (json!({"max_price": {"image": "0.01"}}), "provider.max_price.image"),
        (json!({"max_price": {"audio": 1}}), "provider.max_price.audio"),
    ] {
        let refused = read(&json!({"provider": fields})).expect_err(field);

        assert_eq!((refused.field(), refused.code()), (field, "unsupported_field"));
    }
}

#[test]
fn contradictions_are_refused() {
    for (body, field) in [
        (json!({"provider": {"only": ["openai", "azure"], "ignore": ["mistral", "Azure"]}}), "provider.ignore[1]"),
        (json!({"provider": {"only": ["azure/swedencentral"], "ignore": ["azure-openai"]}}), "provider.ignore[0]"),
        (json!({"provider": {"only": ["aws-bedrock"], "ignore": ["amazon-bedrock"]}}), "provider.ignore[0]"),
        (json!({"provider": {"only": ["lotse-system/own"], "ignore": ["lotse-system/own"]}}), "provider.ignore[0]"),
        (json!({"allowed_providers": ["azure"], "provider": {"ignore": ["azure"]}}), "provider.ignore[0]"),
        (
            json!({"provider": {"only": ["azure"], "order": ["openai", "deepinfra/turbo"], "allow_fallbacks": false}}),
            "provider.order",
        ),
        (json!({"allowed_providers": ["azure"], "provider": {"only": ["azure"]}}), "allowed_providers"),
        (json!({"preference": "cost", "provider": {"sort": "latency"}}), "preference"),
        (json!({"preference": "balanced", "provider": {"sort": "latency"}}), "preference"),
        (json!({"allow_quantization": false, "provider": {"quantizations": ["fp8"]}}), "allow_quantization"),
    ] {
        let refused = read(&body).expect_err(field);

        assert_eq!((refused.field(), refused.code()), (field, "invalid_request"), "{body}");
    }
}

#[test]
fn what_only_looks_like_a_contradiction_is_read() {
    for fields in [
        json!({"data_residency": "us", "eu_owned": true}),
        json!({"only": ["azure"], "ignore": ["azure/eastus"]}),
        json!({"only": ["azure"], "order": ["azure/swedencentral"], "allow_fallbacks": false}),
        json!({"only": ["azure/swedencentral"], "order": ["azure-openai"], "allow_fallbacks": false}),
        // It may be the name of an LLMProvider of that vendor.
        json!({"only": ["azure"], "order": ["our-own"], "allow_fallbacks": false}),
        json!({"only": ["azure"], "order": ["openai"]}),
        json!({"order": ["openai"], "ignore": ["openai"]}),
    ] {
        assert!(read(&json!({"provider": fields})).is_ok(), "{fields}");
    }
}

#[test]
fn a_list_of_ten_thousand_is_refused_before_it_is_read() {
    for field in ["only", "order", "ignore", "quantizations"] {
        let list = vec!["x".repeat(300); 10_000];
        let refused = read(&json!({"provider": {field: list}})).expect_err(field);

        // Its length is what is wrong with it, not the entries behind the hundredth, nor those before it.
        assert_eq!(refused.field(), format!("provider.{field}"));
        assert!(refused.to_string().ends_with("a list of at most 100 entries"), "{refused}");
    }
    let refused = read(&json!({"models": vec!["m"; 10_000]})).expect_err("too many");
    assert_eq!(refused.field(), "models");
}

#[test]
fn a_name_with_escapes_is_read_as_what_it_says() {
    let body = br#"{"pro\u0076ider": {"\u006fnly": ["\u0061zure"]}, "model": "m"}"#;
    let scanned = scan(body).expect("scanned");

    let read = Preferences::read(body, &scanned, chat()).expect("they can be kept to");

    assert_eq!(read.only, Some(words(&["azure"])));
    assert_eq!(routing_fields(body, &scanned, Operation::ChatCompletions), ["provider"]);
}
