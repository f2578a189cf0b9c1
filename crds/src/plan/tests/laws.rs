//! Laws of the plan, for any world, call and state: who is tried is permitted, is tried once, and everybody else has a
//! reason; what is only known of candidates (health, speed, sessions, chance) orders them and adds or leaves out nobody.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::body::scan;
use crate::preferences::Asked;
use crate::provider::Ability;
use crate::residency::permit;
use crate::wire::Operation;

/// How many providers a world has.
const PROVIDERS: usize = 6;
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// What a world's manifests say: a provider for each entry, and two routes of tiers.
#[derive(Clone, Debug)]
struct Declared {
    /// For each provider: its price, what it says of its model, and where it answers.
    providers: Vec<(&'static str, &'static str, &'static str)>,
    /// For each route: its tiers, each with its balance and its providers.
    routes: [Vec<(&'static str, Vec<usize>)>; 2],
    /// What the policy allows.
    regions: &'static str,
}

fn any_declared() -> impl Strategy<Value = Declared> {
    let price = prop::sample::select(vec!["", "0", "0.5", "3", "10000"]);
    let says = prop::sample::select(vec![
        "",
        ", supports: [Tools]",
        ", supports: [Vision], quantization: FP8",
        ", contextTokens: 100, quantization: BF16",
        ", contextTokens: 1000, maxOutputTokens: 50, supports: [Tools, Vision]",
    ]);
    let place = prop::sample::select(vec!["FR", "DE", "US"]);
    let balance = prop::sample::select(vec!["Price", "Order", "Weight", "Latency", "Throughput"]);
    let route = || prop::collection::vec((balance.clone(), prop::collection::vec(0..PROVIDERS, 1..5)), 1..4);
    (
        prop::collection::vec((price, says, place), PROVIDERS),
        [route(), route()],
        prop::sample::select(vec!["Worldwide", "EU", "FR", "US", "CH"]),
    )
        .prop_map(|(providers, routes, regions)| Declared { providers, routes, regions })
}

impl Declared {
    fn snapshot(&self) -> Snapshot {
        let object = |kind: &str, name: &str, spec: &str| {
            format!(
                "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: lotse-system}}\nspec: {spec}\n---\n"
            )
        };
        let mut text = object("DataPolicy", "policy", &format!("{{inferenceRegions: [{}]}}", self.regions));
        for (at, (price, says, place)) in self.providers.iter().enumerate() {
            let price = if price.is_empty() {
                String::new()
            } else {
                format!(", price: {{inputPerMillion: \"{price}\", outputPerMillion: \"0\"}}")
            };
            let promise = format!("{{regions: [{place}], evidence: [e]}}");
            text += &object(
                "LLMProvider",
                &format!("p{at}"),
                &format!(
                    "{{vendor: x, api: Simulated, consumers: {{namespaceSelector: {{}}}}, models: [{{name: m{price}{says}}}],
                     evidence: [{{name: e, kind: Contractual, source: s}}],
                     promises: {{inference: {promise}, storage: {promise}, access: {promise}}}}}"
                ),
            );
        }
        for (name, tiers) in ["m", "n"].into_iter().zip(&self.routes) {
            let tiers: Vec<String> = tiers.iter().map(|(balance, providers)| tier(balance, providers)).collect();
            let spec = format!("{{namespaceSelector: {{}}, models: [{name}], tiers: [{}]}}", tiers.join(", "));
            text += &object("ModelRoute", name, &spec);
        }
        let files = BTreeMap::from([("all.yaml".to_owned(), text)]);
        let workload =
            Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
        compile(&read(&files, "lotse-system").expect("good manifests"), &workload, NOW).snapshot
    }
}

fn tier(balance: &str, providers: &[usize]) -> String {
    let target = |provider: &usize| format!("{{model: m, provider: {{name: p{provider}}}}}");
    let targets: Vec<String> = providers.iter().map(target).collect();
    format!("{{balance: {balance}, targets: [{}]}}", targets.join(", "))
}

/// What an app says, more often than not without a contradiction.
fn any_preferences() -> impl Strategy<Value = Preferences> {
    let names = || {
        let name = (0..PROVIDERS).prop_map(|at| format!("p{at}"));
        prop::option::weighted(0.3, prop::collection::btree_set(name, 1..4))
    };
    let sort = prop::sample::select(vec![
        Value::Null,
        json!("price"),
        json!("latency"),
        json!({"by": "throughput"}),
        json!({"by": "price", "partition": "none"}),
        json!({"by": "latency", "partition": "none"}),
    ]);
    (
        (names(), names(), names(), any::<bool>(), any::<bool>()),
        sort,
        prop::option::weighted(0.2, 0.0..4.0),
        prop::option::weighted(0.2, prop::sample::select(vec!["eu", "fr", "us"])),
        prop::option::weighted(0.2, prop::sample::select(vec!["fp8", "bf16", "unknown"])),
        (prop::option::of(0.0..2.0), prop::option::of(0.0..200.0)),
    )
        .prop_filter_map(
            "a contradiction",
            |((order, only, ignore, falls_back, requires), sort, most, place, kept, (latency, throughput))| {
                let body = json!({"provider": {
                    "order": order, "only": only, "ignore": ignore, "allow_fallbacks": falls_back,
                    "require_parameters": requires, "sort": sort, "max_price": {"prompt": most},
                    "data_residency": place, "quantizations": kept.map(|kept| [kept]),
                    "preferred_max_latency": latency, "preferred_min_throughput": throughput,
                }});
                let bytes = serde_json::to_vec(&body).expect("it is JSON");
                let asked = Asked { operation: Operation::ChatCompletions, session_id: None, metadata: None };
                Preferences::read(&bytes, &scan(&bytes).expect("it can be scanned"), asked).ok()
            },
        )
}

fn any_needs() -> impl Strategy<Value = Needs> {
    let ability = prop::sample::select(vec![Ability::Tools, Ability::Vision]);
    (
        prop::collection::btree_set(ability, 0..3),
        prop::sample::select(vec![0, 0, 90, 500, 5000]),
        prop::option::of(prop::sample::select(vec![10, 60])),
    )
        .prop_map(|(abilities, least_prompt_tokens, output_tokens)| Needs {
            abilities,
            least_prompt_tokens,
            output_tokens,
        })
}

/// What is known of the candidates, which no law of permission may lean on.
#[derive(Clone, Debug)]
struct Known {
    standing: Vec<Standing>,
    sticky: Option<usize>,
    draws: Vec<f64>,
}

fn any_known() -> impl Strategy<Value = Known> {
    let health = prop::sample::select(vec![Health::Well, Health::Well, Health::Outage, Health::Limited]);
    let figure =
        |most: f64| prop::option::of(0.0..most).prop_map(|p50| Percentiles { p50, p90: p50, ..Percentiles::default() });
    let standing = (health, figure(3.0), figure(300.0)).prop_map(|(health, latency, throughput)| Standing {
        health,
        latency,
        throughput,
    });
    (
        prop::collection::vec(standing, PROVIDERS),
        prop::option::of(0..PROVIDERS),
        prop::collection::vec(0.0..1.0_f64, 1..12),
    )
        .prop_map(|(standing, sticky, draws)| Known { standing, sticky, draws })
}

impl Known {
    /// The standing of a candidate, which is the same wherever its provider stands.
    fn of(&self, candidate: &Candidate) -> Standing {
        let at: usize = candidate.provider.name[1..].parse().expect("a number");
        self.standing[at]
    }
}

/// Plans a call for both routes.
fn planned<'a>(snapshot: &'a Snapshot, preferences: [&Preferences; 2], needs: &Needs, known: &Known) -> Plan<'a> {
    let mut draws = known.draws.iter().copied().cycle();
    let mut chance = || draws.next().unwrap_or(0.5);
    let standing = |candidate: &Candidate| known.of(candidate);
    let sticky = known.sticky.map(|at| ObjectName::new("lotse-system", format!("p{at}")));
    let mut moment = Moment {
        now: NOW,
        needs,
        memo: &Memo::default(),
        sticky: sticky.as_ref().map(|name| (name, "m")),
        standing: &standing,
        chance: &mut chance,
    };
    let route = |name: &str| snapshot.exact(name).expect("it is declared");
    let wishes = [("m", preferences[0]), ("n", preferences[1])]
        .map(|(name, preferences)| Wish { route: route(name), preferences });
    plan(&wishes, &snapshot.policies, &mut moment)
}

