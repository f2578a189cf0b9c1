//! The refresh policy, as examples and as properties over any sequence of events.

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

fn aws() -> Windows {
    Windows { advisory: SignedDuration::from_mins(15), mandatory: SignedDuration::from_mins(10) }
}

#[test]
fn keys_of_an_hour_are_renewed_from_fifteen_to_ten_minutes_before_they_end() {
    let life = (at(0), at(3600));

    assert_eq!(due(life, aws(), 0.0, at(0)), Due::At(at(2700)));
    assert_eq!(due(life, aws(), 1.0, at(0)), Due::At(at(3000)));
    assert_eq!(due(life, aws(), 0.0, at(2700)), Due::Should);
    assert_eq!(due(life, aws(), 0.5, at(2849)), Due::At(at(2850)));
    assert_eq!(due(life, aws(), 0.5, at(3000)), Due::Must);
    assert_eq!(due(life, aws(), 0.5, at(9000)), Due::Must);
}

#[test]
fn a_credential_of_a_short_life_is_kept_for_half_of_it() {
    let life = (at(0), at(900));

    assert_eq!(due(life, aws(), 0.0, at(0)), Due::At(at(450)));
    assert_eq!(due(life, aws(), 0.0, at(600)), Due::Must);
    assert_eq!(due((at(0), at(-5)), aws(), 0.0, at(0)), Due::Must);
}

#[test]
fn failures_wait_longer_each_time_up_to_five_minutes_and_a_success_forgets_them() {
    let mut refresh = Refresh::new(aws(), at(0));
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert!(refresh.begin(now));
        refresh.failed(1.0, now);
        let next = refresh.wake().expect("it does not run");
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }

    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert!(refresh.begin(now));
    refresh.succeeded(later(now, SignedDuration::from_hours(1)), 0.0, now);
    assert_eq!(refresh.failures(), 0);
    assert_eq!(refresh.wake(), Some(later(now, SignedDuration::from_mins(45))));
}

#[test]
fn what_is_held_stays_through_failures_and_goes_when_it_ends() {
    let mut refresh = Refresh::new(aws(), at(0));
    assert_eq!(refresh.held(at(0)), None);
    assert!(refresh.begin(at(0)));
    refresh.succeeded(at(3600), 0.0, at(1));
    assert!(refresh.begin(at(2701)));
    refresh.failed(0.5, at(2701));

    assert_eq!(refresh.held(at(3599)), Some(at(1)));
    assert_eq!(refresh.held(at(3600)), None);
}

#[test]
fn a_storm_of_refusals_gives_one_exchange_and_no_other_for_a_minute() {
    let mut refresh = Refresh::new(aws(), at(0));
    assert!(refresh.begin(at(0)));
    refresh.succeeded(at(3600), 0.0, at(0));
    let mut exchanges = 0;
    let mut obtained = at(0);
    for second in 100..159 {
        for _ in 0..50 {
            refresh.refused(obtained, at(second));
            if refresh.begin(at(second)) {
                exchanges += 1;
                refresh.refused(obtained, at(second));
                obtained = at(second);
                refresh.succeeded(at(second + 3600), 0.0, obtained);
            }
        }
    }
    assert_eq!(exchanges, 1);

    refresh.refused(obtained, at(160));
    assert!(refresh.begin(at(160)), "a minute later another refusal is believed");
}

#[test]
fn a_refusal_of_an_older_credential_or_during_failures_changes_nothing() {
    let mut refresh = Refresh::new(aws(), at(0));
    refresh.refused(at(0), at(0));
    assert!(refresh.begin(at(0)));
    refresh.succeeded(at(3600), 0.0, at(2));

    refresh.refused(at(0), at(10));
    assert!(!refresh.begin(at(10)));
    assert!(refresh.begin(at(2702)));
    refresh.failed(1.0, at(2702));
    refresh.refused(at(2), at(2702));
    assert!(!refresh.begin(at(2702)), "the wait after a failure is kept");
}

