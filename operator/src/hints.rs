//! What sidecars say of how providers fare, and what each is told of it. Pure: words go in and come out, time is a parameter.
//!
//! A word reaches all who may call the same model at the same provider, of any namespace: it only orders what they may call
//! anyway, and it is believed for a minute at most, or as long as a provider asks to wait. Each sidecar's word stands until it
//! runs out, or until the sidecar says otherwise. `rations` carries both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lotse_crds::name::ObjectName;
use lotse_crds::usage::{Ailment, MOST_AILMENTS, MOST_ENTRIES};

/// How long an outage is believed at most. Whoever still sees it says so again.
const LONGEST_OUTAGE: Duration = Duration::from_mins(1);
/// How long a provider's wish to be left alone is believed at most.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// A model at a provider.
pub type Name = (ObjectName, String);

/// By how much an end must move to be news. Each word says what is left at its own time, so that no two ends are the same.
const NEWS: Duration = Duration::from_secs(1);

/// What sidecars say, by model at provider.
#[derive(Debug, Default)]
pub struct Hints(BTreeMap<Name, Model>);

/// What sidecars say of one model at a provider.
#[derive(Debug, Default)]
struct Model {
    by_pod: BTreeMap<Arc<str>, Until>,
    /// What follows from that for all who are told; nothing when a word has come since.
    last: Option<Last>,
}

/// The last ends, so that nobody's need be looked for among thousands.
#[derive(Debug, Default)]
struct Last {
    outage: Ends,
    limited: Ends,
}

/// The last end and whose word it is, and the last of the others'.
#[derive(Debug, Default)]
struct Ends {
    last: Option<(Instant, Arc<str>)>,
    others: Option<Instant>,
}

/// What ails a model at a provider, and until when that is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    outage: Option<Instant>,
    limited: Option<Instant>,
}

impl Hints {
    /// A pod says what has changed with models that it may call. Says whether that is news.
    pub fn hear(&mut self, pod: &Arc<str>, (ailments, may): (&[Ailment], &BTreeSet<Name>), now: Instant) -> bool {
        let mut is_news = false;
        for ailment in ailments.iter().take(MOST_ENTRIES) {
            let name = (ailment.provider.clone(), ailment.model.clone());
            if !may.contains(&name) {
                continue;
            }
            let until = |milliseconds: u64, longest: Duration| {
                (milliseconds > 0).then(|| now + Duration::from_millis(milliseconds).min(longest))
            };
            let said = Until {
                outage: until(ailment.outage_milliseconds, LONGEST_OUTAGE),
                limited: until(ailment.limited_milliseconds, LONGEST_WAIT),
            };
            is_news |= self.0.entry(name).or_default().hear(pod, said);
        }
        is_news
    }

    /// A pod begins to follow anew, and will say again what it has to say.
    pub fn forget(&mut self, pod: &str) {
        for model in self.0.values_mut() {
            if model.by_pod.remove(pod).is_some() {
                model.last = None;
            }
        }
    }

    /// Drops what has run out by `now`.
    pub fn expire(&mut self, now: Instant) {
        self.0.retain(|_, model| {
            let before = model.by_pod.len();
            model.by_pod.retain(|_, until| until.outage.max(until.limited) > Some(now));
            if model.by_pod.len() != before {
                model.last = None;
            }
            !model.by_pod.is_empty()
        });
    }

    /// What others than `pod` say of models that it may call. Of several the latest end counts.
    pub fn told(&mut self, pod: &str, may: &BTreeSet<Name>) -> BTreeMap<Name, Until> {
        let relevant = self.0.iter_mut().filter(|(name, _)| may.contains(*name));
        let told =
            relevant.map(|(name, model)| (name, model.told(pod))).filter(|(_, until)| *until != Until::default());
        told.take(MOST_AILMENTS).map(|(name, until)| (name.clone(), until)).collect()
    }
}

