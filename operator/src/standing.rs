//! How each object stands: findings, candidates and acknowledgements in, the status of every object out. Pure.
//! Called by `report`, which writes what has changed. Conditions are kept over time by `conditions`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use lotse_crds::finding::{Finding, Kind, Severity};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::{ObjectName, Workload};
use lotse_crds::snapshot::{Reason, Snapshot};
use lotse_crds::status::{CandidateState, CandidateStatus, ReasonStatus, SidecarCounts, Truth};
use lotse_crds::survey::{Stranding, stranding};

use crate::publish::{Offer, Sidecar, Standing};

/// What is known when status is made.
pub struct World<'a> {
    /// What is declared.
    pub manifests: &'a Manifests,
    /// What it means, for each workload that there is or that the manifests speak of.
    pub offers: &'a [(Workload, Arc<Offer>)],
    /// What there is to say about objects, whoever calls.
    pub findings: &'a BTreeSet<Finding>,
    /// The sidecars, the silent ones too.
    pub sidecars: &'a [Sidecar],
    /// The time.
    pub now: Timestamp,
}

/// A condition before it is known how long it has held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The condition's type.
    pub aspect: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

/// What is said of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its conditions.
    pub verdicts: Vec<Verdict>,
    /// The sidecars that it concerns.
    pub sidecars: SidecarCounts,
    /// Of a route, who may answer; empty for the other kinds.
    pub candidates: Vec<CandidateStatus>,
}

/// An object, by kind and name.
pub type Object = (Kind, ObjectName);

/// What is said of every object. `undecodable` are objects that are there but can't be read, and why.
pub fn standing(world: &World<'_>, undecodable: &BTreeMap<Object, String>) -> BTreeMap<Object, Said> {
    let mut findings: BTreeMap<Object, Vec<&Finding>> = BTreeMap::new();
    for finding in world.findings {
        findings.entry((finding.kind, finding.object.clone())).or_default().push(finding);
    }
    let mut counts = counts(world.sidecars);
    let manifests = world.manifests;
    let providers = manifests.providers.keys().map(|name| (Kind::LLMProvider, name.clone()));
    let routes = manifests.routes.keys().map(|name| (Kind::ModelRoute, name.clone()));
    let policies = manifests.policies.keys().map(|name| (Kind::DataPolicy, name.clone()));
    let objects: BTreeSet<Object> =
        providers.chain(routes).chain(policies).chain(undecodable.keys().cloned()).collect();
    let say = |object: Object| {
        let found = findings.remove(&object).unwrap_or_default();
        let tally = counts.remove(&object).unwrap_or_default();
        let case = Case { world, object: &object, found, tally, undecodable: undecodable.get(&object) };
        let said = case.said();
        (object, said)
    };
    objects.into_iter().map(say).collect()
}

/// How the sidecars of one object stand.
#[derive(Default)]
struct Tally {
    current: i32,
    behind: i32,
    refused: i32,
    /// What the refusing ones say, by pod.
    why: BTreeMap<ObjectName, String>,
}

fn counts(sidecars: &[Sidecar]) -> BTreeMap<Object, Tally> {
    let mut counts: BTreeMap<Object, Tally> = BTreeMap::new();
    for sidecar in sidecars {
        for object in concerned(&sidecar.offer.snapshot) {
            let tally = counts.entry(object).or_default();
            match sidecar.standing {
                Standing::Current => tally.current += 1,
                Standing::Behind | Standing::Silent => tally.behind += 1,
                Standing::Refused => {
                    tally.refused += 1;
                    if let Some(why) = sidecar.why.clone().filter(|_| tally.why.len() < 3) {
                        tally.why.insert(sidecar.pod.name.clone(), why);
                    }
                }
            }
        }
    }
    counts
}

/// The objects that a snapshot was made of.
fn concerned(snapshot: &Snapshot) -> BTreeSet<Object> {
    let mut objects = BTreeSet::new();
    for limits in snapshot.policies.iter().chain(&snapshot.audits) {
        objects.insert((Kind::DataPolicy, limits.policy.clone()));
    }
    for route in &snapshot.routes {
        objects.insert((Kind::ModelRoute, route.name.clone()));
        for tier in &route.tiers {
            let candidates = tier.candidates.iter().map(|candidate| &candidate.provider);
            let refused = tier.refused.iter().map(|refused| &refused.provider);
            objects.extend(candidates.chain(refused).map(|provider| (Kind::LLMProvider, provider.clone())));
        }
    }
    objects
}

/// One object, with all that is known of it.
struct Case<'a> {
    world: &'a World<'a>,
    object: &'a Object,
    found: Vec<&'a Finding>,
    tally: Tally,
    undecodable: Option<&'a String>,
}

