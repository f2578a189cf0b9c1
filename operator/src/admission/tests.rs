//! Tests of admission: reviews and their answers, the Events, and that no bytes bring it down.

use proptest::prelude::*;

use super::*;

fn settings() -> Settings {
    Settings {
        image: "registry.example/lotse-sidecar:1".to_owned(),
        pull_policy: "Always".to_owned(),
        cpu_request: "20m".to_owned(),
        memory_request: "32Mi".to_owned(),
        memory_limit: "256Mi".to_owned(),
        run_as_user: None,
        root_namespace: "lotse-system".to_owned(),
        authorities: String::new(),
        version: "0.1.0".to_owned(),
    }
}

fn review(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "team",
            "operation": "CREATE", "object": object, "dryRun": false,
        },
    })
}

fn pod() -> Value {
    json!({"metadata": {"name": "chat"}, "spec": {"containers": [{"name": "app"}]}})
}

fn answered(review: &Value) -> (Value, &'static str, Option<PodEvent>) {
    match answer(review.to_string().as_bytes(), &settings()) {
        Answer::Review { body, outcome, event } => (serde_json::from_slice(&body).expect("it is JSON"), outcome, event),
        Answer::BadRequest(why) => panic!("{why}"),
    }
}

#[test]
fn an_injected_pod_is_answered_with_a_patch_and_told() {
    let (answer, outcome, event) = answered(&review(&pod()));

    assert_eq!((&answer["response"]["uid"], &answer["response"]["allowed"]), (&json!("u-1"), &json!(true)));
    assert_eq!((answer["response"]["patchType"].as_str(), outcome), (Some("JSONPatch"), "injected"));
    let event = event.expect("it is told");
    assert_eq!((event.kind.as_str(), event.name.as_str(), event.reason.as_str()), ("Pod", "chat", "SidecarInjected"));
}

#[test]
fn a_pod_from_a_template_is_told_of_its_owner_and_one_without_a_name_of_nobody() {
    let mut owned = pod();
    owned["metadata"] = json!({"generateName": "chat-", "ownerReferences": [
        {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "x"},
        {"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "j-1", "controller": true},
    ]});
    let mut nameless = pod();
    nameless["metadata"] = json!({"generateName": "chat-"});

    let event = answered(&review(&owned)).2.expect("it is told");
    assert_eq!(
        (event.api_version.as_str(), event.name.as_str(), event.uid),
        ("batch/v1", "nightly", Some("j-1".to_owned()))
    );
    assert_eq!(answered(&review(&nameless)).2, None);
}

#[test]
fn a_skipped_pod_is_admitted_with_a_warning_that_says_what_to_change() {
    let mut pod = pod();
    pod["spec"]["hostNetwork"] = true.into();

    let (answer, outcome, event) = answered(&review(&pod));

    assert_eq!((&answer["response"]["allowed"], outcome), (&json!(true), "host_network"));
    let warning = answer["response"]["warnings"][0].as_str().expect("there is one");
    assert_eq!(
        warning,
        "lotse: no sidecar, because hostNetwork shares the node's loopback; give the pod its own network"
    );
    assert_eq!(event.expect("it is told").reason, "SidecarInjectionSkipped");
}

#[test]
fn a_spoofed_pod_is_refused() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["name"] = "lotse-sidecar".into();

    let (answer, outcome, _) = answered(&review(&pod));

    assert_eq!((&answer["response"]["allowed"], outcome), (&json!(false), "refused"));
    assert_eq!(answer["response"]["status"]["code"], 403);
}

#[test]
fn what_is_only_tried_is_answered_alike_and_told_to_nobody() {
    let mut tried = review(&pod());
    tried["request"]["dryRun"] = true.into();

    let (answer, _, event) = answered(&tried);

    assert!(answer["response"]["patch"].is_string());
    assert_eq!(event, None);
}

#[test]
fn what_is_no_new_pod_is_let_through() {
    for (path, value) in
        [("/request/operation", "UPDATE"), ("/request/kind/kind", "Service"), ("/request/operation", "CONNECT")]
    {
        let mut other = review(&pod());
        *other.pointer_mut(path).expect("it is there") = value.into();

        let (answer, outcome, _) = answered(&other);

        assert_eq!((answer["response"].get("patch"), outcome), (None, "not_a_new_pod"));
    }
}

