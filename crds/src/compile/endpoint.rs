//! Where a provider is called and how: its vendor's row with the provider's own words in it, or what is wrong with both
//! together. `candidate`, `exchange` and `read` ask.

use http::Uri;

use crate::fields::BodyFields;
use crate::problem::{Problem, Problems};
use crate::provider::{Api, CredentialType, LLMProviderSpec};
use crate::vendors::{Offering, Vendors};
use crate::wire::Wire;

/// Where a provider is called, and how.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint<'a> {
    pub(crate) offering: &'a Offering,
    pub(crate) wire: Wire,
    pub(crate) base_url: String,
    /// The region that the address shows, or else the one that the provider names.
    pub(crate) region: Option<String>,
    /// The service that AWS signatures name.
    pub(crate) service: Option<&'a str>,
}

impl Endpoint<'_> {
    /// The host. It may be written with the root's dot; it is the same host.
    pub(crate) fn host(&self) -> Option<String> {
        host_of(&self.base_url)
    }

    /// The body fields of every call: the provider's, and over them the vendor's.
    pub(crate) fn force(&self, own: &BodyFields) -> BodyFields {
        own.overlaid(&self.offering.force)
    }
}

/// What a provider comes to; nothing when it is simulated.
pub(crate) fn resolve<'a>(spec: &LLMProviderSpec, vendors: &'a Vendors) -> Result<Option<Endpoint<'a>>, Vec<Problem>> {
    let mut problems = Problems::default();
    if spec.api == Some(Api::Simulated) {
        return Ok(None);
    }
    let Some(offering) = offering(spec, vendors, &mut problems) else { return Err(problems.into_vec()) };
    meaningless(spec, offering, vendors, &mut problems);
    let base_url = base_url(spec, offering, vendors, &mut problems);
    let (host_region, service) = by_host(&base_url, vendors);
    let path_region = region_of_path(&base_url);
    for shown in [&host_region, &path_region].into_iter().flatten() {
        if let Some(region) = &spec.region
            && region != shown
        {
            problems.add("spec.region", format!("must be {shown}, as baseURL says, or be left out"));
        }
    }
    if let (Some(host), Some(path)) = (&host_region, &path_region)
        && host != path
    {
        problems.add("spec.baseURL", format!("must have one location, not {host} in its host and {path} in its path"));
    }
    let region = host_region.or(path_region).or_else(|| spec.region.clone());
    let signs = spec.credential.as_ref().is_some_and(|credential| credential.kind == CredentialType::AWS);
    if signs && region.is_none() && !base_url.is_empty() {
        problems.add("spec.region", "must be set, because AWS signatures name it");
    }
    let problems = problems.into_vec();
    if !problems.is_empty() {
        return Err(problems);
    }
    let wire = match &spec.api_version {
        Some(version) if offering.api == Api::AzureOpenAI => Wire::AzureDeployments { api_version: version.clone() },
        _ => offering.wire.clone(),
    };
    Ok(Some(Endpoint { offering, wire, base_url, region, service: service.or(offering.sigv4.as_deref()) }))
}

/// What is wrong with a provider and its vendor's row together. What one is based on is not known here.
pub(crate) fn endpoint_problems(spec: &LLMProviderSpec, vendors: &Vendors) -> Vec<Problem> {
    if spec.based_on.is_some() || spec.vendor.is_none() {
        return Vec::new();
    }
    resolve(spec, vendors).err().unwrap_or_default()
}

fn offering<'a>(spec: &LLMProviderSpec, vendors: &'a Vendors, problems: &mut Problems) -> Option<&'a Offering> {
    let vendor = spec.vendor();
    if let Some(row) = vendors.get(vendor) {
        let offering = row.offering(spec.api);
        if offering.is_none() {
            let known: Vec<String> = row.apis.iter().map(|offering| format!("{:?}", offering.api)).collect();
            problems.add("spec.api", format!("must be {} or Simulated for vendor `{vendor}`", known.join(", ")));
        }
        return offering;
    }
    let Some(api) = spec.api else {
        let known: Vec<_> = vendors.names().collect();
        let message =
            format!("must be set, because `{vendor}` is not a vendor that Lotse knows ({})", known.join(", "));
        problems.add("spec.api", message);
        return None;
    };
    vendors.dialect(api)
}

