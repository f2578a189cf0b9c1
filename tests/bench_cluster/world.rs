//! What the benchmark declares: namespaces with pods that no node runs, providers, routes, policies; and how it asks the
//! machine what the controller holds.

use std::path::Path;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

/// The namespace of the installation.
pub(crate) const ROOT: &str = "lotse-system";
/// How many namespaces there are.
pub(crate) const NAMESPACES: usize = 50;
const ROUTES_EACH: usize = 4;
const PROVIDERS: usize = 100;

/// What is declared.
pub(crate) struct World {
    client: Client,
}

impl World {
    /// In this cluster.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    fn kind(&self, kind: &str, plural: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "lotse.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "lotse.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    async fn apply(
        &self,
        (kind, plural): (&str, &str),
        (namespace, name): (&str, &str),
        spec: Value,
    ) -> anyhow::Result<()> {
        let object = json!({
            "apiVersion": "lotse.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "labels": {"bench": "yes"}}, "spec": spec,
        });
        let api = self.kind(kind, plural, namespace);
        api.patch(name, &PatchParams::apply("bench").force(), &Patch::Apply(object)).await?;
        Ok(())
    }

    /// Takes away what an earlier run has left.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        let ours = ListParams::default().labels("bench=yes");
        for (kind, plural) in [("DataPolicy", "datapolicies"), ("LLMProvider", "llmproviders")] {
            self.kind(kind, plural, ROOT).delete_collection(&DeleteParams::default(), &ours).await?;
        }
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for namespace in namespaces.list(&ours).await?.items {
            let pods = Api::<Pod>::namespaced(self.client.clone(), &namespace.name_any());
            pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
            namespaces.delete(&namespace.name_any(), &DeleteParams::default()).await?;
        }
        while !namespaces.list(&ours).await?.items.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Namespaces, providers, routes and a policy for all of them.
    pub(crate) async fn declare(&self) -> anyhow::Result<()> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        for at in 0..NAMESPACES {
            let labels = json!({"bench": "yes", "lotse.dev/inject": "enabled", "bench-group": (at % 20).to_string()});
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(at), "labels": labels}});
            let parameters = PatchParams::apply("bench").force();
            namespaces.patch(&namespace_name(&namespace), &parameters, &Patch::Apply(namespace.clone())).await?;
        }
        for at in 0..PROVIDERS {
            self.provider(at, &json!({})).await?;
        }
        self.change_policy(299).await?;
        for at in 0..NAMESPACES {
            for turn in 0..ROUTES_EACH {
                let targets: Vec<Value> = (0..5)
                    .map(|step| {
                        let provider = (at + turn * 7 + step * 13) % PROVIDERS;
                        json!({"model": "m", "provider": {"name": format!("bench-{provider}"), "namespace": ROOT}})
                    })
                    .chain([json!({"model": "m", "provider": {"name": own(at), "namespace": ROOT}})])
                    .collect();
                let spec = json!({"models": [format!("model-{turn}")], "tiers": [{"targets": targets}]});
                self.apply(("ModelRoute", "modelroutes"), (&namespace(at), &format!("route-{turn}")), spec).await?;
            }
        }
        Ok(())
    }

    async fn provider(&self, at: usize, consumers: &Value) -> anyhow::Result<()> {
        let places = json!({"regions": ["FR", "DE"], "evidence": ["dpa"]});
        let spec = json!({
            "vendor": "example", "api": "OpenAI", "baseURL": format!("https://provider-{at}.example/v1"), "models": [{"name": "m"}],
            "consumers": {"namespaceSelector": consumers},
            "evidence": [{"name": "dpa", "kind": "Contractual", "source": "a contract"}],
            "promises": {
                "inference": places, "storage": places, "access": places,
                "jurisdiction": {"contractingEntity": "FR", "ultimateParent": "FR", "evidence": ["dpa"]},
            },
        });
        self.apply(("LLMProvider", "llmproviders"), (ROOT, &format!("bench-{at}")), spec).await
    }

    /// Another limit for everybody: each snapshot changes.
    pub(crate) async fn change_policy(&self, turn: usize) -> anyhow::Result<()> {
        let seconds = 3601 + turn % 300;
        let spec = json!({"inferenceRegions": ["EEA"], "staleness": {"warnSeconds": 300, "refuseSeconds": seconds}});
        self.apply(("DataPolicy", "datapolicies"), (ROOT, "bench"), spec).await
    }

    /// One namespace loses the provider that only it targets, and gets it back the next time.
    pub(crate) async fn change_consumers(&self, turn: usize) -> anyhow::Result<()> {
        let consumers = if turn.is_multiple_of(2) {
            json!({"matchLabels": {"bench": "no"}})
        } else {
            json!({"matchLabels": {"bench": "yes"}})
        };
        let places = json!({"regions": ["FR"], "evidence": ["dpa"]});
        let spec = json!({
            "vendor": "example", "api": "Simulated", "models": [{"name": "m"}], "consumers": {"namespaceSelector": consumers},
            "evidence": [{"name": "dpa", "kind": "Contractual", "source": "a contract"}],
            "promises": {"inference": places, "storage": places, "access": places},
        });
        self.apply(("LLMProvider", "llmproviders"), (ROOT, &own(0)), spec).await
    }

    /// Pods that the injector gives a sidecar and no node runs.
    pub(crate) async fn pods(&self, count: usize) -> anyhow::Result<Vec<Pod>> {
        let make = |at: usize| {
            let pods = Api::<Pod>::namespaced(self.client.clone(), &namespace(at % NAMESPACES));
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{at}"), "labels": {"pod-template-hash": at.to_string()}},
                "spec": {"nodeSelector": {"bench": "no-such-node"}, "containers": [{"name": "app", "image": "none"}]},
            });
            async move {
                let pod = serde_json::from_value(pod)?;
                anyhow::Ok(pods.create(&PostParams::default(), &pod).await?)
            }
        };
        let all: Vec<anyhow::Result<Pod>> =
            futures::stream::iter((0..count).map(make)).buffer_unordered(16).collect().await;
        all.into_iter().collect()
    }

    /// A token as the kubelet would fetch it; whoever runs this must be allowed to speak as a node.
    pub(crate) async fn token(&self, pod: &Pod) -> anyhow::Result<String> {
        let mut config = kube::Config::infer().await?;
        config.auth_info.impersonate = Some("bench".to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned(), "system:nodes".to_owned()]);
        let namespace = pod.namespace().context("a pod has a namespace")?;
        let accounts = Api::<ServiceAccount>::namespaced(Client::try_from(config)?, &namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec!["lotse-operator".to_owned()]),
                expiration_seconds: Some(7200),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.name_any()),
                    uid: pod.uid(),
                }),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request("default", &PostParams::default(), &request).await?;
        answer.status.and_then(|status| status.token).context("there is a token")
    }

    /// What the control group of the controller that leads holds, in MiB.
    pub(crate) async fn controller_memory(&self) -> anyhow::Result<f64> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), ROOT);
        let leaders = pods.list(&ListParams::default().labels("lotse.dev/leader=true")).await?.items;
        let [leader] = leaders.as_slice() else { bail!("somebody must lead, and only one") };
        memory_of("lotse-operator", &leader.uid().unwrap_or_default())
            .context("the controller must run on this machine")
    }

    /// What a running sidecar's process holds, in MiB, if one runs here.
    pub(crate) async fn sidecar_memory(&self) -> anyhow::Result<Option<f64>> {
        let pods = Api::<Pod>::all(self.client.clone());
        let injected = pods.list(&ListParams::default().labels("lotse.dev/sidecar=injected")).await?.items;
        Ok(injected.iter().find_map(|pod| memory_of("lotse-sidecar", &pod.uid().unwrap_or_default())))
    }
}

fn namespace(at: usize) -> String {
    format!("bench-{at}")
}

fn namespace_name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn own(at: usize) -> String {
    format!("bench-own-{at}")
}

/// The memory of the control group of a pod's program, in MiB: what the kernel would hold against its limit.
fn memory_of(program: &str, uid: &str) -> Option<f64> {
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let command = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let groups = std::fs::read_to_string(process.path().join("cgroup")).unwrap_or_default();
        let is_it = command.split('\0').next().is_some_and(|first| first.ends_with(program));
        if !is_it || !(groups.contains(uid) || groups.contains(&uid.replace('-', "_"))) {
            continue;
        }
        return groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let (folder, file) = match controllers {
                "" => ("/sys/fs/cgroup".to_owned(), "memory.current"),
                "memory" => ("/sys/fs/cgroup/memory".to_owned(), "memory.usage_in_bytes"),
                _ => return None,
            };
            let bytes: f64 =
                std::fs::read_to_string(Path::new(&format!("{folder}{path}")).join(file)).ok()?.trim().parse().ok()?;
            Some(bytes / 1024.0 / 1024.0)
        });
    }
    None
}
