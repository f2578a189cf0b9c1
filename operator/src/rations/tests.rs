//! Tests of rations: who is told what, and when, and what a sidecar may say.

use std::collections::BTreeSet;
use std::future::pending;

use futures::FutureExt as _;
use lotse_crds::name::{Labels, Workload};
use lotse_crds::quota::{BudgetAction, Money};
use lotse_crds::usage::{Ailment, Refused, RouteSpent, Share, Used};
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-24T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("root", name)
}

fn pod(namespace: &str, name: &str) -> PodRecord {
    PodRecord {
        name: ObjectName::new(namespace, name),
        uid: format!("{namespace}-{name}"),
        workload: Workload {
            namespace: namespace.to_owned(),
            service_account: "default".to_owned(),
            labels: Labels::new(),
        },
        injected: true,
        alive: true,
    }
}

/// Paris takes ten calls at once, and the route may cost ten dollars a day.
fn scope() -> Arc<Scope> {
    let limits = CallLimits { concurrent_requests: Some(10), ..CallLimits::default() };
    let per_day = Some(Money { micros: 10_000_000 });
    Arc::new(Scope {
        accounts: [(Account::Provider(name("paris")), limits)].into(),
        budgets: [(name("chat"), Budget { per_day, per_month: None, action: BudgetAction::Refuse })].into(),
        candidates: BTreeSet::from([(name("paris"), "m".to_owned())]),
    })
}

fn usage(holds: Option<u32>) -> Usage {
    let holds = holds.map(|share| Share { concurrent_requests: Some(share), ..Share::default() });
    let account = Account::Provider(name("paris"));
    let used = Used { account, begun: 0, tokens: 0, concurrent: 0, refused: Refused::default(), holds };
    Usage { milliseconds: 1000, heard: u64::MAX, used: vec![used] }
}

fn spent(number: u64, route: &str, micros: u64) -> Spent {
    let day = utc_day(now());
    Spent { run: 7, number, spent: vec![RouteSpent { route: name(route), day, micros }] }
}

fn outage(milliseconds: u64) -> Health {
    let ailment = Ailment {
        provider: name("paris"),
        model: "m".to_owned(),
        outage_milliseconds: milliseconds,
        limited_milliseconds: 0,
    };
    Health { ailments: vec![ailment] }
}

/// What a sidecar has been told since it was last asked.
fn heard(words: &mut Words) -> Vec<Value> {
    let next = || words.next().now_or_never();
    let lines = std::iter::from_fn(next).map(|line| serde_json::from_slice(&line).expect("a line is JSON"));
    let mut lines: Vec<Value> = lines.collect();
    for line in &mut lines {
        // Which round it was matters to the sidecar alone.
        line.get_mut("shares").and_then(Value::as_object_mut).map(|shares| shares.remove("number"));
    }
    lines.sort_by_key(ToString::to_string);
    lines
}

fn share(of: u32) -> Value {
    json!({"shares": {"shares": [{"account": {"provider": "root/paris"}, "share": {"concurrentRequests": of}}]}})
}

fn spending(day: u64, counted: &Value) -> Value {
    let mut word = json!({"spending": {"day": "2026-11-24", "routes": [
        {"route": "root/chat", "dayMicros": day, "monthMicros": day},
    ]}});
    if !counted.is_null() {
        word["spending"]["counted"] = counted.clone();
    }
    word
}

fn well() -> Value {
    json!({"health": {"ailments": []}})
}

fn open() -> Rations {
    let rations = Rations::new();
    rations.opens(Spend::default(), now());
    rations
}

#[test]
fn nothing_is_told_before_it_is_known_what_has_been_spent() {
    let rations = Rations::new();
    let mut words = rations.begins(1, &pod("a", "1"), &scope());
    rations.usage(1, &usage(None));
    rations.settle(now());
    assert_eq!(heard(&mut words), [] as [Value; 0]);

    rations.opens(Spend::default(), now());
    assert_eq!(heard(&mut words), [well()], "and then it is asked to speak");
    rations.settle(now());

    assert_eq!(heard(&mut words), [share(10), spending(0, &Value::Null)]);
}

