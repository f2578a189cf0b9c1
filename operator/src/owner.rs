//! Who owns what the controller makes in the cluster: Secrets, the Lease, the bundle's copies. The chart's ClusterRole is
//! its owner, because it is of no namespace and goes when the release goes; the garbage collector then takes the rest.

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, Resource as _};

use crate::labels::CONTROLLER;

/// The owner; none where the chart's ClusterRole is not there or can't be read. What is made then stays.
pub async fn find(client: &Client) -> Option<OwnerReference> {
    match Api::<ClusterRole>::all(client.clone()).get(CONTROLLER).await {
        Ok(role) => role.owner_ref(&()),
        Err(error) => {
            tracing::warn!(%error, "what is made here has no owner, and stays when the release goes");
            None
        }
    }
}
