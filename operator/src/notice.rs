//! When somebody should be told that a budget is nearly spent, or spent: once for each namespace, budget and period. Pure.
//! `rations` asks it, `treasury` makes Events of it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use lotse_crds::name::ObjectName;
use lotse_crds::quota::{Budget, BudgetAction, BudgetLevel, Money, Period};

use crate::spend::Spend;

/// A budget is nearly spent, or spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The ModelRoute whose budget it is.
    pub route: ObjectName,
    /// The namespace that has spent it.
    pub namespace: String,
    /// Over what it is.
    pub period: Period,
    /// Whether it is spent, or nearly.
    pub level: BudgetLevel,
    spent: Money,
    budget: Money,
    action: BudgetAction,
    day: Date,
}

impl Notice {
    /// In a word, as Events have it.
    pub fn reason(&self) -> &'static str {
        match self.level {
            BudgetLevel::Low | BudgetLevel::Nearly => "BudgetNearlySpent",
            BudgetLevel::Whole => "BudgetSpent",
        }
    }

    /// In a sentence.
    pub fn message(&self) -> String {
        let Self { namespace, spent, budget, day, .. } = self;
        let when = match self.period {
            Period::Day => day.to_string(),
            Period::Month => day.strftime("%Y-%m").to_string(),
        };
        let then = match (self.level, self.action) {
            (BudgetLevel::Whole, BudgetAction::Refuse) => {
                format!("; its calls are refused until {}", self.period.end(*day))
            }
            (BudgetLevel::Whole, BudgetAction::Warn) => "; its calls go on".to_owned(),
            (BudgetLevel::Low | BudgetLevel::Nearly, _) => String::new(),
        };
        format!("namespace {namespace} has spent {spent} of {budget} US dollars for {when}{then}")
    }
}

/// What has been told.
#[derive(Debug, Default)]
pub struct Told {
    /// What had been spent when this leader began: the one before has told of that.
    before: Spend,
    levels: BTreeMap<(String, ObjectName, Period), BudgetLevel>,
}

impl Told {
    /// What was told when so much was spent.
    pub fn before(spend: &Spend) -> Self {
        Self { before: spend.clone(), levels: BTreeMap::new() }
    }

