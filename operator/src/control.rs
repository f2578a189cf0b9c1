//! The controller: *gather → compile → publish → report*. Every replica gathers and listens; the one that leads also
//! compiles, publishes, reports and keeps the certificates. [`run`] is the whole of it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use lotse_crds::exchange::{Wanted, exchanges as needed};
use lotse_crds::manifests::Manifests;
use lotse_crds::residency::utc_day;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::caller::Callers;
use crate::certificates::{Keeper, tls};
use crate::exchange::Exchanges;
use crate::gather::{self, Gathered};
use crate::https::Https;
use crate::labels::{CONTROLLER, LEADER};
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::plain::{self, Page, Pages};
use crate::publish::Publisher;
use crate::rations;
use crate::report::{self, Report, Sources};
use crate::serve::{self, Endpoint};
use crate::settings::{CertificateSource, Control};
use crate::treasury::Treasury;

/// How long changes are gathered before they are compiled: an apply of many objects is one change.
const QUIET: Duration = Duration::from_millis(25);
/// How long status waits after a change, so that acknowledgements come first.
const STATUS_AFTER: Duration = Duration::from_secs(1);
/// How often certificates are looked at; the bundle's copies also at each change.
const KEEP: Duration = Duration::from_secs(15);

/// Why the controller can't go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The cluster can't be reached at all.
    #[error("there is no way to the API server; run in a pod, or set KUBECONFIG")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A port can't be used.
    #[error("can't listen")]
    Listen(#[from] io::Error),
}

/// What all replicas share over their lives.
struct Replica {
    flags: Control,
    client: Client,
    gathered: Gathered,
    publisher: watch::Sender<Option<Arc<Publisher>>>,
    /// What was declared when it was last compiled.
    compiled: watch::Sender<Option<Arc<Manifests>>>,
    bundle: watch::Receiver<String>,
    anybody: watch::Receiver<bool>,
    /// Whether this replica leads, and whether it has done all that a leader does at first.
    leading: watch::Sender<Leading>,
    metrics: Metrics,
    now: fn() -> Timestamp,
}

/// How far a replica is with leading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leading {
    /// Another does, or nobody.
    No,
    /// It has just begun.
    Begun,
    /// It publishes, the Service leads to it, and the API server believes the webhook.
    Whole,
}

/// Runs until `stop` turns true.
pub async fn run(flags: Control, now: fn() -> Timestamp, stop: watch::Receiver<bool>) -> Result<(), ControlError> {
    let client = Client::try_default().await.map_err(|error| ControlError::Client(error.into()))?;
    let mut credentials: BTreeSet<String> = flags.credential_namespaces.iter().cloned().collect();
    if credentials.is_empty() {
        credentials.insert(flags.root_namespace.clone());
    }
    let served = crate::tls::serve(&client, &flags.root_namespace, &tls(CONTROLLER), &["h2"]);
    let (publisher, publishers) = watch::channel(None);
    let (alive, is_alive) = watch::channel(None);
    let lease = (flags.root_namespace.as_str(), CONTROLLER);
    let candidate = Candidate::new(&client, lease, flags.pod_name.clone(), now);
    let replica = Arc::new(Replica {
        anybody: candidate.anybody(),
        leading: watch::Sender::new(Leading::No),
        gathered: Gathered::start(&client, &flags, &credentials),
        publisher,
        compiled: watch::Sender::new(None),
        bundle: served.bundle.clone(),
        metrics: Metrics::new(),
        client: client.clone(),
        now,
        flags: flags.clone(),
    });
    let mut tasks = JoinSet::new();
    let endpoint = Endpoint {
        callers: Callers::new(client.clone(), replica.gathered.pods.clone()),
        publisher: publishers,
        alive: is_alive,
    };
    tasks.spawn(serve::accept(plain::bind(flags.listen).await?, served.acceptor, Arc::new(endpoint)));
    tasks.spawn(plain::serve(plain::bind(flags.probes).await?, probes(&replica)));
    tasks.spawn(plain::serve(plain::bind(flags.admin).await?, admin(&replica)));
    tasks.spawn(gather::pulse(client.clone(), alive));
    let (term, terms) = watch::channel(None);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the controller is there");
    let campaign = tokio::spawn(candidate.run(term, stop));
    follow_terms(&replica, terms).await;
    drop(campaign.await);
    Ok(())
}

