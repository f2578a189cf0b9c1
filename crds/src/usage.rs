//! What sidecar and operator say of limits, budgets and health, on the stream of `delivery`.
//!
//! A limit or budget is a namespace's, and all of its pods share it. Sidecars say what they use; the operator says what
//! share each may use, and what all have spent together. Health is hearsay: it orders, and never permits or forbids.
//!
//! Neither side says these words to one that would break off on them. The operator says them only to sidecars whose
//! `Hello` names [`RESTRICTION`]. A sidecar says them only once it has heard [`Health`] on the same stream, which the
//! operator says right after its first delivery, be there anything to say or not.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::name::ObjectName;
use crate::quota::{CallLimits, LimitName};
use crate::snapshot::{Route, Snapshot};

/// The restriction that a sidecar names in its `Hello` when it knows these words.
pub const RESTRICTION: &str = "limits";
/// The most entries of a list in one line of a sidecar; more go into more lines. The operator reads no further, and the
/// longest names fit into its longest line.
pub const MOST_ENTRIES: usize = 64;
/// The most ailments that the operator tells a sidecar.
pub const MOST_AILMENTS: usize = 1024;

/// Whose limit it is. Each namespace has an account with each provider and route that is limited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Account {
    /// With an LLMProvider.
    Provider(ObjectName),
    /// With a ModelRoute.
    Route(ObjectName),
}

/// What one pod may use of an account's limits. A limit that there is not has no share; of one that there is, nothing may
/// be used while the share is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Share {
    /// How many calls begin in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// How many tokens are counted in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// How many calls are under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
}

impl Share {
    /// All of it.
    pub fn whole(limits: &CallLimits) -> Self {
        Self::of(limits, |limit| limit)
    }

    /// What a sidecar uses while it has not been told its share: a tenth, and at least 1.
    pub fn untold(limits: &CallLimits) -> Self {
        Self::of(limits, |limit| (limit / 10).max(1))
    }

    fn of(limits: &CallLimits, part: fn(u32) -> u32) -> Self {
        LimitName::ALL.into_iter().fold(Self::default(), |share, name| share.with(name, limits.get(name).map(part)))
    }

    /// The share of one limit.
    pub fn get(&self, limit: LimitName) -> Option<u32> {
        match limit {
            LimitName::RequestsPerMinute => self.requests_per_minute,
            LimitName::TokensPerMinute => self.tokens_per_minute,
            LimitName::ConcurrentRequests => self.concurrent_requests,
        }
    }

    /// What a sidecar that was told this share uses of `limits`: of one that it was told nothing of, as if never told.
    #[must_use]
    pub fn under(&self, limits: &CallLimits) -> Self {
        let (whole, untold) = (Self::whole(limits), Self::untold(limits));
        LimitName::ALL.into_iter().fold(Self::default(), |share, name| {
            let told = self.get(name).or(untold.get(name));
            share.with(name, whole.get(name).zip(told).map(|(whole, told)| told.min(whole)))
        })
    }

    /// The same with another share of one limit.
    #[must_use]
    pub fn with(mut self, limit: LimitName, share: Option<u32>) -> Self {
        match limit {
            LimitName::RequestsPerMinute => self.requests_per_minute = share,
            LimitName::TokensPerMinute => self.tokens_per_minute = share,
            LimitName::ConcurrentRequests => self.concurrent_requests = share,
        }
        self
    }
}

/// What a sidecar has used of its limits since it last said so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// How long ago that was.
    pub milliseconds: u64,
    /// The number of the last [`Shares`] that it has heard on this stream; 0 if none.
    #[serde(default)]
    pub heard: u64,
    /// Of each account; at most [`MOST_ENTRIES`].
    pub used: Vec<Used>,
}

/// What a sidecar has used of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// The account.
    pub account: Account,
    /// Calls that have begun.
    #[serde(default)]
    pub begun: u64,
    /// Tokens that have been counted.
    #[serde(default)]
    pub tokens: u64,
    /// How many calls were under way at once, at most.
    #[serde(default)]
    pub concurrent: u64,
    /// Calls that have been refused, by the limit of which the share was too small.
    #[serde(default)]
    pub refused: Refused,
    /// The share that the sidecar holds; none while it has not been told any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Share>,
}

