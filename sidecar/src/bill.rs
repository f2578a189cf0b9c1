//! On whose account a call goes: whether its route takes one more, and what it is charged with when its tokens are known, or
//! can only be estimated. `attempt` opens a bill with each route and provider before it asks, `record` holds it until the call has ended.

use std::sync::Arc;

use lotse_crds::name::ObjectName;
use lotse_crds::price::{Price, Tokens};
use lotse_crds::quota::{Budget, CallLimits};
use lotse_crds::snapshot::{Candidate, Route};

use crate::failure::Failure;
use crate::moment;
use crate::quota::{Entered, Quota};
use crate::spending::Purses;

/// The accounts of one call: it is under way on each while this is held.
#[derive(Debug, Default)]
pub struct Bill {
    entered: Vec<Entered>,
    purse: Option<(Arc<Purses>, ObjectName, Budget)>,
    /// How many tokens the prompt has, nearly, if the provider may not count and that is worth an estimate.
    prompt: Option<u64>,
}

/// Whether anybody's account depends on how many tokens this candidate takes for a call of this route.
pub(crate) fn counts_tokens(route: &Route, candidate: &Candidate) -> bool {
    let has_tokens = |limits: &Option<CallLimits>| limits.is_some_and(|limits| limits.tokens_per_minute.is_some());
    route.budget.is_some() || has_tokens(&route.limits) || has_tokens(&candidate.limits)
}

impl Bill {
    /// Opens the account with a route, or says why it takes no call now.
    pub fn open(route: &Route, quota: Option<&Arc<Quota>>, purses: &Arc<Purses>) -> Result<Self, Failure> {
        let mut bill = Self::default();
        if let Some(budget) = route.budget {
            if let Some(reset) = purses.refuses((&route.name, &budget), moment::now()) {
                return Err(Failure::BudgetExhausted { route: route.name.clone(), reset });
            }
            bill.purse = Some((purses.clone(), route.name.clone(), budget));
        }
        if let (Some(quota), Some(limits)) = (quota, &route.limits) {
            let entered = quota.enter(limits, moment::instant());
            let entered = entered.map_err(|wait| Failure::LimitReached { route: route.name.clone(), wait })?;
            bill.entered.push(entered);
        }
        Ok(bill)
    }

    /// The account with the provider that is asked.
    pub fn add(&mut self, entered: Option<Entered>) {
        self.entered.extend(entered);
    }

    /// How many tokens the prompt has, nearly: what is charged if the provider does not count.
    pub fn asks(&mut self, prompt: u64) {
        self.prompt = Some(prompt);
    }

    /// Nobody was asked after all: the call counts on no account.
    pub fn withdraw(self) {
        self.entered.into_iter().for_each(Entered::withdraw);
    }

    /// The provider has counted.
    pub fn counts(&self, tokens: Tokens, cost: Option<f64>) {
        for entered in &self.entered {
            entered.debit(tokens.input.saturating_add(tokens.output), moment::instant());
        }
        if let (Some((purses, route, budget)), Some(cost)) = (&self.purse, cost) {
            purses.add((route, budget), cost, moment::now());
        }
    }

    /// The provider has not counted, and so many tokens have come, nearly. Charges nothing for what is not text.
    pub fn estimates(&self, output: u64, price: Option<&Price>) {
        let Some(input) = self.prompt else { return };
        let tokens = Tokens { input, cached_input: 0, output };
        self.counts(tokens, price.map(|price| price.cost(tokens)));
    }
}
