//! Fields that a provider cannot honour: refused by name, or left out and named, as the route says; and fields that a
//! vendor's row forces, whatever anybody else says.

use lotse_tests::client::{Answer, post};
use lotse_tests::manifests::object;
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

fn with(asks: Asks, fields: &Value) -> Value {
    let mut body = asks.body(false);
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

fn dropped(answer: &Answer) -> Vec<String> {
    answer.header("x-lotse-dropped").unwrap_or_default().split(", ").map(str::to_owned).collect()
}

async fn claude() -> (FakeProvider, World) {
    let provider = Speaks::Anthropic.says("bonjour").await;
    let world = World::default().provider("claude", &Speaks::Anthropic.url(&provider), Speaks::Anthropic.spec());
    (provider, world)
}

#[tokio::test]
async fn a_field_that_the_dialect_cannot_carry_is_refused_with_the_providers_name_and_its_own() {
    let (provider, world) = claude().await;
    let sidecar = Sidecar::of(&world).await;
    for (asks, fields, name) in [
        (Asks::Chat, json!({"seed": 7}), "seed"),
        (Asks::Chat, json!({"logit_bias": {"1": 2}}), "logit_bias"),
        (Asks::Completions, json!({"seed": 7}), "seed"),
        (Asks::Completions, json!({"suffix": "x"}), "suffix"),
        (Asks::Responses, json!({"top_logprobs": 2}), "top_logprobs"),
        (Asks::Chat, json!({"fancy_new_field": 1}), "fancy_new_field"),
        (
            Asks::Chat,
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "foo": 1}]}]}),
            "messages[0].content[0].foo",
        ),
    ] {
        let answer = sidecar.send(asks.with(&with(asks, &fields))).await;

        let error = asks.error(&answer);
        assert_eq!((answer.status.as_u16(), &error["code"]), (400, &json!("unsupported_field")), "{name}: {error}");
        let told = error["message"].as_str().unwrap_or_default();
        assert!(told.starts_with(&format!("lotse-system/claude cannot honour `{name}`;")), "{told}");
    }
    assert_eq!(provider.calls(), 0);
}

#[tokio::test]
async fn a_route_that_says_drop_leaves_the_field_out_and_names_it() {
    let (provider, world) = claude().await;
    let sidecar = Sidecar::of(&world.route("unsupportedFields: Drop")).await;

    let answer = sidecar.send(Asks::Chat.with(&with(Asks::Chat, &json!({"seed": 7, "fancy": 1, "top_p": 0.5})))).await;

    assert_eq!((answer.status.as_u16(), answer.said().as_str()), (200, "bonjour"), "{}", answer.text());
    let mut names = dropped(&answer);
    names.sort();
    assert_eq!(names, ["fancy", "seed"]);
    let sent = provider.last().json();
    assert_eq!((sent.get("seed"), sent.get("fancy"), &sent["top_p"]), (None, None, &json!(0.5)));
}

#[tokio::test]
async fn an_app_that_requires_its_parameters_loses_none_though_the_route_would_drop_it() {
    let (claude, world) = claude().await;
    let paris = FakeProvider::says("paris").await;
    let both = world.clone().provider("paris", &paris.url(), "");
    let required = json!({"seed": 7, "user": "u", "provider": {"require_parameters": true}});
    let ask = async |world: World, more: &str| {
        let sidecar = Sidecar::of(&world.route(&format!("unsupportedFields: Drop\n{more}"))).await;
        sidecar.send(Asks::Chat.with(&with(Asks::Chat, &required))).await
    };

    let (alone, other, ignored) =
        (ask(world.clone(), "").await, ask(both, "").await, ask(world, "requestPreferences: Ignore").await);

    assert_eq!((alone.status.as_u16(), alone.code()), (400, "unsupported_field".to_owned()), "{}", alone.text());
    let told = "lotse-system/claude cannot honour `seed`; leave it out, or do not say `provider.require_parameters`";
    assert_eq!(alone.json()["error"]["message"], told);
    assert_eq!((other.said().as_str(), paris.last().json()["seed"].clone()), ("paris", json!(7)), "{}", other.text());
    assert_eq!(ignored.status, 200, "the route lets no app choose: {}", ignored.text());
    assert_eq!(claude.calls(), 1);
}