/// Fields that would be read over.
fn meaningless(spec: &LLMProviderSpec, offering: &Offering, vendors: &Vendors, problems: &mut Problems) {
    let (vendor, row) = (spec.vendor(), vendors.get(spec.vendor()));
    let says_nothing = |instead: &str| format!("may not be set: it means nothing to vendor `{vendor}`{instead}");
    if spec.api_version.is_some() && spec.api.is_none() && offering.api != Api::AzureOpenAI {
        problems.add("spec.apiVersion", "may only be set when api is AzureOpenAI");
    }
    let names_project = |url: &Option<String>| url.as_ref().is_some_and(|url| url.contains("{project}"));
    if spec.project.is_some() && !names_project(&offering.base_url) && !names_project(&offering.path) {
        problems.add("spec.project", says_nothing(""));
    }
    if spec.region.is_some() && offering.sigv4.is_none() && row.is_none_or(|row| row.regions.is_none()) {
        problems.add("spec.region", says_nothing("; its region is chosen by baseURL"));
    }
    for (at, model) in spec.models.iter().enumerate() {
        if model.deployment_type.is_some() && !row.is_some_and(crate::vendors::Vendor::has_deployments) {
            problems.add(format!("spec.models[{at}].deploymentType"), says_nothing(""));
        }
    }
    if let Some(credential) = &spec.credential
        && !offering.credentials.contains(&credential.kind)
    {
        let known: Vec<String> = offering.credentials.iter().map(|kind| format!("{kind:?}")).collect();
        let message = format!("must be {} for vendor `{vendor}` and api {:?}", known.join(" or "), offering.api);
        problems.add("spec.credential.type", message);
    }
}

/// The provider's own base URL, completed where it has no path; or the vendor's. Empty when there is none.
fn base_url(spec: &LLMProviderSpec, offering: &Offering, vendors: &Vendors, problems: &mut Problems) -> String {
    if let Some(url) = &spec.base_url {
        let url = url.trim_end_matches('/');
        let is_bare = url.parse::<Uri>().is_ok_and(|uri| uri.path().trim_end_matches('/').is_empty());
        return match &offering.path {
            Some(path) if is_bare && spec.api_version.is_none() => {
                let (region, _) = by_host(url, vendors);
                format!("{url}{}", filled(path, region.as_ref().or(spec.region.as_ref()), spec, problems))
            }
            _ => url.to_owned(),
        };
    }
    let of_region = spec.region.as_ref().and_then(|region| offering.region_urls.get(region));
    let Some(template) = of_region.or(offering.base_url.as_ref()) else {
        let message = format!("must be set, because vendor `{}` has no default", spec.vendor());
        problems.add("spec.baseURL", message);
        return String::new();
    };
    filled(template, spec.region.as_ref(), spec, problems)
}

fn filled(template: &str, region: Option<&String>, spec: &LLMProviderSpec, problems: &mut Problems) -> String {
    let mut url = template.to_owned();
    for (field, value) in [("region", region), ("project", spec.project.as_ref())] {
        let place = format!("{{{field}}}");
        if !url.contains(&place) {
            continue;
        }
        let Some(value) = value else {
            let message = format!("must be set, because vendor `{}` has it in its address: {template}", spec.vendor());
            problems.add(format!("spec.{field}"), message);
            continue;
        };
        url = url.replace(&place, value);
    }
    url
}

fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(uri.host()?.trim_end_matches('.').to_owned())
}

fn by_host<'a>(url: &str, vendors: &'a Vendors) -> (Option<String>, Option<&'a str>) {
    let Some((_, row, region)) = host_of(url).and_then(|host| vendors.host(&host)) else { return (None, None) };
    (region, row.sigv4.as_deref())
}

/// The location in a path of Vertex AI, which a private address does not have in its host.
fn region_of_path(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("/locations/")?;
    let region = rest.split('/').next()?;
    (!region.is_empty() && !region.starts_with('{')).then(|| region.to_owned())
}
