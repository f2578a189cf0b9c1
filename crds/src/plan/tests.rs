//! Tests of the plan: who is tried, in which order, and that order never bends permission.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::compile::compile;
use crate::name::Workload;
use crate::read::read;
use crate::snapshot::Snapshot;

mod laws;

/// Candidates `p0`, `p1`, … with these prices (none if empty), in one tier.
fn snapshot(balance: &str, prices: &[&str]) -> Snapshot {
    let mut files = BTreeMap::new();
    let object = |kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: lotse-system}}\nspec: {spec}\n---\n"
        )
    };
    let mut text = object("DataPolicy", "open", "{inferenceRegions: [Worldwide]}");
    let mut targets = Vec::new();
    for (at, price) in prices.iter().enumerate() {
        let price = if price.is_empty() {
            String::new()
        } else {
            format!(", price: {{inputPerMillion: \"{price}\", outputPerMillion: \"0\"}}")
        };
        text += &object(
            "LLMProvider",
            &format!("p{at}"),
            &format!(
                "{{vendor: x, api: Simulated, consumers: {{namespaceSelector: {{}}}}, models: [{{name: m{price}}}]}}"
            ),
        );
        targets.push(format!("{{model: m, provider: {{name: p{at}}}, weight: {}}}", at + 1));
    }
    let tiers = format!("[{{balance: {balance}, targets: [{}]}}]", targets.join(", "));
    text += &object("ModelRoute", "r", &format!("{{namespaceSelector: {{}}, models: [m], tiers: {tiers}}}"));
    files.insert("all.yaml".to_owned(), text);
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    compile(&read(&files, "lotse-system").expect("good manifests"), &workload, Timestamp::UNIX_EPOCH).snapshot
}

/// The names in the order of trying.
fn order(snapshot: &Snapshot, outages: &[&str], draws: &[f64]) -> Vec<String> {
    let mut draws = draws.iter().copied().cycle();
    let mut chance = || draws.next().unwrap_or(0.5);
    let standing = |candidate: &Candidate| {
        let is_ill = outages.contains(&candidate.provider.name.as_str());
        Standing { health: if is_ill { Health::Outage } else { Health::Well }, ..Standing::default() }
    };
    let (now, needs) = (Timestamp::UNIX_EPOCH, Needs::default());
    let mut moment =
        Moment { now, needs: &needs, memo: &Memo::default(), sticky: None, standing: &standing, chance: &mut chance };
    let preferences = Preferences::default();
    let wish = Wish { route: &snapshot.routes[0], preferences: &preferences };
    let plan = plan(&[wish], &snapshot.policies, &mut moment);
    plan.attempts.iter().map(|attempt| attempt.permitted.candidate().provider.name.clone()).collect()
}

#[test]
fn order_is_as_listed_and_an_outage_goes_last() {
    let listed = snapshot("Order", &["9", "1", "5"]);

    assert_eq!(order(&listed, &[], &[0.1, 0.9]), ["p0", "p1", "p2"]);
    assert_eq!(order(&listed, &["p0"], &[0.1, 0.9]), ["p1", "p2", "p0"]);
    assert_eq!(order(&listed, &["p0", "p1", "p2"], &[0.1]), ["p0", "p1", "p2"]);
}

#[test]
fn equal_draws_put_the_cheapest_first_and_who_has_no_price_last() {
    let priced = snapshot("Price", &["", "9", "1", "5"]);

    assert_eq!(order(&priced, &[], &[0.5]), ["p2", "p3", "p1", "p0"]);
    assert_eq!(order(&priced, &["p2"], &[0.5]), ["p3", "p1", "p0", "p2"]);
}

#[test]
fn the_share_of_first_tries_is_the_inverse_square_of_the_price() {
    let priced = snapshot("Price", &["1", "2", "4"]);
    let mut seed = 7_u64;
    let mut next = || {
        // A linear congruential generator: the test draws the same numbers each time.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(seed >> 33).unwrap_or(0)) / f64::from(1_u32 << 31)
    };
    let mut first = BTreeMap::new();

    for _ in 0..20_000 {
        let name = order(&priced, &[], &[next(), next(), next()]).remove(0);
        *first.entry(name).or_insert(0_u32) += 1;
    }

    for (name, share) in [("p0", 16.0 / 21.0), ("p1", 4.0 / 21.0), ("p2", 1.0 / 21.0)] {
        let got = f64::from(first[name]) / 20_000.0;
        assert!((got - share).abs() < 0.01, "{name}: {got} instead of {share}");
    }
}

