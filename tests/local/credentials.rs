//! What proves to providers that we may call them: AWS signatures, and what happens when a credential is refused.

use lotse_tests::provider::{Asked, Step, response};
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::json;

const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: lotse-system}
stringData: {id: AKIACANARY, secret: canary/secret+access, token: canary-session, key: sk-canary-1234567890}
";

/// Bedrock, signed with or without a session token.
pub(crate) fn signed(provider: &FakeProvider, token: &str) -> World {
    let spec = format!(
        "{}\ncredential: {{type: AWS, aws: {{staticKeys: {{accessKeyIDRef: {{name: keys, key: id}}, \
         secretAccessKeyRef: {{name: keys, key: secret}}{token}}}}}}}",
        Speaks::Bedrock.spec()
    );
    World::default().provider("bedrock", &Speaks::Bedrock.url(provider), &spec).file("secrets.yaml", SECRETS)
}

pub(crate) const TOKEN: &str = ", sessionTokenRef: {name: keys, key: token}";

/// The part of an Authorization header behind `NAME=`.
fn part(asked: &Asked, name: &str) -> String {
    let header = asked.header("authorization").expect("a signature");
    let parts = header.strip_prefix("AWS4-HMAC-SHA256 ").expect("the algorithm").split(", ");
    let value = parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value);
    value.expect("the part").to_owned()
}

#[tokio::test]
async fn a_call_to_bedrock_is_signed_for_its_day_region_and_service_over_these_headers() {
    let bedrock = Speaks::Bedrock.says("bonjour").await;
    let sidecar = Sidecar::of(&signed(&bedrock, TOKEN)).await;
    for stream in [false, true] {
        let answer = sidecar.send(Asks::Chat.request(stream)).await;

        assert_eq!(Asks::Chat.said(&answer), "bonjour", "{}", answer.text());
        let asked = bedrock.last();
        let at = asked.header("x-amz-date").expect("a date");
        assert_eq!(part(&asked, "Credential"), format!("AKIACANARY/{}/eu-central-1/bedrock/aws4_request", &at[..8]));
        let names = part(&asked, "SignedHeaders");
        let names: Vec<&str> = names.split(';').collect();
        assert!(names.is_sorted(), "{names:?}");
        for name in ["host", "x-amz-date", "x-amz-security-token"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(names.iter().all(|name| asked.header(name).is_some()), "{names:?} in {}", asked.head);
        let signature = part(&asked, "Signature");
        assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()), "{signature}");
        assert_eq!(asked.header("x-amz-security-token").as_deref(), Some("canary-session"));
    }

    Sidecar::of(&signed(&bedrock, "")).await.chat().await;
    assert_eq!(bedrock.last().header("x-amz-security-token"), None);
    assert!(!part(&bedrock.last(), "SignedHeaders").contains("token"));
}

#[tokio::test]
async fn a_signature_changes_with_the_body_and_with_nothing_else_of_the_call() {
    let bedrock = Speaks::Bedrock.says("bonjour").await;
    let sidecar = Sidecar::of(&signed(&bedrock, TOKEN)).await;
    let mut other = Asks::Chat.body(false);
    other["messages"][0]["content"] = "ho".into();
    // The second is part of what is signed: calls of one second are compared.
    let compared = async {
        loop {
            let mut seen = Vec::new();
            for body in [Asks::Chat.body(false), Asks::Chat.body(false), other.clone()] {
                sidecar.send(Asks::Chat.with(&body)).await;
                seen.push((bedrock.last().header("x-amz-date"), part(&bedrock.last(), "Signature")));
            }
            if seen.iter().all(|(at, _)| *at == seen[0].0) {
                return seen;
            }
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(30), compared).await.expect("three calls a second");

    assert_eq!(seen[0].1, seen[1].1);
    assert_ne!(seen[0].1, seen[2].1);
}

#[tokio::test]
async fn no_aws_key_shows_in_the_snapshot_an_explanation_the_metrics_or_what_a_provider_echoes() {
    let echoes = FakeProvider::plays(|asked| {
        let heard = ["authorization", "x-amz-security-token"].map(|name| asked.header(name).unwrap_or_default());
        let body = json!({"message": format!("bad {}", heard.concat())}).to_string();
        vec![Step::Send(response(400, &[("x-amzn-errortype", "ValidationException")], &body))]
    })
    .await;
    let sidecar = Sidecar::of(&signed(&echoes, TOKEN)).await;

    let answer = sidecar.chat().await;

    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("[redacted]"), "{}", answer.text());
    for text in [
        answer.text(),
        sidecar.admin("/snapshot").await.text(),
        sidecar.admin("/explain?model=gpt-4o").await.text(),
        sidecar.probe("/metrics").await.text(),
    ] {
        assert!(!text.to_lowercase().contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_credential_that_is_refused_is_told_as_the_platforms_fault_with_the_provider_and_without_the_key() {
    let refusal = r#"{"type":"error","error":{"type":"authentication_error","code":"invalid_api_key",
        "message":"Incorrect API key provided: sk-canary-1234567890"}}"#;
    let credential = "credential: {type: APIKey, apiKey: {secretRef: {name: keys, key: key}}}";
    for speaks in Speaks::ALL {
        for asks in Asks::ALL {
            for (status, stream) in [(401, false), (401, true), (403, false)] {
                let strict = FakeProvider::answers(status, &[], refusal).await;
                let spec = format!("{}\n{credential}", speaks.spec());
                let world = World::default().provider("strict", &speaks.url(&strict), &spec);
                let sidecar = Sidecar::of(&world.file("secrets.yaml", SECRETS)).await;

                let answer = sidecar.send(asks.request(stream)).await;

                let (error, what) = (asks.error(&answer), format!("{speaks:?} for {asks:?}: {}", answer.text()));
                assert_eq!((answer.status.as_u16(), &error["code"]), (502, &json!("all_providers_failed")), "{what}");
                let attempt = &error["metadata"]["attempts"][0];
                assert_eq!(attempt["provider"], "lotse-system/strict", "{what}");
                assert_eq!((&attempt["code"], &attempt["status"]), (&json!("unauthorized"), &json!(status)), "{what}");
                assert!(!answer.text().contains("canary"), "{what}");
                assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
                assert!(strict.last().head.contains("sk-canary-1234567890"), "{what}");
            }
        }
    }
}
