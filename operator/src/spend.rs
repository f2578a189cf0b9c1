//! What each namespace has spent on each route, in this day and month of UTC. Pure: reports go in, sums come out, time is a
//! parameter.
//!
//! It is kept as JSON, sums and the numbers of the reports that are in them together: whoever leads next goes on from there,
//! and counts what is reported again only if it is not in it. `rations` counts, `treasury` keeps it.

use std::collections::BTreeMap;

use jiff::Span;
use jiff::civil::Date;
use lotse_crds::name::ObjectName;
use lotse_crds::usage::Spent;
use serde::{Deserialize, Serialize};

/// How many runs of sidecars are remembered. Of one that is forgotten, a report that is told again counts twice.
const MOST_RUNS: usize = 10_000;
/// For how many days a run is remembered that has reported nothing since.
const REMEMBERED_DAYS: i64 = 2;

/// What has been spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spend {
    /// The day, and the month that it is in.
    day: Option<Date>,
    /// By namespace and route.
    namespaces: BTreeMap<String, BTreeMap<String, Sums>>,
    /// Of each run of a sidecar, the last report that is counted.
    runs: BTreeMap<u64, Run>,
}

/// What one namespace has spent on one route, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// In the day.
    pub day: u64,
    /// In the month.
    pub month: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    number: u64,
    day: Date,
}

impl Spend {
    /// Reads what was kept.
    pub fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// As it is kept.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// Turns to today: what was spent in another day or month is over. A clock that goes back turns nothing back.
    pub fn turn(&mut self, today: Date) {
        let Some(before) = self.day else {
            self.day = Some(today);
            return;
        };
        if today <= before {
            return;
        }
        let is_same_month = before.first_of_month() == today.first_of_month();
        for sums in self.namespaces.values_mut().flat_map(BTreeMap::values_mut) {
            *sums = Sums { day: 0, month: if is_same_month { sums.month } else { 0 } };
        }
        self.namespaces.retain(|_, routes| {
            routes.retain(|_, sums| *sums != Sums::default());
            !routes.is_empty()
        });
        let oldest = today.saturating_sub(Span::new().days(REMEMBERED_DAYS));
        self.runs.retain(|_, run| run.day >= oldest);
        self.day = Some(today);
    }

    /// Counts what a sidecar of a namespace reports, once, for the routes that it may have spent on. Says whether it was new.
    pub fn count(&mut self, namespace: &str, spent: &Spent, may: &dyn Fn(&ObjectName) -> bool) -> bool {
        let Some(today) = self.day else { return false };
        if self.runs.get(&spent.run).is_some_and(|run| spent.number <= run.number) {
            return false;
        }
        if self.runs.len() >= MOST_RUNS && !self.runs.contains_key(&spent.run) {
            self.forget_one();
        }
        self.runs.insert(spent.run, Run { number: spent.number, day: today });
        for entry in spent.spent.iter().filter(|entry| may(&entry.route)) {
            // A clock that is ahead spends today.
            let day = entry.day.min(today);
            if day.first_of_month() != today.first_of_month() {
                continue;
            }
            let routes = self.namespaces.entry(namespace.to_owned()).or_default();
            let sums = routes.entry(entry.route.to_string()).or_default();
            sums.month = sums.month.saturating_add(entry.micros);
            if day == today {
                sums.day = sums.day.saturating_add(entry.micros);
            }
        }
        true
    }

    fn forget_one(&mut self) {
        let oldest = self.runs.iter().min_by_key(|(_, run)| run.day).map(|(run, _)| *run);
        if let Some(oldest) = oldest {
            self.runs.remove(&oldest);
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.runs.is_empty()
    }

    /// The day that it is of.
    pub fn day(&self) -> Option<Date> {
        self.day
    }

    /// What a namespace has spent on a route.
    pub fn sums(&self, namespace: &str, route: &ObjectName) -> Sums {
        let routes = self.namespaces.get(namespace);
        routes.and_then(|routes| routes.get(&route.to_string())).copied().unwrap_or_default()
    }

    /// The last report of a run that is counted.
    pub fn counted(&self, run: u64) -> u64 {
        self.runs.get(&run).map_or(0, |run| run.number)
    }
}

#[cfg(test)]
mod tests {
    use lotse_crds::usage::RouteSpent;
    use proptest::prelude::*;

    use super::*;

