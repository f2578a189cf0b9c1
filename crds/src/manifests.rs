//! Everything declared, by name. `read` fills it from a folder's files, the operator fills it from the cluster.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::exchange::ExchangeKey;
use crate::name::{Labels, NAMESPACE_NAME_LABEL, ObjectName, Workload};
use crate::policy::DataPolicySpec;
use crate::provider::{EgressProxy, LLMProviderSpec, SecretKeyRef};
use crate::route::ModelRouteSpec;
use crate::secret::Secret;
use crate::selector::LabelSelector;

/// Everything declared.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// The operator's own namespace: what platform and data protection own lives there.
    pub root_namespace: String,
    /// The labels of namespaces that have an object.
    pub namespaces: BTreeMap<String, Labels>,
    /// The providers.
    pub providers: BTreeMap<ObjectName, LLMProviderSpec>,
    /// The routes.
    pub routes: BTreeMap<ObjectName, DeclaredRoute>,
    /// The policies.
    pub policies: BTreeMap<ObjectName, DataPolicySpec>,
    /// Policies that are there but can't be read, and why. They refuse every pod that they might select.
    pub unreadable_policies: BTreeMap<ObjectName, String>,
    /// The proxy for providers that name none and have no allowedAddresses.
    pub egress_proxy: Option<EgressProxy>,
    /// The Secrets that providers may refer to.
    pub secrets: BTreeMap<ObjectName, BTreeMap<String, Secret>>,
    /// What credentials have been exchanged for; see [`exchange`](crate::exchange).
    pub exchanged: BTreeMap<ExchangeKey, Secret>,
    /// Why others could not be exchanged, as far as it has been tried.
    pub unexchanged: BTreeMap<ExchangeKey, String>,
}

/// A route, and when it was made: the older of two that claim one name wins.
#[derive(Clone, Debug)]
pub struct DeclaredRoute {
    /// When the object was made; absent in a folder, where names decide.
    pub created: Option<Timestamp>,
    /// What it says.
    pub spec: ModelRouteSpec,
}

impl Manifests {
    /// The labels of a namespace. One without an object has no labels but its name.
    pub fn namespace_labels(&self, name: &str) -> Labels {
        let mut labels = self.namespaces.get(name).cloned().unwrap_or_default();
        // Nobody can change this label in a cluster, so a manifest that says otherwise is not believed either.
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
        labels
    }

    /// The workload as far as any route or policy reads it: labels that no podSelector names are left out. Pods that
    /// differ only in those, as the pods of many rollouts do, obey one snapshot.
    pub fn as_selected(&self, workload: &Workload) -> Workload {
        let routes = self.routes.values().filter_map(|route| route.spec.pod_selector.as_ref());
        let policies = self.policies.values().filter_map(|policy| policy.pod_selector.as_ref());
        let read: BTreeSet<&str> = routes.chain(policies).flat_map(LabelSelector::keys).collect();
        let mut workload = workload.clone();
        workload.labels.retain(|name, _| read.contains(name.as_str()));
        workload
    }

    /// A value of a Secret in `namespace`.
    pub fn secret(&self, namespace: &str, reference: &SecretKeyRef) -> Option<&Secret> {
        self.secrets.get(&ObjectName::new(namespace, &reference.name))?.get(&reference.key)
    }
}
