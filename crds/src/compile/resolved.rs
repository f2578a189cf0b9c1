//! A provider as it is meant: what it says, or with its own credential what the provider says that it is based on; and
//! where that is called. `candidate` and `exchange` start from here.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::endpoint::{Endpoint, endpoint_problems, resolve};
use crate::check;
use crate::exchange::{ExchangeKey, ExchangeKind};
use crate::facts::Facts;
use crate::manifests::Manifests;
use crate::name::ObjectName;
use crate::objection::snake_case;
use crate::problem::Problem;
use crate::promises::{Account, Promises};
use crate::provider::{BaseRef, LLMProviderSpec, Operator, ServedModel, Tls};
use crate::shown::Call;
use crate::vendors::Vendors;

/// A provider as it is meant.
#[derive(Clone, Debug)]
pub(crate) struct Resolved<'a> {
    pub(crate) name: &'a ObjectName,
    /// What it says, its base's words included.
    pub(crate) spec: Cow<'a, LLMProviderSpec>,
    /// Whose word all of that is, but for the credential: its base's, or its own.
    pub(crate) origin: &'a ObjectName,
    /// Where it is called; nothing when it is simulated.
    pub(crate) endpoint: Option<Endpoint<'static>>,
}

/// Why a provider means nothing.
#[derive(Clone, Debug)]
pub(crate) struct Unresolved {
    /// The stable word of the finding.
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Unresolved {
    fn of(problems: &[Problem]) -> Self {
        let message = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
        Self { code: "Invalid", message }
    }

    /// The word of the reason, as on the wire.
    pub(crate) fn reason(&self) -> String {
        if self.code == "Invalid" { "provider_invalid".to_owned() } else { snake_case(self.code) }
    }
}

impl<'a> Resolved<'a> {
    pub(crate) fn new(
        manifests: &'a Manifests,
        name: &'a ObjectName,
        spec: &'a LLMProviderSpec,
    ) -> Result<Self, Unresolved> {
        let problems = check::provider(spec);
        if !problems.is_empty() {
            return Err(Unresolved::of(&problems));
        }
        let (origin, spec) = match &spec.based_on {
            None => (name, Cow::Borrowed(spec)),
            Some(reference) => {
                let (origin, base) = base(manifests, name, reference)?;
                (origin, Cow::Owned(inherited(base, spec)))
            }
        };
        let endpoint = resolve(&spec, Vendors::built_in()).map_err(|problems| Unresolved::of(&problems))?;
        Ok(Self { name, spec, origin, endpoint })
    }

    /// What its credential is exchanged by; nothing when it is sent as it is, or when there is none.
    pub(crate) fn exchange(&self) -> Option<ExchangeKey> {
        let endpoint = self.endpoint.as_ref()?;
        let kind = ExchangeKind::of(self.spec.credential.as_ref()?, endpoint.region.as_deref())?;
        Some(ExchangeKey { provider: self.name.clone(), kind })
    }

    /// A vendor's public host is not our own model server, whatever the manifest says.
    pub(crate) fn is_self_operated(&self) -> bool {
        let host = self.endpoint.as_ref().and_then(Endpoint::host);
        self.spec.operated_by == Operator::Own && !host.is_some_and(|host| Vendors::built_in().is_public_host(&host))
    }

    pub(crate) fn facts(&self, model: &ServedModel) -> Facts {
        let promises = self.spec.promises.replaced_by(&model.promises);
        let mut facts = Facts::new(&self.origin.namespace, &promises, &self.spec.evidence);
        facts.self_operated = self.is_self_operated();
        if let (Some(inference), Some(endpoint)) = (&mut facts.inference, &self.endpoint) {
            let force = endpoint.force(&self.spec.force);
            let host = endpoint.host().unwrap_or_default();
            let call = Call {
                vendor: self.spec.vendor(),
                host: &host,
                api: endpoint.offering.api,
                region: endpoint.region.as_deref(),
                model: model.upstream_name(),
                deployment: model.deployment_type,
                force: &force,
            };
            inference.contradiction = call.contradicts(&inference.places, Vendors::built_in());
        }
        facts
    }
}

/// The provider that `reference` names, if the provider `name` may be based on it.
fn base<'a>(
    manifests: &'a Manifests,
    name: &ObjectName,
    reference: &BaseRef,
) -> Result<(&'a ObjectName, &'a LLMProviderSpec), Unresolved> {
    let namespace = reference.namespace.as_ref().unwrap_or(&name.namespace);
    let origin = ObjectName::new(namespace, &reference.name);
    let Some((origin, base)) = manifests.providers.get_key_value(&origin) else {
        let message = format!("there is no LLMProvider {origin}, which spec.basedOn names");
        return Err(Unresolved { code: "BaseNotFound", message });
    };
    if !may_use(manifests, &name.namespace, (origin, base)) {
        let message = format!("namespace {} is not among the consumers of {origin}; ask its owner", name.namespace);
        return Err(Unresolved { code: "BaseNotPermitted", message });
    }
    if base.based_on.is_some() {
        let message = format!("{origin} is itself based on another; spec.basedOn must name that one");
        return Err(Unresolved { code: "BaseInvalid", message });
    }
    if !check::provider(base).is_empty() || !endpoint_problems(base, Vendors::built_in()).is_empty() {
        return Err(Unresolved { code: "BaseInvalid", message: format!("{origin} is invalid; ask its owner") });
    }
    Ok((origin, base))
}

/// Whether a namespace is the provider's, or among its consumers.
pub(super) fn may_use(manifests: &Manifests, namespace: &str, (name, spec): (&ObjectName, &LLMProviderSpec)) -> bool {
    let selector = spec.consumers.as_ref().map(|consumers| &consumers.namespace_selector);
    name.namespace == namespace
        || selector.is_some_and(|selector| selector.matches(&manifests.namespace_labels(namespace)))
}

/// Everything of `base` but its credential and limits, for which `own` has its own. Header values out of Secrets and a client
/// certificate prove who calls, as a credential does; they stay with the base.
fn inherited(base: &LLMProviderSpec, own: &LLMProviderSpec) -> LLMProviderSpec {
    let lasting = base.evidence.iter().filter(|evidence| evidence.applies_to == Account::AnyAccount);
    let names: BTreeSet<&str> = lasting.clone().map(|evidence| evidence.name.as_str()).collect();
    // What replaces what is settled first: else the provider's promise would stand in for a model's that is dropped.
    let mut operated_by = base.operated_by;
    let mut models = Vec::with_capacity(base.models.len());
    for model in &base.models {
        let said = base.promises.replaced_by(&model.promises);
        let promises = said.resting_on(&names);
        // Our own server counts as keeping what nobody has said otherwise; what was said and is dropped was said.
        if promises.of_operator() != said.of_operator() {
            operated_by = Operator::Vendor;
        }
        models.push(ServedModel { promises, ..model.clone() });
    }
    let ca_bundle = base.tls.as_ref().and_then(|tls| tls.ca_bundle.clone());
    LLMProviderSpec {
        credential: own.credential.clone(),
        limits: own.limits,
        headers: base.headers.iter().filter(|header| header.secret_ref.is_none()).cloned().collect(),
        models,
        operated_by,
        evidence: lasting.cloned().collect(),
        promises: Promises::default(),
        consumers: None,
        tls: ca_bundle.map(|bundle| Tls { ca_bundle: Some(bundle), client_certificate_ref: None }),
        ..base.clone()
    }
}