/// Leads whenever this replica holds the Lease, until there will be no more terms.
async fn follow_terms(replica: &Arc<Replica>, mut terms: watch::Receiver<Option<u64>>) {
    loop {
        let term = *terms.borrow_and_update();
        let Some(term) = term else {
            if terms.changed().await.is_err() {
                return;
            }
            continue;
        };
        let publisher = Arc::new(Publisher::new(term));
        let treasury = Treasury::new(&replica.client, &replica.flags.root_namespace, &replica.flags.pod_name);
        let treasury = Arc::new(treasury);
        let mut tasks = JoinSet::new();
        tasks.spawn(treasury.clone().run(publisher.clone(), replica.now));
        tokio::select! {
            () = lead(replica, &publisher, &mut tasks) => {}
            _ = terms.wait_for(|now| *now != Some(term)) => {}
        }
        // First nobody new is let in, then those who follow are sent on to whoever leads next. A task that is compiling
        // ends when it has; what it publishes then is taken back, and a closed publisher gives nothing anyway.
        replica.publisher.send_replace(None);
        publisher.close();
        tasks.shutdown().await;
        replica.publisher.send_replace(None);
        replica.compiled.send_replace(None);
        replica.leading.send_replace(Leading::No);
        treasury.close(&publisher.rations).await;
        mark_follower(replica).await;
        tracing::info!(term, "this replica leads no more");
    }
}

/// Leads, by these tasks. Ends only by being dropped.
async fn lead(replica: &Arc<Replica>, publisher: &Arc<Publisher>, tasks: &mut JoinSet<()>) {
    replica.leading.send_replace(Leading::Begun);
    replica.gathered.ready().await;
    let (kept, mut is_kept) = watch::channel(false);
    tasks.spawn(keep(replica.clone(), kept));
    let https = Https::public(replica.flags.egress_proxy.as_deref());
    let exchanges = Arc::new(Exchanges::new(replica.client.clone(), https, replica.now));
    tasks.spawn(exchanges.clone().run());
    tasks.spawn(heed(publisher.clone(), exchanges.clone()));
    tasks.spawn(rations::run(publisher.clone(), replica.now));
    tasks.spawn(compile(replica.clone(), publisher.clone(), exchanges));
    tasks.spawn(report(replica.clone(), publisher.clone()));
    drop(replica.compiled.subscribe().wait_for(Option::is_some).await);
    mark_leader(replica).await;
    replica.metrics.leads.set(1);
    drop(is_kept.wait_for(|kept| *kept).await);
    replica.leading.send_replace(Leading::Whole);
    while tasks.join_next().await.is_some() {}
}

/// Renews credentials that providers refuse, as sidecars say.
async fn heed(publisher: Arc<Publisher>, exchanges: Arc<Exchanges>) {
    loop {
        for provider in publisher.credentials_refused().await {
            exchanges.refused(&provider);
        }
    }
}

