//! The rules that one object alone can break, beyond what its types say. The schema and its CEL say the same to the API
//! server; `read` asks here because a folder has none, `compile` because an older schema may have let something through.

use http::Uri;
use ipnet::IpNet;

use crate::place::{Places, WORLDWIDE, is_country};
use crate::policy::{DataPolicySpec, OnOverdue, Staleness};
use crate::problem::{Problem, Problems};
use crate::promises::{PlacePromise, Promises};
use crate::provider::{Api, CredentialType, EgressProxy, LLMProviderSpec, ServedModel};
use crate::route::{ModelRouteSpec, TierSpec};

/// Headers that HTTP itself needs, or that would tell the provider more than the call does.
/// Source: RFC 9110, section 7.6.1.
const RESERVED_HEADERS: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is wrong with a provider.
pub fn provider(spec: &LLMProviderSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    name(&mut problems, "spec.vendor", &spec.vendor, 63);
    if spec.api == Some(Api::Simulated) {
        if spec.base_url.is_some() {
            problems.add("spec.baseURL", "may not be set when api is Simulated");
        }
    } else if spec.simulated.is_some() {
        problems.add("spec.simulated", "may only be set when api is Simulated");
    }
    if let Some(simulated) = &spec.simulated {
        simulated.check(&mut problems);
    }
    base_url(&mut problems, spec);
    if let Some(credential) = &spec.credential {
        match credential.kind {
            CredentialType::APIKey if credential.api_key.is_none() => {
                problems.add("spec.credential.apiKey", "must be set when type is APIKey");
            }
            CredentialType::APIKey => {}
        }
    }
    headers(&mut problems, spec);
    spec.force.check(&mut problems, "spec.force");
    problems.count("spec.models", spec.models.len(), 1..=256);
    problems.unique("spec.models", spec.models.iter().map(|model| model.name.as_str()));
    for (at, model) in spec.models.iter().enumerate() {
        served_model(&mut problems, &format!("spec.models[{at}]"), model);
    }
    problems.count("spec.evidence", spec.evidence.len(), 0..=32);
    problems.unique("spec.evidence", spec.evidence.iter().map(|evidence| evidence.name.as_str()));
    for (at, evidence) in spec.evidence.iter().enumerate() {
        if evidence.source.is_empty() {
            problems.add(format!("spec.evidence[{at}].source"), "must say where the evidence is kept");
        }
    }
    promises(&mut problems, "spec.promises", &spec.promises);
    if let Some(consumers) = &spec.consumers {
        consumers.namespace_selector.check(&mut problems, "spec.consumers.namespaceSelector");
    }
    if let Some(tls) = &spec.tls
        && !tls.ca_bundle.contains("-----BEGIN CERTIFICATE-----")
    {
        problems.add("spec.tls.caBundle", "must hold PEM certificates");
    }
    egress_proxy(&mut problems, spec.egress_proxy.as_ref());
    for (at, network) in spec.allowed_addresses.iter().enumerate() {
        if network.parse::<IpNet>().is_err() {
            problems.add(
                format!("spec.allowedAddresses[{at}]"),
                format!("must be a CIDR such as 10.0.0.0/8, not `{network}`"),
            );
        }
    }
    problems.into_vec()
}

fn name(problems: &mut Problems, path: &str, value: &str, most: usize) {
    let plain = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if value.is_empty() || value.len() > most || !plain || value.starts_with('-') || value.ends_with('-') {
        problems.add(path, format!("must be lower-case letters, digits and dashes, at most {most}, not `{value}`"));
    }
}

fn base_url(problems: &mut Problems, spec: &LLMProviderSpec) {
    let Some(url) = &spec.base_url else { return };
    let path = "spec.baseURL";
    let parsed = url.parse::<Uri>().ok();
    let host = parsed.as_ref().and_then(Uri::host).unwrap_or_default();
    match parsed.as_ref().and_then(Uri::scheme_str) {
        _ if host.is_empty() => {
            problems.add(path, format!("must be a URL such as https://api.example.com/v1, not `{url}`"));
        }
        Some("https") => {}
        Some("http") if !spec.allowed_addresses.is_empty() => {}
        Some("http") => problems.add(
            path,
            "may only be http:// when allowedAddresses names the addresses that may be dialled; use https://",
        ),
        _ => problems.add(path, format!("must begin with https://, not `{url}`")),
    }
    if url.contains(['?', '#', '@']) {
        problems.add(path, "must have no query, fragment, user or password");
    }
}

fn egress_proxy(problems: &mut Problems, proxy: Option<&EgressProxy>) {
    let Some(proxy) = proxy else { return };
    let url = proxy.url.parse::<Uri>().ok();
    let is_plain = |url: &Uri| url.path() == "/" && url.query().is_none() && url.host().is_some();
    let is_http = url.as_ref().and_then(Uri::scheme_str).is_some_and(|scheme| scheme == "http" || scheme == "https");
    if !is_http || !url.as_ref().is_some_and(is_plain) || proxy.url.contains(['#', '@']) {
        problems
            .add("spec.egressProxy.url", format!("must be http://HOST:PORT or https://HOST:PORT, not `{}`", proxy.url));
    }
    if proxy.ca_bundle.as_ref().is_some_and(|bundle| !bundle.contains("-----BEGIN CERTIFICATE-----")) {
        problems.add("spec.egressProxy.caBundle", "must hold PEM certificates");
    }
}

