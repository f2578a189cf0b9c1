//! Tells the compiler what is there: the vectors, and leave to make networks. Tests that need what is not there are ignored,
//! and counted so.

use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(vectors)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LOTSE_VECTORS");
    if std::env::var_os("LOTSE_VECTORS").is_some() {
        println!("cargo::rustc-cfg=vectors");
    }
    println!("cargo::rustc-check-cfg=cfg(own_network)");
    let unshared = ["--user", "--map-root-user", "--mount", "--net", "--", "ip", "link", "set", "lo", "up"];
    if Command::new("unshare").args(unshared).output().is_ok_and(|output| output.status.success()) {
        println!("cargo::rustc-cfg=own_network");
    }
}