impl Model {
    /// A pod says how it fares. Says whether that is news; what is none leaves the word before as it is.
    fn hear(&mut self, pod: &Arc<str>, said: Until) -> bool {
        let before = self.by_pod.get(pod).copied().unwrap_or_default();
        if said.is_like(&before) {
            return false;
        }
        if said == Until::default() {
            self.by_pod.remove(pod);
        } else {
            self.by_pod.insert(pod.clone(), said);
        }
        self.last = None;
        true
    }

    fn told(&mut self, pod: &str) -> Until {
        let by_pod = &self.by_pod;
        let last = self.last.get_or_insert_with(|| Last {
            outage: Ends::of(by_pod, |until| until.outage),
            limited: Ends::of(by_pod, |until| until.limited),
        });
        Until { outage: last.outage.told(pod), limited: last.limited.told(pod) }
    }
}

impl Ends {
    fn of(by_pod: &BTreeMap<Arc<str>, Until>, end: fn(&Until) -> Option<Instant>) -> Self {
        let mut ends = Self::default();
        for (pod, at) in by_pod.iter().filter_map(|(pod, until)| Some((pod, end(until)?))) {
            match &ends.last {
                Some((last, _)) if *last >= at => ends.others = ends.others.max(Some(at)),
                last => {
                    ends.others = last.as_ref().map(|(last, _)| *last);
                    ends.last = Some((at, pod.clone()));
                }
            }
        }
        ends
    }

    fn told(&self, pod: &str) -> Option<Instant> {
        self.last.as_ref().and_then(|(at, own)| if **own == *pod { self.others } else { Some(*at) })
    }
}

impl Until {
    /// Whether another says the same, or nearly.
    fn is_like(&self, other: &Self) -> bool {
        let alike = |one: Option<Instant>, another: Option<Instant>| match (one, another) {
            (Some(one), Some(another)) => one.max(another) - one.min(another) < NEWS,
            (one, another) => one == another,
        };
        alike(self.outage, other.outage) && alike(self.limited, other.limited)
    }
}

/// Whether what is told is nearly what was told before.
pub fn is_no_news(told: &BTreeMap<Name, Until>, before: &BTreeMap<Name, Until>) -> bool {
    told.len() == before.len()
        && told.iter().zip(before).all(|(told, before)| told.0 == before.0 && told.1.is_like(before.1))
}

