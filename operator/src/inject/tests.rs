//! Tests of inject: what a pod becomes, what leaves it as it is, and laws that hold for any pod.

use proptest::prelude::*;

use super::*;

fn settings() -> Settings {
    Settings {
        image: "registry.example/lotse-sidecar:1".to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        cpu_request: "20m".to_owned(),
        memory_request: "32Mi".to_owned(),
        memory_limit: "256Mi".to_owned(),
        run_as_user: Some(14141),
        root_namespace: "lotse-system".to_owned(),
        authorities: "PEM".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "chat"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn decided(pod: &Value) -> Decision {
    inject(pod, "team", &settings())
}

/// The pod with its sidecar.
fn injected(pod: &Value) -> Value {
    let Decision::Inject(patch) = decided(pod) else { panic!("{:?}", decided(pod)) };
    let mut after = pod.clone();
    let patch: json_patch::Patch = serde_json::from_value(json!(patch)).expect("it is a patch");
    json_patch::patch(&mut after, &patch).expect("it applies");
    after
}

fn names<'a>(pod: &'a Value, field: &str) -> Vec<&'a str> {
    items(&pod["spec"][field]).filter_map(|container| container["name"].as_str()).collect()
}

fn env<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    items(&container["env"]).find(|entry| entry["name"] == name).and_then(|entry| entry["value"].as_str())
}

#[test]
fn a_pod_gets_a_native_sidecar_its_volume_and_the_way_to_it() {
    insta::assert_json_snapshot!("injected", injected(&pod()));
}

#[test]
fn what_is_injected_is_recognised_and_what_only_looks_like_it_is_not() {
    let good = injected(&pod());
    assert!(is_injected(&good) && !is_injected(&pod()));

    let spoofs: [fn(&mut Value); 7] = [
        |pod| pod["spec"]["initContainers"][0]["restartPolicy"] = "OnFailure".into(),
        |pod| pod["spec"]["initContainers"][0]["command"] = json!(["/bin/sh"]),
        |pod| pod["spec"]["initContainers"][0]["name"] = "other".into(),
        |pod| pod["spec"]["initContainers"][0]["lifecycle"] = json!({}),
        |pod| pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "lotse", "mountPath": "/t"}]),
        |pod| pod["spec"]["volumes"] = json!([]),
        |pod| pod["spec"]["ephemeralContainers"] = json!([{"name": "d", "volumeMounts": [{"name": "lotse"}]}]),
    ];
    for (at, spoof) in spoofs.iter().enumerate() {
        let mut pod = good.clone();
        spoof(&mut pod);
        assert!(!is_injected(&pod), "spoof {at}");
    }
}

#[test]
fn our_sidecar_comes_after_a_meshs_proxy_and_before_everything_else() {
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([
        {"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}, {"name": "migrate"},
    ]);

    let after = injected(&pod);

    assert_eq!(names(&after, "initContainers"), ["istio-init", "istio-proxy", "lotse-sidecar", "migrate"]);
    assert!(after["spec"]["initContainers"][1].get("env").is_none(), "the mesh is left alone");
    assert_eq!(env(&after["spec"]["initContainers"][3], "OPENAI_BASE_URL"), Some("http://127.0.0.1:14141/v1"));
}

#[test]
fn what_an_app_sets_itself_is_untouched_but_for_a_no_proxy_without_loopback() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "OPENAI_BASE_URL", "value": "http://mine"},
        {"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "NO_PROXY", "value": "corp.example,localhost,"},
        {"name": "no_proxy", "value": "*"},
    ]);

    let after = injected(&pod);

    let app = &after["spec"]["containers"][0];
    assert_eq!(env(app, "OPENAI_BASE_URL"), Some("http://mine"));
    assert_eq!(app["env"][1], pod["spec"]["containers"][0]["env"][1]);
    assert_eq!(env(app, "NO_PROXY"), Some("corp.example,localhost,127.0.0.1,::1"));
    assert_eq!(env(app, "no_proxy"), Some("*"));
    assert_eq!(env(app, "ANTHROPIC_BASE_URL"), Some("http://127.0.0.1:14141"));
}

#[test]
fn a_guaranteed_pod_stays_guaranteed() {
    let bound = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}});
    let mut pod = pod();
    pod["spec"]["containers"][0]["resources"] = bound;

    let resources = &injected(&pod)["spec"]["initContainers"][0]["resources"];

    assert_eq!(resources["limits"], resources["requests"]);
    assert!(resources["limits"]["cpu"].is_string());
}

