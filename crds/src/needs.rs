//! Needs: what a call needs of a model, read from its body in whichever dialect. `plan` compares them with what a
//! candidate is said to be able to do.

use std::collections::BTreeSet;

use crate::provider::Ability;

/// What a call needs of a model. Nothing, by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What the model must be able to do.
    pub abilities: BTreeSet<Ability>,
    /// How many tokens the prompt has at least; an estimate that is surely not too high.
    pub least_prompt_tokens: u64,
    /// How many tokens the answer may have, if the call says so.
    pub output_tokens: Option<u64>,
}

impl Needs {
    /// stub
    pub fn read(_: &[u8], _: &crate::body::Scanned) -> Self {
        Self::default()
    }
    /// stub
    pub fn objections(&self, _: &crate::snapshot::Candidate, _: bool) -> Vec<crate::snapshot::Reason> {
        Vec::new()
    }
}