    /// What is to be told now, of one namespace's budget for one route.
    pub fn settle(&mut self, (namespace, route): (&str, &ObjectName), budget: &Budget, spend: &Spend) -> Vec<Notice> {
        let Some(day) = spend.day() else { return Vec::new() };
        let mut notices = Vec::new();
        for period in [Period::Day, Period::Month] {
            let Some(most) = period.of(budget) else { continue };
            let level = |spend: &Spend| {
                let sums = spend.sums(namespace, route);
                let sum = match period {
                    Period::Day => sums.day,
                    Period::Month => sums.month,
                };
                let is_now = spend.day().is_some_and(|of| period.has(of, day));
                (BudgetLevel::of(if is_now { sum } else { 0 }, most), sum)
            };
            let (now, sum) = level(spend);
            let key = (namespace.to_owned(), route.clone(), period);
            let told = self.levels.entry(key).or_insert_with(|| level(&self.before).0);
            if now > *told {
                notices.push(Notice {
                    route: route.clone(),
                    namespace: namespace.to_owned(),
                    period,
                    level: now,
                    spent: Money { micros: sum },
                    budget: most,
                    action: budget.action,
                    day,
                });
            }
            *told = now;
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use lotse_crds::usage::{RouteSpent, Spent};

    use super::*;

    fn route() -> ObjectName {
        ObjectName::new("root", "chat")
    }

    fn date(day: &str) -> Date {
        day.parse().expect("a day")
    }

    fn budget(day: u64, month: u64, action: BudgetAction) -> Budget {
        let money = |dollars| Some(Money { micros: dollars * 1_000_000 });
        Budget { per_day: money(day), per_month: money(month), action }
    }

    /// What has been spent, and what has been told of it.
    struct Books {
        spend: Spend,
        told: Told,
        number: u64,
    }

    impl Books {
        fn new() -> Self {
            let mut spend = Spend::default();
            spend.turn(date("2026-11-24"));
            Self { told: Told::before(&spend), spend, number: 0 }
        }

        /// Spends so many dollars, and gives what is to be told.
        fn spends(&mut self, dollars: u64, budget: &Budget) -> Vec<(&'static str, String)> {
            self.number += 1;
            let day = self.spend.day().expect("it has turned");
            let entry = RouteSpent { route: route(), day, micros: dollars * 1_000_000 };
            self.spend.count("a", &Spent { run: 1, number: self.number, spent: vec![entry] }, &|_| true);
            self.settles(budget)
        }

        fn settles(&mut self, budget: &Budget) -> Vec<(&'static str, String)> {
            let notices = self.told.settle(("a", &route()), budget, &self.spend);
            notices.iter().map(|notice| (notice.reason(), notice.message())).collect()
        }
    }

    #[test]
    fn each_level_is_told_once_a_period_and_says_what_follows() {
        let (mut books, refuses) = (Books::new(), budget(10, 100, BudgetAction::Refuse));
        let told = |reason, message: &str| vec![(reason, message.to_owned())];

        assert_eq!(books.spends(7, &refuses), []);
        assert_eq!(
            books.spends(1, &refuses),
            told("BudgetNearlySpent", "namespace a has spent 8 of 10 US dollars for 2026-11-24")
        );
        assert_eq!(books.spends(1, &refuses), []);
        let spent = "namespace a has spent 11 of 10 US dollars for 2026-11-24; its calls are refused until 2026-11-25T00:00:00Z";
        assert_eq!(books.spends(2, &refuses), told("BudgetSpent", spent));
        assert_eq!(books.spends(2, &refuses), []);
        books.spend.turn(date("2026-11-25"));
        assert_eq!(books.settles(&refuses), []);
        assert_eq!(books.spends(8, &refuses)[0].0, "BudgetNearlySpent");
    }

    #[test]
    fn a_month_is_told_as_one_and_calls_that_go_on_are_said_to() {
        let (mut books, warns) = (Books::new(), budget(1000, 10, BudgetAction::Warn));

        let told = books.spends(10, &warns);

        let message = "namespace a has spent 10 of 10 US dollars for 2026-11; its calls go on";
        assert_eq!(told, [("BudgetSpent", message.to_owned())]);
    }

    #[test]
    fn a_budget_that_shrinks_below_what_is_spent_is_told_and_one_that_grows_can_be_spent_again() {
        let mut books = Books::new();
        assert_eq!(books.spends(5, &budget(100, 1000, BudgetAction::Refuse)), []);

        assert_eq!(books.settles(&budget(5, 1000, BudgetAction::Refuse))[0].0, "BudgetSpent");
        assert_eq!(books.settles(&budget(100, 1000, BudgetAction::Refuse)), []);
        assert_eq!(books.settles(&budget(5, 1000, BudgetAction::Refuse))[0].0, "BudgetSpent");
    }

    #[test]
    fn a_new_leader_does_not_tell_again_what_was_spent_before_it() {
        let (mut books, refuses) = (Books::new(), budget(10, 100, BudgetAction::Refuse));
        assert_eq!(books.spends(9, &refuses).len(), 1);

        books.told = Told::before(&books.spend);

        assert_eq!(books.settles(&refuses), []);
        assert_eq!(books.spends(1, &refuses)[0].0, "BudgetSpent");
        books.spend.turn(date("2026-11-25"));
        books.told = Told { levels: BTreeMap::new(), ..std::mem::take(&mut books.told) };
        assert_eq!(books.spends(9, &refuses)[0].0, "BudgetNearlySpent", "of today nothing was told before");
    }
}
