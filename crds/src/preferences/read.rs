//! Reads preferences from the top-level fields of a body, whatever its dialect. What can't be kept to is refused by name.
//! Called by the sidecar for each call, so that a body that says nothing costs one pass over its names.

use super::value::{Object, Value};
use super::{Asked, Percentiles, Preferences, ProviderWord, Refused, Sort, routing_field, word};
use crate::body::Scanned;
use crate::place::places_of;
use crate::price::{Dollars, MaxPrice};
use crate::provider::Quantization::{self, BF16, FP4, FP6, FP8, FP16, FP32, INT4, INT8, MXFP4, MXFP8, NVFP4};

/// How many models Messages may have in `fallbacks`, as OpenRouter has it.
const MOST_FALLBACKS: usize = 3;

const PROVIDER_FIELDS: [&str; 16] = [
    "order",
    "only",
    "ignore",
    "allow_fallbacks",
    "require_parameters",
    "data_collection",
    "zdr",
    "enforce_distillable_text",
    "quantizations",
    "sort",
    "preferred_min_throughput",
    "preferred_max_latency",
    "max_price",
    "data_residency",
    "max_retention_days",
    "eu_owned",
];

/// What a word of `quantizations` takes in. A word without a suffix takes in those that share scales, as OpenRouter has it.
const QUANTIZATIONS: [(&str, &[Option<Quantization>]); 12] = [
    ("int4", &[Some(INT4)]),
    ("int8", &[Some(INT8)]),
    ("fp4", &[Some(FP4), Some(MXFP4), Some(NVFP4)]),
    ("mxfp4", &[Some(MXFP4)]),
    ("nvfp4", &[Some(NVFP4)]),
    ("fp6", &[Some(FP6)]),
    ("fp8", &[Some(FP8), Some(MXFP8)]),
    ("mxfp8", &[Some(MXFP8)]),
    ("fp16", &[Some(FP16)]),
    ("bf16", &[Some(BF16)]),
    ("fp32", &[Some(FP32)]),
    ("unknown", &[None]),
];

/// Weights that are as they were trained.
const NOT_QUANTIZED: [Option<Quantization>; 3] = [Some(FP16), Some(BF16), Some(FP32)];

/// What `sort` may say; `exacto` asks for measured quality of tool calls, which Lotse does not measure.
const SORTS: [(&str, Option<Sort>); 4] = [
    ("price", Some(Sort::Price)),
    ("throughput", Some(Sort::Throughput)),
    ("latency", Some(Sort::Latency)),
    ("exacto", None),
];

/// The fields of one body.
struct Body<'b> {
    bytes: &'b [u8],
    scanned: &'b Scanned,
}

impl<'b> Body<'b> {
    fn get(&self, name: &str) -> Option<Value<'b>> {
        Value::new(name, self.scanned.value(self.bytes, name)?)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Refused> {
        self.get(name).map(|value| value.flag()).transpose()
    }
}

impl Preferences {
    /// What a call asks of routing, in its body and its headers. Words that name providers are not looked up yet: see
    /// [`Preferences::check_names`].
    pub fn read(body: &[u8], scanned: &Scanned, asked: Asked<'_>) -> Result<Self, Refused> {
        let mut preferences = Self::default();
        let is_asked = |name| routing_field(name, asked.operation).is_some() || name == "prompt_cache_key";
        let has_fields = scanned.names(body).any(is_asked);
        if !has_fields && asked.session_id.is_none() && asked.metadata.is_none() {
            return Ok(preferences);
        }
        let body = Body { bytes: body, scanned };
        preferences.wants_metadata = asked.metadata.is_some_and(|value| value.eq_ignore_ascii_case("enabled"));
        preferences.session = session(&body, asked)?;
        if let Some(provider) = body.get("provider") {
            preferences.read_provider(&provider.object(&PROVIDER_FIELDS)?)?;
        }
        preferences.read_models(&body, asked)?;
        preferences.read_cortecs(&body)?;
        word::check_lists(&preferences)?;
        Ok(preferences)
    }

