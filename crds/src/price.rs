//! Prices: US dollars for a million tokens, as decimal strings, and what a call costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No model is sold for more a million tokens; a larger figure is a slip of the keyboard.
const HIGHEST_MICROS: u64 = 10_000 * 1_000_000;

/// A price in US dollars for a million tokens, such as `"0.15"`. At most 10000, at most six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars {
    micros: u64,
}

impl Dollars {
    /// The figure in dollars.
    #[expect(clippy::cast_precision_loss, reason = "at most 10^10 micro-dollars, far below 2^53")]
    pub fn as_f64(self) -> f64 {
        self.micros as f64 / 1e6
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str =
            "must be a decimal string of US dollars such as \"0.15\", not negative, with at most six decimals";
        let micros = parse_decimal(text, 999_999).ok_or(FORM)?;
        if micros > HIGHEST_MICROS {
            return Err("must be at most 10000 US dollars for a million tokens");
        }
        Ok(Self { micros })
    }

    /// The highest figure that is not above `dollars`, which is read as the decimal that people write for it; nothing when
    /// that is negative or no number.
    pub(crate) fn not_above(dollars: f64) -> Option<Self> {
        // An f64 is never written with an exponent.
        let text = (dollars >= 0.0).then(|| dollars.abs().to_string())?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let micros = format!("{whole}{fraction:0<6.6}").parse().unwrap_or(HIGHEST_MICROS);
        Some(Self { micros: micros.min(HIGHEST_MICROS) })
    }

    /// The same with a fee on top.
    fn with(self, fee: Percent) -> Self {
        let micros = u128::from(self.micros) * u128::from(100_000_000 + fee.micros) / 100_000_000;
        Self { micros: u64::try_from(micros).unwrap_or(HIGHEST_MICROS).min(HIGHEST_MICROS) }
    }
}

/// Reads a decimal that is not negative and has at most six decimals, in millionths.
pub(crate) fn parse_decimal(text: &str, largest_whole: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 6 {
        return None;
    }
    let millionths: u64 = format!("{whole}{fraction:0<6}").parse().ok()?;
    (millionths / 1_000_000 <= largest_whole).then_some(millionths)
}

/// A figure of millionths as a decimal.
pub(crate) struct Decimal(pub(crate) u64);

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// What comes on top of a price, in per cent, such as `"5.5"`. At most 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percent {
    micros: u64,
}

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Decimal(self.micros))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = parse_decimal(&String::deserialize(deserializer)?, 100).filter(|micros| *micros <= 100_000_000);
        micros.map(|micros| Self { micros }).ok_or_else(|| {
            serde::de::Error::custom("must be a decimal string of per cent such as \"5.5\", from 0 to 100")
        })
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 10,
            "pattern": r"^([0-9]{1,2}(\.[0-9]{1,6})?|100(\.0{1,6})?)$",
        })
    }
}

impl Serialize for Dollars {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Decimal(self.micros))
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dollars".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 13,
            "pattern": r"^([0-9]{1,4}(\.[0-9]{1,6})?|10000(\.0{1,6})?)$",
        })
    }
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// For a million tokens of prompt, in US dollars.
    pub input_per_million: Dollars,
    /// For a million tokens of answer, in US dollars.
    pub output_per_million: Dollars,
    /// For a million tokens of prompt that the provider had cached, in US dollars; the price of other prompt tokens by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_per_million: Option<Dollars>,
}

/// The highest price that is paid, fees included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.inputPerMillion) || has(self.outputPerMillion)", "message": "inputPerMillion or outputPerMillion must be set"}
]))]
pub struct MaxPrice {
    /// For a million tokens of prompt, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_per_million: Option<Dollars>,
    /// For a million tokens of answer, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_per_million: Option<Dollars>,
}

/// The tokens that a provider counted for one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt, cached ones included.
    pub input: u64,
    /// Of the prompt, those that came from the provider's cache.
    pub cached_input: u64,
    /// Of the answer, reasoning included.
    pub output: u64,
}

