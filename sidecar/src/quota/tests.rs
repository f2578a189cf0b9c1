//! Tests of quota: what gets in, what waits and for how long, what a share and a changed limit do, and the law that no
//! minute has more than a limit and ten seconds' worth.

use lotse_crds::name::ObjectName;
use proptest::prelude::*;

use super::*;
use crate::moment;

const SECOND: Duration = Duration::from_secs(1);

fn paris() -> Account {
    Account::Provider(ObjectName::new("root", "paris"))
}

fn requests(limit: i32) -> CallLimits {
    CallLimits { requests_per_minute: Some(limit), ..CallLimits::default() }
}

fn tokens(limit: i32) -> CallLimits {
    CallLimits { tokens_per_minute: Some(limit), ..CallLimits::default() }
}

fn concurrent(limit: i32) -> CallLimits {
    CallLimits { concurrent_requests: Some(limit), ..CallLimits::default() }
}

fn granted(share: Share) -> [AccountShare; 1] {
    [AccountShare { account: paris(), share }]
}

/// An account of its own, and the time at which it begins.
fn harbour() -> (Quotas, Arc<Quota>, Instant) {
    let quotas = Quotas::default();
    let quota = quotas.quota(&paris(), &Metrics::default());
    (quotas, quota, moment::instant())
}

fn enters(quota: &Arc<Quota>, limits: &CallLimits, now: Instant) -> Option<Wait> {
    quota.enter(limits, now).err()
}

#[test]
fn ten_seconds_worth_gets_in_at_once_and_then_one_after_the_other() {
    let (_quotas, quota, start) = harbour();
    let limits = requests(60);

    for _ in 0..10 {
        assert_eq!(enters(&quota, &limits, start), None);
    }
    let wait = Wait { limit: LimitName::RequestsPerMinute, after: SECOND };
    assert_eq!(enters(&quota, &limits, start), Some(wait));
    assert_eq!(enters(&quota, &limits, start + SECOND / 2), Some(Wait { after: SECOND / 2, ..wait }));
    assert_eq!(enters(&quota, &limits, start + SECOND), None);
    assert_eq!(enters(&quota, &limits, start + SECOND), Some(wait));
}

#[test]
fn a_limit_of_one_a_minute_lets_the_first_call_in_and_tells_the_second_when() {
    let (_quotas, quota, start) = harbour();

    assert_eq!(enters(&quota, &requests(1), start), None);
    let wait = enters(&quota, &requests(1), start + 20 * SECOND).expect("it waits");
    assert_eq!(wait.after, 40 * SECOND);
    assert_eq!(enters(&quota, &requests(1), start + 20 * SECOND + wait.after), None);
}

#[test]
fn a_call_of_more_tokens_than_there_are_makes_the_next_one_wait_for_them() {
    let (_quotas, quota, start) = harbour();
    let limits = tokens(6000);

    let call = quota.enter(&limits, start).expect("there are tokens");
    call.debit(3000, start);
    let wait = enters(&quota, &limits, start).expect("it waits");

    // A thousand were there, two thousand are owed, and one must be there.
    assert_eq!(wait.limit, LimitName::TokensPerMinute);
    assert_eq!(wait.after, Duration::from_millis(20_010));
    assert_eq!(enters(&quota, &limits, start + wait.after), None);
}

#[test]
fn a_call_is_under_way_until_it_is_dropped() {
    let (quotas, quota, start) = harbour();
    let limits = concurrent(2);

    let first = quota.enter(&limits, start).expect("there is room");
    let _second = quota.enter(&limits, start).expect("there is room");
    assert_eq!(enters(&quota, &limits, start), Some(Wait { limit: LimitName::ConcurrentRequests, after: SECOND }));
    drop(first);
    assert_eq!(enters(&quota, &limits, start), None);

    let used = quotas.take();
    assert_eq!((used[0].begun, used[0].concurrent, used[0].refused.concurrent), (3, 2, 1));
    assert_eq!(quotas.take()[0].concurrent, 1, "the second is still under way");
}

#[test]
fn what_must_wait_for_two_things_waits_for_the_later_and_takes_nothing() {
    let (quotas, quota, start) = harbour();
    let limits = CallLimits { requests_per_minute: Some(6), ..concurrent(1) };

    let call = quota.enter(&limits, start).expect("there is room");
    let wait = enters(&quota, &limits, start).expect("it waits");
    assert_eq!(wait, Wait { limit: LimitName::RequestsPerMinute, after: 10 * SECOND });
    drop(call);

    assert_eq!(enters(&quota, &limits, start + 10 * SECOND), None);
    assert_eq!(quotas.take()[0].begun, 2);
}

#[test]
fn a_call_that_is_withdrawn_was_never_begun() {
    let (quotas, quota, start) = harbour();

    quota.enter(&requests(1), start).expect("there is one").withdraw();

    assert_eq!(enters(&quota, &requests(1), start), None);
    assert_eq!(quotas.take()[0].begun, 1);
}

#[test]
fn without_a_share_a_tenth_is_used_and_on_a_folder_the_whole() {
    let (quotas, quota, start) = harbour();
    let limits = concurrent(20);

    quotas.are_shared();
    let _calls = [quota.enter(&limits, start).expect("a tenth"), quota.enter(&limits, start).expect("a tenth")];
    assert!(enters(&quota, &limits, start).is_some());

    let (_quotas, quota, start) = harbour();
    let whole: Vec<_> = (0..20).map(|_| quota.enter(&limits, start).expect("the whole")).collect();
    assert!(enters(&quota, &limits, start).is_some());
    drop(whole);
}

