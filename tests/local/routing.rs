//! What a route says of choosing and failing over, through a whole sidecar: who goes on to the next tier, hedging,
//! sessions that stay together, streams that are too slow, what a call needs of a model, fees, and limits of providers.

use std::collections::BTreeSet;
use std::time::Duration;

use http_body_util::BodyExt;
use lotse_tests::client::post;
use lotse_tests::manifests::{object, policy, promising};
use lotse_tests::provider::{Step, chunk, event, last_chunk, response, stream, stream_head, whole};
use lotse_tests::{Answer, Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

// === The next tier ===

const TOO_LONG: &str = r#"{"error":{"message":"This model's maximum context length is 8 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
const FILTERED: &str = r#"{"error":{"message":"The response was filtered due to the prompt triggering the content management policy.","type":null,"param":"prompt","code":"content_filter","status":400}}"#;

/// A provider that refuses with this body, by a status or as the first event of a stream.
async fn refuses_with(body: &'static str, in_stream: bool) -> FakeProvider {
    if in_stream {
        FakeProvider::streams(vec![format!("data: {body}\n\n").into_bytes()], vec![Step::Send(last_chunk())]).await
    } else {
        FakeProvider::answers(400, &[], body).await
    }
}

fn two_tiers(first: &[&str], second: &[&str]) -> String {
    let tier = |names: &[&str]| {
        let targets: Vec<_> = names.iter().map(|name| format!("{{model: m, provider: {{name: {name}}}}}")).collect();
        format!("- {{balance: Order, targets: [{}]}}", targets.join(", "))
    };
    format!("{}\n{}", tier(first), tier(second))
}

#[tokio::test]
async fn what_one_model_refuses_may_go_on_to_the_next_tier_past_the_rest_of_its_own() {
    for (body, word) in [(TOO_LONG, "ContextLength"), (FILTERED, "ContentFilter")] {
        for in_stream in [false, true] {
            let (strict, same) = (refuses_with(body, in_stream).await, FakeProvider::says("never").await);
            let wide = FakeProvider::says("fine").await;
            let world = World::of(&[("strict", &strict), ("same", &same), ("wide", &wide)])
                .tiers(&two_tiers(&["strict", "same"], &["wide"]));
            for (words, said) in [
                (format!("[{word}]"), "fine"),
                ("[ContextLength, ContentFilter]".to_owned(), "fine"),
                (format!("[{}]", if word == "ContextLength" { "ContentFilter" } else { "ContextLength" }), ""),
                ("[]".to_owned(), ""),
            ] {
                let sidecar = Sidecar::of(&world.clone().route(&format!("nextTierOn: {words}"))).await;

                let answer = if in_stream { sidecar.stream().await } else { sidecar.chat().await };

                let status = if said.is_empty() { 400 } else { 200 };
                assert_eq!((answer.said().as_str(), answer.status.as_u16()), (said, status), "{word} {words}");
                let attempts = if said.is_empty() { "1" } else { "2" };
                assert_eq!(answer.header("x-lotse-attempts"), Some(attempts), "{word} {words}");
            }
            assert_eq!(same.calls(), 0, "{word}: the rest of the tier would say the same");
        }
    }
}

#[tokio::test]
async fn the_last_refusal_comes_back_when_nobody_answers_in_each_dialect() {
    let also = TOO_LONG.replace("8 tokens", "16 tokens");
    let (small, larger) = (refuses_with(TOO_LONG, false).await, FakeProvider::answers(400, &[], &also).await);
    let ill = FakeProvider::refuses(404).await;
    let world =
        World::of(&[("small", &small), ("larger", &larger), ("ill", &ill)]).route("nextTierOn: [ContextLength]");
    for (second, told) in [(&["larger"][..], "16 tokens"), (&["ill"], "8 tokens")] {
        let sidecar = Sidecar::of(&world.clone().tiers(&two_tiers(&["small"], second))).await;
        for asks in Asks::ALL {
            let answer = sidecar.send(asks.request(false)).await;

            assert_eq!(answer.status, 400, "{asks:?}");
            let error = answer.json()["error"].clone();
            assert!(error["message"].as_str().is_some_and(|message| message.contains(told)), "{asks:?}: {error}");
            assert_eq!(error["code"], "context_length_exceeded", "{asks:?}");
        }
    }
}

#[tokio::test]
async fn attempts_bound_the_next_tier_as_well() {
    let (small, wide) = (refuses_with(TOO_LONG, false).await, FakeProvider::says("never").await);
    let world = World::of(&[("small", &small), ("wide", &wide)])
        .tiers(&two_tiers(&["small"], &["wide"]))
        .route("nextTierOn: [ContextLength]\nattempts: 1");

    assert_eq!(Sidecar::of(&world).await.chat().await.status, 400);

    assert_eq!(wide.calls(), 0);
}

// === Hedging ===

const HEDGES: &str = "hedgeAfterMilliseconds: 50";

fn cancelled(name: &str) -> String {
    format!("lotse_attempts_total{{provider=\"lotse-system/{name}\",model=\"m\",code=\"cancelled\"}} 1")
}

#[tokio::test]
async fn who_is_asked_beside_a_slow_one_answers_and_the_slow_one_is_cut_off() {
    for is_stream in [false, true] {
        let (slow, fast) = (FakeProvider::hangs().await, FakeProvider::says("fast").await);
        let sidecar = Sidecar::of(&World::of(&[("slow", &slow), ("fast", &fast)]).route(HEDGES)).await;

        let answer = if is_stream { sidecar.stream().await } else { sidecar.chat().await };

        assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("fast", Some("2")));
        assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/fast"));
        slow.is_left_alone().await;
        sidecar.metric_is(&cancelled("slow")).await;
        sidecar.metric_is("lotse_attempts_total{provider=\"lotse-system/fast\",model=\"m\",code=\"ok\"} 1").await;
        sidecar
            .metric_is("lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/fast\",code=\"ok\"} 1")
            .await;
        // That it was slower once says nothing against it.
        let explained = sidecar.admin("/explain?model=gpt-4o").await.json();
        assert_eq!(explained["candidates"][0]["provider"], "lotse-system/slow");
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_without_content_is_hedged_as_well() {
    let role = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n".to_vec();
    let (slow, fast) = (FakeProvider::streams(vec![role], vec![Step::Hang]).await, FakeProvider::says("fast").await);
    let sidecar = Sidecar::of(&World::of(&[("slow", &slow), ("fast", &fast)]).route(HEDGES)).await;

    assert_eq!(sidecar.stream().await.said(), "fast");

    slow.is_left_alone().await;
}

#[tokio::test]
async fn a_first_that_answers_after_all_is_heard_and_the_hedge_is_cut_off() {
    let late = FakeProvider::plays(|asked| {
        let said = if asked.wants_stream() { stream("late") } else { whole("late") };
        [vec![Step::Wait(Duration::from_millis(300))], said].concat()
    })
    .await;
    let hangs = FakeProvider::hangs().await;
    let sidecar = Sidecar::of(&World::of(&[("late", &late), ("hangs", &hangs)]).route(HEDGES)).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("late", Some("2")));
    hangs.is_left_alone().await;
    sidecar.metric_is(&cancelled("hangs")).await;
}

#[tokio::test]
async fn a_hedge_that_fails_leaves_the_first_running_and_one_is_enough() {
    let late = FakeProvider::plays(|_| [vec![Step::Wait(Duration::from_millis(400))], whole("late")].concat()).await;
    let (ill, third) = (FakeProvider::refuses(503).await, FakeProvider::says("never").await);
    let world = World::of(&[("late", &late), ("ill", &ill), ("third", &third)]).route(HEDGES);

    let answer = Sidecar::of(&world).await.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("late", Some("2")));
    assert_eq!((late.calls(), ill.calls(), third.calls()), (1, 1, 0));
}

