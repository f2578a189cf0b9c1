//! How long the API server waits for the webhook, by its own histogram, while pods are made at a steady rate (and not kept).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinSet;

const METRIC: &str =
    "apiserver_admission_webhook_admission_duration_seconds_bucket{name=\"namespace.inject.lotse.dev\"";

/// Makes pods on trial, and tells the percentiles of what the API server saw meanwhile.
pub(crate) async fn measure(client: &Client, per_second: u32, seconds: u32) -> anyhow::Result<()> {
    let before = buckets(client).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut asked = JoinSet::new();
    for at in 0..per_second * seconds {
        ticks.tick().await;
        let pods = Api::<Pod>::namespaced(client.clone(), "bench-0");
        let pod: Pod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("trial-{at}")},
            "spec": {"containers": [{"name": "app", "image": "none"}]},
        }))?;
        asked.spawn(async move {
            pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await.map(drop)
        });
    }
    while let Some(done) = asked.join_next().await {
        done??;
    }
    let after = buckets(client).await?;
    let mut during: Vec<(f64, f64)> = after
        .iter()
        .map(|(bound, count)| (bound.parse().unwrap_or(f64::INFINITY), count - before.get(bound).unwrap_or(&0.0)))
        .collect();
    during.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all = during.last().map_or(0.0, |(_, count)| *count);
    crate::say(&format!(
        "the API server waits for the webhook, {per_second} pods/s: p50 {:.1} ms, p99 {:.1} ms ({all} reviews, by its histogram)",
        quantile(&during, 0.5) * 1000.0,
        quantile(&during, 0.99) * 1000.0
    ));
    Ok(())
}

/// The value below which a part of all lies, straight between the bounds of its bucket, as Prometheus' `histogram_quantile`
/// has it. Buckets are cumulative and sorted.
fn quantile(buckets: &[(f64, f64)], part: f64) -> f64 {
    let rank = buckets.last().map_or(0.0, |(_, count)| count * part);
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank && *count > below {
            return if bound.is_finite() { lower + (bound - lower) * (rank - below) / (count - below) } else { lower };
        }
        (lower, below) = (*bound, *count);
    }
    lower
}

/// The counts of the API server's histogram, by upper bound.
async fn buckets(client: &Client) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await.context("the metrics")?;
    let mut buckets: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(METRIC)) {
        let bound = line.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
        if let Some((bound, count)) = bound.zip(count) {
            *buckets.entry(bound.to_owned()).or_default() += count;
        }
    }
    Ok(buckets)
}
