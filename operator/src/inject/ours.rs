//! Tells the sidecar that the injector makes from what only takes its name. `inject` asks it of pods that come in, `pods` of
//! pods that are there.

use serde_json::{Map, Value, json};

use super::container::{NAME, PROGRAM};
use super::{containers, items};

/// Whether a container is the one that is wanted, in what says whose it is: image, arguments, place, and that it runs
/// nothing else. The rest others may change: the API server mounts the service account's token, a LimitRange sets limits,
/// meshes rewrite probes, webhooks set variables. The chart's admission policies judge the final state.
pub(super) fn is_ours(found: &Value, wanted: &Value) -> bool {
    let same = ["name", "image", "args", "restartPolicy"].iter().all(|field| found.get(*field) == wanted.get(*field));
    let has_mounts =
        items(&wanted["volumeMounts"]).all(|item| items(&found["volumeMounts"]).any(|found| holds(found, item)));
    // `lotse inject` knows no authorities: they may be missing, but not be others.
    let is_foreign = |entry: &Value| {
        let name = entry["name"].as_str().unwrap_or_default();
        name.starts_with("LOTSE_") && !items(&wanted["env"]).any(|wanted| wanted == entry)
    };
    same && has_mounts && !items(&found["env"]).any(is_foreign) && runs_nothing_else(found)
}

/// Whether a container has nothing by which it would run something else than its image's program.
fn runs_nothing_else(container: &Value) -> bool {
    ["command", "lifecycle", "livenessProbe", "envFrom"].iter().all(|field| container.get(*field).is_none())
        && ["startupProbe", "readinessProbe"].iter().all(|probe| container[*probe].get("exec").is_none())
        && shows_its_program(container)
}

/// Whether no mount lies over the program, or over or in another mount: a volume may hold a link to the root, and a mount
/// that goes through it would lie over the program after all.
fn shows_its_program(container: &Value) -> bool {
    let mounts = items(&container["volumeMounts"]).map(|mount| mount["mountPath"].as_str().unwrap_or_default());
    let mut paths: Vec<Vec<&str>> = std::iter::once(PROGRAM)
        .chain(mounts)
        .map(|path| path.split('/').filter(|part| !matches!(*part, "" | ".")).collect())
        .collect();
    // What lies in a path comes right after it in this order.
    paths.sort_unstable();
    let is_nested = paths.windows(2).any(|pair| pair[1].starts_with(&pair[0]));
    let climbs = paths.iter().any(|path| path.contains(&".."));
    !is_nested && !climbs
}

/// Whether `found` is what was `wanted`, with nothing beside it but what the API server adds by itself.
pub(super) fn holds(found: &Value, wanted: &Value) -> bool {
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
