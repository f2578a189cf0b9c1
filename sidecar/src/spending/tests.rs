//! Tests of spending: what is refused until when, what counts of which day, and that however streams break each cent counts
//! once.

use lotse_crds::usage::RouteSpending;
use proptest::prelude::*;

use super::*;

fn route() -> ObjectName {
    ObjectName::new("root", "chat")
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn day(day: &str) -> Date {
    day.parse().expect("a day")
}

fn budget(per_day: Option<&str>, per_month: Option<&str>, action: BudgetAction) -> Budget {
    let money = |text: &str| serde_json::from_value(text.into()).expect("an amount");
    Budget { per_day: per_day.map(money), per_month: per_month.map(money), action }
}

fn word(day_micros: u64, month_micros: u64, counted: Option<Counted>) -> Spending {
    Spending {
        day: day("2026-11-24"),
        routes: vec![RouteSpending { route: route(), day_micros, month_micros }],
        counted,
    }
}

const NOW: &str = "2026-11-24T10:00:00Z";

#[test]
fn a_day_that_is_spent_refuses_until_midnight_of_utc() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));
    let budget = (&route(), &budget);

    purses.add(budget, 0.6, at(NOW));
    assert_eq!(purses.refuses(budget, at(NOW)), None);
    purses.add(budget, 0.4, at(NOW));

    let reset = Reset { period: Period::Day, budget: Money { micros: 1_000_000 }, at: at("2026-11-25T00:00:00Z") };
    assert_eq!(purses.refuses(budget, at(NOW)), Some(reset));
    assert_eq!(purses.refuses(budget, at("2026-11-24T23:59:59Z")), Some(reset));
    assert_eq!(purses.refuses(budget, at("2026-11-25T00:00:00Z")), None);
}

#[test]
fn a_month_that_is_spent_refuses_until_the_next_and_is_named_before_the_day() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), Some("1.5"), BudgetAction::Refuse));
    let budget = (&route(), &budget);

    purses.add(budget, 1.0, at("2026-12-30T10:00:00Z"));
    assert_eq!(purses.refuses(budget, at("2026-12-31T00:00:00Z")), None);
    purses.add(budget, 1.0, at("2026-12-31T10:00:00Z"));

    let refused = purses.refuses(budget, at("2026-12-31T10:00:00Z")).expect("it is spent");
    assert_eq!((refused.period, refused.at), (Period::Month, at("2027-01-01T00:00:00Z")));
    assert_eq!(purses.refuses(budget, at("2027-01-01T00:00:00Z")), None);
}

#[test]
fn a_budget_that_only_warns_refuses_nothing_and_one_of_nothing_everything() {
    let (purses, warns) = (Purses::default(), budget(Some("1"), None, BudgetAction::Warn));
    let none = budget(Some("0"), None, BudgetAction::Refuse);

    purses.add((&route(), &warns), 5.0, at(NOW));

    assert_eq!(purses.refuses((&route(), &warns), at(NOW)), None);
    assert!(purses.refuses((&ObjectName::new("root", "other"), &none), at(NOW)).is_some());
}

#[test]
fn a_warning_is_said_once_for_four_fifths_and_once_for_all_in_each_period() {
    let (mut purse, budget) = (Purse::default(), budget(Some("1"), None, BudgetAction::Warn));
    let (today, tomorrow) = (day("2026-11-24"), day("2026-11-25"));
    let warned = |purse: &mut Purse, dollars: u128, today| {
        purse.add(dollars * 10_000_000_000, today);
        let before = purse.warned.get(&Period::Day).copied();
        purse.warn((&route(), &budget), today);
        purse.warned.get(&Period::Day).copied().filter(|after| Some(*after) != before)
    };

    assert_eq!(warned(&mut purse, 79, today), None);
    assert_eq!(warned(&mut purse, 1, today), Some((today, BudgetLevel::Nearly)));
    assert_eq!(warned(&mut purse, 10, today), None);
    assert_eq!(warned(&mut purse, 10, today), Some((today, BudgetLevel::Whole)));
    assert_eq!(warned(&mut purse, 100, today), None);
    assert_eq!(warned(&mut purse, 80, tomorrow), Some((tomorrow, BudgetLevel::Nearly)));
}

#[test]
fn what_others_spend_counts_and_own_spending_counts_before_and_after_it_is_reported() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));
    let budget = (&route(), &budget);
    let spent = || purses.spent(&route(), Period::Day, at(NOW));
    purses.begin(7);

    purses.hear(&word(300, 5000, None));
    purses.add(budget, 0.000_050, at(NOW));
    assert_eq!(spent(), 350);
    let report = purses.take().expect("there is something to say");
    assert_eq!((report.run, report.number), (7, 1));
    assert_eq!(report.spent, [RouteSpent { route: route(), day: day("2026-11-24"), micros: 50 }]);
    assert_eq!(spent(), 350);
    // Another has spent 20, and ours is not in it yet.
    purses.hear(&word(320, 5020, Some(Counted { run: 7, heard: 0, kept: 0 })));
    assert_eq!(spent(), 370);
    purses.hear(&word(370, 5070, Some(Counted { run: 7, heard: 1, kept: 0 })));
    assert_eq!((spent(), purses.spent(&route(), Period::Month, at(NOW))), (370, 5070));
    assert_eq!(purses.again(), [report], "it is not kept yet");
    purses.hear(&word(370, 5070, Some(Counted { run: 7, heard: 1, kept: 1 })));
    assert_eq!(purses.again(), []);
}

