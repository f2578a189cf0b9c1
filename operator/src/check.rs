//! `lotse check`: whether a cluster can take Lotse, and whether an installation works. Each check says what to do.

use std::fmt::Debug;
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicy};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Resource};
use lotse_crds::policy::DataPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::{Check, Output};
use crate::certs;
use crate::cluster::Cluster;
use crate::labels::{CONTROLLER, INJECT, INJECTOR, SIDECAR};

/// The oldest Kubernetes whose native sidecars are stable.
const OLDEST_MINOR: u32 = 33;
/// How many days before their end certificates should have been renewed.
const CERTIFICATE_DAYS: i64 = 30;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It is as it should be.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// It does not work.
    Error,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// How it went.
    pub grade: Grade,
    /// What was looked at.
    pub what: String,
    /// What to do about it; empty when it is as it should be.
    pub hint: String,
}

/// Writes every check to `out`. False when one fails.
pub async fn run(flags: &Check, now: Timestamp, out: &mut dyn Write) -> Result<bool> {
    let cluster = Cluster::connect(flags.cluster.context.as_deref(), &flags.cluster.root_namespace).await?;
    let mut lines = before(&cluster, flags.pre).await;
    if !flags.pre {
        lines.extend(installed(&cluster, now).await);
    }
    match flags.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&serde_json::json!({"checks": lines}))?)?,
        Output::Table => {
            for line in &lines {
                let (mark, color) = match line.grade {
                    Grade::Ok => ("√", "\u{1b}[32m"),
                    Grade::Warning => ("‼", "\u{1b}[33m"),
                    Grade::Error => ("×", "\u{1b}[31m"),
                };
                writeln!(out, "{color}{mark}\u{1b}[0m {}", line.what)?;
                if !line.hint.is_empty() {
                    writeln!(out, "    {}", line.hint)?;
                }
            }
        }
    }
    Ok(lines.iter().all(|line| line.grade != Grade::Error))
}

fn line(fine: bool, what: &str, hint: &str) -> Line {
    let grade = if fine { Grade::Ok } else { Grade::Error };
    Line { grade, what: what.to_owned(), hint: if fine { String::new() } else { hint.to_owned() } }
}

fn warn(fine: bool, what: &str, hint: &str) -> Line {
    let mut line = line(fine, what, hint);
    if !fine {
        line.grade = Grade::Warning;
    }
    line
}

/// What must be there before an installation; with `pre`, also whether you may install.
async fn before(cluster: &Cluster, pre: bool) -> Vec<Line> {
    let version = match cluster.client.apiserver_version().await {
        Ok(version) => version,
        Err(error) => {
            return vec![line(false, "the API server answers", &format!("it does not: {error}; see KUBECONFIG"))];
        }
    };
    let minor: u32 = version.minor.trim_end_matches('+').parse().unwrap_or_default();
    let what = format!("Kubernetes {} has native sidecars", version.git_version);
    let mut lines =
        vec![line(true, "the API server answers", ""), line(minor >= OLDEST_MINOR, &what, "it must be 1.33 or newer")];
    let policies = Api::<ValidatingAdmissionPolicy>::all(cluster.client.clone());
    let policies = policies.list(&ListParams::default().limit(1)).await;
    let served = !matches!(&policies, Err(kube::Error::Api(status)) if status.is_not_found());
    lines.push(line(served, "ValidatingAdmissionPolicy is served", "switch on admissionregistration.k8s.io/v1"));
    if !pre {
        return lines;
    }
    for (group, resource) in [
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("rbac.authorization.k8s.io", "clusterroles"),
    ] {
        let allowed = may_create(cluster, group, resource).await;
        let hint = format!("ask for create on {resource}.{group}, or let somebody install who has it");
        lines.push(warn(allowed, &format!("you may create {resource}"), &hint));
    }
    lines
}

