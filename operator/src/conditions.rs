//! Conditions over time: a verdict that has not changed keeps the time of its last change. Pure; `report` calls it.
//! Source: Kubernetes API conventions, "Typical status properties".

use jiff::Timestamp;
use lotse_crds::status::Condition;

use crate::standing::Verdict;

/// The longest message that the schema takes.
const LONGEST: usize = 32_768;

/// The conditions that `verdicts` come to, given those of before.
pub fn merge(previous: &[Condition], verdicts: &[Verdict], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let one = |verdict: &Verdict| {
        let before = previous.iter().find(|condition| condition.type_ == verdict.aspect);
        let since = match before {
            Some(before) if before.status == verdict.truth => before.last_transition_time.clone(),
            _ => seconds(now),
        };
        Condition {
            type_: verdict.aspect.to_owned(),
            status: verdict.truth,
            observed_generation: generation,
            last_transition_time: since,
            reason: verdict.reason.clone(),
            message: verdict.message.chars().take(LONGEST).collect(),
        }
    };
    verdicts.iter().map(one).collect()
}

/// Times in conditions have no fractions of a second.
fn seconds(now: Timestamp) -> String {
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lotse_crds::status::Truth;

    fn verdict(truth: Truth, reason: &str) -> Verdict {
        Verdict { aspect: "Ready", truth, reason: reason.to_owned(), message: String::new() }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().expect("it is a time")
    }

    #[test]
    fn the_time_changes_with_the_status_and_with_nothing_else() {
        let first = merge(&[], &[verdict(Truth::False, "Pending")], Some(1), at("2026-11-24T10:00:00.5Z"));
        let other_reason = merge(&first, &[verdict(Truth::False, "Refused")], Some(2), at("2026-11-24T11:00:00Z"));
        let other_status = merge(&other_reason, &[verdict(Truth::True, "Ready")], Some(2), at("2026-11-24T12:00:00Z"));

        assert_eq!(first[0].last_transition_time, "2026-11-24T10:00:00Z");
        assert_eq!(other_reason[0].last_transition_time, "2026-11-24T10:00:00Z");
        assert_eq!((other_reason[0].reason.as_str(), other_reason[0].observed_generation), ("Refused", Some(2)));
        assert_eq!(other_status[0].last_transition_time, "2026-11-24T12:00:00Z");
    }

    #[test]
    fn a_warning_that_no_longer_holds_is_gone() {
        let first = merge(&[], &[verdict(Truth::True, "Ready")], None, at("2026-11-24T10:00:00Z"));

        assert_eq!(merge(&first, &[], None, at("2026-11-24T11:00:00Z")), []);
    }
}