/// Compiles at each change, when credentials have been renewed, and at each midnight in UTC, when evidence ends.
async fn compile(replica: Arc<Replica>, publisher: Arc<Publisher>, exchanges: Arc<Exchanges>) {
    let mut changes = replica.gathered.changes();
    let mut renewed = exchanges.renewed();
    changes.mark_changed();
    let mut day = None;
    let mut minutes = tokio::time::interval(Duration::from_mins(1));
    loop {
        let today = utc_day((replica.now)());
        if day.is_some_and(|day| day == today) {
            tokio::select! {
                told = changes.changed() => if told.is_err() { return },
                told = renewed.changed() => if told.is_err() { return },
                _ = minutes.tick() => continue,
            }
        }
        tokio::time::sleep(QUIET).await;
        changes.mark_unchanged();
        let mut manifests = replica.gathered.manifests();
        exchanges.want(needed(&manifests).into_iter().map(|exchange| Wanted::new(exchange, &manifests)).collect());
        if day.is_none() {
            exchanges.first_round().await;
        }
        day = Some(today);
        renewed.mark_unchanged();
        exchanges.fill(&mut manifests);
        let manifests = Arc::new(manifests);
        let pods = &replica.gathered.pods;
        publisher.refresh(&manifests, (replica.now)(), &|uid| pods.get(uid));
        replica.compiled.send_replace(Some(manifests.clone()));
        if replica.publisher.borrow().is_none() {
            publisher.expects(&manifests, (replica.now)(), &pods.all());
            replica.publisher.send_replace(Some(publisher.clone()));
        }
    }
}

/// Writes status after each change, and whenever sidecars have said something new.
async fn report(replica: Arc<Replica>, publisher: Arc<Publisher>) {
    let mut report = Report::new(replica.client.clone(), &replica.flags.pod_name);
    let mut compiled = replica.compiled.subscribe();
    let mut acks = publisher.acks();
    let mut left = true;
    loop {
        let later = async {
            let wait = if left { STATUS_AFTER } else { Duration::from_mins(10) };
            tokio::time::sleep(wait).await;
        };
        tokio::select! {
            changed = compiled.changed() => if changed.is_err() { return },
            changed = acks.changed() => if changed.is_err() { return },
            () = later => {}
        }
        tokio::time::sleep(STATUS_AFTER).await;
        acks.mark_unchanged();
        let Some(manifests) = compiled.borrow_and_update().clone() else { continue };
        let sources =
            Sources { gathered: &replica.gathered, publisher: &publisher, manifests: &manifests, now: (replica.now)() };
        left = report.write(&sources).await;
    }
}

/// Keeps certificates, and their bundle wherever sidecars are.
async fn keep(replica: Arc<Replica>, kept: watch::Sender<bool>) {
    let Control { root_namespace, certificates, certificate_overlap_seconds, .. } = &replica.flags;
    let own = *certificates == CertificateSource::Own;
    let overlap = SignedDuration::from_secs(i64::from(*certificate_overlap_seconds));
    let mut keeper = Keeper::new(replica.client.clone(), root_namespace, own, overlap).await;
    let mut changes = replica.gathered.changes();
    let mut bundle = replica.bundle.clone();
    let mut rounds: u32 = 0;
    let mut due = Instant::now();
    loop {
        // Pods come and go all the time; certificates do not.
        if Instant::now() >= due || bundle.has_changed().unwrap_or(true) {
            due = Instant::now() + KEEP;
            rounds = rounds.wrapping_add(1);
            match keeper.keep((replica.now)()).await {
                Ok(()) => drop(kept.send_replace(true)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "can't keep certificates; it will be tried again");
                }
            }
            if rounds.is_multiple_of(40) {
                keeper.forget();
            }
        }
        let believed = bundle.borrow_and_update().clone();
        if let Err(error) = keeper.spread(&namespaces(&replica), &believed).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "can't spread the bundle; it will be tried again");
        }
        tokio::select! {
            told = changes.changed() => if told.is_err() { return },
            told = bundle.changed() => if told.is_err() { return } else { bundle.mark_changed() },
            () = tokio::time::sleep_until(due) => {}
        }
        tokio::time::sleep(QUIET).await;
    }
}

/// The namespaces in which sidecars are, or may soon be.
fn namespaces(replica: &Replica) -> Vec<String> {
    let mut namespaces = replica.gathered.enabled_namespaces();
    namespaces.extend(replica.gathered.pods.all().into_iter().map(|pod| pod.name.namespace));
    namespaces.into_iter().collect()
}