#[tokio::test]
async fn a_refusal_of_one_of_two_waits_for_the_other() {
    let refusal = r#"{"error": {"message": "too long", "code": "context_length_exceeded"}}"#;
    let refuses = |after: u64| {
        let steps = vec![Step::Wait(Duration::from_millis(after)), Step::Send(response(400, &[], refusal))];
        FakeProvider::plays(move |_| steps.clone())
    };
    let says = |after: u64| {
        FakeProvider::plays(move |_| [vec![Step::Wait(Duration::from_millis(after))], whole("late")].concat())
    };
    // The hedge refuses first; the first refuses while it is hedged; both refuse.
    for (first, hedge, expected) in [
        (says(400).await, refuses(0).await, 200),
        (refuses(200).await, says(400).await, 200),
        (refuses(200).await, refuses(300).await, 400),
    ] {
        let sidecar = Sidecar::of(&World::of(&[("first", &first), ("hedge", &hedge)]).route(HEDGES)).await;

        let answer = sidecar.chat().await;

        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
        assert_eq!((first.calls(), hedge.calls()), (1, 1));
    }
}

#[tokio::test]
async fn a_refusal_comes_back_though_the_next_tier_takes_too_long() {
    let (strict, hangs) = (refuses_with(TOO_LONG, false).await, FakeProvider::hangs().await);
    let world = World::of(&[("strict", &strict), ("hangs", &hangs)]).tiers(&two_tiers(&["strict"], &["hangs"]));
    let route = "nextTierOn: [ContextLength]\ntimeouts: {totalSeconds: 1}";

    let answer = Sidecar::of(&world.route(route)).await.chat().await;

    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "context_length_exceeded".to_owned()),
        "{}",
        answer.text()
    );
    assert_eq!(hangs.calls(), 1);
}

