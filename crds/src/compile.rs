//! What the manifests mean for one workload: its snapshot, the keys it needs, and findings about the objects.
//!
//! Pure and infallible: a bad object is left out and leaves a finding, a bad policy refuses what it might select, and
//! nothing stops anything else. Called by the sidecar's folder mode, by `explain` and by the operator.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::check;
use crate::finding::{Finding, Kind, Severity};
use crate::limits::Limits;
use crate::manifests::Manifests;
use crate::name::{ModelPattern, ObjectName, Workload};
use crate::policy::{DataPolicySpec, Enforcement};
use crate::price::{MaxPrice, Price};
use crate::problem::Problem;
use crate::residency::{self, utc_day};
use crate::route::{ModelRouteSpec, TierSpec};
use crate::secret::Secret;
use crate::selector::absent_or_matches;
use crate::snapshot::{KeyName, Keys, Reason, Refused, Route, Snapshot, Tier};

mod candidate;
mod endpoint;
mod resolved;
mod server;

pub(crate) use endpoint::endpoint_problems;
pub(crate) use resolved::Resolved;

use candidate::{Offer, Targets};

/// What the manifests mean for one workload.
#[derive(Debug)]
pub struct Compiled {
    /// What its sidecar obeys.
    pub snapshot: Snapshot,
    /// The values that the snapshot names: only those that it needs.
    pub keys: Keys,
    /// What there is to say about the objects that concern it, worst first.
    pub findings: Vec<Finding>,
}

/// What `manifests` mean for `workload` at `now`.
pub fn compile(manifests: &Manifests, workload: &Workload, now: Timestamp) -> Compiled {
    let mut findings = Vec::new();
    let (policies, audits) = governing(manifests, workload, &mut findings);
    if !policies.iter().any(|limits| limits.opens) {
        warn_of_closed_door(manifests, &policies, &mut findings);
    }
    let mut assembly = Assembly {
        targets: Targets::new(manifests, workload, &mut findings),
        policies: &policies,
        now,
        findings,
        next_ordinal: 0,
        keys: Keys::new(),
    };
    let routes = winners(manifests, workload, &mut assembly.findings)
        .into_iter()
        .map(|(name, models)| assembly.route(name, models, &manifests.routes[name].spec))
        .collect();
    let Assembly { mut findings, keys, .. } = assembly;
    findings.sort();
    findings.dedup();
    let snapshot = Snapshot { workload: manifests.as_selected(workload), policies, audits, routes };
    Compiled { snapshot, keys, findings }
}

/// The policies that select the workload: those that refuse, and those that only count.
fn governing(manifests: &Manifests, workload: &Workload, findings: &mut Vec<Finding>) -> (Vec<Limits>, Vec<Limits>) {
    let (mut policies, mut audits) = (Vec::new(), Vec::new());
    let might_select =
        |name: &ObjectName| name.namespace == manifests.root_namespace || name.namespace == workload.namespace;
    for (name, why) in manifests.unreadable_policies.iter().filter(|(name, _)| might_select(name)) {
        policies.push(refuse_all(name, why.clone(), findings));
    }
    for (name, spec) in manifests.policies.iter().filter(|(name, _)| might_select(name)) {
        let problems = policy_problems(manifests, name, spec);
        if !selects(manifests, (name, spec), &problems, workload) {
            continue;
        }
        if problems.is_empty() {
            let limits = Limits::new(name.clone(), spec, &manifests.root_namespace, attested_in(manifests, name, spec));
            match spec.enforcement {
                Enforcement::Enforce => policies.push(limits),
                Enforcement::Audit => audits.push(limits),
            }
            continue;
        }
        let why = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
        policies.push(refuse_all(name, why, findings));
    }
    (policies, audits)
}

/// A policy that can't be understood, and the finding that says so.
fn refuse_all(name: &ObjectName, why: String, findings: &mut Vec<Finding>) -> Limits {
    findings.push(Finding {
        severity: Severity::Error,
        kind: Kind::DataPolicy,
        object: name.clone(),
        code: "PolicyInvalid",
        message: why.clone(),
    });
    Limits::invalid(name.clone(), why)
}

fn policy_problems(manifests: &Manifests, name: &ObjectName, spec: &DataPolicySpec) -> Vec<Problem> {
    let mut problems = check::policy(spec);
    if spec.namespace_selector.is_some() && name.namespace != manifests.root_namespace {
        problems.push(Problem {
            path: "spec.namespaceSelector".to_owned(),
            message: format!(
                "may only be set in the root namespace {}; elsewhere a policy governs its own namespace",
                manifests.root_namespace
            ),
        });
    }
    problems
}

