//! Reads manifests from YAML text, as `kubectl apply -f` would take them. Every error names the file, the object and
//! the field, and all errors are told at once.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::check;
use crate::compile::endpoint_problems;
use crate::manifests::{DeclaredRoute, Manifests};
use crate::name::{Labels, ObjectName};
use crate::policy::DataPolicySpec;
use crate::problem::Problem;
use crate::provider::LLMProviderSpec;
use crate::route::ModelRouteSpec;
use crate::secret::Secret;
use crate::vendors::Vendors;

/// The API version of the three kinds.
pub const API_VERSION: &str = "lotse.dev/v1alpha1";

/// One thing that is wrong with a folder of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The file.
    pub file: String,
    /// The object, when it could be told: `LLMProvider team-a/mistral`.
    pub object: Option<String>,
    /// What is wrong, with the field's path where there is one.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Reads files (name and text) into manifests, or tells everything that is wrong with them.
pub fn read(files: &BTreeMap<String, String>, root_namespace: &str) -> Result<Manifests, Vec<ReadError>> {
    let mut reader = Reader {
        manifests: Manifests { root_namespace: root_namespace.to_owned(), ..Manifests::default() },
        vendors: Vendors::built_in(),
        seen: BTreeMap::new(),
        errors: Vec::new(),
    };
    for (file, text) in files {
        reader.file(file, text);
    }
    if reader.errors.is_empty() { Ok(reader.manifests) } else { Err(reader.errors) }
}

struct Reader {
    manifests: Manifests,
    vendors: &'static Vendors,
    /// Which file has declared which object.
    seen: BTreeMap<String, String>,
    errors: Vec<ReadError>,
}

/// What every Kubernetes object has, with the rest still to be read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Value>,
    /// What a cluster adds to what it gives back; not ours to read.
    #[serde(default, rename = "status")]
    _status: Option<Value>,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
    #[serde(default)]
    string_data: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "type")]
    _secret_type: Option<String>,
    #[serde(default, rename = "immutable")]
    _immutable: Option<bool>,
}

/// The metadata that matters here. Annotations and what a cluster adds are read over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    creation_timestamp: Option<Timestamp>,
}

impl Reader {
    fn file(&mut self, file: &str, text: &str) {
        // Plain `NO` is Norway here, not false: only true and false are booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        let documents: Vec<Value> = match serde_saphyr::from_multiple_with_options(text, options) {
            Ok(documents) => documents,
            Err(error) => return self.fail(file, None, error.to_string()),
        };
        for document in documents.into_iter().flat_map(items).filter(|document| !document.is_null()) {
            if let Err((object, message)) = self.object(file, document) {
                self.fail(file, object, message);
            }
        }
    }

    fn fail(&mut self, file: &str, object: Option<String>, message: String) {
        self.errors.push(ReadError { file: file.to_owned(), object, message });
    }

    fn object(&mut self, file: &str, document: Value) -> Result<(), (Option<String>, String)> {
        let title = title(&document);
        let object: Object = typed(document, "").map_err(|message| (title.clone(), message))?;
        let namespace = object.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let name = ObjectName::new(namespace, &object.metadata.name);
        let title = match object.kind.as_str() {
            "Namespace" => format!("Namespace {}", name.name),
            kind => format!("{kind} {name}"),
        };
        if object.api_version == API_VERSION && (name.name.is_empty() || name.name.len() > 63) {
            return Err((Some(title), "metadata.name: must have from 1 to 63 characters".to_owned()));
        }
        if let Some(other) = self.seen.insert(title.clone(), file.to_owned()) {
            let message = format!("is declared twice (also in {other}); names must be unique");
            return Err((Some(title), message));
        }
        self.declare(name, object).map_err(|message| (Some(title), message))
    }

    fn declare(&mut self, name: ObjectName, mut object: Object) -> Result<(), String> {
        let spec = object.spec.take();
        match (object.api_version.as_str(), object.kind.as_str()) {
            (API_VERSION, "LLMProvider") => {
                let spec: LLMProviderSpec = spec_of(spec)?;
                let mut problems = check::provider(&spec);
                problems.extend(endpoint_problems(&spec, self.vendors));
                settle(&problems)?;
                self.manifests.providers.insert(name, spec);
            }
            (API_VERSION, "ModelRoute") => {
                let spec: ModelRouteSpec = spec_of(spec)?;
                settle(&check::route(&spec))?;
                self.only_in_root("spec.namespaceSelector", spec.namespace_selector.is_some(), &name)?;
                let created = object.metadata.creation_timestamp;
                self.manifests.routes.insert(name, DeclaredRoute { created, spec });
            }
            (API_VERSION, "DataPolicy") => {
                let spec: DataPolicySpec = spec_of(spec)?;
                settle(&check::policy(&spec))?;
                self.only_in_root("spec.namespaceSelector", spec.namespace_selector.is_some(), &name)?;
                self.manifests.policies.insert(name, spec);
            }
            ("v1", "Secret") => {
                self.manifests.secrets.insert(name, secret_values(object)?);
            }
            ("v1", "Namespace") => {
                self.manifests.namespaces.insert(name.name, object.metadata.labels);
            }
            (version, kind) => {
                return Err(format!(
                    "{version} {kind} is not read here; must be LLMProvider, ModelRoute or DataPolicy of {API_VERSION}, or Secret or Namespace of v1"
                ));
            }
        }
        Ok(())
    }

    fn only_in_root(&self, path: &str, is_set: bool, name: &ObjectName) -> Result<(), String> {
        let root = &self.manifests.root_namespace;
        if is_set && name.namespace != *root {
            return Err(format!("{path}: may only be set in the root namespace {root}"));
        }
        Ok(())
    }
}

fn spec_of<T: DeserializeOwned>(spec: Option<Value>) -> Result<T, String> {
    typed(spec.ok_or("spec: must be set")?, "spec")
}

/// The objects of a document: itself, or those of a List as `kubectl get -o yaml` writes it.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = document["apiVersion"] == "v1" && document["kind"] == "List";
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ => vec![document],
    }
}

fn title(document: &Value) -> Option<String> {
    let kind = document.get("kind")?.as_str()?;
    let metadata = document.get("metadata")?;
    let name = metadata.get("name")?.as_str()?;
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or("default");
    Some(format!("{kind} {namespace}/{name}"))
}

/// Reads a value into a type; an error begins with the field's path.
fn typed<T: DeserializeOwned>(value: Value, prefix: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = match (prefix, path.as_str()) {
            ("", ".") => String::new(),
            ("", path) => format!("{path}: "),
            (prefix, ".") => format!("{prefix}: "),
            (prefix, path) => format!("{prefix}.{path}: "),
        };
        format!("{path}{}", error.into_inner())
    })
}

fn settle(problems: &[Problem]) -> Result<(), String> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))
}

/// The values of a Secret: `data` is base64, `stringData` is plain and wins.
fn secret_values(object: Object) -> Result<BTreeMap<String, Secret>, String> {
    let mut values = BTreeMap::new();
    for (key, encoded) in object.data.unwrap_or_default() {
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| format!("data.{key}: must be base64 of UTF-8 text; plain text goes under stringData"))?;
        values.insert(key, Secret::new(decoded));
    }
    values.extend(object.string_data.unwrap_or_default().into_iter().map(|(key, value)| (key, Secret::new(value))));
    Ok(values)
}

#[cfg(test)]
mod tests;
