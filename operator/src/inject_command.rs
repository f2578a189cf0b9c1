//! `lotse inject`: gives the pods of manifests their sidecar, as the webhook would, without a cluster.

use std::io::{Read as _, Write};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::args::Inject;
use crate::inject::{Decision, Settings, inject, template_path};

/// Reads manifests, and writes them with sidecars to `out`. What makes no pods is written as it is.
pub fn run(flags: &Inject, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    if flags.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("the standard input can't be read")?;
    } else {
        text =
            std::fs::read_to_string(&flags.file).with_context(|| format!("{} can't be read", flags.file.display()))?;
    }
    let settings = Settings::new(&flags.sidecar, &flags.root_namespace, "");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).with_context(|| flags.file.display().to_string())?;
    for mut document in documents.into_iter().filter(|document| !document.is_null()) {
        with_sidecar(&mut document, flags, &settings)?;
        writeln!(out, "---\n{}", serde_saphyr::to_string(&document)?.trim_end())?;
    }
    Ok(())
}

fn with_sidecar(document: &mut Value, flags: &Inject, settings: &Settings) -> Result<()> {
    let Some(path) = template_path(document) else { return Ok(()) };
    let title = format!("{} {}", document["kind"].as_str().unwrap_or_default(), document["metadata"]["name"]);
    let namespace = document["metadata"]["namespace"].as_str().unwrap_or(&flags.namespace).to_owned();
    let pod = document.pointer_mut(path).ok_or_else(|| anyhow!("{title} has no pod template"))?;
    match inject(pod, &namespace, settings) {
        Decision::Inject(operations) => {
            let operations: json_patch::Patch = serde_json::from_value(json!(operations)).context("it is a patch")?;
            json_patch::patch(pod, &operations).with_context(|| title.clone())?;
        }
        Decision::Skip(skip) => anstream::eprintln!("{title}: {}", skip.message()),
        Decision::Refuse(why) => bail!("{title}: {why}"),
    }
    Ok(())
}
