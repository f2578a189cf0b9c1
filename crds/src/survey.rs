//! What there is to say about manifests as a whole, whoever calls: for `lotse analyze`, and for the status of objects that
//! no pod needs yet.
//!
//! Most of it is what [`compile()`] finds for the workloads that the manifests speak of. Besides that: credentials that are
//! not there, and what will strand in days to come.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::compile::{Resolved, compile};
use crate::finding::{Finding, Kind, Severity};
use crate::manifests::Manifests;
use crate::name::{Labels, ObjectName, Workload};
use crate::provider::{Credential, LLMProviderSpec, SecretKeyRef, SecretRef};
use crate::residency::{objections, utc_day};
use crate::selector::LabelSelector;
use crate::snapshot::{Route, Snapshot};

/// How many days ahead are looked at.
pub const DAYS_AHEAD: i64 = 30;

/// Everything there is to say, worst first.
pub fn survey(manifests: &Manifests, now: Timestamp) -> Vec<Finding> {
    let mut findings = credentials(manifests);
    for workload in workloads(manifests) {
        let compiled = compile(manifests, &workload, now);
        findings.extend(compiled.findings);
        findings.extend(stranding(&compiled.snapshot, now).iter().flat_map(Stranding::findings));
    }
    findings.sort();
    findings.dedup();
    findings
}

/// The workloads that the manifests speak of: for each namespace that has a route, a policy or the label of injection,
/// one without labels, and one for each podSelector that may select there.
pub fn workloads(manifests: &Manifests) -> Vec<Workload> {
    let routes = manifests.routes.iter().map(|(name, route)| (name, route.spec.pod_selector.as_ref()));
    let policies = manifests.policies.iter().map(|(name, policy)| (name, policy.pod_selector.as_ref()));
    let selectors: Vec<(&ObjectName, Option<&LabelSelector>)> = routes.chain(policies).collect();
    let enabled = manifests.namespaces.iter().filter(|(_, labels)| is_enabled(labels)).map(|(name, _)| name.clone());
    let mut namespaces: BTreeSet<String> = selectors.iter().map(|(name, _)| name.namespace.clone()).collect();
    // Nobody calls from the root namespace; it is looked at only when there is nothing else to look at.
    namespaces.extend(enabled);
    if namespaces.len() > 1 {
        namespaces.remove(&manifests.root_namespace);
    }
    let mut workloads = Vec::new();
    for namespace in namespaces {
        let here = selectors
            .iter()
            .filter(|(name, _)| name.namespace == namespace || name.namespace == manifests.root_namespace);
        let labels: BTreeSet<Labels> =
            here.filter_map(|(_, selector)| *selector).map(|selector| selector.match_labels.clone()).collect();
        for labels in labels.into_iter().chain([Labels::new()]).collect::<BTreeSet<_>>() {
            workloads.push(Workload { namespace: namespace.clone(), service_account: "default".to_owned(), labels });
        }
    }
    workloads
}

fn is_enabled(labels: &Labels) -> bool {
    labels.get("lotse.dev/inject").is_some_and(|value| value == "enabled")
}

/// The Secrets that providers refer to and that are not there, or are of no use.
pub fn credentials(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, spec) in &manifests.providers {
        let exchange = Resolved::new(manifests, name, spec).ok().and_then(|resolved| resolved.exchange());
        let mut say = |code, message| {
            let (severity, kind, object) = (Severity::Error, Kind::LLMProvider, name.clone());
            findings.push(Finding { severity, kind, object, code, message });
        };
        for reference in secret_refs(spec) {
            let SecretKeyRef { name: secret, key } = &reference;
            let Some(value) = manifests.secret(&name.namespace, &reference) else {
                let message =
                    format!("Secret {}/{secret} has no key `{key}`, or can't be read; make it there", name.namespace);
                say("CredentialsNotFound", message);
                continue;
            };
            let refusal = exchange.as_ref().and_then(|exchange| exchange.kind.refusal(&reference, value));
            if let Some(why) = refusal {
                say("CredentialInvalid", format!("Secret {}/{secret}: {why}", name.namespace));
            }
        }
    }
    findings
}