async fn may_create(cluster: &Cluster, group: &str, resource: &str) -> bool {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some("create".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(cluster.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    answer.ok().and_then(|answer| answer.status).is_some_and(|status| status.allowed)
}

/// Whether an installation works.
async fn installed(cluster: &Cluster, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    let definitions = Api::<CustomResourceDefinition>::all(cluster.client.clone());
    for name in ["llmproviders.lotse.dev", "modelroutes.lotse.dev", "datapolicies.lotse.dev"] {
        let found = definitions.get_opt(name).await.ok().flatten();
        let served =
            found.is_some_and(|found| found.spec.versions.iter().any(|each| each.name == "v1alpha1" && each.served));
        lines.push(line(served, &format!("{name} is there"), "install the chart, or kubectl apply -f crds/"));
    }
    for name in [CONTROLLER, INJECTOR] {
        lines.push(deployment(cluster, name).await);
    }
    lines.push(lease(cluster, now).await);
    lines.push(webhook(cluster, now).await);
    lines.push(policies(cluster).await);
    lines.push(pods(cluster).await);
    lines.push(sidecars(cluster).await);
    lines
}

async fn deployment(cluster: &Cluster, name: &str) -> Line {
    let found = one::<Deployment>(cluster, name).await;
    let status = found.as_ref().and_then(|found| found.status.clone()).unwrap_or_default();
    let wanted = found.as_ref().and_then(|found| found.spec.replicas).unwrap_or(1);
    let ready = status.ready_replicas.unwrap_or_default();
    let fine = found.is_some() && ready >= wanted.min(1);
    let hint = format!("see kubectl -n {} describe deployment {name}", cluster.root);
    line(fine, &format!("Deployment {name} is ready ({ready} of {wanted})"), &hint)
}

async fn lease(cluster: &Cluster, now: Timestamp) -> Line {
    let spec = one::<Lease>(cluster, CONTROLLER).await.and_then(|lease| lease.spec).unwrap_or_default();
    let age = spec.renew_time.as_ref().map(|renewed| now.duration_since(renewed.0).as_secs());
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    let fine = holder.is_some() && age.is_some_and(|age| age < 60);
    let what = format!("a controller leads ({})", holder.as_deref().unwrap_or("nobody"));
    line(fine, &what, &format!("see kubectl -n {} logs deployment/{CONTROLLER}", cluster.root))
}

async fn webhook(cluster: &Cluster, now: Timestamp) -> Line {
    let api = Api::<MutatingWebhookConfiguration>::all(cluster.client.clone());
    let found = api.get_opt(INJECTOR).await.ok().flatten();
    let bundle = found.and_then(|found| found.webhooks?.first()?.client_config.ca_bundle.clone());
    let bundle = bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned());
    let ends = bundle.as_deref().and_then(certs::end_of);
    let days = ends.map(|ends| ends.duration_since(now).as_hours() / 24);
    let fine = days.is_some_and(|days| days > CERTIFICATE_DAYS);
    let what = format!("the API server believes the webhook (for {} days more)", days.unwrap_or_default());
    line(fine, &what, "the controller that leads writes the caBundle; see its log")
}

async fn policies(cluster: &Cluster) -> Line {
    let policies =
        Api::<DataPolicy>::namespaced(cluster.client.clone(), &cluster.root).list(&ListParams::default()).await;
    let opens = policies.is_ok_and(|list| list.items.iter().any(|policy| policy.spec.inference_regions.is_some()));
    let hint = format!("without a DataPolicy in {} that sets inferenceRegions every call is refused", cluster.root);
    warn(opens, "a root policy opens the door for somebody", &hint)
}

/// Pods that should have a sidecar and have none: they were there before, or the webhook was away.
async fn pods(cluster: &Cluster) -> Line {
    let enabled = ListParams::default().labels(&format!("{INJECT}=enabled"));
    let namespaces = Api::<Namespace>::all(cluster.client.clone()).list(&enabled).await;
    let mut without = Vec::new();
    for namespace in namespaces.map(|list| list.items).unwrap_or_default() {
        let name = namespace.metadata.name.unwrap_or_default();
        let bare = ListParams::default().labels(&format!("!{SIDECAR},{INJECT}!=disabled"));
        let pods = Api::<Pod>::namespaced(cluster.client.clone(), &name).list(&bare).await;
        let pods = pods.map(|list| list.items).unwrap_or_default();
        without.extend(pods.into_iter().filter_map(|pod| Some(format!("{name}/{}", pod.metadata.name?))));
    }
    let named: Vec<&str> = without.iter().take(5).map(String::as_str).collect();
    let what = format!("every pod of enabled namespaces has its sidecar ({} have none)", without.len());
    warn(without.is_empty(), &what, &format!("restart {}", named.join(", ")))
}

async fn sidecars(cluster: &Cluster) -> Line {
    match cluster.sidecars().await {
        Ok(all) => {
            let behind = all.iter().filter(|sidecar| sidecar.state != "current").count();
            let what = format!("every sidecar holds what is current ({} of {})", all.len() - behind, all.len());
            warn(behind == 0, &what, "`lotse status` names the others")
        }
        Err(error) => warn(false, "the controller tells about sidecars", &format!("{error:#}")),
    }
}

async fn one<K>(cluster: &Cluster, name: &str) -> Option<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    Api::<K>::namespaced(cluster.client.clone(), &cluster.root).get_opt(name).await.ok().flatten()
}
