//! Tests that need nothing but this machine: a sidecar, providers that play scripts, and an app, on loopback.

#![allow(
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::too_many_lines,
    clippy::large_futures,
    reason = "a test may be a long table, and is a shell"
)]

mod analyze;
mod bad_manifests;
mod bad_requests;
mod balance;
mod based_on;
mod bodies;
mod command;
mod config_stream;
mod counting;
mod credentials;
mod dialects;
mod docs;
mod egress_proxy;
mod exchange;
mod explain;
mod failover;
mod faults;
mod fields;
mod house_rules;
mod limits;
mod metadata;
mod observe;
mod policy;
mod preferences;
mod rations;
mod reload;
mod responses;
mod routing;
mod secrets;
mod streaming;
mod tls;