/// What a sidecar is told, as what is left of it at `now`.
pub fn ailments(told: &BTreeMap<Name, Until>, now: Instant) -> Vec<Ailment> {
    let left = |until: Option<Instant>| {
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    };
    let ailment = |((provider, model), until): (&Name, &Until)| Ailment {
        provider: provider.clone(),
        model: model.clone(),
        outage_milliseconds: left(until.outage),
        limited_milliseconds: left(until.limited),
    };
    told.iter().map(ailment).filter(|ailment| ailment.outage_milliseconds + ailment.limited_milliseconds > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any time is as good as another")]
    fn start() -> Instant {
        Instant::now()
    }

    fn pod(name: &str) -> Arc<str> {
        name.into()
    }

    fn name(provider: &str) -> Name {
        (ObjectName::new("root", provider), "m".to_owned())
    }

    fn ailment(provider: &str, outage_milliseconds: u64, limited_milliseconds: u64) -> Ailment {
        let (provider, model) = name(provider);
        Ailment { provider, model, outage_milliseconds, limited_milliseconds }
    }

    fn may() -> BTreeSet<Name> {
        ["paris", "lyon"].map(name).into()
    }

    #[test]
    fn a_word_reaches_others_who_may_call_the_same_and_not_whoever_said_it() {
        let (mut hints, now) = (Hints::default(), start());

        assert!(hints.hear(&pod("a"), (&[ailment("paris", 30_000, 0)], &may()), now));

        let mut told = |pod, may: &BTreeSet<Name>| ailments(&hints.told(pod, may), now + SECOND);
        assert_eq!(told("b", &may()), [ailment("paris", 29_000, 0)]);
        assert_eq!(told("a", &may()), []);
        assert_eq!(told("b", &[name("lyon")].into()), []);
    }

    #[test]
    fn what_a_sidecar_may_not_call_it_may_not_speak_of() {
        let (mut hints, now) = (Hints::default(), start());

        assert!(!hints.hear(&pod("a"), (&[ailment("virginia", 30_000, 0)], &may()), now));

        assert!(hints.told("b", &[name("virginia")].into()).is_empty());
    }

    #[test]
    fn the_latest_of_several_counts_and_each_ends_its_own() {
        let (mut hints, now) = (Hints::default(), start());
        hints.hear(&pod("a"), (&[ailment("paris", 30_000, 0)], &may()), now);
        hints.hear(&pod("b"), (&[ailment("paris", 10_000, 5000)], &may()), now);

        assert_eq!(ailments(&hints.told("c", &may()), now), [ailment("paris", 30_000, 5000)]);
        assert!(hints.hear(&pod("a"), (&[ailment("paris", 0, 0)], &may()), now));
        assert_eq!(ailments(&hints.told("c", &may()), now), [ailment("paris", 10_000, 5000)]);
        assert!(!hints.hear(&pod("a"), (&[ailment("paris", 0, 0)], &may()), now), "that is no news");
    }

    #[test]
    fn a_word_runs_out_and_lasts_no_longer_than_it_is_believed() {
        let (mut hints, now) = (Hints::default(), start());
        hints.hear(&pod("a"), (&[ailment("paris", u64::MAX, 0), ailment("lyon", 0, u64::MAX)], &may()), now);

        let told = ailments(&hints.told("b", &may()), now);
        assert_eq!(told, [ailment("lyon", 0, 600_000), ailment("paris", 60_000, 0)]);
        hints.expire(now + LONGEST_OUTAGE);
        assert_eq!(hints.told("b", &may()).len(), 1);
        hints.expire(now + LONGEST_WAIT);
        assert!(hints.0.is_empty());
    }

    #[test]
    fn who_follows_anew_says_it_anew() {
        let (mut hints, now) = (Hints::default(), start());
        hints.hear(&pod("a"), (&[ailment("paris", 30_000, 0)], &may()), now);

        hints.forget("a");

        assert!(hints.told("b", &may()).is_empty());
    }

    #[test]
    fn the_last_end_is_told_to_all_but_whoever_said_it_who_hears_the_last_of_the_others() {
        let (mut hints, now) = (Hints::default(), start());
        for (name, milliseconds) in [("a", 20_000), ("b", 40_000), ("c", 30_000), ("d", 10_000)] {
            hints.hear(&pod(name), (&[ailment("paris", milliseconds, 0)], &may()), now);
        }

        let mut told = |pod| ailments(&hints.told(pod, &may()), now)[0].outage_milliseconds;
        assert_eq!(["a", "b", "c", "z"].map(&mut told), [40_000, 30_000, 40_000, 40_000]);
        hints.hear(&pod("b"), (&[ailment("paris", 0, 0)], &may()), now);
        hints.forget("c");
        assert_eq!(ailments(&hints.told("z", &may()), now), [ailment("paris", 20_000, 0)]);
        hints.expire(now + 20 * SECOND);
        assert!(hints.told("z", &may()).is_empty());
    }

    #[test]
    fn an_end_that_moves_by_less_than_a_second_is_no_news_however_often() {
        let (mut hints, now) = (Hints::default(), start());
        let tenth = SECOND / 10;
        assert!(hints.hear(&pod("a"), (&[ailment("paris", 30_000, 0)], &may()), now));
        let before = hints.told("b", &may());

        let news: Vec<bool> = (1..=20)
            .map(|at| hints.hear(&pod("a"), (&[ailment("paris", 30_000, 0)], &may()), now + at * tenth))
            .collect();

        assert_eq!(news.iter().filter(|is_news| **is_news).count(), 2, "it moves by two seconds: {news:?}");
        assert!(!is_no_news(&hints.told("b", &may()), &before));
        assert!(is_no_news(&before, &before) && !is_no_news(&before, &BTreeMap::new()));
        assert!(hints.hear(&pod("a"), (&[ailment("paris", 30_000, 1)], &may()), now + 2 * SECOND));
    }
}
