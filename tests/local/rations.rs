//! What operator and sidecars say of limits, budgets and hints: who is told, what is shared, and what stays when leaders go.
//! Sidecars are spoken by hand here; what a real one does with it is in `limits`.

use lotse_crds::restriction::EXECUTABLE;
use lotse_tests::manifests::policy;
use lotse_tests::{Follower, Operator, World, hello};
use serde_json::{Value, json};

/// Paris takes ten calls at once, and the route may cost a dollar a day.
fn world() -> World {
    World::default()
        .provider("paris", "http://127.0.0.1:1", "limits: {concurrentRequests: 10}")
        .route("budget: {perDay: \"1\"}")
}

async fn operator() -> Operator {
    let operator = Operator::new().await;
    operator.declares(&world());
    operator
}

/// An operator that is not the first to lead.
async fn second_operator() -> Operator {
    let operator = Operator::new().await;
    operator.api.is_given("{}");
    operator.leads(2);
    operator.declares(&world());
    operator
}

/// A sidecar of this pod, which has been told of its snapshot and that it may speak.
async fn follower(operator: &Operator, pod: &str) -> Follower {
    let mut follower =
        operator.is_followed(&hello(&EXECUTABLE), &format!("token-of-{pod}")).await.expect("it is let in");
    let first = follower.next().await;
    assert!(first.get("delivery").is_some(), "{first}");
    follower.hears("health").await;
    follower
}

/// What a sidecar says that has heard all that it was told.
fn usage(holds: Option<u32>) -> Value {
    let mut used = json!({"account": {"provider": "lotse-system/paris"}});
    if let Some(share) = holds {
        used["holds"] = json!({"concurrentRequests": share});
    }
    json!({"usage": {"milliseconds": 1000, "heard": 1_000_000, "used": [used]}})
}

/// The share that a sidecar is told next.
async fn share(follower: &mut Follower) -> Value {
    follower.hears("shares").await["shares"][0]["share"]["concurrentRequests"].take()
}

#[expect(clippy::disallowed_methods, reason = "what is spent is spent today")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn spent(number: u64, micros: u64) -> Value {
    let entry = json!({"route": "lotse-system/route", "day": today(), "micros": micros});
    json!({"spent": {"run": 7, "number": number, "spent": [entry]}})
}

/// Waits until a sidecar is told that so much has been spent today.
async fn is_told(follower: &mut Follower, micros: u64) -> Value {
    loop {
        let word = follower.hears("spending").await;
        if word["routes"][0]["dayMicros"] == micros {
            return word;
        }
    }
}

fn kept(micros: u64) -> impl Fn(&Value) -> bool {
    move |kept| kept["namespaces"]["app"]["lotse-system/route"]["day"] == micros
}

