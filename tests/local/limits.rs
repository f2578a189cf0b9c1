//! Limits and budgets as an app meets them: what is turned away, until when, who answers instead, and what pods of one
//! namespace leave each other. What is said on the stream is in `rations`.

use std::future::Future;
use std::time::Duration;

use http_body_util::BodyExt as _;
use lotse_tests::provider::{Asked, Step, completion, response, stream_without_usage, whole};
use lotse_tests::sidecar::body;
use lotse_tests::{Answer, FakeProvider, Operator, Sidecar, World};
use serde_json::json;

const PRICED: &str =
    "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";

fn seconds(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Asks again and again until an answer is as wanted, and gives it.
async fn until<T>(ask: impl AsyncFn() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let asking = async {
        loop {
            let answer = ask().await;
            if is_wanted(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("it comes about")
}

/// Lets calls that hang go on while something else happens, and then gives them up.
async fn beside<T>(hanging: Vec<impl Future>, then: impl Future<Output = T>) -> T {
    tokio::select! {
        _ = futures::future::join_all(hanging) => panic!("they hang"),
        done = then => done,
    }
}

/// Asks until a call is not turned away, and waits for its answer.
async fn gets_in(sidecar: &Sidecar) {
    while sidecar.chat().await.status == 429 {}
}

#[tokio::test]
async fn a_route_takes_so_many_calls_at_once_and_the_next_when_one_has_ended() {
    let paris = FakeProvider::hangs().await;
    let world = World::of(&[("paris", &paris)]).route("limits: {concurrentRequests: 2}");
    let sidecar = Sidecar::of(&world).await;

    let turned_away = async {
        until(async || paris.calls(), |calls| *calls == 2).await;
        sidecar.chat().await
    };
    let turned_away = beside(vec![sidecar.chat(), sidecar.chat()], turned_away).await;
    // Those two have been given up, and two others get in.
    let taken = until(async || paris.calls(), |calls| *calls == 4);
    assert_eq!(beside(vec![gets_in(&sidecar), gets_in(&sidecar)], taken).await, 4);

    assert_eq!((turned_away.status.as_u16(), turned_away.code()), (429, "rate_limited".to_owned()));
    assert_eq!(
        message(&turned_away),
        "this namespace has reached the concurrent_requests of ModelRoute lotse-system/route"
    );
    assert_eq!((seconds(&turned_away), turned_away.header("x-should-retry")), (1, Some("true")));
}

#[tokio::test]
async fn a_provider_whose_limit_is_reached_is_passed_over_and_when_all_are_the_app_is_told_when_to_come_again() {
    let (paris, lyon) = (FakeProvider::says("paris").await, FakeProvider::says("lyon").await);
    let world = World::default().provider("paris", &paris.url(), "limits: {requestsPerMinute: 2}").provider(
        "lyon",
        &lyon.url(),
        "limits: {requestsPerMinute: 1}",
    );
    let sidecar = Sidecar::of(&world).await;

    let answers = [sidecar.chat().await, sidecar.chat().await, sidecar.chat().await];

    let said: Vec<String> = answers[..2].iter().map(Answer::said).collect();
    assert_eq!(said, ["paris", "lyon"]);
    assert_eq!((answers[2].status.as_u16(), answers[2].code()), (429, "rate_limited".to_owned()));
    assert!((29..=30).contains(&seconds(&answers[2])), "paris takes one in half a minute: {:?}", answers[2].headers);
    let limited = r#"lotse_limited_total{provider="lotse-system/lyon",route="",limit="requests_per_minute"} 1"#;
    sidecar.metric_is(limited).await;
}

#[tokio::test]
async fn tokens_are_counted_when_they_are_known_streamed_or_not() {
    for stream in [false, true] {
        let paris = FakeProvider::says("bonjour").await;
        let world = World::of(&[("paris", &paris)]).route("limits: {tokensPerMinute: 60}");
        let sidecar = Sidecar::of(&world).await;
        let ask = async || if stream { sidecar.stream().await } else { sidecar.chat().await };

        assert_eq!(ask().await.status, 200);
        // Ten were there and fifteen were used.
        let turned_away = until(&ask, |answer| answer.status != 200).await;

        assert_eq!((turned_away.status.as_u16(), paris.calls()), (429, 1), "{stream}");
        assert!((5..=6).contains(&seconds(&turned_away)), "{:?}", turned_away.headers);
    }
}

#[tokio::test]
async fn a_budget_that_is_spent_refuses_until_the_next_day() {
    let paris = FakeProvider::says("bonjour").await;
    let world = World::default().provider("paris", &paris.url(), PRICED).route("budget: {perDay: \"0.0001\"}");
    let sidecar = Sidecar::of(&world).await;

    assert_eq!((sidecar.chat().await.status.as_u16(), sidecar.stream().await.status.as_u16()), (200, 200));
    let refused = until(async || sidecar.chat().await, |answer| answer.status != 200).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (402, "budget_exhausted".to_owned()));
    assert!((1..=86_400).contains(&seconds(&refused)), "{:?}", refused.headers);
    assert!(
        message(&refused).contains("has spent the 0.0001 US dollars of ModelRoute lotse-system/route for this day")
    );
    assert_eq!((refused.header("x-should-retry"), paris.calls()), (Some("false"), 2));
}

#[tokio::test]
async fn a_stream_of_an_app_that_does_not_ask_for_its_usage_is_counted_and_the_app_is_not_shown_it() {
    let paris = FakeProvider::says("bonjour").await;
    for (accounts, is_asked) in [
        ("budget: {perDay: \"0.00005\"}", true),
        ("limits: {tokensPerMinute: 60}", true),
        ("limits: {requestsPerMinute: 60}", false),
        ("budget: {perDay: \"1\"}\noverrides: {stream_options: {include_usage: false}}", false),
    ] {
        let world = World::default().provider("paris", &paris.url(), PRICED).route(accounts);
        let sidecar = Sidecar::of(&world).await;

        for options in [json!(null), json!({"include_usage": false, "other": 1})] {
            let answer = sidecar.asks_stream(&json!({"stream_options": options})).await;

            if answer.status != 200 {
                continue;
            }
            assert_eq!(answer.said(), "bonjour");
            assert!(!answer.text().contains("prompt_tokens"), "{accounts}: {}", answer.text());
            assert_eq!(paris.last().wants_usage(), is_asked, "{accounts}");
        }
        if is_asked {
            until(async || sidecar.stream().await, |answer| matches!(answer.status.as_u16(), 402 | 429)).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_counts_is_charged_with_an_estimate_also_when_its_app_hangs_up() {
    let long = "un deux trois quatre cinq six sept huit neuf dix";
    let silent = FakeProvider::plays(move |_| stream_without_usage(long)).await;
    let mut uncounted = completion(long);
    uncounted["usage"] = json!(null);
    let whole = FakeProvider::answers(200, &[], &uncounted.to_string()).await;
    let endless = FakeProvider::plays(move |_| {
        let mut steps = stream_without_usage(long);
        steps.truncate(8);
        [steps, vec![Step::Hang]].concat()
    })
    .await;

    for (provider, is_stream) in [(silent, true), (endless, true), (whole, false)] {
        let budget = "budget: {perDay: \"0.00002\"}";
        let world = World::default().provider("paris", &provider.url(), PRICED).route(budget);
        let sidecar = Sidecar::of(&world).await;

        if is_stream {
            let mut answer = sidecar.open_stream().await;
            assert_eq!(answer.status(), 200);
            answer.body_mut().frame().await.expect("it begins").expect("it goes on");
        } else {
            assert_eq!(sidecar.chat().await.said(), long);
        }
        sidecar.metric_is("lotse_active_calls 0").await;

        assert_eq!((sidecar.chat().await.status.as_u16(), provider.calls()), (402, 1));
    }
}

#[tokio::test]
async fn a_budget_that_only_warns_and_calls_without_a_price_refuse_nothing() {
    let paris = FakeProvider::says("bonjour").await;
    let budget = |action: &str| format!("budget: {{perDay: \"0.00005\", action: {action}}}");
    let warns = World::default().provider("paris", &paris.url(), PRICED).route(&budget("Warn"));
    let unpriced = World::of(&[("paris", &paris)]).route(&budget("Refuse"));

    for world in [warns, unpriced] {
        let sidecar = Sidecar::of(&world).await;
        for _ in 0..3 {
            assert_eq!(sidecar.chat().await.status, 200);
        }
    }
}

/// A world that the operator declares, and sidecars in pods `app-0` and `app-1`.
async fn two(world: &World) -> (Operator, Sidecar, Sidecar) {
    let operator = Operator::new().await;
    operator.pod("app", "app-1");
    operator.declares(world);
    let (one, another) = tokio::join!(Sidecar::following(&operator), Sidecar::in_pod(&operator, "app-1"));
    (operator, one, another)
}

fn share(operator: &Operator, pod: &str) -> Option<u32> {
    operator.rations(pod).shares.first()?.share.concurrent_requests
}

#[tokio::test]
async fn pods_of_a_namespace_never_ask_a_provider_for_more_than_its_limit_at_once_and_go_on_so_without_the_operator() {
    let paris = FakeProvider::hangs().await;
    let world = World::default().provider("paris", &paris.url(), "limits: {concurrentRequests: 4}");
    let (operator, one, another) = two(&world).await;
    until(async || (share(&operator, "app-0"), share(&operator, "app-1")), |shares| *shares == (Some(2), Some(2)))
        .await;

    let all = [&one, &another, &one, &another].map(gets_in).into_iter().collect();
    let turned_away = async {
        until(async || paris.calls(), |calls| *calls == 4).await;
        operator.closes_its_port();
        operator.stops_leading();
        [one.chat().await, another.chat().await]
    };
    let turned_away = beside(all, turned_away).await;

    assert!(turned_away.iter().all(|answer| answer.status == 429), "{turned_away:?}");
    assert_eq!(paris.calls(), 4);
}

#[tokio::test]
async fn what_one_pod_has_spent_refuses_the_calls_of_the_others_and_of_a_pod_that_comes_under_the_next_leader() {
    // Whoever says so is refused by the provider, and that costs nothing.
    let free = |asked: &Asked| asked.json()["user"] == "free";
    let script =
        move |asked: &Asked| if free(asked) { vec![Step::Send(response(400, &[], "{}"))] } else { whole("hi") };
    let paris = FakeProvider::plays(script).await;
    let world = World::default().provider("paris", &paris.url(), PRICED).route("budget: {perDay: \"0.0001\"}");
    let (operator, one, another) = two(&world).await;
    let mut body = body(false);
    body["user"] = json!("free");
    let ask = async |sidecar: &Sidecar| sidecar.send(Sidecar::request(&body)).await;
    assert_eq!(ask(&another).await.status, 400);

    assert_eq!([one.chat().await.status.as_u16(), one.chat().await.status.as_u16()], [200, 200]);

    until(async || ask(&another).await, |answer| answer.code() == "budget_exhausted").await;
    operator.leads(2);
    operator.declares(&world);
    operator.pod("app", "app-2");
    let late = Sidecar::in_pod(&operator, "app-2").await;
    until(async || ask(&late).await, |answer| answer.code() == "budget_exhausted").await;
}

#[tokio::test]
async fn what_a_pod_has_spent_last_is_counted_before_it_has_stopped() {
    let paris = FakeProvider::says("hi").await;
    let world = World::default().provider("paris", &paris.url(), PRICED).route("budget: {perDay: \"10\"}");
    let (operator, one, _another) = two(&world).await;
    let spent = || operator.rations("app-1").spending.first().map(|route| route.day_micros);
    until(async || spent(), |spent| *spent == Some(0)).await;
    assert_eq!(one.chat().await.status, 200);

    one.stop().await;

    assert!(spent() > Some(0), "{:?}", spent());
}

#[tokio::test]
async fn what_one_pod_learns_of_a_provider_orders_the_calls_of_the_others() {
    let (ill, lyon) = (FakeProvider::refuses(503).await, FakeProvider::says("lyon").await);
    let (_operator, one, another) = two(&World::of(&[("ill", &ill), ("lyon", &lyon)])).await;
    let first = async |sidecar: &Sidecar| {
        let explained = sidecar.admin("/explain?model=gpt-4o").await.json();
        explained["candidates"][0]["provider"].as_str().unwrap_or_default().to_owned()
    };
    until(async || first(&another).await, |first| first == "lotse-system/ill").await;

    until(async || one.chat().await, |_| ill.calls() >= 2).await;
    until(async || first(&another).await, |first| first == "lotse-system/lyon").await;
    let asked = ill.calls();
    let answer = another.chat().await;

    assert_eq!((answer.said(), answer.header("x-lotse-attempts")), ("lyon".to_owned(), Some("1")));
    assert_eq!(ill.calls(), asked);
}
