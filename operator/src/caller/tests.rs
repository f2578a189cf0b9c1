//! Tests of caller: which reviews are believed, and for which pods.

use serde_json::{Value, json};

use super::*;

fn judged(status: Value) -> Verdict {
    judge(&serde_json::from_value(status).expect("the case is a status"))
}

fn good() -> Value {
    json!({
        "authenticated": true,
        "audiences": ["lotse-operator"],
        "user": {
            "username": "system:serviceaccount:team-a:default",
            "extra": {
                "authentication.kubernetes.io/pod-name": ["chat-1"],
                "authentication.kubernetes.io/pod-uid": ["u-1"],
            },
        },
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut status = good();
    *status.pointer_mut(path).expect("the path is there") = value;
    status
}

#[test]
fn a_token_that_is_bound_to_a_pod_is_that_pods() {
    let bound = Verdict::Bound {
        account: "system:serviceaccount:team-a:default".to_owned(),
        pod: "chat-1".to_owned(),
        uid: "u-1".to_owned(),
    };

    assert_eq!(judged(good()), bound);
}

#[test]
fn a_token_of_another_audience_or_none_is_refused() {
    for audiences in [json!([]), json!(["https://kubernetes.default.svc"])] {
        assert_eq!(judged(with("/audiences", audiences)), Verdict::Refused(Refusal::NotAuthenticated));
    }
    assert_eq!(judged(with("/authenticated", json!(false))), Verdict::Refused(Refusal::NotAuthenticated));
    assert_eq!(judged(json!({"error": "expired"})), Verdict::Refused(Refusal::NotAuthenticated));
}

#[test]
fn a_persons_token_and_one_without_a_pod_are_refused() {
    assert_eq!(judged(with("/user/username", json!("alice"))), Verdict::Refused(Refusal::NotBound));
    assert_eq!(judged(with("/user/extra", json!({}))), Verdict::Refused(Refusal::NotBound));
    let two = with("/user/extra/authentication.kubernetes.io~1pod-uid", json!(["u-1", "u-2"]));
    assert_eq!(judged(two), Verdict::Refused(Refusal::NotBound));
}

mod pods {
    use super::*;
    use lotse_crds::name::{Labels, ObjectName, Workload};

    fn pod(uid: &str, injected: bool) -> PodRecord {
        PodRecord {
            name: ObjectName::new("team-a", "chat-1"),
            uid: uid.to_owned(),
            workload: Workload {
                namespace: "team-a".to_owned(),
                service_account: "default".to_owned(),
                labels: Labels::new(),
            },
            injected,
            alive: true,
        }
    }

    /// Knows one pod; the API server is never asked.
    fn callers(pod: PodRecord) -> Callers {
        let service = tower_service_that_is_never_called();
        let pods = Pods::default();
        pods.apply(pod);
        Callers::new(service, Arc::new(pods))
    }

    fn tower_service_that_is_never_called() -> Client {
        let config = kube::Config::new("http://127.0.0.1:1".parse().expect("it is a URL"));
        Client::try_from(config).expect("nothing is asked yet")
    }

    const ACCOUNT: &str = "system:serviceaccount:team-a:default";

    #[tokio::test]
    async fn the_pod_must_be_the_one_that_the_token_names() {
        let callers = callers(pod("u-1", true));

        assert_eq!(callers.pod(ACCOUNT, "chat-1", "u-1").await, Ok(pod("u-1", true)));
        assert_eq!(callers.pod(ACCOUNT, "chat-2", "u-1").await, Err(Refusal::NoSuchPod));
        let other = "system:serviceaccount:team-b:default";
        assert_eq!(callers.pod(other, "chat-1", "u-1").await, Err(Refusal::NoSuchPod));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deleted_pods_token_is_refused_once_it_can_no_longer_be_late() {
        assert_eq!(callers(pod("u-1", true)).pod(ACCOUNT, "chat-1", "u-0").await, Err(Refusal::NoSuchPod));
    }

    #[tokio::test]
    async fn a_pod_that_only_says_that_it_is_injected_gets_nothing() {
        assert_eq!(callers(pod("u-1", false)).pod(ACCOUNT, "chat-1", "u-1").await, Err(Refusal::NotInjected));
    }

    #[tokio::test]
    async fn a_refusal_is_told_once_for_each_token_and_again_when_it_is_another() {
        let callers = callers(pod("u-1", true));
        let (one, two) = ([1; 32], [2; 32]);

        assert!(callers.is_news(one, &Refusal::NotInjected));
        assert!(!callers.is_news(one, &Refusal::NotInjected));
        assert!(callers.is_news(two, &Refusal::NotInjected));
        assert!(callers.is_news(one, &Refusal::NoSuchPod));
    }

    #[tokio::test]
    async fn no_token_is_refused_without_asking_anybody() {
        assert_eq!(callers(pod("u-1", true)).identify(None).await, Err(Refusal::NoToken));
        assert_eq!(callers(pod("u-1", true)).identify(Some("")).await, Err(Refusal::NoToken));
    }
}
