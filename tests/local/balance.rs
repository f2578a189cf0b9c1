//! How the order of candidates is drawn: by price, by weight, as listed, and who has an outage goes last.

use lotse_tests::{FakeProvider, Sidecar, World};

fn priced(dollars: &str) -> String {
    format!("models: [{{name: m, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"0\"}}}}]")
}

#[tokio::test]
async fn a_third_of_the_price_draws_nine_times_as_many_calls_and_no_price_draws_none() {
    let [cheap, dear, unpriced] =
        [FakeProvider::says("a").await, FakeProvider::says("b").await, FakeProvider::says("c").await];
    let world = World::default()
        .provider("a-unpriced", &unpriced.url(), "")
        .provider("cheap", &cheap.url(), &priced("1"))
        .provider("dear", &dear.url(), &priced("3"))
        .tiers("- {balance: Price, targets: [{model: m}]}");
    let sidecar = Sidecar::of(&world).await;

    for _ in 0..400 {
        sidecar.chat().await;
    }

    // 360 and 40 are expected; one in ten thousand runs strays so far.
    assert!((335..=385).contains(&cheap.calls()), "{}", cheap.calls());
    assert_eq!(cheap.calls() + dear.calls(), 400);
    assert_eq!(unpriced.calls(), 0);
}

#[tokio::test]
async fn weights_share_the_calls() {
    let (three, one) = (FakeProvider::says("a").await, FakeProvider::says("b").await);
    let world = World::of(&[("three", &three), ("one", &one)]).tiers(
        "- {balance: Weight, targets: [{model: m, provider: {name: three}, weight: 3}, {model: m, provider: {name: one}}]}",
    );
    let sidecar = Sidecar::of(&world).await;

    for _ in 0..400 {
        sidecar.chat().await;
    }

    assert!((260..=340).contains(&three.calls()), "{}", three.calls());
    assert_eq!(three.calls() + one.calls(), 400);
}

#[tokio::test]
async fn who_has_an_outage_goes_last_and_is_still_tried_when_all_are_ill() {
    let (ill, well) = (FakeProvider::refuses(503).await, FakeProvider::says("b").await);
    let world = World::default()
        .provider("ill", &ill.url(), &priced("0.1"))
        .provider("well", &well.url(), &priced("100"))
        .tiers("- {balance: Price, targets: [{model: m}]}");
    let sidecar = Sidecar::of(&world).await;

    for _ in 0..50 {
        assert_eq!(sidecar.chat().await.said(), "b");
    }
    assert_eq!(ill.calls(), 2);
    let explained = sidecar.admin("/explain?model=gpt-4o").await.json();
    assert_eq!(explained["candidates"][0]["provider"], "lotse-system/well");

    let alone = Sidecar::of(&World::of(&[("ill", &ill)])).await;
    for _ in 0..5 {
        assert_eq!(alone.chat().await.code(), "all_providers_failed");
    }
    assert_eq!(ill.calls(), 7);
}

#[tokio::test]
async fn who_asks_to_wait_is_left_alone_while_another_can_answer_and_asked_when_nobody_else_can() {
    let limited = FakeProvider::answers(429, &[("retry-after", "60")], "{\"error\": {\"message\": \"wait\"}}").await;
    let well = FakeProvider::says("b").await;
    let sidecar = Sidecar::of(&World::of(&[("limited", &limited), ("well", &well)])).await;

    for _ in 0..5 {
        assert_eq!(sidecar.chat().await.said(), "b");
    }
    assert_eq!(limited.calls(), 1);

    let alone = Sidecar::of(&World::of(&[("limited", &limited)])).await;
    for _ in 0..2 {
        let answer = alone.chat().await;
        assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("rate_limited", Some("60")));
    }
    assert_eq!(limited.calls(), 3);
}
