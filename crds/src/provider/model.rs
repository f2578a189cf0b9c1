//! A model that a provider serves: its names, its price, what it can do, and what is promised of it alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::price::Price;
use crate::promises::Promises;

/// A model that the provider serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServedModel {
    /// What routes call it.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What the provider calls it; name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub upstream_name: Option<String>,
    /// What it costs; unknown by default, and then chosen last where price decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How many tokens a call may have, answer included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub context_tokens: Option<i32>,
    /// How many tokens an answer may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i32>,
    /// How its weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
    /// What it can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub supports: Vec<Ability>,
    /// How it is deployed, where the vendor lets one choose: the name of Azure's SKU. Without it Lotse does not know where
    /// Azure answers, and believes no promise of inference but Worldwide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_type: Option<DeploymentType>,
    /// Promises for this model; each one set here replaces the provider's.
    #[serde(default, skip_serializing_if = "Promises::is_empty")]
    pub promises: Promises,
}

impl ServedModel {
    /// What the provider calls it.
    pub fn upstream_name(&self) -> &str {
        self.upstream_name.as_deref().unwrap_or(&self.name)
    }
}

/// How weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Quantization {
    /// Integers of four bits.
    INT4,
    /// Integers of eight bits.
    INT8,
    /// Floats of four bits.
    FP4,
    /// Floats of four bits that share scales, as OCP has them.
    MXFP4,
    /// Floats of four bits that share scales, as NVIDIA has them.
    NVFP4,
    /// Floats of six bits.
    FP6,
    /// Floats of eight bits.
    FP8,
    /// Floats of eight bits that share scales, as OCP has them.
    MXFP8,
    /// Floats of sixteen bits.
    FP16,
    /// Brain floats of sixteen bits.
    BF16,
    /// Floats of thirty-two bits.
    FP32,
}

/// Something that a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum Ability {
    /// Calls tools.
    Tools,
    /// Answers by a JSON schema.
    StructuredOutput,
    /// Sees images.
    Vision,
    /// Thinks before it answers.
    Reasoning,
    /// Reads prompts from a cache.
    PromptCaching,
}

impl Ability {
    /// The word of the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "Tools",
            Self::StructuredOutput => "StructuredOutput",
            Self::Vision => "Vision",
            Self::Reasoning => "Reasoning",
            Self::PromptCaching => "PromptCaching",
        }
    }
}

/// How a model is deployed on Azure.
/// Source: MicrosoftDocs/azure-ai-docs, deployment types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DeploymentType {
    /// In the resource's region.
    Standard,
    /// In the resource's region, with capacity of its own.
    ProvisionedManaged,
    /// Anywhere in the resource's data zone.
    DataZoneStandard,
    /// Anywhere in the resource's data zone, with capacity of its own.
    DataZoneProvisionedManaged,
    /// Anywhere.
    GlobalStandard,
    /// Anywhere, with capacity of its own.
    GlobalProvisionedManaged,
    /// Anywhere, to try out a fine-tuned model.
    DeveloperTier,
}

impl DeploymentType {
    /// The word of the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::ProvisionedManaged => "ProvisionedManaged",
            Self::DataZoneStandard => "DataZoneStandard",
            Self::DataZoneProvisionedManaged => "DataZoneProvisionedManaged",
            Self::GlobalStandard => "GlobalStandard",
            Self::GlobalProvisionedManaged => "GlobalProvisionedManaged",
            Self::DeveloperTier => "DeveloperTier",
        }
    }
}
