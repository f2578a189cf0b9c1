//! Tells the compiler whether the vectors are there: tests that need them are ignored where they are not, and counted so.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(vectors)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LOTSE_VECTORS");
    if std::env::var_os("LOTSE_VECTORS").is_some() {
        println!("cargo::rustc-cfg=vectors");
    }
}