#[tokio::test]
async fn who_could_not_even_be_asked_beside_leaves_the_first_running() {
    let late = FakeProvider::plays(|_| [vec![Step::Wait(Duration::from_millis(400))], whole("late")].concat()).await;
    let claude = Speaks::Anthropic.says("never").await;
    let world =
        World::of(&[("late", &late)]).provider("claude", &Speaks::Anthropic.url(&claude), Speaks::Anthropic.spec());
    let sidecar = Sidecar::of(&world.route(HEDGES)).await;

    // The one gets it as it is; for the other it would have to be understood.
    let answer = sidecar.asks(&json!({"temperature": "hot"})).await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("late", Some("1")), "{}", answer.text());
    assert_eq!(claude.calls(), 0);
}

#[tokio::test]
async fn a_fast_answer_and_a_failure_are_not_hedged() {
    let (ill, fast, other) =
        (FakeProvider::refuses(503).await, FakeProvider::says("fast").await, FakeProvider::says("never").await);
    let world = World::of(&[("ill", &ill), ("fast", &fast), ("other", &other)]);
    let sidecar = Sidecar::of(&world.route("hedgeAfterMilliseconds: 5000")).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("fast", Some("2")));
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn a_hedge_stays_within_policies_preferences_and_attempts() {
    let (slow, refused) = (FakeProvider::hangs().await, FakeProvider::says("stolen").await);
    let timeouts = format!("{HEDGES}\ntimeouts: {{firstContentMilliseconds: 400}}");
    let world = World::default().provider("slow", &slow.url(), &promising("FR", "")).provider(
        "refused",
        &refused.url(),
        &promising("US", ""),
    );
    let eu = world.clone().policies(&[policy("lotse-system", "eu", "inferenceRegions: [EU]")]).route(&timeouts);
    let once = world.clone().route(&format!("{timeouts}\nattempts: 1"));
    let closed = json!({"provider": {"allow_fallbacks": false}});
    for (world, fields) in [(eu, json!({})), (once, json!({})), (world.clone().route(&timeouts), closed)] {
        let answer = Sidecar::of(&world).await.asks(&fields).await;

        assert_eq!((answer.status.as_u16(), answer.tried()), (502, vec!["slow".to_owned()]), "{}", answer.text());
    }
    assert_eq!((slow.calls(), refused.calls()), (3, 0));
}

// === Sessions ===

/// Two providers among whom chance draws, both of which fail when a call says so.
async fn drawn(stickiness: &str) -> (Sidecar, [FakeProvider; 2]) {
    let says = async |name: &'static str| {
        FakeProvider::plays(move |asked| match asked.json()["user"].as_str() {
            Some(ill) if ill == name => vec![Step::Send(response(503, &[], "{}"))],
            _ => whole(name),
        })
        .await
    };
    let (a, b) = (says("a").await, says("b").await);
    let tiers = "- {balance: Weight, targets: [{model: m, provider: {name: a}}, {model: m, provider: {name: b}}]}";
    let sidecar = Sidecar::of(&World::of(&[("a", &a), ("b", &b)]).tiers(tiers).route(stickiness)).await;
    (sidecar, [a, b])
}