/// The Secrets that a provider refers to.
pub fn secret_refs(spec: &LLMProviderSpec) -> Vec<SecretKeyRef> {
    let credential = spec.credential.iter().flat_map(Credential::secret_refs);
    let headers = spec.headers.iter().filter_map(|header| header.secret_ref.as_ref());
    let proxy = spec.egress_proxy.iter().filter_map(|proxy| proxy.credential.as_ref());
    let certificate = spec.tls.iter().filter_map(|tls| tls.client_certificate_ref.as_ref());
    let refs = credential.chain(headers).chain(proxy.map(|credential| &credential.secret_ref)).cloned();
    refs.chain(certificate.flat_map(SecretRef::tls_keys)).collect()
}

/// A route that will have nobody left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stranding {
    /// The route.
    pub route: ObjectName,
    /// Whose calls will be refused: the namespace and the service account.
    pub workload: String,
    /// From this day on, 00:00 UTC.
    pub day: Date,
    /// The policies that will refuse.
    pub policies: BTreeSet<ObjectName>,
    /// Why, for each that is left today.
    pub why: String,
}

/// The routes of a snapshot that somebody may answer today and nobody will within [`DAYS_AHEAD`] days, if nothing changes.
pub fn stranding(snapshot: &Snapshot, now: Timestamp) -> Vec<Stranding> {
    snapshot.routes.iter().filter_map(|route| first_day(snapshot, route, now)).collect()
}

fn first_day(snapshot: &Snapshot, route: &Route, now: Timestamp) -> Option<Stranding> {
    let is_refused = |at: Timestamp| {
        let mut candidates = route.tiers.iter().flat_map(|tier| &tier.candidates).peekable();
        candidates.peek().is_some()
            && candidates.all(|candidate| !objections(&snapshot.policies, &candidate.facts, utc_day(at)).is_empty())
    };
    if is_refused(now) {
        return None;
    }
    let (day, at) = days(now).find(|(_, at)| is_refused(*at))?;
    let mut policies = BTreeSet::new();
    let mut why = Vec::new();
    for candidate in route.tiers.iter().flat_map(|tier| &tier.candidates) {
        for reason in objections(&snapshot.policies, &candidate.facts, utc_day(at)) {
            why.push(format!("{}: {}", candidate.provider, reason.message));
            policies.extend(reason.policy);
        }
    }
    why.dedup();
    let workload = format!("{}/{}", snapshot.workload.namespace, snapshot.workload.service_account);
    Some(Stranding { route: route.name.clone(), workload, day, policies, why: why.join("; ") })
}

fn days(now: Timestamp) -> impl Iterator<Item = (Date, Timestamp)> {
    let today = utc_day(now);
    (1..=DAYS_AHEAD).filter_map(move |ahead| {
        let day = today.checked_add(ahead.days()).ok()?;
        Some((day, day.to_zoned(TimeZone::UTC).ok()?.timestamp()))
    })
}

impl Stranding {
    /// What it says about the route and about each policy.
    pub fn findings(&self) -> Vec<Finding> {
        let warn = |kind, object: &ObjectName, message| Finding {
            severity: Severity::Warning,
            kind,
            object: object.clone(),
            code: "LosesLastCandidate",
            message,
        };
        let Self { route, workload, day, why, .. } = self;
        let of_route = warn(Kind::ModelRoute, route, format!("from {day} nobody is left for {workload}: {why}"));
        let of_policy = self.policies.iter().map(|policy| {
            warn(Kind::DataPolicy, policy, format!("from {day} it leaves nobody for {route} in {workload}: {why}"))
        });
        std::iter::once(of_route).chain(of_policy).collect()
    }
}

#[cfg(test)]
mod tests;
