//! What a provider promises about data, and what each promise rests on.
//! Owns the form; what a promise is worth to a policy is for `residency`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a provider promises about data. What is not promised is not assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promises {
    /// Wherever content is decrypted, hops of an aggregator included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<PlacePromise>,
    /// Wherever anything of it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<PlacePromise>,
    /// Wherefrom people can reach it, remote support included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<PlacePromise>,
    /// Whose law reaches the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<JurisdictionPromise>,
    /// How long content is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionPromise>,
    /// Whether content trains models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingPromise>,
    /// Under which contract the provider acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractPromise>,
    /// On which ground content leaves the European Economic Area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfers: Option<TransfersPromise>,
    /// Which certificates the provider holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certifications: Option<CertificationsPromise>,
    /// Who else processes content for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprocessors: Option<SubprocessorsPromise>,
}

impl Promises {
    /// Whether nothing is promised.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These promises, with each one that `model` makes in place of the same here.
    #[must_use]
    pub fn replaced_by(&self, model: &Self) -> Self {
        let model = model.clone();
        let own = self.clone();
        Self {
            inference: model.inference.or(own.inference),
            storage: model.storage.or(own.storage),
            access: model.access.or(own.access),
            jurisdiction: model.jurisdiction.or(own.jurisdiction),
            retention: model.retention.or(own.retention),
            training: model.training.or(own.training),
            contract: model.contract.or(own.contract),
            transfers: model.transfers.or(own.transfers),
            certifications: model.certifications.or(own.certifications),
            subprocessors: model.subprocessors.or(own.subprocessors),
        }
    }
}

impl Promises {
    /// Which of those are made that our own server needs not make: jurisdiction, contract, retention, training.
    pub(crate) fn of_operator(&self) -> [bool; 4] {
        let Self { jurisdiction, contract, retention, training, .. } = self;
        [jurisdiction.is_some(), contract.is_some(), retention.is_some(), training.is_some()]
    }

    /// Those of these promises that rest on evidence among `names`, and on that alone.
    #[must_use]
    pub(crate) fn resting_on(&self, names: &BTreeSet<&str>) -> Self {
        let rests = |evidence: &mut Vec<String>| {
            evidence.retain(|name| names.contains(name.as_str()));
            !evidence.is_empty()
        };
        let own = self.clone();
        Self {
            inference: own.inference.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            storage: own.storage.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            access: own.access.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            jurisdiction: own.jurisdiction.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            retention: own.retention.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            training: own.training.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            contract: own.contract.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            transfers: own.transfers.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            certifications: own.certifications.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
            subprocessors: own.subprocessors.and_then(|mut promise| rests(&mut promise.evidence).then_some(promise)),
        }
    }
}

/// A promise of where.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacePromise {
    /// All countries that it may be: ISO 3166-1 alpha-2 codes, EU, EEA, EFTA, or Worldwide.
    #[schemars(length(min = 1, max = 64), inner(length(max = 9), regex(pattern = r"^([A-Z]{2}|EEA|EFTA|Worldwide)$")), extend("x-kubernetes-list-type" = "set"))]
    pub regions: Vec<String>,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A promise of whose law reaches the provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JurisdictionPromise {
    /// The country of the entity that the contract is with.
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub contracting_entity: String,
    /// The country of the company at the top of its group.
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub ultimate_parent: String,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A promise of how long content is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionPromise {
    /// The longest over all purposes, abuse monitoring included, in days; 0 is zero data retention.
    #[schemars(range(min = 0, max = 36_500))]
    pub days: i32,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A promise of whether content trains models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainingPromise {
    /// Whether models are trained on customers' content.
    pub on_customer_data: bool,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A promise of the contract that the provider acts under.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContractPromise {
    /// Whether there is a contract as Article 28 (3) GDPR asks for.
    #[serde(rename = "type")]
    pub kind: ContractType,
    /// What the provider is in the sense of the GDPR.
    pub role: Role,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A kind of contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ContractType {
    /// A data processing agreement as Article 28 (3) GDPR asks for.
    Article28,
    /// No such contract.
    None,
}

/// What a provider is in the sense of Article 4 GDPR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Role {
    /// Processes on behalf of the controller.
    Processor,
    /// Decides itself on purposes and means.
    IndependentController,
    /// Decides together with the controller (Article 26).
    JointController,
}

/// A promise of the grounds on which content leaves the European Economic Area.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransfersPromise {
    /// One entry a country and mechanism.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<Transfer>,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A ground on which content goes to one country.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transfer {
    /// The country that it goes to.
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// The mechanism of Chapter V GDPR.
    pub mechanism: TransferMechanism,
    /// Where the transfer impact assessment is kept: a URL or a document's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub impact_assessment: Option<String>,
}

/// A mechanism of Chapter V GDPR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum TransferMechanism {
    /// An adequacy decision of the Commission (Article 45).
    AdequacyDecision,
    /// Standard contractual clauses (Article 46 (2) (c)).
    SCC,
    /// Binding corporate rules (Article 47).
    BCR,
    /// A derogation for specific situations (Article 49).
    Derogation,
}

/// A promise of the certificates that the provider holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificationsPromise {
    /// Their names, such as ISO27001, SOC2, C5.
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// A promise of who else processes content for the provider. An empty list says: nobody.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubprocessorsPromise {
    /// One entry a sub-processor.
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<Subprocessor>,
    /// The names of the evidence that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub evidence: Vec<String>,
}

/// Someone who processes content for the provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subprocessor {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The country that it processes in.
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub country: String,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub purpose: Option<String>,
}

/// What a promise rests on: a document, and how far it has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The name that promises refer to.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// How strong it is.
    pub kind: EvidenceKind,
    /// Where it is kept: a URL or a document's id.
    #[schemars(length(min = 1, max = 512))]
    pub source: String,
    /// The day somebody last read it, such as 2026-10-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DateSchema>")]
    pub reviewed_on: Option<Date>,
    /// From this day on, 00:00 UTC, it counts no more; no end by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DateSchema>")]
    pub valid_until: Option<Date>,
    /// Whose it is: promises that rest on AnyAccount are inherited by providers that are basedOn this one.
    #[serde(default)]
    pub applies_to: Account,
}

/// Which accounts a piece of evidence speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Account {
    /// Only the account that the provider's credential belongs to: a contract, a setting of the account.
    #[default]
    ThisAccount,
    /// Every account: what the vendor says to all its customers.
    AnyAccount,
}

/// How strong evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum EvidenceKind {
    /// The provider says so: documentation, a trust page.
    SelfAttested,
    /// The provider owes it by contract.
    Contractual,
    /// A third party has checked it.
    Audited,
}

/// The schema of a calendar day.
pub(crate) struct DateSchema;

impl JsonSchema for DateSchema {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Date".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date", "maxLength": 10 })
    }
}
