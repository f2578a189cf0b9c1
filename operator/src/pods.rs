//! Pods that carry a sidecar, as far as they matter here: who they are, and whether they truly carry ours.
//! `gather` fills it from the API server, `caller` asks it who a token belongs to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use lotse_crds::name::{ObjectName, Workload};

use crate::inject;

/// A pod that carries a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecord {
    /// The pod.
    pub name: ObjectName,
    /// Its UID: a name is used again, a UID never.
    pub uid: String,
    /// Who calls.
    pub workload: Workload,
    /// Whether the sidecar is the one that the injector makes. A pod that only says so gets nothing.
    pub injected: bool,
    /// Whether it runs, or may still come to run: one that has ended has no sidecar to hear from.
    pub alive: bool,
}

/// All of them, by UID.
#[derive(Debug, Default)]
pub struct Pods(Mutex<HashMap<String, PodRecord>>);

impl PodRecord {
    /// What matters of a pod; nothing when it has no identity yet.
    pub fn of(pod: &Pod) -> Option<Self> {
        let namespace = pod.metadata.namespace.clone()?;
        let spec = pod.spec.as_ref()?;
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
        let whole = serde_json::to_value(pod).ok()?;
        Some(Self {
            name: ObjectName::new(&namespace, pod.metadata.name.as_ref()?),
            uid: pod.metadata.uid.clone()?,
            workload: Workload {
                namespace,
                service_account: spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
                labels: pod.metadata.labels.clone().unwrap_or_default(),
            },
            injected: inject::is_injected(&whole),
            alive: !matches!(phase, "Succeeded" | "Failed"),
        })
    }
}

impl Pods {
    /// The pod of this UID.
    pub fn get(&self, uid: &str) -> Option<PodRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// All pods.
    pub fn all(&self) -> Vec<PodRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Notes a pod. Says whether anything that matters has changed.
    pub fn apply(&self, pod: PodRecord) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = all.get(&pod.uid) != Some(&pod);
        all.insert(pod.uid.clone(), pod);
        changed
    }

    /// Forgets a pod.
    pub fn remove(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Takes a whole new list.
    pub fn replace(&self, pods: Vec<PodRecord>) {
        let pods = pods.into_iter().map(|pod| (pod.uid.clone(), pod)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pods;
    }
}
