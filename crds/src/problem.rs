//! What is wrong with one manifest: the field, and what it must be.
//!
//! The API server says the same by schema and CEL; a folder has no API server, and a schema of an older release may be
//! laxer, so `manifests` and `compile` ask again.

use std::fmt;
use std::ops::RangeInclusive;

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `kubectl explain` writes it: `spec.models[0].price.inputPerMillion`.
    pub path: String,
    /// What the field must or must not be.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects the problems of one object.
#[derive(Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), message: message.into() });
    }

    pub(crate) fn bound(&mut self, path: &str, value: Option<i64>, bounds: RangeInclusive<i64>) {
        if let Some(value) = value
            && !bounds.contains(&value)
        {
            self.add(path, format!("must be from {} to {}, not {value}", bounds.start(), bounds.end()));
        }
    }

    pub(crate) fn count(&mut self, path: &str, length: usize, bounds: RangeInclusive<usize>) {
        if !bounds.contains(&length) {
            self.add(path, format!("must have from {} to {} items, not {length}", bounds.start(), bounds.end()));
        }
    }

    /// Names must be unique within a list; each repeated one is told at its place.
    pub(crate) fn unique<'a>(&mut self, path: &str, names: impl IntoIterator<Item = &'a str>) {
        let mut seen = std::collections::BTreeSet::new();
        for (at, name) in names.into_iter().enumerate() {
            if !seen.insert(name) {
                self.add(format!("{path}[{at}]"), format!("`{name}` is there twice; must be unique"));
            }
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
