//! `lotse status`: each sidecar, and whether it holds what is current.

use std::io::Write;

use anyhow::Result;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde_json::json;

use crate::args::{Output, Status};
use crate::cluster::{Cluster, SidecarLine};

/// Writes the sidecars to `out`. True when each of them is current.
pub async fn run(flags: &Status, out: &mut dyn Write) -> Result<bool> {
    let cluster = Cluster::connect(flags.cluster.context.as_deref(), &flags.cluster.root_namespace).await?;
    let mut sidecars = cluster.sidecars().await?;
    if let Some(namespace) = &flags.namespace {
        let prefix = format!("{namespace}/");
        sidecars.retain(|sidecar| sidecar.pod.starts_with(&prefix));
    }
    let all_current = sidecars.iter().all(|sidecar| sidecar.state == "current");
    match flags.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&json!({"sidecars": sidecars}))?)?,
        Output::Table if sidecars.is_empty() => {
            writeln!(out, "There are no sidecars. Label a namespace lotse.dev/inject=enabled and restart its pods.")?;
        }
        Output::Table => writeln!(out, "{}", table(&sidecars))?,
    }
    Ok(all_current)
}

fn table(sidecars: &[SidecarLine]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).enforce_styling();
    table.set_header(
        ["POD", "STATE", "REVISION", "VERSION", "WHY"].map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
    );
    for sidecar in sidecars {
        let color = match sidecar.state.as_str() {
            "current" => Color::Green,
            "behind" => Color::Yellow,
            _ => Color::Red,
        };
        let why = sidecar.message.clone().unwrap_or_default();
        table.add_row([
            Cell::new(&sidecar.pod),
            Cell::new(&sidecar.state).fg(color),
            Cell::new(&sidecar.revision),
            Cell::new(&sidecar.version),
            Cell::new(why),
        ]);
    }
    table
}
