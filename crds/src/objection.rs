//! Objections: the vocabulary of refusals. One word for each in Kubernetes, on the wire, in metrics and in logs, and a
//! sentence for people that says what to declare or change.

use std::fmt;

use jiff::civil::Date;

use crate::place::{Countries, Places};
use crate::policy::TransferRequirement;
use crate::promises::EvidenceKind;

/// One reason why data may not go to a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// No enforcing policy of the root namespace that sets `inferenceRegions` selects the workload.
    NoDataPolicy,
    /// The policy can't be understood, so it refuses everything.
    PolicyInvalid {
        /// What is wrong with it.
        why: String,
    },
    /// The promises of this namespace's providers don't count for the policy.
    NotAttested {
        /// The provider's namespace.
        namespace: String,
    },
    /// What the policy leans on is not promised.
    NotPromised {
        /// The promise.
        promise: PromiseName,
    },
    /// The wire shows otherwise, so the promise counts as not made.
    ResidencyContradiction {
        /// The promise.
        promise: PromiseName,
        /// What the wire shows.
        why: String,
    },
    /// A place is not among the policy's.
    RegionNotAllowed {
        /// Inference, storage or access.
        promise: PromiseName,
        /// Where it may be.
        places: Places,
        /// Where the policy allows it.
        allowed: Countries,
    },
    /// The law of a country that the policy does not allow reaches the provider.
    JurisdictionNotAllowed {
        /// Whose home it is.
        entity: &'static str,
        /// The country.
        home: String,
    },
    /// The country was admitted until a day that has come.
    JurisdictionConditionLapsed {
        /// Whose home it is.
        entity: &'static str,
        /// The country.
        country: String,
        /// The day.
        until: Date,
    },
    /// The provider's transfers don't carry what admits the country.
    JurisdictionConditionUnmet {
        /// Whose home it is.
        entity: &'static str,
        /// The country.
        country: String,
        /// What is missing.
        missing: Vec<TransferRequirement>,
    },
    /// Content is kept for longer than the policy allows.
    RetentionTooLong {
        /// The days that it is kept.
        days: i32,
        /// The days that the policy allows.
        most: i32,
    },
    /// Models are trained on content.
    TrainsOnCustomerData,
    /// The provider is not a processor under an Article 28 contract.
    Article28ContractMissing,
    /// A country outside the EEA is reached without a mechanism that the policy accepts.
    TransferMechanismMissing {
        /// The country.
        country: String,
    },
    /// The provider does not hold a certificate that the policy asks for.
    CertificationMissing {
        /// Those that are missing.
        names: Vec<String>,
    },
    /// A sub-processor sits in a country that the policy denies, or in an unknown one.
    SubprocessorCountryDenied {
        /// The sub-processor.
        name: String,
        /// Its country.
        country: String,
    },
    /// A promise rests on nothing.
    EvidenceMissing {
        /// The promise.
        promise: PromiseName,
    },
    /// A promise names evidence that is not there.
    EvidenceNotFound {
        /// The promise.
        promise: PromiseName,
        /// The evidence.
        name: String,
    },
    /// The evidence is of a kind that the policy does not accept.
    EvidenceKindNotAccepted {
        /// The promise.
        promise: PromiseName,
        /// The evidence.
        name: String,
        /// Its kind.
        kind: EvidenceKind,
    },
    /// The evidence is valid no more.
    EvidenceExpired {
        /// The promise.
        promise: PromiseName,
        /// The evidence.
        name: String,
        /// The day from which it is not.
        on: Date,
    },
    /// Nobody has read the evidence for too long.
    EvidenceOverdue {
        /// The promise.
        promise: PromiseName,
        /// The evidence.
        name: String,
        /// The day somebody last read it.
        reviewed_on: Option<Date>,
        /// How many days ago that may be.
        most: i32,
    },
}

/// A promise that a policy can lean on, by its field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseName {
    /// Where content is decrypted.
    Inference,
    /// Where it is kept.
    Storage,
    /// Wherefrom people reach it.
    Access,
    /// Whose law reaches the provider.
    Jurisdiction,
    /// How long content is kept.
    Retention,
    /// Whether content trains models.
    Training,
    /// Under which contract the provider acts.
    Contract,
    /// On which grounds content leaves the EEA.
    Transfers,
    /// Which certificates it holds.
    Certifications,
    /// Who else processes content.
    Subprocessors,
}

impl PromiseName {
    /// The field under `spec.promises`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Storage => "storage",
            Self::Access => "access",
            Self::Jurisdiction => "jurisdiction",
            Self::Retention => "retention",
            Self::Training => "training",
            Self::Contract => "contract",
            Self::Transfers => "transfers",
            Self::Certifications => "certifications",
            Self::Subprocessors => "subprocessors",
        }
    }
}

impl fmt::Display for PromiseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field())
    }
}

