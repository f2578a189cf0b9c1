//! Preferences: what an app asks of routing for one call, in the fields that OpenRouter and the EU's routers have for it.
//!
//! They are read once, and only ever tighten: each leaves candidates out or orders them, and is judged after the policies.
//! `read` makes them from a body, `ending` from a model's name, `judge` says who is out, `demand` by which
//! promises, `word` who is meant; `plan` asks
//! them. What can't be kept to is refused, never read over. Sources: OpenRouter's provider selection and its OpenAPI
//! (2026-08), EUrouter (2026-02), Cortecs, Requesty (2026-06) and Eden AI (2026-08).

use crate::body::Scanned;
use crate::place::Countries;
use crate::price::MaxPrice;
use crate::provider::Quantization;
use crate::wire::Operation;

pub use ending::Ended;
pub use judge::{Bound, Judge};
pub use word::ProviderWord;

mod demand;
mod ending;
mod judge;
mod read;
mod value;
mod word;

/// What an app asks of routing for one call. Nothing, by default.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own, as the app says it")]
pub struct Preferences {
    /// Models to ask when those before can't answer, after the body's `model`, in this order. With their endings.
    pub models: Vec<String>,
    /// The field that says `models`.
    pub models_field: &'static str,
    /// Who is tried first, in this order.
    pub order: Vec<ProviderWord>,
    /// Nobody but these.
    pub only: Option<Vec<ProviderWord>>,
    /// The field that says `only`.
    pub only_field: &'static str,
    /// None of these.
    pub ignore: Vec<ProviderWord>,
    /// Whether others are tried when those in `order`, or the first, can't answer.
    pub allow_fallbacks: bool,
    /// Whether a candidate must be known to support all that the call needs.
    pub require_parameters: bool,
    /// How the weights may be kept; `None` among them stands for not known.
    pub quantizations: Option<Vec<Option<Quantization>>>,
    /// What comes first, in the place of the route's balance.
    pub sort: Option<Sort>,
    /// Whether the candidates of all models are sorted together.
    pub across_models: bool,
    /// Tokens a second that who comes first should reach.
    pub min_throughput: Percentiles,
    /// Seconds to the first content that who comes first should keep to.
    pub max_latency: Percentiles,
    /// The highest price.
    pub max_price: Option<MaxPrice>,
    /// Where content may be decrypted.
    pub places: Option<Countries>,
    /// The vendor's own word for the region, as the ending of the model's name says it.
    pub region: Option<String>,
    /// How long content may be kept, in days.
    pub max_retention_days: Option<i32>,
    /// Whether nobody may train on content.
    pub forbid_training: bool,
    /// Whether contracting entity and ultimate parent must sit in the EU.
    pub eu_owned: bool,
    /// The session whose calls stay together.
    pub session: Option<String>,
    /// Whether the answer says how it was routed.
    pub wants_metadata: bool,
    /// What was said and has no effect here, to be named to the app.
    pub left_out: Vec<String>,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The cheapest.
    Price,
    /// Most tokens a second.
    Throughput,
    /// The soonest first content.
    Latency,
}

/// What a call says beside its body.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What it asks for.
    pub operation: Operation,
    /// The header x-session-id.
    pub session_id: Option<&'a str>,
    /// The header x-openrouter-metadata.
    pub metadata: Option<&'a str>,
}

/// Figures for so many of a hundred calls, over five minutes. Each figure is one that so many calls do as well as or better:
/// of latency they take at most, of throughput they reach at least so much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// For fifty: the median.
    pub p50: Option<f64>,
    /// For seventy-five.
    pub p75: Option<f64>,
    /// For ninety.
    pub p90: Option<f64>,
    /// For ninety-nine.
    pub p99: Option<f64>,
}

/// Why a call's preferences can't be kept to. The field is written in full, such as `provider.only[3]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A field does not say what it must.
    #[error("`{field}` {why}")]
    Invalid {
        /// The field.
        field: String,
        /// What it must be.
        why: String,
    },
    /// A field asks for what Lotse does not know of any candidate.
    #[error("`{field}` {why}")]
    Unsupported {
        /// The field.
        field: String,
        /// What is not known.
        why: String,
    },
}

impl Refused {
    pub(crate) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    pub(crate) fn unsupported(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), why: why.into() }
    }

    /// The stable word of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid_request",
            Self::Unsupported { .. } => "unsupported_field",
        }
    }

    /// The field, in full.
    pub fn field(&self) -> &str {
        match self {
            Self::Invalid { field, .. } | Self::Unsupported { field, .. } => field,
        }
    }
}

/// The field of a body that is routing's, if it is: it says who may answer, and is for nobody who does. `fallbacks` is
/// routing's in Messages only; elsewhere it is a field as any other.
fn routing_field(name: &str, operation: Operation) -> Option<&'static str> {
    let name = match name {
        "allow_quantization" => "allow_quantization",
        "allow_zero_data_retention" => "allow_zero_data_retention",
        "allowed_providers" => "allowed_providers",
        "enable_model_fallback" => "enable_model_fallback",
        "eu_native" => "eu_native",
        "fallbacks" if matches!(operation, Operation::Messages | Operation::CountTokens) => "fallbacks",
        "models" => "models",
        "preference" => "preference",
        "provider" => "provider",
        "session_id" => "session_id",
        _ => return None,
    };
    Some(name)
}

/// Whether a field is routing's in any operation that takes forms.
pub fn is_routing(name: &str) -> bool {
    routing_field(name, Operation::ImageEdits).is_some()
}

/// The fields of a body that are routing's, as far as they are there: they are taken out before it goes on, whether they are
/// honoured or not. None costs one pass over the names.
pub fn routing_fields(body: &[u8], scanned: &Scanned, operation: Operation) -> Vec<&'static str> {
    scanned.names(body).filter_map(|name| routing_field(name, operation)).collect()
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            models_field: "models",
            order: Vec::new(),
            only: None,
            only_field: "provider.only",
            ignore: Vec::new(),
            allow_fallbacks: true,
            require_parameters: false,
            quantizations: None,
            sort: None,
            across_models: false,
            min_throughput: Percentiles::default(),
            max_latency: Percentiles::default(),
            max_price: None,
            places: None,
            region: None,
            max_retention_days: None,
            forbid_training: false,
            eu_owned: false,
            session: None,
            wants_metadata: false,
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