#[test]
fn what_can_not_have_a_sidecar_stays_as_it_is_and_says_why() {
    let cases: [(Value, Skip); 10] = [
        (json!({"metadata": {}}), Skip::Unsupported),
        (json!({"spec": {"hostNetwork": true}}), Skip::HostNetwork),
        (json!({"spec": {}, "metadata": {"labels": {"lotse.dev/inject": "disabled"}}}), Skip::Disabled),
        (
            json!({"spec": {}, "metadata": {"labels": {"lotse.dev/inject": "yes"}}}),
            Skip::InvalidLabel("yes".to_owned()),
        ),
        (json!({"spec": {}, "metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), Skip::MirrorPod),
        (json!({"spec": {"os": {"name": "windows"}}}), Skip::Windows),
        (json!({"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}}), Skip::Windows),
        (json!({"spec": {"containers": [{"ports": [{"containerPort": 14190}]}]}}), Skip::PortCollision(14190)),
        (
            json!({"spec": {"initContainers": [{"ports": [{"containerPort": 1, "hostPort": 14141}]}]}}),
            Skip::PortCollision(14141),
        ),
        (json!({"spec": {"volumes": [{"name": "lotse", "emptyDir": {}}]}}), Skip::VolumeCollision),
    ];
    for (pod, skip) in cases {
        assert_eq!(decided(&pod), Decision::Skip(skip.clone()));
        assert!(skip.message().starts_with("no sidecar, because "), "{}", skip.message());
    }
    for namespace in ["kube-system", "lotse-system"] {
        let skip = Skip::SystemNamespace(namespace.to_owned());
        assert_eq!(inject(&pod(), namespace, &settings()), Decision::Skip(skip));
    }
}

#[test]
fn a_container_that_takes_the_sidecars_name_is_refused() {
    let mut named = pod();
    named["spec"]["containers"][0]["name"] = "lotse-sidecar".into();
    let mut altered = injected(&pod());
    altered["spec"]["initContainers"][0]["args"] = json!(["run", "--admin", "0.0.0.0:1"]);
    let mut commanded = injected(&pod());
    commanded["spec"]["initContainers"][0]["command"] = json!(["/app"]);

    let mut led_astray = injected(&pod());
    let env = &mut led_astray["spec"]["initContainers"][0]["env"];
    env.as_array_mut().expect("a list").push(json!({"name": "LOTSE_OPERATOR_CA", "value": "another"}));

    for pod in [named, altered, commanded, led_astray] {
        let Decision::Refuse(why) = decided(&pod) else { panic!("{:?}", decided(&pod)) };
        assert_eq!(why, "a container may not be named lotse-sidecar: the injector makes it; remove it from the pod");
    }
}

#[test]
fn what_the_api_server_and_other_webhooks_add_is_no_spoof() {
    let mut pod = injected(&pod());
    let ours = &mut pod["spec"]["initContainers"][0];
    ours["terminationMessagePath"] = "/dev/termination-log".into();
    ours["terminationMessagePolicy"] = "File".into();
    ours["startupProbe"]["timeoutSeconds"] = 1.into();
    ours["startupProbe"]["httpGet"]["scheme"] = "HTTP".into();
    ours["startupProbe"]["successThreshold"] = 1.into();
    let mounts = ours["volumeMounts"].as_array_mut().expect("a list");
    mounts.push(json!({"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}));
    ours["env"].as_array_mut().expect("a list").push(json!({"name": "DD_AGENT_HOST", "value": "node"}));
    ours["resources"]["limits"]["cpu"] = "500m".into();
    ours["readinessProbe"] = json!({"httpGet": {"path": "/app-health/lotse-sidecar/readyz", "port": 15020}});
    pod["spec"]["volumes"][0]["projected"]["defaultMode"] = 420.into();

    assert_eq!(decided(&pod), Decision::Inject(Vec::new()));
}

/// A pod with its sidecar, in which `alter` has had its way with the sidecar's container.
fn altered(alter: fn(&mut Value)) -> Value {
    let mut pod = injected(&pod());
    alter(&mut pod["spec"]["initContainers"][0]);
    pod
}

fn push(container: &mut Value, field: &str, item: Value) {
    container[field].as_array_mut().expect("a list").push(item);
}

#[test]
fn what_admission_plugins_change_in_the_sidecar_is_no_spoof() {
    let changes: [fn(&mut Value); 5] = [
        // LimitRanger, in a namespace with default limits.
        |sidecar| sidecar["resources"]["limits"]["cpu"] = "500m".into(),
        |sidecar| sidecar["resources"]["requests"]["ephemeral-storage"] = "1Gi".into(),
        // AlwaysPullImages.
        |sidecar| sidecar["imagePullPolicy"] = "Always".into(),
        // OpenShift, which gives each namespace its user.
        |sidecar| sidecar["securityContext"]["runAsUser"] = 1_000_680_000.into(),
        // A webhook that gives every container an identity at a cloud.
        |sidecar| {
            let at = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
            push(sidecar, "volumeMounts", json!({"name": "aws-iam-token", "mountPath": at, "readOnly": true}));
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let pod = altered(change);
        assert_eq!(decided(&pod), Decision::Inject(Vec::new()), "change {at}");
        assert!(is_injected(&pod), "change {at}");
    }
}

#[test]
fn a_guaranteed_pod_that_another_webhook_loosens_is_still_ours() {
    let bound = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}});
    let mut pod = pod();
    pod["spec"]["containers"][0]["resources"] = bound;
    let mut pod = injected(&pod);
    pod["spec"]["containers"].as_array_mut().expect("a list").push(json!({"name": "late"}));

    let after = injected(&pod);

    assert!(env(&after["spec"]["containers"][1], "OPENAI_BASE_URL").is_some());
}

#[test]
fn a_pod_that_lotse_inject_has_made_without_authorities_is_ours() {
    let unknowing = Settings { authorities: String::new(), ..settings() };
    let mut pod = pod();
    pod["spec"]["initContainers"] = json!([container::container(&pod, &unknowing)]);

    assert!(matches!(decided(&pod), Decision::Inject(_)));
}

#[test]
fn what_would_run_in_the_sidecars_place_is_refused_and_not_recognised() {
    let spoofs: [fn(&mut Value); 9] = [
        // Another program in the place of ours.
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/lotse-sidecar", "subPath": "x"})),
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/opt/.././/lotse-sidecar"})),
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "lotse-sidecar/"})),
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/"})),
        // The first may hold a link to the root, which the second then follows.
        |sidecar| {
            push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/m"}));
            push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/m/link/lotse-sidecar", "subPath": "x"}));
        },
        // Another operator's authority.
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/var/run/lotse/ca.crt"})),
        |sidecar| push(sidecar, "volumeMounts", json!({"name": "x", "mountPath": "/var"})),
        // A program that is run beside ours.
        |sidecar| sidecar["readinessProbe"] = json!({"exec": {"command": ["/x"]}}),
        |sidecar| sidecar["startupProbe"] = json!({"exec": {"command": ["/x"]}}),
    ];
    for (at, spoof) in spoofs.into_iter().enumerate() {
        let pod = altered(spoof);
        assert!(matches!(decided(&pod), Decision::Refuse(_)), "spoof {at}");
        assert!(!is_injected(&pod), "spoof {at}");
    }
}

#[test]
fn a_spoof_is_refused_in_a_pod_that_would_be_skipped_too() {
    let mut pod = pod();
    pod["metadata"]["labels"] = json!({"lotse.dev/inject": "disabled"});
    pod["spec"]["hostNetwork"] = true.into();
    pod["spec"]["containers"][0]["name"] = "lotse-sidecar".into();

    assert!(matches!(decided(&pod), Decision::Refuse(_)));
}

#[test]
fn an_empty_no_proxy_is_lengthened_too() {
    let mut pod = pod();
    // So the API server writes `value: ""`.
    pod["spec"]["containers"][0]["env"] = json!([{"name": "NO_PROXY"}, {"name": "no_proxy", "value": ""}]);

    let after = injected(&pod);

    let app = &after["spec"]["containers"][0];
    assert_eq!(env(app, "NO_PROXY"), Some("127.0.0.1,localhost,::1"));
    assert_eq!(env(app, "no_proxy"), Some("127.0.0.1,localhost,::1"));
    assert_eq!(decided(&after), Decision::Inject(Vec::new()));
}

#[test]
fn of_two_no_proxies_the_one_that_counts_is_lengthened() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["env"] =
        json!([{"name": "NO_PROXY", "value": "first"}, {"name": "NO_PROXY", "value": "last"}]);

    let after = injected(&pod);

    let env = &after["spec"]["containers"][0]["env"];
    assert_eq!((&env[0]["value"], &env[1]["value"]), (&json!("first"), &json!("last,127.0.0.1,localhost,::1")));
}

#[test]
fn a_no_proxy_that_comes_from_elsewhere_is_kept() {
    let mut pod = pod();
    let source = json!({"configMapKeyRef": {"name": "proxy", "key": "none"}});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "NO_PROXY", "valueFrom": source}]);
    pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "proxy"}}]);

    let after = injected(&pod);

    let app = &after["spec"]["containers"][0];
    assert_eq!(app["env"][0], pod["spec"]["containers"][0]["env"][0]);
    assert_eq!(env(app, "no_proxy"), Some("$(no_proxy),127.0.0.1,localhost,::1"));
    assert_eq!(env(app, "OPENAI_BASE_URL"), Some("http://127.0.0.1:14141/v1"));
    assert_eq!(decided(&after), Decision::Inject(Vec::new()));
}

