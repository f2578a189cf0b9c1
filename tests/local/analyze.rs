//! `lotse analyze` and `lotse inject` as people and pipelines use them.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn lotse(arguments: &[&str]) -> Output {
    let ran = Command::new(crate::command::program("lotse")).args(arguments).current_dir(ROOT).output();
    ran.expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn good_manifests_have_nothing_wrong() {
    let analyzed = lotse(&["analyze", "tests/manifests/quickstart", "--at", "2026-11-24"]);

    assert_eq!((analyzed.status.code(), text(&analyzed.stdout).as_str()), (Some(0), "Nothing is wrong.\n"));
}

#[test]
fn each_problem_has_a_code_an_object_and_a_page_that_explains_it() {
    let analyzed = lotse(&["analyze", "tests/manifests/findings", "--at", "2026-11-24", "-o", "json"]);

    assert_eq!(analyzed.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&analyzed.stdout).expect("nothing but JSON");
    let codes: BTreeSet<&str> =
        found["findings"].as_array().expect("a list").iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.len() >= 5, "{codes:?}");
    let page = std::fs::read_to_string(format!("{ROOT}/docs/findings.md")).expect("the page is there");
    for code in codes {
        assert!(page.contains(&format!("\n## {code}\n")), "docs/findings.md does not explain {code}");
    }
}

#[test]
fn a_file_that_can_not_be_read_is_told_with_its_name_and_field() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("policy.yaml");
    let manifest =
        "apiVersion: lotse.dev/v1alpha1\nkind: DataPolicy\nmetadata: {name: p}\nspec: {inferenceRegion: [EU]}\n";
    std::fs::write(&file, manifest).expect("a file");

    let analyzed = lotse(&["analyze", &file.to_string_lossy()]);

    assert_eq!(analyzed.status.code(), Some(1));
    let told = text(&analyzed.stdout);
    assert!(told.contains("Unreadable") && told.contains("policy.yaml") && told.contains("inferenceRegion"), "{told}");
}

#[test]
fn a_deployment_is_injected_offline_as_the_webhook_would_and_a_service_left_alone() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("app.yaml");
    let manifests = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat}\nspec: {selector: {}, template: {metadata: {}, spec: {containers: [{name: app, image: a}]}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: chat}\n";
    std::fs::write(&file, manifests).expect("a file");

    let injected = lotse(&["inject", "-f", &file.to_string_lossy(), "--sidecar-image", "registry.example/sidecar:1"]);

    let documents: Vec<Value> = serde_saphyr::from_multiple(&text(&injected.stdout)).expect("YAML");
    let sidecar = &documents[0]["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!((sidecar["name"].as_str(), sidecar["restartPolicy"].as_str()), (Some("lotse-sidecar"), Some("Always")));
    assert_eq!(documents[1], serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat"}}));
}
