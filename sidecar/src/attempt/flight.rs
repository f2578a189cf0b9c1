//! A candidate that is being asked: what is under way while `attempt` waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use lotse_crds::plan::Attempt;

use super::Answered;
use crate::health::Outcome;
use crate::lane::Lane;
use crate::quota::Entered;
use crate::trial::End;

/// A candidate that is being asked.
pub(super) struct Flight<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) lane: &'a Arc<Lane>,
    pub(super) trial: Pin<Box<dyn Future<Output = Result<Answered, End>> + Send + 'a>>,
    /// The account with the provider.
    pub(super) entered: Option<Entered>,
    /// Whether its end has been noted. One that is cut off says nothing of its provider.
    pub(super) is_noted: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.is_noted {
            self.lane.ends(Outcome::Nothing);
        }
    }
}

impl Flight<'_> {
    /// Notes how it ended.
    pub(super) fn note(&mut self, outcome: Outcome) {
        self.is_noted = true;
        self.lane.ends(outcome);
    }
}
