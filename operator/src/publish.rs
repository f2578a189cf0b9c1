//! Who follows, and what each must obey: compiles for every workload that is followed, and offers what has changed.
//!
//! One `Publisher` lives as long as one leadership: when that ends it is dropped, and all streams with it. Sidecars of one
//! workload share one compiled snapshot. Nothing here does I/O; `control` tells it when to compile, `serve` follows. What is
//! rationed among those who follow is `rations`'.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::delivery::{Ack, Epoch, Hello, Outcome};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::{ObjectName, Workload};
use lotse_crds::snapshot::Revision;
use lotse_crds::usage::RESTRICTION;
use tokio::sync::watch;

mod offer;

use crate::pods::PodRecord;
use crate::rations::{Rations, Words};
pub use offer::Offer;

/// What one sidecar is sent: an offer, at its place in the order.
#[derive(Clone)]
pub struct Sent {
    /// Its place.
    pub epoch: Epoch,
    /// The line after the epoch.
    pub content: Bytes,
    /// The snapshot's content hash.
    pub revision: Revision,
}

/// How a sidecar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It holds what is current.
    Current,
    /// It has not said so yet.
    Behind,
    /// It has refused it, or can't execute it.
    Refused,
    /// It is not heard from.
    Silent,
}

/// A sidecar that follows.
#[derive(Clone)]
pub struct Sidecar {
    /// Its pod.
    pub pod: PodRecord,
    /// Its version.
    pub version: String,
    /// What it is offered.
    pub offer: Arc<Offer>,
    /// How it stands.
    pub standing: Standing,
    /// Why it refused, or what it can't execute.
    pub why: Option<String>,
}

/// Who follows, and what each must obey.
pub struct Publisher {
    term: u64,
    /// What is rationed among those who follow.
    pub rations: Rations,
    state: Mutex<State>,
    acks: watch::Sender<()>,
    /// Providers that have refused their credential, since somebody last took them.
    refused: watch::Sender<BTreeSet<ObjectName>>,
}

#[derive(Default)]
struct State {
    /// Leadership has ended; nothing more is published under this term.
    closed: bool,
    counter: u64,
    manifests: Option<(Arc<Manifests>, Timestamp)>,
    offers: HashMap<String, Arc<Offer>>,
    /// What is compiled for nobody who follows: status asks for it again and again.
    surveyed: HashMap<String, Arc<Offer>>,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
}

struct Stream {
    pod: PodRecord,
    hello: Hello,
    offer: Arc<Offer>,
    sent: watch::Sender<Sent>,
    acked: Option<Epoch>,
    why: Option<String>,
}

/// A stream's end of the publisher. Dropped, the sidecar follows no more.
pub struct Following {
    publisher: Arc<Publisher>,
    /// The stream, as `rations` knows it.
    pub id: u64,
    /// What to send; closed when the pod is gone or follows anew, or leadership has ended.
    pub sent: watch::Receiver<Sent>,
    /// What else to say; nothing to a sidecar that would break off on it.
    pub words: Words,
}

