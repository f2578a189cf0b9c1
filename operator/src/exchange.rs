//! Exchanges identities for short-lived credentials: asks for a ServiceAccount's token in the provider's own namespace, has
//! it exchanged at the cloud's fixed host, and has the manifests compiled anew when a credential arrives. Sidecars are given
//! only what comes of it. `lotse_crds::exchange` says what is sent, what an answer means and when it is due again.
//!
//! Lives as long as one leadership; `control` starts it, and hands it the manifests.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use lotse_crds::exchange::{Ended, ExchangeKey, Exchanged, Ledger, Step, Wanted, read};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::ObjectName;
use lotse_crds::secret::Secret;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::https::Https;

/// How long a token of an identity lives; the shortest that the API server makes.
const TOKEN_SECONDS: i64 = 600;
/// How long the first compile waits for the first exchanges: what sidecars hold is in force meanwhile, and must not be
/// taken back because a new leader has not asked yet.
const FIRST_ROUND: Duration = Duration::from_secs(20);
/// The longest sleep: a clock that has been set is seen.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// What is exchanged, and what has come of it.
pub struct Exchanges {
    client: Client,
    https: Https,
    now: fn() -> Timestamp,
    ledger: Mutex<Ledger>,
    /// Others are wanted.
    asked: Notify,
    /// Told whenever there is another credential, or one has ended.
    renewed: watch::Sender<()>,
}

impl Exchanges {
    /// Nothing is wanted yet.
    pub fn new(client: Client, https: Https, now: fn() -> Timestamp) -> Self {
        let renewed = watch::Sender::new(());
        Self { client, https, now, ledger: Mutex::default(), asked: Notify::new(), renewed }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told whenever manifests are to be compiled anew.
    pub fn renewed(&self) -> watch::Receiver<()> {
        self.renewed.subscribe()
    }

    /// These are wanted, and no others.
    pub fn want(&self, wanted: Vec<Wanted>) {
        self.ledger().want(wanted, (self.now)());
        self.asked.notify_one();
    }

    /// Waits until each has been tried, but not for ever.
    pub async fn first_round(&self) {
        let mut renewed = self.renewed();
        let tried = async {
            while !self.ledger().has_tried_all() {
                drop(renewed.changed().await);
            }
        };
        drop(tokio::time::timeout(FIRST_ROUND, tried).await);
    }

    /// Gives manifests what is held, and why the rest is not.
    pub fn fill(&self, manifests: &mut Manifests) {
        self.ledger().fill(manifests);
    }

    /// A provider has refused its credential: it is renewed, once in a while.
    pub fn refused(&self, provider: &ObjectName) {
        self.ledger().refused(provider, (self.now)());
        self.asked.notify_one();
    }

    /// What is held.
    pub fn held(&self) -> BTreeMap<ExchangeKey, Secret> {
        self.ledger().held().map(|(key, secret)| (key.clone(), secret.clone())).collect()
    }

    /// Exchanges whatever is due, for as long as the task lives.
    pub async fn run(self: Arc<Self>) {
        let mut running = JoinSet::new();
        loop {
            for wanted in self.ledger().begin((self.now)()) {
                let exchanges = self.clone();
                running.spawn(async move {
                    let outcome = exchanges.exchange(&wanted).await;
                    exchanges.end(&wanted.exchange.key, outcome);
                });
            }
            if self.ledger().expire((self.now)()) {
                self.renewed.send_replace(());
            }
            let wake = self.ledger().wake();
            tokio::select! {
                () = self.asked.notified() => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(until(wake, (self.now)())) => {}
            }
        }
    }

    fn end(&self, key: &ExchangeKey, outcome: Result<Exchanged, String>) {
        let provider = key.provider.to_string();
        let (why, expires) = match &outcome {
            Ok(exchanged) => (String::new(), exchanged.expires.to_string()),
            Err(why) => (why.clone(), String::new()),
        };
        match self.ledger().end(key, outcome, spread(key), (self.now)()) {
            Ended::Renewed => tracing::info!(provider, expires, "a credential has been exchanged"),
            Ended::Failed => tracing::warn!(provider, why, "no credential; it will be tried again"),
            Ended::FailedAgain | Ended::Unwanted => return,
        }
        self.renewed.send_replace(());
    }

    async fn exchange(&self, wanted: &Wanted) -> Result<Exchanged, String> {
        let ExchangeKey { provider, kind } = &wanted.exchange.key;
        let token = match kind.subject() {
            None => None,
            Some((account, audience)) => {
                let account = ObjectName::new(&provider.namespace, account);
                Some(self.token(&account, audience).await?)
            }
        };
        let mut request = wanted.request(token.as_ref(), (self.now)()).map_err(|error| error.to_string())?;
        for _ in 0..2 {
            let (status, body) = self.https.send(&request).await.map_err(|error| error.to_string())?;
            match read(kind, status, &body, (self.now)()).map_err(|error| error.to_string())? {
                Step::Done(exchanged) => return Ok(exchanged),
                Step::Next(next) => request = next,
            }
        }
        Err(format!("{} leads from one request to another", kind.who()))
    }

    /// A token of a ServiceAccount, for one audience.
    async fn token(&self, account: &ObjectName, audience: String) -> Result<Secret, String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &account.namespace);
        let spec = TokenRequestSpec {
            audiences: Some(vec![audience]),
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        match accounts.create_token_request(&account.name, &PostParams::default(), &request).await {
            Ok(answer) => match answer.status.and_then(|status| status.token) {
                Some(token) => Ok(Secret::new(token)),
                None => Err(format!("the API server gives no token of ServiceAccount {account}")),
            },
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Err(format!("there is no ServiceAccount {account}; it must be made in the provider's namespace"))
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => Err(format!(
                "the controller may not ask for tokens of ServiceAccount {account}; the chart's identities must name it"
            )),
            Err(error) => Err(format!("the API server gives no token of ServiceAccount {account}: {error}")),
        }
    }
}

/// How long to sleep until a time.
fn until(wake: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = wake.map(|wake| wake.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs());
    left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
}

/// A number from 0 to 1 that spreads exchanges over time: another for each provider, and always the same for one.
fn spread(key: &ExchangeKey) -> f64 {
    let mut hasher = DefaultHasher::new();
    key.provider.hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
