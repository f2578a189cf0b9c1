//! A naive oracle: may this provider receive data under these policies, on this day?
//!
//! Written from the words of the design and from nothing else: it works on what is declared, with plain
//! strings, lists and sets, has its own tables, and answers yes or no. Where it and the decision disagree,
//! one of them has misread. Plain on purpose; it knows only the countries and hosts that the tests name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::name::{Labels, ObjectName, Workload};
use crate::policy::{DataPolicySpec, Enforcement, Jurisdictions, OnOverdue, TransferRequirement};
use crate::promises::{ContractType, Evidence, PlacePromise, Promises, Role, Transfer, TransferMechanism};
use crate::provider::{Api, LLMProviderSpec, Operator};
use crate::selector::{LabelOperator, LabelSelector};

const EU: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];
const EFTA: [&str; 4] = ["CH", "IS", "LI", "NO"];
const EEA_BEYOND_EU: [&str; 3] = ["IS", "LI", "NO"];
const ELSEWHERE: [&str; 5] = ["CN", "GB", "IN", "JP", "US"];

/// Everything that the question depends on.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) root: String,
    pub(super) workload: Workload,
    pub(super) namespace_labels: BTreeMap<String, Labels>,
    pub(super) policies: Vec<(ObjectName, DataPolicySpec)>,
    /// Policies that are there but can't be read.
    pub(super) unreadable: Vec<ObjectName>,
    pub(super) provider_namespace: String,
    /// With one model.
    pub(super) provider: LLMProviderSpec,
    pub(super) day: Date,
}

impl World {
    /// A pod gets something only when at least one enforcing root policy that sets `inferenceRegions` selects
    /// it, and a candidate must pass all policies. One that cannot be read or compiled denies every pod it
    /// might select.
    pub(super) fn allows(&self) -> bool {
        let denies = |(name, spec): &&(ObjectName, DataPolicySpec)| !self.understands(name, spec);
        let selecting: Vec<_> = self.policies.iter().filter(|(name, spec)| self.selects(name, spec)).collect();
        let unreadable = self.unreadable.iter().any(|name| self.concerns(name));
        let enforcing = selecting.iter().filter(|(_, spec)| spec.enforcement == Enforcement::Enforce);
        self.is_open()
            && !unreadable
            && !selecting.iter().any(denies)
            && enforcing.into_iter().all(|(name, spec)| self.passes(name, spec))
    }

    pub(super) fn is_open(&self) -> bool {
        let opens = |(name, spec): &(ObjectName, DataPolicySpec)| {
            self.is_opening(name, spec) && self.selects(name, spec) && self.understands(name, spec)
        };
        self.policies.iter().any(opens)
    }

    /// Whether a policy is of the kind that opens the door: it enforces, in the root, and sets
    /// `inferenceRegions`.
    pub(super) fn is_opening(&self, name: &ObjectName, spec: &DataPolicySpec) -> bool {
        spec.enforcement == Enforcement::Enforce && name.namespace == self.root && spec.inference_regions.is_some()
    }

    /// A policy of the root may concern everybody, one of a tenant its own namespace.
    fn concerns(&self, name: &ObjectName) -> bool {
        name.namespace == self.root || name.namespace == self.workload.namespace
    }

    /// Whether a policy selects the caller, or might: a selector that makes no sense might select anything.
    fn selects(&self, name: &ObjectName, spec: &DataPolicySpec) -> bool {
        let namespace = self.labels_of(&self.workload.namespace);
        let might = |selector: &Option<LabelSelector>, labels: &Labels| match selector {
            None => true,
            Some(selector) => !makes_sense(selector) || matches(selector, labels),
        };
        let account = match &spec.service_account_names {
            None => true,
            Some(names) => names.is_empty() || names.contains(&self.workload.service_account),
        };
        let governs = name.namespace != self.root || might(&spec.namespace_selector, &namespace);
        self.concerns(name) && governs && might(&spec.pod_selector, &self.workload.labels) && account
    }

    fn labels_of(&self, namespace: &str) -> Labels {
        let mut labels = self.namespace_labels.get(namespace).cloned().unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        labels
    }