/// Whether a policy selects the workload. A selector with a problem selects all that it might.
fn selects(
    manifests: &Manifests,
    (name, spec): (&ObjectName, &DataPolicySpec),
    problems: &[Problem],
    workload: &Workload,
) -> bool {
    let is_broken = |field: &str| problems.iter().any(|problem| problem.path.starts_with(field));
    let is_root = name.namespace == manifests.root_namespace;
    let namespace = if is_root {
        let labels = manifests.namespace_labels(&workload.namespace);
        is_broken("spec.namespaceSelector") || absent_or_matches(spec.namespace_selector.as_ref(), &labels)
    } else {
        name.namespace == workload.namespace
    };
    let account = is_broken("spec.serviceAccountNames")
        || spec.service_account_names.as_ref().is_none_or(|names| names.contains(&workload.service_account));
    let pod = is_broken("spec.podSelector") || absent_or_matches(spec.pod_selector.as_ref(), &workload.labels);
    namespace && account && pod
}

/// The namespaces whose providers a policy believes.
fn attested_in(manifests: &Manifests, name: &ObjectName, spec: &DataPolicySpec) -> BTreeSet<String> {
    match &spec.evidence.attested_in {
        None => BTreeSet::from([manifests.root_namespace.clone(), name.namespace.clone()]),
        Some(attested) => {
            let homes: BTreeSet<&String> = manifests.providers.keys().map(|name| &name.namespace).collect();
            homes
                .into_iter()
                .filter(|home| attested.namespace_selector.matches(&manifests.namespace_labels(home)))
                .cloned()
                .collect()
        }
    }
}

/// Says which policy would have opened the door, had it set regions or enforced.
fn warn_of_closed_door(manifests: &Manifests, policies: &[Limits], findings: &mut Vec<Finding>) {
    let mut say = |object: &ObjectName, message: &str| {
        findings.push(Finding {
            severity: Severity::Warning,
            kind: Kind::DataPolicy,
            object: object.clone(),
            code: "NoDataPolicy",
            message: message.to_owned(),
        });
    };
    for limits in policies.iter().filter(|limits| limits.invalid.is_none()) {
        if limits.policy.namespace == manifests.root_namespace {
            say(&limits.policy, "it sets no inferenceRegions, so it allows nothing; set them, or [Worldwide]");
        }
    }
    for (name, spec) in &manifests.policies {
        if spec.enforcement == Enforcement::Audit && name.namespace == manifests.root_namespace {
            say(name, "its enforcement is Audit, which allows nothing; another policy must enforce");
        }
    }
}

/// The routes that answer the workload, and the model names that each has won.
fn winners<'a>(
    manifests: &'a Manifests,
    workload: &Workload,
    findings: &mut Vec<Finding>,
) -> BTreeMap<&'a ObjectName, Vec<ModelPattern>> {
    let mut claims: BTreeMap<ModelPattern, Vec<&ObjectName>> = BTreeMap::new();
    for (name, route) in &manifests.routes {
        let mut problems = check::route(&route.spec);
        let is_root = name.namespace == manifests.root_namespace;
        if route.spec.namespace_selector.is_some() && !is_root {
            problems.push(Problem {
                path: "spec.namespaceSelector".to_owned(),
                message: format!("may only be set in the root namespace {}", manifests.root_namespace),
            });
        }
        if let Some(finding) = invalid(Kind::ModelRoute, name, &problems) {
            findings.push(finding);
            continue;
        }
        let selected = match &route.spec.namespace_selector {
            Some(selector) => selector.matches(&manifests.namespace_labels(&workload.namespace)),
            None => name.namespace == workload.namespace,
        };
        if selected && absent_or_matches(route.spec.pod_selector.as_ref(), &workload.labels) {
            for model in &route.spec.models {
                claims.entry(ModelPattern(model.clone())).or_default().push(name);
            }
        }
    }
    let mut won: BTreeMap<&ObjectName, Vec<ModelPattern>> = BTreeMap::new();
    for (pattern, mut names) in claims {
        // A namespace's own before the root's, then the older, then by name.
        names.sort_by_key(|name| {
            let created = manifests.routes[*name].created;
            (name.namespace != workload.namespace, created.is_none(), created, *name)
        });
        let (winner, losers) = names.split_first().expect("a claim has at least one route");
        for loser in losers.iter().filter(|loser| loser.namespace == winner.namespace) {
            findings.push(Finding {
                severity: Severity::Error,
                kind: Kind::ModelRoute,
                object: (*loser).clone(),
                code: "Conflicted",
                message: format!("model `{}` is already answered by {winner}", pattern.0),
            });
        }
        won.entry(winner).or_default().push(pattern);
    }
    won
}

pub(crate) fn invalid(kind: Kind, object: &ObjectName, problems: &[Problem]) -> Option<Finding> {
    if problems.is_empty() {
        return None;
    }
    let message = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
    Some(Finding { severity: Severity::Error, kind, object: object.clone(), code: "Invalid", message })
}

