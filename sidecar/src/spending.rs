//! Keeps to budgets: what has been spent on each budgeted route, by this pod and by the others of its namespace. Pure state:
//! costs and the operator's word go in, a verdict comes out; time is a parameter.
//!
//! What a namespace has spent is the operator's last word, and what this pod has spent that the word does not count yet. A
//! report is said again on each new stream, under its own number, until the operator keeps it: nothing is lost and nothing
//! counted twice. On a folder nobody else spends. `serve` asks before a call, `record` adds after one, `follow` reports.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use lotse_crds::name::ObjectName;
use lotse_crds::quota::{Budget, BudgetAction, BudgetLevel, Money, Period};
use lotse_crds::residency::utc_day;
use lotse_crds::usage::{Counted, MOST_ENTRIES, RouteSpent, Spending, Spent};

/// How many reports are on their way at most; what is spent beyond waits for the next.
const MOST_SENT: usize = 64;
/// For how many days a sum is kept that nobody has taken: a month and the one before.
const KEPT_DAYS: i64 = 62;
/// Millionths of a millionth of a dollar in a millionth: a call can cost less than one.
const PICOS: u128 = 1_000_000;

/// The purses of all budgeted routes, over the lives of tables.
#[derive(Debug, Default)]
pub struct Purses(Mutex<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    run: u64,
    number: u64,
    purses: HashMap<ObjectName, Purse>,
    /// Reports that are not known to be kept, oldest first.
    sent: VecDeque<Spent>,
    /// The last report that the operator's word counts.
    heard: u64,
}

/// What has been spent on one route.
#[derive(Debug, Default)]
struct Purse {
    /// The operator's word: of which day, that day's sum and its month's.
    told: Option<(Date, u64, u64)>,
    /// Reported, but not in that word.
    pending: BTreeMap<Date, u64>,
    /// Not reported, in [`PICOS`].
    unsent: BTreeMap<Date, u128>,
    warned: BTreeMap<Period, (Date, BudgetLevel)>,
}

/// A budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Which one. When both are, the month's.
    pub period: Period,
    /// How much it was.
    pub budget: Money,
    /// When the next day or month begins.
    pub at: Timestamp,
}

impl Purses {
    /// Reports are of this run from now on; its number is drawn.
    pub fn begin(&self, run: u64) {
        self.lock().run = run;
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of a budgeted route has cost so many US dollars.
    pub fn add(&self, (route, budget): (&ObjectName, &Budget), dollars: f64, now: Timestamp) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive, and a cast saturates"
        )]
        let picos = (dollars.max(0.0) * 1e12).round() as u128;
        let today = utc_day(now);
        let mut ledger = self.lock();
        // No allocation but for the first call.
        if !ledger.purses.contains_key(route) {
            ledger.purses.insert(route.clone(), Purse::default());
        }
        let Some(purse) = ledger.purses.get_mut(route) else { return };
        purse.add(picos, today);
        purse.warn((route, budget), today);
    }

    /// When a call may come again, if the budget refuses it at `now`.
    pub fn refuses(&self, (route, budget): (&ObjectName, &Budget), now: Timestamp) -> Option<Reset> {
        let today = utc_day(now);
        let mut ledger = self.lock();
        let purse = ledger.purses.get_mut(route);
        let spent = |period| purse.as_ref().map_or(0, |purse| purse.spent(period, today));
        let reset = [Period::Month, Period::Day].into_iter().find_map(|period| {
            let most = period.of(budget)?;
            (spent(period) >= most.micros).then(|| Reset { period, budget: most, at: period.end(today) })
        });
        if let (Some(_), Some(purse)) = (&reset, purse) {
            purse.warn((route, budget), today);
        }
        match budget.action {
            BudgetAction::Warn => None,
            BudgetAction::Refuse => reset,
        }
    }

    /// What has been spent on a route in a day or month, in millionths of a US dollar.
    pub fn spent(&self, route: &ObjectName, period: Period, now: Timestamp) -> u64 {
        self.lock().purses.get(route).map_or(0, |purse| purse.spent(period, utc_day(now)))
    }

    /// Whether there is something to report.
    pub fn have_news(&self) -> bool {
        let ledger = self.lock();
        let is_due = |purse: &Purse| purse.unsent.values().any(|picos| *picos >= PICOS);
        ledger.sent.len() < MOST_SENT && ledger.purses.values().any(is_due)
    }

    /// The next report, if there is one: what was not reported yet. It is said again until it is kept.
    pub fn take(&self) -> Option<Spent> {
        let mut ledger = self.lock();
        if ledger.sent.len() >= MOST_SENT {
            return None;
        }
        let mut spent = Vec::new();
        for (route, purse) in &mut ledger.purses {
            purse.take((route, MOST_ENTRIES - spent.len()), &mut spent);
        }
        if spent.is_empty() {
            return None;
        }
        ledger.number += 1;
        let report = Spent { run: ledger.run, number: ledger.number, spent };
        ledger.sent.push_back(report.clone());
        Some(report)
    }

    /// Whether the operator has said of all reports that they are counted.
    pub fn are_heard(&self) -> bool {
        let ledger = self.lock();
        ledger.sent.iter().all(|report| report.number <= ledger.heard)
    }

    /// All reports that are not known to be kept, for a stream that has just begun.
    pub fn again(&self) -> Vec<Spent> {
        self.lock().sent.iter().cloned().collect()
    }

    /// The operator's word. One that knows nothing of our reports, while there are some, is not heeded: what it counts of
    /// them is not known, and it will be another as soon as it has heard them.
    pub fn hear(&self, word: &Spending) {
        let mut ledger = self.lock();
        let own = word.counted.filter(|counted| counted.run == ledger.run);
        if own.is_none() && !ledger.sent.is_empty() {
            return;
        }
        for told in &word.routes {
            let purse = ledger.purses.entry(told.route.clone()).or_default();
            purse.told = Some((word.day, told.day_micros, told.month_micros));
        }
        let Some(Counted { heard, kept, .. }) = own else { return };
        ledger.heard = heard;
        ledger.sent.retain(|report| report.number > kept);
        let Ledger { purses, sent, .. } = &mut *ledger;
        for purse in purses.values_mut() {
            purse.pending.clear();
        }
        for spent in sent.iter().filter(|report| report.number > heard).flat_map(|report| &report.spent) {
            if let Some(purse) = purses.get_mut(&spent.route) {
                *purse.pending.entry(spent.day).or_default() += spent.micros;
            }
        }
    }
}