/// Who answers forty calls; by chance alone one in 2^39 runs has the same each time.
async fn who(ask: impl AsyncFn() -> Answer) -> BTreeSet<String> {
    let mut who = BTreeSet::new();
    for _ in 0..40 {
        who.insert(ask().await.said());
    }
    who
}

#[tokio::test]
async fn calls_of_a_session_stay_with_who_answered_it_and_others_are_drawn() {
    let (sidecar, _) = drawn("").await;
    let messages = json!([{"role": "user", "content": "hi"}]);
    for fields in [
        json!({"session_id": "one"}),
        json!({"prompt_cache_key": "two"}),
        json!({"session_id": "", "prompt_cache_key": "three"}),
    ] {
        assert_eq!(who(async || sidecar.asks(&fields).await).await.len(), 1, "{fields}");
    }
    let body = json!({"model": "gpt-4o", "messages": messages}).to_string();
    let header = async || sidecar.send(post("/v1/chat/completions", &[("x-session-id", "four")], body.clone())).await;
    assert_eq!(who(header).await.len(), 1);
    assert_eq!(who(async || sidecar.chat().await).await.len(), 2, "without a session");
    // The field is stronger than the header: these are forty sessions.
    let number = std::cell::Cell::new(0);
    let both = async || {
        number.set(number.get() + 1);
        let body = json!({"model": "gpt-4o", "messages": messages, "session_id": number.get().to_string()});
        sidecar.send(post("/v1/chat/completions", &[("x-session-id", "four")], body.to_string())).await
    };
    assert_eq!(who(both).await.len(), 2);
}

#[tokio::test]
async fn a_session_goes_on_with_another_when_its_provider_fails_and_stays_there() {
    let (sidecar, _) = drawn("").await;
    let session = json!({"session_id": "one"});
    let first = sidecar.asks(&session).await.said();

    let moved = sidecar.asks(&json!({"session_id": "one", "user": first})).await;

    assert_ne!(moved.said(), first);
    assert_eq!(moved.header("x-lotse-attempts"), Some("2"), "it was asked first");
    assert_eq!(who(async || sidecar.asks(&session).await).await, BTreeSet::from([moved.said()]));
}

#[tokio::test]
async fn a_session_stays_together_though_another_model_than_the_first_answers_it() {
    let (a, b, c) = (FakeProvider::says("a").await, FakeProvider::says("b").await, FakeProvider::says("never").await);
    let tiers = "- {balance: Weight, targets: [{model: m, provider: {name: a}}, {model: m, provider: {name: b}}]}";
    let first = "namespaceSelector: {}\nmodels: [first]\ntiers: [{targets: [{model: m, provider: {name: c}}]}]";
    let world = World::of(&[("a", &a), ("b", &b), ("c", &c)]).tiers(tiers);
    let sidecar = Sidecar::of(&world.file("first.yaml", &object("ModelRoute", "lotse-system", "first", first))).await;
    let mut body = json!({"model": "first", "models": ["gpt-4o"], "messages": [], "provider": {"ignore": ["c"]}});
    let ask = async |body: &Value| sidecar.send(Sidecar::request(body)).await;

    assert_eq!(who(async || ask(&body).await).await.len(), 2, "without a session");
    body["session_id"] = json!("one");

    assert_eq!(who(async || ask(&body).await).await.len(), 1);
}

#[tokio::test]
async fn a_session_does_not_keep_an_app_from_its_own_order() {
    let (sidecar, _) = drawn("").await;
    let first = sidecar.asks(&json!({"session_id": "one"})).await.said();
    let other = if first == "a" { "b" } else { "a" };

    for fields in [
        json!({"session_id": "one", "provider": {"order": [other]}}),
        json!({"session_id": "one", "provider": {"ignore": [first]}}),
    ] {
        assert_eq!(sidecar.asks(&fields).await.said(), other, "{fields}");
    }
}

