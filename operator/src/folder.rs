//! Reads a folder of manifests, as `kubectl apply -f` takes it: its .yaml, .yml and .json files, no sub-folders.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use lotse_crds::manifests::Manifests;
use lotse_crds::{exchange, read};

/// The manifests of a folder, or everything that is wrong with them.
pub fn manifests(path: &Path, root_namespace: &str) -> Result<Manifests> {
    let mut files = BTreeMap::new();
    let unreadable = || format!("{} can't be read", path.display());
    for entry in std::fs::read_dir(path).with_context(unreadable)? {
        let file = entry.with_context(unreadable)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("yaml" | "yml" | "json")) && file.is_file() {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
            files.insert(name, text);
        }
    }
    let mut manifests = read::read(&files, root_namespace).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    // Nobody is called from here, so nothing is exchanged.
    exchange::assume(&mut manifests);
    Ok(manifests)
}
