//! Gives a pod its sidecar: from the pod's raw JSON to a JSON patch, or to the reason why not. Pure.
//!
//! Raw, because a typed pod loses what this build does not know, and only additions, so that nothing of the owner's is
//! changed; the one exception is a NO_PROXY that lacks loopback. Done twice, it does nothing the second time: the API
//! server calls again when another webhook has changed the pod. `admission` and `lotse inject` call it; `pods` asks
//! [`is_injected`]. The container itself is `container`'s, what only looks like it `ours`'.

use serde_json::{Value, json};

use crate::labels::{INJECT, INJECTED, SIDECAR};

mod container;
mod ours;

pub use container::Settings;
use container::{NAME, VOLUME, container, volume};
pub use ours::is_injected;
use ours::{holds, is_ours};

/// Containers of meshes. Ours comes after them: their proxy then starts before ours and outlives it, and carries what we
/// send. They are given no base URL.
const MESH: [&str; 6] =
    ["istio-proxy", "istio-init", "istio-validation", "linkerd-proxy", "linkerd-init", "linkerd-network-validator"];
/// Ports that the sidecar listens on.
const PORTS: [i64; 3] = [14141, 14190, 14191];
/// Namespaces in which nothing is injected: those that the cluster itself needs to come up.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// What must never go through a proxy.
const LOOPBACK: &str = "127.0.0.1,localhost,::1";

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It gets its sidecar by these operations of a JSON patch (RFC 6902); none if it has it already.
    Inject(Vec<Value>),
    /// It stays as it is.
    Skip(Skip),
    /// It is not admitted, because it pretends to have a sidecar.
    Refuse(String),
}

/// Why a pod stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It asks to be left alone.
    Disabled,
    /// Its label says neither yes nor no.
    InvalidLabel(String),
    /// It shares the node's network, where our port would be everybody's.
    HostNetwork,
    /// It is the image of a static pod, which no webhook changes.
    MirrorPod,
    /// It runs on Windows.
    Windows,
    /// It listens where the sidecar would.
    PortCollision(i64),
    /// It has a volume of the sidecar's name.
    VolumeCollision,
    /// It is no pod that can be read.
    Unsupported,
    /// It lives where nothing is injected.
    SystemNamespace(String),
}

impl Skip {
    /// The stable word, in snake_case as in metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::InvalidLabel(_) => "invalid_label",
            Self::HostNetwork => "host_network",
            Self::MirrorPod => "mirror_pod",
            Self::Windows => "windows",
            Self::PortCollision(_) => "port_collision",
            Self::VolumeCollision => "volume_collision",
            Self::Unsupported => "unsupported_object",
            Self::SystemNamespace(_) => "system_namespace",
        }
    }

    /// A sentence that says what to change.
    pub fn message(&self) -> String {
        match self {
            Self::Disabled => format!("no sidecar, because the pod's label {INJECT} is disabled"),
            Self::InvalidLabel(value) => {
                format!("no sidecar, because the pod's label {INJECT} is `{value}`; it must be enabled or disabled")
            }
            Self::HostNetwork => {
                "no sidecar, because hostNetwork shares the node's loopback; give the pod its own network".to_owned()
            }
            Self::MirrorPod => "no sidecar, because the kubelet made it from a file".to_owned(),
            Self::Windows => "no sidecar, because there is none for Windows".to_owned(),
            Self::PortCollision(port) => {
                format!("no sidecar, because a container has port {port}; the sidecar needs 14141, 14190 and 14191")
            }
            Self::VolumeCollision => {
                format!("no sidecar, because the pod has a volume `{VOLUME}` of its own; rename it")
            }
            Self::Unsupported => "no sidecar, because the object has no pod's spec".to_owned(),
            Self::SystemNamespace(namespace) => {
                format!("no sidecar, because nothing is injected in namespace {namespace}")
            }
        }
    }
}