fn headers(problems: &mut Problems, spec: &LLMProviderSpec) {
    problems.count("spec.headers", spec.headers.len(), 0..=16);
    problems.unique("spec.headers", spec.headers.iter().map(|header| header.name.as_str()));
    for (at, header) in spec.headers.iter().enumerate() {
        let path = format!("spec.headers[{at}]");
        name(problems, &format!("{path}.name"), &header.name, 64);
        if RESERVED_HEADERS.contains(&header.name.as_str()) {
            problems.add(format!("{path}.name"), format!("must not be `{}`: HTTP itself sets it", header.name));
        }
        if header.value.is_some() == header.secret_ref.is_some() {
            problems.add(&path, "exactly one of value and secretRef must be set");
        }
        if header.value.as_ref().is_some_and(|value| http::HeaderValue::from_str(value).is_err()) {
            problems.add(format!("{path}.value"), "must be visible ASCII");
        }
    }
}

fn served_model(problems: &mut Problems, path: &str, model: &ServedModel) {
    for (field, value) in [("name", Some(&model.name)), ("upstreamName", model.upstream_name.as_ref())] {
        if value.is_some_and(|value| value.is_empty() || value.len() > 256) {
            problems.add(format!("{path}.{field}"), "must have from 1 to 256 characters");
        }
    }
    promises(problems, &format!("{path}.promises"), &model.promises);
}

fn promises(problems: &mut Problems, path: &str, promises: &Promises) {
    let mut place = |field: &str, promise: Option<&PlacePromise>| {
        let Some(promise) = promise else { return };
        problems.count(&format!("{path}.{field}.regions"), promise.regions.len(), 1..=64);
    };
    place("inference", promises.inference.as_ref());
    place("storage", promises.storage.as_ref());
    place("access", promises.access.as_ref());
    let transfers = promises.transfers.iter().flat_map(|promise| &promise.entries);
    for (at, entry) in transfers.enumerate() {
        if entry.impact_assessment.as_ref().is_some_and(String::is_empty) {
            let path = format!("{path}.transfers.entries[{at}].impactAssessment");
            problems.add(path, "must say where the assessment is kept, or be left out");
        }
    }
    let days = promises.retention.as_ref().map(|promise| i64::from(promise.days));
    problems.bound(&format!("{path}.retention.days"), days, 0..=36_500);
}

/// What is wrong with a route.
pub fn route(spec: &ModelRouteSpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    problems.count("spec.models", spec.models.len(), 1..=64);
    problems.unique("spec.models", spec.models.iter().map(String::as_str));
    for (at, model) in spec.models.iter().enumerate() {
        let stem = model.strip_suffix('*').unwrap_or(model);
        if model.is_empty() || model.len() > 256 || stem.contains('*') || stem.contains(char::is_whitespace) {
            problems.add(
                format!("spec.models[{at}]"),
                format!("must be a model's name, or a prefix that ends in one *, not `{model}`"),
            );
        }
    }
    if let Some(selector) = &spec.namespace_selector {
        selector.check(&mut problems, "spec.namespaceSelector");
    }
    if let Some(selector) = &spec.pod_selector {
        selector.check(&mut problems, "spec.podSelector");
    }
    problems.count("spec.tiers", spec.tiers.len(), 1..=8);
    for (at, spec) in spec.tiers.iter().enumerate() {
        tier(&mut problems, &format!("spec.tiers[{at}]"), spec);
    }
    let timeouts = &spec.timeouts;
    for (field, value, most) in [
        ("connectMilliseconds", timeouts.connect_milliseconds, 60_000),
        ("firstContentMilliseconds", timeouts.first_content_milliseconds, 3_600_000),
        ("idleMilliseconds", timeouts.idle_milliseconds, 3_600_000),
        ("totalSeconds", timeouts.total_seconds, 86_400),
    ] {
        problems.bound(&format!("spec.timeouts.{field}"), Some(i64::from(value)), 1..=most);
    }
    problems.bound("spec.attempts", spec.attempts.map(i64::from), 1..=64);
    spec.defaults.check(&mut problems, "spec.defaults");
    spec.overrides.check(&mut problems, "spec.overrides");
    problems.into_vec()
}

fn tier(problems: &mut Problems, path: &str, tier: &TierSpec) {
    problems.count(&format!("{path}.targets"), tier.targets.len(), 1..=32);
    for (at, target) in tier.targets.iter().enumerate() {
        let path = format!("{path}.targets[{at}]");
        if target.model.is_empty() || target.model.len() > 256 {
            problems.add(format!("{path}.model"), "must have from 1 to 256 characters");
        }
        problems.bound(&format!("{path}.weight"), target.weight.map(i64::from), 1..=1_000_000);
    }
}

