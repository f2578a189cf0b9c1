//! Who leads. One replica at a time holds the Lease; it alone publishes, writes status and renews certificates.
//!
//! Every claim carries the object's resourceVersion, so two replicas can't both win. Another's Lease has lapsed when it was
//! seen unchanged for its whole duration by our own clock; clocks of different machines are never compared. Each time it is
//! taken the term grows, by the same holder too: it orders deliveries. It is kept on the Lease, and is at least the time of
//! day in seconds, because a Lease that was deleted or came from a backup must not send sidecars back in time: they would
//! refuse whatever is older than what they hold. Called by `control`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::owner;

/// On the Lease: the term.
const TERM: &str = "lotse.dev/term";
/// How long a Lease lasts when nobody renews it.
const DURATION: Duration = Duration::from_secs(15);
/// How long after its last renewal a holder still leads: less than the others wait.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How often a holder renews it.
const RENEW: Duration = Duration::from_secs(3);

/// Runs for leadership.
pub struct Candidate {
    api: Api<Lease>,
    client: Client,
    name: String,
    /// This replica, as the Lease names it.
    identity: String,
    now: fn() -> Timestamp,
    seen: Option<Seen>,
    held: Option<Held>,
    /// Told whether anybody leads, this replica or another.
    anybody: watch::Sender<bool>,
}

/// Another's Lease as it was last seen.
struct Seen {
    version: String,
    at: Instant,
}

struct Held {
    term: u64,
    renewed: Instant,
}

impl Candidate {
    /// A candidate for Lease `name` in `namespace`. `now` is the time of day, which the Lease shows to people.
    pub fn new(client: &Client, (namespace, name): (&str, &str), identity: String, now: fn() -> Timestamp) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        let anybody = watch::Sender::new(false);
        Self { api, client: client.clone(), name: name.to_owned(), identity, now, seen: None, held: None, anybody }
    }

    /// Whether anybody leads.
    pub fn anybody(&self) -> watch::Receiver<bool> {
        self.anybody.subscribe()
    }

    /// Runs until `stop` turns true, and then gives the Lease up so that another need not wait. `term` is told the term
    /// while this replica leads.
    pub async fn run(mut self, term: watch::Sender<Option<u64>>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            let due = self.held.as_ref().is_none_or(|held| held.renewed.elapsed() >= RENEW);
            if due {
                // The wait for an answer must not outlast the right to lead.
                match tokio::time::timeout(Duration::from_secs(5), self.attempt()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "can't claim or renew the Lease"),
                    Err(_) => tracing::warn!("the API server does not answer about the Lease"),
                }
            }
            if self.held.as_ref().is_some_and(|held| held.renewed.elapsed() >= DEADLINE) {
                tracing::error!("the Lease could not be renewed in time; this replica leads no more");
                self.held = None;
            }
            let leads = self.held.as_ref().map(|held| held.term);
            term.send_if_modified(|term| std::mem::replace(term, leads) != leads);
        }
        term.send_replace(None);
        if self.held.take().is_some()
            && let Err(error) = self.give_up().await
        {
            tracing::warn!(%error, "can't give the Lease up; another will wait until it has lapsed");
        }
    }

    async fn attempt(&mut self) -> kube::Result<()> {
        let asked = Instant::now();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let mut lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    owner_references: owner::find(&self.client).await.map(|owner| vec![owner]),
                    ..ObjectMeta::default()
                },
                spec: None,
            };
            self.claim(&mut lease);
            return self.claimed(self.api.create(&PostParams::default(), &lease).await, asked);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let is_ours = spec.holder_identity.as_deref() == Some(self.identity.as_str());
        if is_ours && self.held.is_some() {
            lease.spec = Some(LeaseSpec { renew_time: Some(MicroTime((self.now)())), ..spec });
            return self.replace(lease, asked).await;
        }
        // Ours, but of a process before this one: it is gone, since a pod runs one of us at a time.
        if is_ours || self.has_lapsed(&lease, &spec) {
            self.anybody.send_replace(false);
            self.claim(&mut lease);
            return self.replace(lease, asked).await;
        }
        self.anybody.send_replace(true);
        if self.held.take().is_some() {
            tracing::error!(holder = spec.holder_identity, "another replica has taken the Lease");
        }
        Ok(())
    }

    fn has_lapsed(&mut self, lease: &Lease, spec: &LeaseSpec) -> bool {
        if spec.holder_identity.as_deref().unwrap_or_default().is_empty() {
            return true;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = duration.map_or(DURATION, Duration::from_secs);
        match &self.seen {
            Some(seen) if seen.version == version => seen.at.elapsed() >= duration,
            _ => {
                self.seen = Some(Seen { version, at: Instant::now() });
                false
            }
        }
    }

    /// Makes a Lease ours, under a term later than any before.
    fn claim(&self, lease: &mut Lease) {
        let time = (self.now)();
        let term = next_term(term_of(lease), time);
        lease.metadata.annotations.get_or_insert_default().insert(TERM.to_owned(), term.to_string());
        let now = MicroTime(time);
        let before = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let transitions = before.saturating_add(1);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(15),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        });
    }

    async fn replace(&mut self, lease: Lease, asked: Instant) -> kube::Result<()> {
        let written = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        self.claimed(written, asked)
    }

    fn claimed(&mut self, written: kube::Result<Lease>, asked: Instant) -> kube::Result<()> {
        match written {
            Ok(lease) => {
                let term = term_of(&lease);
                if self.held.is_none() {
                    tracing::info!(term, "this replica leads");
                }
                self.held = Some(Held { term, renewed: asked });
                self.anybody.send_replace(true);
                Ok(())
            }
            // Somebody else was faster; the next look tells who.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn give_up(&self) -> kube::Result<()> {
        let mut lease = self.api.get(&self.name).await?;
        if let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity)) {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// The term that a Lease was last taken under.
fn term_of(lease: &Lease) -> u64 {
    let noted = lease.metadata.annotations.as_ref().and_then(|annotations| annotations.get(TERM)?.parse().ok());
    noted.unwrap_or_default()
}

/// A term after `before`, and not before `now`.
fn next_term(before: u64, now: Timestamp) -> u64 {
    (before + 1).max(u64::try_from(now.as_second()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_later_than_the_one_before_even_when_a_clock_is_wrong_and_later_than_those_of_a_lease_that_is_lost() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().expect("a time");
        let seconds = now.as_second().unsigned_abs();

        assert_eq!(next_term(0, now), seconds);
        assert_eq!(next_term(seconds + 500, now), seconds + 501, "another replica's clock was ahead");
        assert_eq!(term_of(&Lease::default()), 0);
    }
}