#[test]
fn a_template_without_metadata_gets_them() {
    let after = injected(&json!({"spec": {"containers": [{"name": "app"}]}}));

    assert_eq!(after["metadata"]["labels"]["lotse.dev/sidecar"], "injected");
    assert!(after["metadata"]["annotations"]["lotse.dev/injected-by"].is_string());
    assert_eq!(decided(&after), Decision::Inject(Vec::new()));
}

#[test]
fn what_a_pod_asks_for_as_a_whole_is_left_to_its_owner() {
    let mut pod = pod();
    pod["spec"]["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"memory": "128Mi"}});
    let whole = injected(&pod)["spec"]["initContainers"][0]["resources"].clone();
    pod["spec"]["resources"] = json!({"limits": {"cpu": "1"}});
    let half = injected(&pod)["spec"]["initContainers"][0]["resources"].clone();

    assert_eq!(whole, json!({"requests": {}, "limits": {}}));
    assert_eq!(half, json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "256Mi"}}));
}

#[test]
fn a_large_pod_keeps_all_that_is_its_own() {
    let apps = (0..50).map(|at| json!({"name": format!("app-{at}"), "args": ["x".repeat(20_000)]}));
    let mut pod = json!({"metadata": {"generateName": "x-"}, "spec": {
        "containers": apps.collect::<Value>(), "restartPolicy": "Never", "shareProcessNamespace": true,
        "automountServiceAccountToken": false, "securityContext": {"fsGroup": 7}, "serviceAccountName": "own",
    }});

    let after = injected(&pod);

    assert!(items(&after["spec"]["containers"]).all(|app| env(app, "OPENAI_BASE_URL").is_some()));
    let mut rest = after["spec"].as_object().expect("a map").clone();
    let own = pod["spec"].as_object_mut().expect("a map");
    rest.retain(|field, _| !matches!(field.as_str(), "containers" | "initContainers" | "volumes"));
    own.remove("containers");
    assert_eq!(&rest, own);
}

