//! `lotse analyze`: every problem in manifests or in a cluster, each with a stable code and where to read on. The same
//! engine writes status.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;
use lotse_crds::exchange;
use lotse_crds::finding::{Finding, Severity};
use lotse_crds::manifests::Manifests;
use lotse_crds::read::{ReadError, read};
use lotse_crds::survey::survey;
use serde_json::{Value, json};

use crate::args::{Analyze, Output};
use crate::cluster::Cluster;

/// Where each code is explained.
pub const PAGE: &str = "docs/findings.md";

/// Writes every problem to `out`. False when there are errors.
pub async fn run(flags: &Analyze, now: Timestamp, out: &mut dyn Write) -> Result<bool> {
    let now = flags.at.unwrap_or(now);
    let mut undecodable = Vec::new();
    let read = if flags.files.is_empty() {
        let cluster = Cluster::connect(flags.cluster.context.as_deref(), &flags.cluster.root_namespace).await?;
        let (manifests, broken) = cluster.manifests().await?;
        undecodable = broken;
        Ok(manifests)
    } else {
        read(&texts(&flags.files)?, &flags.cluster.root_namespace).map(|mut manifests| {
            exchange::assume(&mut manifests);
            manifests
        })
    };
    let problems: Vec<Value> = undecodable.iter().map(finding).chain(problems(read, now)).collect();
    let errors = problems.iter().filter(|problem| problem["severity"] == "Error").count();
    match flags.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&json!({"findings": problems}))?)?,
        Output::Table if problems.is_empty() => writeln!(out, "Nothing is wrong.")?,
        Output::Table => {
            writeln!(out, "{}", table(&problems))?;
            writeln!(out, "\n{errors} errors, {} warnings; {PAGE} explains each code", problems.len() - errors)?;
        }
    }
    Ok(errors == 0)
}

/// What is wrong: with files that can't be read, or with what they say.
fn problems(read: Result<Manifests, Vec<ReadError>>, now: Timestamp) -> Vec<Value> {
    match read {
        Ok(manifests) => survey(&manifests, now).iter().map(finding).collect(),
        Err(errors) => errors.iter().map(error).collect(),
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity, "code": finding.code, "kind": finding.kind, "object": finding.object,
        "message": finding.message, "page": page(finding.code),
    })
}

fn error(error: &ReadError) -> Value {
    json!({
        "severity": Severity::Error, "code": "Unreadable", "file": error.file, "object": error.object,
        "message": error.message, "page": page("Unreadable"),
    })
}

fn page(code: &str) -> String {
    format!("{PAGE}#{}", code.to_lowercase())
}

/// The texts of files, and of the manifests of folders, by path.
fn texts(paths: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| format!("{} can't be read", path.display()))?;
            for entry in entries {
                let file = entry?.path();
                let ending = file.extension().and_then(|ending| ending.to_str());
                if matches!(ending, Some("yaml" | "yml" | "json")) && file.is_file() {
                    text(&file, &mut texts)?;
                }
            }
        } else {
            text(path, &mut texts)?;
        }
    }
    Ok(texts)
}

fn text(file: &Path, texts: &mut BTreeMap<String, String>) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    texts.insert(file.display().to_string(), text);
    Ok(())
}

fn table(problems: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).enforce_styling();
    table.set_header(["CODE", "OBJECT", "WHAT"].map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    let text = |problem: &Value, field: &str| problem[field].as_str().unwrap_or_default().to_owned();
    for problem in problems {
        let color = if problem["severity"] == "Error" { Color::Red } else { Color::Yellow };
        let object = match (text(problem, "kind"), text(problem, "object"), text(problem, "file")) {
            (kind, object, file) if file.is_empty() => format!("{kind} {object}"),
            (_, object, file) => format!("{file}\n{object}"),
        };
        table.add_row([
            Cell::new(text(problem, "code")).fg(color),
            Cell::new(object),
            Cell::new(text(problem, "message")),
        ]);
    }
    table
}
