//! Tests of reading: what a folder may hold. What is refused is tested where people see it, with the sidecar.

use std::collections::BTreeMap;

use super::*;

fn files(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("a.yaml".to_owned(), text.to_owned())])
}

#[test]
fn an_object_as_the_cluster_gives_it_back_is_read() {
    let text = "
apiVersion: lotse.dev/v1alpha1
kind: DataPolicy
metadata:
  name: d
  namespace: app
  uid: 3f1
  resourceVersion: \"7\"
  creationTimestamp: 2026-01-01T00:00:00Z
  annotations: {a: b}
  managedFields: [{manager: x}]
spec: {maxRetentionDays: 0}
status: {conditions: []}
---
---
# nothing
";

    let manifests = read(&files(text), "lotse-system").expect("good manifests");

    assert_eq!(manifests.policies.len(), 1);
}

#[test]
fn json_is_read_as_yaml_is() {
    let text = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"app","labels":{"team":"a"}}}"#;

    let manifests = read(&files(text), "lotse-system").expect("good manifests");

    let labels = manifests.namespace_labels("app");
    assert_eq!(labels["team"], "a");
    assert_eq!(labels["kubernetes.io/metadata.name"], "app");
}

#[test]
fn a_list_is_read_as_its_items_are() {
    let one =
        |name: &str| format!("{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{name}\"}}}}");
    let text = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{},{}]}}", one("a"), one("b"));

    assert_eq!(read(&files(&text), "lotse-system").expect("good manifests").namespaces.len(), 2);

    let broken = text.replace("\"name\":\"b\"", "\"nom\":\"b\"");
    assert!(read(&files(&broken), "lotse-system").is_err());
}

#[test]
fn a_namespaces_name_label_is_not_for_manifests_to_choose() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: app, labels: {kubernetes.io/metadata.name: billing}}";

    let manifests = read(&files(text), "lotse-system").expect("good manifests");

    assert_eq!(manifests.namespace_labels("app")["kubernetes.io/metadata.name"], "app");
    assert_eq!(manifests.namespace_labels("other").len(), 1);
}