#[tokio::test]
async fn a_session_holds_where_the_route_does_not_let_apps_choose() {
    let (sidecar, _) = drawn("requestPreferences: Ignore").await;
    let fields = json!({"session_id": "one", "provider": {"order": ["a"]}});

    assert_eq!(who(async || sidecar.asks(&fields).await).await.len(), 1);
    assert_eq!(who(async || sidecar.asks(&json!({"provider": {"order": ["a"]}})).await).await.len(), 2);
}

#[tokio::test]
async fn calls_that_begin_alike_stay_together_where_the_route_says_so() {
    let (sidecar, _) = drawn("stickiness: {by: PromptPrefix}").await;
    let talk = |first: &str, then: usize| {
        json!({"messages": [
            {"role": "system", "content": "be brief"}, {"role": "user", "content": first},
            {"role": "assistant", "content": "yes"}, {"role": "user", "content": "more ".repeat(then)},
        ]})
    };
    let turn = std::cell::Cell::new(0);
    let next = || {
        turn.set(turn.get() + 1);
        turn.get()
    };

    assert_eq!(who(async || sidecar.asks(&talk("bonjour", next())).await).await.len(), 1);
    assert_eq!(who(async || sidecar.asks(&talk(&format!("talk {}", next()), 1)).await).await.len(), 2);
    // A session that is named is stronger.
    let named = async || {
        let mut body = talk("bonjour", 1);
        body["session_id"] = json!(next().to_string());
        sidecar.asks(&body).await
    };
    assert_eq!(who(named).await.len(), 2);
}

#[tokio::test]
async fn a_route_may_hold_no_calls_together() {
    let (sidecar, _) = drawn("stickiness: {by: None}").await;

    assert_eq!(who(async || sidecar.asks(&json!({"session_id": "one"})).await).await.len(), 2);
}

// === Streams that are too slow ===

#[tokio::test]
async fn a_trickle_is_broken_off_with_an_error_in_each_dialect_and_a_quick_stream_is_not() {
    // Judged over ten seconds.
    let trickle = |piece: Vec<u8>| {
        let piece = [Step::Send(chunk(&piece)), Step::Wait(Duration::from_millis(500))];
        std::iter::repeat_n(piece, 40).flatten().collect::<Vec<_>>()
    };
    let chat = {
        let steps = [vec![Step::Send(stream_head())], trickle(event("w ").into_bytes())].concat();
        FakeProvider::plays(move |_| steps.clone()).await
    };
    let claude = {
        let opening = Step::Send(chunk(&Speaks::Anthropic.opening()));
        let piece = trickle(Speaks::Anthropic.piece("w "));
        let steps = [vec![Step::Send(stream_head()), opening], piece].concat();
        FakeProvider::plays(move |_| steps.clone()).await
    };
    let never = FakeProvider::says("never").await;
    let slow = World::of(&[("slow", &chat), ("never", &never)]).route("minTokensPerSecond: 50");
    let translated = World::default()
        .provider("slow", &Speaks::Anthropic.url(&claude), Speaks::Anthropic.spec())
        .route("minTokensPerSecond: 50");
    let (slow, translated) = (Sidecar::of(&slow).await, Sidecar::of(&translated).await);

    let passed = slow.stream();
    let asked = Asks::ALL.map(|asks| translated.send(asks.request(true)));
    let (passed, answers) = tokio::join!(passed, futures::future::join_all(asked));

    let of_each = Asks::ALL.into_iter().zip(answers);
    for (asks, answer) in [(Asks::Chat, passed)].into_iter().chain(of_each) {
        assert!(!answer.is_complete, "{asks:?}");
        assert!(asks.said(&answer).starts_with("w w "), "{asks:?}");
        let error = asks.last_error(&answer);
        let told = error["message"].as_str().unwrap_or_default();
        assert!(told.contains("50 tokens"), "{asks:?}: {error}");
    }
    assert_eq!(never.calls(), 0, "its first content has gone out");
    slow.metric_is("lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/slow\",code=\"all_providers_failed\"} 1").await;
}

// === What a call needs ===

