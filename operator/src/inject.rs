//! Gives a pod its sidecar: from the pod's raw JSON to a JSON patch, or to the reason why not. Pure.
//!
//! Raw, because a typed pod loses what this build does not know, and only additions, so that nothing of the owner's is
//! changed; the one exception is a NO_PROXY that lacks loopback. Done twice, it does nothing the second time: the API
//! server calls again when another webhook has changed the pod. `admission` and `lotse inject` call it; `pods` asks
//! [`is_injected`]. The container itself is `container`'s.

use serde_json::{Map, Value, json};

use crate::labels::{INJECT, INJECTED, SIDECAR};

mod container;

pub use container::Settings;
use container::{NAME, VOLUME, container, volume};

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
            Self::SystemNamespace(namespace) => {
                format!("no sidecar, because nothing is injected in namespace {namespace}")
            }
        }
    }
}

/// What becomes of `pod` in `namespace`.
pub fn inject(pod: &Value, namespace: &str, settings: &Settings) -> Decision {
    if let Some(skip) = skip(pod, namespace, settings) {
        return Decision::Skip(skip);
    }
    let wanted = container(pod, settings);
    let has_it = match containers(pod).find(|(_, container)| container["name"] == NAME) {
        None => false,
        Some(("initContainers", found)) if is_ours(found, &wanted) => true,
        Some(_) => {
            return Decision::Refuse(format!(
                "a container may not be named {NAME}: the injector makes it; remove it from the pod"
            ));
        }
    };
    let volume_wanted = volume();
    match items(&pod["spec"]["volumes"]).find(|found| found["name"] == VOLUME) {
        None => {}
        Some(found) if holds(found, &volume_wanted) => {}
        Some(_) => return Decision::Skip(Skip::VolumeCollision),
    }
    let mut patch = Patch::default();
    let spec = &pod["spec"];
    if !items(&spec["volumes"]).any(|found| found["name"] == VOLUME) {
        patch.append("/spec/volumes", &spec["volumes"], &volume_wanted);
    }
    // Paths of containers are of the pod as it is, so their environment comes before the list grows.
    for field in ["initContainers", "containers"] {
        for (at, container) in items(&spec[field]).enumerate() {
            let name = container["name"].as_str().unwrap_or_default();
            if name != NAME && !MESH.contains(&name) {
                environment(&mut patch, &format!("/spec/{field}/{at}/env"), &container["env"]);
            }
        }
    }
    if !has_it {
        patch.insert("/spec/initContainers", &spec["initContainers"], after_mesh(spec), &wanted);
    }
    let metadata = &pod["metadata"];
    patch.set("/metadata/labels", &metadata["labels"], (SIDECAR, INJECTED));
    let by = format!("{} {}", settings.version, settings.image);
    patch.set("/metadata/annotations", &metadata["annotations"], ("lotse.dev/injected-by", &by));
    Decision::Inject(patch.0)
}

fn skip(pod: &Value, namespace: &str, settings: &Settings) -> Option<Skip> {
    let spec = &pod["spec"];
    if SYSTEM.contains(&namespace) || namespace == settings.root_namespace {
        return Some(Skip::SystemNamespace(namespace.to_owned()));
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
    let mut ports = foreign.flat_map(|(_, container)| items(&container["ports"]));
    let taken = ports.find_map(|port| port["containerPort"].as_i64().filter(|port| PORTS.contains(port)));
    taken.map(Skip::PortCollision)
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

/// Leads an app's SDKs to the sidecar. What the container sets itself stays; what it takes from a ConfigMap by envFrom is
/// overridden, as everything in `env` overrides it.
fn environment(patch: &mut Patch, list: &str, env: &Value) {
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
    for name in ["NO_PROXY", "no_proxy"] {
        match items(env).enumerate().find(|(_, entry)| entry["name"] == name) {
            None => missing.push(json!({"name": name, "value": LOOPBACK})),
            Some((at, entry)) => {
                if let Some(longer) = entry["value"].as_str().and_then(with_loopback) {
                    patch.0.push(json!({"op": "replace", "path": format!("{list}/{at}/value"), "value": longer}));
                }
            }
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

/// Whether a container is the one that is wanted, in what says whose it is: image, arguments, place, and that it runs
/// nothing else. The rest others may change: the API server mounts the service account's token, a LimitRange sets limits,
/// meshes rewrite probes, webhooks set variables. The chart's admission policies judge the final state.
fn is_ours(found: &Value, wanted: &Value) -> bool {
    let same = ["name", "image", "args", "restartPolicy"].iter().all(|field| found.get(*field) == wanted.get(*field));
    let has_all = |field: &str| items(&wanted[field]).all(|item| items(&found[field]).any(|found| holds(found, item)));
    let is_foreign = |entry: &Value| {
        let name = entry["name"].as_str().unwrap_or_default();
        name.starts_with("LOTSE_") && !items(&wanted["env"]).any(|wanted| wanted == entry)
    };
    same && has_all("env")
        && has_all("volumeMounts")
        && !items(&found["env"]).any(is_foreign)
        && runs_nothing_else(found)
}

/// Whether a container has nothing by which it would run something else than its image's program.
fn runs_nothing_else(container: &Value) -> bool {
    ["command", "lifecycle", "livenessProbe", "envFrom"].iter().all(|field| container.get(*field).is_none())
}

/// Whether `found` is what was `wanted`, with nothing beside it but what the API server adds by itself.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let all = wanted.iter().all(|(key, value)| found.get(key).is_some_and(|found| holds(found, value)));
            all && found.keys().all(|key| wanted.contains_key(key) || is_defaulted(key, found))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        _ => found == wanted,
    }
}

/// What the API server adds to containers, probes and volumes, with the value that it adds.
/// Source: Kubernetes API reference, "Default" of Container, Probe, HTTPGetAction and ProjectedVolumeSource.
fn is_defaulted(key: &str, found: &Map<String, Value>) -> bool {
    let defaults = json!({
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": null,
        "scheme": "HTTP", "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        "defaultMode": 420, "protocol": "TCP", "apiVersion": "v1", "resources": {}, "recursiveReadOnly": "Disabled",
    });
    defaults.get(key).is_some_and(|default| default.is_null() || found.get(key) == Some(default))
}

/// Whether a pod truly carries the sidecar that the injector makes: the second lock behind the admission policies. It
/// must be a native sidecar without a command of its own, and the only one to have a token for the operator.
pub fn is_injected(pod: &Value) -> bool {
    let ours = |container: &Value| container["name"] == NAME;
    let mut sidecars = containers(pod).filter(|(_, container)| ours(container));
    let Some(("initContainers", sidecar)) = sidecars.next() else { return false };
    let is_alone = sidecars.next().is_none();
    let is_native = sidecar["restartPolicy"] == "Always";
    let volumes: Vec<&str> = items(&pod["spec"]["volumes"])
        .filter(|volume| projects_our_token(volume))
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    let mounts = |container: &Value| {
        items(&container["volumeMounts"])
            .any(|mount| mount["name"].as_str().is_some_and(|name| volumes.contains(&name)))
    };
    let only_ours_mounts = containers(pod).all(|(_, container)| ours(container) || !mounts(container));
    is_alone && is_native && runs_nothing_else(sidecar) && !volumes.is_empty() && mounts(sidecar) && only_ours_mounts
}

fn projects_our_token(volume: &Value) -> bool {
    items(&volume["projected"]["sources"])
        .any(|source| source["serviceAccountToken"]["audience"] == lotse_crds::delivery::AUDIENCE)
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