/// What becomes of `pod` in `namespace`.
pub fn inject(pod: &Value, namespace: &str, settings: &Settings) -> Decision {
    if SYSTEM.contains(&namespace) || namespace == settings.root_namespace {
        return Decision::Skip(Skip::SystemNamespace(namespace.to_owned()));
    }
    let wanted = container(pod, settings);
    // First of all: a pod can't spoof by being one that is skipped.
    let named: Vec<_> = containers(pod).filter(|(_, container)| container["name"] == NAME).collect();
    let has_it = match named[..] {
        [] => false,
        [("initContainers", found)] if is_ours(found, &wanted) => true,
        _ => {
            return Decision::Refuse(format!(
                "a container may not be named {NAME}: the injector makes it; remove it from the pod"
            ));
        }
    };
    match skip(pod) {
        Some(skip) => Decision::Skip(skip),
        None => Decision::Inject(additions(pod, Some(&wanted).filter(|_| !has_it), settings)),
    }
}

fn skip(pod: &Value) -> Option<Skip> {
    let spec = &pod["spec"];
    if !spec.is_object() {
        return Some(Skip::Unsupported);
    }
    match pod["metadata"]["labels"][INJECT].as_str() {
        None | Some("enabled") => {}
        Some("disabled") => return Some(Skip::Disabled),
        Some(other) => return Some(Skip::InvalidLabel(other.chars().take(63).collect())),
    }
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        return Some(Skip::MirrorPod);
    }
    if spec["hostNetwork"] == true {
        return Some(Skip::HostNetwork);
    }
    if spec["os"]["name"] == "windows" || spec["nodeSelector"]["kubernetes.io/os"] == "windows" {
        return Some(Skip::Windows);
    }
    let foreign = containers(pod).filter(|(_, container)| container["name"] != NAME);
    let mut ports = foreign
        .flat_map(|(_, container)| items(&container["ports"]))
        .flat_map(|port| [&port["containerPort"], &port["hostPort"]]);
    if let Some(port) = ports.find_map(|port| port.as_i64().filter(|port| PORTS.contains(port))) {
        return Some(Skip::PortCollision(port));
    }
    let mut namesakes = items(&spec["volumes"]).filter(|found| found["name"] == VOLUME);
    namesakes.any(|found| !holds(found, &volume())).then_some(Skip::VolumeCollision)
}

/// What a pod lacks, with `sidecar` if it has none.
fn additions(pod: &Value, sidecar: Option<&Value>, settings: &Settings) -> Vec<Value> {
    let mut patch = Patch::default();
    let spec = &pod["spec"];
    if !items(&spec["volumes"]).any(|found| found["name"] == VOLUME) {
        patch.append("/spec/volumes", &spec["volumes"], &volume());
    }
    // Paths of containers are of the pod as it is, so their environment comes before the list grows.
    for field in ["initContainers", "containers"] {
        for (at, container) in items(&spec[field]).enumerate().filter(|(_, container)| container.is_object()) {
            let name = container["name"].as_str().unwrap_or_default();
            if name != NAME && !MESH.contains(&name) {
                environment(&mut patch, &format!("/spec/{field}/{at}/env"), container);
            }
        }
    }
    if let Some(sidecar) = sidecar {
        patch.insert("/spec/initContainers", &spec["initContainers"], after_mesh(spec), sidecar);
    }
    let metadata = &pod["metadata"];
    if !metadata.is_object() {
        // The template of a Job may have none.
        patch.0.push(json!({"op": "add", "path": "/metadata", "value": {}}));
    }
    patch.set("/metadata/labels", &metadata["labels"], (SIDECAR, INJECTED));
    let by = format!("{} {}", settings.version, settings.image);
    patch.set("/metadata/annotations", &metadata["annotations"], ("lotse.dev/injected-by", &by));
    patch.0
}

/// Where ours goes among the init containers: behind the last of a mesh, else first.
fn after_mesh(spec: &Value) -> usize {
    let is_mesh = |container: &Value| container["name"].as_str().is_some_and(|name| MESH.contains(&name));
    items(&spec["initContainers"])
        .enumerate()
        .filter(|(_, container)| is_mesh(container))
        .map(|(at, _)| at + 1)
        .last()
        .unwrap_or(0)
}

