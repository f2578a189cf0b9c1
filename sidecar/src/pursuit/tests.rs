//! Tests of pursuit: who comes next, what ends it, and what is passed over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Standing, Wish, plan};
use lotse_crds::preferences::Preferences;
use lotse_crds::read::read;
use lotse_crds::residency::Memo;
use lotse_crds::snapshot::Snapshot;

use super::*;

/// Two tiers for `m`, of two providers and of one, and a route for `other`, of one.
fn snapshot(route: &str) -> Snapshot {
    let mut objects = Vec::new();
    let mut object = |kind: &str, name: &str, spec: &str| {
        objects.push(format!(
            "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: lotse-system}}\nspec: {spec}\n"
        ));
    };
    object("DataPolicy", "open", "{inferenceRegions: [Worldwide]}");
    for name in ["a", "b", "c", "d"] {
        object(
            "LLMProvider",
            name,
            "{vendor: x, api: Simulated, consumers: {namespaceSelector: {}}, models: [{name: m}]}",
        );
    }
    let target = |name: &str| format!("{{model: m, provider: {{name: {name}}}}}");
    let tier = |names: &[&str]| {
        let targets: Vec<String> = names.iter().map(|name| target(name)).collect();
        format!("{{balance: Order, targets: [{}]}}", targets.join(", "))
    };
    let tiers = format!("[{}, {}]", tier(&["a", "b"]), tier(&["c"]));
    object("ModelRoute", "m", &format!("{{namespaceSelector: {{}}, models: [m], tiers: {tiers}{route}}}"));
    object("ModelRoute", "other", &format!("{{namespaceSelector: {{}}, models: [other], tiers: [{}]}}", tier(&["d"])));
    let files = BTreeMap::from([("all.yaml".to_owned(), objects.join("---\n"))]);
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    compile(&read(&files, "lotse-system").expect("good manifests"), &workload, Timestamp::UNIX_EPOCH).snapshot
}

/// Runs a test on a plan for these models.
fn with_plan(route: &str, models: &[&str], test: impl FnOnce(&Plan<'_>)) {
    let (snapshot, preferences) = (snapshot(route), Preferences::default());
    let wishes: Vec<Wish<'_, '_>> = models
        .iter()
        .map(|model| Wish { route: snapshot.route(model).expect("it has a route"), preferences: &preferences })
        .collect();
    let (now, needs) = (Timestamp::UNIX_EPOCH, Needs::default());
    let mut chance = || 0.5;
    let mut moment = Moment {
        now,
        needs: &needs,
        memo: &Memo::default(),
        sticky: None,
        standing: &|_| Standing::default(),
        chance: &mut chance,
    };
    test(&plan(&wishes, &snapshot.policies, &mut moment));
}

#[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
fn start() -> Instant {
    Instant::now()
}

fn name_of(step: Step<'_>) -> String {
    match step {
        Step::Try(attempt) => attempt.permitted.candidate().provider.name.clone(),
        Step::Spent => "spent".to_owned(),
        Step::Late => "late".to_owned(),
    }
}

/// Tries until it is over, with this error each time; those that were asked.
fn pursue(plan: &Plan<'_>, class: Option<ErrorClass>) -> Vec<String> {
    let now = start();
    let mut pursuit = Pursuit::new(plan, now + Duration::from_secs(1));
    let mut asked = Vec::new();
    loop {
        match pursuit.step(now) {
            Step::Try(attempt) => {
                pursuit.begins();
                asked.push(name_of(Step::Try(attempt)));
                if class.is_some_and(|class| !pursuit.goes_on(attempt, class)) {
                    return asked;
                }
            }
            Step::Spent | Step::Late => return asked,
        }
    }
}

#[test]
fn all_are_tried_in_order_and_no_more_than_the_route_says() {
    with_plan("", &["m"], |plan| assert_eq!(pursue(plan, None), ["a", "b", "c"]));
    with_plan(", attempts: 2", &["m"], |plan| assert_eq!(pursue(plan, None), ["a", "b"]));
}

#[test]
fn a_candidate_that_can_not_be_asked_is_no_attempt() {
    with_plan(", attempts: 1", &["m"], |plan| {
        let now = start();
        let mut pursuit = Pursuit::new(plan, now + Duration::from_secs(1));

        assert_eq!(name_of(pursuit.step(now)), "a");
        assert_eq!(name_of(pursuit.step(now)), "b");
        assert!(pursuit.is_first());
        pursuit.begins();
        assert_eq!(name_of(pursuit.step(now)), "spent");
    });
}

#[test]
fn nothing_is_tried_when_the_time_is_over() {
    with_plan("", &["m"], |plan| {
        let now = start();
        let mut pursuit = Pursuit::new(plan, now + Duration::from_secs(1));

        assert_eq!(name_of(pursuit.step(now + Duration::from_secs(1))), "late");
    });
}

#[test]
fn the_callers_fault_ends_it_unless_the_route_gives_the_next_tier_a_chance() {
    for class in [ErrorClass::Caller, ErrorClass::ContextLength, ErrorClass::ContentFilter, ErrorClass::Unsupported] {
        with_plan("", &["m"], |plan| assert_eq!(pursue(plan, Some(class)), ["a"]));
    }
    with_plan(", nextTierOn: [ContextLength]", &["m"], |plan| {
        assert_eq!(pursue(plan, Some(ErrorClass::ContextLength)), ["a", "c"]);
        assert_eq!(pursue(plan, Some(ErrorClass::ContentFilter)), ["a"]);
        assert_eq!(pursue(plan, Some(ErrorClass::Caller)), ["a"]);
    });
}

#[test]
fn the_apps_own_list_of_models_gives_the_next_model_a_chance_whatever_the_error() {
    for class in [ErrorClass::Caller, ErrorClass::ContextLength] {
        with_plan("", &["m", "other"], |plan| assert_eq!(pursue(plan, Some(class)), ["a", "d"]));
    }
    with_plan(", attempts: 1", &["m", "other"], |plan| {
        assert_eq!(pursue(plan, Some(ErrorClass::ContextLength)), ["a"]);
    });
}
