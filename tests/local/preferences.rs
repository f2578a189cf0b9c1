//! What an app asks of routing, through a whole sidecar: whom each field leaves, in which order, and what is refused. It
//! only ever tightens. Where all providers refuse, the attempts of the answer are the plan.

use std::time::Duration;

use lotse_tests::client::post;
use lotse_tests::manifests::{object, policy, promising};
use lotse_tests::provider::{Asked, Step, chunk, event, last_chunk, response, stream_head, whole};
use lotse_tests::{Answer, Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

/// The refusal of a prompt that is too long.
const TOO_LONG: &str = r#"{"error":{"message":"This model's maximum context length is 8 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;

/// Providers by these names and specs, in this order, that all say that they have no such model.
async fn refusing(specs: &[(&str, &str)]) -> World {
    let url = FakeProvider::refuses(404).await.url();
    specs.iter().fold(World::default(), |world, (name, spec)| world.provider(name, &url, spec))
}

/// Who is tried for a call with these fields, in order; or the code and the reasons, by provider.
async fn plan(sidecar: &Sidecar, fields: Value) -> String {
    let answer = sidecar.asks(&fields).await;
    match answer.code().as_str() {
        "all_providers_failed" => answer.tried().join(" "),
        code => format!("{code}: {}", excluded(&answer)),
    }
}

/// Who is out and why, as `name reason reason, name reason`.
fn excluded(answer: &Answer) -> String {
    let entries = answer.json()["error"]["metadata"]["excluded"].as_array().cloned().unwrap_or_default();
    let tell = |entry: &Value| {
        let provider = entry["provider"].as_str().unwrap_or_default().trim_start_matches("lotse-system/").to_owned();
        let reasons = entry["reasons"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<_> = reasons.iter().filter_map(Value::as_str).collect();
        format!("{provider} {}", reasons.join(" "))
    };
    entries.iter().map(tell).collect::<Vec<_>>().join(", ")
}

/// A second route, for the model `other`, to these providers as listed.
fn other(models: &str, providers: &[&str], more: &str) -> String {
    let targets: Vec<String> =
        providers.iter().map(|name| format!("{{model: m, provider: {{name: {name}}}}}")).collect();
    let spec = format!(
        "namespaceSelector: {{}}\nmodels: [{models}]\ntiers: [{{balance: Order, targets: [{}]}}]\n{more}",
        targets.join(", ")
    );
    object("ModelRoute", "lotse-system", "other", &spec)
}

fn tier(providers: &[&str]) -> String {
    let targets: Vec<String> =
        providers.iter().map(|name| format!("{{model: m, provider: {{name: {name}}}}}")).collect();
    format!("- {{balance: Order, targets: [{}]}}", targets.join(", "))
}

#[tokio::test]
async fn an_app_names_who_may_answer_and_in_which_order() {
    let sidecar = Sidecar::of(&refusing(&[("a", "vendor: mistral"), ("b", ""), ("c", "")]).await).await;
    for (fields, expected) in [
        (json!({}), "a b c"),
        (json!({"provider": null}), "a b c"),
        (json!({"provider": {"only": ["b"]}}), "b"),
        (json!({"provider": {"only": ["lotse-system/c", "B"]}}), "b c"),
        (json!({"provider": {"only": ["Mistral"]}}), "a"),
        (json!({"allowed_providers": ["vllm"]}), "b c"),
        (json!({"provider": {"ignore": ["mistral"]}}), "b c"),
        (json!({"provider": {"ignore": ["vllm", "openai"]}}), "a"),
        (json!({"provider": {"order": ["c"]}}), "c a b"),
        (json!({"provider": {"order": ["openai", "c", "b"]}}), "c b a"),
        (json!({"provider": {"order": ["c", "a"], "allow_fallbacks": false}}), "c a"),
        (json!({"provider": {"order": ["c"], "only": ["a", "c"]}}), "c a"),
        (json!({"provider": {"allow_fallbacks": false}}), "a"),
        (json!({"provider": {"allow_fallbacks": false, "ignore": ["a"]}}), "b"),
        (
            json!({"provider": {"only": ["openai"]}}),
            "no_eligible_provider: a allowed_providers, b allowed_providers, c allowed_providers",
        ),
        (
            json!({"provider": {"order": ["openai"], "allow_fallbacks": false, "ignore": ["c"]}}),
            "no_eligible_provider: a allowed_providers, b allowed_providers, c allowed_providers ignored_provider",
        ),
    ] {
        assert_eq!(plan(&sidecar, fields.clone()).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn an_app_asks_for_a_price_for_weights_and_for_what_a_model_can_do() {
    let model = |more: &str| format!("models: [{{name: m, upstreamName: upstream{more}}}]");
    let price = |dollars: &str| format!(", price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"{dollars}\"}}");
    let specs = [
        ("dear", model(&(price("9") + ", quantization: BF16, supports: [Tools, Vision]"))),
        ("plain", model("")),
        ("mid", model(&(price("2") + ", quantization: MXFP8, supports: [Tools]"))),
        ("cheap", model(&(price("1") + ", quantization: INT4, supports: [Vision]"))),
    ];
    let specs: Vec<(&str, &str)> = specs.iter().map(|(name, spec)| (*name, spec.as_str())).collect();
    let sidecar = Sidecar::of(&refusing(&specs).await).await;
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (fields, expected) in [
        (json!({"provider": {"sort": "price"}}), "cheap mid dear plain"),
        (json!({"provider": {"sort": {"by": "price"}}}), "cheap mid dear plain"),
        (json!({"preference": "cost"}), "cheap mid dear plain"),
        (json!({"preference": "balanced"}), "dear plain mid cheap"),
        (json!({"provider": {"sort": "price", "allow_fallbacks": false}}), "cheap"),
        (json!({"provider": {"sort": "price", "order": ["plain"]}}), "plain cheap mid dear"),
        (json!({"provider": {"max_price": {"prompt": 2}}}), "mid cheap"),
        (json!({"provider": {"max_price": {"prompt": "2", "completion": "1.5"}}}), "cheap"),
        (
            json!({"provider": {"max_price": {"completion": 0.1}}}),
            "no_eligible_provider: dear max_price, plain max_price, mid max_price, cheap max_price",
        ),
        (json!({"provider": {"quantizations": ["fp8"]}}), "mid"),
        (json!({"provider": {"quantizations": ["bf16", "unknown"]}}), "dear plain"),
        (
            json!({"provider": {"quantizations": ["fp32"]}}),
            "no_eligible_provider: dear quantization, plain quantization, mid quantization, cheap quantization",
        ),
        (json!({"allow_quantization": false}), "dear"),
        (json!({"provider": {"require_parameters": true}}), "dear plain mid cheap"),
        (json!({"provider": {"require_parameters": true}, "tools": tools}), "dear mid"),
        (json!({"provider": {"require_parameters": true}, "tools": []}), "dear plain mid cheap"),
        (
            json!({"provider": {"require_parameters": true, "only": ["plain"]}, "tools": tools}),
            "no_eligible_provider: dear allowed_providers, plain require_parameters, mid allowed_providers, \
             cheap allowed_providers require_parameters",
        ),
    ] {
        assert_eq!(plan(&sidecar, fields.clone()).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn an_app_asks_for_places_retention_training_and_owners_and_only_promises_count() {
    let data = |days: u8, parent: &str| {
        format!(
            "retention: {{days: {days}, evidence: [e]}}, training: {{onCustomerData: false, evidence: [e]}}, \
             jurisdiction: {{contractingEntity: DE, ultimateParent: {parent}, evidence: [e]}}"
        )
    };
    let specs = [
        ("berlin", promising("DE", &data(0, "DE"))),
        ("paris", promising("FR", &data(30, "US"))),
        ("zurich", promising("CH", "retention: {days: 0, evidence: [e]}")),
        ("silent", String::new()),
    ];
    let specs: Vec<(&str, &str)> = specs.iter().map(|(name, spec)| (*name, spec.as_str())).collect();
    let sidecar = Sidecar::of(&refusing(&specs).await).await;
    for (fields, expected) in [
        (json!({"provider": {"zdr": true}}), "berlin zurich"),
        (json!({"provider": {"zdr": false}}), "berlin paris zurich silent"),
        (json!({"allow_zero_data_retention": true}), "berlin zurich"),
        (json!({"provider": {"max_retention_days": 30}}), "berlin paris zurich"),
        (json!({"provider": {"data_collection": "deny"}}), "berlin"),
        (json!({"provider": {"data_collection": "allow"}}), "berlin paris zurich silent"),
        (json!({"provider": {"data_residency": "eu"}}), "berlin paris"),
        (json!({"provider": {"data_residency": "EFTA"}}), "zurich"),
        (json!({"provider": {"data_residency": "fr"}}), "paris"),
        (json!({"provider": {"eu_owned": true}}), "berlin"),
        (json!({"eu_native": true}), "berlin"),
        (json!({"model": "gpt-4o@eu"}), "berlin paris"),
        (json!({"model": "gpt-4o@DE"}), "berlin"),
        (json!({"model": "gpt-4o@eu", "provider": {"data_residency": "fr"}}), "paris"),
        (
            json!({"provider": {"data_residency": "us"}}),
            "no_eligible_provider: berlin data_region, paris data_region, zurich data_region, silent data_region",
        ),
        (
            json!({"provider": {"data_collection": "deny", "only": ["paris", "zurich", "silent"]}}),
            "no_eligible_provider: berlin allowed_providers, paris data_policy_zdr, zurich data_policy_training, \
             silent data_policy_zdr data_policy_training",
        ),
        (
            json!({"provider": {"max_retention_days": 7, "eu_owned": true, "ignore": ["berlin"]}}),
            "no_eligible_provider: berlin ignored_provider, paris retention eu_owned, zurich eu_owned, \
             silent retention eu_owned",
        ),
    ] {
        assert_eq!(plan(&sidecar, fields.clone()).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn a_promise_whose_namespace_a_policy_does_not_believe_serves_no_app_either() {
    let world = refusing(&[("berlin", &promising("DE", ""))]).await;
    let closed = "inferenceRegions: [Worldwide]\nevidence: {attestedIn: {namespaceSelector: {matchLabels: {a: b}}}}";
    let sidecar = Sidecar::of(&world.policies(&[policy("lotse-system", "strict", closed)])).await;

    assert_eq!(plan(&sidecar, json!({})).await, "berlin");
    let asked = json!({"provider": {"data_residency": "de"}});
    assert_eq!(plan(&sidecar, asked).await, "no_eligible_provider: berlin data_region");
}

#[tokio::test]
async fn endings_are_taken_off_a_models_name_unless_a_route_has_it_whole() {
    let price = |dollars: &str| {
        format!(
            "models: [{{name: m, upstreamName: upstream, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"0\"}}}}]"
        )
    };
    let (dear, cheap) = (format!("{}\n{}", price("5"), promising("FR", "")), price("1"));
    let world = refusing(&[("dear", &dear), ("cheap", &cheap), ("named", "")]).await;
    let world = world
        .tiers(&tier(&["dear", "cheap"]))
        .file("exact.yaml", &other("\"llama3:floor\", \"a@eu\"", &["named"], ""))
        .file("prefix.yaml", &other("\"mistral-*\"", &["dear", "cheap"], "").replace("name: other", "name: prefix"));
    let sidecar = Sidecar::of(&world).await;
    for (model, expected) in [
        ("gpt-4o", "dear cheap"),
        ("gpt-4o:floor", "cheap dear"),
        ("gpt-4o@eu", "dear"),
        ("gpt-4o:floor@eu", "dear"),
        ("gpt-4o@FR:floor", "dear"),
        ("gpt-4o@de", "no_eligible_provider: dear data_region, cheap data_region"),
        ("gpt-4o@eu-central-1", "no_eligible_provider: dear data_region, cheap data_region"),
        ("llama3:floor", "named"),
        ("a@eu", "named"),
        // What is left is a name that a route has, and is not taken apart.
        ("a@eu@fr", "no_eligible_provider: named data_region"),
        ("llama3:floor:nitro", "named"),
        ("mistral-large", "dear cheap"),
        ("mistral-large:floor", "cheap dear"),
        ("mistral-large@eu", "dear"),
        ("mistral-large:8b", "dear cheap"),
        ("llama3:8b", "model_not_found: "),
        ("llama3", "model_not_found: "),
        ("gpt-4o:online", "model_not_found: "),
        ("gpt-4o:free", "model_not_found: "),
        ("@eu", "model_not_found: "),
        ("gpt-4o@europe", "model_not_found: "),
        ("mistral-large@20241022", "dear cheap"),
        // An ending that a prefix would take into the name is not lost.
        ("mistral-large@eu:online", "invalid_request: "),
        ("mistral-large@europe", "invalid_request: "),
    ] {
        assert_eq!(plan(&sidecar, json!({"model": model})).await, expected, "{model}");
    }
}

#[tokio::test]
async fn an_ending_that_is_a_region_means_who_is_called_there() {
    let provider = Speaks::Bedrock.says("hallo").await;
    let place = |region: &str, country: &str| {
        let model = "models: [{name: m, upstreamName: \"mistral.mistral-large-2402-v1:0\"}]";
        format!("vendor: aws-bedrock\nregion: {region}\n{model}\n{}", promising(country, ""))
    };
    let url = Speaks::Bedrock.url(&provider);
    let world = World::default().provider("dublin", &url, &place("eu-west-1", "IE")).provider(
        "frankfurt",
        &url,
        &place("eu-central-1", "DE"),
    );
    let sidecar = Sidecar::of(&world).await;
    for (fields, expected) in [
        (json!({"model": "gpt-4o@eu-central-1"}), "lotse-system/frankfurt"),
        (json!({"model": "gpt-4o@EU-WEST-1"}), "lotse-system/dublin"),
        (json!({"model": "gpt-4o@ie"}), "lotse-system/dublin"),
        (json!({"provider": {"only": ["amazon-bedrock/eu-central-1"]}}), "lotse-system/frankfurt"),
        (json!({"provider": {"ignore": ["amazon-bedrock/eu-west-1"]}}), "lotse-system/frankfurt"),
        (json!({"provider": {"order": ["aws-bedrock/eu-central-1"]}}), "lotse-system/frankfurt"),
    ] {
        let answer = sidecar.asks(&fields).await;

        assert_eq!(answer.header("x-lotse-provider"), Some(expected), "{fields}: {}", answer.text());
    }
    assert_eq!(
        plan(&sidecar, json!({"model": "gpt-4o@eu-west-3"})).await,
        "no_eligible_provider: dublin data_region, frankfurt data_region"
    );
}

#[tokio::test]
async fn models_are_sorted_one_by_one_or_all_together_and_the_tiers_hold() {
    let price = |dollars: &str| {
        format!(
            "models: [{{name: m, upstreamName: upstream, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"0\"}}}}]"
        )
    };
    let specs =
        [("nine", "9"), ("one", "1"), ("five", "5"), ("two", "2")].map(|(name, dollars)| (name, price(dollars)));
    let specs: Vec<(&str, &str)> = specs.iter().map(|(name, spec)| (*name, spec.as_str())).collect();
    let world = refusing(&specs).await;
    let sidecar = Sidecar::of(
        &world
            .tiers(&format!("{}\n{}", tier(&["nine", "one"]), tier(&["two"])))
            .file("other.yaml", &other("other", &["five"], "")),
    )
    .await;
    for (sort, expected) in [
        (json!({}), "nine one two five"),
        (json!({"sort": "price"}), "one nine two five"),
        (json!({"sort": {"by": "price", "partition": "model"}}), "one nine two five"),
        (json!({"sort": {"by": "price", "partition": "none"}}), "one five nine two"),
        (json!({"sort": {"partition": "none"}}), "nine one two five"),
        (json!({"sort": {"by": "price", "partition": "none"}, "order": ["five"]}), "five one nine two"),
        (json!({"sort": {"by": "price", "partition": "none"}, "allow_fallbacks": false}), "one five"),
        (json!({"allow_fallbacks": false}), "nine five"),
    ] {
        let fields = json!({"models": ["other"], "provider": sort});
        assert_eq!(plan(&sidecar, fields.clone()).await, expected, "{fields}");
    }
}

/// A provider whose streams have their first content, and then fifty tokens, after so many milliseconds each.
async fn paced(name: &'static str, first: u64, rest: u64) -> FakeProvider {
    let usage = r#"{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60}}"#;
    let stop = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
    FakeProvider::plays(move |_| {
        let data = |data: &str| Step::Send(chunk(format!("data: {data}\n\n").as_bytes()));
        vec![
            Step::Wait(Duration::from_millis(first)),
            Step::Send(stream_head()),
            Step::Send(chunk(event(name).as_bytes())),
            Step::Wait(Duration::from_millis(rest)),
            data(stop),
            data(usage),
            data("[DONE]"),
            Step::Send(last_chunk()),
        ]
    })
    .await
}

#[tokio::test]
async fn who_was_measured_faster_comes_first_where_the_app_wants_that() {
    // One thinks long and then writes fast, the other the other way round.
    let (thinks, writes) = (paced("thinks", 400, 20).await, paced("writes", 0, 400).await);
    let world = World::of(&[("thinks", &thinks), ("writes", &writes)]);
    let sidecar = Sidecar::of(&world).await;
    let ask = async |fields: Value| sidecar.send(Asks::Chat.also(&fields, true)).await.said();
    assert_eq!(ask(json!({"provider": {"only": ["thinks"]}})).await, "thinks");
    assert_eq!(ask(json!({"provider": {"only": ["writes"]}})).await, "writes");
    for (fields, expected) in [
        (json!({}), "thinks"),
        (json!({"provider": {"sort": "latency"}}), "writes"),
        (json!({"provider": {"sort": "throughput"}}), "thinks"),
        (json!({"provider": {"sort": {"by": "latency"}}}), "writes"),
        (json!({"preference": "speed"}), "thinks"),
        (json!({"model": "gpt-4o:nitro"}), "thinks"),
        (json!({"provider": {"preferred_max_latency": 0.2}}), "writes"),
        (json!({"provider": {"preferred_max_latency": {"p90": 0.2}}}), "writes"),
        (json!({"provider": {"preferred_min_throughput": 300, "order": []}}), "thinks"),
        (json!({"provider": {"sort": "latency", "preferred_min_throughput": {"p50": 300}}}), "thinks"),
        // Nobody is left out by what is only preferred.
        (json!({"provider": {"preferred_max_latency": 0, "preferred_min_throughput": 1e9}}), "thinks"),
    ] {
        assert_eq!(ask(fields.clone()).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn the_next_model_is_asked_when_those_before_cannot_answer_whatever_the_error() {
    let (well, url) = (Speaks::Anthropic.says("fine").await, FakeProvider::nobody().await);
    for (status, body) in [(500, "{}"), (429, "{}"), (400, TOO_LONG)] {
        let ill = FakeProvider::answers(status, &[], body).await;
        let world = World::of(&[("ill", &ill)])
            .provider("well", &Speaks::Anthropic.url(&well), Speaks::Anthropic.spec())
            .provider("gone", &url, "")
            .tiers(&tier(&["ill"]))
            .file("other.yaml", &other("other", &["well"], ""))
            .file("third.yaml", &other("third", &["gone"], "").replace("name: other", "name: third"));
        let sidecar = Sidecar::of(&world).await;
        for asks in Asks::ALL {
            let models = json!({"models": ["unheard-of", "third", "other", "gpt-4o"]});
            for stream in [false, true] {
                let answer = sidecar.send(asks.also(&models, stream)).await;

                assert_eq!(asks.said(&answer), "fine", "{asks:?} {status}: {}", answer.text());
                assert_eq!(answer.header("x-lotse-attempts"), Some("3"), "{asks:?} {status}");
                assert_eq!(answer.dropped(), ["models[0]"], "{asks:?} {status}");
            }
        }
        for fields in [
            json!({"model": null, "models": ["gpt-4o", "other"]}),
            json!({"model": "unheard-of", "models": ["gpt-4o", "other"]}),
            json!({"models": ["other:nitro"]}),
        ] {
            for asks in Asks::ALL {
                let answer = sidecar.send(asks.also(&fields, false)).await;

                let got = (asks.said(&answer), answer.header("x-lotse-attempts"));
                assert_eq!(got, ("fine".to_owned(), Some("2")), "{asks:?} {fields}: {}", answer.text());
            }
        }
        let alone = sidecar.asks(&json!({"models": ["other"], "enable_model_fallback": false})).await;
        assert_ne!(alone.status, 200, "{}", alone.text());
        let none = sidecar.asks(&json!({"model": null, "models": ["unheard-of"]})).await;
        assert_eq!((none.status.as_u16(), none.code().as_str()), (404, "model_not_found"));
    }
    assert_eq!(well.last().json()["model"], "upstream");
}

#[tokio::test]
async fn a_route_is_asked_once_and_that_it_should_be_asked_otherwise_is_named() {
    let well = FakeProvider::says("fine").await;
    let sidecar = Sidecar::of(&World::of(&[("well", &well)])).await;
    for (models, dropped) in [
        (json!(["gpt-4o"]), vec![]),
        (json!(["gpt-4o:floor"]), vec!["models[0]"]),
        (json!(["gpt-4o", "gpt-4o@eu"]), vec!["models[1]"]),
    ] {
        let answer = sidecar.asks(&json!({"models": models})).await;

        assert_eq!(
            (answer.said().as_str(), answer.dropped()),
            ("fine", dropped.iter().map(ToString::to_string).collect())
        );
    }
}

#[tokio::test]
async fn messages_has_fallbacks_where_the_others_have_models() {
    let (ill, well) = (FakeProvider::refuses(500).await, Speaks::Anthropic.says("fine").await);
    let world = World::of(&[("ill", &ill)])
        .provider("well", &Speaks::Anthropic.url(&well), Speaks::Anthropic.spec())
        .tiers(&tier(&["ill"]))
        .file("other.yaml", &other("other", &["well"], ""));
    let sidecar = Sidecar::of(&world).await;
    for fallbacks in
        [json!([{"model": "other"}]), json!(["other"]), json!(["unheard-of", {"model": "other"}, "gpt-4o"])]
    {
        let answer = sidecar.send(Asks::Messages.also(&json!({"fallbacks": fallbacks}), false)).await;

        assert_eq!(Asks::Messages.said(&answer), "fine", "{}", answer.text());
        assert_eq!(well.last().json().get("fallbacks"), None);
    }
}

#[tokio::test]
async fn what_an_app_says_of_routing_reaches_no_provider_in_any_dialect() {
    let openai = FakeProvider::says("bonjour").await;
    let claude = Speaks::Anthropic.says("bonjour").await;
    let fields = json!({
        "provider": {"only": ["vllm", "anthropic"], "zdr": false, "sort": "price"}, "models": ["unheard-of"],
        "session_id": "s", "eu_native": false, "allow_quantization": true, "allow_zero_data_retention": false,
        "preference": "cost", "enable_model_fallback": true,
    });
    for (provider, world) in [
        (&openai, World::of(&[("p", &openai)])),
        (&claude, World::default().provider("p", &Speaks::Anthropic.url(&claude), Speaks::Anthropic.spec())),
    ] {
        for route in ["", "requestPreferences: Ignore"] {
            let sidecar = Sidecar::of(&world.clone().route(route)).await;
            for asks in Asks::ALL {
                for stream in [false, true] {
                    let before = provider.calls();
                    let answer = sidecar.send(asks.also(&fields, stream)).await;

                    assert_eq!(provider.calls(), before + 1, "{asks:?}: {}", answer.text());
                    let sent = provider.last().json();
                    let leaked = fields.as_object().expect("an object").keys().find(|key| sent.get(*key).is_some());
                    assert_eq!(leaked, None, "{asks:?} {route}: {sent}");
                }
            }
        }
    }
    let sidecar = Sidecar::of(&World::of(&[("p", &openai)])).await;
    let embeddings = json!({"model": "gpt-4o", "input": "hi", "provider": {"only": ["p"]}}).to_string();
    sidecar.send(post("/v1/embeddings", &[], embeddings)).await;
    let sent = openai.last().json();
    assert_eq!((&sent["input"], sent.get("provider")), (&json!("hi"), None));
}

#[tokio::test]
async fn a_route_that_ignores_preferences_names_what_has_no_effect() {
    let (a, b) = (FakeProvider::says("a").await, FakeProvider::says("b").await);
    let world = World::of(&[("a", &a), ("b", &b)]).route("requestPreferences: Ignore");
    let sidecar = Sidecar::of(&world.file("other.yaml", &other("other", &["b"], ""))).await;
    for (fields, dropped) in [
        (json!({}), vec![]),
        (json!({"provider": {"only": ["b"]}}), vec!["provider"]),
        (json!({"models": ["other"], "provider": {"order": ["b"]}}), vec!["models", "provider"]),
        (json!({"allowed_providers": ["b"], "preference": "cost"}), vec!["allowed_providers", "preference"]),
        (json!({"model": "gpt-4o:floor@eu"}), vec!["model:floor@eu"]),
        // Whose calls stay together is the route's own to say.
        (json!({"session_id": "s"}), vec![]),
    ] {
        let answer = sidecar.asks(&fields).await;

        assert_eq!(answer.said(), "a", "{fields}: {}", answer.text());
        let mut named = answer.dropped();
        named.sort();
        assert_eq!(named, dropped, "{fields}");
    }
    // The route of the first model decides; one that ignores is nobody's further model.
    let answer = sidecar.asks(&json!({"model": "other", "models": ["gpt-4o"]})).await;
    assert_eq!((answer.said().as_str(), answer.dropped()), ("b", vec!["models[0]".to_owned()]));
}

#[tokio::test]
async fn what_cannot_be_kept_to_is_refused_with_the_fields_full_name_and_nobody_is_asked() {
    let provider = FakeProvider::says("never").await;
    let sidecar = Sidecar::of(&World::of(&[("p", &provider)])).await;
    let long = "x".repeat(257);
    let many = vec!["p"; 10_000];
    let routing = |value: Value| json!({"provider": value});
    for (fields, field) in [
        (routing(json!(7)), "provider"),
        (routing(json!({"only": []})), "provider.only"),
        (routing(json!({"only": many})), "provider.only"),
        (routing(json!({"only": "p"})), "provider.only"),
        (routing(json!({"only": ["p", "nobody-has-this"]})), "provider.only[1]"),
        (routing(json!({"ignore": ["nobody-has-this"]})), "provider.ignore[0]"),
        (routing(json!({"order": ["nobody-has-this"]})), "provider.order[0]"),
        (routing(json!({"order": ["p", 1]})), "provider.order[1]"),
        (routing(json!({"order": [long]})), "provider.order[0]"),
        (routing(json!({"onyl": ["p"]})), "provider.onyl"),
        (routing(json!({"allow_fallbacks": "no"})), "provider.allow_fallbacks"),
        (routing(json!({"require_parameters": 1})), "provider.require_parameters"),
        (routing(json!({"data_collection": "no"})), "provider.data_collection"),
        (routing(json!({"zdr": "yes"})), "provider.zdr"),
        (routing(json!({"quantizations": ["fp7"]})), "provider.quantizations[0]"),
        (routing(json!({"quantizations": []})), "provider.quantizations"),
        (routing(json!({"sort": "best"})), "provider.sort"),
        (routing(json!({"sort": {"by": "best"}})), "provider.sort.by"),
        (routing(json!({"sort": {"by": "price", "partition": "all"}})), "provider.sort.partition"),
        (routing(json!({"sort": {"order": "price"}})), "provider.sort.order"),
        (routing(json!({"max_price": 3})), "provider.max_price"),
        (routing(json!({"max_price": {"prompt": "cheap"}})), "provider.max_price.prompt"),
        (routing(json!({"max_price": {"prompt": -1}})), "provider.max_price.prompt"),
        (routing(json!({"max_price": {"completion": "NaN"}})), "provider.max_price.completion"),
        (routing(json!({"max_price": {"image": 1}})), "provider.max_price.image"),
        (routing(json!({"preferred_min_throughput": -1})), "provider.preferred_min_throughput"),
        (routing(json!({"preferred_max_latency": {"p51": 1}})), "provider.preferred_max_latency.p51"),
        (routing(json!({"data_residency": "uk"})), "provider.data_residency"),
        (routing(json!({"max_retention_days": -1})), "provider.max_retention_days"),
        (routing(json!({"max_retention_days": 1.5})), "provider.max_retention_days"),
        (routing(json!({"eu_owned": "yes"})), "provider.eu_owned"),
        (routing(json!({"enforce_distillable_text": true})), "provider.enforce_distillable_text"),
        (routing(json!({"only": ["p"], "ignore": ["P"]})), "provider.ignore[0]"),
        (routing(json!({"only": ["openai"], "order": ["mistral"], "allow_fallbacks": false})), "provider.order"),
        (json!({"models": "gpt-4o"}), "models"),
        (json!({"models": ["gpt-4o", ""]}), "models[1]"),
        (json!({"models": many}), "models"),
        (json!({"session_id": 7}), "session_id"),
        (json!({"session_id": long}), "session_id"),
        (json!({"eu_native": "yes"}), "eu_native"),
        (json!({"allow_zero_data_retention": 0}), "allow_zero_data_retention"),
        (json!({"enable_model_fallback": 0}), "enable_model_fallback"),
        (json!({"preference": "fast"}), "preference"),
        (json!({"preference": "cost", "provider": {"sort": "latency"}}), "preference"),
        (json!({"allowed_providers": ["p"], "provider": {"only": ["p"]}}), "allowed_providers"),
        (json!({"allowed_providers": ["nobody-has-this"]}), "allowed_providers[0]"),
        (json!({"allow_quantization": false, "provider": {"quantizations": ["int4"]}}), "allow_quantization"),
        (json!({"model": "gpt-4o:nitro:floor"}), "model"),
        (json!({"model": "gpt-4o:nitro", "provider": {"sort": "price"}}), "model"),
        (json!({"model": "gpt-4o@eu", "provider": {"data_residency": "us"}}), "model"),
        (json!({"model": "gpt-4o@eu-central-1@eu-west-1"}), "model"),
        (json!({"models": ["gpt-4o@eu"], "provider": {"data_residency": "us"}}), "models[0]"),
    ] {
        let answer = sidecar.asks(&fields).await;

        let told = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(told.starts_with(&format!("`{field}` ")), "{field}: {told}");
        let is_unknown = field.ends_with("image") || field.ends_with("distillable_text");
        let code = if is_unknown { "unsupported_field" } else { "invalid_request" };
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{field}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{field}");
    }
    for (fields, field) in [
        (json!({"fallbacks": ["a"], "models": ["b"]}), "fallbacks"),
        (json!({"fallbacks": ["a", "b", "c", "d"]}), "fallbacks"),
        (json!({"fallbacks": [{}]}), "fallbacks[0]"),
        (json!({"fallbacks": [{"model": "a", "max_tokens": 3}]}), "fallbacks[0].max_tokens"),
    ] {
        let error = Asks::Messages.error(&sidecar.send(Asks::Messages.also(&fields, false)).await);

        let told = error["message"].as_str().unwrap_or_default();
        assert!(told.starts_with(&format!("`{field}` ")), "{field}: {told}");
    }
    for asks in Asks::ALL {
        let answer = sidecar.send(asks.also(&routing(json!({"only": []})), true)).await;

        assert_eq!((answer.status.as_u16(), &asks.error(&answer)["code"]), (400, &json!("invalid_request")));
    }
    let session = post("/v1/chat/completions", &[("x-session-id", &long)], Asks::Chat.body(false).to_string());
    let answer = sidecar.send(session).await;
    assert!(answer.text().contains("`x-session-id` must be"), "{}", answer.text());
    assert_eq!(provider.calls(), 0);
}

#[tokio::test]
async fn what_is_unknown_to_openrouter_in_other_dialects_goes_on_as_any_field() {
    let provider = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("p", &provider)])).await;

    sidecar.asks(&json!({"fallbacks": ["a"]})).await;

    assert_eq!(provider.last().json()["fallbacks"], json!(["a"]));
}

#[tokio::test]
async fn no_wish_of_an_app_reaches_a_provider_that_policy_refuses() {
    let (ill, refused) = (FakeProvider::refuses(404).await, FakeProvider::says("stolen").await);
    let eu = policy("lotse-system", "eu", "inferenceRegions: [EU]");
    let world = World::default()
        .provider("ill", &ill.url(), &promising("FR", ""))
        .provider("refused", &refused.url(), &promising("US", ""))
        .policies(std::slice::from_ref(&eu))
        .route("nextTierOn: [ContextLength]\nhedgeAfterMilliseconds: 10");
    let sidecar = Sidecar::of(&world.clone().file("other.yaml", &other("other", &["refused"], ""))).await;
    for fields in [
        json!({}),
        json!({"provider": {"order": ["refused"]}}),
        json!({"provider": {"order": ["refused"], "allow_fallbacks": true}}),
        json!({"provider": {"ignore": ["ill"], "allow_fallbacks": true}}),
        json!({"provider": {"only": ["refused"]}}),
        json!({"provider": {"order": ["refused"], "allow_fallbacks": false}}),
        json!({"provider": {"data_residency": "us"}}),
        json!({"model": "gpt-4o@us"}),
        json!({"models": ["other"]}),
        json!({"models": ["other"], "provider": {"sort": {"by": "price", "partition": "none"}}}),
        json!({"provider": {"sort": "price", "data_collection": "allow", "zdr": false}}),
        json!({"model": "other"}),
    ] {
        for asks in Asks::ALL {
            let answer = sidecar.send(asks.also(&fields, false)).await;

            assert_ne!(answer.status, 200, "{asks:?} {fields}");
        }
    }
    assert_eq!(refused.calls(), 0);

    // Both reasons stand beside each other, each with whose it is.
    let answer = sidecar.asks(&json!({"provider": {"only": ["refused"]}})).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "no_eligible_provider"));
    let expected = ["inference_region_not_allowed", "storage_region_not_allowed", "access_region_not_allowed"];
    assert_eq!(answer.reasons("lotse-system/refused"), expected);
    assert_eq!(answer.reasons("lotse-system/ill"), ["allowed_providers"]);

    let denied = Sidecar::of(&world.tiers(&tier(&["refused"]))).await;
    for fields in [json!({}), json!({"provider": {"only": ["refused"]}}), json!({"provider": {"zdr": true}})] {
        let answer = denied.asks(&fields).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "policy_denied"), "{fields}");
    }
    assert_eq!(refused.calls(), 0);
}

#[tokio::test]
async fn a_provider_that_is_asked_for_by_name_still_fails_over_as_far_as_the_app_lets_it() {
    let script = |asked: &Asked| match asked.json()["user"].as_str() {
        Some("ill") => vec![Step::Send(response(503, &[], "{}"))],
        _ => whole("first"),
    };
    let (first, second) = (FakeProvider::plays(script).await, FakeProvider::says("second").await);
    let sidecar = Sidecar::of(&World::of(&[("second", &second), ("first", &first)])).await;
    let order = |closed: bool| json!({"order": ["first"], "allow_fallbacks": !closed});

    let answer = sidecar.asks(&json!({"provider": order(false)})).await;
    assert_eq!(answer.said(), "first");
    let answer = sidecar.asks(&json!({"provider": order(false), "user": "ill"})).await;
    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("second", Some("2")));
    let answer = sidecar.asks(&json!({"provider": order(true), "user": "ill"})).await;
    assert_eq!((answer.code().as_str(), answer.tried()), ("all_providers_failed", vec!["first".to_owned()]));
}
