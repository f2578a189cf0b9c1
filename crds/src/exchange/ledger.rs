//! All exchanges that the manifests need: what each holds, when it is due, and why it failed. Pure; `operator` and
//! `sidecar` each have one and do what it says: begin what is due, exchange, and tell how it ended.

use jiff::Timestamp;

use super::refresh::Refresh;
use super::step::{Exchanged, Inputs};
use super::{Exchange, ExchangeError, ExchangeKey, HttpRequest, request};
use crate::manifests::Manifests;
use crate::name::ObjectName;
use crate::provider::SecretKeyRef;
use crate::secret::Secret;

/// An exchange, with the values of Secrets that it is made of.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub exchange: Exchange,
    /// Those that are there.
    values: Vec<(SecretKeyRef, Secret)>,
}

/// All exchanges that the manifests need.
#[derive(Debug, Default)]
pub struct Ledger(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    refresh: Refresh,
    held: Option<Exchanged>,
    told: Option<String>,
}

/// What the end of an exchange means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is another credential: manifests are to be compiled anew.
    Renewed,
    /// There is none, for a reason that is to be told.
    Failed,
    /// There is none, for the same reason as before.
    FailedAgain,
    /// Nobody wants it any more.
    Unwanted,
}

impl Wanted {
    /// An exchange, with the values that the manifests have for it.
    pub fn new(exchange: Exchange, manifests: &Manifests) -> Self {
        let namespace = &exchange.key.provider.namespace;
        let found =
            |reference: &SecretKeyRef| Some((reference.clone(), manifests.secret(namespace, reference)?.clone()));
        let values = exchange.secrets.iter().filter_map(found).collect();
        Self { exchange, values }
    }

    /// Its first request.
    pub fn request(&self, subject_token: Option<&Secret>, now: Timestamp) -> Result<HttpRequest, ExchangeError> {
        let secret =
            |reference: &SecretKeyRef| self.values.iter().find(|(own, _)| own == reference).map(|(_, value)| value);
        request(&self.exchange.key.kind, Inputs { subject_token, secret: &secret }, now)
    }

    fn has_same_values(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.values.iter(), other.values.iter());
        ours.map(|(name, value)| (name, value.reveal())).eq(theirs.map(|(name, value)| (name, value.reveal())))
    }
}

impl Ledger {
    /// These are wanted, and no others. One that is new is due at once, and so is one whose Secrets have changed.
    pub fn want(&mut self, wanted: Vec<Wanted>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.0);
        for wanted in wanted {
            if self.0.iter().any(|entry| entry.wanted.exchange.key == wanted.exchange.key) {
                continue;
            }
            let known = before.iter().position(|entry| entry.wanted.exchange.key == wanted.exchange.key);
            let Some(known) = known else {
                let refresh = Refresh::new(wanted.exchange.key.kind.windows(), now);
                self.0.push(Entry { wanted, refresh, held: None, told: None });
                continue;
            };
            let mut entry = before.swap_remove(known);
            if !entry.wanted.has_same_values(&wanted) {
                entry.wanted = wanted;
                entry.refresh.restart(now);
            }
            self.0.push(entry);
        }
    }

    /// When to look again: an exchange is due, or a credential ends.
    pub fn wake(&self) -> Option<Timestamp> {
        let due = self.0.iter().filter_map(|entry| entry.refresh.wake());
        let ends = self.0.iter().filter_map(|entry| entry.held.as_ref()).map(|held| held.expires);
        due.chain(ends).min()
    }

    /// Begins all that is due. Whoever is given one exchanges it, and says how it ended.
    pub fn begin(&mut self, now: Timestamp) -> Vec<Wanted> {
        let due = self.0.iter_mut().filter_map(|entry| entry.refresh.begin(now).then(|| entry.wanted.clone()));
        due.collect()
    }

    /// An exchange has ended; `chance`, from 0 to 1, spreads when it is due again.
    pub fn end(&mut self, key: &ExchangeKey, outcome: Result<Exchanged, String>, chance: f64, now: Timestamp) -> Ended {
        let Some(entry) = self.0.iter_mut().find(|entry| entry.wanted.exchange.key == *key) else {
            return Ended::Unwanted;
        };
        match outcome {
            Ok(exchanged) => {
                entry.refresh.succeeded(exchanged.expires, chance, now);
                entry.held = Some(exchanged);
                entry.told = None;
                Ended::Renewed
            }
            Err(why) => {
                entry.refresh.failed(chance, now);
                let is_known = entry.told.as_ref() == Some(&why);
                entry.told = Some(why);
                if is_known { Ended::FailedAgain } else { Ended::Failed }
            }
        }
    }

    /// Drops what has ended, and says whether anything has.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let ended = |entry: &mut Entry| entry.held.take_if(|held| held.expires <= now).is_some();
        self.0.iter_mut().map(ended).fold(false, |any, ended| any | ended)
    }

    /// A provider has refused its credential.
    pub fn refused(&mut self, provider: &ObjectName, now: Timestamp) {
        for entry in self.0.iter_mut().filter(|entry| entry.wanted.exchange.key.provider == *provider) {
            if let Some(obtained) = entry.refresh.held(now) {
                entry.refresh.refused(obtained, now);
            }
        }
    }

    /// What is held.
    pub fn held(&self) -> impl Iterator<Item = (&ExchangeKey, &Secret)> {
        self.0.iter().filter_map(|entry| Some((&entry.wanted.exchange.key, &entry.held.as_ref()?.secret)))
    }

    /// Whether each exchange holds a credential, or has failed.
    pub fn has_tried_all(&self) -> bool {
        self.0.iter().all(|entry| entry.held.is_some() || entry.told.is_some())
    }

    /// Gives manifests what is held, and why the rest is not.
    pub fn fill(&self, manifests: &mut Manifests) {
        manifests.exchanged = self.held().map(|(key, secret)| (key.clone(), secret.clone())).collect();
        let failed = self.0.iter().filter(|entry| entry.held.is_none());
        let told = failed.filter_map(|entry| Some((entry.wanted.exchange.key.clone(), entry.told.clone()?)));
        manifests.unexchanged = told.collect();
    }

    /// Why an exchange holds no credential, or could not renew it.
    pub fn why(&self, key: &ExchangeKey) -> Option<&str> {
        self.0.iter().find(|entry| entry.wanted.exchange.key == *key)?.told.as_deref()
    }
}

#[cfg(test)]
mod tests;
