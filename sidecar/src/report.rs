//! What a person at the terminal sees: what listens, who would answer, and what is wrong with the manifests.

use std::fmt::Write;
use std::io::{self, Write as _};

use lotse_crds::finding::{Finding, Severity};
use lotse_crds::snapshot::{ModelNames, Route, Snapshot, Tier};

use crate::folder::FolderError;
use crate::serve::App;

/// What listens, and who would answer.
pub fn started(app: &App, lines: &[(&str, String)]) -> String {
    let Some(table) = app.table() else { return String::new() };
    let workload = &table.snapshot.workload;
    let mut text = format!(
        "Lotse {} for {}/{}, revision {}\n",
        env!("CARGO_PKG_VERSION"),
        workload.namespace,
        workload.service_account,
        table.snapshot.revision().0
    );
    for (name, value) in lines {
        writeln!(text, "  {name:<7} {value}").expect("a string takes any text");
    }
    text + &routes(&table.snapshot)
}

/// Who would answer now that the folder has changed.
pub fn applied(app: &App) -> String {
    let Some(table) = app.table() else { return String::new() };
    let revision = table.snapshot.revision().0;
    tracing::info!(revision, "the folder has changed and is in force");
    format!("\nThe folder has changed; revision {revision}\n{}", routes(&table.snapshot))
}

/// Says what is wrong with the folder, while what was in force stays.
pub fn refused(error: &FolderError) {
    let mut source = std::error::Error::source(error);
    let mut message = error.to_string();
    while let Some(cause) = source {
        write!(message, ": {cause}").expect("a string takes any text");
        source = cause.source();
    }
    for line in message.lines() {
        tracing::error!("the folder is not applied, what was in force stays: {line}");
    }
}

/// Tells the log what there is to say about objects.
pub fn findings(findings: &[Finding]) {
    for finding in findings {
        match finding.severity {
            Severity::Error => tracing::error!("{finding}"),
            Severity::Warning => tracing::warn!("{finding}"),
        }
    }
}

/// Who would answer each model, as a table.
fn routes(snapshot: &Snapshot) -> String {
    let mut rows = vec![["MODEL", "TIER", "BALANCE", "PROVIDER", "STATUS"].map(str::to_owned)];
    for route in &snapshot.routes {
        for (at, tier) in route.tiers.iter().enumerate() {
            rows.extend(tier_rows(route, at + 1, tier));
        }
    }
    if rows.len() == 1 {
        return "\nNo ModelRoute answers this workload.\n".to_owned();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = "\n".to_owned();
    for [model, tier, balance, provider, status] in &rows {
        let [w0, w1, w2, w3] = widths;
        writeln!(text, "{model:<w0$}  {tier:<w1$}  {balance:<w2$}  {provider:<w3$}  {status}")
            .expect("a string takes any text");
    }
    text
}

fn tier_rows(route: &Route, number: usize, tier: &Tier) -> Vec<[String; 5]> {
    let models = ModelNames(&route.models).to_string();
    let eligible = tier
        .candidates
        .iter()
        .map(|candidate| (format!("{} {}", candidate.provider, candidate.model), "eligible".to_owned()));
    let refused = tier.refused.iter().map(|refused| {
        let mut codes: Vec<&str> = refused.reasons.iter().map(|reason| reason.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        (format!("{} {}", refused.provider, refused.model), codes.join(", "))
    });
    eligible
        .chain(refused)
        .map(|(provider, status)| [models.clone(), number.to_string(), format!("{:?}", tier.balance), provider, status])
        .collect()
}

/// Shows text to a person. A terminal that is gone is no reason to stop answering calls.
pub fn show(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
