//! What was measured, and what is made of it: medians over rounds.

use std::time::Duration;

use crate::load::LOADS;
use crate::sidecar::Footprint;
use crate::wire::Kind;

/// Where the targets stand in a round.
pub(crate) const DIRECT: usize = 0;
/// nginx.
pub(crate) const NGINX: usize = 1;
/// Lotse.
pub(crate) const LOTSE: usize = 2;

/// Two percentiles, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Percentiles {
    /// Half of all calls took no longer.
    pub(crate) p50: f64,
    /// 99 of 100 calls took no longer.
    pub(crate) p99: f64,
}

impl Percentiles {
    /// Of these times.
    pub(crate) fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut micros: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        let at =
            |percent: usize| micros.get(micros.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN);
        Self { p50: at(50), p99: at(99) }
    }
}

/// One load on one target in one round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Until the first content.
    pub(crate) first: Percentiles,
    /// Until the end.
    pub(crate) total: Percentiles,
    /// Calls in a second.
    pub(crate) rate: f64,
    /// Time of the target on the CPU for a call, in microseconds.
    pub(crate) cpu: Option<f64>,
    /// How many calls were made, warm-up included.
    pub(crate) calls: u64,
}

/// One round: by load, then by target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round(pub(crate) [[Sample; 3]; LOADS.len()]);

/// All that was measured.
pub(crate) struct Results {
    /// Round by round.
    pub(crate) rounds: Vec<Round>,
    /// How many calls were made, all of them answered as they should be.
    pub(crate) calls: u64,
    /// What the sidecar needs.
    pub(crate) footprint: Footprint,
}

/// One number of a sample.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether a proxy adds to what the provider takes.
    pub(crate) adds: bool,
    /// The number.
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

/// Until the first content, half of the calls.
pub(crate) const FIRST_P50: Metric =
    Metric { name: "first token p50, µs", adds: true, of: |sample| Some(sample.first.p50) };
/// Until the end, half of the calls.
pub(crate) const TOTAL_P50: Metric = Metric { name: "total p50, µs", adds: true, of: |sample| Some(sample.total.p50) };
/// Calls in a second.
pub(crate) const RATE: Metric = Metric { name: "calls/s", adds: false, of: |sample| Some(sample.rate) };
const FIRST_P99: Metric = Metric { name: "first token p99, µs", adds: true, of: |sample| Some(sample.first.p99) };
const TOTAL_P99: Metric = Metric { name: "total p99, µs", adds: true, of: |sample| Some(sample.total.p99) };
const CPU: Metric = Metric { name: "its CPU, µs/call", adds: false, of: |sample| sample.cpu };

/// The numbers that a load gives.
pub(crate) fn metrics(kind: Kind) -> &'static [Metric] {
    match kind {
        Kind::Unary => &[TOTAL_P50, TOTAL_P99, RATE, CPU],
        Kind::Stream => &[FIRST_P50, FIRST_P99, TOTAL_P50, TOTAL_P99, RATE, CPU],
    }
}

impl Results {
    /// A number of one target in every round.
    pub(crate) fn each(&self, load: usize, metric: Metric, target: usize) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| (metric.of)(&round.0[load][target])).collect()
    }

    /// What a target adds to the direct way, in every round.
    pub(crate) fn added_each(&self, load: usize, metric: Metric, target: usize) -> Vec<f64> {
        let direct = self.each(load, metric, DIRECT);
        self.each(load, metric, target).iter().zip(direct).map(|(through, direct)| through - direct).collect()
    }

    /// A number of one target: the median over rounds.
    pub(crate) fn value(&self, load: usize, metric: Metric, target: usize) -> Option<f64> {
        median(self.each(load, metric, target))
    }

    /// What a target adds to the direct way of the same round: the median over rounds.
    pub(crate) fn added(&self, load: usize, metric: Metric, target: usize) -> Option<f64> {
        median(self.added_each(load, metric, target))
    }
}

/// The one in the middle, or the mean of the two there; nothing of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.len() / 2, values.len().checked_sub(1)? / 2);
    Some(f64::midpoint(values[lower], values[upper]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_rare() {
        let hundred = Percentiles::of((1..=101).rev().map(Duration::from_micros));

        assert_eq!((hundred.p50.round(), hundred.p99.round()), (51.0, 100.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
