//! Watches what the operator compiles from: the three kinds, namespaces, the Secrets of the namespaces that it may read,
//! and pods with a sidecar. Gives all of it as [`Manifests`], plain data, on demand.
//!
//! Nothing is given before every kind has been listed once. A list that breaks off keeps what was there: a failed read is
//! not an absence. An object that can't be decoded stops nothing else; it is told apart, and a policy among them refuses
//! whatever it might select. Called by `control`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret as KubeSecret};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use lotse_crds::finding::Kind;
use lotse_crds::manifests::Manifests;
use lotse_crds::name::ObjectName;
use lotse_crds::policy::DataPolicy;
use lotse_crds::provider::{EgressProxy, LLMProvider};
use lotse_crds::route::ModelRoute;
use lotse_crds::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::declare::{self, name_of};
use crate::labels;
use crate::pods::{PodRecord, Pods};
use crate::settings::Control;

/// How often a kind is asked for one object, to know that the API server still answers for it.
const PULSE: Duration = Duration::from_secs(10);

/// What is watched.
pub struct Gathered {
    root_namespace: String,
    egress_proxy: Option<String>,
    providers: Store<DeserializeGuard<LLMProvider>>,
    routes: Store<DeserializeGuard<ModelRoute>>,
    policies: Store<DeserializeGuard<DataPolicy>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    secrets: Vec<Store<KubeSecret>>,
    /// The namespaces whose Secrets are read.
    pub credential_namespaces: BTreeSet<String>,
    /// Pods with a sidecar.
    pub pods: Arc<Pods>,
    changed: watch::Receiver<()>,
    pods_listed: watch::Receiver<bool>,
}

/// An object of one of the three kinds, as far as its status needs it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its generation.
    pub generation: Option<i64>,
    /// Its UID.
    pub uid: String,
    /// The status that is written now; null if none is.
    pub status: Value,
    /// Why it can't be decoded, if it can't.
    pub undecodable: Option<String>,
}

impl Gathered {
    /// Starts to watch.
    pub fn start(client: &Client, flags: &Control, credential_namespaces: &BTreeSet<String>) -> Self {
        let changes = watch::Sender::new(());
        let pods = Arc::new(Pods::default());
        let (listed, pods_listed) = watch::channel(false);
        tokio::spawn(follow_pods(client.clone(), pods.clone(), changes.clone(), listed));
        let secrets = credential_namespaces
            .iter()
            .map(|namespace| reflect(Api::namespaced(client.clone(), namespace), &changes))
            .collect();
        Self {
            root_namespace: flags.root_namespace.clone(),
            egress_proxy: flags.egress_proxy.clone(),
            providers: reflect(Api::all(client.clone()), &changes),
            routes: reflect(Api::all(client.clone()), &changes),
            policies: reflect(Api::all(client.clone()), &changes),
            namespaces: reflect(Api::all(client.clone()), &changes),
            secrets,
            credential_namespaces: credential_namespaces.clone(),
            pods,
            changed: changes.subscribe(),
            pods_listed,
        }
    }

    /// Waits until every kind has been listed once.
    pub async fn ready(&self) {
        // A writer that is gone is a task that has ended, and those end with the process.
        drop(self.providers.wait_until_ready().await);
        drop(self.routes.wait_until_ready().await);
        drop(self.policies.wait_until_ready().await);
        drop(self.namespaces.wait_until_ready().await);
        for secrets in &self.secrets {
            drop(secrets.wait_until_ready().await);
        }
        drop(self.pods_listed.clone().wait_for(|listed| *listed).await);
    }

    /// Told at each change.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.clone()
    }

    /// All that is declared, as it is now.
    pub fn manifests(&self) -> Manifests {
        let egress_proxy = self.egress_proxy.clone().map(|url| EgressProxy { url, credential: None, ca_bundle: None });
        let mut manifests =
            Manifests { root_namespace: self.root_namespace.clone(), egress_proxy, ..Manifests::default() };
        for namespace in self.namespaces.state() {
            declare::namespace(&mut manifests, namespace.as_ref());
        }
        // What can't be decoded is told in its own status.
        for object in self.providers.state() {
            drop(declare::provider(&mut manifests, &object));
        }
        for object in self.routes.state() {
            drop(declare::route(&mut manifests, &object));
        }
        for object in self.policies.state() {
            declare::policy(&mut manifests, &object);
        }
        for secret in self.secrets.iter().flat_map(Store::state) {
            manifests.secrets.insert(name_of(secret.as_ref()), values(&secret));
        }
        manifests
    }

    /// The namespaces whose pods get sidecars.
    pub fn enabled_namespaces(&self) -> BTreeSet<String> {
        let is_enabled =
            |labels: &BTreeMap<String, String>| labels.get(labels::INJECT).is_some_and(|on| on == "enabled");
        let namespaces = self.namespaces.state();
        namespaces
            .iter()
            .filter(|namespace| is_enabled(namespace.labels()))
            .map(|namespace| namespace.name_any())
            .collect()
    }

    /// All objects of the three kinds, as far as their status needs them.
    pub fn declared(&self) -> BTreeMap<(Kind, ObjectName), Declared> {
        let mut all = BTreeMap::new();
        collect(&mut all, Kind::LLMProvider, &self.providers, |provider| json!(provider.status));
        collect(&mut all, Kind::ModelRoute, &self.routes, |route| json!(route.status));
        collect(&mut all, Kind::DataPolicy, &self.policies, |policy| json!(policy.status));
        all
    }
}

