//! Writes how much to think.
//!
//! Claude from 4.6 on takes an effort and thinks as it sees fit; models before it, and those of others, take a budget:
//! `minimal` 1024, `low` 2048, `medium` 8192, `high` 16384 and above 24576 tokens, which with 4096 for the answer fit into the
//! smallest maximum of a Claude that thinks (32000). A budget that comes from an effort takes at most half of `max_tokens`.
//! Forced calls of tools and thinking exclude each other: the call of the tool is kept.

use serde::Serialize;

use super::super::model::{Model, Thinks};
use crate::format::call::Reasoning;
use crate::format::loss::{Feature, Losses};

/// `max_tokens` for a caller who names none.
const ANSWER: u64 = 4096;
/// The smallest budget that the API takes.
const SMALLEST: u64 = 1024;

/// What is asked for, and what stands against it.
pub(super) struct Wish<'a> {
    /// How much to think.
    pub(super) reasoning: Option<&'a Reasoning>,
    /// The most tokens, if the caller names it.
    pub(super) max_tokens: Option<u64>,
    /// The model.
    pub(super) model: Model,
    /// Whether a tool must be called.
    pub(super) forced: bool,
    /// Whether the conversation ends in calls of tools without the thoughts that led to them: with a budget Claude refuses it.
    pub(super) unproven: bool,
}

/// What is written.
pub(super) struct Thought<'a> {
    pub(super) thinking: Option<ThinkingBody>,
    pub(super) effort: Option<&'a str>,
    pub(super) max_tokens: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingBody {
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
}

impl ThinkingBody {
    /// Whether the model thinks.
    pub(super) fn is_on(&self) -> bool {
        match self {
            Self::Enabled { .. } | Self::Adaptive { .. } => true,
            Self::Disabled => false,
        }
    }
}

/// Writes how much to think, and how many tokens may be generated with it.
pub(super) fn write<'a>(wish: &Wish<'a>, losses: &mut Losses) -> Thought<'a> {
    let max_tokens = wish.max_tokens.unwrap_or(ANSWER);
    let mut thought = Thought { thinking: None, effort: None, max_tokens };
    let Some(reasoning) = wish.reasoning else {
        return thought;
    };
    let off = reasoning.effort.as_deref() == Some("none") || reasoning.budget_tokens == Some(0);
    let asked = reasoning.adaptive || reasoning.effort.is_some() || reasoning.budget_tokens.is_some();
    match wish.model.thinks() {
        Thinks::Never => losses.lose_if(asked && !off, feature(reasoning)),
        Thinks::Budget | Thinks::Adaptive if off => thought.thinking = Some(ThinkingBody::Disabled),
        Thinks::Budget if asked => budget(wish, reasoning, &mut thought, losses),
        Thinks::Adaptive if asked => adapt(wish, reasoning, &mut thought, losses),
        Thinks::Budget | Thinks::Adaptive => {}
    }
    if !thought.thinking.as_ref().is_some_and(ThinkingBody::is_on) {
        losses.lose_if(reasoning.summary.is_some(), Feature::ReasoningSummary);
    }
    thought
}

/// The wish, by the name that its loss has.
fn feature(reasoning: &Reasoning) -> Feature {
    if reasoning.budget_tokens.is_some() { Feature::ReasoningBudget } else { Feature::ReasoningEffort }
}

fn adapt<'a>(wish: &Wish<'a>, reasoning: &'a Reasoning, thought: &mut Thought<'a>, losses: &mut Losses) {
    let asked = reasoning.effort.as_deref();
    let budget = reasoning.budget_tokens;
    let effort = match (asked, budget) {
        (Some("minimal"), _) => Some("low"),
        (Some("xhigh"), _) if !wish.model.draws_alone() => Some("high"),
        (None, Some(budget)) => Some(nearest(budget)),
        (effort, _) => effort,
    };
    if effort != asked {
        losses.change(feature(reasoning));
    }
    thought.effort = effort;
    if wish.forced {
        // The effort still leads how much is said; a bare `adaptive` is nothing without thinking.
        if effort.is_some() {
            losses.change(feature(reasoning));
        } else {
            losses.lose(feature(reasoning));
        }
        return;
    }
    let display = display(reasoning, losses);
    thought.thinking = Some(ThinkingBody::Adaptive { display });
    if wish.max_tokens.is_none() {
        thought.max_tokens = ANSWER + budget.unwrap_or_else(|| tokens(effort));
    }
}

fn budget(wish: &Wish<'_>, reasoning: &Reasoning, thought: &mut Thought<'_>, losses: &mut Losses) {
    let feature = feature(reasoning);
    if wish.model.is_claude() && wish.forced {
        losses.lose(feature);
        return;
    }
    if wish.model.is_claude() && wish.unproven {
        losses.change(feature);
        return;
    }
    let wanted = reasoning.budget_tokens.unwrap_or_else(|| tokens(reasoning.effort.as_deref()));
    let most = match (wish.max_tokens, reasoning.budget_tokens) {
        (None, _) => u64::MAX,
        (Some(max), Some(_)) => max.saturating_sub(1),
        (Some(max), None) => (max / 2).max(SMALLEST).min(max.saturating_sub(1)),
    };
    if most < SMALLEST {
        losses.lose(feature);
        return;
    }
    let budget_tokens = wanted.clamp(SMALLEST, most);
    if reasoning.budget_tokens != Some(budget_tokens) {
        losses.change(feature);
    }
    // Thoughts are told as they are unless a caller wants none; only newer models know another word.
    let display = display(reasoning, losses).filter(|display| *display == "omitted");
    thought.thinking = Some(ThinkingBody::Enabled { budget_tokens, display });
    if wish.max_tokens.is_none() {
        thought.max_tokens = budget_tokens.saturating_add(ANSWER);
    }
}

/// The budget that stands for an effort.
fn tokens(effort: Option<&str>) -> u64 {
    match effort {
        Some("minimal") => SMALLEST,
        Some("low") => 2048,
        Some("high") => 16384,
        Some("xhigh" | "max") => 24576,
        _ => 8192,
    }
}

/// The effort that stands for a budget.
fn nearest(budget: u64) -> &'static str {
    match budget {
        ..4096 => "low",
        4096..12288 => "medium",
        _ => "high",
    }
}

/// How thoughts are shown.
fn display(reasoning: &Reasoning, losses: &mut Losses) -> Option<&'static str> {
    match reasoning.summary.as_deref()? {
        "omitted" => Some("omitted"),
        "summarized" | "auto" => Some("summarized"),
        _ => {
            losses.change(Feature::ReasoningSummary);
            Some("summarized")
        }
    }
}