/// Findings that make an object unacceptable, and those that say that something it refers to is not there.
const NOT_ACCEPTED: [&str; 4] = ["Invalid", "PolicyInvalid", "Conflicted", "ResidencyContradiction"];
const NOT_RESOLVED: [&str; 9] = [
    "CredentialsNotFound",
    "CredentialInvalid",
    "BaseNotFound",
    "BaseNotPermitted",
    "BaseInvalid",
    "ProviderNotFound",
    "RefNotPermitted",
    "ModelNotServed",
    "NoProviderServesModel",
];

impl Case<'_> {
    fn said(self) -> Said {
        let mut verdicts = vec![self.accepted(), self.among("ResolvedRefs", &NOT_RESOLVED), self.programmed()];
        let candidates = if self.object.0 == Kind::ModelRoute { self.candidates() } else { Vec::new() };
        let own = (self.object.0 == Kind::ModelRoute).then(|| self.answers());
        let first_false = verdicts.iter().chain(&own).find(|verdict| verdict.truth != Truth::True);
        verdicts.push(match first_false {
            Some(verdict) => Verdict { aspect: "Ready", ..verdict.clone() },
            None => holds("Ready", "Ready", self.remarks()),
        });
        verdicts.extend(self.warnings());
        let Tally { current, behind, refused, .. } = self.tally;
        Said { verdicts, sidecars: SidecarCounts::new(current, behind, refused), candidates }
    }

    fn accepted(&self) -> Verdict {
        match self.undecodable {
            Some(why) => fails("Accepted", "Invalid", format!("it can't be read: {why}")),
            None => self.among("Accepted", &NOT_ACCEPTED),
        }
    }

    /// Whether none of these codes was found.
    fn among(&self, aspect: &'static str, codes: &[&str]) -> Verdict {
        let found: Vec<&&Finding> = self.found.iter().filter(|finding| codes.contains(&finding.code)).collect();
        match found.first() {
            None => holds(aspect, aspect, String::new()),
            Some(first) => {
                let messages: BTreeSet<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
                fails(aspect, first.code, messages.into_iter().collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn programmed(&self) -> Verdict {
        let Tally { current, behind, refused, why } = &self.tally;
        let total = current + behind + refused;
        if *refused > 0 {
            let why: Vec<String> = why.iter().map(|(pod, why)| format!("{pod}: {why}")).collect();
            return fails(
                "Programmed",
                "Refused",
                format!("{refused} of {total} sidecars refuse it: {}", why.join("; ")),
            );
        }
        if *behind > 0 {
            let message =
                format!("{behind} of {total} sidecars have not said that they hold it; `lotse status` names them");
            return fails("Programmed", "Pending", message);
        }
        if total == 0 {
            return holds("Programmed", "NoSidecars", "no sidecar needs it yet".to_owned());
        }
        holds("Programmed", "Programmed", format!("{total} of {total} sidecars hold it"))
    }

    /// Whether every workload of a route has somebody to answer it.
    fn answers(&self) -> Verdict {
        let mut left = Vec::new();
        for (workload, route) in self.routes() {
            if route.tiers.iter().all(|tier| tier.candidates.is_empty()) {
                left.push(format!("{}/{}", workload.namespace, workload.service_account));
            }
        }
        left.dedup();
        if left.is_empty() {
            return holds("Ready", "Ready", String::new());
        }
        let candidates = self.candidates();
        let why: BTreeSet<String> = candidates
            .iter()
            .filter(|candidate| candidate.state != CandidateState::Eligible)
            .flat_map(|candidate| {
                candidate.reasons.iter().map(|reason| format!("{}: {}", candidate.provider, told(reason)))
            })
            .collect();
        let why: Vec<String> = why.into_iter().take(6).collect();
        fails("Ready", "NoEligibleProvider", format!("nobody may answer {}: {}", left.join(", "), why.join("; ")))
    }

    /// This route, as each workload has it.
    fn routes(&self) -> impl Iterator<Item = (&Workload, &lotse_crds::snapshot::Route)> {
        self.world.offers.iter().filter_map(|(workload, offer)| {
            Some((workload, offer.snapshot.routes.iter().find(|route| route.name == self.object.1)?))
        })
    }

    /// Who may answer and who may not, over all workloads.
    fn candidates(&self) -> Vec<CandidateStatus> {
        let mut all: Vec<(CandidateStatus, usize, usize)> = Vec::new();
        for (_, route) in self.routes() {
            for (number, tier) in (1..).zip(&route.tiers) {
                for candidate in &tier.candidates {
                    entry(&mut all, number, (&candidate.provider, &candidate.model)).1 += 1;
                }
                for refused in &tier.refused {
                    let (status, _, out) = entry(&mut all, number, (&refused.provider, &refused.model));
                    *out += 1;
                    for reason in refused.reasons.iter().map(short) {
                        if !status.reasons.contains(&reason) && status.reasons.len() < 16 {
                            status.reasons.push(reason);
                        }
                    }
                }
            }
        }
        all.sort_by_key(|(status, _, _)| status.tier);
        let state = |(mut status, eligible, out): (CandidateStatus, usize, usize)| {
            status.state = match (eligible, out) {
                (_, 0) => CandidateState::Eligible,
                (0, _) => CandidateState::Excluded,
                _ => CandidateState::PartlyEligible,
            };
            status
        };
        all.into_iter().map(state).take(64).collect()
    }

    /// What somebody should look at, though the object does what it says.
    fn remarks(&self) -> String {
        let warnings = self.found.iter().filter(|finding| finding.severity == Severity::Warning);
        let messages: BTreeSet<&str> = warnings.map(|finding| finding.message.as_str()).collect();
        messages.into_iter().take(4).collect::<Vec<_>>().join("; ")
    }

    /// Conditions that are there only while they hold.
    fn warnings(&self) -> Vec<Verdict> {
        let mut warnings = Vec::new();
        if let Some(message) = self.strands() {
            warnings.push(holds("StrandsRoutes", "NoEligibleProvider", message));
        }
        let mut losing = BTreeSet::new();
        for (_, offer) in self.world.offers {
            for finding in stranding(&offer.snapshot, self.world.now).iter().flat_map(Stranding::findings) {
                if (finding.kind, &finding.object) == (self.object.0, &self.object.1) {
                    losing.insert(finding.message);
                }
            }
        }
        if !losing.is_empty() {
            let message = losing.into_iter().take(4).collect::<Vec<_>>().join("; ");
            warnings.push(holds("LosesLastCandidate", "EndsSoon", message));
        }
        warnings
    }

    /// Of a policy: the routes that have nobody left, where it refuses somebody.
    fn strands(&self) -> Option<String> {
        if self.object.0 != Kind::DataPolicy {
            return None;
        }
        let mut stranded = BTreeSet::new();
        for (workload, offer) in self.world.offers {
            for route in &offer.snapshot.routes {
                let nobody = route.tiers.iter().all(|tier| tier.candidates.is_empty());
                let mut reasons =
                    route.tiers.iter().flat_map(|tier| &tier.refused).flat_map(|refused| &refused.reasons);
                if nobody && reasons.any(|reason| reason.policy.as_ref() == Some(&self.object.1)) {
                    stranded.insert(format!("{} in {}/{}", route.name, workload.namespace, workload.service_account));
                }
            }
        }
        let named: Vec<String> = stranded.iter().take(8).cloned().collect();
        (!named.is_empty()).then(|| format!("it leaves nobody to answer {}", named.join(", ")))
    }
}

fn entry<'a>(
    all: &'a mut Vec<(CandidateStatus, usize, usize)>,
    tier: i32,
    (provider, model): (&ObjectName, &str),
) -> &'a mut (CandidateStatus, usize, usize) {
    let provider = provider.to_string();
    let at = all.iter().position(|(status, _, _)| {
        (status.tier, status.provider.as_str(), status.model.as_str()) == (tier, provider.as_str(), model)
    });
    let at = at.unwrap_or_else(|| {
        let (model, state) = (model.to_owned(), CandidateState::Eligible);
        all.push((CandidateStatus { tier, provider, model, state, reasons: Vec::new() }, 0, 0));
        all.len() - 1
    });
    &mut all[at]
}

fn short(reason: &Reason) -> ReasonStatus {
    ReasonStatus {
        code: reason.code.clone(),
        policy: reason.policy.as_ref().map(ToString::to_string),
        message: reason.message.chars().take(1024).collect(),
    }
}

fn told(reason: &ReasonStatus) -> String {
    match &reason.policy {
        Some(policy) => format!("{} (policy {policy})", reason.message),
        None => reason.message.clone(),
    }
}

fn holds(aspect: &'static str, reason: &str, message: String) -> Verdict {
    Verdict { aspect, truth: Truth::True, reason: reason.to_owned(), message }
}

fn fails(aspect: &'static str, reason: &str, message: String) -> Verdict {
    Verdict { aspect, truth: Truth::False, reason: reason.to_owned(), message }
}

#[cfg(test)]
mod tests;