fn collect<K>(
    all: &mut BTreeMap<(Kind, ObjectName), Declared>,
    kind: Kind,
    store: &Store<DeserializeGuard<K>>,
    status: fn(&K) -> Value,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    for object in store.state() {
        let declared = Declared {
            generation: object.meta().generation,
            uid: object.meta().uid.clone().unwrap_or_default(),
            status: object.0.as_ref().map(status).unwrap_or_default(),
            undecodable: object.0.as_ref().err().map(|broken| broken.error.clone()),
        };
        all.insert((kind, name_of(object.as_ref())), declared);
    }
}

fn values(secret: &KubeSecret) -> BTreeMap<String, Secret> {
    let data = secret.data.iter().flatten();
    // A value that is not text can't be sent as a header; it counts as not there, and the provider says so.
    data.filter_map(|(key, value)| Some((key.clone(), Secret::new(String::from_utf8(value.0.clone()).ok()?)))).collect()
}

/// Watches a kind into a store.
fn reflect<K>(api: Api<K>, changes: &watch::Sender<()>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let changes = changes.clone();
    tokio::spawn(async move {
        let events = watcher(api, watcher::Config::default()).modify(|object| object.managed_fields_mut().clear());
        let mut events = pin!(events.default_backoff().reflect(writer));
        while let Some(event) = events.next().await {
            match event {
                // In the middle of a list the store still holds what was there before.
                Ok(Event::Init | Event::InitApply(_)) => {}
                Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => changes.send_replace(()),
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "can't watch; what is known stays"),
            }
        }
    });
    reader
}

/// Watches pods with a sidecar. Only what matters of each is kept: with full objects a large cluster would not fit.
async fn follow_pods(client: Client, pods: Arc<Pods>, changes: watch::Sender<()>, listed: watch::Sender<bool>) {
    let config = watcher::Config::default().labels(&format!("{}={}", labels::SIDECAR, labels::INJECTED));
    let mut events = pin!(watcher(Api::<Pod>::all(client), config).default_backoff());
    let mut list = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(pod)) => list.extend(PodRecord::of(&pod)),
            Ok(Event::InitDone) => {
                pods.replace(std::mem::take(&mut list));
                listed.send_replace(true);
                changes.send_replace(());
            }
            Ok(Event::Apply(pod)) => {
                if PodRecord::of(&pod).is_some_and(|pod| pods.apply(pod)) {
                    changes.send_replace(());
                }
            }
            Ok(Event::Delete(pod)) => {
                pods.remove(&pod.metadata.uid.unwrap_or_default());
                changes.send_replace(());
            }
            Err(error) => tracing::warn!(kind = "Pod", %error, "can't watch; what is known stays"),
        }
    }
}

/// Asks for one object of each of the three kinds, again and again: whether what is known can still be vouched for.
/// A watch that is cut stays silent, and silence must not keep an old policy alive.
pub async fn pulse(client: Client, alive: watch::Sender<Option<tokio::time::Instant>>) {
    let one = kube::api::ListParams::default().limit(1);
    let mut ticks = tokio::time::interval(PULSE);
    loop {
        ticks.tick().await;
        let asked = tokio::time::Instant::now();
        let providers = Api::<PartialObjectMeta<LLMProvider>>::all(client.clone());
        let routes = Api::<PartialObjectMeta<ModelRoute>>::all(client.clone());
        let policies = Api::<PartialObjectMeta<DataPolicy>>::all(client.clone());
        let answers = async {
            providers.list_metadata(&one).await?;
            routes.list_metadata(&one).await?;
            policies.list_metadata(&one).await.map(drop)
        };
        match tokio::time::timeout(PULSE, answers).await {
            Ok(Ok(())) => drop(alive.send_replace(Some(asked))),
            Ok(Err(error)) => tracing::warn!(%error, "the API server does not answer for the three kinds"),
            Err(_) => tracing::warn!("the API server does not answer in time"),
        }
    }
}
