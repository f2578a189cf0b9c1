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

/// How many runs of sidecars are remembered of one namespace. Of one that is forgotten, a report that is told again counts
/// twice.
const MOST_RUNS: usize = 5000;
/// How many bytes the runs of all namespaces take, and how many their routes: together less than the mebibyte of a ConfigMap.
const MOST_RUN_BYTES: usize = 560_000;
const MOST_ROUTE_BYTES: usize = 400_000;
/// How many bytes one run takes at most, how many one route takes besides its name, and how many one namespace.
const RUN_BYTES: usize = 60;
const ROUTE_BYTES: usize = 64;
const NAMESPACE_BYTES: usize = 70;
/// How many routes of one namespace are told apart.
const MOST_ROUTES: usize = 1000;
/// Where the routes stand for which there is no room: no route is called so. Their sum counts against each of them.
const REST: &str = "*";
/// For how many days a run is remembered that has reported nothing since.
const REMEMBERED_DAYS: i64 = 2;

/// What has been spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spend {
    /// The day, and the month that it is in.
    day: Option<Date>,
    /// By namespace and route.
    namespaces: BTreeMap<String, Routes>,
    /// By the namespace of its pod and the number of the run, so that nobody can have another's forgotten or named.
    runs_of: BTreeMap<String, Runs>,
    /// The same as version 0.1 kept it, of any namespace; read, and soon over.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    runs: BTreeMap<u64, Run>,
}

/// By number.
type Runs = BTreeMap<u64, Counted>;

/// By route.
type Routes = BTreeMap<String, Sums>;

