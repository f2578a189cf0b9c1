//! Names that every part of Lotse shares: of objects, of the caller, and of the models that an app asks for.
//! Owns their spelling; what they refer to is for `compile`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The labels of a pod or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The label that the API server gives every namespace, and that nobody can change.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The name of a namespaced object; written `namespace/name` everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace that the object lives in.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl ObjectName {
    /// `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Serialize for ObjectName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (namespace, name) =
            text.split_once('/').ok_or_else(|| serde::de::Error::custom("must be namespace/name"))?;
        Ok(Self::new(namespace, name))
    }
}

/// Who calls: the identity that policies and routes select on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of its service account.
    pub service_account: String,
    /// The labels of the pod.
    pub labels: Labels,
}

/// A model name that a route answers for: exact, or a prefix written with a trailing `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelPattern(pub String);

impl ModelPattern {
    /// Whether an app that asks for `model` means this.
    pub fn matches(&self, model: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => self.0 == model,
        }
    }

    /// Larger is more specific: an exact name before any prefix, a longer prefix before a shorter.
    pub fn specificity(&self) -> (bool, usize) {
        (!self.is_prefix(), self.0.len())
    }

    /// Whether this stands for many names.
    pub fn is_prefix(&self) -> bool {
        self.0.ends_with('*')
    }
}
