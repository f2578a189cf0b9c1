//! Labels and names that the operator shares with the chart. One spelling each.

/// On a namespace or a pod: `enabled` or `disabled`.
pub const INJECT: &str = "lotse.dev/inject";
/// On a pod that the injector has given a sidecar.
pub const SIDECAR: &str = "lotse.dev/sidecar";
/// The value of [`SIDECAR`].
pub const INJECTED: &str = "injected";
/// On the pod of the controller that leads: the Service finds it by this.
pub const LEADER: &str = "lotse.dev/leader";
/// Who writes, in managed fields and Events.
pub const FIELD_MANAGER: &str = "lotse-operator";
/// The ConfigMap, in every namespace with sidecars, and the Secret, in the root namespace, of the CA.
pub const CA: &str = "lotse-ca";
/// The controller's Deployment, Service and Lease.
pub const CONTROLLER: &str = "lotse-controller";
/// The injector's Deployment, Service and webhook configuration.
pub const INJECTOR: &str = "lotse-injector";
/// The ConfigMap, in the root namespace, of what has been spent.
pub const SPEND: &str = "lotse-spend";