#[tokio::test]
async fn who_lacks_what_a_call_needs_is_left_out_and_who_says_nothing_goes_last() {
    let refuses = FakeProvider::refuses(404).await;
    let model = |more: &str| format!("models: [{{name: m, upstreamName: upstream{more}}}]");
    let world = [
        ("unsaid", ""),
        ("acts", ", supports: [Tools]"),
        ("sees", ", supports: [Vision, StructuredOutput]"),
        ("thinks", ", supports: [Tools, Vision, StructuredOutput, Reasoning]"),
    ]
    .iter()
    .fold(World::default(), |world, (name, more)| world.provider(name, &refuses.url(), &model(more)));
    let sidecar = Sidecar::of(&world).await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let schema = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}});
    for (fields, tried) in [
        (json!({}), "unsaid acts sees thinks"),
        (json!({"tools": [{"type": "function", "function": {"name": "f"}}]}), "acts thinks unsaid"),
        (json!({"messages": [{"role": "user", "content": [image]}]}), "sees thinks unsaid"),
        (json!({"response_format": schema}), "sees thinks unsaid"),
        (json!({"response_format": {"type": "json_object"}}), "unsaid acts sees thinks"),
        (json!({"reasoning_effort": "low"}), "thinks unsaid"),
    ] {
        let answer = sidecar.asks(&fields).await;

        assert_eq!(answer.tried().join(" "), tried, "{fields}: {}", answer.text());
    }
    let fields = json!({"reasoning_effort": "low", "provider": {"only": ["acts", "sees"]}});
    let answer = sidecar.asks(&fields).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "no_eligible_provider"));
    assert_eq!(answer.reasons("lotse-system/acts"), ["ability_not_supported"]);
}

fn of_words(words: usize) -> Value {
    json!([{"role": "user", "content": "the quick brown fox jumps over a lazy dog ".repeat(words / 9)}])
}

#[tokio::test]
async fn a_prompt_goes_to_whom_it_fits_and_one_too_long_for_all_to_the_largest() {
    let (small, large) = (FakeProvider::says("small").await, FakeProvider::says("large").await);
    let model = |tokens: u32| {
        format!("models: [{{name: m, upstreamName: upstream, contextTokens: {tokens}, maxOutputTokens: 1000}}]")
    };
    let world =
        World::default().provider("small", &small.url(), &model(2_000)).provider("large", &large.url(), &model(8_000));
    let sidecar = Sidecar::of(&world).await;
    let ask = async |fields: Value| sidecar.asks(&fields).await;

    assert_eq!(ask(json!({"messages": of_words(90)})).await.said(), "small");
    assert_eq!(ask(json!({"messages": of_words(6_000)})).await.said(), "large");
    assert_eq!(ask(json!({"messages": of_words(60_000)})).await.said(), "large", "the provider counts, and says so");
    let long = ask(json!({"max_tokens": 1_001})).await;
    assert_eq!((long.status.as_u16(), long.code().as_str()), (404, "no_eligible_provider"));
    assert_eq!(long.reasons("lotse-system/large"), ["max_output_tokens"]);
    let only = ask(json!({"messages": of_words(60_000), "provider": {"only": ["small"]}})).await;
    assert_eq!(only.said(), "small", "the largest that the app lets answer");
}

// === Prices ===

#[tokio::test]
async fn a_fee_counts_in_choosing_and_in_what_a_call_costs() {
    let model = |dollars: &str, fee: &str| {
        format!(
            "models: [{{name: m, upstreamName: upstream, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"6\"}}}}]\n{fee}"
        )
    };
    let (fees, plain) = (FakeProvider::says("fees").await, FakeProvider::says("plain").await);
    let world = World::default().provider("fees", &fees.url(), &model("2", "feePercent: \"10\"")).provider(
        "plain",
        &plain.url(),
        &model("2.5", ""),
    );
    let sidecar = Sidecar::of(&world).await;

    // 8 and a tenth is more than 8.5.
    let cheapest = sidecar.asks(&json!({"provider": {"sort": "price"}})).await;
    assert_eq!((cheapest.said().as_str(), &cheapest.json()["usage"]["cost"]), ("plain", &json!(55e-6)));
    let dearer = sidecar.chat().await;
    assert_eq!((dearer.said().as_str(), &dearer.json()["usage"]["cost"]), ("fees", &json!(55e-6)));
    let bounded = sidecar.asks(&json!({"provider": {"max_price": {"completion": 6}}})).await;
    assert_eq!(bounded.said(), "plain", "the fee makes it 6.6");

    let route = Sidecar::of(&world.route("maxPrice: {outputPerMillion: \"6\"}")).await;
    assert_eq!(route.chat().await.said(), "plain");
    let nobody = route.asks(&json!({"provider": {"only": ["fees"]}})).await;
    assert_eq!((nobody.status.as_u16(), nobody.reasons("lotse-system/fees")), (404, vec!["max_price".to_owned()]));
}