/// Puts a snapshot's routes together.
struct Assembly<'a> {
    targets: Targets<'a>,
    policies: &'a [Limits],
    now: Timestamp,
    findings: Vec<Finding>,
    next_ordinal: usize,
    keys: Keys,
}

impl Assembly<'_> {
    fn route(&mut self, name: &ObjectName, models: Vec<ModelPattern>, spec: &ModelRouteSpec) -> Route {
        let mut tiers = Vec::with_capacity(spec.tiers.len());
        let mut seen = BTreeSet::new();
        for tier in &spec.tiers {
            let tier = self.tier((name, spec), tier, &mut seen);
            tiers.push(tier);
        }
        if tiers.iter().all(|tier| tier.candidates.is_empty()) {
            self.say(
                name,
                "NoEligibleProvider",
                "no target is left; each one's reasons are with the target".to_owned(),
            );
        }
        Route {
            name: name.clone(),
            models,
            tiers,
            timeouts: spec.timeouts.clone(),
            attempts: spec.attempts.and_then(|most| usize::try_from(most).ok()),
            next_tier_on: spec.next_tier_on.clone(),
            hedge_after_milliseconds: spec.hedge_after_milliseconds,
            min_tokens_per_second: spec.min_tokens_per_second,
            limits: spec.limits,
            budget: spec.budget,
            request_preferences: spec.request_preferences,
            stickiness: spec.stickiness,
            defaults: spec.defaults.clone(),
            overrides: spec.overrides.clone(),
            unsupported_fields: spec.unsupported_fields,
        }
    }

    /// One tier. A target that stands in an earlier one, among `seen`, is not there again: never twice to the same.
    fn tier(
        &mut self,
        (route, whole): (&ObjectName, &ModelRouteSpec),
        spec: &TierSpec,
        seen: &mut BTreeSet<(ObjectName, String)>,
    ) -> Tier {
        let mut tier = Tier { balance: spec.balance, candidates: Vec::new(), refused: Vec::new() };
        for target in &spec.targets {
            let offers = self.targets.offers(route, target);
            if offers.is_empty() {
                let message = format!("no provider that this namespace may use serves model `{}`", target.model);
                self.say(route, "NoProviderServesModel", message);
            }
            for offer in offers {
                match offer {
                    Offer::Refused(refused) => self.refuse(route, &mut tier, refused),
                    Offer::Candidate { mut candidate, keys } => {
                        if !seen.insert((candidate.provider.clone(), candidate.model.clone())) {
                            continue;
                        }
                        self.warn(&candidate.provider, &candidate.facts);
                        let mut reasons = residency::objections(self.policies, &candidate.facts, utc_day(self.now));
                        reasons.extend(whole.max_price.and_then(|most| too_dear(candidate.price.as_ref(), &most)));
                        if reasons.is_empty() {
                            candidate.ordinal = self.next_ordinal;
                            self.next_ordinal += 1;
                            self.keys.extend(keys);
                            tier.candidates.push(*candidate);
                        } else {
                            let refused = Refused { provider: candidate.provider, model: candidate.model, reasons };
                            tier.refused.push(refused);
                        }
                    }
                }
            }
        }
        tier
    }

    fn refuse(&mut self, route: &ObjectName, tier: &mut Tier, refused: Refused) {
        for reason in &refused.reasons {
            let code = match reason.code.as_str() {
                "consumer_not_allowed" => "RefNotPermitted",
                "provider_not_found" => "ProviderNotFound",
                "model_not_served" => "ModelNotServed",
                _ => continue,
            };
            self.say(route, code, format!("{}: {}", refused.provider, reason.message));
        }
        tier.refused.push(refused);
    }

    fn warn(&mut self, provider: &ObjectName, facts: &crate::facts::Facts) {
        for (policy, warning) in residency::warnings(self.policies, facts, self.now) {
            self.findings.push(Finding {
                severity: Severity::Warning,
                kind: Kind::LLMProvider,
                object: provider.clone(),
                code: warning.code(),
                message: format!("{warning} (policy {policy})"),
            });
        }
    }

    fn say(&mut self, route: &ObjectName, code: &'static str, message: String) {
        self.findings.push(Finding {
            severity: Severity::Error,
            kind: Kind::ModelRoute,
            object: route.clone(),
            code,
            message,
        });
    }
}

/// Whether a price is above what the route pays. What has no price may cost anything.
fn too_dear(price: Option<&Price>, most: &MaxPrice) -> Option<Reason> {
    let message = match price {
        None => "it has no price, and the ModelRoute has a maxPrice; set models[].price of the LLMProvider",
        Some(price) if !price.is_within(most) => "it is dearer than the ModelRoute's maxPrice, fees included",
        Some(_) => return None,
    };
    Some(Reason { code: "max_price".to_owned(), message: message.to_owned(), policy: None })
}

/// A candidate's keys, by name.
type CandidateKeys = Vec<(KeyName, Secret)>;

#[cfg(test)]
mod tests;
