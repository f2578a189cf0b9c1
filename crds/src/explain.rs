//! Every candidate for a model, allowed or not, and why: what `lotse explain` and the sidecar's `/explain` show.

use serde::Serialize;

use crate::name::{ObjectName, Workload};
use crate::plan::{Moment, Plan, plan, weight};
use crate::preferences::{Preferences, Refused};
use crate::route::Balance;
use crate::snapshot::{Reason, Revision, Snapshot};
use crate::wishes::{Lookup, Wishes};

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
    /// How many of them are tried at most.
    #[serde(skip)]
    pub most: usize,
    /// What of the app's wishes has no effect, by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
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
    /// The route that it stands in, where it may be called: an app may ask for several models.
    #[serde(skip)]
    pub route: Option<ObjectName>,
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

/// What is asked, as far as it decides who answers.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The model.
    pub model: &'q str,
    /// What the app asks of routing.
    pub preferences: &'q Preferences,
    /// The fields of its body that are routing's.
    pub fields: &'q [&'static str],
}

/// Explains a question for the snapshot's workload; nothing when no route answers for its model, and why if its preferences
/// can't be kept to. Give a constant chance to see the likeliest order.
pub fn explain(
    snapshot: &Snapshot,
    question: Question<'_>,
    moment: &mut Moment<'_>,
) -> Result<Option<Explanation>, Refused> {
    let Question { model, preferences, fields } = question;
    preferences.check_names(snapshot)?;
    let lookup = Lookup { exact: &|model| snapshot.exact(model), any: &|model| snapshot.route(model) };
    let Some(wishes) = Wishes::find(lookup, model, preferences, fields)? else { return Ok(None) };
    let asked = wishes.wishes();
    let sort = asked.first().and_then(|wish| wish.preferences.sort);
    let Plan { attempts, refused, most, .. } = plan(&asked, &snapshot.policies, moment);
    let eligible = attempts.into_iter().map(|attempt| {
        let candidate = attempt.permitted.candidate();
        let balance = attempt.route.tiers[attempt.tier - 1].balance;
        let is_drawn = sort.is_none() && matches!(balance, Balance::Price | Balance::Weight);
        ExplainedCandidate {
            provider: candidate.provider.clone(),
            model: candidate.model.clone(),
            tier: attempt.tier,
            route: Some(attempt.route.name.clone()),
            eligible: true,
            weight: weight(balance, candidate),
            is_ordered: !is_drawn,
            excluded: Vec::new(),
        }
    });
    let excluded = refused.into_iter().map(|refusal| ExplainedCandidate {
        provider: refusal.provider.clone(),
        model: refusal.model.to_owned(),
        tier: refusal.tier,
        route: None,
        eligible: false,
        weight: 0.0,
        is_ordered: false,
        excluded: refusal.reasons.into_owned(),
    });
    let candidates = eligible.chain(excluded).collect();
    Ok(Some(Explanation {
        model: model.to_owned(),
        workload: snapshot.workload.clone(),
        revision: snapshot.revision(),
        candidates,
        most,
        left_out: wishes.left_out,
    }))
}