#[tokio::test]
async fn who_is_dearer_than_the_route_allows_or_has_no_price_gets_no_call() {
    let paris = FakeProvider::says("never").await;
    let world = World::of(&[("paris", &paris)]).route("maxPrice: {inputPerMillion: \"100\"}");

    let answer = Sidecar::of(&world).await.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "no_eligible_provider"));
    assert_eq!((answer.reasons("lotse-system/paris"), paris.calls()), (vec!["max_price".to_owned()], 0));
}

// === Limits ===

#[tokio::test]
async fn a_place_at_a_provider_is_free_again_when_a_streaming_app_goes_away() {
    let (endless, other) = (
        FakeProvider::streams(vec![event("bon").into_bytes()], vec![Step::Hang]).await,
        FakeProvider::says("other").await,
    );
    let world = World::default().provider("endless", &endless.url(), "limits: {concurrentRequests: 1}").provider(
        "other",
        &other.url(),
        "",
    );
    let sidecar = Sidecar::of(&world).await;
    let mut first = sidecar.open_stream().await;
    drop(first.body_mut().frame().await.expect("a frame").expect("content"));

    let beside = sidecar.stream().await;
    assert_eq!((beside.said().as_str(), beside.header("x-lotse-attempts")), ("other", Some("1")));
    drop(first);
    endless.is_left_alone().await;

    let mut answer = sidecar.open_stream().await;
    while answer.headers()["x-lotse-provider"] != "lotse-system/endless" {
        answer = sidecar.open_stream().await;
    }
    assert_eq!(endless.calls(), 2);
}

#[tokio::test]
async fn a_hedge_and_a_further_model_keep_to_limits_too() {
    let (slow, full) = (FakeProvider::hangs().await, FakeProvider::hangs().await);
    let world = World::default()
        .provider("full", &full.url(), "limits: {requestsPerMinute: 1}")
        .provider("slow", &slow.url(), "")
        .route(&format!("{HEDGES}\ntimeouts: {{firstContentMilliseconds: 300}}"));
    let sidecar = Sidecar::of(&world).await;
    let order = json!({"provider": {"order": ["slow"]}});

    let first = sidecar.asks(&order).await;
    let second = sidecar.asks(&order).await;

    assert_eq!((first.status.as_u16(), first.tried().len()), (502, 2));
    assert_eq!((second.status.as_u16(), second.tried()), (502, vec!["slow".to_owned()]));
    assert_eq!((slow.calls(), full.calls()), (2, 1));
}

#[tokio::test]
async fn a_route_that_takes_no_more_calls_sends_them_to_the_apps_next_model() {
    let (first, next) = (FakeProvider::says("first").await, FakeProvider::says("next").await);
    let other = lotse_tests::manifests::object(
        "ModelRoute",
        "lotse-system",
        "other",
        "namespaceSelector: {}\nmodels: [other]\ntiers: [{targets: [{model: m, provider: {name: next}}]}]",
    );
    let priced =
        "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    for bounded in ["limits: {requestsPerMinute: 1}", "budget: {perDay: \"0.00001\"}"] {
        let world = World::default()
            .provider("first", &first.url(), priced)
            .provider("next", &next.url(), "")
            .tiers("- {targets: [{model: m, provider: {name: first}}]}")
            .route(bounded)
            .file("other.yaml", &other);
        let sidecar = Sidecar::of(&world).await;
        let models = json!({"models": ["other"]});
        assert_eq!(sidecar.asks(&models).await.said(), "first");
        // A budget is known to be spent when the call before has been told.
        while sidecar.asks(&models).await.said() != "next" {}

        let answer = sidecar.chat().await;

        assert!(matches!(answer.status.as_u16(), 402 | 429), "{bounded}: {}", answer.text());
        assert!(answer.header("retry-after").is_some(), "{bounded}");
        assert!(matches!(answer.code().as_str(), "budget_exhausted" | "rate_limited"), "{bounded}");
    }
}