    fn read_provider(&mut self, provider: &Object<'_>) -> Result<(), Refused> {
        self.order = provider.get("order").map_or(Ok(Vec::new()), |list| words(&list))?;
        self.only = provider.get("only").map(|list| not_empty(&list, words(&list)?)).transpose()?;
        self.ignore = provider.get("ignore").map_or(Ok(Vec::new()), |list| words(&list))?;
        self.allow_fallbacks = provider.flag("allow_fallbacks")?.unwrap_or(true);
        self.require_parameters = provider.flag("require_parameters")?.unwrap_or(false);
        self.quantizations = provider.get("quantizations").map(|list| quantizations(&list)).transpose()?;
        self.min_throughput = percentiles(provider.get("preferred_min_throughput"))?;
        self.max_latency = percentiles(provider.get("preferred_max_latency"))?;
        self.max_price = provider.get("max_price").map_or(Ok(None), |value| max_price(&value))?;
        if let Some(sort) = provider.get("sort") {
            self.read_sort(&sort)?;
        }
        self.read_data(provider)
    }

    /// The fields that speak of what becomes of the data.
    fn read_data(&mut self, provider: &Object<'_>) -> Result<(), Refused> {
        if provider.flag("enforce_distillable_text")? == Some(true) {
            let why = "is not known of any model here; leave it out";
            return Err(Refused::unsupported("provider.enforce_distillable_text", why));
        }
        self.max_retention_days = provider.get("max_retention_days").map(|days| days.whole()).transpose()?;
        if provider.flag("zdr")? == Some(true) {
            self.max_retention_days = Some(0);
        }
        let collection = provider.get("data_collection");
        let denies = |value: Value<'_>| value.one_of(&[("allow", false), ("deny", true)]);
        if collection.map(denies).transpose()? == Some(true) {
            self.max_retention_days = Some(0);
            self.forbid_training = true;
        }
        if let Some(residency) = provider.get("data_residency") {
            let places = residency.string().and_then(|word| places_of(&word));
            let what = "eu, eea, efta or the ISO code of a country";
            self.places = Some(places.ok_or_else(|| residency.must_be(what))?);
        }
        self.eu_owned = provider.flag("eu_owned")?.unwrap_or(false);
        Ok(())
    }

    fn read_sort(&mut self, sort: &Value<'_>) -> Result<(), Refused> {
        let by = if sort.is_object() {
            let fields = sort.object(&["by", "partition"])?;
            let across = |value: Value<'_>| value.one_of(&[("model", false), ("none", true)]);
            self.across_models = fields.get("partition").map(across).transpose()?.unwrap_or(false);
            fields.get("by").map(|by| by.one_of(&SORTS)).transpose()?
        } else {
            let what = "price, throughput, latency, exacto, or an object with by and partition";
            Some(sort.one_of(&SORTS).map_err(|_| sort.must_be(what))?)
        };
        if by == Some(None) {
            self.left_out.push(sort.name().to_owned());
        }
        self.sort = by.flatten();
        Ok(())
    }

    fn read_models(&mut self, body: &Body<'_>, asked: Asked<'_>) -> Result<(), Refused> {
        let fallbacks = body.get("fallbacks").filter(|_| routing_field("fallbacks", asked.operation).is_some());
        let models = body.get("models");
        if let (Some(fallbacks), Some(_)) = (&fallbacks, &models) {
            return Err(Refused::invalid(fallbacks.name(), "may not be set beside `models`; set one of the two"));
        }
        if let Some(models) = models {
            self.models = models.list()?.iter().map(Value::text).collect::<Result<_, _>>()?;
        }
        if let Some(fallbacks) = fallbacks {
            let list = fallbacks.list()?;
            if list.len() > MOST_FALLBACKS {
                return Err(fallbacks.must_be(format_args!("a list of at most {MOST_FALLBACKS} models")));
            }
            self.models = list.iter().map(fallback).collect::<Result<_, _>>()?;
            self.models_field = "fallbacks";
        }
        Ok(())
    }

    /// Cortecs' own fields, which stand beside the model.
    fn read_cortecs(&mut self, body: &Body<'_>) -> Result<(), Refused> {
        self.eu_owned |= body.flag("eu_native")?.unwrap_or(false);
        if body.flag("allow_zero_data_retention")? == Some(true) {
            self.max_retention_days = Some(0);
        }
        if body.flag("allow_quantization")? == Some(false) {
            let kept = |kept: &Option<Quantization>| self.quantizations.as_ref().is_none_or(|list| list.contains(kept));
            let rest: Vec<_> = NOT_QUANTIZED.into_iter().filter(kept).collect();
            if rest.is_empty() {
                let why = "may not be false beside provider.quantizations that has none of fp16, bf16 and fp32";
                return Err(Refused::invalid("allow_quantization", why));
            }
            self.quantizations = Some(rest);
        }
        if let Some(list) = body.get("allowed_providers") {
            if self.only.is_some() {
                let why = "may not be set beside `provider.only`; set one of the two";
                return Err(Refused::invalid(list.name(), why));
            }
            self.only = Some(not_empty(&list, words(&list)?)?);
            self.only_field = "allowed_providers";
        }
        if let Some(preference) = body.get("preference") {
            let preferred = [("speed", Some(Sort::Throughput)), ("cost", Some(Sort::Price)), ("balanced", None)];
            let sort = preference.one_of(&preferred)?;
            if self.sort.is_some() && self.sort != sort {
                let why = "contradicts `provider.sort`; set one of the two";
                return Err(Refused::invalid(preference.name(), why));
            }
            self.sort = sort;
        }
        if body.flag("enable_model_fallback")? == Some(false) {
            self.models.clear();
        }
        Ok(())
    }
}

