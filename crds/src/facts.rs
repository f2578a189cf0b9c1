//! Facts: what is known of a candidate, arranged so that the decision compares and never parses.
//! `compile` makes them from a provider's promises; `residency` judges them; a snapshot carries them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::place::Places;
use crate::promises::{ContractType, Evidence, EvidenceKind, Promises, Role, TransferMechanism};

/// What is known of one model at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The namespace whose word the promises are.
    pub attested_by: String,
    /// Whether it is our own model server.
    pub self_operated: bool,
    /// Where content is decrypted.
    pub inference: Option<PlaceFact>,
    /// Where it is kept.
    pub storage: Option<PlaceFact>,
    /// Wherefrom people reach it.
    pub access: Option<PlaceFact>,
    /// Whose law reaches the provider.
    pub jurisdiction: Option<JurisdictionFact>,
    /// How long content is kept.
    pub retention: Option<RetentionFact>,
    /// Whether content trains models.
    pub training: Option<TrainingFact>,
    /// Under which contract the provider acts.
    pub contract: Option<ContractFact>,
    /// On which grounds content leaves the EEA.
    pub transfers: Option<TransfersFact>,
    /// Which certificates the provider holds.
    pub certifications: Option<CertificationsFact>,
    /// In which countries others process content for it.
    pub subprocessors: Option<SubprocessorsFact>,
}

/// Where, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceFact {
    /// All places that it may be.
    pub places: Places,
    /// Why the wire shows otherwise; the promise then counts as not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<String>,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// Whose law, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JurisdictionFact {
    /// Where the contracting entity sits.
    pub contracting_entity: Places,
    /// Where its ultimate parent sits.
    pub ultimate_parent: Places,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// How long, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionFact {
    /// The longest over all purposes, in days.
    pub days: i32,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// Whether content trains models, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingFact {
    /// Whether models are trained on customers' content.
    pub on_customer_data: bool,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// The contract, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractFact {
    /// Which contract.
    pub kind: ContractType,
    /// In which role.
    pub role: Role,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// The grounds of transfers, and what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransfersFact {
    /// One entry a country and mechanism.
    pub entries: Vec<TransferFact>,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// The ground of transfers to one country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferFact {
    /// Where to.
    pub country: String,
    /// The mechanism.
    pub mechanism: TransferMechanism,
    /// Whether its impact was assessed.
    pub impact_assessed: bool,
}

/// Certificates, and what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificationsFact {
    /// Their names.
    pub names: Vec<String>,
    /// What proves them.
    pub proofs: Vec<Proof>,
}

/// Sub-processors, and what proves that there are no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubprocessorsFact {
    /// Each one's name and place.
    pub entries: Vec<SubprocessorFact>,
    /// What proves it.
    pub proofs: Vec<Proof>,
}

/// One sub-processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubprocessorFact {
    /// Its name.
    pub name: String,
    /// Where it processes.
    pub place: Places,
}

/// One piece of evidence that a promise refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The name that the promise gives.
    pub name: String,
    /// What stands under that name; nothing when there is no such evidence.
    pub found: Option<ProofFound>,
}

/// What a piece of evidence is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofFound {
    /// How strong it is.
    pub kind: EvidenceKind,
    /// The day somebody last read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_on: Option<Date>,
    /// From this day on it counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
}

impl Facts {
    /// What a provider in `attested_by` promises. `contradiction` is what the wire shows against the place of
    /// inference.
    pub fn new(attested_by: &str, promises: &Promises, evidence: &[Evidence]) -> Self {
        let proofs = |names: &Vec<String>| names.iter().map(|name| Proof::find(name, evidence)).collect();
        let country = |code: &String| Places::expand([code]);
        let place = |promise: &crate::promises::PlacePromise| PlaceFact {
            places: Places::expand(&promise.regions),
            contradiction: None,
            proofs: proofs(&promise.evidence),
        };
        Self {
            attested_by: attested_by.to_owned(),
            self_operated: false,
            inference: promises.inference.as_ref().map(place),
            storage: promises.storage.as_ref().map(place),
            access: promises.access.as_ref().map(place),
            jurisdiction: promises.jurisdiction.as_ref().map(|promise| JurisdictionFact {
                contracting_entity: country(&promise.contracting_entity),
                ultimate_parent: country(&promise.ultimate_parent),
                proofs: proofs(&promise.evidence),
            }),
            retention: promises
                .retention
                .as_ref()
                .map(|promise| RetentionFact { days: promise.days, proofs: proofs(&promise.evidence) }),
            training: promises.training.as_ref().map(|promise| TrainingFact {
                on_customer_data: promise.on_customer_data,
                proofs: proofs(&promise.evidence),
            }),
            contract: promises.contract.as_ref().map(|promise| ContractFact {
                kind: promise.kind,
                role: promise.role,
                proofs: proofs(&promise.evidence),
            }),
            transfers: promises.transfers.as_ref().map(|promise| TransfersFact {
                entries: promise.entries.iter().map(TransferFact::from).collect(),
                proofs: proofs(&promise.evidence),
            }),
            certifications: promises
                .certifications
                .as_ref()
                .map(|promise| CertificationsFact { names: promise.names.clone(), proofs: proofs(&promise.evidence) }),
            subprocessors: promises.subprocessors.as_ref().map(|promise| SubprocessorsFact {
                entries: promise
                    .entries
                    .iter()
                    .map(|entry| SubprocessorFact { name: entry.name.clone(), place: country(&entry.country) })
                    .collect(),
                proofs: proofs(&promise.evidence),
            }),
        }
    }
}

impl From<&crate::promises::Transfer> for TransferFact {
    fn from(entry: &crate::promises::Transfer) -> Self {
        Self {
            country: entry.country.clone(),
            mechanism: entry.mechanism,
            impact_assessed: entry.impact_assessment.is_some(),
        }
    }
}

impl Proof {
    fn find(name: &str, evidence: &[Evidence]) -> Self {
        let found = evidence.iter().find(|evidence| evidence.name == name).map(|evidence| ProofFound {
            kind: evidence.kind,
            reviewed_on: evidence.reviewed_on,
            valid_until: evidence.valid_until,
        });
        Self { name: name.to_owned(), found }
    }
}
