//! Findings: what `compile` has to say about one object. They become conditions, log lines and lines of `analyze`.

use std::fmt;

use serde::Serialize;

use crate::name::ObjectName;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// An LLMProvider.
    LLMProvider,
    /// A ModelRoute.
    ModelRoute,
    /// A DataPolicy.
    DataPolicy,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// The object does not do what it says.
    Error,
    /// It does, but somebody should look at it.
    Warning,
}

/// One remark about one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object's kind.
    pub kind: Kind,
    /// The object.
    pub object: ObjectName,
    /// The stable word, in CamelCase as conditions have it.
    pub code: &'static str,
    /// A sentence that names the field and the fix.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}: {}", self.kind, self.object, self.code, self.message)
    }
}
