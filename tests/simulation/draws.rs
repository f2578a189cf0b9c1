//! How calls are shared: the distribution of the plan's first candidates, over a hundred thousand draws.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Standing, Wish, plan};
use lotse_crds::preferences::Preferences;
use lotse_crds::read::read;
use lotse_crds::residency::Memo;
use lotse_tests::manifests::{object, policy};

const DRAWS: u32 = 100_000;

/// How often each of these is first, by name: price in dollars, weight.
fn first_of(balance: &str, providers: &[(&str, &str, u32)]) -> BTreeMap<String, u32> {
    let mut text = policy("lotse-system", "all", "inferenceRegions: [Worldwide]");
    for (name, dollars, _) in providers {
        let spec = format!(
            "vendor: x\napi: Simulated\nfeePercent: \"5.5\"\nconsumers: {{namespaceSelector: {{}}}}\n\
             models: [{{name: m, price: {{inputPerMillion: \"{dollars}\", outputPerMillion: \"0\"}}}}]"
        );
        text += &object("LLMProvider", "lotse-system", name, &spec);
    }
    let targets: Vec<String> = providers
        .iter()
        .map(|(name, _, weight)| format!("{{model: m, provider: {{name: {name}}}, weight: {weight}}}"))
        .collect();
    let route = format!(
        "namespaceSelector: {{}}\nmodels: [m]\ntiers: [{{balance: {balance}, targets: [{}]}}]",
        targets.join(", ")
    );
    text += &object("ModelRoute", "lotse-system", "route", &route);
    let manifests = read(&BTreeMap::from([("all.yaml".to_owned(), text)]), "lotse-system").expect("good manifests");
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    let snapshot = compile(&manifests, &workload, Timestamp::UNIX_EPOCH).snapshot;
    let (preferences, needs) = (Preferences::default(), Needs::default());
    let memo = Memo::default();
    let mut rng = fastrand::Rng::with_seed(11);
    let mut first = BTreeMap::new();
    for _ in 0..DRAWS {
        let mut moment = Moment {
            now: Timestamp::UNIX_EPOCH,
            needs: &needs,
            memo: &memo,
            sticky: None,
            standing: &|_| Standing::default(),
            chance: &mut || rng.f64(),
        };
        let wish = Wish { route: &snapshot.routes[0], preferences: &preferences };
        let plan = plan(&[wish], &snapshot.policies, &mut moment);
        let name = plan.attempts[0].permitted.candidate().provider.name.clone();
        *first.entry(name).or_default() += 1;
    }
    first
}

/// Asserts that what was drawn fits the expected shares: chi-squared, at one in a thousand.
fn fits(drawn: &BTreeMap<String, u32>, shares: &[(&str, f64)]) {
    // The 99.9th percentile of the chi-squared distribution for 1, 2 and 3 degrees of freedom.
    let critical = [10.83, 13.82, 16.27][shares.len() - 2];
    let all: f64 = shares.iter().map(|(_, share)| share).sum();
    let statistic: f64 = shares
        .iter()
        .map(|(name, share)| {
            let expected = share / all * f64::from(DRAWS);
            (f64::from(drawn.get(*name).copied().unwrap_or(0)) - expected).powi(2) / expected
        })
        .sum();
    assert!(statistic < critical, "{statistic} is not below {critical}: {drawn:?}");
}

#[test]
fn one_dollar_against_three_is_nine_to_one_within_one_per_cent() {
    let drawn = first_of("Price", &[("cheap", "1", 1), ("dear", "3", 1)]);

    fits(&drawn, &[("cheap", 9.0), ("dear", 1.0)]);
    assert!((f64::from(drawn["cheap"]) / f64::from(DRAWS) - 0.9).abs() < 0.009, "{drawn:?}");
}

#[test]
fn shares_are_the_inverse_squares_of_prices() {
    let drawn = first_of("Price", &[("a", "1", 1), ("b", "2", 1), ("c", "2.5", 1), ("d", "5", 1)]);

    fits(&drawn, &[("a", 1.0), ("b", 0.25), ("c", 0.16), ("d", 0.04)]);
}

#[test]
fn shares_are_the_weights() {
    let drawn = first_of("Weight", &[("a", "1", 1), ("b", "1", 10), ("c", "1", 100)]);

    fits(&drawn, &[("a", 1.0), ("b", 10.0), ("c", 100.0)]);
}
