//! What the three resources say, and what they mean: the language that operator and sidecar share.
//!
//! - *Declared*: [`provider`], [`route`], [`policy`] (with [`promises`], [`price`], [`selector`], …), read by [`read`]
//!   or by the API server into [`manifests`].
//! - *Meant*: [`compile()`] turns manifests and a workload into a [`snapshot`] and [`finding`]s. [`residency`] is the only
//!   place that decides whether data may go somewhere; [`plan()`] says who would be tried in which order.
//! - *Obeyed*: the sidecar holds a [`snapshot::Snapshot`], and can call only what [`residency::permit`] permits.
//!
//! Nothing here does I/O, reads a clock or draws a number; nothing knows Kubernetes but behind the one feature
//! `kubernetes`.

pub mod body;
pub mod check;
pub mod compile;
pub mod delivery;
pub mod exchange;
pub mod explain;
pub mod facts;
pub mod fields;
pub mod finding;
pub mod limits;
pub mod manifests;
pub mod name;
pub mod needs;
pub mod objection;
pub mod place;
pub mod plan;
pub mod policy;
pub mod preferences;
pub mod price;
pub mod problem;
pub mod promises;
pub mod provider;
pub mod quota;
pub mod read;
pub mod residency;
pub mod restriction;
pub mod route;
pub mod secret;
pub mod selector;
mod shown;
pub mod sign;
pub mod simulation;
pub mod snapshot;
pub mod survey;
pub mod usage;
pub mod vendors;
pub mod wire;
pub mod wishes;

#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "kubernetes")]
pub mod status;

pub use compile::{Compiled, compile};
pub use plan::plan;
