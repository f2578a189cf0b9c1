//! Remembers whom the decision has permitted today, so that a call over many candidates does not judge what cannot have
//! changed. Only [`super::permit`] decides: what is remembered is that it has, for this very candidate and these very
//! policies, on this day. Whoever holds a snapshot holds one beside it, and drops both together.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;

use super::{Permitted, permit};
use crate::limits::Limits;
use crate::snapshot::{Candidate, Reason};

/// Whom the decision has permitted.
#[derive(Debug, Default)]
pub struct Memo(Mutex<Kept>);

/// By whom, when, and who. Places in memory are names here: the candidates and policies of a snapshot do not move and do not
/// change while it lives.
#[derive(Debug, Default)]
struct Kept {
    day: Option<Date>,
    policies: (usize, usize),
    /// By ordinal.
    permitted: Vec<usize>,
}

/// A memo while it is asked.
#[derive(Debug)]
pub struct Asking<'m>(MutexGuard<'m, Kept>);

impl Memo {
    /// Asks it for these policies on this day. What was kept for others or for another day is forgotten.
    pub fn ask(&self, policies: &[Limits], today: Date) -> Asking<'_> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = (policies.as_ptr() as usize, policies.len());
        if (kept.day, kept.policies) != (Some(today), named) {
            *kept = Kept { day: Some(today), policies: named, permitted: Vec::new() };
        }
        Asking(kept)
    }
}

impl Asking<'_> {
    /// Permits a candidate, or says every reason against it: see [`permit`]. The policies and the day must be those that it was
    /// asked for.
    pub fn permit<'a>(
        &mut self,
        policies: &[Limits],
        candidate: &'a Candidate,
        today: Date,
    ) -> Result<Permitted<'a>, Vec<Reason>> {
        let named = std::ptr::from_ref(candidate) as usize;
        let is_for = (self.0.day, self.0.policies) == (Some(today), (policies.as_ptr() as usize, policies.len()));
        if is_for && self.0.permitted.get(candidate.ordinal) == Some(&named) {
            return Ok(Permitted(candidate));
        }
        let permitted = permit(policies, candidate, today)?;
        if is_for {
            if self.0.permitted.len() <= candidate.ordinal {
                self.0.permitted.resize(candidate.ordinal + 1, 0);
            }
            self.0.permitted[candidate.ordinal] = named;
        }
        Ok(permitted)
    }
}