#[tokio::test]
async fn a_call_that_one_dialect_cannot_read_goes_to_whoever_takes_it_as_it_is() {
    let (_, world) = claude().await;
    let ill = FakeProvider::refuses(503).await;
    let paris = FakeProvider::says("paris").await;
    let hot = json!({"temperature": "hot"});

    for (world, said, status) in [
        (world.clone().provider("paris", &paris.url(), ""), "paris", 200),
        (world.clone(), "", 400),
        (World::of(&[("ill", &ill)]).provider("claude", "http://127.0.0.1:1", Speaks::Anthropic.spec()), "", 502),
    ] {
        let answer = Sidecar::of(&world.route("limits: {requestsPerMinute: 60}")).await.asks(&hot).await;

        assert_eq!((answer.said().as_str(), answer.status.as_u16()), (said, status), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_hint_never_refuses_and_is_named_when_it_is_left_out() {
    for speaks in Speaks::ALL {
        let provider = speaks.says("bonjour").await;
        let world = World::default().provider("p", &speaks.url(&provider), speaks.spec());
        let sidecar = Sidecar::of(&world).await;
        let hints = json!({"prompt_cache_key": "k", "verbosity": "low", "store": true});

        let answer = sidecar.send(Asks::Chat.with(&with(Asks::Chat, &hints))).await;

        assert_eq!((answer.status.as_u16(), answer.said().as_str()), (200, "bonjour"), "{speaks:?}: {}", answer.text());
        let names = dropped(&answer);
        for name in ["prompt_cache_key", "verbosity", "store"] {
            assert!(names.contains(&name.to_owned()), "{speaks:?}: {name} in {names:?}");
        }
    }
    let (_, world) = claude().await;
    assert_eq!(Sidecar::of(&world).await.chat().await.header("x-lotse-dropped"), None);
}

#[tokio::test]
async fn who_cannot_carry_a_field_is_passed_over_and_no_attempt_is_counted() {
    let (provider, world) = claude().await;
    let paris = FakeProvider::says("salut").await;
    let sidecar = Sidecar::of(&world.provider("paris", &paris.url(), "")).await;

    let answer = sidecar.send(Asks::Chat.with(&with(Asks::Chat, &json!({"seed": 7})))).await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("salut", Some("1")));
    assert_eq!((provider.calls(), &paris.last().json()["seed"]), (0, &json!(7)));
    sidecar.metric_is("lotse_attempts_total{provider=\"lotse-system/paris\",model=\"m\",code=\"ok\"} 1").await;
    let metrics = sidecar.probe("/metrics").await.text();
    let counted = |line: &str| line.starts_with("lotse_attempts_total") && line.contains("claude");
    assert!(!metrics.lines().any(|line| counted(line) && !line.ends_with(" 0")), "{metrics}");
    let plain = sidecar.chat().await;
    assert_eq!(plain.said(), "bonjour", "the order holds for what it can carry");
}

#[tokio::test]
async fn a_vendor_that_would_ignore_a_field_of_its_own_dialect_is_unfit_for_it_too() {
    let mistral = FakeProvider::says("bonjour").await;
    let world = World::default().provider("mistral", &mistral.url(), "vendor: mistral");
    let body = with(Asks::Chat, &json!({"logprobs": true, "user": "u", "seed": 7}));

    let refused = Sidecar::of(&world).await.send(Asks::Chat.with(&body)).await;
    let answer = Sidecar::of(&world.route("unsupportedFields: Drop")).await.send(Asks::Chat.with(&body)).await;

    assert!(Asks::Chat.error(&refused)["message"].as_str().is_some_and(|told| told.contains("`logprobs`")));
    assert_eq!((answer.said().as_str(), dropped(&answer)), ("bonjour", vec!["logprobs".to_owned(), "user".to_owned()]));
    let sent = mistral.last().json();
    assert_eq!((&sent["random_seed"], sent.get("seed"), sent.get("logprobs")), (&json!(7), None, None));
}

/// What `OpenRouter` must always be told.
fn is_forced(body: &Value) {
    let provider = &body["provider"];
    assert_eq!((&provider["allow_fallbacks"], &provider["data_collection"]), (&json!(false), &json!("deny")), "{body}");
}

#[tokio::test]
async fn an_aggregator_is_always_told_not_to_pass_calls_on_whatever_the_manifest_or_the_app_says() {
    let router = FakeProvider::says("bonjour").await;
    let forced = "vendor: openrouter\nforce: {provider: {allow_fallbacks: true, data_collection: allow, only: [x]}}";
    let world = World::default().provider("router", &router.url(), forced);
    let sidecar = Sidecar::of(&world).await;
    for asks in Asks::ALL {
        sidecar.send(asks.with(&with(asks, &json!({"route": "fallback"})))).await;

        let sent = router.last().json();
        is_forced(&sent);
        assert_eq!((&sent["provider"]["only"], sent.get("route")), (&json!(["x"]), None), "{asks:?}: {sent}");
        assert_eq!(sent["model"], "upstream", "{asks:?}");
    }
    let embeddings = json!({"model": "gpt-4o", "input": "hi"}).to_string();
    sidecar.send(post("/v1/embeddings", &[], embeddings)).await;
    is_forced(&router.last().json());

    // What the app says of routing is for us; an aggregator hears of it what the manifest says.
    for choice in [json!({"provider": {"allow_fallbacks": true}}), json!({"models": ["a", "b"]})] {
        sidecar.send(Asks::Chat.with(&with(Asks::Chat, &choice))).await;

        let sent = router.last().json();
        is_forced(&sent);
        assert_eq!(sent.get("models"), None, "{sent}");
    }
}

#[tokio::test]
async fn an_aggregator_is_told_so_in_its_other_dialect_and_when_a_call_is_translated() {
    let router = FakeProvider::answers(200, &[], &Speaks::Anthropic.whole("bonjour").to_string()).await;
    let spec = format!(
        "vendor: openrouter\napi: Anthropic\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\n\
         consumers: {{namespaceSelector: {{}}}}\nmodels: [{{name: m, upstreamName: upstream}}]\n\
         force: {{provider: {{allow_fallbacks: true}}}}",
        router.url()
    );
    let world = World::default().file("router.yaml", &object("LLMProvider", "lotse-system", "router", &spec));
    let sidecar = Sidecar::of(&world).await;
    for asks in Asks::ALL {
        let answer = sidecar.send(asks.request(false)).await;

        assert_eq!(asks.said(&answer), "bonjour", "{asks:?}: {}", answer.text());
        is_forced(&router.last().json());
    }
}

#[tokio::test]
async fn what_the_route_sets_is_made_to_fit_the_vendor_like_what_the_app_says() {
    let provider = FakeProvider::says("bonjour").await;
    let world = World::default()
        .provider("mistral", &provider.url(), "vendor: mistral")
        .route("defaults: {max_completion_tokens: 5, user: u}\noverrides: {reasoning_effort: medium, seed: 7}");
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.send(Asks::Chat.with(&with(Asks::Chat, &json!({"seed": 1})))).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = provider.last().json();
    for (field, value) in [("max_tokens", json!(5)), ("reasoning_effort", json!("high")), ("random_seed", json!(7))] {
        assert_eq!(sent[field], value, "{sent}");
    }
    for field in ["max_completion_tokens", "seed", "user"] {
        assert_eq!(sent.get(field), None, "{sent}");
    }
    assert_eq!(dropped(&answer), ["user"]);
}

#[tokio::test]
async fn the_version_of_messages_is_the_apps_where_it_passes_and_ours_where_we_write() {
    let (provider, world) = claude().await;
    let sidecar = Sidecar::of(&world).await;
    for (asks, headers, version) in [
        (Asks::Messages, &[("anthropic-version", "2026-10-21")][..], "2026-10-21"),
        (Asks::Messages, &[], "2023-06-01"),
        (Asks::Chat, &[], "2023-06-01"),
    ] {
        sidecar.send(post(asks.path(), headers, asks.body(false).to_string())).await;

        assert_eq!(provider.last().header("anthropic-version").as_deref(), Some(version), "{asks:?}");
    }
}
