//! The rules that one object alone can break, beyond what its types say. The schema and its CEL say the same to the API
//! server; `read` asks here because a folder has none, `compile` because an older schema may have let something through.

mod credential;
mod provider;

pub use provider::provider;

use crate::place::{Places, WORLDWIDE, is_country};
use crate::policy::{DataPolicySpec, OnOverdue, Staleness};
use crate::price::MaxPrice;
use crate::problem::{Problem, Problems};
use crate::route::{ModelRouteSpec, TierSpec};

/// What is wrong with a route.
pub fn route(spec: &ModelRouteSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    problems.count("spec.models", spec.models.len(), 1..=64);
    problems.unique("spec.models", spec.models.iter().map(String::as_str));
    for (at, model) in spec.models.iter().enumerate() {
        let stem = model.strip_suffix('*').unwrap_or(model);
        if model.is_empty() || model.len() > 256 || stem.contains('*') || stem.contains(char::is_whitespace) {
            problems.add(
                format!("spec.models[{at}]"),
                format!("must be a model's name, or a prefix that ends in one *, not `{model}`"),
            );
        }
    }
    if let Some(selector) = &spec.namespace_selector {
        selector.check(&mut problems, "spec.namespaceSelector");
    }
    if let Some(selector) = &spec.pod_selector {
        selector.check(&mut problems, "spec.podSelector");
    }
    problems.count("spec.tiers", spec.tiers.len(), 1..=8);
    for (at, spec) in spec.tiers.iter().enumerate() {
        tier(&mut problems, &format!("spec.tiers[{at}]"), spec);
    }
    let timeouts = &spec.timeouts;
    for (field, value, most) in [
        ("connectMilliseconds", timeouts.connect_milliseconds, 60_000),
        ("firstContentMilliseconds", timeouts.first_content_milliseconds, 3_600_000),
        ("idleMilliseconds", timeouts.idle_milliseconds, 3_600_000),
        ("totalSeconds", timeouts.total_seconds, 86_400),
    ] {
        problems.bound(&format!("spec.timeouts.{field}"), Some(i64::from(value)), 1..=most);
    }
    problems.bound("spec.attempts", spec.attempts.map(i64::from), 1..=64);
    choosing(&mut problems, spec);
    spec.defaults.check(&mut problems, "spec.defaults");
    spec.overrides.check(&mut problems, "spec.overrides");
    problems.into_vec()
}

fn choosing(problems: &mut Problems, spec: &ModelRouteSpec) {
    if spec.max_price.is_some_and(|most| most == MaxPrice::default()) {
        problems.add("spec.maxPrice", "inputPerMillion or outputPerMillion must be set");
    }
    let words: Vec<String> = spec.next_tier_on.iter().map(|error| format!("{error:?}")).collect();
    problems.unique("spec.nextTierOn", words.iter().map(String::as_str));
    problems.bound("spec.hedgeAfterMilliseconds", spec.hedge_after_milliseconds.map(i64::from), 10..=3_600_000);
    problems.bound("spec.minTokensPerSecond", spec.min_tokens_per_second.map(i64::from), 1..=10_000);
    problems.bound("spec.stickiness.idleSeconds", Some(spec.stickiness.idle_seconds.into()), 1..=86_400);
    if let Some(limits) = &spec.limits {
        limits.check(problems, "spec.limits");
    }
    if let Some(budget) = &spec.budget {
        budget.check(problems, "spec.budget");
    }
}

fn tier(problems: &mut Problems, path: &str, tier: &TierSpec) {
    problems.count(&format!("{path}.targets"), tier.targets.len(), 1..=32);
    for (at, target) in tier.targets.iter().enumerate() {
        let path = format!("{path}.targets[{at}]");
        if target.model.is_empty() || target.model.len() > 256 {
            problems.add(format!("{path}.model"), "must have from 1 to 256 characters");
        }
        problems.bound(&format!("{path}.weight"), target.weight.map(i64::from), 1..=1_000_000);
    }
}

fn staleness(problems: &mut Problems, staleness: Staleness) {
    problems.bound("spec.staleness.warnSeconds", Some(staleness.warn_seconds.into()), 15..=604_800);
    problems.bound("spec.staleness.refuseSeconds", Some(staleness.refuse_seconds.into()), 30..=604_800);
    if staleness.warn_seconds > staleness.refuse_seconds {
        problems.add("spec.staleness", "warnSeconds must be at most refuseSeconds");
    }
}

