//! What the command line reads from a cluster: what is declared, who a pod is, and how sidecars stand.
//!
//! It works with what a person may do: no Secret is read. Whether a credential is there stands in the provider's status,
//! which the operator wrote. Called by `explain`, `analyze`, `status` and `check`.

use anyhow::{Context as _, Result, anyhow, bail};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::config::KubeConfigOptions;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Api, Client, Config, Resource};
use lotse_crds::exchange;
use lotse_crds::finding::Finding;
use lotse_crds::manifests::Manifests;
use lotse_crds::name::{ObjectName, Workload};
use lotse_crds::policy::DataPolicy;
use lotse_crds::provider::LLMProvider;
use lotse_crds::route::ModelRoute;
use lotse_crds::secret::Secret;
use lotse_crds::status::Truth;
use lotse_crds::survey;
use serde::Deserialize;

use crate::declare::{self, name_of};
use crate::labels::LEADER;
use crate::rations::Held;

/// The port of the controller's loopback admin.
const ADMIN: u16 = 14191;

/// A cluster, as a person with a kubeconfig sees it.
pub struct Cluster {
    /// Asks its API server.
    pub client: Client,
    /// The namespace of platform and data protection.
    pub root: String,
}

/// A sidecar, as the controller tells.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub struct SidecarLine {
    /// Its pod, as `namespace/name`.
    pub pod: String,
    /// `current`, `behind`, `refused` or `silent`.
    pub state: String,
    /// Its version; empty when it is silent.
    pub version: String,
    /// The revision that it should hold.
    pub revision: String,
    /// Why it refuses.
    pub message: Option<String>,
    /// What it may use of limits, and what its namespace has spent.
    #[serde(default)]
    pub rations: Held,
}

#[derive(Deserialize)]
struct Answer {
    sidecars: Vec<SidecarLine>,
}

impl Cluster {
    /// The cluster of the kubeconfig's current context, or of `context`.
    pub async fn connect(context: Option<&str>, root: &str) -> Result<Self> {
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = match (context, Config::from_kubeconfig(&options).await) {
            (_, Ok(config)) => config,
            // In a pod there is no kubeconfig.
            (None, Err(error)) => {
                Config::incluster().map_err(|_| error).context("no cluster to ask; set KUBECONFIG")?
            }
            (Some(context), Err(error)) => return Err(error).context(format!("context {context} can't be used")),
        };
        let client = Client::try_from(config).context("the kubeconfig can't be used")?;
        Ok(Self { client, root: root.to_owned() })
    }

    /// All that is declared, and the objects that can't be decoded. Credentials count as there unless the provider's
    /// status says that they are not.
    pub async fn manifests(&self) -> Result<(Manifests, Vec<Finding>)> {
        let mut manifests = Manifests { root_namespace: self.root.clone(), ..Manifests::default() };
        let mut undecodable = Vec::new();
        for namespace in self.list::<PartialObjectMeta<Namespace>>().await? {
            declare::namespace(&mut manifests, &namespace);
        }
        for object in self.list::<DeserializeGuard<LLMProvider>>().await? {
            undecodable.extend(declare::provider(&mut manifests, &object));
            let Ok(provider) = &object.0 else { continue };
            let conditions = provider.status.iter().flat_map(|status| &status.conditions);
            let mut lacking = conditions.filter(|condition| condition.reason.starts_with("Credential"));
            if lacking.any(|condition| condition.status == Truth::False) {
                continue;
            }
            for reference in survey::secret_refs(&provider.spec) {
                let secret = ObjectName::new(name_of(provider).namespace, &reference.name);
                let values = manifests.secrets.entry(secret).or_default();
                values.insert(reference.key, Secret::unread());
            }
        }
        for object in self.list::<DeserializeGuard<ModelRoute>>().await? {
            undecodable.extend(declare::route(&mut manifests, &object));
        }
        for object in self.list::<DeserializeGuard<DataPolicy>>().await? {
            declare::policy(&mut manifests, &object);
        }
        exchange::assume(&mut manifests);
        Ok((manifests, undecodable))
    }

    async fn list<K>(&self) -> Result<Vec<K>>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let listed = Api::<K>::all(self.client.clone()).list(&ListParams::default()).await;
        Ok(listed.with_context(|| format!("{} can't be listed", K::plural(&())))?.items)
    }

    /// Who a pod is: `pod/NAME` or NAME.
    pub async fn workload(&self, namespace: &str, pod: &str) -> Result<Workload> {
        let name = pod.strip_prefix("pod/").unwrap_or(pod);
        if name.contains('/') {
            bail!("--from must be pod/NAME");
        }
        let pod = Api::<Pod>::namespaced(self.client.clone(), namespace).get(name).await;
        let pod = pod.with_context(|| format!("pod {namespace}/{name} can't be read"))?;
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        Ok(Workload {
            namespace: namespace.to_owned(),
            service_account: account.unwrap_or_else(|| "default".to_owned()),
            labels: pod.metadata.labels.unwrap_or_default(),
        })
    }

    /// Every sidecar, as the controller that leads tells: through a port-forward, so whoever may make one there may ask.
    pub async fn sidecars(&self) -> Result<Vec<SidecarLine>> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.root);
        let leaders = pods.list(&ListParams::default().labels(&format!("{LEADER}=true"))).await?;
        let leader = leaders.items.first().and_then(|pod| pod.metadata.name.clone());
        let leader =
            leader.ok_or_else(|| anyhow!("no controller leads in namespace {}; see `lotse check`", self.root))?;
        let mut forward =
            pods.portforward(&leader, &[ADMIN]).await.context("can't forward a port to the controller")?;
        let stream = forward.take_stream(ADMIN).ok_or_else(|| anyhow!("the port-forward has no stream"))?;
        let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move { drop(connection.await) });
        let request = http::Request::get("/sidecars").header("host", "localhost").body(String::new())?;
        let response = requests.send_request(request).await.context("the controller does not answer")?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("the controller answers {status}: {}", String::from_utf8_lossy(&body).trim());
        }
        Ok(serde_json::from_slice::<Answer>(&body).context("the controller's answer can't be read")?.sidecars)
    }
}