impl Price {
    /// The floor that keeps a free model from taking every call. Source: OpenRouter's load balancing, DESIGN.md.
    const FLOOR: f64 = 0.001;

    /// How likely this is drawn against others: the inverse square of input plus output price.
    pub fn weight(&self) -> f64 {
        self.sum().max(Self::FLOOR).powi(-2)
    }

    /// Input plus output price of a million tokens, in US dollars.
    pub fn sum(&self) -> f64 {
        self.input_per_million.as_f64() + self.output_per_million.as_f64()
    }

    /// The same with a fee on top of each figure.
    #[must_use]
    pub fn with(&self, fee: Percent) -> Self {
        Self {
            input_per_million: self.input_per_million.with(fee),
            output_per_million: self.output_per_million.with(fee),
            cached_input_per_million: self.cached_input_per_million.map(|price| price.with(fee)),
        }
    }

    /// Whether it is at most `most`.
    pub fn is_within(&self, most: &MaxPrice) -> bool {
        let fits = |price: Dollars, most: Option<Dollars>| most.is_none_or(|most| price <= most);
        fits(self.input_per_million, most.input_per_million) && fits(self.output_per_million, most.output_per_million)
    }

    /// What `tokens` cost, in US dollars.
    pub fn cost(&self, tokens: Tokens) -> f64 {
        let cached = tokens.cached_input.min(tokens.input);
        let part = |count: u64, price: Dollars| u128::from(count) * u128::from(price.micros);
        let picos = part(tokens.input - cached, self.input_per_million)
            + part(cached, self.cached_input_per_million.unwrap_or(self.input_per_million))
            + part(tokens.output, self.output_per_million);
        #[expect(clippy::cast_precision_loss, reason = "an app reads the cost as a JSON number")]
        let dollars = picos as f64 / 1e12;
        dollars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_price_list_says_and_nothing_else() {
        for (text, micros) in [("2.00", 2_000_000), ("0", 0), ("0.000001", 1), ("10000", HIGHEST_MICROS)] {
            assert_eq!(Dollars::parse(text), Ok(Dollars { micros }), "{text}");
        }
        for text in ["-1", "+1", "1e3", "", ".", "1.", ".5", "1.0000001", "10001", "99999999999999999999", "٣"] {
            assert!(Dollars::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_ceiling_of_an_app_is_read_as_it_is_written_and_never_raised() {
        for (dollars, micros) in [
            (0.15, 150_000),
            (0.57, 570_000),
            (1e-6, 1),
            (9e-7, 0),
            (1.999_999_9, 1_999_999),
            (-0.0, 0),
            (3.0, 3_000_000),
            (1e300, HIGHEST_MICROS),
            (f64::INFINITY, HIGHEST_MICROS),
        ] {
            assert_eq!(Dollars::not_above(dollars), Some(Dollars { micros }), "{dollars}");
        }
        for dollars in [-0.1, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(Dollars::not_above(dollars), None, "{dollars}");
        }
    }

    #[test]
    fn a_third_of_the_price_is_nine_times_as_likely() {
        let price = |dollars: &str| Price {
            input_per_million: Dollars::parse(dollars).expect("a price"),
            output_per_million: Dollars::parse("0").expect("a price"),
            cached_input_per_million: None,
        };

        assert!((price("1").weight() / price("3").weight() - 9.0).abs() < 1e-9);
        assert!(price("0").weight().is_finite());
    }

    #[test]
    fn cached_tokens_cost_what_cached_tokens_cost() {
        let price = Price {
            input_per_million: Dollars::parse("2").expect("a price"),
            output_per_million: Dollars::parse("6").expect("a price"),
            cached_input_per_million: Some(Dollars::parse("0.2").expect("a price")),
        };

        let cost = price.cost(Tokens { input: 1000, cached_input: 400, output: 100 });

        assert!((cost - (600.0 * 2.0 + 400.0 * 0.2 + 100.0 * 6.0) / 1e6).abs() < 1e-15);
    }
}