fn ordinals(plan: &Plan<'_>) -> Vec<usize> {
    plan.attempts.iter().map(|attempt| attempt.permitted.candidate().ordinal).collect()
}

fn set(plan: &Plan<'_>) -> BTreeSet<usize> {
    ordinals(plan).into_iter().collect()
}

/// Whether all models are sorted together.
fn is_across(preferences: &Preferences) -> bool {
    preferences.across_models && preferences.sort.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn who_is_tried_is_permitted_and_tried_once_and_everybody_else_has_a_reason(
        declared in any_declared(), said in any_preferences(), needs in any_needs(), known in any_known(),
    ) {
        let snapshot = declared.snapshot();
        let plan = planned(&snapshot, [&said, &said], &needs, &known);
        let tried = ordinals(&plan);

        let permitted: BTreeSet<usize> = snapshot
            .candidates()
            .filter(|candidate| permit(&snapshot.policies, candidate, utc_day(NOW)).is_ok())
            .map(|candidate| candidate.ordinal)
            .collect();
        prop_assert_eq!(plan.permitted, permitted.len());
        prop_assert!(set(&plan).is_subset(&permitted));
        prop_assert_eq!(set(&plan).len(), tried.len(), "nobody twice");
        for attempt in &plan.attempts {
            let own = &attempt.route.tiers[attempt.tier - 1].candidates;
            prop_assert!(own.iter().any(|candidate| std::ptr::eq(candidate, attempt.permitted.candidate())));
            prop_assert_eq!(attempt.route.name.name.as_str(), ["m", "n"][attempt.stage]);
        }
        prop_assert!(plan.refused.iter().all(|refusal| !refusal.reasons.is_empty()));
        let out: usize = snapshot.routes.iter().flat_map(|route| &route.tiers).map(|tier| tier.refused.len()).sum();
        let all = snapshot.candidates().count() + out;
        prop_assert_eq!(tried.len() + plan.refused.len(), all);
        if !said.allow_fallbacks && said.order.is_empty() {
            for stage in 0..2 {
                prop_assert!(plan.attempts.iter().filter(|attempt| attempt.stage == stage).count() <= 1);
            }
        }
    }

    #[test]
    fn what_is_known_of_candidates_adds_nobody_and_leaves_out_nobody(
        declared in any_declared(), said in any_preferences(), needs in any_needs(),
        known in any_known(), other in any_known(),
    ) {
        let snapshot = declared.snapshot();
        let said = Preferences { allow_fallbacks: said.allow_fallbacks || said.order.is_empty(), ..said };

        let one = planned(&snapshot, [&said, &said], &needs, &known);
        let another = planned(&snapshot, [&said, &said], &needs, &other);

        prop_assert_eq!(set(&one), set(&another));
        prop_assert_eq!(one.refused.len(), another.refused.len());
    }

    #[test]
    fn what_an_app_says_and_a_call_needs_only_take_away(
        declared in any_declared(), said in any_preferences(), needs in any_needs(), known in any_known(),
    ) {
        let snapshot = declared.snapshot();
        let nothing = Preferences::default();

        let all = planned(&snapshot, [&nothing, &nothing], &Needs::default(), &known);
        let some = planned(&snapshot, [&said, &said], &needs, &known);
        let one = planned(&snapshot, [&said, &nothing], &Needs::default(), &known);

        prop_assert_eq!(all.attempts.len(), all.permitted);
        prop_assert!(set(&some).is_subset(&set(&all)));
        prop_assert!(set(&one).is_subset(&set(&all)));
        for attempt in &some.attempts {
            let candidate = attempt.permitted.candidate();
            prop_assert!(said.only.as_ref().is_none_or(|only| only.iter().any(|word| word.names(candidate))));
            prop_assert!(!said.ignore.iter().any(|word| word.names(candidate)));
            prop_assert!(!said.is_closed() || said.position(candidate).is_some());
        }
    }

    #[test]
    fn models_tiers_health_and_the_apps_order_come_before_chance(
        declared in any_declared(), said in any_preferences(), needs in any_needs(), known in any_known(),
    ) {
        let snapshot = declared.snapshot();
        let plan = planned(&snapshot, [&said, &said], &needs, &known);

        let key = |attempt: &Attempt<'_>| {
            let candidate = attempt.permitted.candidate();
            let stage = if is_across(&said) { 0 } else { attempt.stage };
            let position = if said.order.is_empty() { 0 } else { said.position(candidate).unwrap_or(usize::MAX) };
            (stage, attempt.tier, known.of(candidate).health, position)
        };
        prop_assert!(plan.attempts.windows(2).all(|pair| key(&pair[0]) <= key(&pair[1])));
    }

    #[test]
    fn a_sort_by_price_holds_among_equals(
        declared in any_declared(), across in any::<bool>(), known in any_known(),
    ) {
        let snapshot = declared.snapshot();
        let said = Preferences { sort: Some(Sort::Price), across_models: across, ..Preferences::default() };
        let known = Known { sticky: None, ..known };
        let plan = planned(&snapshot, [&said, &said], &Needs::default(), &known);

        for pair in plan.attempts.windows(2) {
            let group = |attempt: &Attempt<'_>| {
                (if across { 0 } else { attempt.stage }, attempt.tier, known.of(attempt.permitted.candidate()).health)
            };
            let price = |attempt: &Attempt<'_>| {
                attempt.permitted.candidate().price.as_ref().map_or(f64::INFINITY, crate::price::Price::sum)
            };
            prop_assert!(group(&pair[0]) != group(&pair[1]) || price(&pair[0]) <= price(&pair[1]));
        }
    }

    #[test]
    fn a_model_that_is_sorted_alone_keeps_its_place_beside_those_that_are_sorted_together(
        declared in any_declared(), known in any_known(), is_first_alone in any::<bool>(),
    ) {
        let snapshot = declared.snapshot();
        let alone = Preferences::default();
        let together = Preferences { sort: Some(Sort::Price), across_models: true, ..Preferences::default() };
        let said = if is_first_alone { [&alone, &together] } else { [&together, &alone] };

        let plan = planned(&snapshot, said, &Needs::default(), &known);

        prop_assert!(plan.attempts.is_sorted_by_key(|attempt| attempt.stage));
    }
}
