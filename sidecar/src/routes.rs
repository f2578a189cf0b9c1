//! What is remembered of a route from call to call, whichever snapshot is in force: its retry budget, and who answered which
//! session. `table` hands it out, `attempt` and `serve` ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lotse_crds::name::ObjectName;

use crate::moment;
use crate::retries::RetryBudget;
use crate::sticky::Sticky;

/// What is remembered of one route.
#[derive(Debug, Default)]
pub struct Remembered {
    retries: Mutex<RetryBudget>,
    sticky: Mutex<Sticky>,
}

/// What is remembered of all routes, by name.
#[derive(Debug, Default)]
pub struct Routes(Mutex<HashMap<ObjectName, Arc<Remembered>>>);

impl Routes {
    /// What is remembered of this one.
    pub fn of(&self, route: &ObjectName) -> Arc<Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(route.clone()).or_default().clone()
    }
}

impl Remembered {
    /// A call begins; an SDK may have repeated it by itself.
    pub fn begins(&self, is_repeated: bool) {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).begins(moment::instant(), is_repeated);
    }

    /// Who answered which session.
    pub fn sticky(&self) -> MutexGuard<'_, Sticky> {
        self.sticky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a further attempt out of the retry budget, if there is one left.
    pub fn takes_retry(&self) -> bool {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).takes(moment::instant())
    }
}
