//! The manifests of the documentation, as people copy them: each is valid, and says something to somebody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::{Labels, Workload};
use lotse_crds::read::read;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The blocks of YAML in a page.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/{page}")).expect(page);
    let blocks = text.split("\n```yaml\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The pages of the documentation.
fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(format!("{ROOT}/docs")).expect("the pages are there");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|ending| ending == "md"))
        .map(|name| format!("docs/{name}"))
        .chain(["README.md".to_owned()])
        .collect()
}

#[test]
fn each_manifest_of_the_documentation_is_valid() {
    for page in pages() {
        for (at, block) in blocks(&page).into_iter().enumerate() {
            let files = BTreeMap::from([("block.yaml".to_owned(), block.clone())]);

            let manifests =
                read(&files, "lotse-system").unwrap_or_else(|why| panic!("{page}, block {at}: {why:?}\n{block}"));

            let workload = Workload {
                namespace: "support".to_owned(),
                service_account: "default".to_owned(),
                labels: Labels::new(),
            };
            let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
            let snapshot = compile(&manifests, &workload, now).snapshot;
            let routes = block.matches("kind: ModelRoute").count();
            assert_eq!(snapshot.routes.len(), routes, "{page}, block {at}: a route of it answers nobody\n{block}");
        }
    }
}

#[test]
fn no_chapter_of_the_page_on_routing_is_empty() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/routing.md")).expect("the page is there");

    assert!(blocks("docs/routing.md").len() >= 4);
    for chapter in [
        "Choosing",
        "Failing over",
        "Hedging",
        "Stickiness",
        "Limits and budgets",
        "Shared health",
        "Explain",
        "Errors",
    ] {
        let text = page.split(&format!("\n## {chapter}\n")).nth(1).unwrap_or_else(|| panic!("no chapter {chapter}"));
        let text = text.split("\n## ").next().unwrap_or_default();
        assert!(text.len() > 300, "{chapter} says too little");
    }
}
