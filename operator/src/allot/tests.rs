//! Tests of allot: who gets how much, that what serves everybody stays, and that pods never hold more than there is, however
//! words are delayed and streams break.

use std::collections::VecDeque;

use lotse_crds::name::ObjectName;
use lotse_crds::usage::{Account, Refused};
use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
fn start() -> Instant {
    Instant::now()
}

fn claims(demands: &[u32]) -> Vec<Claim> {
    demands.iter().map(|demand| Claim { demand: *demand, holds: None }).collect()
}

fn pod(name: &str) -> Arc<str> {
    name.into()
}

fn requests(limit: i32) -> CallLimits {
    CallLimits { requests_per_minute: Some(limit), ..CallLimits::default() }
}

fn holding(requests: u32) -> Share {
    Share { requests_per_minute: Some(requests), ..Share::default() }
}

/// What a pod says that has begun so many calls in a second.
fn used(begun: u64, holds: Option<Share>) -> Used {
    let account = Account::Provider(ObjectName::new("root", "paris"));
    Used { account, begun, tokens: 0, concurrent: 0, refused: Refused::default(), holds }
}

/// Pods that have followed and said that they hold nothing.
fn pool(pods: &[&str]) -> Pool {
    let mut pool = Pool::default();
    for name in pods {
        pool.begins(&pod(name));
        pool.reports(name, &used(0, None), (1000, 1));
    }
    pool
}

fn told(pool: &Pool, name: &str) -> Option<u32> {
    pool.share(name)?.requests_per_minute
}

#[test]
fn what_nobody_asks_for_is_spread_and_who_asks_for_too_much_gets_what_the_others_leave() {
    assert_eq!(fair(100, &claims(&[0, 0, 0, 0]), 0), [25, 25, 25, 25]);
    assert_eq!(fair(100, &claims(&[10, 50, 0]), 0), [23, 62, 15], "ten and fifty and three, and twelve for each");
    assert_eq!(fair(100, &claims(&[10, 500, 400]), 0), [10, 45, 45]);
    assert_eq!(fair(100, &claims(&[0, 500, 400]), 0), [3, 49, 48], "everybody gets a little");
    assert_eq!(fair(7, &claims(&[9, 9, 9]), 0), [3, 2, 2]);
    assert!(fair(7, &[], 0).is_empty());
}

#[test]
fn where_there_is_less_than_one_for_each_those_who_ask_take_turns() {
    let asks = claims(&[5, 0, 5, 5]);

    assert_eq!(fair(2, &asks, 0), [1, 0, 1, 0]);
    assert_eq!(fair(2, &asks, 1), [1, 0, 0, 1]);
    assert_eq!(fair(2, &asks, 2), [0, 0, 1, 1]);
    assert_eq!(fair(2, &asks, 3), [1, 0, 1, 0]);
    assert_eq!(fair(2, &claims(&[0, 0, 0, 5]), 0), [1, 0, 0, 1]);
    assert_eq!(fair(0, &asks, 0), [0, 0, 0, 0]);
}

#[test]
fn what_serves_everybody_stays() {
    let holds = |demand, holds| Claim { demand, holds: Some(holds) };

    assert_eq!(divide(100, &[holds(40, 50), holds(10, 50)], 0), [50, 50]);
    assert_eq!(divide(100, &[holds(56, 50), holds(10, 50)], 0), [73, 27], "one asks for more");
    assert_eq!(divide(100, &[holds(10, 90), holds(5, 10)], 0), [90, 10]);
    assert_eq!(divide(100, &[holds(10, 90), holds(10, 10)], 0), [50, 50], "it has no more to spare");
    assert_eq!(divide(100, &[holds(10, 100), holds(0, 0)], 0), [53, 47], "nobody is left with nothing");
    assert_eq!(divide(200, &[holds(10, 50), holds(10, 50)], 0), [100, 100], "there is more now");
}

#[test]
fn the_first_pods_get_all_and_the_next_one_waits_until_they_have_let_go() {
    let (mut pool, now) = (pool(&["a", "b"]), start());
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!((told(&pool, "a"), told(&pool, "b")), (Some(50), Some(50)));
    for name in ["a", "b"] {
        pool.reports(name, &used(0, Some(holding(50))), (1000, 1));
    }

    pool.begins(&pod("c"));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "c"), None, "it has not said what it holds");
    pool.reports("c", &used(0, None), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!((told(&pool, "a"), told(&pool, "b"), told(&pool, "c")), (Some(34), Some(33), None));
    pool.reports("a", &used(0, Some(holding(34))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "c"), Some(16), "what a has let go");
    pool.reports("b", &used(0, Some(holding(33))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "c"), Some(33));
}

