//! From objects of the cluster to what they declare. `gather` does it for the controller, `cluster` for the command line.

use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt as _};
use lotse_crds::finding::{Finding, Kind, Severity};
use lotse_crds::manifests::{DeclaredRoute, Manifests};
use lotse_crds::name::{Labels, ObjectName};
use lotse_crds::policy::DataPolicy;
use lotse_crds::provider::LLMProvider;
use lotse_crds::route::ModelRoute;

/// The name of an object.
pub fn name_of<K: Resource>(object: &K) -> ObjectName {
    let meta = object.meta();
    ObjectName::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// A namespace's labels.
pub fn namespace<K: Resource>(manifests: &mut Manifests, namespace: &K) {
    let labels: Labels = namespace.labels().clone();
    manifests.namespaces.insert(namespace.name_any(), labels);
}

/// A provider; one that can't be decoded is left out, and told.
pub fn provider(manifests: &mut Manifests, object: &DeserializeGuard<LLMProvider>) -> Option<Finding> {
    match &object.0 {
        Ok(provider) => drop(manifests.providers.insert(name_of(provider), provider.spec.clone())),
        Err(broken) => return Some(undecodable(Kind::LLMProvider, name_of(object), &broken.error)),
    }
    None
}

/// A route; one that can't be decoded is left out, and told.
pub fn route(manifests: &mut Manifests, object: &DeserializeGuard<ModelRoute>) -> Option<Finding> {
    match &object.0 {
        Ok(route) => {
            let created = route.metadata.creation_timestamp.as_ref().map(|time| time.0);
            manifests.routes.insert(name_of(route), DeclaredRoute { created, spec: route.spec.clone() });
        }
        Err(broken) => return Some(undecodable(Kind::ModelRoute, name_of(object), &broken.error)),
    }
    None
}

/// A policy; one that can't be decoded refuses whatever it might select, and is told by `compile`.
pub fn policy(manifests: &mut Manifests, object: &DeserializeGuard<DataPolicy>) {
    match &object.0 {
        Ok(policy) => drop(manifests.policies.insert(name_of(policy), policy.spec.clone())),
        Err(broken) => drop(manifests.unreadable_policies.insert(name_of(object), broken.error.clone())),
    }
}

fn undecodable(kind: Kind, object: ObjectName, why: &str) -> Finding {
    Finding { severity: Severity::Error, kind, object, code: "Invalid", message: format!("it can't be read: {why}") }
}
