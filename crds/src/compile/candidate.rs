//! From a route's target to candidates: which providers it means, whether the workload may use them, and what is known
//! of them. What their promises are worth is for `residency`.

use std::collections::BTreeMap;

use base64::Engine as _;
use http::Uri;

use super::CandidateKeys;
use crate::check;
use crate::facts::Facts;
use crate::finding::{Finding, Kind, Severity};
use crate::manifests::Manifests;
use crate::name::{Labels, ObjectName, Workload};
use crate::provider::{Api, Header, LLMProviderSpec, Operator, SecretKeyRef, ServedModel};
use crate::route::TargetSpec;
use crate::secret::Secret;
use crate::snapshot::{Candidate, Endpoint, KeyName, KeyedHeader, Proxy, Reason, Refused, Target};
use crate::vendors::{KeyHeader, Vendors};

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
    vendors: &'a Vendors,
    workload: &'a Workload,
    namespace_labels: Labels,
    invalid: BTreeMap<&'a ObjectName, String>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(
        manifests: &'a Manifests,
        vendors: &'a Vendors,
        workload: &'a Workload,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut invalid = BTreeMap::new();
        for (name, spec) in &manifests.providers {
            let mut problems = check::provider(spec);
            problems.extend(endpoint_problems(spec, vendors));
            if let Some(finding) = super::invalid(Kind::LLMProvider, name, &problems) {
                invalid.insert(name, finding.message.clone());
                findings.push(finding);
                continue;
            }
            contradictions(name, spec, vendors, findings);
        }
        let namespace_labels = manifests.namespace_labels(&workload.namespace);
        Self { manifests, vendors, workload, namespace_labels, invalid }
    }

    /// Everybody that a target of `route` means.
    pub(super) fn offers(&self, route: &ObjectName, target: &TargetSpec) -> Vec<Offer> {
        if let Some(reference) = &target.provider {
            let namespace = reference.namespace.as_ref().unwrap_or(&route.namespace);
            return vec![self.named(&ObjectName::new(namespace, &reference.name), target)];
        }
        self.manifests
            .providers
            .iter()
            .filter(|(name, spec)| self.may_use(name, spec))
            .filter(|(_, spec)| spec.models.iter().any(|model| model.name == target.model))
            .map(|(name, _)| self.named(name, target))
            .collect()
    }

    /// Whether the pod's namespace is the provider's, or among its consumers.
    fn may_use(&self, name: &ObjectName, spec: &LLMProviderSpec) -> bool {
        name.namespace == self.workload.namespace
            || spec
                .consumers
                .as_ref()
                .is_some_and(|consumers| consumers.namespace_selector.matches(&self.namespace_labels))
    }

    fn named(&self, name: &ObjectName, target: &TargetSpec) -> Offer {
        let refuse = |code: &str, message: String| {
            let reasons = vec![Reason { code: code.to_owned(), message, policy: None }];
            Offer::Refused(Refused { provider: name.clone(), model: target.model.clone(), reasons })
        };
        let Some(spec) = self.manifests.providers.get(name) else {
            return refuse("provider_not_found", "there is no LLMProvider of this name".to_owned());
        };
        if !self.may_use(name, spec) {
            let message = format!("namespace {} is not among the provider's consumers", self.workload.namespace);
            return refuse("consumer_not_allowed", message);
        }
        if let Some(why) = self.invalid.get(name) {
            return refuse("provider_invalid", why.clone());
        }
        let Some(model) = spec.models.iter().find(|model| model.name == target.model) else {
            return refuse("model_not_served", format!("it serves no model `{}`", target.model));
        };
        match self.candidate(name, spec, model, target) {
            Ok((candidate, keys)) => Offer::Candidate { candidate: Box::new(candidate), keys },
            Err(MissingSecret(reference)) => refuse(
                "credential_not_found",
                format!("Secret {}/{} has no key `{}`", name.namespace, reference.name, reference.key),
            ),
        }
    }

    fn candidate(
        &self,
        name: &ObjectName,
        spec: &LLMProviderSpec,
        model: &ServedModel,
        target: &TargetSpec,
    ) -> Result<(Candidate, CandidateKeys), MissingSecret> {
        let (endpoint_target, keys) = self.target(name, spec)?;
        let candidate = Candidate {
            ordinal: 0,
            provider: name.clone(),
            model: model.name.clone(),
            weight: target.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
            price: model.price.clone(),
            facts: facts(name, spec, model, self.vendors),
            endpoint: Endpoint {
                target: endpoint_target,
                upstream_model: model.upstream_name().to_owned(),
                force: spec.force.clone(),
            },
        };
        Ok((candidate, keys))
    }

    fn target(&self, name: &ObjectName, spec: &LLMProviderSpec) -> Result<(Target, CandidateKeys), MissingSecret> {
        let (api, base_url) = endpoint(spec, self.vendors);
        let base_url = match (api, base_url) {
            (Some(Api::OpenAI), Some(base_url)) => base_url.trim_end_matches('/').to_owned(),
            _ => return Ok((Target::Simulated(spec.simulated.clone().unwrap_or_default()), Vec::new())),
        };
        let mut headers = Vec::new();
        let mut keys = Vec::new();
        let mut carry = |header: &str, value: Secret| {
            let key = KeyName(format!("{name}/{header}"));
            headers.push(KeyedHeader { name: header.to_owned(), key: key.clone() });
            keys.push((key, value));
        };
        if let Some(api_key) = spec.credential.as_ref().and_then(|credential| credential.api_key.as_ref()) {
            let KeyHeader { name: header, prefix } =
                self.vendors.get(&spec.vendor).map(|vendor| vendor.key_header.clone()).unwrap_or_default();
            let value = self.secret(name, &api_key.secret_ref)?;
            carry(&header, Secret::new(format!("{prefix}{}", value.reveal().trim())));
        }
        for header in &spec.headers {
            carry(&header.name, self.header_value(name, header)?);
        }
        let proxy = spec.egress_proxy.as_ref().or_else(|| {
            // What is in the cluster is not on the way out of it.
            self.manifests.egress_proxy.as_ref().filter(|_| spec.allowed_addresses.is_empty())
        });
        let proxy = match proxy {
            None => None,
            Some(proxy) => {
                let mut key = None;
                if let Some(credential) = &proxy.credential {
                    let value = self.secret(name, &credential.secret_ref)?;
                    let basic = base64::engine::general_purpose::STANDARD.encode(value.reveal().trim());
                    let named = KeyName(format!("{name}/egress-proxy"));
                    keys.push((named.clone(), Secret::new(format!("Basic {basic}"))));
                    key = Some(named);
                }
                let url = proxy.url.trim_end_matches('/').to_owned();
                Some(Proxy { url, key, ca_bundle: proxy.ca_bundle.clone() })
            }
        };
        let allowed_addresses = spec.allowed_addresses.iter().filter_map(|network| network.parse().ok()).collect();
        let ca_bundle = spec.tls.as_ref().map(|tls| tls.ca_bundle.clone());
        Ok((Target::OpenAI { base_url, headers, ca_bundle, allowed_addresses, proxy }, keys))
    }

    fn header_value(&self, name: &ObjectName, header: &Header) -> Result<Secret, MissingSecret> {
        match &header.secret_ref {
            Some(reference) => self.secret(name, reference).cloned(),
            None => Ok(Secret::new(header.value.clone().unwrap_or_default())),
        }
    }

    fn secret(&self, name: &ObjectName, reference: &SecretKeyRef) -> Result<&Secret, MissingSecret> {
        self.manifests.secret(&name.namespace, reference).ok_or_else(|| MissingSecret(reference.clone()))
    }
}

