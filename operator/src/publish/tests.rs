//! Tests of publish: who is sent what, in which order, and what acknowledgements count.

use std::collections::BTreeMap;

use lotse_crds::delivery::{FromOperator, delivery_line};
use lotse_crds::name::{Labels, ObjectName};
use lotse_crds::read::read;
use lotse_crds::restriction;
use lotse_crds::usage::{Account, Usage, Used};

use super::*;
use crate::spend::Spend;

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().expect("a time")
}

const WORLD: &str = "
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {name: paris, namespace: root}
spec:
  vendor: acme
  api: OpenAI
  baseURL: https://paris.example/v1
  credential: {type: APIKey, apiKey: {secretRef: {name: keys, key: paris}}}
  models: [{name: m}]
  consumers: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: root}
stringData: {paris: key-of-paris}
---
apiVersion: lotse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat, namespace: root}
spec: {models: [m], namespaceSelector: {}, tiers: [{targets: [{model: m, provider: {name: paris, namespace: root}}]}]}
---
apiVersion: lotse.dev/v1alpha1
kind: DataPolicy
metadata: {name: open, namespace: root}
spec: {inferenceRegions: [Worldwide]}
";

fn manifests(yaml: &str) -> Arc<Manifests> {
    Arc::new(read(&BTreeMap::from([("all.yaml".to_owned(), yaml.to_owned())]), "root").expect("good manifests"))
}

fn pod(namespace: &str, name: &str) -> PodRecord {
    PodRecord {
        name: ObjectName::new(namespace, name),
        uid: format!("{namespace}-{name}"),
        workload: Workload {
            namespace: namespace.to_owned(),
            service_account: "default".to_owned(),
            labels: Labels::from([("pod-template-hash".to_owned(), name.to_owned())]),
        },
        injected: true,
        alive: true,
    }
}

fn hello() -> Hello {
    let restrictions = restriction::EXECUTABLE.map(str::to_owned).to_vec();
    Hello { version: "0.1.0".to_owned(), restrictions, holds: None }
}

/// A publisher with these pods, and what it has compiled.
struct Harbour {
    publisher: Arc<Publisher>,
    pods: Vec<PodRecord>,
}

impl Harbour {
    fn new(yaml: &str) -> Self {
        let harbour =
            Self { publisher: Arc::new(Publisher::new(3)), pods: vec![pod("a", "1"), pod("a", "2"), pod("b", "1")] };
        harbour.refresh(yaml);
        harbour
    }

    fn refresh(&self, yaml: &str) {
        let find = |uid: &str| self.pods.iter().find(|pod| pod.uid == uid).cloned();
        self.publisher.refresh(&manifests(yaml), now(), &find);
    }

    fn manifests(&self) -> Arc<Manifests> {
        self.publisher.state().manifests.clone().expect("it has compiled").0
    }

    fn follow(&self, at: usize) -> Following {
        self.publisher.follow(self.pods[at].clone(), hello()).expect("it has compiled")
    }

    fn standing(&self) -> Vec<Standing> {
        self.publisher.sidecars().iter().map(|sidecar| sidecar.standing).collect()
    }
}

fn sent(following: &mut Following) -> lotse_crds::delivery::Delivery {
    let sent = following.sent.borrow_and_update().clone();
    let line = [delivery_line(sent.epoch), sent.content.to_vec()].concat();
    match serde_json::from_slice(&line).expect("it is a line") {
        FromOperator::Delivery(delivery) => *delivery,
        FromOperator::Heartbeat(_) | FromOperator::Shares(_) | FromOperator::Spending(_) | FromOperator::Health(_) => {
            panic!("it is a delivery")
        }
    }
}

fn applied(following: &mut Following) {
    let epoch = following.sent.borrow().epoch;
    following.ack(Ack { epoch, outcome: Outcome::Applied });
}

#[test]
fn nobody_follows_before_the_first_compile() {
    assert!(Arc::new(Publisher::new(1)).follow(pod("a", "1"), hello()).is_none());
}

