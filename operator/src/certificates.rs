//! Keeps the certificates in the cluster as `certs` says they should be: the Secrets of the authority and of both servers,
//! the bundle in the webhook's configuration, and a ConfigMap with the bundle wherever sidecars are. The leader's task.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::certs::{self, Authority, CertificateError, Certificates, Pair, Serving, Settings};
use crate::labels::{CA, CONTROLLER, FIELD_MANAGER, INJECTOR};
use crate::owner;

/// The bundle as text, beside the caBundle that no admission policy can read: what a pod may be told to believe.
const AUTHORITIES: &str = "lotse.dev/authorities";
/// When the authority was made.
const MADE: &str = "lotse.dev/made";

/// Why certificates can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The API server says no, or nothing.
    #[error("the API server refuses or does not answer")]
    Api(#[from] kube::Error),
    /// A certificate can't be made.
    #[error(transparent)]
    Make(#[from] CertificateError),
}

/// Keeps the certificates of one installation.
pub struct Keeper {
    client: Client,
    root: String,
    /// Whether they are made here. If not, they come from outside and only their bundles are spread.
    own: bool,
    settings: Settings,
    /// Who owns what is made here.
    owner: Option<OwnerReference>,
    /// The bundle that each namespace's ConfigMap holds, as far as we wrote it.
    spread: HashMap<String, String>,
}

impl Keeper {
    /// Keeps the certificates in namespace `root`.
    pub async fn new(client: Client, root: &str, own: bool, overlap: SignedDuration) -> Self {
        let names = |service: &str| {
            vec![
                format!("{service}.{root}.svc"),
                format!("{service}.{root}.svc.cluster.local"),
                format!("{service}.{root}"),
            ]
        };
        let settings = Settings { serving: vec![names(CONTROLLER), names(INJECTOR)], overlap };
        let owner = owner::find(&client).await;
        Self { client, root: root.to_owned(), own, settings, owner, spread: HashMap::new() }
    }

    /// Looks once at all of it and mends what is not as it should be.
    pub async fn keep(&mut self, now: Timestamp) -> Result<(), KeepError> {
        let (authority, controller, injector) =
            (self.secret(CA).await?, self.secret(&tls(CONTROLLER)).await?, self.secret(&tls(INJECTOR)).await?);
        let current = Certificates {
            authority: authority.as_ref().and_then(authority_of),
            serving: vec![controller.as_ref().and_then(serving_of), injector.as_ref().and_then(serving_of)],
        };
        let settled = if self.own { certs::settle(&current, &self.settings, now)? } else { current.clone() };
        if self.own {
            if settled.authority != current.authority {
                tracing::info!("a new authority is made");
                self.write(CA, authority, settled.authority.as_ref().map(authority_data)).await?;
            }
            let before = [(tls(CONTROLLER), controller), (tls(INJECTOR), injector)];
            for ((name, before), (new, old)) in before.into_iter().zip(settled.serving.iter().zip(&current.serving)) {
                if new != old {
                    tracing::info!(secret = name, "a serving certificate or its bundle is renewed");
                    self.write(&name, before, new.as_ref().map(serving_data)).await?;
                }
            }
        }
        if let Some(injector) = settled.serving.get(1).and_then(Option::as_ref) {
            self.point_webhook_at(&injector.bundle).await?;
        }
        Ok(())
    }

    /// Writes the bundle into a ConfigMap of each namespace that has sidecars.
    pub async fn spread(&mut self, namespaces: &[String], bundle: &str) -> Result<(), KeepError> {
        if bundle.is_empty() {
            return Ok(());
        }
        for namespace in namespaces {
            if self.spread.get(namespace).is_some_and(|written| written == bundle) {
                continue;
            }
            let owner_references = self.owner.clone().map(|owner| vec![owner]);
            let map = ConfigMap {
                metadata: ObjectMeta { name: Some(CA.to_owned()), owner_references, ..ObjectMeta::default() },
                data: Some(BTreeMap::from([("ca.crt".to_owned(), bundle.to_owned())])),
                ..ConfigMap::default()
            };
            let mut map = serde_json::to_value(map).expect("a ConfigMap has only string keys");
            map["apiVersion"] = "v1".into();
            map["kind"] = "ConfigMap".into();
            let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
            match maps.patch(CA, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(map)).await {
                Ok(_) => drop(self.spread.insert(namespace.clone(), bundle.to_owned())),
                // The namespace is going away, and its pods with it.
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => {
                    tracing::debug!(namespace, "the bundle can't be written there");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Forgets what was written, so that it is written again: somebody may have changed it.
    pub fn forget(&mut self) {
        self.spread.clear();
    }

    async fn secret(&self, name: &str) -> kube::Result<Option<Secret>> {
        Api::<Secret>::namespaced(self.client.clone(), &self.root).get_opt(name).await
    }

    /// Replaces a Secret as it was read, or makes it. A conflict is an error: another has written in between.
    async fn write(&self, name: &str, before: Option<Secret>, data: Option<Contents>) -> kube::Result<()> {
        let Some((data, annotations)) = data else { return Ok(()) };
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.root);
        let mut secret = before.clone().unwrap_or_default();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.annotations.get_or_insert_default().extend(annotations);
        secret.metadata.managed_fields = None;
        if let Some(owner) = &self.owner {
            secret.metadata.owner_references = Some(vec![owner.clone()]);
        }
        secret.data = Some(data);
        if before.is_some() {
            secrets.replace(name, &PostParams::default(), &secret).await?;
        } else {
            secret.type_ = Some("kubernetes.io/tls".to_owned());
            secrets.create(&PostParams::default(), &secret).await?;
        }
        Ok(())
    }

    /// Tells the API server which authorities to believe when it calls the webhook.
    async fn point_webhook_at(&self, bundle: &str) -> kube::Result<()> {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let Some(configuration) = api.get_opt(INJECTOR).await? else { return Ok(()) };
        let webhooks = configuration.webhooks.unwrap_or_default();
        let annotations = configuration.metadata.annotations.unwrap_or_default();
        let is_noted = annotations.get(AUTHORITIES).is_some_and(|noted| noted == bundle);
        let note = json!({AUTHORITIES: bundle});
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let stale: Vec<_> = webhooks
            .iter()
            .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle))
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        if !stale.is_empty() || !is_noted {
            // A strategic merge finds each webhook by its name; the rest of it is the chart's.
            let patch = json!({"metadata": {"annotations": note}, "webhooks": stale});
            api.patch(INJECTOR, &PatchParams::default(), &Patch::Strategic(patch)).await?;
            tracing::info!("the API server is told whom to believe about the webhook");
        }
        Ok(())
    }
}

/// The Secret of a server's certificate.
pub fn tls(server: &str) -> String {
    format!("{server}-tls")
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

fn pair_of(secret: &Secret) -> Option<Pair> {
    Some(Pair { certificate: text(secret, "tls.crt")?, key: text(secret, "tls.key")? })
}

fn authority_of(secret: &Secret) -> Option<Authority> {
    let made = secret.metadata.annotations.as_ref()?.get(MADE)?.parse().ok()?;
    Some(Authority { pair: pair_of(secret)?, made })
}

fn serving_of(secret: &Secret) -> Option<Serving> {
    Some(Serving { pair: pair_of(secret)?, bundle: text(secret, "ca.crt")? })
}

type Contents = (BTreeMap<String, ByteString>, BTreeMap<String, String>);

fn data(pair: &Pair) -> BTreeMap<String, ByteString> {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    BTreeMap::from([("tls.crt".to_owned(), bytes(&pair.certificate)), ("tls.key".to_owned(), bytes(&pair.key))])
}

fn authority_data(authority: &Authority) -> Contents {
    (data(&authority.pair), BTreeMap::from([(MADE.to_owned(), authority.made.to_string())]))
}

fn serving_data(serving: &Serving) -> Contents {
    let mut data = data(&serving.pair);
    data.insert("ca.crt".to_owned(), ByteString(serving.bundle.as_bytes().to_vec()));
    (data, BTreeMap::new())
}