impl Purse {
    fn add(&mut self, picos: u128, today: Date) {
        if !self.unsent.contains_key(&today) {
            let oldest = today.saturating_sub(Span::new().days(KEPT_DAYS));
            self.unsent.retain(|day, _| *day >= oldest);
            self.pending.retain(|day, _| *day >= oldest);
        }
        let sum = self.unsent.entry(today).or_default();
        *sum = sum.saturating_add(picos);
    }

    fn spent(&self, period: Period, today: Date) -> u64 {
        let told = self.told.filter(|(day, _, _)| period.has(*day, today)).map_or(0, |(_, day, month)| match period {
            Period::Day => day,
            Period::Month => month,
        });
        let pending: u64 = self.pending.iter().filter(|(day, _)| period.has(**day, today)).map(|(_, sum)| sum).sum();
        let unsent: u128 = self.unsent.iter().filter(|(day, _)| period.has(**day, today)).map(|(_, sum)| sum).sum();
        told.saturating_add(pending).saturating_add(u64::try_from(unsent / PICOS).unwrap_or(u64::MAX))
    }

    /// Moves what can be reported of this route, up to so many entries; what is less than a millionth stays.
    fn take(&mut self, (route, most): (&ObjectName, usize), spent: &mut Vec<RouteSpent>) {
        let due = self.unsent.iter_mut().filter(|(_, picos)| **picos >= PICOS);
        for (day, picos) in due.take(most) {
            let micros = u64::try_from(*picos / PICOS).unwrap_or(u64::MAX);
            *picos %= PICOS;
            *self.pending.entry(*day).or_default() += micros;
            spent.push(RouteSpent { route: route.clone(), day: *day, micros });
        }
    }

    /// Says once a period when a budget is nearly spent, and once when it is.
    fn warn(&mut self, (route, budget): (&ObjectName, &Budget), today: Date) {
        for period in [Period::Day, Period::Month] {
            let Some(most) = period.of(budget) else { continue };
            let spent = self.spent(period, today);
            let level = BudgetLevel::of(spent, most);
            let warned = self.warned.get(&period).filter(|(day, _)| period.has(*day, today)).map(|(_, level)| *level);
            if level <= warned.unwrap_or(BudgetLevel::Low) {
                continue;
            }
            self.warned.insert(period, (today, level));
            let (spent, period) = (Money { micros: spent }.to_string(), period.word());
            match (level, budget.action) {
                (BudgetLevel::Low | BudgetLevel::Nearly, _) => {
                    tracing::warn!(%route, period, spent, budget = %most, "four fifths of a budget are spent");
                }
                (BudgetLevel::Whole, BudgetAction::Warn) => {
                    tracing::warn!(%route, period, spent, budget = %most, "a budget is spent; calls go on");
                }
                (BudgetLevel::Whole, BudgetAction::Refuse) => {
                    tracing::warn!(%route, period, spent, budget = %most, "a budget is spent; calls are refused");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