#[test]
fn pods_of_one_namespace_share_and_another_has_its_own() {
    let rations = open();
    let pods = [pod("a", "1"), pod("a", "2"), pod("b", "1")];
    let mut words: Vec<Words> = (1..).zip(&pods).map(|(id, pod)| rations.begins(id, pod, &scope())).collect();
    for words in &mut words {
        drop(heard(words));
    }

    (1..=3).for_each(|id| rations.usage(id, &usage(None)));
    rations.settle(now());

    let shares: Vec<Value> = words.iter_mut().map(|words| heard(words).swap_remove(0)).collect();
    assert_eq!(shares, [share(5), share(5), share(10)]);
    (1..=2).for_each(|id| rations.usage(id, &usage(Some(5))));
    rations.usage(3, &usage(Some(10)));
    rations.settle(now());
    assert!(words.iter_mut().all(|words| heard(words).is_empty()), "nothing has changed");
}

#[test]
fn what_a_sidecar_says_of_what_is_not_its_own_is_not_heeded() {
    let rations = open();
    let mut words = rations.begins(1, &pod("a", "1"), &scope());
    drop(heard(&mut words));
    let mut foreign = usage(Some(9));
    foreign.used[0].account = Account::Provider(name("virginia"));

    rations.usage(1, &foreign);
    rations.spent(1, &spent(1, "expensive", 5));
    rations.settle(now());

    assert_eq!(heard(&mut words), [spending(0, &json!({"run": 7, "heard": 1, "kept": 0}))]);
}

#[test]
fn what_is_spent_counts_for_its_namespace_and_once() {
    let rations = open();
    let mut one = rations.begins(1, &pod("a", "1"), &scope());
    let mut another = rations.begins(2, &pod("a", "2"), &scope());
    let mut elsewhere = rations.begins(3, &pod("b", "1"), &scope());
    rations.spent(1, &spent(1, "chat", 5));
    rations.spent(1, &spent(1, "chat", 5));
    rations.settle(now());

    let told = |words: &mut Words| heard(words).into_iter().find(|word| word.get("spending").is_some());
    assert_eq!(told(&mut one), Some(spending(5, &json!({"run": 7, "heard": 1, "kept": 0}))));
    assert_eq!(told(&mut another), Some(spending(5, &Value::Null)));
    assert_eq!(told(&mut elsewhere), Some(spending(0, &Value::Null)));
    let spend = rations.to_keep().expect("there is something to keep");
    rations.keeps(spend);
    rations.settle(now());
    assert_eq!(told(&mut one), Some(spending(5, &json!({"run": 7, "heard": 1, "kept": 1}))));
    assert_eq!(rations.to_keep(), None);
}

#[test]
fn a_stream_speaks_for_one_run() {
    let rations = open();
    let mut words = rations.begins(1, &pod("a", "1"), &scope());

    rations.spent(1, &spent(1, "chat", 5));
    rations.spent(1, &Spent { run: 8, ..spent(1, "chat", 5) });
    rations.settle(now());

    assert!(heard(&mut words).contains(&spending(5, &json!({"run": 7, "heard": 1, "kept": 0}))));
}

#[test]
fn what_is_spent_where_there_is_no_budget_is_not_kept_and_yet_done_with() {
    let rations = open();
    let scope = Scope { budgets: BTreeMap::new(), ..Scope::default() };
    let mut words = rations.begins(1, &pod("a", "1"), &Arc::new(scope));

    rations.spent(1, &spent(3, "chat", 5));
    rations.settle(now());

    let told = heard(&mut words).into_iter().find_map(|word| word.get("spending").cloned());
    assert_eq!(told.expect("it is told")["counted"], json!({"run": 7, "heard": 3, "kept": 3}));
    assert_eq!(rations.to_keep(), None);
}

#[test]
fn a_budget_that_is_spent_is_told_to_people_once() {
    let rations = open();
    let _words = rations.begins(1, &pod("a", "1"), &scope());

    rations.spent(1, &spent(1, "chat", 10_000_000));
    rations.settle(now());
    rations.settle(now());

    let reasons: Vec<&str> = rations.notices().iter().map(Notice::reason).collect();
    assert_eq!(reasons, ["BudgetSpent"]);
    assert_eq!(rations.notices(), []);
}