impl Publisher {
    /// A publisher of this term.
    pub fn new(term: u64) -> Self {
        let (acks, refused) = (watch::Sender::new(()), watch::Sender::default());
        Self { term, rations: Rations::new(), state: Mutex::default(), acks, refused }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These pods were there when this leader began: those with a sidecar may still hold what the leader before granted.
    pub fn expects(&self, manifests: &Arc<Manifests>, now: Timestamp, pods: &[PodRecord]) {
        for pod in pods.iter().filter(|pod| pod.injected && pod.alive) {
            self.rations.expects(pod, &self.offer(manifests, &pod.workload, now).scope);
        }
    }

    /// Compiles for everyone who follows, and offers what has changed. `pod` gives a pod as it is now, by UID; a stream
    /// whose pod is gone or has ended ends.
    pub fn refresh(&self, manifests: &Arc<Manifests>, now: Timestamp, pod: &dyn Fn(&str) -> Option<PodRecord>) {
        let workloads: HashMap<String, Workload> = {
            let mut state = self.state();
            if state.closed {
                return;
            }
            state.manifests = Some((manifests.clone(), now));
            state.surveyed.clear();
            state.streams.retain(|_, stream| match pod(&stream.pod.uid) {
                Some(pod) => {
                    stream.pod = pod;
                    stream.pod.injected && stream.pod.alive
                }
                None => false,
            });
            state.streams.values().map(|stream| keyed(manifests, &stream.pod.workload)).collect()
        };
        // Compiled outside the lock: streams that begin in the meantime already see the new manifests.
        let fresh: Vec<(String, Offer)> = workloads
            .into_iter()
            .map(|(key, workload)| (key, Offer::new(compile(manifests, &workload, now))))
            .collect();
        let mut state = self.state();
        if state.closed {
            return;
        }
        for (key, offer) in fresh {
            let is_known = state.offers.get(&key).is_some_and(|known| known.is_same(&offer));
            if !is_known {
                state.offers.insert(key, Arc::new(offer));
            }
        }
        let State { counter, offers, streams, .. } = &mut *state;
        let mut used = BTreeSet::new();
        for (id, stream) in streams.iter_mut() {
            let (key, _) = keyed(manifests, &stream.pod.workload);
            let Some(offer) = offers.get(&key) else { continue };
            if !Arc::ptr_eq(offer, &stream.offer) {
                *counter += 1;
                stream.offer(offer, Epoch { term: self.term, counter: *counter });
                self.rations.obeys(*id, &offer.scope_for(&stream.hello));
            }
            used.insert(key);
        }
        offers.retain(|key, _| used.contains(key));
        drop(state);
        // One that has ended stays in the cluster for as long as its Job does, and holds nothing any more.
        self.rations.retain(&|uid| pod(uid).is_some_and(|pod| pod.alive));
    }

    /// Begins to follow for a pod; nothing before the first `refresh`.
    pub fn follow(self: &Arc<Self>, pod: PodRecord, hello: Hello) -> Option<Following> {
        let mut state = self.state();
        let (manifests, now) = state.manifests.clone()?;
        let (key, workload) = keyed(&manifests, &pod.workload);
        let offer = state
            .offers
            .entry(key)
            .or_insert_with(|| Arc::new(Offer::new(compile(&manifests, &workload, now))))
            .clone();
        state.counter += 1;
        let epoch = Epoch { term: self.term, counter: state.counter };
        let (content, revision, why) = offer.for_sidecar(&hello);
        let (sent, receiver) = watch::channel(Sent { epoch, content, revision });
        let id = state.next_stream;
        state.next_stream += 1;
        // Under the lock, so that no other snapshot comes in between.
        let understands = hello.restrictions.iter().any(|name| name == RESTRICTION);
        let words = if understands {
            self.rations.begins(id, &pod, &offer.scope_for(&hello))
        } else {
            self.rations.begins_without(&pod);
            Words::none()
        };
        // A pod has one sidecar, which has left its earlier streams behind.
        state.streams.retain(|_, stream| stream.pod.uid != pod.uid);
        state.streams.insert(id, Stream { pod, hello, offer, sent, acked: None, why });
        drop(state);
        self.acks.send_replace(());
        Some(Following { publisher: self.clone(), id, sent: receiver, words })
    }

    /// Ends all streams: this replica leads no more.
    pub fn close(&self) {
        *self.state() = State { closed: true, ..State::default() };
    }

    /// Told whenever somebody begins or ceases to follow, or acknowledges.
    pub fn acks(&self) -> watch::Receiver<()> {
        self.acks.subscribe()
    }

    /// Waits until sidecars say that providers refuse their credential, and takes their names.
    pub async fn credentials_refused(&self) -> BTreeSet<ObjectName> {
        let mut told = self.refused.subscribe();
        drop(told.wait_for(|providers| !providers.is_empty()).await);
        self.refused.send_replace(BTreeSet::new())
    }

    /// Everyone who follows.
    pub fn sidecars(&self) -> Vec<Sidecar> {
        self.state().streams.values().map(Stream::sidecar).collect()
    }

    /// What the manifests mean for a workload, compiled as for those who follow, once for each compile.
    pub fn offer(&self, manifests: &Arc<Manifests>, workload: &Workload, now: Timestamp) -> Arc<Offer> {
        let (key, workload) = keyed(manifests, workload);
        let state = self.state();
        if let Some(offer) = state.offers.get(&key).or_else(|| state.surveyed.get(&key)) {
            return offer.clone();
        }
        drop(state);
        let offer = Arc::new(Offer::new(compile(manifests, &workload, now)));
        let mut state = self.state();
        // They may have changed meanwhile, and what was made of others must not stay.
        if state.manifests.as_ref().is_some_and(|(current, _)| Arc::ptr_eq(current, manifests)) {
            state.surveyed.insert(key, offer.clone());
        }
        offer
    }
}

/// A workload as far as anything reads it, and its name in maps.
fn keyed(manifests: &Manifests, workload: &Workload) -> (String, Workload) {
    let workload = manifests.as_selected(workload);
    (serde_json::to_string(&workload).expect("a workload has only string keys"), workload)
}

impl Stream {
    fn offer(&mut self, offer: &Arc<Offer>, epoch: Epoch) {
        let (content, revision, why) = offer.for_sidecar(&self.hello);
        self.offer = offer.clone();
        self.why = why;
        self.sent.send_replace(Sent { epoch, content, revision });
    }

    fn sidecar(&self) -> Sidecar {
        let holds_it = self.acked == Some(self.sent.borrow().epoch);
        let standing = match (&self.why, holds_it) {
            (Some(_), _) => Standing::Refused,
            (None, true) => Standing::Current,
            (None, false) => Standing::Behind,
        };
        Sidecar {
            pod: self.pod.clone(),
            version: self.hello.version.clone(),
            offer: self.offer.clone(),
            standing,
            why: self.why.clone(),
        }
    }
}

impl Following {
    /// What is rationed among those who follow.
    pub fn rations(&self) -> &Rations {
        &self.publisher.rations
    }

    /// Notes that a provider has refused the credential that the sidecar was sent. One that it was not sent is not heeded.
    pub fn credential_refused(&self, provider: ObjectName) {
        let state = self.publisher.state();
        let Some(stream) = state.streams.get(&self.id) else { return };
        let is_its_own = stream.offer.snapshot.candidates().any(|candidate| candidate.provider == provider);
        drop(state);
        if is_its_own {
            self.publisher.refused.send_if_modified(|providers| providers.insert(provider));
        }
    }

    /// Notes what the sidecar says of what it was sent.
    pub fn ack(&self, ack: Ack) {
        let mut state = self.publisher.state();
        let Some(stream) = state.streams.get_mut(&self.id) else { return };
        if ack.epoch != stream.sent.borrow().epoch {
            // Of something older; what is current is still to be answered.
            return;
        }
        match ack.outcome {
            Outcome::Applied => stream.acked = Some(ack.epoch),
            Outcome::Refused(why) => {
                tracing::warn!(pod = %stream.pod.name, why, "a sidecar refuses what is current");
                stream.why = Some(why.chars().take(512).collect());
            }
        }
        drop(state);
        self.publisher.acks.send_replace(());
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.publisher.state().streams.remove(&self.id);
        self.publisher.rations.ends(self.id);
        self.publisher.acks.send_replace(());
    }
}

#[cfg(test)]
mod tests;
