//! `additionalModelRequestFields`: what Claude takes beside Converse's own fields, above all how much to think.

use serde::Serialize;
use serde_json::Number;

use super::is_claude;
use crate::format::call::Reasoning;
use crate::format::loss::{Feature, Losses};

/// The least that Claude thinks when its thinking has a budget.
const SMALLEST_BUDGET: u64 = 1024;

#[derive(Default, Serialize)]
pub(super) struct ModelFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
}

#[derive(Serialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

impl<'a> ModelFields<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.top_k.is_none() && self.thinking.is_none()
    }

    /// Whether it is to think.
    pub(super) fn thinks(&self) -> bool {
        self.thinking.is_some()
    }

    /// How much to think. Gives what `outputConfig.effort` says.
    ///
    /// | asked | Claude 4.6 and later | Claude 3.7 to 4.5 |
    /// |---|---|---|
    /// | `none`, or a budget of 0 | nothing | nothing |
    /// | `minimal` | adaptive, effort `low` | a budget of 1024 |
    /// | `low`, `medium`, `high` | adaptive, that effort | a budget of 2048, 8192, 16384 |
    /// | `xhigh`, `max` | adaptive, that effort | a budget of 32000 |
    /// | a budget | the budget in 4.6; adaptive later, where budgets are refused | the budget |
    /// | adaptive | adaptive | a budget of 8192 |
    ///
    /// Budgets stay below the most tokens of the call, which count thinking. Older Claudes and other models lose it.
    pub(super) fn think(
        &mut self,
        reasoning: &'a Reasoning,
        model: &str,
        most: Option<u64>,
        losses: &mut Losses,
    ) -> Option<&'a str> {
        let Reasoning { effort, budget_tokens, summary, adaptive } = reasoning;
        if effort.as_deref() == Some("none") || *budget_tokens == Some(0) {
            return None;
        }
        let version = version(model).filter(|version| is_claude(model) && *version >= (3, 7));
        let Some(version) = version else {
            losses.lose_if(effort.is_some() || *adaptive, Feature::ReasoningEffort);
            losses.lose_if(budget_tokens.is_some(), Feature::ReasoningBudget);
            losses.lose_if(summary.is_some(), Feature::ReasoningSummary);
            return None;
        };
        if effort.is_none() && budget_tokens.is_none() && !adaptive {
            losses.lose_if(summary.is_some(), Feature::ReasoningSummary);
            return None;
        }
        if version < (4, 6) || (version == (4, 6) && budget_tokens.is_some()) {
            losses.lose_if(summary.is_some(), Feature::ReasoningSummary);
            self.budget(reasoning, most, losses);
            return None;
        }
        if budget_tokens.is_some() {
            losses.change(Feature::ReasoningBudget);
        }
        let display = summary.as_deref().map(|summary| if summary == "omitted" { "omitted" } else { "summarized" });
        self.thinking = Some(Thinking { kind: "adaptive", budget_tokens: None, display });
        match effort.as_deref() {
            Some("minimal") => {
                losses.change(Feature::ReasoningEffort);
                Some("low")
            }
            effort => effort,
        }
    }

    fn budget(&mut self, reasoning: &Reasoning, most: Option<u64>, losses: &mut Losses) {
        let Reasoning { effort, budget_tokens, summary: _, adaptive: _ } = reasoning;
        let (feature, asked) = match (budget_tokens, effort.as_deref()) {
            (Some(budget), _) => (Feature::ReasoningBudget, *budget),
            (None, Some("minimal")) => (Feature::ReasoningEffort, SMALLEST_BUDGET),
            (None, Some("low")) => (Feature::ReasoningEffort, 2048),
            (None, Some("medium") | None) => (Feature::ReasoningEffort, 8192),
            (None, Some("high")) => (Feature::ReasoningEffort, 16_384),
            (None, Some(_)) => (Feature::ReasoningEffort, 32_000),
        };
        let room = most.map_or(u64::MAX, |most| most.saturating_sub(1));
        if room < SMALLEST_BUDGET {
            losses.lose(feature);
            return;
        }
        let budget = asked.clamp(SMALLEST_BUDGET, room);
        if feature == Feature::ReasoningEffort || budget != asked {
            losses.change(feature);
        }
        self.thinking = Some(Thinking { kind: "enabled", budget_tokens: Some(budget), display: None });
    }
}

/// The version of a Claude: (3, 7) of `claude-3-7-sonnet-20250219-v1:0`, (4, 5) of `claude-opus-4-5-20251101-v1:0`.
pub(super) fn version(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.split_once("claude-")?;
    let number = |part: &str| part.parse().ok().filter(|_| part.len() <= 2);
    let mut parts = name.split(['-', ':', '/']).skip_while(|part| number(part).is_none());
    let major = parts.next().and_then(number)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}
