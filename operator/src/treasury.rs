//! Keeps in the cluster what has been spent: in one ConfigMap of the root namespace, read before anything is told, and written
//! at most every ten seconds and when leadership ends. Also writes the Events on budgets. The leader's task; what is counted
//! is `rations`'.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource as _};
use lotse_crds::quota::Period;
use lotse_crds::route::ModelRoute;

use crate::labels::{FIELD_MANAGER, SPEND};
use crate::notice::Notice;
use crate::owner;
use crate::publish::Publisher;
use crate::rations::Rations;
use crate::spend::Spend;

/// How often it is written at most.
const WRITE: Duration = Duration::from_secs(10);
/// How often Events are written.
const TELL: Duration = Duration::from_secs(1);
/// How long the wait is after a read that failed.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the last write may take.
const LAST: Duration = Duration::from_secs(3);
/// The key in the ConfigMap.
const KEY: &str = "spend.json";

/// Keeps what has been spent under one leadership.
pub struct Treasury {
    maps: Api<ConfigMap>,
    client: Client,
    recorder: Recorder,
    /// The ConfigMap's version as it was last read or written; nothing while there is none.
    version: Mutex<Option<String>>,
}

/// Why what was spent can't be read or written.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the API server refuses or does not answer")]
    Api(#[from] kube::Error),
    #[error("ConfigMap {SPEND} holds what is none of ours; correct it or delete it")]
    Garbage(#[from] serde_json::Error),
}

impl Treasury {
    /// Keeps it in namespace `root`, as this pod.
    pub fn new(client: &Client, root: &str, pod: &str) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(pod.to_owned()) };
        Self {
            maps: Api::namespaced(client.clone(), root),
            recorder: Recorder::new(client.clone(), reporter),
            client: client.clone(),
            version: Mutex::default(),
        }
    }

    /// Reads what was kept, and keeps it from then on, until the task is dropped.
    pub async fn run(self: Arc<Self>, publisher: Arc<Publisher>, now: fn() -> Timestamp) {
        let rations = &publisher.rations;
        let spend = loop {
            match self.read().await {
                Ok(spend) => break spend,
                // A failed read is no absence: nothing is told until it is known what has been spent.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "it can't be read what has been spent; it will be tried again");
                }
            }
            tokio::time::sleep(AGAIN).await;
        };
        rations.opens(spend, now());
        let owner = owner::find(&self.client).await;
        let mut written = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(TELL).await;
            for notice in rations.notices() {
                if let Err(error) = self.tell(&notice).await {
                    tracing::warn!(%error, route = %notice.route, "can't write an Event");
                }
            }
            if written.elapsed() < WRITE {
                continue;
            }
            written = tokio::time::Instant::now();
            if let Err(error) = self.keep(rations, owner.as_ref()).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what has been spent can't be kept; it will be tried again");
            }
        }
    }

    /// Writes once more, when leadership has ended, over what this leader has seen. Whoever leads next may have written
    /// already, and then this is not written: it has heard all of it again, or will.
    pub async fn close(&self, rations: &Rations) {
        let (Some(spend), true) = (rations.to_keep(), self.version().is_some()) else { return };
        match tokio::time::timeout(LAST, self.write(&spend, None)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "what was spent last is not kept"),
            Err(_) => tracing::warn!("the API server does not take what was spent last"),
        }
    }

    async fn read(&self) -> Result<Spend, KeepError> {
        let map = self.maps.get_opt(SPEND).await?;
        self.is_at(map.as_ref());
        let data = map.and_then(|map| map.data).unwrap_or_default();
        Ok(data.get(KEY).map_or_else(|| Ok(Spend::default()), |json| Spend::read(json))?)
    }

    async fn keep(&self, rations: &Rations, owner: Option<&OwnerReference>) -> Result<(), KeepError> {
        let Some(spend) = rations.to_keep() else { return Ok(()) };
        match self.write(&spend, owner).await {
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                // Whoever led before has written last, or somebody has deleted it. Ours has all of it: the next one counts.
                self.is_at(self.maps.get_opt(SPEND).await?.as_ref());
                self.write(&spend, owner).await?;
            }
            written => written?,
        }
        rations.keeps(spend);
        Ok(())
    }

    /// Writes over the version that was last seen, and over no other.
    async fn write(&self, spend: &Spend, owner: Option<&OwnerReference>) -> kube::Result<()> {
        let version = self.version();
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(SPEND.to_owned()),
                resource_version: version,
                owner_references: owner.map(|owner| vec![owner.clone()]),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(KEY.to_owned(), spend.json())])),
            ..ConfigMap::default()
        };
        let mut map = serde_json::to_value(map).expect("a ConfigMap has only string keys");
        map["apiVersion"] = "v1".into();
        map["kind"] = "ConfigMap".into();
        let written = self.maps.patch(SPEND, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(map)).await?;
        self.is_at(Some(&written));
        Ok(())
    }

    fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_at(&self, map: Option<&ConfigMap>) {
        let version = map.and_then(|map| map.metadata.resource_version.clone());
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Writes an Event on the route. It names the namespace too, so that those of several are not counted as one.
    async fn tell(&self, notice: &Notice) -> kube::Result<()> {
        let message = notice.message();
        tracing::info!(route = %notice.route, reason = notice.reason(), "{message}");
        let routes = Api::<ModelRoute>::namespaced(self.client.clone(), &notice.route.namespace);
        let route = routes.get_metadata(&notice.route.name).await?;
        let event = Event {
            type_: EventType::Warning,
            reason: notice.reason().to_owned(),
            note: Some(message),
            action: match notice.period {
                Period::Day => "CountDay".to_owned(),
                Period::Month => "CountMonth".to_owned(),
            },
            secondary: Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Namespace".to_owned()),
                name: Some(notice.namespace.clone()),
                ..ObjectReference::default()
            }),
        };
        self.recorder.publish(&event, &route.object_ref(&())).await
    }
}