/// Puts the leader's label on our own pod and takes it from all others, so that the Service leads here.
async fn mark_leader(replica: &Replica) {
    let pods: Api<Pod> = Api::namespaced(replica.client.clone(), &replica.flags.root_namespace);
    let own = &replica.flags.pod_name;
    loop {
        let marked = async {
            label(&pods, own, Some("true")).await?;
            let others = pods.list(&ListParams::default().labels(&format!("{LEADER}=true"))).await?;
            for other in others.items.iter().filter_map(|pod| pod.metadata.name.as_ref()).filter(|name| *name != own) {
                label(&pods, other, None).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match marked.await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "can't label the leader's pod; it will be tried again"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn mark_follower(replica: &Replica) {
    replica.metrics.leads.set(0);
    let pods: Api<Pod> = Api::namespaced(replica.client.clone(), &replica.flags.root_namespace);
    let unmarked = label(&pods, &replica.flags.pod_name, None);
    // The next leader does it too, so this need not succeed.
    drop(tokio::time::timeout(Duration::from_secs(2), unmarked).await);
}

async fn label(pods: &Api<Pod>, name: &str, value: Option<&str>) -> kube::Result<()> {
    let patch = json!({"metadata": {"labels": {LEADER: value}}});
    match pods.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        // A pod that is gone leads nowhere.
        Err(kube::Error::Api(status)) if status.is_not_found() && value.is_none() => Ok(()),
        patched => patched.map(drop),
    }
}

fn probes(replica: &Arc<Replica>) -> Pages {
    let replica = replica.clone();
    Arc::new(move |path| match path {
        "/readyz" => match unready(&replica) {
            Some(why) => Page::text(StatusCode::SERVICE_UNAVAILABLE, why),
            None => Page::text(StatusCode::OK, "ok"),
        },
        "/livez" => Page::text(StatusCode::OK, "ok"),
        "/metrics" => Page::metrics(replica.metrics.text(&sidecars(&replica))),
        _ => Page::text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics"),
    })
}

/// Why a replica is not ready. When all are, an installation works: somebody leads, and has done what a leader does.
fn unready(replica: &Replica) -> Option<&'static str> {
    if replica.bundle.borrow().is_empty() {
        return Some("there is no certificate yet");
    }
    if !*replica.anybody.borrow() {
        return Some("nobody leads yet");
    }
    (*replica.leading.borrow() == Leading::Begun).then_some("this replica has only just begun to lead")
}

fn admin(replica: &Arc<Replica>) -> Pages {
    let replica = replica.clone();
    Arc::new(move |path| match path {
        "/sidecars" if replica.publisher.borrow().is_none() => {
            Page::text(StatusCode::SERVICE_UNAVAILABLE, "this replica does not lead")
        }
        "/sidecars" => {
            let publisher = replica.publisher.borrow().clone();
            let one = |sidecar: &crate::publish::Sidecar| {
                let rations = publisher.as_ref().map(|publisher| publisher.rations.held(&sidecar.pod.uid));
                json!({
                    "pod": sidecar.pod.name, "state": sidecar.standing, "version": sidecar.version,
                    "revision": sidecar.offer.revision, "message": sidecar.why,
                    "rations": rations.unwrap_or_default(),
                })
            };
            let mut all: Vec<_> = sidecars(&replica).iter().map(one).collect();
            all.sort_by_key(|sidecar| sidecar["pod"].to_string());
            Page::json(&json!({"sidecars": all}))
        }
        _ => Page::text(StatusCode::NOT_FOUND, "there is /sidecars"),
    })
}

fn sidecars(replica: &Replica) -> Vec<crate::publish::Sidecar> {
    let publisher = replica.publisher.borrow().clone();
    let manifests = replica.compiled.borrow().clone();
    match (publisher, manifests) {
        (Some(publisher), Some(manifests)) => {
            report::sidecars(&replica.gathered, &publisher, &manifests, (replica.now)())
        }
        _ => Vec::new(),
    }
}