/// The session that a call belongs to. `prompt_cache_key` is the provider's to judge; here it counts if it can.
fn session(body: &Body<'_>, asked: Asked<'_>) -> Result<Option<String>, Refused> {
    let too_long = "must be a string of at most 256 characters";
    let field = body.get("session_id");
    let field =
        field.map(|value| value.string().ok_or_else(|| Refused::invalid(value.name(), too_long))).transpose()?;
    let header = asked.session_id.unwrap_or_default();
    if header.chars().nth(super::value::LONGEST).is_some() {
        return Err(Refused::invalid("x-session-id", too_long));
    }
    let header = || (!header.is_empty()).then(|| header.to_owned());
    let cache_key = || body.get("prompt_cache_key")?.text().ok();
    Ok(field.filter(|field| !field.is_empty()).or_else(header).or_else(cache_key))
}

fn words(list: &Value<'_>) -> Result<Vec<ProviderWord>, Refused> {
    list.list()?.iter().map(|entry| Ok(ProviderWord::new(&entry.text()?))).collect()
}

/// A list of who or what is allowed. An empty one is a slip of whoever computed it: it allows nothing, or everything.
fn not_empty<T>(list: &Value<'_>, entries: Vec<T>) -> Result<Vec<T>, Refused> {
    if entries.is_empty() { Err(list.must_be("a list with at least one entry, or be left out")) } else { Ok(entries) }
}

fn quantizations(list: &Value<'_>) -> Result<Vec<Option<Quantization>>, Refused> {
    let mut kept = Vec::new();
    for entry in list.list()? {
        for quantization in entry.one_of(&QUANTIZATIONS)? {
            if !kept.contains(quantization) {
                kept.push(*quantization);
            }
        }
    }
    not_empty(list, kept)
}

fn percentiles(value: Option<Value<'_>>) -> Result<Percentiles, Refused> {
    let Some(value) = value else { return Ok(Percentiles::default()) };
    if !value.is_object() {
        let p50 =
            value.number().map_err(|_| value.must_be("a number, not negative, or an object of p50, p75, p90, p99"));
        return Ok(Percentiles { p50: Some(p50?), ..Percentiles::default() });
    }
    let fields = value.object(&["p50", "p75", "p90", "p99"])?;
    let figure = |key| fields.get(key).map(|figure| figure.number()).transpose();
    Ok(Percentiles { p50: figure("p50")?, p75: figure("p75")?, p90: figure("p90")?, p99: figure("p99")? })
}

fn max_price(value: &Value<'_>) -> Result<Option<MaxPrice>, Refused> {
    let fields = value.object(&["prompt", "completion", "request", "image", "audio"])?;
    for unknown in ["request", "image", "audio"] {
        if let Some(price) = fields.get(unknown) {
            let why = "is a price that is not known of any model here; leave it out, or set prompt and completion";
            return Err(Refused::unsupported(price.name(), why));
        }
    }
    let price = |key| {
        let amount = fields.get(key).map(|price| price.amount()).transpose();
        amount.map(|amount| amount.and_then(Dollars::not_above))
    };
    let most = MaxPrice { input_per_million: price("prompt")?, output_per_million: price("completion")? };
    Ok((most != MaxPrice::default()).then_some(most))
}

/// An entry of `fallbacks`: a model, in an object or alone.
fn fallback(entry: &Value<'_>) -> Result<String, Refused> {
    if !entry.is_object() {
        return entry.text().map_err(|_| entry.must_be("a model's name, or an object with `model`"));
    }
    let model = entry.object(&["model"])?.get("model");
    model.ok_or_else(|| entry.must_be("an object with `model`"))?.text()
}