/// Calls that have been refused, by limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Refused {
    /// For want of requests a minute.
    pub requests: u64,
    /// For want of tokens a minute.
    pub tokens: u64,
    /// For want of concurrent requests.
    pub concurrent: u64,
}

/// The shares of one sidecar: all that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// Grows with each that is said on a stream, and is at least 1. What a sidecar says of one that it has not heard yet means nothing.
    pub number: u64,
    /// By account. There are no more than the sidecar's snapshot has limits.
    pub shares: Vec<AccountShare>,
}

/// A share of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountShare {
    /// The account.
    pub account: Account,
    /// What may be used of it.
    pub share: Share,
}

/// What the calls of a sidecar have cost. It says each report again, in its own words, on every new stream until it hears
/// that the report is kept; the operator counts each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Which run of the sidecar this is: drawn at its start.
    pub run: u64,
    /// Reports of one run are counted from 1.
    pub number: u64,
    /// By route and day; at most [`MOST_ENTRIES`].
    pub spent: Vec<RouteSpent>,
}

/// What the calls of one route have cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpent {
    /// The ModelRoute.
    pub route: ObjectName,
    /// When that was, in UTC.
    pub day: Date,
    /// How much, in millionths of a US dollar.
    pub micros: u64,
}

/// What a namespace has spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// The day, in UTC. The month is the one that it is in.
    pub day: Date,
    /// By route. There are no more than the sidecar's snapshot has budgets.
    pub routes: Vec<RouteSpending>,
    /// How far the sidecar's own reports are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}

/// What a namespace has spent on one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpending {
    /// The ModelRoute.
    pub route: ObjectName,
    /// On the day, in millionths of a US dollar.
    pub day_micros: u64,
    /// In the month, in millionths of a US dollar.
    pub month_micros: u64,
}

/// How far a sidecar's reports have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Which run of the sidecar's.
    pub run: u64,
    /// The last report that is counted.
    pub heard: u64,
    /// The last report that stays counted when the operator restarts.
    pub kept: u64,
}

/// How models at providers fare. Of a sidecar: what has changed with those that it has called. Of the operator: all that
/// others say of those that the sidecar may call; what is not listed is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// At most [`MOST_ENTRIES`] of a sidecar, [`MOST_AILMENTS`] of the operator.
    pub ailments: Vec<Ailment>,
}

/// What ails one model at one provider. Times are what is left of them, since clocks of different machines differ; when
/// both are 0 it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ailment {
    /// The provider.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// For how long its outage is believed.
    #[serde(default)]
    pub outage_milliseconds: u64,
    /// For how long it takes no calls, by its own word.
    #[serde(default)]
    pub limited_milliseconds: u64,
}

/// The accounts that a snapshot limits, and how.
pub fn accounts(snapshot: &Snapshot) -> impl Iterator<Item = (Account, CallLimits)> {
    let routes = snapshot.routes.iter().filter_map(|route| Some((Account::Route(route.name.clone()), route.limits?)));
    let candidates = snapshot.candidates();
    routes.chain(
        candidates.filter_map(|candidate| Some((Account::Provider(candidate.provider.clone()), candidate.limits?))),
    )
}