/// What is wrong with a policy. A policy with problems can't be compiled, and refuses everything.
pub fn policy(spec: &DataPolicySpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    for (field, selector) in [("namespaceSelector", &spec.namespace_selector), ("podSelector", &spec.pod_selector)] {
        if let Some(selector) = selector {
            selector.check(&mut problems, &format!("spec.{field}"));
        }
    }
    if let Some(names) = &spec.service_account_names {
        problems.count("spec.serviceAccountNames", names.len(), 1..=64);
    }
    staleness(&mut problems, spec.staleness);
    regions(&mut problems, "spec.inferenceRegions", spec.inference_regions.as_deref());
    regions(&mut problems, "spec.storageRegions", spec.storage_regions.as_deref());
    regions(&mut problems, "spec.accessRegions", spec.access_regions.as_deref());
    if let Some(jurisdictions) = &spec.jurisdictions {
        if jurisdictions.allowed.is_some() == jurisdictions.denied.is_some() {
            problems.add("spec.jurisdictions", "exactly one of allowed and denied must be set");
        }
        countries(&mut problems, "spec.jurisdictions.allowed", jurisdictions.allowed.as_deref());
        countries(&mut problems, "spec.jurisdictions.denied", jurisdictions.denied.as_deref());
        let conditional = jurisdictions.conditional.as_deref().unwrap_or_default();
        problems
            .unique("spec.jurisdictions.conditional", conditional.iter().map(|condition| condition.country.as_str()));
        for (at, condition) in conditional.iter().enumerate() {
            let path = format!("spec.jurisdictions.conditional[{at}]");
            if !is_country(&condition.country) {
                let message =
                    format!("must be the ISO 3166-1 alpha-2 code of one country, not `{}`", condition.country);
                problems.add(format!("{path}.country"), message);
            }
            problems.count(&format!("{path}.requires"), condition.requires.len(), 1..=5);
        }
    }
    problems.bound("spec.maxRetentionDays", spec.max_retention_days.map(i64::from), 0..=36_500);
    for (path, length) in [
        ("spec.transferMechanisms", spec.transfer_mechanisms.as_ref().map(Vec::len)),
        ("spec.requireCertifications", spec.require_certifications.as_ref().map(Vec::len)),
        ("spec.evidence.accept", spec.evidence.accept.as_ref().map(Vec::len)),
    ] {
        if let Some(length) = length {
            problems.count(path, length, 1..=32);
        }
    }
    countries(&mut problems, "spec.deniedSubprocessorCountries", spec.denied_subprocessor_countries.as_deref());
    let evidence = &spec.evidence;
    problems.bound("spec.evidence.maxAgeDays", evidence.max_age_days.map(i64::from), 1..=36_500);
    if evidence.on_overdue == OnOverdue::Exclude && evidence.max_age_days.is_none() {
        problems.add("spec.evidence.maxAgeDays", "must be set when onOverdue is Exclude");
    }
    if let Some(attested) = &evidence.attested_in {
        attested.namespace_selector.check(&mut problems, "spec.evidence.attestedIn.namespaceSelector");
    }
    problems.into_vec()
}

fn regions(problems: &mut Problems, path: &str, words: Option<&[String]>) {
    let Some(words) = words else { return };
    problems.count(path, words.len(), 1..=64);
    if words.iter().any(|word| word == WORLDWIDE) {
        if words.len() > 1 {
            problems.add(path, "Worldwide must stand alone");
        }
        return;
    }
    country_words(problems, path, words);
}

fn countries(problems: &mut Problems, path: &str, words: Option<&[String]>) {
    let Some(words) = words else { return };
    problems.count(path, words.len(), 1..=64);
    if words.iter().any(|word| word == WORLDWIDE) {
        problems.add(path, "must name countries; Worldwide is none");
        return;
    }
    country_words(problems, path, words);
}

fn country_words(problems: &mut Problems, path: &str, words: &[String]) {
    for word in Places::expand(words).unknown {
        let hint = if word == "UK" { " (the United Kingdom is GB)" } else { "" };
        problems.add(
            path,
            format!(
                "`{word}` is not a country that Lotse knows{hint}; must be an ISO 3166-1 alpha-2 code, EU, EEA or EFTA"
            ),
        );
    }
}
