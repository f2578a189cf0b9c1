//! From a route's target to candidates: which providers it means, whether the workload may use them, and what is known
//! of them. What their promises are worth is for `residency`.

use std::collections::BTreeMap;

use super::CandidateKeys;
use super::resolved::{Resolved, Unresolved, may_use};
use super::server::{Lacking, target};
use crate::finding::{Finding, Kind, Severity};
use crate::manifests::Manifests;
use crate::name::{ObjectName, Workload};
use crate::provider::{LLMProviderSpec, Operator, ServedModel};
use crate::route::TargetSpec;
use crate::snapshot::{Candidate, Endpoint, Reason, Refused};

/// What a target comes to.
pub(super) enum Offer {
    /// Somebody who could answer, if no policy objects.
    Candidate { candidate: Box<Candidate>, keys: CandidateKeys },
    /// Somebody who could not.
    Refused(Refused),
}

/// The providers, as far as they can be used at all.
pub(super) struct Targets<'a> {
    manifests: &'a Manifests,
    workload: &'a Workload,
    resolved: BTreeMap<&'a ObjectName, Result<Resolved<'a>, Unresolved>>,
    /// The providers for which the workload's namespace has a key of its own, and that key's provider.
    own_keys: BTreeMap<ObjectName, &'a ObjectName>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(manifests: &'a Manifests, workload: &'a Workload, findings: &mut Vec<Finding>) -> Self {
        let mut resolved = BTreeMap::new();
        let mut own_keys = BTreeMap::new();
        for (name, spec) in &manifests.providers {
            let provider = Resolved::new(manifests, name, spec);
            match &provider {
                Err(Unresolved { code, message }) => findings.push(error(name, code, message.clone())),
                // What the base promises is its owner's to mend.
                Ok(_) if spec.based_on.is_some() => {}
                Ok(provider) => contradictions(provider, findings),
            }
            resolved.insert(name, provider);
            if let Some(base) = spec.based_on.as_ref().filter(|_| name.namespace == workload.namespace) {
                let namespace = base.namespace.as_ref().unwrap_or(&name.namespace);
                own_keys.entry(ObjectName::new(namespace, &base.name)).or_insert(name);
            }
        }
        Self { manifests, workload, resolved, own_keys }
    }

    /// Everybody that a target of `route` means.
    ///
    /// A target that names no provider never mixes keys unseen: where the namespace has a key of its own for a shared
    /// provider, that provider is out, even while its own key can't be used.
    pub(super) fn offers(&self, route: &ObjectName, target: &TargetSpec) -> Vec<Offer> {
        if let Some(reference) = &target.provider {
            let namespace = reference.namespace.as_ref().unwrap_or(&route.namespace);
            return vec![self.named(&ObjectName::new(namespace, &reference.name), target)];
        }
        let serves = |(name, spec): &(&ObjectName, &LLMProviderSpec)| {
            self.models(name, spec).iter().any(|model| model.name == target.model)
        };
        self.manifests
            .providers
            .iter()
            .filter(|(name, spec)| may_use(self.manifests, &self.workload.namespace, (name, spec)))
            .filter(serves)
            .map(|(name, _)| match self.own_keys.get(name) {
                Some(own) => {
                    let message = format!("namespace {} uses a key of its own for it: {own}", own.namespace);
                    refusal(name, target, "own_key_used", message)
                }
                None => self.named(name, target),
            })
            .collect()
    }

    /// What a provider serves; of one that can't be used, what it would serve as far as that can be told.
    fn models<'s>(&'s self, name: &ObjectName, spec: &'s LLMProviderSpec) -> &'s [ServedModel] {
        if let Some(Ok(resolved)) = self.resolved.get(name) {
            return &resolved.spec.models;
        }
        let base = spec
            .based_on
            .as_ref()
            .map(|base| ObjectName::new(base.namespace.as_ref().unwrap_or(&name.namespace), &base.name));
        base.and_then(|base| self.manifests.providers.get(&base)).map_or(&spec.models, |base| &base.models)
    }

    fn named(&self, name: &ObjectName, target: &TargetSpec) -> Offer {
        let refuse = |code: &str, message: String| refusal(name, target, code, message);
        let Some((name, spec)) = self.manifests.providers.get_key_value(name) else {
            return refuse("provider_not_found", "there is no LLMProvider of this name".to_owned());
        };
        if !may_use(self.manifests, &self.workload.namespace, (name, spec)) {
            let message = format!("namespace {} is not among the provider's consumers", self.workload.namespace);
            return refuse("consumer_not_allowed", message);
        }
        let resolved = match &self.resolved[name] {
            Ok(resolved) => resolved,
            Err(unresolved) => return refuse(&unresolved.reason(), unresolved.message.clone()),
        };
        let Some(model) = resolved.spec.models.iter().find(|model| model.name == target.model) else {
            return refuse("model_not_served", format!("it serves no model `{}`", target.model));
        };
        match self.candidate(resolved, model, target) {
            Ok((candidate, keys)) => Offer::Candidate { candidate: Box::new(candidate), keys },
            Err(lacking) => {
                let (code, message) = lacking.reason();
                refuse(code, message)
            }
        }
    }

    fn candidate(
        &self,
        resolved: &Resolved<'_>,
        model: &ServedModel,
        spec: &TargetSpec,
    ) -> Result<(Candidate, CandidateKeys), Lacking> {
        let (target, keys) = target(self.manifests, resolved)?;
        let force = &resolved.spec.force;
        let candidate = Candidate {
            ordinal: 0,
            provider: resolved.name.clone(),
            model: model.name.clone(),
            weight: spec.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
            price: model.price.as_ref().map(|price| price.with(resolved.spec.fee_percent.unwrap_or_default())),
            vendor: resolved.spec.vendor().to_owned(),
            region: resolved.endpoint.as_ref().and_then(|endpoint| endpoint.region.clone()),
            supports: model.supports.clone(),
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            quantization: model.quantization,
            limits: resolved.spec.limits,
            facts: resolved.facts(model),
            endpoint: Endpoint {
                target,
                upstream_model: model.upstream_name().to_owned(),
                force: resolved.endpoint.as_ref().map_or_else(|| force.clone(), |endpoint| endpoint.force(force)),
            },
        };
        Ok((candidate, keys))
    }
}

fn refusal(name: &ObjectName, target: &TargetSpec, code: &str, message: String) -> Offer {
    let reasons = vec![Reason { code: code.to_owned(), message, policy: None }];
    Offer::Refused(Refused { provider: name.clone(), model: target.model.clone(), reasons })
}

fn error(name: &ObjectName, code: &'static str, message: String) -> Finding {
    Finding { severity: Severity::Error, kind: Kind::LLMProvider, object: name.clone(), code, message }
}

/// Tells the owner of a provider what the wire contradicts, whether a policy leans on it or not.
fn contradictions(resolved: &Resolved<'_>, findings: &mut Vec<Finding>) {
    let mut say = |message: String| findings.push(error(resolved.name, "ResidencyContradiction", message));
    if resolved.spec.operated_by == Operator::Own && !resolved.is_self_operated() {
        say("operatedBy: Self counts as Vendor, because baseURL is a vendor's public host".to_owned());
    }
    for model in &resolved.spec.models {
        if let Some(why) = resolved.facts(model).inference.and_then(|fact| fact.contradiction) {
            say(format!("promises.inference of model `{}` counts as not made: {why}", model.name));
        }
    }
}