#[test]
fn a_container_that_another_webhook_adds_later_is_led_to_the_sidecar_too() {
    let mut pod = injected(&pod());
    pod["spec"]["containers"].as_array_mut().expect("a list").push(json!({"name": "late"}));
    pod["spec"]["initContainers"].as_array_mut().expect("a list").insert(0, json!({"name": "vault-agent"}));

    let after = injected(&pod);

    assert_eq!(names(&after, "initContainers"), ["vault-agent", "lotse-sidecar"]);
    assert!(env(&after["spec"]["containers"][1], "OPENAI_BASE_URL").is_some());
    assert!(env(&after["spec"]["initContainers"][0], "OPENAI_BASE_URL").is_some());
    assert_eq!(decided(&after), Decision::Inject(Vec::new()));
}

#[test]
fn templates_are_found_in_everything_that_makes_pods() {
    for (kind, path) in [("Deployment", "/spec/template"), ("CronJob", "/spec/jobTemplate/spec/template"), ("Pod", "")]
    {
        assert_eq!(template_path(&json!({"kind": kind})), Some(path));
    }
    assert_eq!(template_path(&json!({"kind": "Service"})), None);
}

/// Any JSON, shallow.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn container_list() -> impl Strategy<Value = Value> {
    let env = prop::collection::vec(("(NO_PROXY|no_proxy|OPENAI_BASE_URL|X)", "[a-z,.* ]{0,9}"), 0..3);
    let one = ("(app|istio-proxy|linkerd-init|job)", env, any::<bool>(), json());
    prop::collection::vec(one, 0..4).prop_map(|containers| {
        let made = containers.into_iter().map(|(name, env, has_env, more)| {
            let mut container = json!({"name": name, "unknownField": more});
            if has_env {
                // Names in a list of variables are unique.
                let unique: std::collections::BTreeMap<_, _> = env.into_iter().collect();
                let env = unique.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
                container["env"] = env.collect();
            }
            container
        });
        made.collect()
    })
}