    fn date(day: &str) -> Date {
        day.parse().expect("a day")
    }

    fn route() -> ObjectName {
        ObjectName::new("root", "chat")
    }

    fn spent(number: u64, day: &str, micros: u64) -> Spent {
        Spent { run: 7, number, spent: vec![RouteSpent { route: route(), day: date(day), micros }] }
    }

    fn on(today: &str) -> Spend {
        let mut spend = Spend::default();
        spend.turn(date(today));
        spend
    }

    fn anything(_: &ObjectName) -> bool {
        true
    }

    #[test]
    fn a_report_counts_once_for_its_namespace_and_is_in_what_is_kept() {
        let mut spend = on("2026-11-24");

        assert!(spend.count("a", &spent(1, "2026-11-24", 5), &anything));
        assert!(!spend.count("a", &spent(1, "2026-11-24", 5), &anything));
        let mut next = Spend::read(&spend.json()).expect("it is JSON");
        assert!(!next.count("a", &spent(1, "2026-11-24", 5), &anything));
        assert!(next.count("a", &spent(2, "2026-11-24", 3), &anything));

        assert_eq!(next.sums("a", &route()), Sums { day: 8, month: 8 });
        assert_eq!(next.sums("b", &route()), Sums::default());
        assert_eq!((spend.counted(7), next.counted(7), next.counted(8)), (1, 2, 0));
    }

    #[test]
    fn a_route_that_is_not_the_sidecars_does_not_count() {
        let mut spend = on("2026-11-24");

        assert!(spend.count("a", &spent(1, "2026-11-24", 5), &|_| false));

        assert_eq!(spend.sums("a", &route()), Sums::default());
    }

    #[test]
    fn what_comes_late_counts_where_it_was_spent_and_what_is_ahead_today() {
        let mut spend = on("2026-11-24");

        spend.count("a", &spent(1, "2026-11-23", 5), &anything);
        assert_eq!(spend.sums("a", &route()), Sums { day: 0, month: 5 });
        spend.count("a", &spent(2, "2026-10-31", 5), &anything);
        assert_eq!(spend.sums("a", &route()), Sums { day: 0, month: 5 });
        spend.count("a", &spent(3, "2027-01-01", 2), &anything);
        assert_eq!(spend.sums("a", &route()), Sums { day: 2, month: 7 });
    }

    #[test]
    fn a_new_day_and_a_new_month_begin_with_nothing() {
        let mut spend = on("2026-11-29");
        spend.count("a", &spent(1, "2026-11-29", 5), &anything);

        spend.turn(date("2026-11-30"));
        assert_eq!(spend.sums("a", &route()), Sums { day: 0, month: 5 });
        spend.turn(date("2026-11-29"));
        assert_eq!(spend.day(), Some(date("2026-11-30")), "a clock that goes back turns nothing back");
        spend.turn(date("2026-12-01"));
        assert_eq!(spend.sums("a", &route()), Sums::default());
        assert_eq!(spend.counted(7), 1);
        spend.turn(date("2026-12-02"));
        assert_eq!(spend, on("2026-12-02"), "and what is over is forgotten");
    }

    #[test]
    fn no_more_runs_are_remembered_than_fit() {
        let mut spend = on("2026-11-24");

        for run in 0..=u64::try_from(MOST_RUNS).expect("it is a number") {
            spend.count("a", &Spent { run, number: 1, spent: Vec::new() }, &anything);
        }

        assert_eq!(spend.runs.len(), MOST_RUNS);
        assert!(spend.json().len() < 600_000, "a ConfigMap holds a mebibyte");
    }

    proptest! {
        #[test]
        fn reports_in_any_order_of_namespaces_add_up(parts in prop::collection::vec((0u64..5, 0u64..1000), 0..50)) {
            let mut spend = on("2026-11-24");
            let mut sums = [0; 5];
            for (number, (namespace, micros)) in (1..).zip(parts) {
                let report = Spent { run: namespace, ..spent(number, "2026-11-24", micros) };
                spend.count(&namespace.to_string(), &report, &anything);
                sums[usize::try_from(namespace).expect("few")] += micros;
            }
            for (namespace, sum) in sums.into_iter().enumerate() {
                prop_assert_eq!(spend.sums(&namespace.to_string(), &route()), Sums { day: sum, month: sum });
            }
        }
    }
}
