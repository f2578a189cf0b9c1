//! What is counted, and that the labels come from manifests.

use lotse_tests::{FakeProvider, Sidecar, World};

#[tokio::test]
async fn calls_attempts_tokens_and_cost_are_counted() {
    let (ill, paris) = (FakeProvider::refuses(500).await, FakeProvider::says("bonjour").await);
    let priced = "models: [{name: m, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    let world = World::of(&[("ill", &ill)]).provider("paris", &paris.url(), priced);
    let sidecar = Sidecar::of(&world).await;

    sidecar.chat().await;
    sidecar.stream().await;

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
async fn what_an_app_writes_is_no_label() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    sidecar.send(Sidecar::request(&serde_json::json!({"model": "canary-model", "messages": []}))).await;

    sidecar.metric_is("lotse_calls_total{route=\"\",provider=\"\",code=\"model_not_found\"} 1").await;
    assert!(!sidecar.probe("/metrics").await.text().contains("canary"));
}
