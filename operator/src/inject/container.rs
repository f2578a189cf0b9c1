//! The sidecar's container and volume, as the injector makes them. The chart's admission policies ask for exactly this.

use serde_json::{Value, json};

use super::items;
use crate::labels::{CA, CONTROLLER};
use crate::settings::SidecarFlags;

/// The container's name.
pub(super) const NAME: &str = "lotse-sidecar";
/// The volume's name.
pub(super) const VOLUME: &str = "lotse";
/// Where the image has the sidecar's program.
pub(super) const PROGRAM: &str = "/lotse-sidecar";
/// Where the volume is mounted.
const MOUNT: &str = "/var/run/lotse";

/// What the sidecar's container is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its image.
    pub image: String,
    /// When its image is pulled.
    pub pull_policy: String,
    /// What CPU it asks for.
    pub cpu_request: String,
    /// What memory it asks for.
    pub memory_request: String,
    /// What memory it gets at most.
    pub memory_limit: String,
    /// The user that it runs as.
    pub run_as_user: Option<i64>,
    /// The operator's own namespace.
    pub root_namespace: String,
    /// The authorities that may vouch for the operator, PEM; empty when none are known.
    pub authorities: String,
    /// The injector's version.
    pub version: String,
}

impl Settings {
    /// What the flags say.
    pub fn new(flags: &SidecarFlags, root_namespace: &str, authorities: &str) -> Self {
        Self {
            image: flags.sidecar_image.clone(),
            pull_policy: flags.sidecar_image_pull_policy.clone(),
            cpu_request: flags.sidecar_cpu_request.clone(),
            memory_request: flags.sidecar_memory_request.clone(),
            memory_limit: flags.sidecar_memory_limit.clone(),
            run_as_user: flags.sidecar_run_as_user,
            root_namespace: root_namespace.to_owned(),
            authorities: authorities.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The sidecar's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let operator = format!("https://{CONTROLLER}.{}.svc:14443", self.root_namespace);
        let (ca, token) = (format!("{MOUNT}/ca.crt"), format!("{MOUNT}/token"));
        let flags = [
            "run",
            "--operator",
            &operator,
            "--operator-ca",
            &ca,
            "--token",
            &token,
            "--probes",
            "[::]:14190",
            "--root-namespace",
            &self.root_namespace,
        ];
        flags.map(str::to_owned).to_vec()
    }
}

/// The container for this pod.
pub(super) fn container(pod: &Value, settings: &Settings) -> Value {
    let mut container = json!({
        "name": NAME,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "restartPolicy": "Always",
        "args": settings.arguments(),
        "ports": [{"name": "lotse-probes", "containerPort": 14190, "protocol": "TCP"}],
        // Passed as soon as it listens: a pod must not wait for the operator. Calls before the first snapshot do.
        "startupProbe": probe("/livez", 1, 60),
        "readinessProbe": probe("/readyz", 10, 3),
        "resources": resources(pod, settings),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": VOLUME, "mountPath": MOUNT, "readOnly": true}],
    });
    if !settings.authorities.is_empty() {
        container["env"] = json!([{"name": "LOTSE_OPERATOR_CA", "value": settings.authorities}]);
    }
    if let Some(user) = settings.run_as_user {
        container["securityContext"]["runAsUser"] = user.into();
    }
    container
}

fn probe(path: &str, period: i32, failures: i32) -> Value {
    json!({"httpGet": {"path": path, "port": 14190}, "periodSeconds": period, "failureThreshold": failures})
}

/// What ours asks for, and gets at most. A pod may have a budget as a whole, which its owner has shared out among the
/// containers; what ours asked for would not fit in. It then lives on what they leave.
fn resources(pod: &Value, settings: &Settings) -> Value {
    let (mut requests, mut limits) = if is_guaranteed(pod) {
        // A hundredth of a CPU would be throttled at the first call.
        let bound = json!({"cpu": "250m", "memory": settings.memory_limit});
        (bound.clone(), bound)
    } else {
        let requests = json!({"cpu": settings.cpu_request, "memory": settings.memory_request});
        (requests, json!({"memory": settings.memory_limit}))
    };
    let budget = &pod["spec"]["resources"];
    for own in [&mut requests, &mut limits].into_iter().filter_map(Value::as_object_mut) {
        own.retain(|resource, _| ["requests", "limits"].iter().all(|field| budget[*field].get(resource).is_none()));
    }
    json!({"requests": requests, "limits": limits})
}

/// Whether the containers get exactly what they ask for. Such a pod stays so: ours then must, too.
fn is_guaranteed(pod: &Value) -> bool {
    let is_bounded = |container: &Value| {
        let (limits, requests) = (&container["resources"]["limits"], &container["resources"]["requests"]);
        ["cpu", "memory"].iter().all(|resource| {
            let limit = limits.get(*resource);
            limit.is_some() && requests.get(*resource).is_none_or(|request| Some(request) == limit)
        })
    };
    let own = |container: &&Value| container["name"] != NAME;
    let mut containers =
        items(&pod["spec"]["containers"]).chain(items(&pod["spec"]["initContainers"])).filter(own).peekable();
    containers.peek().is_some() && containers.all(is_bounded)
}

/// The volume: a token for the operator alone, and the authorities that may vouch for it. A ConfigMap that is not there
/// yet must not keep the pod from starting.
pub(super) fn volume() -> Value {
    json!({
        "name": VOLUME,
        "projected": {
            "sources": [
                {"serviceAccountToken": {
                    "audience": lotse_crds::delivery::AUDIENCE, "expirationSeconds": 3600, "path": "token",
                }},
                {"configMap": {"name": CA, "optional": true, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ],
        },
    })
}