    /// Whether a policy is one that `kubectl apply` would take.
    fn understands(&self, name: &ObjectName, spec: &DataPolicySpec) -> bool {
        let evidence = &spec.evidence;
        let attested_in = evidence.attested_in.as_ref().map(|attested| attested.namespace_selector.clone());
        let selectors = [spec.namespace_selector.clone(), spec.pod_selector.clone(), attested_in];
        selectors.iter().flatten().all(makes_sense)
            && (spec.namespace_selector.is_none() || name.namespace == self.root)
            && [&spec.inference_regions, &spec.storage_regions, &spec.access_regions]
                .into_iter()
                .flatten()
                .all(|words| *words == ["Worldwide"] || are_countries(words))
            && spec.jurisdictions.as_ref().is_none_or(jurisdictions_make_sense)
            && spec.denied_subprocessor_countries.as_ref().is_none_or(|words| are_countries(words))
            && spec.max_retention_days.is_none_or(|days| (0..=36_500).contains(&days))
            && evidence.max_age_days.is_none_or(|days| (1..=36_500).contains(&days))
            && (evidence.on_overdue == OnOverdue::Warn || evidence.max_age_days.is_some())
            && spec.service_account_names.as_ref().is_none_or(|list| !list.is_empty())
            && spec.transfer_mechanisms.as_ref().is_none_or(|list| !list.is_empty())
            && spec.require_certifications.as_ref().is_none_or(|list| !list.is_empty())
            && evidence.accept.as_ref().is_none_or(|list| !list.is_empty())
    }

    /// Each policy is judged alone, with its own evidence rules. To policies that do not believe its
    /// namespace the provider has promised nothing; `operatedBy: Self` is believed like any promise.
    fn passes(&self, name: &ObjectName, spec: &DataPolicySpec) -> bool {
        let believed = match &spec.evidence.attested_in {
            None => [&self.root, &name.namespace].contains(&&self.provider_namespace),
            Some(attested) => matches(&attested.namespace_selector, &self.labels_of(&self.provider_namespace)),
        };
        let promises = if believed { self.promises() } else { Promises::default() };
        let is_own = believed && self.provider.operated_by == Operator::Own && shown_by_wire(&self.provider).is_none();
        let bench = Bench { spec, promises, evidence: &self.provider.evidence, is_own, day: self.day };
        bench.places_fit()
            && bench.jurisdiction_fits()
            && bench.handling_fits()
            && bench.transfers_are_carried()
            && bench.third_parties_fit()
    }

    /// A model's promises replace, key by key, the provider's; one that the wire contradicts counts as not
    /// made.
    fn promises(&self) -> Promises {
        let (own, model) = (self.provider.promises.clone(), self.provider.models[0].promises.clone());
        let mut promises = Promises {
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
        };
        let contradicted = |promise: &PlacePromise| {
            let covered = expand(&promise.regions);
            let leaves_out = |place: &str| !covered.contains(place) && !covered.contains("Worldwide");
            shown_by_wire(&self.provider).is_some_and(|shown| expand(shown).into_iter().any(|place| leaves_out(&place)))
        };
        promises.inference = promises.inference.filter(|promise| !contradicted(promise));
        promises
    }
}

/// One policy against what the provider has promised to it.
struct Bench<'a> {
    spec: &'a DataPolicySpec,
    promises: Promises,
    evidence: &'a [Evidence],
    is_own: bool,
    day: Date,
}