fn any_pod() -> impl Strategy<Value = Value> {
    (container_list(), prop::option::of(container_list()), json(), any::<bool>()).prop_map(
        |(apps, inits, more, bare)| {
            let mut pod =
                json!({"metadata": {"generateName": "x-"}, "spec": {"containers": apps, "futureField": more}});
            if let Some(inits) = inits {
                pod["spec"]["initContainers"] = inits;
            }
            if !bare {
                pod["metadata"]["labels"] = json!({"a/b~c": "d"});
                pod["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
            }
            pod
        },
    )
}

/// The pod `after`, without all that may have been added to `before`: if nothing else has changed, that is `before`.
fn undone(before: &Value, after: &Value) -> Value {
    let mut pod = after.clone();
    for field in ["initContainers", "containers"] {
        let Some(list) = pod["spec"].get_mut(field).and_then(Value::as_array_mut) else { continue };
        list.retain(|container| container["name"] != "lotse-sidecar");
        for (container, own) in list.iter_mut().zip(items(&before["spec"][field])) {
            let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) else { continue };
            env.truncate(items(&own["env"]).count());
            for (entry, own) in env.iter_mut().zip(items(&own["env"])) {
                let (longer, value) = (entry["value"].as_str(), own["value"].as_str().unwrap_or_default());
                let is_list = own["name"] == "NO_PROXY" || own["name"] == "no_proxy";
                if is_list && longer.is_some_and(|longer| longer.starts_with(value.trim().trim_end_matches(','))) {
                    *entry = own.clone();
                }
            }
            if own.get("env").is_none() {
                container.as_object_mut().expect("it is a container").remove("env");
            }
        }
    }
    for (path, ours) in [("/spec/volumes", 1), ("/spec/initContainers", 0)] {
        let list = pod.pointer_mut(path).and_then(Value::as_array_mut).expect("it is there now");
        let all = list.len();
        list.retain(|item| item["name"] != "lotse");
        assert_eq!(all - list.len(), ours, "{path}");
    }
    for (path, key) in [("labels", "lotse.dev/sidecar"), ("annotations", "lotse.dev/injected-by")] {
        let map = pod["metadata"][path].as_object_mut().expect("it is there now");
        assert!(map.remove(key).is_some(), "{key}");
    }
    // What was made for ours goes, too.
    for (parent, key) in
        [("metadata", "labels"), ("metadata", "annotations"), ("spec", "volumes"), ("spec", "initContainers")]
    {
        if before[parent].get(key).is_none() {
            pod[parent].as_object_mut().expect("it is there").remove(key);
        }
    }
    pod
}

proptest! {
    #[test]
    fn nothing_of_the_owners_is_lost_and_the_second_time_nothing_is_left_to_do(pod in any_pod()) {
        let after = injected(&pod);

        prop_assert_eq!(undone(&pod, &after), pod);
        prop_assert_eq!(decided(&after), Decision::Inject(Vec::new()));
        prop_assert!(is_injected(&after));
    }

    #[test]
    fn whatever_a_pod_is_it_is_decided_and_its_patch_applies(pod in json()) {
        for pod in [
            pod.clone(),
            json!({"spec": pod, "metadata": {"labels": pod}}),
            json!({"spec": {"containers": pod, "initContainers": [pod]}, "metadata": pod}),
            json!({"spec": {"containers": [{"env": [pod]}, {"env": pod, "ports": pod}], "volumes": [pod]}}),
        ] {
            if let Decision::Inject(_) = decided(&pod) {
                prop_assert_eq!(decided(&injected(&pod)), Decision::Inject(Vec::new()), "{}", pod);
            }
        }
        let _ = is_injected(&json!({"spec": {"initContainers": [pod], "volumes": pod}}));
    }
}
