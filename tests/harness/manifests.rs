//! Manifests for tests: a root policy that lets everything through unless said otherwise, providers, and one route.

use crate::provider::FakeProvider;

/// The folder of a test, file by file.
#[derive(Clone, Debug)]
pub struct World {
    policies: String,
    providers: Vec<(String, String, String)>,
    tiers: String,
    route: String,
    more: Vec<(String, String)>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            policies: policy("lotse-system", "everything", "inferenceRegions: [Worldwide]"),
            providers: Vec::new(),
            tiers: String::new(),
            route: String::new(),
            more: Vec::new(),
        }
    }
}

/// A policy with this spec (one line of YAML flow, or several lines).
pub fn policy(namespace: &str, name: &str, spec: &str) -> String {
    object("DataPolicy", namespace, name, spec)
}

/// An object with this spec.
pub fn object(kind: &str, namespace: &str, name: &str, spec: &str) -> String {
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{indented}---\n"
    )
}

/// Lines of a provider's spec that promise inference, storage and access in these regions, and more (in YAML's flow), all
/// on the evidence `e`, which does not lapse.
pub fn promising(regions: &str, more: &str) -> String {
    let place = format!("{{regions: [{regions}], evidence: [e]}}");
    format!(
        "evidence: [{{name: e, kind: Contractual, source: s, validUntil: 2999-01-01}}]\n\
         promises: {{inference: {place}, storage: {place}, access: {place}, {more}}}"
    )
}

impl World {
    /// Providers in this order, one tier, tried as listed.
    pub fn of(providers: &[(&str, &FakeProvider)]) -> Self {
        let mut world = Self::default();
        for (name, provider) in providers {
            world = world.provider(name, &provider.url(), "");
        }
        world
    }

    /// One more provider at `url`, with more lines of spec.
    #[must_use]
    pub fn provider(mut self, name: &str, url: &str, more: &str) -> Self {
        self.providers.push((name.to_owned(), url.to_owned(), more.to_owned()));
        self
    }

    /// These policies instead of the one that lets everything through.
    #[must_use]
    pub fn policies(mut self, policies: &[String]) -> Self {
        self.policies = policies.concat();
        self
    }

    /// These tiers instead of one tier in order.
    #[must_use]
    pub fn tiers(mut self, tiers: &str) -> Self {
        tiers.clone_into(&mut self.tiers);
        self
    }

    /// More lines of the route's spec, such as timeouts.
    #[must_use]
    pub fn route(mut self, more: &str) -> Self {
        more.clone_into(&mut self.route);
        self
    }

    /// One more file.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.more.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The files.
    pub fn files(&self) -> Vec<(String, String)> {
        let providers: String = self.providers.iter().map(|(name, url, more)| provider(name, url, more)).collect();
        let mut listed: Vec<String> =
            self.providers.iter().map(|(name, ..)| format!("{{model: m, provider: {{name: {name}}}}}")).collect();
        if listed.is_empty() {
            listed.push("{model: m}".to_owned());
        }
        let tiers = if self.tiers.is_empty() {
            format!("- {{balance: Order, targets: [{}]}}", listed.join(", "))
        } else {
            self.tiers.clone()
        };
        let route = format!("namespaceSelector: {{}}\nmodels: [gpt-4o]\ntiers:\n{tiers}\n{}", self.route);
        let mut files = vec![
            ("policies.yaml".to_owned(), self.policies.clone()),
            ("providers.yaml".to_owned(), providers),
            ("route.yaml".to_owned(), object("ModelRoute", "lotse-system", "route", &route)),
        ];
        files.extend(self.more.clone());
        files
    }
}

fn provider(name: &str, url: &str, more: &str) -> String {
    let models = if more.contains("models:") { "" } else { "models: [{name: m, upstreamName: upstream}]\n" };
    let vendor = if more.contains("vendor:") { "" } else { "vendor: vllm\n" };
    let spec = format!(
        "{vendor}baseURL: {url}\nallowedAddresses: [127.0.0.0/8]\nconsumers: {{namespaceSelector: {{}}}}\n{models}{more}"
    );
    object("LLMProvider", "lotse-system", name, &spec)
}