#[test]
fn a_pod_that_is_cut_off_counts_with_what_it_held_until_it_is_gone_or_ten_minutes_have_passed() {
    let now = start();
    let settled = || {
        let mut pool = pool(&["a", "b"]);
        pool.settle(&requests(100), (1, 0), now);
        pool.is_cut_off("b", now);
        pool
    };

    let mut waits = settled();
    waits.settle(&requests(100), (1, 0), now + CUT_OFF / 2);
    assert_eq!(told(&waits, "a"), Some(50));
    waits.settle(&requests(100), (1, 0), now + CUT_OFF);
    assert_eq!(told(&waits, "a"), Some(100));
    let mut gone = settled();
    gone.loses("b");
    gone.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&gone, "a"), Some(100));
}

#[test]
fn a_new_leader_learns_what_is_held_and_raises_nothing_until_it_has_heard_all_or_waited() {
    let (mut pool, now) = (Pool::default(), start());
    for name in ["a", "b"] {
        pool.expects(&pod(name), now);
    }

    pool.begins(&pod("a"));
    pool.reports("a", &used(1000, Some(holding(30))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "a"), Some(30));
    pool.begins(&pod("b"));
    pool.reports("b", &used(0, Some(holding(70))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!((told(&pool, "a"), told(&pool, "b")), (Some(30), Some(5)));
    pool.reports("b", &used(0, Some(holding(5))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "a"), Some(95));
}

#[test]
fn a_pod_that_comes_back_counts_as_unknown_until_it_has_said_what_it_holds() {
    let (mut pool, now) = (Pool::default(), start());
    for name in ["a", "b"] {
        pool.expects(&pod(name), now);
        pool.begins(&pod(name));
    }

    pool.reports("a", &used(1000, Some(holding(30))), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "a"), Some(30));
    pool.settle(&requests(100), (1, 0), now + LEARNING);
    assert_eq!(told(&pool, "a"), Some(50));
}

#[test]
fn a_pod_that_no_new_leader_hears_of_is_taken_to_hold_its_even_part() {
    let (mut pool, now) = (Pool::default(), start());
    for name in ["a", "b"] {
        pool.expects(&pod(name), now);
    }
    pool.begins(&pod("a"));
    pool.reports("a", &used(1000, None), (1000, 1));

    pool.settle(&requests(100), (1, 0), now);
    assert_eq!(told(&pool, "a"), None);
    pool.settle(&requests(100), (1, 0), now + LEARNING);
    assert_eq!(told(&pool, "a"), Some(50));
    pool.settle(&requests(100), (1, 0), now + CUT_OFF);
    assert_eq!(told(&pool, "a"), Some(100));
}

#[test]
fn those_of_whom_nothing_is_known_take_nothing_from_those_who_have_come() {
    let (mut pool, now) = (Pool::default(), start());
    for name in ["a", "b", "c", "d", "e"] {
        pool.expects(&pod(name), now);
    }
    pool.begins(&pod("a"));
    pool.reports("a", &used(1000, Some(holding(3))), (1000, 1));

    pool.settle(&requests(3), (1, 0), now);

    assert_eq!(told(&pool, "a"), Some(3), "the others can't have been granted anything");
}

#[test]
fn a_pod_that_follows_and_never_says_anything_does_not_count_for_ever() {
    let (mut pool, now) = (pool(&["a"]), start());
    pool.begins(&pod("silent"));

    pool.settle(&requests(100), (1, 0), now);
    pool.settle(&requests(100), (2, 0), now + LEARNING / 2);
    assert_eq!(told(&pool, "a"), Some(90), "it may be using a tenth untold");
    pool.settle(&requests(100), (3, 0), now + LEARNING);
    assert_eq!(told(&pool, "a"), Some(100));

    pool.reports("silent", &used(0, None), (1000, 0));
    pool.settle(&requests(100), (4, 0), now + LEARNING);
    assert_eq!(told(&pool, "a"), Some(50), "it has spoken after all");
}

#[test]
fn what_a_pod_says_before_it_has_heard_of_its_share_frees_nothing() {
    let (mut pool, now) = (pool(&["a"]), start());
    let settle = |pool: &mut Pool, round| pool.settle(&requests(100), (round, 0), now);
    settle(&mut pool, 1);
    pool.reports("a", &used(0, Some(holding(100))), (1000, 1));
    for (round, others) in [(2, ["b"].as_slice()), (3, &["c", "d"])] {
        for name in others {
            pool.begins(&pod(name));
            pool.reports(name, &used(0, None), (1000, 0));
        }
        settle(&mut pool, round);
    }
    assert_eq!((told(&pool, "a"), told(&pool, "b")), (Some(25), None));

    pool.reports("a", &used(0, Some(holding(50))), (1000, 2));
    settle(&mut pool, 4);
    assert_eq!(told(&pool, "b"), None, "it has let go, but has not heard of all");
    pool.reports("a", &used(0, Some(holding(25))), (1000, 3));
    settle(&mut pool, 5);

    assert_eq!(["b", "c", "d"].map(|name| told(&pool, name)), [Some(25); 3]);
}

#[test]
fn calls_that_go_on_count_until_they_end_though_the_pod_has_heard_of_a_smaller_share() {
    let now = start();
    let limits = CallLimits { concurrent_requests: Some(10), ..CallLimits::default() };
    let told = |pool: &Pool, name: &str| pool.share(name)?.concurrent_requests;
    let holding = |share| Some(Share { concurrent_requests: Some(share), ..Share::default() });
    let says = |concurrent, holds| Used { concurrent, ..used(0, holds) };
    let mut pool = pool(&["a"]);
    pool.settle(&limits, (1, 0), now);
    assert_eq!(told(&pool, "a"), Some(10));

    pool.reports("a", &says(10, holding(10)), (1000, 1));
    pool.begins(&pod("b"));
    pool.reports("b", &Used { refused: Refused { concurrent: 10, ..Refused::default() }, ..says(0, None) }, (1000, 0));
    for round in 2..5 {
        pool.settle(&limits, (round, 0), now);
        pool.reports("a", &says(10, told(&pool, "a").and_then(holding)), (1000, round));
    }
    assert_eq!(told(&pool, "b"), None, "ten are under way");

    // It is so on another stream, too.
    pool.is_cut_off("a", now);
    pool.begins(&pod("a"));
    pool.reports("a", &says(8, holding(5)), (1000, 0));
    pool.settle(&limits, (5, 0), now);
    assert_eq!(told(&pool, "b"), Some(2));
    pool.reports("a", &says(3, holding(5)), (1000, 5));
    pool.settle(&limits, (6, 0), now);
    assert_eq!(told(&pool, "b"), Some(5));
}

#[test]
fn a_container_that_begins_anew_has_forgotten_what_it_was_told() {
    let (mut pool, now) = (pool(&["a", "b"]), start());
    pool.settle(&requests(100), (1, 0), now);
    for name in ["a", "b"] {
        pool.reports(name, &used(0, Some(holding(50))), (1000, 1));
    }

    pool.is_cut_off("a", now);
    pool.begins(&pod("a"));
    assert_eq!(told(&pool, "a"), None);
    pool.reports("a", &used(0, None), (1000, 1));
    pool.settle(&requests(100), (1, 0), now);

    assert_eq!((told(&pool, "a"), told(&pool, "b")), (Some(50), Some(50)));
}

#[test]
fn each_limit_is_shared_by_what_is_asked_of_it() {
    let (mut pool, now) = (pool(&["a", "b"]), start());
    let limits =
        CallLimits { requests_per_minute: Some(600), tokens_per_minute: Some(6000), concurrent_requests: Some(10) };
    let asks = |begun, tokens, concurrent, refused| Used { tokens, concurrent, refused, ..used(begun, None) };

    for _ in 0..60 {
        pool.reports("a", &asks(20, 100, 1, Refused::default()), (1000, 1));
        pool.reports("b", &asks(1, 1000, 2, Refused { requests: 0, tokens: 0, concurrent: 20 }), (1000, 1));
    }
    pool.settle(&limits, (1, 0), now);

    // Requests are all asked for by a, tokens by b, and so are calls at once.
    let shares = [pool.share("a"), pool.share("b")].map(|share| share.expect("they are told"));
    assert_eq!(shares[0].requests_per_minute, Some(540));
    assert_eq!(shares[1].requests_per_minute, Some(60));
    assert_eq!((shares[0].tokens_per_minute, shares[1].tokens_per_minute), (Some(3000), Some(3000)));
    assert_eq!((shares[0].concurrent_requests, shares[1].concurrent_requests), (Some(1), Some(9)));
}

#[test]
fn a_limit_that_is_no_more_has_no_shares() {
    let (mut pool, now) = (pool(&["a"]), start());
    pool.settle(&requests(100), (1, 0), now);

    pool.settle(&CallLimits { concurrent_requests: Some(4), ..CallLimits::default() }, (1, 0), now);

    assert_eq!(pool.share("a"), Some(Share { concurrent_requests: Some(4), ..Share::default() }));
}

fn any_claims() -> impl Strategy<Value = Vec<Claim>> {
    let claim = (prop_oneof![Just(0), 0u32..20, 0u32..100_000], prop::option::of(0u32..200))
        .prop_map(|(demand, holds)| Claim { demand, holds });
    prop::collection::vec(claim, 1..20)
}

proptest! {
    #[test]
    fn shares_add_up_to_the_limit(limit in 0u32..100_000, claims in any_claims(), turn in 0u64..50) {
        let sum: u32 = fair(limit, &claims, turn).iter().sum();
        prop_assert_eq!(sum, limit.min(if limit < u32::try_from(claims.len()).expect("few") { sum } else { limit }));
        prop_assert!(divide(limit, &claims, turn).iter().sum::<u32>() <= limit);
    }

    #[test]
    fn nobody_goes_short_while_another_has_more_than_it(limit in 1u32..100_000, claims in any_claims()) {
        let shares = fair(limit, &claims, 0);
        let few = claims.len() <= limit as usize;
        let least = if few { (limit / (10 * u32::try_from(claims.len()).expect("few"))).max(1) } else { 0 };

        for (claim, share) in claims.iter().zip(&shares) {
            if few {
                prop_assert!(*share >= least.min(limit), "everybody gets a little");
            }
            if *share < claim.demand {
                let most = shares.iter().max().expect("there is one");
                prop_assert!(*most <= share + 1, "{most} and {share}");
            }
        }
    }

    #[test]
    fn who_asks_for_more_never_gets_less(limit in 1u32..100_000, claims in any_claims()) {
        let claims: Vec<Claim> = claims.into_iter().map(|claim| Claim { holds: None, ..claim }).collect();
        let shares = fair(limit, &claims, 0);
        for (one, own) in claims.iter().zip(&shares) {
            for (another, its) in claims.iter().zip(&shares) {
                prop_assert!(one.demand < another.demand || own + 1 >= *its);
            }
        }
    }

    #[test]
    fn what_was_divided_is_not_divided_again(limit in 0u32..100_000, claims in any_claims(), turn in 0u64..50) {
        let first = divide(limit, &claims, turn);
        let held: Vec<Claim> =
            claims.iter().zip(&first).map(|(claim, held)| Claim { holds: Some(*held), ..*claim }).collect();
        prop_assert_eq!(divide(limit, &held, turn), first);
    }

    #[test]
    fn each_who_asks_gets_a_turn(limit in 1u32..8, others in 1u32..8) {
        let claims = claims(&vec![3; (limit + others) as usize]);
        let mut served = vec![0; claims.len()];
        for turn in 0..u64::from(limit + others) {
            for (sum, share) in served.iter_mut().zip(fair(limit, &claims, turn)) {
                *sum += share;
            }
        }
        prop_assert!(served.iter().all(|turns| *turns == limit), "{served:?}");
    }
}

/// A sidecar at the end of a wire on which words take their time.
#[derive(Default)]
struct Sidecar {
    holds: Option<Share>,
    /// The round that it has heard of on this stream.
    heard: u64,
    /// What was sent to it last on this stream.
    sent: Option<Share>,
    /// What is on its way to it, and from it.
    arriving: VecDeque<(u64, Share)>,
    reports: VecDeque<(u64, u64, Option<Share>)>,
    follows: bool,
}

impl Sidecar {
    /// One that has been told that it has nothing, so that all that pods use is what they were told.
    fn new() -> Self {
        Self { holds: Some(holding(0)), ..Self::default() }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Follows(usize),
    Reports(usize, u64),
    /// The operator gets what a sidecar said.
    Hears(usize),
    /// A sidecar gets what the operator said.
    Arrives(usize),
    Breaks(usize),
    /// Its container begins anew.
    Restarts(usize),
    Deleted(usize),
    Settles(u64),
    /// Another leads.
    Leads,
}

const PODS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    let pod = || 0..PODS;
    prop_oneof![
        12 => pod().prop_map(Step::Follows),
        16 => (pod(), 0u64..3).prop_map(|(pod, begun)| Step::Reports(pod, begun)),
        24 => pod().prop_map(Step::Hears),
        24 => pod().prop_map(Step::Arrives),
        2 => pod().prop_map(Step::Breaks),
        1 => pod().prop_map(Step::Restarts),
        2 => pod().prop_map(Step::Deleted),
        24 => (0u64..3).prop_map(Step::Settles),
        1 => Just(Step::Leads),
    ]
}

/// Pods, the operator's pool, and the wires between them.
struct Harbour {
    pool: Pool,
    pods: Vec<Sidecar>,
    now: Instant,
    limit: i32,
    round: u64,
}

impl Harbour {
    fn takes(&mut self, step: &Step) {
        let name = |at: &usize| pod(&at.to_string());
        match step {
            Step::Follows(at) => {
                let sidecar = &mut self.pods[*at];
                if !std::mem::replace(&mut sidecar.follows, true) {
                    self.pool.begins(&name(at));
                    (sidecar.heard, sidecar.sent) = (0, None);
                    sidecar.reports.push_back((0, 0, sidecar.holds));
                }
            }
            Step::Reports(at, begun) if self.pods[*at].follows => {
                let sidecar = &mut self.pods[*at];
                sidecar.reports.push_back((*begun, sidecar.heard, sidecar.holds));
            }
            Step::Hears(at) => {
                if let Some((begun, heard, holds)) = self.pods[*at].reports.pop_front() {
                    self.pool.reports(&name(at), &used(begun, holds), (1000, heard));
                }
            }
            Step::Arrives(at) => {
                let sidecar = &mut self.pods[*at];
                if let Some((round, share)) = sidecar.arriving.pop_front() {
                    (sidecar.heard, sidecar.holds) = (round, Some(share));
                }
            }
            Step::Reports(..) => {}
            Step::Breaks(at) => self.breaks(*at),
            Step::Restarts(at) => {
                self.breaks(*at);
                self.pods[*at].holds = Some(holding(0));
            }
            Step::Deleted(at) => {
                self.breaks(*at);
                self.pods[*at] = Sidecar::new();
                self.pool.loses(&name(at));
            }
            Step::Settles(turn) => {
                self.round += 1;
                self.pool.settle(&requests(self.limit), (self.round, *turn), self.now);
                for (at, sidecar) in self.pods.iter_mut().enumerate().filter(|(_, sidecar)| sidecar.follows) {
                    let share = self.pool.share(&at.to_string()).filter(|share| sidecar.sent != Some(*share));
                    sidecar.arriving.extend(share.map(|share| (self.round, share)));
                    sidecar.sent = share.or(sidecar.sent);
                }
            }
            Step::Leads => {
                self.pool = Pool::default();
                self.round = 0;
                for at in 0..PODS {
                    self.breaks(at);
                    self.pool.expects(&name(&at), self.now);
                }
            }
        }
    }

    fn breaks(&mut self, at: usize) {
        let sidecar = &mut self.pods[at];
        if std::mem::replace(&mut sidecar.follows, false) {
            // What was on its way may still arrive, or not; here it does not.
            sidecar.arriving.clear();
            sidecar.reports.clear();
            self.pool.is_cut_off(&at.to_string(), self.now);
        }
    }

    fn held(&self) -> u32 {
        let held = |sidecar: &Sidecar| sidecar.holds.and_then(|holds| holds.requests_per_minute).unwrap_or(0);
        self.pods.iter().map(held).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_word_lets_pods_use_more_than_there_is(limit in 1i32..60, steps in prop::collection::vec(step(), 0..200)) {
        let pods = (0..PODS).map(|_| Sidecar::new()).collect();
        let mut harbour = Harbour { pool: Pool::default(), pods, now: start(), limit, round: 0 };

        for step in &steps {
            harbour.takes(step);
            let held = harbour.held();
            prop_assert!(held <= limit.unsigned_abs(), "{held} of {limit} after {step:?}");
        }
    }

    #[test]
    fn when_nothing_changes_any_more_all_is_shared_out_and_stays_so(
        limit in 5i32..60,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let pods = (0..PODS).map(|_| Sidecar::new()).collect();
        let mut harbour = Harbour { pool: Pool::default(), pods, now: start(), limit, round: 0 };
        let quiet = |harbour: &mut Harbour| {
            for at in 0..PODS {
                harbour.takes(&Step::Follows(at));
                while !harbour.pods[at].arriving.is_empty() {
                    harbour.takes(&Step::Arrives(at));
                }
                harbour.takes(&Step::Reports(at, 0));
                while !harbour.pods[at].reports.is_empty() {
                    harbour.takes(&Step::Hears(at));
                }
            }
            harbour.takes(&Step::Settles(0));
        };

        for step in &steps {
            harbour.takes(step);
        }
        // Demand is forgotten, and what is let go is heard of.
        (0..200).for_each(|_| quiet(&mut harbour));
        let before: Vec<Option<Share>> = harbour.pods.iter().map(|sidecar| sidecar.holds).collect();
        (0..20).for_each(|_| quiet(&mut harbour));

        let after: Vec<Option<Share>> = harbour.pods.iter().map(|sidecar| sidecar.holds).collect();
        prop_assert_eq!(before, after);
        prop_assert_eq!(harbour.held(), limit.unsigned_abs());
    }
}
