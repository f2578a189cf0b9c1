//! Outages by script: what the app hears, and what the providers get.

use std::time::Duration;

use crate::world::{Provider, Simulation, well};

const EACH: Duration = Duration::from_millis(10);

fn down(name: &'static str) -> Provider {
    Provider { refuses: 100, takes: 5, ..well(name) }
}

/// The cheapest of all, and not permitted.
const ABROAD: Provider = Provider { name: "abroad", region: "US", dollars: "0.01", refuses: 0, takes: 1 };

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_calls_outlive_the_outages_of_one_of_three_after_another() {
    let [paris, berlin, madrid] = ["paris", "berlin", "madrid"].map(well);
    let route =
        "tiers: [{targets: [{model: m}]}]\nattempts: 3\ntimeouts: {firstContentMilliseconds: 2000, totalSeconds: 10}";
    let simulation = Simulation::of(&[paris, berlin, madrid, ABROAD], route, 1);
    let mut answered = (0, 0);
    let mut most_attempts = 0;
    let script = [
        [paris, berlin, madrid],
        [down("paris"), berlin, madrid],
        [paris, berlin, madrid],
        [paris, Provider { refuses: 50, ..berlin }, madrid],
        [paris, berlin, Provider { takes: 600_000, ..madrid }],
        [paris, berlin, madrid],
        [paris, down("berlin"), madrid],
        [paris, berlin, Provider { refuses: 20, ..madrid }],
        [down("paris"), berlin, Provider { refuses: 20, ..madrid }],
        [paris, berlin, madrid],
    ];

    for [paris, berlin, madrid] in script {
        simulation.is(&[paris, berlin, madrid, ABROAD]);
        let heard = simulation.calls(10_000, EACH).await;
        let ok = heard.statuses.get(&200).copied().unwrap_or(0) - heard.cut;
        answered = (answered.0 + ok, answered.1 + heard.statuses.values().sum::<u32>());
        most_attempts = most_attempts.max(heard.most_attempts);
        assert!(heard.longest <= Duration::from_secs(10), "{heard:?}");
    }

    assert_eq!(answered.1, 100_000);
    assert!(answered.0 >= 99_990, "{answered:?}");
    assert!((2..=3).contains(&most_attempts), "{most_attempts}");
    assert_eq!(simulation.attempts().get("abroad"), None);
}

#[tokio::test(start_paused = true)]
async fn who_is_down_gets_a_call_in_thirty_seconds_and_its_share_again_when_it_is_back() {
    let route = "tiers: [{targets: [{model: m}]}]";
    let simulation = Simulation::of(&[down("paris"), well("berlin")], route, 2);

    let ill = simulation.calls(30_000, EACH).await;
    let tried = simulation.attempts()["paris"];
    assert_eq!(ill.statuses.get(&200), Some(&30_000), "{ill:?}");
    // Some before it is noticed, then one every thirty seconds.
    assert!((10..=30).contains(&tried), "{tried}");

    simulation.is(&[well("paris"), well("berlin")]);
    simulation.calls(3_100, EACH).await;
    let back = simulation.calls(10_000, EACH).await;
    assert!((4_800..=5_200).contains(&back.answered["lotse-system/paris"]), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_single_provider_is_tried_however_ill_it_is() {
    let simulation = Simulation::of(&[down("paris")], "tiers: [{targets: [{model: m}]}]", 3);

    let heard = simulation.calls(1_000, EACH).await;

    assert_eq!(heard.statuses.get(&502), Some(&1_000), "{heard:?}");
    assert_eq!(simulation.attempts()["paris"], 1_000);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_down_the_retry_budget_keeps_calls_from_becoming_a_storm() {
    let all = ["paris", "berlin", "madrid", "rome", "vienna"].map(down);
    let simulation = Simulation::of(&all, "tiers: [{targets: [{model: m}]}]", 4);

    let heard = simulation.calls(10_000, EACH).await;

    assert_eq!(heard.statuses.get(&502), Some(&10_000), "{heard:?}");
    let attempts: u64 = simulation.attempts().values().sum();
    // A fifth of the calls, and a reserve of a hundred in ten seconds; five times as many without a budget.
    assert!((12_000..=13_300).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn no_call_outlives_its_deadline_when_everybody_hangs() {
    let all = ["paris", "berlin", "madrid"].map(|name| Provider { takes: 600_000, ..well(name) });
    let route = "tiers: [{targets: [{model: m}]}]\ntimeouts: {firstContentMilliseconds: 900, totalSeconds: 2}";
    let simulation = Simulation::of(&all, route, 5);

    let heard = simulation.calls(500, Duration::from_millis(200)).await;

    assert!(heard.statuses.keys().all(|status| [502, 504].contains(status)), "{heard:?}");
    assert!(heard.longest <= Duration::from_secs(2), "{heard:?}");
    assert!(heard.most_attempts <= 3, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_halves_the_wait_for_who_is_slow_now_and_then() {
    let all = [Provider { takes: 2_000, ..well("paris") }, well("berlin")];
    let tiers = "tiers: [{balance: Order, targets: [{model: m, provider: {name: paris}}, {model: m, provider: {name: berlin}}]}]";
    let without = Simulation::of(&all, tiers, 6).calls(100, Duration::from_secs(1)).await;
    let route = "tiers: [{balance: Order, targets: [{model: m, provider: {name: paris}}, {model: m, provider: {name: berlin}}]}]\nhedgeAfterMilliseconds: 300";

    let simulation = Simulation::of(&all, route, 6);
    let hedged = simulation.calls(100, Duration::from_secs(1)).await;

    assert!(without.longest >= Duration::from_secs(2), "{without:?}");
    assert!(hedged.longest < Duration::from_millis(500), "{hedged:?}");
    assert_eq!(hedged.answered.get("lotse-system/berlin"), Some(&100), "{hedged:?}");
    assert_eq!(simulation.attempts()["paris"], 100);
}

#[tokio::test(start_paused = true)]
async fn the_fastest_gets_the_calls_and_who_was_slow_can_show_that_it_no_longer_is() {
    let route = "tiers: [{balance: Latency, targets: [{model: m}]}]";
    let slow = Provider { takes: 900, ..well("paris") };
    let simulation = Simulation::of(&[slow, well("berlin")], route, 7);

    let before = simulation.calls(1_000, EACH * 10).await;
    simulation.is(&[Provider { takes: 20, ..slow }, well("berlin")]);
    simulation.calls(6_000, EACH * 10).await;
    let after = simulation.calls(1_000, EACH * 10).await;

    assert!(before.answered["lotse-system/berlin"] >= 900, "{before:?}");
    assert!(after.answered["lotse-system/paris"] >= 900, "{after:?}");
    assert!(simulation.time() < Duration::from_mins(15), "{:?}", simulation.time());
}
