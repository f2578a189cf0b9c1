//! Times and spreads; what is sent where is proven beside the sidecar's, over real connections.

use lotse_crds::exchange::ExchangeKind;
use lotse_crds::provider::SecretKeyRef;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

#[test]
fn a_sleep_is_never_negative_and_never_long() {
    assert_eq!(until(Some(at(5)), at(0)), Duration::from_secs(5));
    assert_eq!(until(Some(at(0)), at(5)), Duration::ZERO);
    assert_eq!(until(Some(at(7200)), at(0)), LONGEST_SLEEP);
    assert_eq!(until(None, at(0)), LONGEST_SLEEP);
}

#[test]
fn providers_are_spread_and_each_keeps_its_place() {
    let of = |name: &str| {
        let key = SecretKeyRef { name: "google".to_owned(), key: "key.json".to_owned() };
        let kind = ExchangeKind::GoogleServiceAccount { key };
        spread(&ExchangeKey { provider: ObjectName::new("team-a", name), kind })
    };
    let mut all: Vec<f64> = (0..100).map(|at| of(&format!("p{at}"))).collect();
    all.sort_by(f64::total_cmp);

    assert!(all.iter().all(|chance| (0.0..=1.0).contains(chance)));
    assert!(all[10] < 0.4 && all[90] > 0.6, "{all:?}");
    assert!((of("p1") - of("p1")).abs() < f64::EPSILON);
}
