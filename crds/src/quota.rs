//! Quotas: how many calls and tokens a provider or a route takes, and how much money a route may spend.
//! Owns the form; `sidecar` keeps to them, `operator` shares them out among the pods of a namespace.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::price::{Decimal, parse_decimal};
use crate::problem::Problems;

/// The largest limit. Beyond it a limit limits nothing that one namespace could do.
const MOST: i32 = 2_000_000_000;
/// The largest budget, in US dollars.
const RICHEST: u64 = 999_999_999;

/// How much may be asked at once and in a minute. Each namespace has its own account, which all of its pods share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.requestsPerMinute) || has(self.tokensPerMinute) || has(self.concurrentRequests)", "message": "requestsPerMinute, tokensPerMinute or concurrentRequests must be set"}
]))]
pub struct CallLimits {
    /// How many calls begin in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST))]
    pub requests_per_minute: Option<i32>,
    /// How many tokens, of prompts and answers, are counted in a minute. A call is counted when its answer says how many it
    /// was; calls that are under way then go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST))]
    pub tokens_per_minute: Option<i32>,
    /// How many calls are under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST))]
    pub concurrent_requests: Option<i32>,
}

impl CallLimits {
    /// One of them.
    pub fn get(&self, limit: LimitName) -> Option<u32> {
        let set = match limit {
            LimitName::RequestsPerMinute => self.requests_per_minute,
            LimitName::TokensPerMinute => self.tokens_per_minute,
            LimitName::ConcurrentRequests => self.concurrent_requests,
        };
        set.map(|limit| u32::try_from(limit).unwrap_or(0))
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self, problems: &mut Problems, path: &str) {
        if *self == Self::default() {
            problems.add(path, "requestsPerMinute, tokensPerMinute or concurrentRequests must be set");
        }
        for (field, value) in [
            ("requestsPerMinute", self.requests_per_minute),
            ("tokensPerMinute", self.tokens_per_minute),
            ("concurrentRequests", self.concurrent_requests),
        ] {
            problems.bound(&format!("{path}.{field}"), value.map(i64::from), 1..=MOST.into());
        }
    }
}

/// A limit by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitName {
    /// `requestsPerMinute`.
    RequestsPerMinute,
    /// `tokensPerMinute`.
    TokensPerMinute,
    /// `concurrentRequests`.
    ConcurrentRequests,
}

impl LimitName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RequestsPerMinute, Self::TokensPerMinute, Self::ConcurrentRequests];

    /// In snake_case, as on the wire, in metrics and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::ConcurrentRequests => "concurrent_requests",
        }
    }
}

/// How much the calls of a route may cost, by the prices of its providers. Each namespace has its own account, which all of
/// its pods share. Days and months are those of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.perDay) || has(self.perMonth)", "message": "perDay or perMonth must be set"}
]))]
pub struct Budget {
    /// For a day, in US dollars, such as "25.00".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Money>,
    /// For a calendar month, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Money>,
    /// What becomes of calls when it is spent.
    #[serde(default)]
    pub action: BudgetAction,
}

impl Budget {
    /// Says what is wrong with it.
    pub(crate) fn check(&self, problems: &mut Problems, path: &str) {
        if self.per_day.is_none() && self.per_month.is_none() {
            problems.add(path, "perDay or perMonth must be set");
        }
    }
}

/// What becomes of calls when a budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum BudgetAction {
    /// They are answered; an Event and a line in the log say that it is spent.
    Warn,
    /// They are refused, with the time at which the next day or month begins.
    #[default]
    Refuse,
}

/// Over what a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A calendar month of UTC.
    Month,
}

impl Period {
    /// The budget for it.
    pub fn of(self, budget: &Budget) -> Option<Money> {
        match self {
            Self::Day => budget.per_day,
            Self::Month => budget.per_month,
        }
    }

    /// Whether `day` is in the same one as `today`.
    pub fn has(self, day: Date, today: Date) -> bool {
        match self {
            Self::Day => day == today,
            Self::Month => day.first_of_month() == today.first_of_month(),
        }
    }

    /// When the one that `today` is in ends.
    pub fn end(self, today: Date) -> Timestamp {
        let next = match self {
            Self::Day => today.saturating_add(Span::new().days(1)),
            Self::Month => today.first_of_month().saturating_add(Span::new().months(1)),
        };
        next.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// `day` or `month`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// How much of a budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetLevel {
    /// Less than four fifths.
    Low,
    /// At least four fifths.
    Nearly,
    /// All.
    Whole,
}

impl BudgetLevel {
    /// Where `spent`, in millionths of a US dollar, stands.
    pub fn of(spent: u64, budget: Money) -> Self {
        if spent >= budget.micros {
            Self::Whole
        } else if u128::from(spent) * 5 >= u128::from(budget.micros) * 4 {
            Self::Nearly
        } else {
            Self::Low
        }
    }
}

/// An amount of US dollars, such as `"25.00"`. At most six decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// In millionths of a US dollar.
    pub micros: u64,
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Decimal(self.micros).fmt(f)
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_decimal(&text, RICHEST).map(|micros| Self { micros }).ok_or_else(|| {
            serde::de::Error::custom(
                "must be a decimal string of US dollars such as \"25.00\", below a billion, with at most six decimals",
            )
        })
    }
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": 16, "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_as_it_is_written() {
        for text in ["25", "0.5", "999999999.999999"] {
            let money: Money = serde_json::from_value(text.into()).expect("it is an amount");
            assert_eq!(serde_json::to_value(money).expect("it is a string"), text);
        }
        for text in ["-1", "1e3", "1000000000", "0.1234567", "€5", ""] {
            assert!(serde_json::from_value::<Money>(text.into()).is_err(), "{text}");
        }
    }
}