#[test]
fn a_sidecar_gets_the_keys_of_its_own_snapshot_and_another_tenants_gets_none() {
    let harbour = Harbour::new(WORLD);

    let (ours, theirs) = (sent(&mut harbour.follow(0)), sent(&mut harbour.follow(2)));

    let keys: Vec<&str> = ours.keys.values().map(lotse_crds::secret::Secret::reveal).collect();
    assert_eq!(keys, ["Bearer key-of-paris"]);
    assert!(theirs.keys.is_empty());
    let content = harbour.follow(2).sent.borrow().content.clone();
    let text = String::from_utf8(content.to_vec()).expect("UTF-8");
    assert!(!text.contains("key-of-paris") && !text.contains("paris.example"), "{text}");
}

#[test]
fn pods_that_differ_only_in_what_nobody_reads_share_one_offer() {
    let harbour = Harbour::new(WORLD);
    let (_one, _two) = (harbour.follow(0), harbour.follow(1));

    let sidecars = harbour.publisher.sidecars();

    assert!(Arc::ptr_eq(&sidecars[0].offer, &sidecars[1].offer));
}

#[test]
fn a_change_is_sent_to_those_whom_it_concerns_and_in_order() {
    let harbour = Harbour::new(WORLD);
    let (mut ours, mut theirs) = (harbour.follow(0), harbour.follow(2));
    let (before, _) = (sent(&mut ours), sent(&mut theirs));

    harbour.refresh(&WORLD.replace("key-of-paris", "another-key"));

    assert!(ours.sent.has_changed().expect("it is open"));
    assert!(!theirs.sent.has_changed().expect("it is open"));
    let after = sent(&mut ours);
    assert_eq!(after.revision, before.revision, "keys are no part of a revision");
    assert!(after.epoch > before.epoch);
}

#[test]
fn acknowledgements_of_what_is_current_count_and_older_ones_do_not() {
    let harbour = Harbour::new(WORLD);
    let mut one = harbour.follow(0);
    let first = one.sent.borrow().epoch;
    assert_eq!(harbour.standing(), [Standing::Behind]);
    applied(&mut one);
    assert_eq!(harbour.standing(), [Standing::Current]);

    harbour.refresh(&WORLD.replace("Worldwide", "FR"));
    one.ack(Ack { epoch: first, outcome: Outcome::Applied });
    assert_eq!(harbour.standing(), [Standing::Behind]);

    let epoch = one.sent.borrow().epoch;
    one.ack(Ack { epoch, outcome: Outcome::Refused("no".to_owned()) });
    assert_eq!(harbour.standing(), [Standing::Refused]);
    drop(one);
    assert_eq!(harbour.standing(), []);
}

#[test]
fn a_withdrawn_consumer_loses_the_provider_and_its_key_at_once() {
    let harbour = Harbour::new(WORLD);
    let mut ours = harbour.follow(0);
    assert_eq!(sent(&mut ours).snapshot.candidates().count(), 1);

    harbour.refresh(&WORLD.replace("metadata.name: a}", "metadata.name: b}"));

    let after = sent(&mut ours);
    assert_eq!((after.snapshot.candidates().count(), after.keys.len()), (0, 0));
}

#[test]
fn a_pod_that_is_gone_or_changes_its_labels_is_noticed() {
    let mut harbour = Harbour::new(WORLD);
    let mut gone = harbour.follow(0);
    let mut labelled = harbour.follow(1);
    let selecting =
        WORLD.replace("spec: {inferenceRegions", "spec: {podSelector: {matchLabels: {tier: x}}, inferenceRegions");
    harbour.refresh(&selecting);
    assert!(!sent(&mut labelled).snapshot.policies.iter().any(|limits| limits.opens));

    harbour.pods.remove(0);
    harbour.pods[0].workload.labels.insert("tier".to_owned(), "x".to_owned());
    harbour.refresh(&selecting);

    assert!(sent(&mut labelled).snapshot.policies.iter().any(|limits| limits.opens));
    let _ = gone.sent.borrow_and_update();
    assert!(gone.sent.has_changed().is_err(), "its stream is closed");
}

const LIMITED: &str = "spec: {limits: {concurrentRequests: 10}, models: [m], namespaceSelector";

