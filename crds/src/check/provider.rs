//! The rules that an LLMProvider alone can break. `check` and its callers ask; those of its credential are beside this.

use http::Uri;
use ipnet::IpNet;

use crate::problem::{Problem, Problems};
use crate::promises::{PlacePromise, Promises};
use crate::provider::{Api, EgressProxy, LLMProviderSpec, Operator, ServedModel, Tls};

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
    if spec.based_on.is_some() {
        based_on(&mut problems, spec);
    } else {
        standing_alone(&mut problems, spec);
    }
    if let Some(credential) = &spec.credential {
        super::credential::credential(&mut problems, credential);
    }
    if let Some(limits) = &spec.limits {
        limits.check(&mut problems, "spec.limits");
    }
    problems.into_vec()
}

/// Nothing but the credential and limits is its own.
fn based_on(problems: &mut Problems, spec: &LLMProviderSpec) {
    if spec.credential.is_none() {
        problems.add("spec.credential", "must be set beside basedOn");
    }
    let set = [
        ("vendor", spec.vendor.is_some()),
        ("models", !spec.models.is_empty()),
        ("api", spec.api.is_some()),
        ("baseURL", spec.base_url.is_some()),
        ("region", spec.region.is_some()),
        ("project", spec.project.is_some()),
        ("apiVersion", spec.api_version.is_some()),
        ("operatedBy", spec.operated_by != Operator::default()),
        ("headers", !spec.headers.is_empty()),
        ("force", !spec.force.is_empty()),
        ("evidence", !spec.evidence.is_empty()),
        ("promises", !spec.promises.is_empty()),
        ("consumers", spec.consumers.is_some()),
        ("tls", spec.tls.is_some()),
        ("egressProxy", spec.egress_proxy.is_some()),
        ("allowedAddresses", !spec.allowed_addresses.is_empty()),
        ("feePercent", spec.fee_percent.is_some()),
        ("simulated", spec.simulated.is_some()),
    ];
    for (field, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        problems.add(format!("spec.{field}"), "nothing but credential and limits may be set beside basedOn");
    }
}

fn standing_alone(problems: &mut Problems, spec: &LLMProviderSpec) {
    match &spec.vendor {
        Some(vendor) => name(problems, "spec.vendor", vendor, 63),
        None => problems.add("spec.vendor", "must be set, unless basedOn is"),
    }
    if spec.api == Some(Api::Simulated) {
        if spec.base_url.is_some() {
            problems.add("spec.baseURL", "may not be set when api is Simulated");
        }
    } else if spec.simulated.is_some() {
        problems.add("spec.simulated", "may only be set when api is Simulated");
    }
    if let Some(simulated) = &spec.simulated {
        simulated.check(problems);
    }
    base_url(problems, spec);
    words(problems, spec);
    headers(problems, spec);
    spec.force.check(problems, "spec.force");
    problems.count("spec.models", spec.models.len(), 1..=256);
    problems.unique("spec.models", spec.models.iter().map(|model| model.name.as_str()));
    for (at, model) in spec.models.iter().enumerate() {
        served_model(problems, &format!("spec.models[{at}]"), model);
    }
    problems.count("spec.evidence", spec.evidence.len(), 0..=32);
    problems.unique("spec.evidence", spec.evidence.iter().map(|evidence| evidence.name.as_str()));
    for (at, evidence) in spec.evidence.iter().enumerate() {
        if evidence.source.is_empty() {
            problems.add(format!("spec.evidence[{at}].source"), "must say where the evidence is kept");
        }
    }
    promises(problems, "spec.promises", &spec.promises);
    if let Some(consumers) = &spec.consumers {
        consumers.namespace_selector.check(problems, "spec.consumers.namespaceSelector");
    }
    tls(problems, spec.tls.as_ref());
    egress_proxy(problems, spec.egress_proxy.as_ref());
    for (at, network) in spec.allowed_addresses.iter().enumerate() {
        if network.parse::<IpNet>().is_err() {
            problems.add(
                format!("spec.allowedAddresses[{at}]"),
                format!("must be a CIDR such as 10.0.0.0/8, not `{network}`"),
            );
        }
    }
}

/// Words that become part of an address.
fn words(problems: &mut Problems, spec: &LLMProviderSpec) {
    if let Some(region) = &spec.region {
        name(problems, "spec.region", region, 63);
    }
    let in_project = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    if let Some(project) = &spec.project
        && (project.is_empty() || project.len() > 63 || !project.bytes().all(in_project))
    {
        problems.add("spec.project", format!("must be a project's id or number, not `{project}`"));
    }
    if spec.api_version.is_some() && spec.api.is_some_and(|api| api != Api::AzureOpenAI) {
        problems.add("spec.apiVersion", "may only be set when api is AzureOpenAI");
    }
    let in_version = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if let Some(version) = &spec.api_version
        && (!(10..=32).contains(&version.len()) || !version.bytes().all(in_version))
    {
        problems.add("spec.apiVersion", format!("must be a version such as 2024-10-21, not `{version}`"));
    }
}

fn tls(problems: &mut Problems, tls: Option<&Tls>) {
    let Some(Tls { ca_bundle, client_certificate_ref }) = tls else { return };
    if ca_bundle.is_none() && client_certificate_ref.is_none() {
        problems.add("spec.tls", "caBundle or clientCertificateRef must be set");
    }
    if ca_bundle.as_ref().is_some_and(|bundle| !bundle.contains("-----BEGIN CERTIFICATE-----")) {
        problems.add("spec.tls.caBundle", "must hold PEM certificates");
    }
    if client_certificate_ref.as_ref().is_some_and(|reference| reference.name.is_empty()) {
        problems.add("spec.tls.clientCertificateRef.name", "must name a Secret");
    }
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
    for (field, tokens) in [("contextTokens", model.context_tokens), ("maxOutputTokens", model.max_output_tokens)] {
        problems.bound(&format!("{path}.{field}"), tokens.map(i64::from), 1..=100_000_000);
    }
    if let (Some(context), Some(output)) = (model.context_tokens, model.max_output_tokens)
        && output > context
    {
        problems.add(format!("{path}.maxOutputTokens"), "must be at most contextTokens");
    }
    problems.unique(&format!("{path}.supports"), model.supports.iter().map(|ability| ability.name()));
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