#[test]
fn the_word_of_an_operator_that_has_not_heard_our_reports_is_not_heeded() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));
    purses.begin(7);
    purses.add((&route(), &budget), 0.000_050, at(NOW));
    assert!(purses.take().is_some());

    purses.hear(&word(1000, 1000, Some(Counted { run: 6, heard: 9, kept: 9 })));

    assert_eq!(purses.spent(&route(), Period::Day, at(NOW)), 50);
    assert_eq!(purses.again().len(), 1);
}

#[test]
fn yesterdays_word_says_nothing_of_today_but_of_the_month() {
    let purses = Purses::default();

    purses.hear(&word(300, 5000, None));

    let tomorrow = at("2026-11-25T08:00:00Z");
    assert_eq!(purses.spent(&route(), Period::Day, tomorrow), 0);
    assert_eq!(purses.spent(&route(), Period::Month, tomorrow), 5000);
    assert_eq!(purses.spent(&route(), Period::Month, at("2026-12-01T00:00:00Z")), 0);
}

#[test]
fn calls_that_cost_less_than_a_millionth_add_up() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));

    for _ in 0..5 {
        purses.add((&route(), &budget), 0.000_000_5, at(NOW));
    }

    assert_eq!(purses.take().expect("two millionths").spent[0].micros, 2);
    assert!(!purses.have_news());
    purses.add((&route(), &budget), 0.000_000_5, at(NOW));
    assert_eq!(purses.take().expect("one more").spent[0].micros, 1);
}

#[test]
fn no_more_reports_are_on_their_way_than_somebody_keeps_in_mind() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));
    for _ in 0..100 {
        purses.add((&route(), &budget), 0.000_010, at(NOW));
        purses.take();
    }

    assert_eq!(purses.again().len(), MOST_SENT);
    assert!(!purses.have_news());
    assert_eq!(purses.spent(&route(), Period::Day, at(NOW)), 1000);
}

#[test]
fn a_long_report_is_said_in_pieces() {
    let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Refuse));
    for number in 0..100 {
        purses.add((&ObjectName::new("root", format!("r{number}")), &budget), 0.000_010, at(NOW));
    }

    let reports: Vec<Spent> = std::iter::from_fn(|| purses.take()).collect();

    assert_eq!(reports.iter().map(|report| report.spent.len()).collect::<Vec<_>>(), [64, 36]);
}

/// An operator as far as it matters here: it counts each report once, keeps what it has counted now and then, and forgets
/// the rest when it crashes.
#[derive(Clone, Default)]
struct Operator {
    sum: u64,
    heard: u64,
    kept: (u64, u64),
}

impl Operator {
    fn hears(&mut self, report: &Spent) {
        if report.number > self.heard {
            self.heard = report.number;
            self.sum += report.spent.iter().map(|spent| spent.micros).sum::<u64>();
        }
    }

    fn says(&self) -> Spending {
        word(self.sum, self.sum, Some(Counted { run: 7, heard: self.heard, kept: self.kept.1 }))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Spends(u32),
    Reports,
    /// A report is made, and the stream breaks before it arrives.
    Loses,
    Hears,
    Keeps,
    Reconnects,
    Crashes,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u32..1000).prop_map(Step::Spends),
        Just(Step::Reports),
        Just(Step::Loses),
        Just(Step::Hears),
        Just(Step::Keeps),
        Just(Step::Reconnects),
        Just(Step::Crashes),
    ]
}

proptest! {
    #[test]
    fn however_streams_break_and_operators_crash_each_cent_counts_once(steps in prop::collection::vec(step(), 0..80)) {
        let (purses, budget) = (Purses::default(), budget(Some("1"), None, BudgetAction::Warn));
        purses.begin(7);
        let mut operator = Operator::default();
        let mut spent = 0;
        let reconnect = |operator: &mut Operator| purses.again().iter().for_each(|report| operator.hears(report));

        for step in steps {
            match step {
                Step::Spends(micros) => {
                    spent += u64::from(micros);
                    purses.add((&route(), &budget), f64::from(micros) / 1e6, at(NOW));
                }
                Step::Reports => {
                    if let Some(report) = purses.take() {
                        operator.hears(&report);
                    }
                }
                Step::Loses => {
                    purses.take();
                    reconnect(&mut operator);
                }
                Step::Hears => purses.hear(&operator.says()),
                Step::Keeps => operator.kept = (operator.sum, operator.heard),
                Step::Reconnects => reconnect(&mut operator),
                Step::Crashes => {
                    operator = Operator { sum: operator.kept.0, heard: operator.kept.1, kept: operator.kept };
                    reconnect(&mut operator);
                }
            }
            prop_assert_eq!(purses.spent(&route(), Period::Day, at(NOW)), spent);
        }

        while let Some(report) = purses.take() {
            operator.hears(&report);
        }
        prop_assert_eq!(operator.sum, spent);
    }
}