/// What is held of paris, which takes ten calls at once, by a sidecar that says what it was told last.
fn share(harbour: &Harbour, following: &Following) -> Option<u32> {
    let rations = &harbour.publisher.rations;
    let held = |uid: &str| Some(rations.held(uid).shares.first()?.share);
    let uid = harbour.publisher.state().streams[&following.id].pod.uid.clone();
    let account = Account::Route(ObjectName::new("root", "chat"));
    let (holds, refused) = (held(&uid), lotse_crds::usage::Refused::default());
    let used = Used { account, begun: 0, tokens: 0, concurrent: 0, refused, holds };
    rations.usage(following.id, &Usage { milliseconds: 1000, heard: u64::MAX, used: vec![used] });
    rations.settle(now());
    held(&uid)?.concurrent_requests
}

fn limited() -> Harbour {
    let harbour = Harbour::new(&WORLD.replace("spec: {models: [m], namespaceSelector", LIMITED));
    harbour.publisher.rations.opens(Spend::default(), now());
    harbour
}

#[test]
fn a_pod_that_has_ended_leaves_its_share_to_the_others_though_it_is_still_there() {
    let mut harbour = limited();
    let (mut ended, goes_on) = (harbour.follow(0), harbour.follow(1));
    assert_eq!((share(&harbour, &ended), share(&harbour, &goes_on)), (Some(9), None));
    assert_eq!((share(&harbour, &ended), share(&harbour, &goes_on)), (Some(5), Some(5)));

    harbour.pods[0].alive = false;
    harbour.refresh(&WORLD.replace("spec: {models: [m], namespaceSelector", LIMITED));
    let _ = ended.sent.borrow_and_update();
    assert!(ended.sent.has_changed().is_err(), "its stream is closed");
    drop(ended);

    assert_eq!(share(&harbour, &goes_on), Some(10));
}

#[test]
fn a_sidecar_that_gets_no_candidate_holds_nothing_of_a_limit() {
    for knows_the_words in [true, false] {
        let harbour = limited();
        harbour.publisher.expects(&harbour.manifests(), now(), &harbour.pods[..2]);
        let goes_on = harbour.follow(1);
        assert_eq!(share(&harbour, &goes_on), None, "it is not known what the other holds");
        let mut old = Hello { version: "0.0.9".to_owned(), ..hello() };
        old.restrictions.retain(|name| if knows_the_words { name != "staleness" } else { name != RESTRICTION });

        let _old = harbour.publisher.follow(harbour.pods[0].clone(), old).expect("it has compiled");

        assert_eq!(share(&harbour, &goes_on), Some(10), "{knows_the_words}");
    }
}

#[test]
fn a_sidecar_that_can_not_execute_a_restriction_gets_no_candidate_and_says_why() {
    let harbour = Harbour::new(WORLD);
    let old = Hello { version: "0.0.9".to_owned(), restrictions: vec!["evidence".to_owned()], holds: None };

    let mut following = harbour.publisher.follow(harbour.pods[0].clone(), old).expect("it has compiled");

    let delivery = sent(&mut following);
    assert_eq!((delivery.snapshot.candidates().count(), delivery.keys.len()), (0, 0));
    let refused = &delivery.snapshot.routes[0].tiers[0].refused[0].reasons[0];
    assert_eq!(refused.code, "sidecar_too_old");
    assert!(refused.message.contains("0.0.9 and can't execute staleness; restart the pod"), "{}", refused.message);
    applied(&mut following);
    assert_eq!(harbour.standing(), [Standing::Refused]);
}

#[test]
fn a_pod_that_follows_anew_has_left_its_earlier_streams() {
    let harbour = Harbour::new(WORLD);
    let (mut left, mut other) = (harbour.follow(0), harbour.follow(1));
    let _ = (left.sent.borrow_and_update(), other.sent.borrow_and_update());

    let again = harbour.follow(0);

    assert!(left.sent.has_changed().is_err(), "its stream is closed");
    assert!(other.sent.has_changed().is_ok() && again.sent.has_changed().is_ok());
    drop(left);
    assert_eq!(harbour.standing(), [Standing::Behind; 2]);
}

#[test]
fn when_leadership_ends_all_streams_do() {
    let harbour = Harbour::new(WORLD);
    let mut following = harbour.follow(0);
    let _ = following.sent.borrow_and_update();

    harbour.publisher.close();

    assert!(following.sent.has_changed().is_err());
    assert!(harbour.publisher.follow(harbour.pods[0].clone(), hello()).is_none());
    // A compile that was under way must not bring an old term back.
    harbour.refresh(WORLD);
    assert!(harbour.publisher.follow(harbour.pods[0].clone(), hello()).is_none());
}
