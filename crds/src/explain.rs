//! Every candidate for a model, allowed or not, and why: what `lotse explain` and the sidecar's `/explain` show.

use serde::Serialize;

use crate::name::{ObjectName, Workload};
use crate::plan::{Moment, Plan, plan, weight};
use crate::route::Balance;
use crate::snapshot::{Reason, Revision, Snapshot};

/// Every candidate for one model: first those that would be tried, in that order, then those that are out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The model that the app asks for.
    pub model: String,
    /// Who asks.
    pub workload: Workload,
    /// The snapshot that answers.
    pub revision: Revision,
    /// The candidates.
    pub candidates: Vec<ExplainedCandidate>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedCandidate {
    /// The provider, as `namespace/name`.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// Its tier, from 1.
    pub tier: usize,
    /// Whether it may be called.
    pub eligible: bool,
    /// Its share in the draw of its tier, against the others; 0 when it is out, or drawn last.
    pub weight: f64,
    /// Whether its tier is tried as listed, so that the share says nothing.
    #[serde(skip)]
    pub is_ordered: bool,
    /// Why it is out.
    pub excluded: Vec<Reason>,
}

/// Explains `model` for the snapshot's workload; nothing when no route answers for that name. Give a constant chance to
/// see the likeliest order.
pub fn explain(snapshot: &Snapshot, model: &str, moment: &mut Moment<'_>) -> Option<Explanation> {
    let route = snapshot.route(model)?;
    let Plan { attempts, refused, .. } = plan(route, &snapshot.policies, moment);
    let eligible = attempts.into_iter().map(|attempt| {
        let candidate = attempt.permitted.candidate();
        let balance = route.tiers[attempt.tier - 1].balance;
        ExplainedCandidate {
            provider: candidate.provider.clone(),
            model: candidate.model.clone(),
            tier: attempt.tier,
            eligible: true,
            weight: weight(balance, candidate),
            is_ordered: balance == Balance::Order,
            excluded: Vec::new(),
        }
    });
    let excluded = refused.into_iter().map(|refusal| ExplainedCandidate {
        provider: refusal.provider.clone(),
        model: refusal.model.to_owned(),
        tier: refusal.tier,
        eligible: false,
        weight: 0.0,
        is_ordered: false,
        excluded: refusal.reasons.into_owned(),
    });
    Some(Explanation {
        model: model.to_owned(),
        workload: snapshot.workload.clone(),
        revision: snapshot.revision(),
        candidates: eligible.chain(excluded).collect(),
    })
}
