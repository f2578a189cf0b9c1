//! Countries and the groups of countries that policies and promises name.
//!
//! Owns the tables (each with its date) and set arithmetic on them. A code that no table has is kept apart: unknown
//! is never inside anything.

use std::fmt;

use serde::{Deserialize, Serialize};

/// ISO 3166-1 alpha-2, officially assigned codes, as of 2026-01.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE \
RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV \
TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The member states of the European Union, as of 2020-02-01.
const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";
/// The states of the European Economic Area beyond the EU, as of 1995-05-01.
const EEA_BEYOND_EU: &str = "IS LI NO";
/// The member states of the European Free Trade Association, as of 1991-09-01.
const EFTA: &str = "CH IS LI NO";

/// The word for a policy that does not limit where.
pub const WORLDWIDE: &str = "Worldwide";

const WORDS: usize = (26 * 26_usize).div_ceil(64);

/// A set of countries, by ISO 3166-1 alpha-2 code. Written as a sorted list of codes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Countries([u64; WORDS]);

impl Countries {
    /// The member states of the European Union.
    pub fn eu() -> Self {
        Self::listed(EU)
    }

    /// The countries inside the European Economic Area.
    pub fn eea() -> Self {
        Self::listed(EU).union(&Self::listed(EEA_BEYOND_EU))
    }

    fn listed(codes: &str) -> Self {
        let mut set = Self::default();
        codes.split_ascii_whitespace().filter_map(index).for_each(|at| set.insert(at));
        set
    }

    fn contains(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    /// Whether every country of this is in `other`; the empty set is.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine & !theirs == 0)
    }

    /// Whether there is no country.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The countries of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    /// The countries that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// The countries of this that `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }

    /// The codes, in order.
    pub fn codes(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut rest = *bits;
            std::iter::from_fn(move || {
                let lowest = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(code(word * 64 + lowest))
            })
        })
    }
}

/// The countries that an app means by a word: `eu`, `eea`, `efta` or the code of a country, in any case.
pub(crate) fn places_of(word: &str) -> Option<Countries> {
    let is_short = (2..=4).contains(&word.len());
    let places = is_short.then(|| Places::expand([&word.to_ascii_uppercase()]))?;
    places.is_known().then_some(places.countries)
}

/// Whether a word is the code of one country.
pub fn is_country(word: &str) -> bool {
    index(word).is_some_and(|at| Countries::listed(COUNTRIES).contains(at))
}

fn index(code: &str) -> Option<usize> {
    match code.as_bytes() {
        [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => {
            Some(usize::from(first - b'A') * 26 + usize::from(second - b'A'))
        }
        _ => None,
    }
}

fn code(at: usize) -> String {
    let letter = |offset: usize| char::from(b'A' + u8::try_from(offset).unwrap_or(0));
    [letter(at / 26), letter(at % 26)].iter().collect()
}

impl fmt::Display for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut words = Vec::new();
        for (group, name) in [(Self::eea(), "EEA"), (Self::listed(EU), "EU")] {
            if group.is_subset(&rest) {
                words.push(name.to_owned());
                rest = rest.without(&group);
            }
        }
        words.extend(rest.codes());
        f.write_str(&words.join(", "))
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for Countries {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.codes())
    }
}

impl<'de> Deserialize<'de> for Countries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::default();
        for code in Vec::<String>::deserialize(deserializer)? {
            set.insert(index(&code).ok_or_else(|| serde::de::Error::custom("must be a country code"))?);
        }
        Ok(set)
    }
}

/// A list of countries and groups, expanded. What is unknown stays visible, because it fits nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    /// Every country that the list names, its groups expanded.
    pub countries: Countries,
    /// Whether the list says `Worldwide`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worldwide: bool,
    /// Words that no table has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Places {
    /// Expands a list: ISO 3166-1 alpha-2 codes, `EU`, `EEA`, `EFTA`, `Worldwide`.
    pub fn expand<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        let known = Countries::listed(COUNTRIES);
        let mut places = Self::default();
        for word in words {
            match word.as_str() {
                WORLDWIDE => places.worldwide = true,
                "EU" => places.countries = places.countries.union(&Countries::listed(EU)),
                "EEA" => places.countries = places.countries.union(&Countries::eea()),
                "EFTA" => places.countries = places.countries.union(&Countries::listed(EFTA)),
                country => match index(country).filter(|at| known.contains(*at)) {
                    Some(at) => places.countries.insert(at),
                    None => places.unknown.push(country.to_owned()),
                },
            }
        }
        places
    }

    /// Whether all of this is known to be inside `allowed`. Nothing, anything and the unknown are not.
    pub fn is_inside(&self, allowed: &Countries) -> bool {
        self.is_known() && self.countries.is_subset(allowed)
    }

    /// Whether this names at least one country, and nothing but countries.
    pub fn is_known(&self) -> bool {
        !self.worldwide && self.unknown.is_empty() && !self.countries.is_empty()
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        if self.worldwide {
            words.push(WORLDWIDE.to_owned());
        }
        if !self.countries.is_empty() {
            words.push(self.countries.to_string());
        }
        words.extend(self.unknown.iter().map(|word| format!("{word} (unknown)")));
        if words.is_empty() { f.write_str("nowhere") } else { f.write_str(&words.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(words: &[&str]) -> Places {
        Places::expand(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_groups_have_their_members() {
        assert_eq!(places(&["EU"]).countries.codes().count(), 27);
        assert_eq!(places(&["EEA"]).countries.codes().count(), 30);
        assert_eq!(places(&["EFTA"]).countries.codes().collect::<Vec<_>>(), ["CH", "IS", "LI", "NO"]);
        assert_eq!(Countries::listed(COUNTRIES).codes().count(), 249);
    }

    #[test]
    fn the_unknown_is_inside_nothing() {
        let eea = places(&["EEA"]).countries;

        assert!(places(&["FR", "NO"]).is_inside(&eea));
        assert!(!places(&["FR", "XX"]).is_inside(&eea));
        assert!(!places(&["Worldwide"]).is_inside(&eea));
        assert!(!places(&["GB"]).is_inside(&eea));
        assert!(!places(&["CH"]).is_inside(&eea));
        assert!(!places(&[]).is_inside(&eea));
        assert!(!places(&["FR DE"]).is_inside(&eea));
    }

    #[test]
    fn a_set_reads_as_people_write_it() {
        assert_eq!(places(&["CH", "EEA"]).to_string(), "EEA, CH");
        assert_eq!(places(&["EU", "GB"]).to_string(), "EU, GB");
        assert_eq!(places(&["UK"]).to_string(), "UK (unknown)");
    }
}
