//! Tests of health: what makes an outage, what ends it, and who is left alone for how long.

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
fn start() -> Instant {
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn after(outcomes: &[Outcome]) -> (Health, Instant) {
    let now = start();
    let mut health = Health::default();
    for outcome in outcomes {
        health.begins(now);
        health.ends(now, *outcome);
    }
    (health, now)
}

use Outcome::{Answered, Limited, Nothing};

const FAULT: Outcome = Outcome::Fault(None);

#[test]
fn one_failure_is_no_outage_and_two_of_four_are() {
    let (one, now) = after(&[FAULT]);
    assert_eq!(one.opinion(now), Opinion::Well);

    let (half, now) = after(&[Answered, FAULT, Answered, FAULT]);
    assert_eq!(half.opinion(now), Opinion::Outage);

    let (less, now) = after(&[Answered, FAULT, Answered, FAULT, Answered]);
    assert_eq!(less.opinion(now), Opinion::Well);
}

#[test]
fn only_the_last_ten_calls_of_the_last_thirty_seconds_count() {
    let mut outcomes = vec![FAULT, FAULT, FAULT];
    outcomes.extend([Answered; 10]);
    let (recovered, now) = after(&outcomes);
    assert_eq!(recovered.opinion(now), Opinion::Well);

    let (mut once, then) = after(&[FAULT]);
    once.ends(then + seconds(31), FAULT);
    assert_eq!(once.opinion(then + seconds(31)), Opinion::Well);
}

#[test]
fn after_thirty_seconds_one_call_tries_whether_an_outage_is_over_and_the_others_wait_for_it() {
    let (mut ill, then) = after(&[FAULT, FAULT]);
    assert_eq!(ill.opinion(then + seconds(29)), Opinion::Outage);
    assert_eq!(ill.opinion(then + seconds(30)), Opinion::Well);

    ill.begins(then + seconds(30));
    assert_eq!(ill.opinion(then + seconds(30)), Opinion::Outage);

    ill.ends(then + seconds(31), FAULT);
    assert_eq!(ill.opinion(then + seconds(60)), Opinion::Outage);
    ill.begins(then + seconds(61));
    ill.ends(then + seconds(62), Answered);
    assert_eq!(ill.opinion(then + seconds(62)), Opinion::Well);
}

#[test]
fn a_wait_that_the_provider_names_outlasts_what_was_under_way_and_no_wait_is_without_end() {
    let minute = Limited(Some(seconds(60)), false);
    for under_way in [Answered, Nothing, Limited(None, false)] {
        let (limited, now) = after(&[minute, under_way]);

        assert_eq!(limited.opinion(now + seconds(59)), Opinion::Limited, "{under_way:?}");
        assert_eq!(limited.opinion(now + seconds(60)), Opinion::Well, "{under_way:?}");
    }
    let (shorter, now) = after(&[minute, Limited(Some(seconds(5)), false)]);
    assert_eq!(shorter.opinion(now + seconds(5)), Opinion::Well, "it says so itself");

    let (endless, now) = after(&[Limited(Some(Duration::MAX), false), Outcome::Fault(Some(Duration::MAX))]);
    assert_eq!(endless.opinion(now + seconds(86_400)), Opinion::Well);
}

#[test]
fn a_probe_that_says_nothing_lets_another_try() {
    let (mut ill, then) = after(&[FAULT, FAULT]);
    ill.begins(then + seconds(30));

    ill.ends(then + seconds(31), Nothing);

    assert_eq!(ill.opinion(then + seconds(31)), Opinion::Well);
}

#[test]
fn a_probe_that_is_never_heard_of_again_lets_another_try_after_a_minute() {
    let (mut ill, then) = after(&[FAULT, FAULT]);
    ill.begins(then + seconds(30));

    assert_eq!(ill.opinion(then + seconds(89)), Opinion::Outage);
    assert_eq!(ill.opinion(then + seconds(90)), Opinion::Well);
}

#[test]
fn who_asks_to_wait_is_left_alone_for_as_long_as_it_says() {
    let (limited, now) = after(&[Limited(Some(seconds(7)), false)]);

    assert_eq!(limited.opinion(now + seconds(6)), Opinion::Limited);
    assert_eq!(limited.opinion(now + seconds(7)), Opinion::Well);
}

#[test]
fn who_does_not_say_how_long_is_left_alone_for_ever_longer_until_it_answers() {
    let (mut limited, now) = after(&[Limited(None, false), Limited(None, false), Limited(None, false)]);
    assert_eq!(limited.opinion(now + seconds(3)), Opinion::Limited);
    assert_eq!(limited.opinion(now + seconds(4)), Opinion::Well);

    limited.ends(now, Answered);
    limited.ends(now, Limited(None, false));
    assert_eq!(limited.opinion(now + seconds(1)), Opinion::Well);
}

#[test]
fn a_quota_that_is_used_up_is_left_alone_for_ten_minutes() {
    let (spent, now) = after(&[Limited(None, true)]);

    assert_eq!(spent.opinion(now + seconds(599)), Opinion::Limited);
    assert_eq!(spent.opinion(now + seconds(600)), Opinion::Well);
}

#[test]
fn who_fails_and_names_a_wait_is_left_alone_for_it() {
    let (overloaded, now) = after(&[Outcome::Fault(Some(seconds(9)))]);

    assert_eq!(overloaded.opinion(now + seconds(8)), Opinion::Limited);
    assert_eq!(overloaded.opinion(now + seconds(9)), Opinion::Well);
}

#[test]
fn what_is_told_to_other_pods_is_when_it_ends() {
    let (mut ill, now) = after(&[FAULT, FAULT]);
    ill.ends(now, Limited(Some(seconds(5)), false));

    let ails = Ails { outage_until: Some(now + seconds(30)), limited_until: Some(now + seconds(5)) };
    assert_eq!(ill.ails(), ails);
}

proptest! {
    #[test]
    fn whatever_happens_a_candidate_that_is_left_alone_for_ten_minutes_is_tried_again(
        events in prop::collection::vec((0u64..40, 0usize..5), 0..60),
    ) {
        let mut now = start();
        let mut health = Health::default();
        for (after, event) in events {
            now += seconds(after);
            match event {
                0 => health.ends(now, Answered),
                1 => health.ends(now, FAULT),
                2 => health.ends(now, Limited(None, after % 2 == 0)),
                3 => health.ends(now, Nothing),
                _ => health.begins(now),
            }
        }
        prop_assert_eq!(health.opinion(now + seconds(600)), Opinion::Well);
    }
}
