//! AdmissionReviews: from the bytes of one to the bytes of its answer, and the Event that tells people. Pure; `webhook`
//! calls it. What becomes of the pod is `inject`'s.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::inject::{Decision, Settings, inject};

/// The answer to a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was a review, and this is the answer's body.
    Review {
        /// The body.
        body: Vec<u8>,
        /// What became of the pod, in a word.
        outcome: &'static str,
        /// What to tell people.
        event: Option<PodEvent>,
    },
    /// It was none.
    BadRequest(String),
}

/// What to tell people about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEvent {
    /// The version of the object that is told of.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID, if it has one.
    pub uid: Option<String>,
    /// Whether somebody should look at it.
    pub is_warning: bool,
    /// The stable word.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

/// What of a review is read; the rest is the API server's business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: Kind,
    #[serde(default)]
    namespace: String,
    operation: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// Warnings longer than this are cut by the API server. Source: Kubernetes API reference, AdmissionResponse.warnings.
const LONGEST_WARNING: usize = 256;

/// Answers the bytes of a review.
pub fn answer(bytes: &[u8], settings: &Settings) -> Answer {
    let review: Review = match serde_json::from_slice(bytes) {
        Ok(review) => review,
        Err(error) => return Answer::BadRequest(format!("the body is no AdmissionReview: {error}")),
    };
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Answer::BadRequest("the body must be an AdmissionReview of admission.k8s.io/v1".to_owned());
    }
    let Some(request) = review.request else {
        return Answer::BadRequest("the AdmissionReview has no request".to_owned());
    };
    let is_new_pod = request.kind.group.is_empty() && request.kind.kind == "Pod" && request.operation == "CREATE";
    if !is_new_pod {
        // A webhook configuration that asks for more than it should must not stop anything.
        return written(&request, json!({}), "not_a_new_pod", None);
    }
    match inject(&request.object, &request.namespace, settings) {
        Decision::Inject(patch) if patch.is_empty() => written(&request, json!({}), "injected", None),
        Decision::Inject(patch) => {
            let patch = serde_json::to_vec(&patch).expect("a patch has only string keys");
            let patch = base64::engine::general_purpose::STANDARD.encode(patch);
            let event = event(&request, (false, "SidecarInjected"), "the pod gets its sidecar".to_owned());
            written(&request, json!({"patchType": "JSONPatch", "patch": patch}), "injected", event)
        }
        Decision::Skip(skip) => {
            let message = skip.message();
            let warning: String = format!("lotse: {message}").chars().take(LONGEST_WARNING).collect();
            let event = event(&request, (true, "SidecarInjectionSkipped"), message);
            written(&request, json!({"warnings": [warning]}), skip.code(), event)
        }
        Decision::Refuse(message) => {
            let refusal = json!({"allowed": false, "status": {"code": 403, "reason": "Forbidden", "message": message}});
            let event = event(&request, (true, "SidecarInjectionRefused"), message);
            written(&request, refusal, "refused", event)
        }
    }
}

fn written(request: &Request, more: Value, outcome: &'static str, event: Option<PodEvent>) -> Answer {
    let mut response = json!({"uid": request.uid, "allowed": true});
    if let (Some(response), Value::Object(more)) = (response.as_object_mut(), more) {
        response.extend(more);
    }
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    let body = serde_json::to_vec(&review).expect("a review has only string keys");
    // What is only tried leaves no trace.
    Answer::Review { body, outcome, event: event.filter(|_| !request.dry_run) }
}

/// An Event about the pod's owner: a pod from a template has no name yet. A pod of its own has one, but no UID.
fn event(request: &Request, (is_warning, reason): (bool, &str), message: String) -> Option<PodEvent> {
    let metadata = &request.object["metadata"];
    let owners = metadata["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let subject = owners.iter().find(|owner| owner["controller"] == true);
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (api_version, kind, name, uid) = match subject {
        Some(owner) => (text(&owner["apiVersion"])?, text(&owner["kind"])?, text(&owner["name"])?, text(&owner["uid"])),
        None => ("v1".to_owned(), "Pod".to_owned(), text(&metadata["name"])?, None),
    };
    let namespace = request.namespace.clone();
    Some(PodEvent { api_version, kind, namespace, name, uid, is_warning, reason: reason.to_owned(), message })
}

#[cfg(test)]
mod tests;