#[tokio::test]
async fn a_sidecar_that_does_not_know_the_words_is_never_told_any() {
    let operator = Operator::new().await;
    let world = World::default().provider("paris", "http://127.0.0.1:1", "");
    operator.declares(&world);
    let older: Vec<&str> = EXECUTABLE.into_iter().filter(|name| *name != "limits").collect();
    let mut old = operator.is_followed(&hello(&older), "token-of-app-0").await.expect("it is let in");
    assert!(old.next().await.get("delivery").is_some());
    operator.pod("app", "app-1");
    let _new = follower(&operator, "app-1").await;

    operator.declares(&world.policies(&[policy("lotse-system", "only", "inferenceRegions: [EU]")]));

    loop {
        let line = old.next().await;
        assert!(line.get("heartbeat").or(line.get("delivery")).is_some(), "{line}");
        if line.get("delivery").is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn pods_of_a_namespace_share_a_limit_and_what_one_lets_go_another_gets() {
    let operator = operator().await;
    for pod in ["app-1", "other-0"] {
        operator.pod(if pod == "app-1" { "app" } else { "other" }, pod);
    }
    let mut one = follower(&operator, "app-0").await;
    one.says(&usage(None)).await;
    assert_eq!(share(&mut one).await, 10);
    one.says(&usage(Some(10))).await;

    let mut another = follower(&operator, "app-1").await;
    another.says(&usage(None)).await;
    while share(&mut one).await != 5 {}
    one.says(&usage(Some(5))).await;
    assert_eq!(share(&mut another).await, 5, "it gets what is let go");
    let mut elsewhere = follower(&operator, "other-0").await;
    elsewhere.says(&usage(None)).await;
    assert_eq!(share(&mut elsewhere).await, 10, "another namespace has its own account");
    operator.deletes("app-1");
    operator.declares(&world());

    assert_eq!(share(&mut one).await, 10);
}

#[tokio::test]
async fn a_new_leader_learns_what_is_held() {
    let operator = operator().await;
    operator.pod("app", "app-1");
    operator.leads(2);
    operator.declares(&world());

    let mut one = follower(&operator, "app-0").await;
    let mut asks = usage(Some(3));
    asks["usage"]["used"][0]["concurrent"] = json!(30);
    one.says(&asks).await;
    assert_eq!(share(&mut one).await, 3, "the other may hold the rest");
    let mut another = follower(&operator, "app-1").await;
    another.says(&usage(Some(7))).await;
    assert_eq!(share(&mut another).await, 1, "it asks for nothing, and gets a little");
    another.says(&usage(Some(1))).await;

    assert_eq!(share(&mut one).await, 9);
}

#[tokio::test]
async fn nothing_is_told_until_it_is_known_what_has_been_spent() {
    let operator = operator().await;
    operator.api.fails(true);
    operator.leads(2);
    operator.declares(&world());
    operator.api.has_failed().await;
    let mut sidecar = operator.is_followed(&hello(&EXECUTABLE), "token-of-app-0").await.expect("it is let in");
    assert!(sidecar.next().await.get("delivery").is_some());

    assert!(sidecar.next().await.get("heartbeat").is_some(), "it is vouched for all the same");
    operator.api.is_given("garbage");
    operator.api.fails(false);
    operator.api.is_given(
        &json!({"day": today(), "namespaces": {"app": {"lotse-system/route": {"day": 5, "month": 70}}}}).to_string(),
    );

    sidecar.hears("health").await;
    let word = sidecar.hears("spending").await;
    let route = json!({"route": "lotse-system/route", "dayMicros": 5, "monthMicros": 70});
    assert_eq!(word, json!({"day": today(), "routes": [route]}));
}

#[tokio::test]
async fn what_is_spent_is_told_to_the_namespace_and_stays_when_the_leader_goes() {
    let operator = second_operator().await;
    operator.pod("app", "app-1");
    let mut one = follower(&operator, "app-0").await;
    let mut another = follower(&operator, "app-1").await;
    one.says(&spent(1, 50)).await;
    is_told(&mut another, 50).await;

    operator.gives_up_leading().await;
    operator.api.keeps(kept(50)).await;
    operator.leads(3);
    operator.declares(&world());
    let mut one = follower(&operator, "app-0").await;
    one.says(&spent(1, 50)).await;
    one.says(&spent(2, 20)).await;

    let word = is_told(&mut one, 70).await;
    assert_eq!(word["counted"], json!({"run": 7, "heard": 2, "kept": 1}), "the first report is told again and in it");
}

#[tokio::test]
async fn a_leader_that_crashes_is_told_again_what_it_had_not_kept() {
    let operator = operator().await;
    let mut sidecar = follower(&operator, "app-0").await;
    sidecar.says(&spent(1, 50)).await;
    is_told(&mut sidecar, 50).await;

    operator.leads(2);
    operator.declares(&world());
    let mut sidecar = follower(&operator, "app-0").await;
    assert_eq!(sidecar.hears("spending").await["routes"][0]["dayMicros"], 0);
    sidecar.says(&spent(1, 50)).await;

    is_told(&mut sidecar, 50).await;
}

#[tokio::test]
async fn what_is_spent_is_kept_within_seconds_whoever_wrote_last() {
    let operator = operator().await;
    let mut sidecar = follower(&operator, "app-0").await;
    sidecar.says(&spent(1, 50)).await;
    let word = is_told(&mut sidecar, 50).await;
    assert_eq!(word["counted"]["kept"], 0);

    operator.api.is_given("{}");
    operator.api.keeps(kept(50)).await;

    let word = sidecar.hears("spending").await;
    assert_eq!(word["counted"], json!({"run": 7, "heard": 1, "kept": 1}));
}

#[tokio::test]
async fn a_leader_that_has_ended_writes_over_nobody() {
    let operator = second_operator().await;
    let mut sidecar = follower(&operator, "app-0").await;
    sidecar.says(&spent(1, 50)).await;
    is_told(&mut sidecar, 50).await;
    // Its successor has written.
    operator.api.is_given(&json!({"day": today()}).to_string());
    operator.gives_up_leading().await;

    operator.leads(3);
    operator.declares(&world());
    let mut sidecar = follower(&operator, "app-0").await;

    assert_eq!(sidecar.hears("spending").await["routes"][0]["dayMicros"], 0);
}

#[tokio::test]
async fn a_budget_that_is_spent_is_an_event_on_its_route_once() {
    let operator = operator().await;
    let mut sidecar = follower(&operator, "app-0").await;

    sidecar.says(&spent(1, 800_000)).await;
    operator.api.has_event("BudgetNearlySpent").await;
    sidecar.says(&spent(2, 200_000)).await;
    let event = operator.api.has_event("BudgetSpent").await;

    let note = event["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("namespace app has spent 1 of 1 US dollars for "), "{note}");
    assert!(note.contains("; its calls are refused until "), "{note}");
    assert_eq!((&event["type"], &event["related"]["name"]), (&json!("Warning"), &json!("app")));
    assert_eq!(event["regarding"]["name"], "route");
    assert_eq!(operator.api.events(), 2);
}

#[tokio::test]
async fn a_hint_reaches_all_others_who_may_call_the_same() {
    let operator = operator().await;
    operator.pod("other", "other-0");
    let mut reporter = follower(&operator, "app-0").await;
    let mut other = follower(&operator, "other-0").await;
    let ailment = |provider: &str| json!({"provider": provider, "model": "m", "outageMilliseconds": 30_000});

    let ailments = [ailment("lotse-system/paris"), ailment("lotse-system/nobody")];
    reporter.says(&json!({"health": {"ailments": ailments}})).await;

    let heard = other.hears("health").await;
    let left = heard["ailments"][0]["outageMilliseconds"].as_u64().unwrap_or_default();
    assert!((20_000..=30_000).contains(&left), "{heard}");
    assert_eq!(heard["ailments"].as_array().map(Vec::len), Some(1), "of what it may not call it does not speak");
    reporter.says(&json!({"health": {"ailments": [{"provider": "lotse-system/paris", "model": "m"}]}})).await;
    assert_eq!(other.hears("health").await, json!({"ailments": []}));
}
