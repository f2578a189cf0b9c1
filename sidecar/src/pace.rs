//! How fast a candidate is: percentiles of the first content and of tokens a second, over the last five minutes. Pure
//! state; time is a parameter. `lane` keeps one for each candidate, `plan` compares them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lotse_crds::preferences::Percentiles;

/// How far back measurements count. Source: OpenRouter's provider selection.
const WINDOW: Duration = Duration::from_mins(5);
/// How many measurements count at most.
const MOST: usize = 256;
/// How old percentiles may be: they are asked for with every call, and sorted at most once in this time.
const FRESH: Duration = Duration::from_secs(1);
/// The fewest tokens that say something of a speed.
const LEAST_TOKENS: u64 = 8;

/// How fast a candidate is.
#[derive(Debug)]
pub struct Pace {
    /// Seconds to the first content of streams.
    first_content: Window,
    /// Seconds to answers that are not streamed.
    answer: Window,
    /// Tokens a second.
    throughput: Window,
}

impl Default for Pace {
    fn default() -> Self {
        let throughput = Window { is_rate: true, ..Window::default() };
        Self { first_content: Window::default(), answer: Window::default(), throughput }
    }
}

impl Pace {
    /// A stream had its first content after so many seconds.
    pub fn had_content(&mut self, at: Instant, after: Duration) {
        self.first_content.note(at, after.as_secs_f64());
    }

    /// An answer that is not streamed came whole after so many seconds.
    pub fn answered(&mut self, at: Instant, after: Duration) {
        self.answer.note(at, after.as_secs_f64());
    }

    /// So many tokens came within this time.
    pub fn wrote(&mut self, at: Instant, tokens: u64, within: Duration) {
        if tokens >= LEAST_TOKENS && !within.is_zero() {
            #[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
            self.throughput.note(at, tokens as f64 / within.as_secs_f64());
        }
    }

    /// Seconds to the first content of streams, or to whole answers; where one is not known, the other.
    pub fn latency(&mut self, now: Instant, stream: bool) -> Percentiles {
        let (own, other) = if stream {
            (&mut self.first_content, &mut self.answer)
        } else {
            (&mut self.answer, &mut self.first_content)
        };
        let measured = own.percentiles(now);
        if measured.is_empty() { other.percentiles(now) } else { measured }
    }

    /// Tokens a second: so many are reached by fifty of a hundred calls, and fewer by ninety.
    pub fn throughput(&mut self, now: Instant) -> Percentiles {
        self.throughput.percentiles(now)
    }
}

/// Measurements of one kind.
#[derive(Debug, Default)]
struct Window {
    measured: VecDeque<(Instant, f64)>,
    /// Whether more is better.
    is_rate: bool,
    /// When percentiles were last taken, and what they were.
    taken: Option<(Instant, Percentiles)>,
}

impl Window {
    fn note(&mut self, at: Instant, value: f64) {
        if self.measured.len() == MOST {
            self.measured.pop_front();
        }
        self.measured.push_back((at, value));
        // The first word of a candidate that was not known is heard at once.
        if self.taken.is_some_and(|(_, percentiles)| percentiles.is_empty()) {
            self.taken = None;
        }
    }

    fn percentiles(&mut self, now: Instant) -> Percentiles {
        if let Some((at, percentiles)) = self.taken
            && now.saturating_duration_since(at) < FRESH
        {
            return percentiles;
        }
        while self.measured.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.measured.pop_front();
        }
        let mut sorted: Vec<f64> = self.measured.iter().map(|(_, value)| *value).collect();
        sorted.sort_by(f64::total_cmp);
        if self.is_rate {
            sorted.reverse();
        }
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied();
        let percentiles = Percentiles { p50: at(50), p75: at(75), p90: at(90), p99: at(99) };
        self.taken = Some((now, percentiles));
        percentiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn percentiles_are_of_the_last_five_minutes() {
        let (mut pace, now) = (Pace::default(), start());
        assert!(pace.latency(now, true).is_empty());

        for hundredth in 1..=100 {
            pace.had_content(now, Duration::from_millis(10 * hundredth));
        }

        let measured = pace.latency(now, true);
        assert_eq!((measured.p50, measured.p90, measured.p99), (Some(0.51), Some(0.91), Some(1.0)));
        assert!(!pace.latency(now + Duration::from_secs(299), true).is_empty());
        assert!(pace.latency(now + WINDOW, true).is_empty());
    }

    #[test]
    fn where_only_whole_answers_are_known_their_time_stands_for_the_first_content() {
        let (mut pace, now) = (Pace::default(), start());

        pace.answered(now, Duration::from_secs(2));

        assert_eq!(pace.latency(now, true).p50, Some(2.0));
        assert_eq!(pace.latency(now, false).p50, Some(2.0));
    }

    #[test]
    fn speed_is_tokens_in_a_second_and_a_handful_says_nothing() {
        let (mut pace, now) = (Pace::default(), start());

        pace.wrote(now, 7, Duration::from_secs(1));
        assert!(pace.throughput(now).is_empty());
        for tokens in 1..=100 {
            pace.wrote(now, 100 * tokens, Duration::from_secs(1));
        }

        let measured = pace.throughput(now + FRESH);
        assert_eq!((measured.p50, measured.p90), (Some(5_000.0), Some(1_000.0)));
    }
}
