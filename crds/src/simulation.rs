//! How a simulated provider behaves: what it says, how fast, and how it fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// How a simulated provider behaves. Everything is optional: by default it answers at once and never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Simulation {
    /// What it answers; a sentence that names the provider by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub answer: Option<String>,
    /// How long it thinks before its first content; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 600_000))]
    pub first_content_milliseconds: Option<i32>,
    /// How fast it writes; as fast as it can by default. A token is a word here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tokens_per_second: Option<i32>,
    /// How many of a hundred calls fail; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub error_percent: Option<i32>,
    /// With which HTTP status they fail; 503 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 300, max = 599))]
    pub error_status: Option<i32>,
    /// How many of a hundred streams are cut; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub cut_percent: Option<i32>,
    /// After how many tokens a cut stream ends; 0 cuts it before the first content. 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub cut_after_tokens: Option<i32>,
}

impl Simulation {
    pub(crate) fn check(&self, problems: &mut Problems) {
        let bounds = [
            ("firstContentMilliseconds", self.first_content_milliseconds, 0..=600_000),
            ("tokensPerSecond", self.tokens_per_second, 1..=1_000_000),
            ("errorPercent", self.error_percent, 0..=100),
            ("errorStatus", self.error_status, 300..=599),
            ("cutPercent", self.cut_percent, 0..=100),
            ("cutAfterTokens", self.cut_after_tokens, 0..=100_000),
        ];
        for (name, value, bounds) in bounds {
            problems.bound(&format!("spec.simulated.{name}"), value.map(i64::from), bounds);
        }
    }
}