impl Objection {
    /// The stable word, in CamelCase as Kubernetes has it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoDataPolicy => "NoDataPolicy",
            Self::PolicyInvalid { .. } => "PolicyInvalid",
            Self::NotAttested { .. } => "NotAttested",
            Self::NotPromised { .. } => "NotPromised",
            Self::ResidencyContradiction { .. } => "ResidencyContradiction",
            Self::RegionNotAllowed { promise: PromiseName::Storage, .. } => "StorageRegionNotAllowed",
            Self::RegionNotAllowed { promise: PromiseName::Access, .. } => "AccessRegionNotAllowed",
            Self::RegionNotAllowed { .. } => "InferenceRegionNotAllowed",
            Self::JurisdictionNotAllowed { .. } => "JurisdictionNotAllowed",
            Self::JurisdictionConditionLapsed { .. } => "JurisdictionConditionLapsed",
            Self::JurisdictionConditionUnmet { .. } => "JurisdictionConditionUnmet",
            Self::RetentionTooLong { .. } => "RetentionTooLong",
            Self::TrainsOnCustomerData => "TrainsOnCustomerData",
            Self::Article28ContractMissing => "Article28ContractMissing",
            Self::TransferMechanismMissing { .. } => "TransferMechanismMissing",
            Self::CertificationMissing { .. } => "CertificationMissing",
            Self::SubprocessorCountryDenied { .. } => "SubprocessorCountryDenied",
            Self::EvidenceMissing { .. } => "EvidenceMissing",
            Self::EvidenceNotFound { .. } => "EvidenceNotFound",
            Self::EvidenceKindNotAccepted { .. } => "EvidenceKindNotAccepted",
            Self::EvidenceExpired { .. } => "EvidenceExpired",
            Self::EvidenceOverdue { .. } => "EvidenceOverdue",
        }
    }
}

/// The word of a code on the wire, in metrics and in logs: `NoDataPolicy` is `no_data_policy`.
pub fn snake_case(code: &str) -> String {
    let mut word = String::with_capacity(code.len() + 4);
    for (at, letter) in code.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDataPolicy => f.write_str(
                "no enforcing DataPolicy of the root namespace that sets inferenceRegions selects this workload",
            ),
            Self::PolicyInvalid { why } => write!(f, "the policy can't be understood and refuses everything: {why}"),
            Self::NotAttested { namespace } => {
                write!(f, "promises made in namespace {namespace} don't count for this policy (evidence.attestedIn)")
            }
            Self::NotPromised { promise } => write!(f, "nothing is promised under promises.{promise}"),
            Self::ResidencyContradiction { promise, why } => {
                write!(f, "promises.{promise} counts as not made, because the wire contradicts it: {why}")
            }
            Self::RegionNotAllowed { promise, places, allowed } => {
                write!(f, "{promise} may be in {places}; the policy allows {allowed}")
            }
            Self::JurisdictionNotAllowed { entity, home } => {
                write!(f, "the {entity} sits in {home}, which jurisdictions does not allow")
            }
            Self::JurisdictionConditionLapsed { entity, country, until } => {
                write!(f, "the {entity} sits in {country}, which was admitted until {until}")
            }
            Self::JurisdictionConditionUnmet { entity, country, missing } => write!(
                f,
                "the {entity} sits in {country}, which is admitted only with {} in promises.transfers",
                list(missing.iter().map(|each| format!("{each:?}")))
            ),
            Self::RetentionTooLong { days, most } => {
                write!(f, "content is kept for {days} days; the policy allows {most}")
            }
            Self::TrainsOnCustomerData => f.write_str("models are trained on customers' content"),
            Self::Article28ContractMissing => {
                f.write_str("promises.contract is not an Article 28 contract with a Processor")
            }
            Self::TransferMechanismMissing { country } => {
                write!(f, "no transfer mechanism that the policy accepts covers {country}")
            }
            Self::CertificationMissing { names } => write!(f, "promises.certifications lacks {}", names.join(" and ")),
            Self::SubprocessorCountryDenied { name, country } => {
                write!(f, "sub-processor {name} sits in {country}, which the policy denies")
            }
            Self::EvidenceMissing { promise } => write!(f, "promises.{promise} rests on no evidence"),
            Self::EvidenceNotFound { promise, name } => {
                write!(f, "promises.{promise} rests on evidence `{name}`, which is not there")
            }
            Self::EvidenceKindNotAccepted { promise, name, kind } => write!(
                f,
                "promises.{promise} rests on evidence `{name}`, which is {kind:?}; the policy does not accept that kind"
            ),
            Self::EvidenceExpired { promise, name, on } => {
                write!(f, "promises.{promise} rests on evidence `{name}`, which was valid until {on}")
            }
            Self::EvidenceOverdue { promise, name, reviewed_on, most } => {
                let review = reviewed_on.map_or("has no reviewedOn".to_owned(), |day| format!("was reviewed on {day}"));
                write!(
                    f,
                    "promises.{promise} rests on evidence `{name}`, which {review}; a review counts for {most} days"
                )
            }
        }
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" and ")
}
