//! Keys reach the provider and nothing else.

use lotse_tests::provider::{Step, response};
use lotse_tests::{FakeProvider, Sidecar, World};

const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: lotse-system}
stringData: {key: sk-canary-1234567890, team: canary-team}
---
apiVersion: v1
kind: Secret
metadata: {name: encoded, namespace: lotse-system}
type: Opaque
data: {key: c2stY2FuYXJ5LWVuY29kZWQ=}
";
const KEYED: &str = "credential: {type: APIKey, apiKey: {secretRef: {name: keys, key: key}}}
headers: [{name: x-team, secretRef: {name: keys, key: team}}, {name: x-plain, value: canary-plain}]";

#[tokio::test]
async fn a_key_goes_into_the_vendors_header_and_an_apps_own_does_not() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar =
        Sidecar::of(&World::default().provider("paris", &paris.url(), KEYED).file("secrets.yaml", SECRETS)).await;

    sidecar.chat().await;

    assert_eq!(paris.last().header("authorization").as_deref(), Some("Bearer sk-canary-1234567890"));
    assert_eq!(paris.last().header("x-team").as_deref(), Some("canary-team"));
    assert_eq!(paris.last().header("x-plain").as_deref(), Some("canary-plain"));
}

#[tokio::test]
async fn a_base64_secret_is_decoded() {
    let paris = FakeProvider::says("bonjour").await;
    let keyed = KEYED.replacen("name: keys", "name: encoded", 1);
    let sidecar =
        Sidecar::of(&World::default().provider("paris", &paris.url(), &keyed).file("secrets.yaml", SECRETS)).await;

    sidecar.chat().await;

    assert_eq!(paris.last().header("authorization").as_deref(), Some("Bearer sk-canary-encoded"));
}

#[tokio::test]
async fn no_key_shows_in_the_snapshot_an_explanation_the_metrics_or_an_error() {
    let echoes = FakeProvider::plays(|asked| {
        let key = asked.header("authorization").unwrap_or_default();
        vec![Step::Send(response(400, &[], &format!("{{\"error\":{{\"message\":\"bad key {key}\"}}}}")))]
    })
    .await;
    let sidecar =
        Sidecar::of(&World::default().provider("echoes", &echoes.url(), KEYED).file("secrets.yaml", SECRETS)).await;

    let answer = sidecar.chat().await;

    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("bad key Bearer [redacted]"), "{}", answer.text());
    for text in [
        answer.text(),
        sidecar.admin("/snapshot").await.text(),
        sidecar.admin("/explain?model=gpt-4o").await.text(),
        sidecar.probe("/metrics").await.text(),
    ] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_new_key_is_used_from_the_next_call_on() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar =
        Sidecar::of(&World::default().provider("paris", &paris.url(), KEYED).file("secrets.yaml", SECRETS)).await;

    sidecar.write("secrets.yaml", &SECRETS.replace("sk-canary-1234567890", "sk-rotated"));
    sidecar.metric_is("lotse_snapshots_total{outcome=\"applied\"} 2").await;
    sidecar.chat().await;

    assert_eq!(paris.last().header("authorization").as_deref(), Some("Bearer sk-rotated"));
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
    let paris = FakeProvider::says("bonjour").await;
    let secrets = SECRETS.replace("sk-canary-1234567890", "\"sk-canary\\nx: y\"");
    let world = World::default().provider("paris", &paris.url(), KEYED).file("secrets.yaml", &secrets);

    let error = format!("{:?}", Sidecar::try_of(&world).await.err().map(|error| error.to_string()));

    assert!(!error.contains("canary"));
    assert!(Sidecar::try_of(&world).await.is_err());
}