#[test]
fn what_is_no_review_is_a_bad_request_with_a_reason() {
    let mut old = review(&pod());
    old["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let without = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    for (bytes, part) in [
        (String::new(), "no AdmissionReview"),
        ("{".to_owned(), "no AdmissionReview"),
        ("[]".to_owned(), "no AdmissionReview"),
        (old.to_string(), "admission.k8s.io/v1"),
        (without.to_string(), "no request"),
    ] {
        let Answer::BadRequest(why) = answer(bytes.as_bytes(), &settings()) else { panic!("{bytes}") };
        assert!(why.contains(part), "{why}");
    }
}

/// What the answer makes of the object.
fn patched(object: &Value, answer: &Value) -> Value {
    let patch = answer["response"]["patch"].as_str().expect("there is one");
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("it is base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("it is a patch");
    let mut after = object.clone();
    json_patch::patch(&mut after, &patch).expect("it applies");
    after
}

#[test]
fn the_patch_of_the_answer_makes_a_pod_that_is_recognised_and_left_alone() {
    let after = patched(&pod(), &answered(&review(&pod())).0);

    assert!(crate::inject::is_injected(&after));
    let (answer, outcome, event) = answered(&review(&after));
    assert_eq!((answer["response"].get("patch"), outcome, event), (None, "injected", None));
}

#[test]
fn a_long_reason_is_cut_to_what_a_warning_may_hold() {
    let mut pod = pod();
    pod["metadata"]["labels"] = json!({"lotse.dev/inject": "ä".repeat(1000)});

    let (answer, outcome, _) = answered(&review(&pod));

    let warning = answer["response"]["warnings"][0].as_str().expect("there is one");
    assert!(warning.chars().count() <= 256 && warning.contains("must be enabled or disabled"), "{warning}");
    assert_eq!(outcome, "invalid_label");
}

/// Pieces that reviews are made of, and some that they are not.
fn piece() -> impl Strategy<Value = Value> {
    let container = json!({"name": "lotse-sidecar", "env": [{"name": "NO_PROXY"}], "volumeMounts": [{"mountPath": 1}]});
    let sidecar = json!({"initContainers": [container], "containers": [container, 1, null]});
    let pieces =
        [Value::Null, json!([]), json!({}), json!(1), json!("CREATE"), json!(true), json!([{}, 1]), container, sidecar];
    prop::sample::select(pieces.to_vec())
}

proptest! {
    #[test]
    fn a_review_with_another_piece_is_answered_with_its_uid_or_refused(
        at in prop::sample::select(vec![
            "/apiVersion", "/request", "/request/uid", "/request/kind", "/request/namespace", "/request/operation",
            "/request/object", "/request/object/metadata", "/request/object/metadata/name", "/request/object/spec",
            "/request/object/spec/containers", "/request/object/spec/containers/0", "/request/dryRun",
        ]),
        piece in piece(),
    ) {
        let mut review = review(&pod());
        *review.pointer_mut(at).expect("it is there") = piece;

        if let Answer::Review { body, .. } = answer(review.to_string().as_bytes(), &settings()) {
            let answer: Value = serde_json::from_slice(&body).expect("it is JSON");
            prop_assert_eq!(&answer["response"]["uid"], &review["request"]["uid"]);
            if answer["response"].get("patch").is_some() {
                patched(&review["request"]["object"], &answer);
            }
        }
    }

    #[test]
    fn a_review_with_other_bytes_is_answered_or_refused(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut bytes = review(&pod()).to_string().into_bytes();
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[at % length] = byte;
        }

        if let Answer::Review { body, .. } = answer(&bytes, &settings()) {
            let answer: Value = serde_json::from_slice(&body).expect("it is JSON");
            // Fields that nobody reads may hold what is no text.
            let asked: Value = serde_json::from_str(&String::from_utf8_lossy(&bytes)).expect("it was read");
            prop_assert_eq!(&answer["response"]["uid"], &asked["request"]["uid"]);
        }
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = answer(&bytes, &settings());
    }

    #[test]
    fn a_review_with_a_hole_is_answered_or_refused(from in 0usize..400, length in 0usize..40) {
        let mut bytes = review(&pod()).to_string().into_bytes();
        let from = from.min(bytes.len());
        bytes.drain(from..(from + length).min(bytes.len()));

        if let Answer::Review { body, .. } = answer(&bytes, &settings()) {
            prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
        }
    }
}
