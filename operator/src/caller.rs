//! Whose token is this: TokenReview for our audience, then the pod that the token is bound to, looked up by UID.
//!
//! Anybody in the cluster can reach the port, so a token that is no good is remembered and costs the API server nothing
//! more; each refusal is logged once. Called by `serve`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use lotse_crds::delivery::AUDIENCE;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::pods::{PodRecord, Pods};

/// How long a verdict on a token is believed.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many verdicts are remembered.
const MOST_REMEMBERED: usize = 20_000;
/// How many tokens are reviewed at once.
const AT_ONCE: usize = 16;
/// How long a pod may take to show up here after its token has: the kubelet hears of a pod as soon as we do.
const LAG: Duration = Duration::from_secs(3);

/// Tells whose a token is.
pub struct Callers {
    client: Client,
    pods: Arc<Pods>,
    verdicts: Mutex<HashMap<[u8; 32], (Instant, Verdict)>>,
    /// What has been logged of each token.
    told: Mutex<HashMap<[u8; 32], Refusal>>,
    reviews: Semaphore,
}

/// What a TokenReview said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Bound { account: String, pod: String, uid: String },
    Refused(Refusal),
}

/// Why a caller gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no token.
    #[error("there is no bearer token")]
    NoToken,
    /// The API server does not believe it, or not for this audience.
    #[error("the token is not valid for audience lotse-operator")]
    NotAuthenticated,
    /// It is no pod's.
    #[error("the token is not bound to a pod")]
    NotBound,
    /// Its pod is not there, or is another than the token says.
    #[error("the token's pod is not there or is another one")]
    NoSuchPod,
    /// Its pod carries no sidecar of ours.
    #[error("the token's pod has not been injected")]
    NotInjected,
    /// The API server can't be asked.
    #[error("the API server can't be asked")]
    Unavailable,
}

impl Callers {
    /// Asks the API server behind `client`, and knows `pods`.
    pub fn new(client: Client, pods: Arc<Pods>) -> Self {
        Self { client, pods, verdicts: Mutex::default(), told: Mutex::default(), reviews: Semaphore::new(AT_ONCE) }
    }

    /// The pod that holds a token.
    pub async fn identify(&self, token: Option<&str>) -> Result<PodRecord, Refusal> {
        let key: [u8; 32] = Sha256::digest(token.unwrap_or_default()).into();
        let identified = match token.filter(|token| !token.is_empty()) {
            None => Err(Refusal::NoToken),
            Some(token) => match self.verdict(key, token).await {
                Verdict::Refused(refusal) => Err(refusal),
                Verdict::Bound { account, pod, uid } => self.pod(&account, &pod, &uid).await,
            },
        };
        if let Err(refusal) = &identified
            && self.is_news(key, refusal)
        {
            tracing::warn!(reason = %refusal, "a caller is refused; it is not told again of this token");
        }
        identified
    }

    /// Whether a refusal of this token has not been logged yet.
    fn is_news(&self, key: [u8; 32], refusal: &Refusal) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST_REMEMBERED {
            told.clear();
        }
        told.insert(key, refusal.clone()).as_ref() != Some(refusal)
    }

    async fn pod(&self, account: &str, name: &str, uid: &str) -> Result<PodRecord, Refusal> {
        let until = Instant::now() + LAG;
        let pod = loop {
            match self.pods.get(uid) {
                Some(pod) => break pod,
                None if Instant::now() >= until => return Err(Refusal::NoSuchPod),
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let workload = &pod.workload;
        let said = format!("system:serviceaccount:{}:{}", workload.namespace, workload.service_account);
        if pod.name.name != name || said != account {
            return Err(Refusal::NoSuchPod);
        }
        if pod.injected { Ok(pod) } else { Err(Refusal::NotInjected) }
    }

    async fn verdict(&self, key: [u8; 32], token: &str) -> Verdict {
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        // A flood of new tokens waits here and not at the API server.
        let Ok(_turn) = self.reviews.acquire().await else { return Verdict::Refused(Refusal::Unavailable) };
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        let verdict = match self.review(token).await {
            Ok(status) => judge(&status),
            Err(error) => {
                tracing::warn!(%error, "can't have a token reviewed");
                return Verdict::Refused(Refusal::Unavailable);
            }
        };
        self.remember(key, verdict.clone());
        verdict
    }

    async fn review(&self, token: &str) -> kube::Result<TokenReviewStatus> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), audiences: Some(vec![AUDIENCE.to_owned()]) },
            ..TokenReview::default()
        };
        let answer = Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(answer.status.unwrap_or_default())
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Verdict> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, verdict) = verdicts.get(key)?;
        (at.elapsed() < REMEMBERED).then(|| verdict.clone())
    }

    fn remember(&self, key: [u8; 32], verdict: Verdict) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= MOST_REMEMBERED {
            verdicts.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if verdicts.len() < MOST_REMEMBERED {
            verdicts.insert(key, (Instant::now(), verdict));
        }
    }
}

/// What a review says. A token without a pod is a person's or a build's; only a pod can hold a sidecar.
/// Source: KEP-1205 and KEP-4193, bound service account tokens.
fn judge(status: &TokenReviewStatus) -> Verdict {
    let for_us = status.audiences.iter().flatten().any(|audience| audience == AUDIENCE);
    if status.authenticated != Some(true) || !for_us {
        return Verdict::Refused(Refusal::NotAuthenticated);
    }
    let user = status.user.clone().unwrap_or_default();
    let extra = user.extra.unwrap_or_default();
    let one = |name: &str| match extra.get(name).map(Vec::as_slice) {
        Some([value]) => Some(value.clone()),
        _ => None,
    };
    let pod = one("authentication.kubernetes.io/pod-name").zip(one("authentication.kubernetes.io/pod-uid"));
    match (user.username, pod) {
        (Some(account), Some((pod, uid))) if account.starts_with("system:serviceaccount:") => {
            Verdict::Bound { account, pod, uid }
        }
        _ => Verdict::Refused(Refusal::NotBound),
    }
}

#[cfg(test)]
mod tests;
