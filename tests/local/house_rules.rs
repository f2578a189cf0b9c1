//! The rules of the house that a machine can hold: size, purity, what the sidecar is made of, and what is never written.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The text files of the repository, as git has them or would take them.
fn files(ending: &str) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is there");
    assert!(listed.status.success(), "the tests run in a checkout");
    let names = String::from_utf8(listed.stdout).expect("UTF-8");
    names
        .lines()
        .filter(|name| name.ends_with(ending))
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn is_test(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.contains("/tests/") || path.ends_with("tests.rs") || path.ends_with("oracle.rs")
}

#[test]
fn no_file_has_more_than_four_hundred_lines_without_its_tests() {
    let long: Vec<_> = files(".rs")
        .into_iter()
        .filter(|path| !is_test(path))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().count();
            (lines > 400).then_some((path, lines))
        })
        .collect();

    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<_> = files(".rs")
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).expect("UTF-8").trim_start().starts_with("//!"))
        .collect();

    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_sidecar_holds_no_kubernetes_and_nothing_holds_a_second_tls_provider() {
    let tree = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "-p", package, "-e", "normal", "--prefix", "none", "--offline", "--locked"])
            .current_dir(root())
            .output()
            .expect("cargo is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let holds = |tree: &str, name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let sidecar = tree("lotse-sidecar");

    assert!(holds(&sidecar, "rustls"));
    for name in ["kube", "kube-core", "k8s-openapi", "lotse-operator"] {
        assert!(!holds(&sidecar, name), "{name}");
    }
    for package in ["lotse-sidecar", "lotse-operator", "lotse-crds"] {
        for name in ["ring", "openssl", "openssl-sys", "native-tls"] {
            assert!(!holds(&tree(package), name), "{package} holds {name}");
        }
    }
    assert!(!holds(&tree("lotse-operator"), "lotse-sidecar"));
}

#[test]
fn only_the_shell_asks_the_clock_and_draws() {
    let pure =
        ["crds/src", "sidecar/src/health.rs", "sidecar/src/address.rs", "sidecar/src/openai.rs", "sidecar/src/sse.rs"];
    for path in files(".rs").into_iter().filter(|path| !is_test(path)) {
        let name = path.to_string_lossy().into_owned();
        if !pure.iter().any(|pure| name.contains(pure)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["::now()", "std::env::", "fastrand", "tokio::", "std::fs", "std::net::Tcp"] {
            assert!(!code.contains(word) || name.contains("bin/generate.rs"), "{name} has {word}");
        }
    }
}
