//! What is counted, and that the labels come from manifests.

use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};

#[tokio::test]
async fn calls_attempts_tokens_and_cost_are_counted() {
    let (ill, paris) = (FakeProvider::refuses(500).await, FakeProvider::says("bonjour").await);
    let priced = "models: [{name: m, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    let world = World::of(&[("ill", &ill)]).provider("paris", &paris.url(), priced);
    let sidecar = Sidecar::of(&world).await;

    sidecar.chat().await;
    sidecar.asks_stream(&serde_json::json!({"stream_options": {"include_usage": true}})).await;

    let paris = "provider=\"lotse-system/paris\",model=\"m\"";
    for line in [
        "lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/paris\",code=\"ok\"} 2".to_owned(),
        "lotse_attempts_total{provider=\"lotse-system/ill\",model=\"m\",code=\"server_error\"} 2".to_owned(),
        format!("lotse_attempts_total{{{paris},code=\"ok\"}} 2"),
        format!("lotse_tokens_total{{{paris},gen_ai_token_type=\"input\"}} 20"),
        format!("lotse_tokens_total{{{paris},gen_ai_token_type=\"output\"}} 10"),
        format!("lotse_cost_microdollars_total{{{paris}}} 100"),
        format!("gen_ai_client_operation_duration_seconds_count{{{paris}}} 2"),
        format!("gen_ai_client_operation_time_to_first_chunk_seconds_count{{{paris}}} 1"),
        "lotse_active_calls 0".to_owned(),
    ] {
        sidecar.metric_is(&line).await;
    }
}

#[tokio::test]
async fn tokens_and_cost_of_a_translated_call_are_counted_and_told_as_those_of_any_other() {
    let priced =
        "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    for (speaks, asks) in [
        (Speaks::Anthropic, Asks::Chat),
        (Speaks::Gemini, Asks::Responses),
        (Speaks::Bedrock, Asks::Messages),
        (Speaks::Gemini, Asks::Completions),
        (Speaks::Anthropic, Asks::Messages),
    ] {
        let provider = speaks.says("bonjour").await;
        let world = World::default().provider("p", &speaks.url(&provider), &format!("{}\n{priced}", speaks.spec()));
        for stream in [false, true] {
            let sidecar = Sidecar::of(&world).await;
            let mut body = asks.body(stream);
            if stream && matches!(asks, Asks::Chat | Asks::Completions) {
                body["stream_options"] = serde_json::json!({"include_usage": true});
            }

            let answer = sidecar.send(asks.with(&body)).await;

            let what = format!("{speaks:?} for {asks:?}, {stream}: {}", answer.text());
            assert_eq!(asks.said(&answer), "bonjour", "{what}");
            let is_told = answer.text().contains("\"cost\":0.00005") || answer.text().contains("\"cost\":5e-5");
            assert!(is_told, "{what}");
            let labels = "provider=\"lotse-system/p\",model=\"m\"";
            for line in [
                "lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/p\",code=\"ok\"} 1".to_owned(),
                format!("lotse_attempts_total{{{labels},code=\"ok\"}} 1"),
                format!("lotse_tokens_total{{{labels},gen_ai_token_type=\"input\"}} 10"),
                format!("lotse_tokens_total{{{labels},gen_ai_token_type=\"output\"}} 5"),
                format!("lotse_cost_microdollars_total{{{labels}}} 50"),
            ] {
                sidecar.metric_is(&line).await;
            }
        }
    }
}

#[tokio::test]
async fn what_an_app_writes_is_no_label() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    sidecar.send(Sidecar::request(&serde_json::json!({"model": "canary-model", "messages": []}))).await;

    sidecar.metric_is("lotse_calls_total{route=\"\",provider=\"\",code=\"model_not_found\"} 1").await;
    assert!(!sidecar.probe("/metrics").await.text().contains("canary"));
}