struct MissingSecret(SecretKeyRef);

/// The dialect and the base URL: the provider's own, or its vendor's.
fn endpoint<'a>(spec: &'a LLMProviderSpec, vendors: &'a Vendors) -> (Option<Api>, Option<&'a str>) {
    let vendor = vendors.get(&spec.vendor);
    let api = spec.api.or(vendor.map(|vendor| vendor.api));
    if api == Some(Api::Simulated) {
        return (api, None);
    }
    let base_url = spec.base_url.as_deref().or(vendor.and_then(|vendor| vendor.base_url.as_deref()));
    (api, base_url)
}

/// What the vendor's row would have given, and doesn't.
pub(crate) fn endpoint_problems(spec: &LLMProviderSpec, vendors: &Vendors) -> Vec<crate::problem::Problem> {
    let problem = |path: &str, message: String| vec![crate::problem::Problem { path: path.to_owned(), message }];
    match endpoint(spec, vendors) {
        (None, _) => {
            let known: Vec<_> = vendors.names().collect();
            let message = format!(
                "must be set, because `{}` is not a vendor that Lotse knows ({})",
                spec.vendor,
                known.join(", ")
            );
            problem("spec.api", message)
        }
        (Some(Api::OpenAI), None) => {
            problem("spec.baseURL", format!("must be set, because vendor `{}` has no default", spec.vendor))
        }
        _ => Vec::new(),
    }
}

/// The host that the wire shows. It may be written with the root's dot; it is the same host.
fn shown_host(spec: &LLMProviderSpec, vendors: &Vendors) -> Option<String> {
    let (_, base_url) = endpoint(spec, vendors);
    let uri: Uri = base_url?.parse().ok()?;
    Some(uri.host()?.trim_end_matches('.').to_owned())
}

/// A vendor's public host is not our own model server, whatever the manifest says.
fn is_self_operated(spec: &LLMProviderSpec, vendors: &Vendors) -> bool {
    spec.operated_by == Operator::Own && !shown_host(spec, vendors).is_some_and(|host| vendors.is_public_host(&host))
}

fn facts(name: &ObjectName, spec: &LLMProviderSpec, model: &ServedModel, vendors: &Vendors) -> Facts {
    let promises = spec.promises.replaced_by(&model.promises);
    let mut facts = Facts::new(&name.namespace, &promises, &spec.evidence);
    facts.self_operated = is_self_operated(spec, vendors);
    let host = shown_host(spec, vendors);
    if let (Some(inference), Some(row)) = (&mut facts.inference, host.and_then(|host| vendors.host(&host))) {
        inference.contradiction = row.contradicts(&inference.places);
    }
    facts
}

/// Tells the owner of a provider what the wire contradicts, whether a policy leans on it or not.
fn contradictions(name: &ObjectName, spec: &LLMProviderSpec, vendors: &Vendors, findings: &mut Vec<Finding>) {
    let mut say = |message: String| {
        findings.push(Finding {
            severity: Severity::Error,
            kind: Kind::LLMProvider,
            object: name.clone(),
            code: "ResidencyContradiction",
            message,
        });
    };
    if spec.operated_by == Operator::Own && !is_self_operated(spec, vendors) {
        say("operatedBy: Self counts as Vendor, because baseURL is a vendor's public host".to_owned());
    }
    for model in &spec.models {
        let facts = facts(name, spec, model, vendors);
        if let Some(why) = facts.inference.and_then(|fact| fact.contradiction) {
            say(format!("promises.inference of model `{}` counts as not made: {why}", model.name));
        }
    }
}
