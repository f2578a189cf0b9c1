//! What the controller counts. Labels come from closed sets.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::publish::{Sidecar, Standing};

/// What the controller counts.
pub struct Metrics {
    registry: Registry,
    /// 1 while this replica leads.
    pub leads: Gauge,
    sidecars: Family<SidecarLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SidecarLabels {
    state: &'static str,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let (leads, sidecars) = (Gauge::default(), Family::<SidecarLabels, Gauge>::default());
        registry.register("lotse_controller_leads", "1 while this replica leads", leads.clone());
        registry.register("lotse_controller_sidecars", "Sidecars, by how they stand", sidecars.clone());
        Self { registry, leads, sidecars }
    }

    /// All of it, as OpenMetrics text.
    pub fn text(&self, sidecars: &[Sidecar]) -> String {
        for (state, standing) in [
            ("current", Standing::Current),
            ("behind", Standing::Behind),
            ("refused", Standing::Refused),
            ("silent", Standing::Silent),
        ] {
            let count = sidecars.iter().filter(|sidecar| sidecar.standing == standing).count();
            self.sidecars.get_or_create(&SidecarLabels { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