/// The last report of a run that is counted, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Counted(u64, Date);

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

    /// Turns to today: what was spent in another day or month is over. A clock that goes back turns nothing back, unless it
    /// is by more than a day: then whoever led before was ahead, and what is spent today would count nowhere.
    pub fn turn(&mut self, today: Date) {
        let Some(before) = self.day else {
            self.day = Some(today);
            return;
        };
        if today <= before {
            if before > today.saturating_add(Span::new().days(1)) {
                tracing::error!(%before, %today, "what was spent is kept of a day to come: one of two clocks is wrong");
                self.turn_back(today);
            }
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
        self.runs_of.retain(|_, runs| {
            runs.retain(|_, Counted(_, day)| *day >= oldest);
            !runs.is_empty()
        });
        self.day = Some(today);
    }

    /// What is kept of a day to come counts today.
    fn turn_back(&mut self, today: Date) {
        for Counted(_, day) in self.runs_of.values_mut().flat_map(BTreeMap::values_mut) {
            *day = today.min(*day);
        }
        self.runs.values_mut().for_each(|run| run.day = today.min(run.day));
        self.day = Some(today);
    }

    /// Counts what a sidecar of a namespace reports, once, for the routes that it may have spent on. Says whether it was new.
    pub fn count(&mut self, namespace: &str, spent: &Spent, may: &dyn Fn(&ObjectName) -> bool) -> bool {
        let Some(today) = self.day else { return false };
        if spent.number <= self.counted(namespace, spent.run) {
            return false;
        }
        self.remember(namespace, spent, today);
        for entry in spent.spent.iter().filter(|entry| may(&entry.route)) {
            // A clock that is ahead spends today.
            let day = entry.day.min(today);
            if day.first_of_month() != today.first_of_month() {
                let (route, micros, day) = (&entry.route, entry.micros, entry.day);
                tracing::warn!(namespace, %route, micros, %day, %today, "what was spent in a month that is over counts no more");
                continue;
            }
            let sums = self.of(namespace, entry.route.to_string());
            sums.month = sums.month.saturating_add(entry.micros);
            if day == today {
                sums.day = sums.day.saturating_add(entry.micros);
            }
        }
        true
    }

    fn remember(&mut self, namespace: &str, spent: &Spent, today: Date) {
        if self.runs_of.get(namespace).is_none_or(|runs| !runs.contains_key(&spent.run)) {
            self.forget_for_another(namespace);
        }
        let runs = self.runs_of.entry(namespace.to_owned()).or_default();
        runs.insert(spent.run, Counted(spent.number, today));
    }

    /// Makes room for another run of a namespace: it takes from its own what is too much for one, and otherwise whoever has
    /// most gives way.
    fn forget_for_another(&mut self, namespace: &str) {
        if let Some(runs) = self.runs_of.get_mut(namespace).filter(|runs| runs.len() >= MOST_RUNS) {
            forget_one(runs);
            return;
        }
        let bytes = |runs: &Runs| NAMESPACE_BYTES + runs.len() * RUN_BYTES;
        while self.runs_of.values().map(bytes).sum::<usize>() + NAMESPACE_BYTES + RUN_BYTES > MOST_RUN_BYTES {
            let Some(runs) = self.runs_of.values_mut().max_by_key(|runs| runs.len()) else { return };
            forget_one(runs);
            self.runs_of.retain(|_, runs| !runs.is_empty());
        }
    }

    /// The sums of a route of a namespace, or of all of its routes for which there is no room.
    fn of(&mut self, namespace: &str, route: String) -> &mut Sums {
        let routes = self.namespaces.entry(namespace.to_owned()).or_default();
        let name = if routes.contains_key(&route) {
            route
        } else if routes.contains_key(REST) || routes.len() >= MOST_ROUTES {
            REST.to_owned()
        } else {
            self.make_room(&route);
            let routes = self.namespaces.get(namespace);
            if routes.is_some_and(|routes| routes.contains_key(REST)) { REST.to_owned() } else { route }
        };
        if name == REST {
            tells_of_rest(namespace, self.namespaces.get(namespace));
        }
        self.namespaces.entry(namespace.to_owned()).or_default().entry(name).or_default()
    }

    /// Makes room for another route: while there are too many, those of whoever has most are put together.
    fn make_room(&mut self, route: &str) {
        let name = |name: &String| name.len() + ROUTE_BYTES;
        let bytes = |routes: &Routes| NAMESPACE_BYTES + routes.keys().map(name).sum::<usize>();
        while self.namespaces.values().map(bytes).sum::<usize>() + route.len() + ROUTE_BYTES > MOST_ROUTE_BYTES {
            let Some((namespace, routes)) = self.namespaces.iter_mut().max_by_key(|(_, routes)| bytes(routes)) else {
                return;
            };
            let last = routes.keys().rev().find(|name| *name != REST).cloned();
            let Some(sums) = last.and_then(|last| routes.remove(&last)) else { return };
            tells_of_rest(namespace, Some(routes));
            let rest = routes.entry(REST.to_owned()).or_default();
            rest.day = rest.day.saturating_add(sums.day);
            rest.month = rest.month.saturating_add(sums.month);
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.runs_of.is_empty() && self.runs.is_empty()
    }

    /// The day that it is of.
    pub fn day(&self) -> Option<Date> {
        self.day
    }

    /// What a namespace has spent on a route; of one for which there is no room, on all such.
    pub fn sums(&self, namespace: &str, route: &ObjectName) -> Sums {
        let routes = self.namespaces.get(namespace);
        let sums = routes.and_then(|routes| routes.get(&route.to_string()).or_else(|| routes.get(REST)));
        sums.copied().unwrap_or_default()
    }

    /// The last report that is counted of a run in a namespace.
    pub fn counted(&self, namespace: &str, run: u64) -> u64 {
        let own = self.runs_of.get(namespace).and_then(|runs| runs.get(&run)).map_or(0, |Counted(number, _)| *number);
        own.max(self.runs.get(&run).map_or(0, |run| run.number))
    }
}

fn forget_one(runs: &mut Runs) {
    let oldest = runs.iter().min_by_key(|(_, Counted(_, day))| *day).map(|(run, _)| *run);
    if let Some(oldest) = oldest {
        runs.remove(&oldest);
    }
}

/// Says once a month of a namespace that not all of its routes are told apart.
fn tells_of_rest(namespace: &str, routes: Option<&Routes>) {
    if routes.is_some_and(|routes| !routes.contains_key(REST)) {
        tracing::error!(
            namespace,
            "there is no room for what is spent on each route; what is spent on the rest counts against each"
        );
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
        assert_eq!((spend.counted("a", 7), next.counted("a", 7), next.counted("a", 8)), (1, 2, 0));
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
        assert_eq!(spend.counted("a", 7), 1);
        spend.turn(date("2026-12-02"));
        assert_eq!(spend, on("2026-12-02"), "and what is over is forgotten");
    }

    fn run(run: u64, number: u64) -> Spent {
        Spent { run, number, spent: Vec::new() }
    }

    #[test]
    fn a_run_is_one_of_a_namespace_and_nobody_elses_is_forgotten_for_it() {
        let mut spend = on("2026-11-24");
        spend.count("honest", &run(7, 3), &anything);

        for number in 0..5200 {
            spend.count("hostile", &run(number, 100), &anything);
        }

        assert_eq!(spend.counted("honest", 7), 3);
        assert!(!spend.count("honest", &run(7, 3), &anything) && spend.count("honest", &run(7, 4), &anything));
        assert_eq!(spend.runs_of["hostile"].len(), MOST_RUNS);
    }

    #[test]
    fn what_version_0_1_has_kept_is_read_and_it_reads_what_is_kept() {
        let old = r#"{"day":"2026-11-24","namespaces":{"a":{"root/chat":{"day":5,"month":6}}},
            "runs":{"7":{"number":3,"day":"2026-11-24"}}}"#;
        let mut spend = Spend::read(old).expect("it is JSON");
        assert_eq!((spend.counted("a", 7), spend.sums("a", &route())), (3, Sums { day: 5, month: 6 }));
        assert!(!spend.count("a", &spent(3, "2026-11-24", 1), &anything));
        assert!(spend.count("a", &spent(4, "2026-11-24", 1), &anything));

        spend.turn(date("2026-11-27"));
        let kept: serde_json::Value = serde_json::from_str(&spend.json()).expect("it is JSON");

        let wanted = serde_json::json!({"day": "2026-11-27", "namespaces": {"a": {"root/chat": {"day": 0, "month": 7}}}, "runsOf": {}});
        assert_eq!(kept, wanted);
    }

    #[test]
    fn what_is_kept_fits_into_a_config_map_however_many_pods_and_routes_there_are() {
        let mut spend = on("2026-11-24");
        let long = |name: u64| format!("{name:0>63}");

        for number in 0..3000 {
            let entry = |namespace: u64| RouteSpent {
                route: ObjectName::new(long(namespace), format!("{number:0>253}")),
                day: date("2026-11-24"),
                micros: u64::MAX / 100_000,
            };
            for namespace in [0, number] {
                let report = Spent {
                    run: u64::MAX - number,
                    number: u64::MAX,
                    spent: (number < 1300).then(|| entry(namespace)).into_iter().collect(),
                };
                spend.count(&long(namespace % 3000), &report, &anything);
            }
        }

        assert!(spend.json().len() < 1 << 20, "{}", spend.json().len());
        assert!(spend.json().len() > 800_000, "and not much is wasted: {}", spend.json().len());
    }

    #[test]
    fn routes_for_which_there_is_no_room_count_against_each_other_and_against_nobody_elses() {
        let mut spend = on("2026-11-24");
        spend.count("other", &spent(1, "2026-11-24", 5), &anything);
        let name = |at: usize| ObjectName::new("a", format!("{at:0>5}"));

        for (number, at) in (1..).zip(0..MOST_ROUTES + 3) {
            let entry = RouteSpent { route: name(at), day: date("2026-11-24"), micros: 2 };
            spend.count("a", &Spent { run: 1, number, spent: vec![entry] }, &anything);
        }

        assert_eq!(spend.sums("a", &name(0)), Sums { day: 2, month: 2 });
        for at in 0..3 {
            assert_eq!(spend.sums("a", &name(MOST_ROUTES + at)), Sums { day: 6, month: 6 });
        }
        assert_eq!((spend.sums("other", &route()).day, spend.sums("other", &name(0)).day), (5, 0));
    }

    #[test]
    fn a_leader_whose_clock_was_ahead_does_not_have_money_lost() {
        let mut spend = on("2026-12-24");
        spend.count("a", &spent(1, "2026-11-24", 5), &anything);

        spend.turn(date("2026-11-24"));
        spend.count("a", &spent(2, "2026-11-24", 3), &anything);

        assert_eq!(spend.day(), Some(date("2026-11-24")));
        assert_eq!(spend.sums("a", &route()), Sums { day: 3, month: 3 });
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
