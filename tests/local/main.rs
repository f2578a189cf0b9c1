//! Tests that need nothing but this machine: a sidecar, providers that play scripts, and an app, on loopback.

mod bad_manifests;
mod bad_requests;
mod balance;
mod command;
mod explain;
mod failover;
mod house_rules;
mod observe;
mod policy;
mod reload;
mod secrets;
mod streaming;
