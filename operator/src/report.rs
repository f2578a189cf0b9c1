//! Writes status and Events: only what has changed, and mere counts of sidecars at most every ten seconds. The leader's
//! task. What is said is `standing`'s; this file compares and writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use lotse_crds::finding::Kind;
use lotse_crds::manifests::Manifests;
use lotse_crds::name::Workload;
use lotse_crds::policy::DataPolicy;
use lotse_crds::provider::LLMProvider;
use lotse_crds::read::API_VERSION;
use lotse_crds::route::ModelRoute;
use lotse_crds::status::{
    CandidateState, Condition, DataPolicyStatus, LLMProviderStatus, ModelRouteStatus, Truth, short,
};
use lotse_crds::survey;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::conditions;
use crate::gather::{Declared, Gathered};
use crate::labels::FIELD_MANAGER;
use crate::publish::{Offer, Publisher, Sidecar, Standing};
use crate::standing::{Object, Said, World, standing};

/// How long counts alone wait to be written.
const COUNTS: Duration = Duration::from_secs(10);

/// Writes status and Events.
pub struct Report {
    client: Client,
    recorder: Recorder,
    written: BTreeMap<Object, Instant>,
    /// When writing failed: what fails is not tried again at once.
    failed: BTreeMap<Object, Instant>,
}

/// What status is made from.
pub struct Sources<'a> {
    /// What is watched.
    pub gathered: &'a Gathered,
    /// What is published.
    pub publisher: &'a Publisher,
    /// What was declared when it was last compiled.
    pub manifests: &'a Arc<Manifests>,
    /// The time.
    pub now: Timestamp,
}

impl Report {
    /// Writes through `client`, as this pod.
    pub fn new(client: Client, pod: &str) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(pod.to_owned()) };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            written: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Makes the status of all objects and writes what differs. Says whether something is left to be written later.
    pub async fn write(&mut self, sources: &Sources<'_>) -> bool {
        let declared = sources.gathered.declared();
        let undecodable = declared
            .iter()
            .filter_map(|(object, declared)| Some((object.clone(), declared.undecodable.clone()?)))
            .collect();
        let said = said(sources, &undecodable);
        self.written.retain(|object, _| declared.contains_key(object));
        self.failed.retain(|object, at| declared.contains_key(object) && at.elapsed() < COUNTS);
        let mut left = false;
        for (object, declared) in &declared {
            let Some(said) = said.get(object) else { continue };
            let status = status(object, (declared, said), sources);
            left |= !self.settle(object, declared, &status).await;
        }
        left
    }

    /// Writes one status if it differs. Says whether it is settled.
    async fn settle(&mut self, object: &Object, declared: &Declared, status: &Value) -> bool {
        if declared.status == *status {
            return true;
        }
        let is_news = essence(&declared.status) != essence(status);
        let is_due = |times: &BTreeMap<Object, Instant>| times.get(object).is_none_or(|at| at.elapsed() >= COUNTS);
        if (!is_news && !is_due(&self.written)) || !is_due(&self.failed) {
            return false;
        }
        let (kind, name) = object;
        let resource = resource(*kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &name.namespace, &resource);
        let patch = json!({
            "apiVersion": API_VERSION, "kind": resource.kind, "metadata": {"name": name.name, "uid": declared.uid}, "status": status,
        });
        match api.patch_status(&name.name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(patch)).await {
            Ok(_) => {
                self.written.insert(object.clone(), Instant::now());
                self.tell(object, declared, status).await;
                true
            }
            Err(kube::Error::Api(error)) if error.is_not_found() || error.is_conflict() => true,
            Err(error) => {
                tracing::warn!(%error, object = %name, "can't write status; it will be tried again");
                self.failed.insert(object.clone(), Instant::now());
                false
            }
        }
    }

    /// An Event when readiness has changed.
    async fn tell(&self, (kind, name): &Object, declared: &Declared, status: &Value) {
        let (before, after) = (ready(&declared.status), ready(status));
        let Some(after) = after.filter(|after| before.as_ref().is_none_or(|before| is_told_apart(before, after)))
        else {
            return;
        };
        // What passes by itself within seconds is no event.
        if after.reason == "Pending" {
            return;
        }
        let is_good = after.status == Truth::True;
        let message = if after.message.is_empty() { "it does what it says".to_owned() } else { after.message };
        let event = Event {
            type_: if is_good { EventType::Normal } else { EventType::Warning },
            reason: after.reason,
            note: Some(message.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(resource(*kind).kind),
            namespace: Some(name.namespace.clone()),
            name: Some(name.name.clone()),
            uid: Some(declared.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            tracing::warn!(%error, object = %name, "can't write an Event");
        }
    }
}

fn is_told_apart(before: &Condition, after: &Condition) -> bool {
    (before.status, &before.reason) != (after.status, &after.reason)
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::LLMProvider => ApiResource::erase::<LLMProvider>(&()),
        Kind::ModelRoute => ApiResource::erase::<ModelRoute>(&()),
        Kind::DataPolicy => ApiResource::erase::<DataPolicy>(&()),
    }
}