impl Bench<'_> {
    /// `storageRegions` and `accessRegions` each default to `inferenceRegions`; where none is set there is no
    /// limit. Worldwide limits nothing. A promise fits when all of its countries are among the policy's.
    fn places_fit(&self) -> bool {
        let inference = &self.spec.inference_regions;
        let (storage, access) = (&self.spec.storage_regions, &self.spec.access_regions);
        let limited = [
            (inference, &self.promises.inference),
            (if storage.is_some() { storage } else { inference }, &self.promises.storage),
            (if access.is_some() { access } else { inference }, &self.promises.access),
        ];
        limited.into_iter().all(|(allowed, promise)| match (allowed, promise) {
            (None, _) => true,
            (Some(allowed), _) if *allowed == ["Worldwide"] => true,
            (Some(_), None) => false,
            (Some(allowed), Some(promise)) => {
                self.is_proven(&promise.evidence) && expand(&promise.regions).is_subset(&expand(allowed))
            }
        })
    }

    /// Contracting entity and ultimate parent; `denied` refuses the listed and the unknown.
    fn jurisdiction_fits(&self) -> bool {
        let Some(law) = &self.spec.jurisdictions else { return true };
        let Some(promise) = &self.promises.jurisdiction else { return self.is_own };
        let homes = [&promise.contracting_entity, &promise.ultimate_parent];
        self.is_proven(&promise.evidence)
            && homes.into_iter().all(|home| {
                let allowed = law.allowed.as_ref().is_none_or(|list| expand(list).contains(home));
                let denied = law.denied.as_ref().is_some_and(|list| expand(list).contains(home));
                is_country(home) && (allowed && !denied || self.is_admitted(law, home))
            })
    }

    /// `conditional` admits a country until the day, when the provider's `transfers` for it carry what is
    /// required.
    fn is_admitted(&self, law: &Jurisdictions, country: &str) -> bool {
        let transfers = self.transfers_to(country);
        let carried = |required: &TransferRequirement| match required {
            TransferRequirement::AdequacyDecision => has(&transfers, TransferMechanism::AdequacyDecision),
            TransferRequirement::SCC => has(&transfers, TransferMechanism::SCC),
            TransferRequirement::BCR => has(&transfers, TransferMechanism::BCR),
            TransferRequirement::Derogation => has(&transfers, TransferMechanism::Derogation),
            TransferRequirement::ImpactAssessment => {
                let reference = |entry: &&Transfer| entry.impact_assessment.clone().unwrap_or_default();
                transfers.iter().any(|entry| !reference(entry).is_empty())
            }
        };
        law.conditional.iter().flatten().any(|condition| {
            condition.country == country
                && condition.until.is_none_or(|until| self.day < until)
                && condition.requires.iter().all(carried)
        })
    }

    fn transfers_to(&self, country: &str) -> Vec<&Transfer> {
        let proven = self.promises.transfers.iter().filter(|promise| self.is_proven(&promise.evidence));
        proven.flat_map(|promise| &promise.entries).filter(|entry| entry.country == country).collect()
    }

    /// `requireArticle28` needs `contract.type: Article28` with role Processor. `operatedBy: Self` counts,
    /// where the provider promises nothing itself, as an Article 28 contract, retention 0 and no training.
    fn handling_fits(&self) -> bool {
        let retention = match (self.spec.max_retention_days, &self.promises.retention) {
            (None, _) => true,
            (Some(_), None) => self.is_own,
            (Some(most), Some(promise)) => self.is_proven(&promise.evidence) && promise.days <= most,
        };
        let training = match (self.spec.forbid_training, &self.promises.training) {
            (false, _) => true,
            (true, None) => self.is_own,
            (true, Some(promise)) => self.is_proven(&promise.evidence) && !promise.on_customer_data,
        };
        let contract = match (self.spec.require_article28, &self.promises.contract) {
            (false, _) => true,
            (true, None) => self.is_own,
            (true, Some(promise)) => {
                self.is_proven(&promise.evidence)
                    && promise.kind == ContractType::Article28
                    && promise.role == Role::Processor
            }
        };
        retention && training && contract
    }

    /// `transferMechanisms` must be met for each country outside the EEA in inference, storage or access.
    fn transfers_are_carried(&self) -> bool {
        let Some(mechanisms) = &self.spec.transfer_mechanisms else { return true };
        let carried = |country: &String| {
            let inside = EU.contains(&country.as_str()) || EEA_BEYOND_EU.contains(&country.as_str());
            let transfers = self.transfers_to(country);
            inside || is_country(country) && mechanisms.iter().any(|mechanism| has(&transfers, *mechanism))
        };
        [&self.promises.inference, &self.promises.storage, &self.promises.access].into_iter().all(|promise| {
            promise.as_ref().is_some_and(|promise| {
                self.is_proven(&promise.evidence) && expand(&promise.regions).iter().all(carried)
            })
        })
    }

    fn third_parties_fit(&self) -> bool {
        let certified = match (&self.spec.require_certifications, &self.promises.certifications) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(required), Some(promise)) => {
                self.is_proven(&promise.evidence) && required.iter().all(|name| promise.names.contains(name))
            }
        };
        let elsewhere = match (&self.spec.denied_subprocessor_countries, &self.promises.subprocessors) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(denied), Some(promise)) => {
                let denied = expand(denied);
                let fits = |country: &String| is_country(country) && !denied.contains(country);
                self.is_proven(&promise.evidence) && promise.entries.iter().all(|entry| fits(&entry.country))
            }
        };
        certified && elsewhere
    }

    /// Each promise needs at least one evidence of an accepted kind, not past `validUntil`, and, under
    /// Exclude, reviewed at most `maxAgeDays` ago.
    fn is_proven(&self, names: &[String]) -> bool {
        let rules = &self.spec.evidence;
        self.evidence.iter().filter(|evidence| names.contains(&evidence.name)).any(|evidence| {
            let accepted = rules.accept.as_ref().is_none_or(|kinds| kinds.contains(&evidence.kind));
            let valid = evidence.valid_until.is_none_or(|end| self.day < end);
            let fresh = rules.on_overdue == OnOverdue::Warn
                || evidence.reviewed_on.is_some_and(|review| {
                    let days = (self.day - review).get_days();
                    0 <= days && Some(days) <= rules.max_age_days
                });
            accepted && valid && fresh
        })
    }
}

