//! Preferences: what an app asks of routing for one call, in the fields that OpenRouter and the EU's routers have for it.
//!
//! They are read once, and only ever tighten: each leaves candidates out or orders them, and is judged after the policies.
//! `read` makes them from a body, `judge` says who is out, `plan` asks both. What can't be kept to is refused, never read
//! over. Sources: OpenRouter's provider selection (docs of 2026-08), EUrouter, Cortecs, Requesty and Eden AI (2026-08).

use std::collections::BTreeSet;

use crate::price::MaxPrice;
use crate::provider::Quantization;

/// What an app asks of routing for one call. Nothing, by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Preferences {
    /// Models to ask when those before can't answer, after the body's `model`, in this order.
    pub models: Vec<String>,
    /// Who is tried first, in this order.
    pub order: Vec<ProviderWord>,
    /// Nobody but these.
    pub only: Option<Vec<ProviderWord>>,
    /// None of these.
    pub ignore: Vec<ProviderWord>,
    /// Whether others are tried when those in `order`, or the first, can't answer.
    pub allow_fallbacks: bool,
    /// Whether a candidate must be known to support all that the call needs.
    pub require_parameters: bool,
    /// How the kept weights must be; `None` stands for not known.
    pub quantizations: Option<BTreeSet<Option<Quantization>>>,
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
    /// Where content may be decrypted, as words of a region list, each of which must hold.
    pub places: Vec<String>,
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

/// A word by which an app names a provider: `namespace/name` or the name of an LLMProvider, or a vendor by Lotse's or by
/// OpenRouter's word, with `/region` behind it or not. In lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderWord(pub String);

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

/// Percentiles that should hold, over five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<f64>,
    /// The third quartile.
    pub p75: Option<f64>,
    /// The ninth decile.
    pub p90: Option<f64>,
    /// The last percentile.
    pub p99: Option<f64>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            order: Vec::new(),
            only: None,
            ignore: Vec::new(),
            allow_fallbacks: true,
            require_parameters: false,
            quantizations: None,
            sort: None,
            across_models: false,
            min_throughput: Percentiles::default(),
            max_latency: Percentiles::default(),
            max_price: None,
            places: Vec::new(),
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
