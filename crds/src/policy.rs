//! `DataPolicy`: which workloads it governs, and where their data may go.
//! Owns the form and the rules that one object alone can break; what it means is for `limits` and `residency`.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::promises::{DateSchema, EvidenceKind, TransferMechanism};
use crate::selector::LabelSelector;

/// Which workloads it governs, and where their data may go. Several policies: a provider must pass each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kubernetes", derive(kube::CustomResource))]
#[cfg_attr(
    feature = "kubernetes",
    kube(
        group = "lotse.dev",
        version = "v1alpha1",
        kind = "DataPolicy",
        plural = "datapolicies",
        shortname = "dpol",
        category = "lotse",
        namespaced,
        doc = "Which workloads it governs, and where their data may go.",
        printcolumn(
            name = "Enforcement",
            type_ = "string",
            json_path = ".spec.enforcement",
            description = "Whether it refuses or only counts."
        ),
        status = "crate::status::DataPolicyStatus",
        printcolumn(
            name = "Regions",
            type_ = "string",
            json_path = ".status.regions",
            description = "Where content may be decrypted."
        ),
        printcolumn(
            name = "Retention",
            type_ = "integer",
            json_path = ".spec.maxRetentionDays",
            description = "The days that content may be kept."
        ),
        printcolumn(
            name = "Sidecars",
            type_ = "string",
            json_path = ".status.sidecars.summary",
            description = "How many of the sidecars that it concerns hold it."
        ),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].status",
            description = "Whether it does what it says."
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
            description = "Why, in a word."
        ),
        printcolumn(
            name = "Message",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].message",
            priority = 1,
            description = "Why, in a sentence."
        ),
        printcolumn(
            name = "Age",
            type_ = "date",
            json_path = ".metadata.creationTimestamp",
            description = "How long the object has been there."
        )
    )
)]
pub struct DataPolicySpec {
    /// The namespaces that it governs; all by default. Only in the root namespace: elsewhere a policy governs its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The pods that it governs; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// The service accounts whose pods it governs; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub service_account_names: Option<Vec<String>>,
    /// Enforce refuses. Audit adds no limits and lifts no denial: it logs and counts what it would refuse.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Where content may be decrypted: ISO 3166-1 alpha-2 codes, EU, EEA, EFTA, or Worldwide alone. A pod gets
    /// something only when an enforcing policy of the root namespace that sets this selects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "regions")]
    pub inference_regions: Option<Vec<String>>,
    /// Where anything of it may be kept; as inferenceRegions by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "regions")]
    pub storage_regions: Option<Vec<String>>,
    /// Wherefrom people may reach it; as inferenceRegions by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "regions")]
    pub access_regions: Option<Vec<String>>,
    /// Whose law may reach the provider: the contracting entity's and its ultimate parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdictions: Option<Jurisdictions>,
    /// How many days content may be kept; 0 asks for zero data retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 36_500))]
    pub max_retention_days: Option<i32>,
    /// Whether training on content must be promised away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbid_training: bool,
    /// Whether the provider must be a processor under an Article 28 contract.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_article28: bool,
    /// The mechanisms of which one must carry each country outside the EEA in inference, storage or access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub transfer_mechanisms: Option<Vec<TransferMechanism>>,
    /// Certificates that the provider must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub require_certifications: Option<Vec<String>>,
    /// Countries in which no sub-processor may sit. Who names no sub-processors is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "countries")]
    pub denied_subprocessor_countries: Option<Vec<String>>,
    /// What counts as evidence, and whose word.
    #[serde(default)]
    pub evidence: EvidenceRules,
    /// How long a sidecar that no longer hears from the operator goes on by what it holds. Of several policies the
    /// smallest counts.
    #[serde(default)]
    pub staleness: Staleness,
}

/// How long a sidecar goes on without the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.warnSeconds <= self.refuseSeconds", "message": "warnSeconds must be at most refuseSeconds"}
]))]
pub struct Staleness {
    /// After so many seconds it warns, in its log and its metrics.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 15, max = 604_800))]
    pub warn_seconds: i32,
    /// After so many seconds it refuses calls with `policy_stale`.
    #[serde(default = "four_hours")]
    #[schemars(range(min = 30, max = 604_800))]
    pub refuse_seconds: i32,
}

fn five_minutes() -> i32 {
    300
}

fn four_hours() -> i32 {
    14_400
}

impl Default for Staleness {
    fn default() -> Self {
        Self { warn_seconds: five_minutes(), refuse_seconds: four_hours() }
    }
}

/// Whether a policy refuses or only counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Enforcement {
    /// What does not fit is refused.
    #[default]
    Enforce,
    /// What does not fit is logged and counted; nothing is refused and nothing is allowed by it.
    Audit,
}

/// Whose law may reach the provider. Exactly one of allowed and denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.allowed) != has(self.denied)", "message": "exactly one of allowed and denied must be set"}
]))]
pub struct Jurisdictions {
    /// Only these: country codes, EU, EEA, EFTA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "countries")]
    pub allowed: Option<Vec<String>>,
    /// All but these, and not the unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "countries")]
    pub denied: Option<Vec<String>>,
    /// Countries that are admitted all the same when the provider's transfers to them carry what is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["country"]))]
    pub conditional: Option<Vec<ConditionalJurisdiction>>,
}

/// A country that is admitted on conditions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConditionalJurisdiction {
    /// The country.
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// What the provider's transfers for this country must carry: all of it.
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub requires: Vec<TransferRequirement>,
    /// From this day on, 00:00 UTC, the country is admitted no more; no end by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DateSchema>")]
    pub until: Option<Date>,
}

/// What a transfer must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum TransferRequirement {
    /// An adequacy decision of the Commission (Article 45 GDPR).
    AdequacyDecision,
    /// Standard contractual clauses (Article 46 (2) (c) GDPR).
    SCC,
    /// Binding corporate rules (Article 47 GDPR).
    BCR,
    /// A derogation for specific situations (Article 49 GDPR).
    Derogation,
    /// A transfer impact assessment.
    ImpactAssessment,
}

/// What counts as evidence, and whose word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.onOverdue) || self.onOverdue != 'Exclude' || has(self.maxAgeDays)", "message": "maxAgeDays must be set when onOverdue is Exclude"}
]))]
pub struct EvidenceRules {
    /// The kinds that count; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub accept: Option<Vec<EvidenceKind>>,
    /// How many days ago evidence may have been reviewed; any age by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36_500))]
    pub max_age_days: Option<i32>,
    /// What happens to evidence that was reviewed too long ago, or never.
    #[serde(default)]
    pub on_overdue: OnOverdue,
    /// In which namespaces a provider's promises count; in the root namespace and the policy's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested_in: Option<AttestedIn>,
}

/// What happens to evidence that was reviewed too long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum OnOverdue {
    /// It counts, and a warning says so.
    #[default]
    Warn,
    /// It counts no more.
    Exclude,
}

/// The namespaces whose providers are believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestedIn {
    /// By their labels; an empty selector selects all.
    pub namespace_selector: LabelSelector,
}

fn regions(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 9, "pattern": "^([A-Z]{2}|EEA|EFTA|Worldwide)$" },
        "x-kubernetes-list-type": "set",
        "x-kubernetes-validations": [{
            "rule": "!self.exists(r, r == 'Worldwide') || size(self) == 1",
            "message": "Worldwide must stand alone",
        }],
    })
}

fn countries(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 64,
        "items": { "type": "string", "maxLength": 4, "pattern": "^([A-Z]{2}|EEA|EFTA)$" },
        "x-kubernetes-list-type": "set",
    })
}