#[test]
fn a_share_is_kept_until_there_is_another_and_never_exceeds_the_limit() {
    let (quotas, quota, start) = harbour();
    quotas.are_shared();
    let most = |limits: &CallLimits| {
        let calls: Vec<_> = std::iter::from_fn(|| quota.enter(limits, start).ok()).collect();
        calls.len()
    };

    quotas.grant(&granted(Share { concurrent_requests: Some(5), ..Share::default() }), start);
    assert_eq!(most(&concurrent(20)), 5);
    assert_eq!(most(&concurrent(3)), 3);
    quotas.grant(&[], start);
    assert_eq!(most(&concurrent(20)), 5);
    assert_eq!(quotas.take()[0].holds, Some(Share { concurrent_requests: Some(5), ..Share::default() }));
    quotas.grant(&granted(Share { concurrent_requests: Some(0), ..Share::default() }), start);
    assert_eq!(most(&concurrent(20)), 0);
}

#[test]
fn a_share_of_nothing_lets_nobody_in_and_what_was_left_is_there_when_it_comes_back() {
    let (quotas, quota, start) = harbour();
    quotas.are_shared();
    let share = |requests| granted(Share { requests_per_minute: Some(requests), ..Share::default() });
    quotas.grant(&share(0), start);

    let wait = enters(&quota, &requests(2), start).expect("it waits");
    assert_eq!(wait, Wait { limit: LimitName::RequestsPerMinute, after: 30 * SECOND });
    quotas.grant(&share(1), start + SECOND);
    assert_eq!(enters(&quota, &requests(2), start + SECOND), None);
    assert!(enters(&quota, &requests(2), start + 2 * SECOND).is_some());
}

#[test]
fn a_changed_limit_keeps_the_level() {
    let (_quotas, quota, start) = harbour();

    assert_eq!(enters(&quota, &requests(6), start), None);
    let wait = enters(&quota, &requests(60), start).expect("a larger limit is no new account");
    assert_eq!(wait.after, SECOND);
}

#[test]
fn an_account_lives_as_long_as_a_table_or_a_call_holds_it() {
    let (quotas, quota, start) = harbour();
    let call = quota.enter(&requests(60), start).expect("there is room");

    drop(quota);
    assert!(quotas.limit_anything());
    drop(call);
    assert!(!quotas.limit_anything());
    assert_eq!(quotas.take(), []);
}

#[test]
fn what_could_not_be_told_is_told_the_next_time() {
    let (quotas, quota, start) = harbour();
    assert_eq!(enters(&quota, &requests(1), start), None);
    assert!(enters(&quota, &requests(1), start).is_some());
    quota.debit(70, start);

    let taken = quotas.take();
    assert!(!quotas.have_news());
    quotas.put_back(&taken);

    assert!(quotas.have_news());
    assert_eq!(quotas.take(), taken);
}

#[test]
fn calls_that_a_limit_keeps_back_are_counted_by_name() {
    let (quotas, metrics, start) = (Quotas::default(), Metrics::default(), moment::instant());
    let quota = quotas.quota(&Account::Route(ObjectName::new("root", "chat")), &metrics);

    assert_eq!(enters(&quota, &requests(1), start), None);
    assert!(enters(&quota, &requests(1), start).is_some());

    let text = metrics.text();
    let line = r#"lotse_limited_total{provider="",route="root/chat",limit="requests_per_minute"} 1"#;
    assert!(text.lines().any(|each| each == line), "{text}");
}

proptest! {
    #[test]
    fn no_minute_has_more_than_the_limit_and_ten_seconds_worth(
        limit in 1i32..200,
        gaps in prop::collection::vec(0u64..3000, 1..400),
    ) {
        let (_quotas, quota, start) = harbour();
        let mut now = start;
        let mut begun = Vec::new();

        for gap in gaps {
            now += Duration::from_millis(gap);
            if quota.enter(&requests(limit), now).is_ok() {
                begun.push(now);
            }
        }

        let most = usize::try_from(limit + (limit / 6).max(1)).expect("it is positive") + 1;
        for (at, first) in begun.iter().enumerate() {
            let within = begun[at..].iter().take_while(|each| **each < *first + 60 * SECOND).count();
            prop_assert!(within <= most, "{within} of at most {most}");
        }
    }

    #[test]
    fn who_waits_as_long_as_told_gets_in(limit in 1i32..5000, debits in prop::collection::vec(0u64..20_000, 1..20)) {
        let (_quotas, quota, start) = harbour();
        let limits = CallLimits { tokens_per_minute: Some(limit), ..requests(limit) };
        let mut now = start;

        for debit in debits {
            if let Some(wait) = enters(&quota, &limits, now) {
                now += wait.after;
                prop_assert_eq!(enters(&quota, &limits, now), None);
            }
            quota.debit(debit, now);
        }
    }

    #[test]
    fn a_share_that_moves_about_refills_what_it_was_at_each_time(shares in prop::collection::vec(0u32..600, 1..40)) {
        let (quotas, quota, start) = harbour();
        quotas.are_shared();
        let mut now = start;
        let mut begun = 0u64;
        let mut refilled = 100.0;

        for share in shares {
            quotas.grant(&granted(Share { requests_per_minute: Some(share), ..Share::default() }), now);
            now += SECOND;
            refilled += f64::from(share) / 60.0;
            while quota.enter(&requests(600), now).is_ok() {
                begun += 1;
            }
        }

        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let begun = begun as f64;
        prop_assert!(begun <= refilled + 1.0, "{} of {}", begun, refilled);
    }
}