#[test]
fn a_hint_reaches_the_others_and_those_who_come_later() {
    let rations = open();
    let mut reporter = rations.begins(1, &pod("a", "1"), &scope());
    let mut other = rations.begins(2, &pod("b", "1"), &scope());
    drop((heard(&mut reporter), heard(&mut other)));

    rations.health(1, &outage(30_000));
    rations.spread();

    let told = heard(&mut other);
    assert_eq!(told[0]["health"]["ailments"][0]["provider"], "root/paris");
    assert_eq!(heard(&mut reporter), [] as [Value; 0]);
    let mut late = rations.begins(3, &pod("b", "2"), &scope());
    assert_eq!(heard(&mut late)[0]["health"]["ailments"][0]["model"], "m");
    rations.health(1, &outage(0));
    rations.spread();
    assert_eq!(heard(&mut other), [well()]);
}

#[test]
fn the_stream_that_a_pod_has_left_behind_speaks_for_it_no_more() {
    let rations = open();
    let _left = rations.begins(1, &pod("a", "1"), &scope());
    let mut words = rations.begins(2, &pod("a", "1"), &scope());
    rations.usage(2, &usage(None));
    rations.settle(now());
    assert!(heard(&mut words).contains(&share(10)));

    rations.usage(1, &usage(None));
    rations.ends(1);
    rations.usage(2, &usage(Some(10)));
    let _next = rations.begins(3, &pod("a", "2"), &scope());
    rations.settle(now());

    assert_eq!(heard(&mut words), [share(9)], "what the next one uses untold is let go at once");
}

#[test]
fn a_pod_that_is_gone_holds_nothing() {
    let rations = open();
    let _gone = rations.begins(1, &pod("a", "1"), &scope());
    let mut words = rations.begins(2, &pod("a", "2"), &scope());
    (1..=2).for_each(|id| rations.usage(id, &usage(None)));
    rations.settle(now());
    assert!(heard(&mut words).contains(&share(5)));

    rations.ends(1);
    rations.settle(now());
    assert_eq!(heard(&mut words), [] as [Value; 0], "cut off, it holds what it held");
    rations.retain(&|uid| uid != "a-1");
    rations.settle(now());

    assert_eq!(heard(&mut words), [share(10)]);
}

#[test]
fn another_snapshot_brings_its_own_limits() {
    let rations = open();
    let mut words = rations.begins(1, &pod("a", "1"), &scope());
    rations.usage(1, &usage(None));
    rations.settle(now());
    drop(heard(&mut words));
    let limited = |of: i32| {
        let limits = CallLimits { concurrent_requests: Some(of), ..CallLimits::default() };
        Arc::new(Scope { accounts: [(Account::Provider(name("paris")), limits)].into(), ..Scope::default() })
    };

    rations.obeys(1, &limited(4));
    rations.usage(1, &usage(Some(10)));
    rations.settle(now());
    assert_eq!(heard(&mut words), [share(4)]);
    rations.obeys(1, &Arc::default());
    rations.settle(now());

    assert_eq!(heard(&mut words), [json!({"shares": {"shares": []}})]);
    assert_eq!(rations.held("a-1"), Held::default());
}

/// When a sidecar is told of health, in milliseconds from now.
async fn told_at(mut words: Words) -> Vec<u128> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 {
        let line = words.next().await;
        if String::from_utf8_lossy(&line).contains("health") {
            times.push(began.elapsed().as_millis());
        }
    }
    times
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_passed_on_at_once_and_those_that_follow_it_together() {
    let publisher = Arc::new(Publisher::new(1));
    let rations = &publisher.rations;
    rations.opens(Spend::default(), now());
    let _reporter = rations.begins(1, &pod("a", "1"), &scope());
    let mut other = rations.begins(2, &pod("b", "1"), &scope());
    drop(heard(&mut other));
    let reports = async {
        for end in (10_000..60_000).step_by(2000) {
            rations.health(1, &outage(end));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pending::<()>().await;
    };

    let times = tokio::select! {
        times = told_at(other) => times,
        () = run(publisher.clone(), now) => unreachable!("it runs on"),
        () = reports => unreachable!("it waits"),
    };

    assert_eq!(times[0], 50);
    assert_eq!(times[1], 300);
    assert!(times[2] >= 550, "{times:?}");
}