#[test]
fn without_fallbacks_who_comes_later_is_out_with_a_reason() {
    let listed = snapshot("Order", &["9", "1", "5"]);
    for (sort, across_models, tried) in
        [(None, false, "p0"), (Some(Sort::Price), false, "p1"), (Some(Sort::Price), true, "p1")]
    {
        let preferences = Preferences { allow_fallbacks: false, sort, across_models, ..Preferences::default() };
        let (now, needs, memo) = (Timestamp::UNIX_EPOCH, Needs::default(), Memo::default());
        let (standing, mut chance) = (|_: &Candidate| Standing::default(), || 0.5);
        let mut moment =
            Moment { now, needs: &needs, memo: &memo, sticky: None, standing: &standing, chance: &mut chance };
        let wish = Wish { route: &listed.routes[0], preferences: &preferences };

        let plan = plan(&[wish], &listed.policies, &mut moment);

        let provider = |attempt: &Attempt<'_>| attempt.permitted.candidate().provider.name.clone();
        let names: Vec<_> = plan.attempts.iter().map(provider).collect();
        assert_eq!((names, plan.permitted), (vec![tried.to_owned()], 3));
        assert_eq!(plan.refused.len(), 2);
        for refusal in &plan.refused {
            let [reason] = &*refusal.reasons else { panic!("{refusal:?}") };
            let told = (reason.code.as_str(), reason.message.as_str(), reason.is_policy());
            assert_eq!(told, ("allowed_providers", "allow_fallbacks is false, and somebody else comes first", false));
        }
    }
}

/// The names in the order of trying, where these are as fast as said: seconds to the first content.
fn by_latency(snapshot: &Snapshot, latencies: &[Option<f64>], sort: Option<Sort>, draws: &[f64]) -> Vec<String> {
    let mut draws = draws.iter().copied();
    let mut chance = || draws.next().expect("no more is drawn");
    let standing = |candidate: &Candidate| {
        let at: usize = candidate.provider.name[1..].parse().expect("a number");
        Standing { latency: Percentiles { p50: latencies[at], ..Percentiles::default() }, ..Standing::default() }
    };
    let (now, needs, memo) = (Timestamp::UNIX_EPOCH, Needs::default(), Memo::default());
    let mut moment = Moment { now, needs: &needs, memo: &memo, sticky: None, standing: &standing, chance: &mut chance };
    let preferences = Preferences { sort, ..Preferences::default() };
    let wish = Wish { route: &snapshot.routes[0], preferences: &preferences };
    let plan = plan(&[wish], &snapshot.policies, &mut moment);
    plan.attempts.iter().map(|attempt| attempt.permitted.candidate().provider.name.clone()).collect()
}

#[test]
fn the_fastest_comes_first_and_one_in_twenty_calls_begins_with_somebody_else() {
    let fast = snapshot("Latency", &["1", "1", "1"]);
    let measured = [Some(0.9), Some(0.1), Some(0.5)];

    assert_eq!(by_latency(&fast, &measured, None, &[EXPLORED]), ["p1", "p2", "p0"]);
    assert_eq!(by_latency(&fast, &measured, None, &[0.049, 0.0]), ["p0", "p1", "p2"]);
    assert_eq!(by_latency(&fast, &measured, None, &[0.049, 0.999]), ["p2", "p1", "p0"]);
}

#[test]
fn what_the_app_sorts_is_not_explored() {
    let listed = snapshot("Order", &["1", "1", "1"]);
    let measured = [Some(0.9), Some(0.1), Some(0.5)];

    assert_eq!(by_latency(&listed, &measured, Some(Sort::Latency), &[]), ["p1", "p2", "p0"]);
    assert_eq!(
        by_latency(&snapshot("Latency", &["1", "2", "3"]), &measured, Some(Sort::Price), &[]),
        ["p0", "p1", "p2"]
    );
}

#[test]
fn who_has_not_been_measured_goes_first_in_an_order_of_chance() {
    let fast = snapshot("Latency", &["1", "1", "1"]);
    let measured = [Some(0.001), None, None];

    assert_eq!(by_latency(&fast, &measured, None, &[0.5, 0.9, 0.2]), ["p2", "p1", "p0"]);
    assert_eq!(by_latency(&fast, &measured, None, &[0.5, 0.2, 0.9]), ["p1", "p2", "p0"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn health_and_chance_order_and_never_add_or_remove(
        balance in prop::sample::select(vec!["Order", "Price", "Weight"]),
        prices in prop::collection::vec(prop::sample::select(vec!["", "0", "0.5", "3", "10000"]), 1..6),
        ill in prop::collection::vec(any::<bool>(), 6),
        draws in prop::collection::vec(0.0..1.0_f64, 1..12),
    ) {
        let names: Vec<String> = (0..prices.len()).map(|at| format!("p{at}")).collect();
        let outages: Vec<&str> = names.iter().zip(&ill).filter(|(_, ill)| **ill).map(|(name, _)| name.as_str()).collect();

        let mut got = order(&snapshot(balance, &prices), &outages, &draws);

        let healthy = names.len() - outages.len();
        prop_assert!(got[..healthy].iter().all(|name| !outages.contains(&name.as_str())));
        got.sort();
        prop_assert_eq!(got, names);
    }
}
