//! What the tests speak: providers that do as they are told, and a sidecar between them and an app.
//!
//! Everything listens on port 0 and lives in the test's own process; a provider counts what reaches it.

#![allow(
    clippy::format_push_string,
    clippy::large_futures,
    clippy::panic,
    reason = "a harness may be wasteful, and panics to fail a test"
)]

pub mod api;
pub mod asks;
pub mod authority;
pub mod client;
pub mod dns;
pub mod follower;
pub mod manifests;
pub mod operator;
pub mod provider;
pub mod proxy;
pub mod sidecar;
pub mod speaks;

pub use api::Api;
pub use asks::Asks;
pub use authority::Authority;
pub use client::Answer;
pub use follower::{Follower, hello};
pub use manifests::World;
pub use operator::Operator;
pub use provider::FakeProvider;
pub use sidecar::Sidecar;
pub use speaks::Speaks;