#[test]
fn another_secret_is_tried_at_once_or_right_after_the_exchange_that_runs() {
    let mut refresh = Refresh::new(aws(), at(0));
    assert!(refresh.begin(at(0)));
    refresh.restart(at(1));
    assert!(!refresh.begin(at(1)), "one runs");
    refresh.failed(1.0, at(2));
    assert_eq!((refresh.wake(), refresh.failures()), (Some(at(3)), 0));

    assert!(refresh.begin(at(3)));
    refresh.succeeded(at(3600), 0.0, at(3));
    refresh.restart(at(10));
    assert!(refresh.begin(at(10)));
}

#[derive(Clone, Debug)]
enum Event {
    Pass(i64),
    Begin,
    Succeed(i64, f64),
    Fail(f64),
    Refuse(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..400_i64).prop_map(Event::Pass),
        Just(Event::Begin),
        Just(Event::Begin),
        ((-10..5000_i64), (0.0..=1.0)).prop_map(|(life, chance)| Event::Succeed(life, chance)),
        (0.0..=1.0).prop_map(Event::Fail),
        (1..20_u8).prop_map(Event::Refuse),
    ]
}

proptest! {
    #[test]
    fn never_two_exchanges_at_once_and_never_a_storm(events in proptest::collection::vec(event(), 0..300)) {
        let mut refresh = Refresh::new(aws(), at(0));
        let mut now = 0;
        let mut obtained = at(0);
        let mut running = false;
        let mut ended = Vec::new();
        let mut refusals = Vec::new();
        for event in events {
            match event {
                Event::Pass(seconds) => now += seconds,
                Event::Begin => {
                    let begins = refresh.begin(at(now));
                    prop_assert!(!(begins && running), "two at once");
                    if begins && let Some(last) = ended.last() {
                        // Only a refusal comes sooner than the first wait.
                        let is_of_refusal = refusals.last().is_some_and(|refusal| refusal >= last);
                        prop_assert!(is_of_refusal || at(now).duration_since(*last) * 2 >= FIRST_WAIT);
                    }
                    running |= begins;
                }
                Event::Succeed(life, chance) if running => {
                    obtained = at(now);
                    refresh.succeeded(at(now + life), chance, at(now));
                    running = false;
                    ended.push(at(now));
                    let wake = refresh.wake().expect("it does not run");
                    prop_assert!(wake > at(now));
                    prop_assert!(wake <= at(now + life.max(1)), "renewed before it ends");
                }
                Event::Fail(chance) if running => {
                    refresh.failed(chance, at(now));
                    running = false;
                    ended.push(at(now));
                    let wait = refresh.wake().expect("it does not run").duration_since(at(now));
                    prop_assert!(wait * 2 >= FIRST_WAIT && wait <= LONGEST_WAIT);
                }
                Event::Refuse(times) => {
                    for _ in 0..times {
                        let before = refresh.wake();
                        refresh.refused(obtained, at(now));
                        if refresh.wake() != before {
                            let has_rested = refusals
                                .last()
                                .is_none_or(|last| at(now).duration_since(*last) >= REFUSAL_REST);
                            prop_assert!(has_rested, "a storm");
                            refusals.push(at(now));
                        }
                    }
                }
                Event::Succeed(..) | Event::Fail(_) => {}
            }
            prop_assert_eq!(refresh.wake().is_none(), running);
        }
    }

    #[test]
    fn a_credential_is_due_before_it_ends_and_not_before_half_of_its_life(life in 4..100_000_i64, chance in 0.0..=1.0) {
        let Due::At(when) = due((at(0), at(life)), aws(), chance, at(0)) else { return Err(TestCaseError::fail("due at once")) };

        prop_assert!(when < at(life));
        prop_assert!(when.duration_since(at(0)) * 2 >= SignedDuration::from_secs(life));
        prop_assert!(due((at(0), at(life)), aws(), chance, when) != Due::At(when));
    }
}