/// Leads an app's SDKs to the sidecar. What the container sets itself stays. What it takes by envFrom can't be seen, and is
/// overridden, as everything in `env` overrides it: that calls go here is what the platform wants.
fn environment(patch: &mut Patch, list: &str, container: &Value) {
    let env = &container["env"];
    let mut missing = Vec::new();
    for (name, value) in [
        ("OPENAI_BASE_URL", "http://127.0.0.1:14141/v1"),
        ("OPENAI_API_BASE", "http://127.0.0.1:14141/v1"),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:14141"),
        // SDKs do not start without one. It is never sent on.
        ("OPENAI_API_KEY", "lotse"),
        ("ANTHROPIC_API_KEY", "lotse"),
    ] {
        if !items(env).any(|entry| entry["name"] == name) {
            missing.push(json!({"name": name, "value": value}));
        }
    }
    let takes_more = items(&container["envFrom"]).next().is_some();
    for name in ["NO_PROXY", "no_proxy"] {
        // Of several the last counts.
        match items(env).enumerate().filter(|(_, entry)| entry["name"] == name).last() {
            // The kubelet puts in what envFrom says, or leaves the reference, a name that no host has.
            None if takes_more => missing.push(json!({"name": name, "value": format!("$({name}),{LOOPBACK}")})),
            None => missing.push(json!({"name": name, "value": LOOPBACK})),
            // An empty value is no field at all in what the API server writes, hence `add`.
            Some((at, entry)) if entry["valueFrom"].is_null() => {
                if let Some(longer) = with_loopback(entry["value"].as_str().unwrap_or_default()) {
                    patch.0.push(json!({"op": "add", "path": format!("{list}/{at}/value"), "value": longer}));
                }
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return;
    }
    if env.is_array() {
        patch
            .0
            .extend(missing.into_iter().map(|entry| json!({"op": "add", "path": format!("{list}/-"), "value": entry})));
    } else {
        patch.0.push(json!({"op": "add", "path": list, "value": missing}));
    }
}

/// A list of names with loopback appended; nothing if it is there already, or if the list means everything.
fn with_loopback(list: &str) -> Option<String> {
    let has = |name: &str| list.split(',').any(|entry| entry.trim() == name || entry.trim() == "*");
    let missing: Vec<&str> = LOOPBACK.split(',').filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return None;
    }
    let own = list.trim().trim_end_matches(',');
    let all: Vec<&str> = Some(own).filter(|own| !own.is_empty()).into_iter().chain(missing).collect();
    Some(all.join(","))
}

/// Operations of a JSON patch.
#[derive(Default)]
struct Patch(Vec<Value>);

impl Patch {
    /// Appends to a list, which is made if it is not there.
    fn append(&mut self, path: &str, list: &Value, item: &Value) {
        if list.is_array() {
            self.0.push(json!({"op": "add", "path": format!("{path}/-"), "value": item}));
        } else {
            self.0.push(json!({"op": "add", "path": path, "value": [item]}));
        }
    }

    /// Inserts into a list, which is made if it is not there.
    fn insert(&mut self, path: &str, list: &Value, at: usize, item: &Value) {
        if list.is_array() {
            self.0.push(json!({"op": "add", "path": format!("{path}/{at}"), "value": item}));
        } else {
            self.0.push(json!({"op": "add", "path": path, "value": [item]}));
        }
    }

    /// Sets a key of a map, which is made if it is not there. What is there already stays.
    fn set(&mut self, path: &str, map: &Value, (key, value): (&str, &str)) {
        if map[key] == value {
            return;
        }
        if map.is_object() {
            let escaped = key.replace('~', "~0").replace('/', "~1");
            self.0.push(json!({"op": "add", "path": format!("{path}/{escaped}"), "value": value}));
        } else {
            self.0.push(json!({"op": "add", "path": path, "value": {key: value}}));
        }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// All containers, each with the field that it stands in.
fn containers(pod: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|field| items(&pod["spec"][field]).map(move |container| (field, container)))
}

/// Where the pod stands in an object that makes pods; nothing for other kinds.
pub fn template_path(object: &Value) -> Option<&'static str> {
    match object["kind"].as_str()? {
        "Pod" => Some(""),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            Some("/spec/template")
        }
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