fn has(transfers: &[&Transfer], mechanism: TransferMechanism) -> bool {
    transfers.iter().any(|entry| entry.mechanism == mechanism)
}

/// The words of a list with each group's members in its place. What no table has stays, and fits nowhere.
fn expand<Word: AsRef<str>>(words: &[Word]) -> BTreeSet<String> {
    let members = |word: &str| {
        match word {
            "EU" => EU.to_vec(),
            "EEA" => [EU.as_slice(), &EEA_BEYOND_EU].concat(),
            "EFTA" => EFTA.to_vec(),
            word => vec![word],
        }
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    words.iter().flat_map(|word| members(word.as_ref())).collect()
}

fn is_country(word: &str) -> bool {
    EU.contains(&word) || EFTA.contains(&word) || ELSEWHERE.contains(&word)
}

fn are_countries(words: &[String]) -> bool {
    !words.is_empty() && expand(words).iter().all(|word| is_country(word))
}

fn jurisdictions_make_sense(law: &Jurisdictions) -> bool {
    let conditions: Vec<_> = law.conditional.iter().flatten().collect();
    let countries: BTreeSet<_> = conditions.iter().map(|condition| &condition.country).collect();
    law.allowed.is_some() != law.denied.is_some()
        && [&law.allowed, &law.denied].into_iter().flatten().all(|words| are_countries(words))
        && conditions.iter().all(|condition| is_country(&condition.country) && !condition.requires.is_empty())
        && countries.len() == conditions.len()
}

fn makes_sense(selector: &LabelSelector) -> bool {
    selector.match_expressions.iter().all(|requirement| match requirement.operator {
        LabelOperator::In | LabelOperator::NotIn => !requirement.values.is_empty(),
        LabelOperator::Exists | LabelOperator::DoesNotExist => requirement.values.is_empty(),
    })
}

fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let holds = |key: &String, operator, values: &[String]| match (operator, labels.get(key)) {
        (LabelOperator::In, value) => value.is_some_and(|value| values.contains(value)),
        (LabelOperator::NotIn, value) => !value.is_some_and(|value| values.contains(value)),
        (LabelOperator::Exists, value) => value.is_some(),
        (LabelOperator::DoesNotExist, value) => value.is_none(),
    };
    selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|each| holds(&each.key, each.operator, &each.values))
}

/// Where a vendor's public host decrypts content, as far as the wire shows it; nothing for any other host.
fn shown_by_wire(provider: &LLMProviderSpec) -> Option<&'static [&'static str]> {
    if provider.api == Some(Api::Simulated) {
        return None;
    }
    let default = match provider.vendor() {
        "openai" => "https://api.openai.com/v1",
        "mistral" => "https://api.mistral.ai/v1",
        "together" => "https://api.together.ai/v1",
        _ => "",
    };
    let url = provider.base_url.as_deref().unwrap_or(default).to_lowercase();
    let host = url.trim_start_matches("https://").split('/').next()?.trim_end_matches('.').to_owned();
    match host.as_str() {
        "api.openai.com" | "api.mistral.ai" | "api.together.ai" => Some(&["Worldwide"]),
        "eu.api.openai.com" => Some(&["EEA", "CH"]),
        "us.api.openai.com" => Some(&["US"]),
        "api.eu.mistral.ai" => Some(&["EU", "EFTA"]),
        _ => None,
    }
}