/// The routes of a snapshot that have a budget.
pub fn budgeted(snapshot: &Snapshot) -> impl Iterator<Item = &Route> {
    snapshot.routes.iter().filter(|route| route.budget.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{FromOperator, FromSidecar, LONGEST_ACK, line};

    fn name(name: &str) -> ObjectName {
        ObjectName::new("root", name)
    }

    #[test]
    fn what_sidecars_say_is_as_agreed() {
        let used = Used {
            account: Account::Provider(name("paris")),
            begun: 3,
            tokens: 900,
            concurrent: 2,
            refused: Refused { requests: 1, tokens: 0, concurrent: 0 },
            holds: Some(Share { requests_per_minute: Some(6), ..Share::default() }),
        };
        let day = "2026-11-24".parse().expect("a day");
        let spent = vec![RouteSpent { route: name("chat"), day, micros: 1200 }];
        let ailment = Ailment {
            provider: name("paris"),
            model: "m".to_owned(),
            outage_milliseconds: 30_000,
            limited_milliseconds: 0,
        };
        let said = [
            FromSidecar::Usage(Usage { milliseconds: 1000, heard: 4, used: vec![used] }),
            FromSidecar::Spent(Spent { run: 7, number: 1, spent }),
            FromSidecar::Health(Health { ailments: vec![ailment] }),
        ];

        let lines: Vec<String> = said.iter().map(|said| String::from_utf8(line(said)).expect("UTF-8")).collect();

        assert_eq!(
            lines.concat(),
            concat!(
                r#"{"usage":{"milliseconds":1000,"heard":4,"used":[{"account":{"provider":"root/paris"},"begun":3,"tokens":900,"#,
                r#""concurrent":2,"refused":{"requests":1,"tokens":0,"concurrent":0},"holds":{"requestsPerMinute":6}}]}}"#,
                "\n",
                r#"{"spent":{"run":7,"number":1,"spent":[{"route":"root/chat","day":"2026-11-24","micros":1200}]}}"#,
                "\n",
                r#"{"health":{"ailments":[{"provider":"root/paris","model":"m","outageMilliseconds":30000,"#,
                r#""limitedMilliseconds":0}]}}"#,
                "\n",
            )
        );
        for (said, line) in said.iter().zip(&lines) {
            assert_eq!(&serde_json::from_str::<FromSidecar>(line).expect("it is a word"), said);
        }
    }

    #[test]
    fn what_the_operator_says_is_as_agreed() {
        let share = Share { tokens_per_minute: Some(0), concurrent_requests: Some(4), ..Share::default() };
        let shares = Shares { number: 4, shares: vec![AccountShare { account: Account::Route(name("chat")), share }] };
        let spending = Spending {
            day: "2026-11-24".parse().expect("a day"),
            routes: vec![RouteSpending { route: name("chat"), day_micros: 5, month_micros: 70 }],
            counted: Some(Counted { run: 7, heard: 3, kept: 2 }),
        };
        let said =
            [FromOperator::Shares(shares), FromOperator::Spending(spending), FromOperator::Health(Health::default())];

        let lines: Vec<String> = said.iter().map(|said| String::from_utf8(line(said)).expect("UTF-8")).collect();

        assert_eq!(
            lines.concat(),
            concat!(
                r#"{"shares":{"number":4,"shares":[{"account":{"route":"root/chat"},"share":{"tokensPerMinute":0,"concurrentRequests":4}}]}}"#,
                "\n",
                r#"{"spending":{"day":"2026-11-24","routes":[{"route":"root/chat","dayMicros":5,"monthMicros":70}],"#,
                r#""counted":{"run":7,"heard":3,"kept":2}}}"#,
                "\n",
                r#"{"health":{"ailments":[]}}"#,
                "\n",
            )
        );
    }

    #[test]
    fn the_longest_line_of_a_sidecar_is_one_that_the_operator_takes() {
        let longest = ObjectName::new("n".repeat(63), "p".repeat(253));
        let share = Share {
            requests_per_minute: Some(u32::MAX),
            tokens_per_minute: Some(u32::MAX),
            concurrent_requests: Some(u32::MAX),
        };
        let used = Used {
            account: Account::Provider(longest.clone()),
            begun: u64::MAX,
            tokens: u64::MAX,
            concurrent: u64::MAX,
            refused: Refused { requests: u64::MAX, tokens: u64::MAX, concurrent: u64::MAX },
            holds: Some(share),
        };
        let ailment = Ailment {
            provider: longest,
            model: "m".repeat(253),
            outage_milliseconds: u64::MAX,
            limited_milliseconds: u64::MAX,
        };

        let usage =
            FromSidecar::Usage(Usage { milliseconds: u64::MAX, heard: u64::MAX, used: vec![used; MOST_ENTRIES] });
        let health = FromSidecar::Health(Health { ailments: vec![ailment; MOST_ENTRIES] });

        assert!(line(&usage).len() < LONGEST_ACK, "{}", line(&usage).len());
        assert!(line(&health).len() < LONGEST_ACK, "{}", line(&health).len());
    }

    #[test]
    fn who_has_not_been_told_a_share_uses_a_tenth_and_at_least_one() {
        let limits =
            CallLimits { requests_per_minute: Some(600), tokens_per_minute: None, concurrent_requests: Some(4) };

        assert_eq!(
            Share::untold(&limits),
            Share { requests_per_minute: Some(60), tokens_per_minute: None, concurrent_requests: Some(1) }
        );
    }
}