fn staleness(problems: &mut Problems, staleness: Staleness) {
    problems.bound("spec.staleness.warnSeconds", Some(staleness.warn_seconds.into()), 15..=604_800);
    problems.bound("spec.staleness.refuseSeconds", Some(staleness.refuse_seconds.into()), 30..=604_800);
    if staleness.warn_seconds > staleness.refuse_seconds {
        problems.add("spec.staleness", "warnSeconds must be at most refuseSeconds");
    }
}

/// What is wrong with a policy. A policy with problems can't be compiled, and refuses everything.
pub fn policy(spec: &DataPolicySpec) -> Vec<Problem> {
    let mut problems = Problems::default();
    for (field, selector) in [("namespaceSelector", &spec.namespace_selector), ("podSelector", &spec.pod_selector)] {
        if let Some(selector) = selector {
            selector.check(&mut problems, &format!("spec.{field}"));
        }
    }
    if let Some(names) = &spec.service_account_names {
        problems.count("spec.serviceAccountNames", names.len(), 1..=64);
    }
    staleness(&mut problems, spec.staleness);
    regions(&mut problems, "spec.inferenceRegions", spec.inference_regions.as_deref());
    regions(&mut problems, "spec.storageRegions", spec.storage_regions.as_deref());
    regions(&mut problems, "spec.accessRegions", spec.access_regions.as_deref());
    if let Some(jurisdictions) = &spec.jurisdictions {
        if jurisdictions.allowed.is_some() == jurisdictions.denied.is_some() {
            problems.add("spec.jurisdictions", "exactly one of allowed and denied must be set");
        }
        countries(&mut problems, "spec.jurisdictions.allowed", jurisdictions.allowed.as_deref());
        countries(&mut problems, "spec.jurisdictions.denied", jurisdictions.denied.as_deref());
        let conditional = jurisdictions.conditional.as_deref().unwrap_or_default();
        problems
            .unique("spec.jurisdictions.conditional", conditional.iter().map(|condition| condition.country.as_str()));
        for (at, condition) in conditional.iter().enumerate() {
            let path = format!("spec.jurisdictions.conditional[{at}]");
            if !is_country(&condition.country) {
                let message =
                    format!("must be the ISO 3166-1 alpha-2 code of one country, not `{}`", condition.country);
                problems.add(format!("{path}.country"), message);
            }
            problems.count(&format!("{path}.requires"), condition.requires.len(), 1..=5);
        }
    }
    problems.bound("spec.maxRetentionDays", spec.max_retention_days.map(i64::from), 0..=36_500);
    for (path, length) in [
        ("spec.transferMechanisms", spec.transfer_mechanisms.as_ref().map(Vec::len)),
        ("spec.requireCertifications", spec.require_certifications.as_ref().map(Vec::len)),
        ("spec.evidence.accept", spec.evidence.accept.as_ref().map(Vec::len)),
    ] {
        if let Some(length) = length {
            problems.count(path, length, 1..=32);
        }
    }
    countries(&mut problems, "spec.deniedSubprocessorCountries", spec.denied_subprocessor_countries.as_deref());
    let evidence = &spec.evidence;
    problems.bound("spec.evidence.maxAgeDays", evidence.max_age_days.map(i64::from), 1..=36_500);
    if evidence.on_overdue == OnOverdue::Exclude && evidence.max_age_days.is_none() {
        problems.add("spec.evidence.maxAgeDays", "must be set when onOverdue is Exclude");
    }
    if let Some(attested) = &evidence.attested_in {
        attested.namespace_selector.check(&mut problems, "spec.evidence.attestedIn.namespaceSelector");
    }
    problems.into_vec()
}

fn regions(problems: &mut Problems, path: &str, words: Option<&[String]>) {
    let Some(words) = words else { return };
    problems.count(path, words.len(), 1..=64);
    if words.iter().any(|word| word == WORLDWIDE) {
        if words.len() > 1 {
            problems.add(path, "Worldwide must stand alone");
        }
        return;
    }
    country_words(problems, path, words);
}

fn countries(problems: &mut Problems, path: &str, words: Option<&[String]>) {
    let Some(words) = words else { return };
    problems.count(path, words.len(), 1..=64);
    if words.iter().any(|word| word == WORLDWIDE) {
        problems.add(path, "must name countries; Worldwide is none");
        return;
    }
    country_words(problems, path, words);
}

fn country_words(problems: &mut Problems, path: &str, words: &[String]) {
    for word in Places::expand(words).unknown {
        let hint = if word == "UK" { " (the United Kingdom is GB)" } else { "" };
        problems.add(
            path,
            format!(
                "`{word}` is not a country that Lotse knows{hint}; must be an ISO 3166-1 alpha-2 code, EU, EEA or EFTA"
            ),
        );
    }
}