fn said(sources: &Sources<'_>, undecodable: &BTreeMap<Object, String>) -> BTreeMap<Object, Said> {
    let Sources { gathered, publisher, manifests, now } = sources;
    let sidecars = sidecars(gathered, publisher, manifests, *now);
    let mut workloads: Vec<Workload> = sidecars.iter().map(|sidecar| sidecar.pod.workload.clone()).collect();
    workloads.extend(survey::workloads(manifests));
    let offers: BTreeMap<String, (Workload, Arc<Offer>)> = workloads
        .into_iter()
        .map(|workload| {
            let workload = manifests.as_selected(&workload);
            let key = serde_json::to_string(&workload).expect("a workload has only string keys");
            let offer = publisher.offer(manifests, &workload, *now);
            (key, (workload, offer))
        })
        .collect();
    let offers: Vec<(Workload, Arc<Offer>)> = offers.into_values().collect();
    let mut findings: BTreeSet<_> = offers.iter().flat_map(|(_, offer)| offer.findings.iter().cloned()).collect();
    findings.extend(credentials(gathered, manifests));
    let world = World { manifests, offers: &offers, findings: &findings, sidecars: &sidecars, now: *now };
    standing(&world, undecodable)
}

/// Those who follow, and those who should and don't.
pub fn sidecars(
    gathered: &Gathered,
    publisher: &Publisher,
    manifests: &Arc<Manifests>,
    now: Timestamp,
) -> Vec<Sidecar> {
    let mut sidecars = publisher.sidecars();
    let heard: BTreeSet<String> = sidecars.iter().map(|sidecar| sidecar.pod.uid.clone()).collect();
    let silent = gathered.pods.all().into_iter().filter(|pod| pod.injected && pod.alive && !heard.contains(&pod.uid));
    for pod in silent {
        let offer = publisher.offer(manifests, &pod.workload, now);
        sidecars.push(Sidecar { pod, version: String::new(), offer, standing: Standing::Silent, why: None });
    }
    sidecars
}

/// Credentials that are not there; a Secret in a namespace that is not read says so.
fn credentials(gathered: &Gathered, manifests: &Manifests) -> Vec<lotse_crds::finding::Finding> {
    let mut findings = survey::credentials(manifests);
    for finding in &mut findings {
        let namespace = &finding.object.namespace;
        if !gathered.credential_namespaces.contains(namespace) {
            finding.message = format!(
                "Secrets of namespace {namespace} are not read; add it to the chart's credentialNamespaces, or move the provider to a namespace that is there"
            );
        }
    }
    findings
}

fn status((kind, name): &Object, (declared, said): (&Declared, &Said), sources: &Sources<'_>) -> Value {
    let previous: Vec<Condition> = serde_json::from_value(declared.status["conditions"].clone()).unwrap_or_default();
    let observed_generation = declared.generation;
    let conditions = conditions::merge(&previous, &said.verdicts, observed_generation, sources.now);
    let sidecars = Some(said.sidecars.clone());
    match kind {
        Kind::LLMProvider => {
            let spec = sources.manifests.providers.get(name);
            let inference = spec.and_then(|spec| spec.promises.inference.as_ref());
            let models = |spec: &lotse_crds::provider::LLMProviderSpec| {
                short(&spec.models.iter().map(|model| model.name.clone()).collect::<Vec<_>>())
            };
            json!(LLMProviderStatus {
                observed_generation,
                conditions,
                regions: inference.map(|inference| short(&inference.regions)),
                models: spec.map(models),
                sidecars,
            })
        }
        Kind::ModelRoute => {
            let spec = sources.manifests.routes.get(name).map(|route| &route.spec);
            json!(ModelRouteStatus {
                observed_generation,
                conditions,
                models: spec.map(|spec| short(&spec.models)),
                eligible: Some(eligible(said)),
                candidates: said.candidates.clone(),
                sidecars,
            })
        }
        Kind::DataPolicy => {
            let spec = sources.manifests.policies.get(name);
            json!(DataPolicyStatus {
                observed_generation,
                conditions,
                regions: spec.and_then(|spec| spec.inference_regions.as_deref()).map(short),
                sidecars,
            })
        }
    }
}

fn eligible(said: &Said) -> String {
    let eligible = said.candidates.iter().filter(|candidate| candidate.state == CandidateState::Eligible).count();
    format!("{eligible}/{}", said.candidates.len())
}

/// What of a status is news: not how many sidecars hold it by now.
fn essence(status: &Value) -> Value {
    let mut essence = status.clone();
    if let Some(fields) = essence.as_object_mut() {
        fields.remove("sidecars");
    }
    for condition in essence.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = condition.as_object_mut() {
            fields.remove("message");
            fields.remove("lastTransitionTime");
        }
    }
    essence
}

fn ready(status: &Value) -> Option<Condition> {
    let conditions: Vec<Condition> = serde_json::from_value(status.get("conditions")?.clone()).ok()?;
    conditions.into_iter().find(|condition| condition.type_ == "Ready")
}
