//! Operator and sidecar: what is delivered, acknowledged, refused, revoked, and what happens when one of them is away.

use lotse_operator::publish::Standing;
use lotse_tests::manifests::policy;
use lotse_tests::{Authority, FakeProvider, Operator, Sidecar, World};

/// The token of the pod that the operator knows from the start.
const TOKEN: &str = "token-of-app-0";

fn only(regions: &str) -> Vec<String> {
    vec![policy("lotse-system", "only", &format!("inferenceRegions: [{regions}]"))]
}

#[tokio::test]
async fn what_is_declared_is_obeyed_and_acknowledged() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &provider)]));
    let sidecar = Sidecar::following(&operator).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.said()), (200, "bonjour".to_owned()));
    operator.sees(&[Standing::Current]).await;
}

#[tokio::test]
async fn a_call_that_is_made_before_the_first_snapshot_waits_for_it() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    let sidecar = Sidecar::following(&operator).await;

    let declared = async { operator.declares(&World::of(&[("paris", &provider)])) };
    let (answer, ()) = tokio::join!(sidecar.chat(), declared);

    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_tightened_policy_is_obeyed_and_a_deleted_one_closes_the_door() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    let world = World::of(&[("paris", &provider)]);
    operator.declares(&world);
    let sidecar = Sidecar::following(&operator).await;
    operator.sees(&[Standing::Current]).await;

    operator.declares(&world.clone().policies(&only("EU")));
    operator.sees(&[Standing::Current]).await;
    let tightened = sidecar.chat().await;
    operator.declares(&world.clone().policies(&[]));
    operator.sees(&[Standing::Current]).await;
    let closed = sidecar.chat().await;
    operator.declares(&world);
    operator.sees(&[Standing::Current]).await;
    let loosened = sidecar.chat().await;

    assert_eq!((tightened.status.as_u16(), tightened.code()), (403, "policy_denied".to_owned()));
    assert_eq!((closed.status.as_u16(), closed.code()), (403, "no_data_policy".to_owned()));
    assert_eq!(loosened.status, 200);
}

#[tokio::test]
async fn without_the_operator_what_was_in_force_stays() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &provider)]));
    let sidecar = Sidecar::following(&operator).await;
    operator.sees(&[Standing::Current]).await;

    operator.closes_its_port();
    operator.stops_leading();

    assert_eq!(sidecar.chat().await.status, 200);
    assert_eq!(sidecar.probe("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_new_leader_is_followed_and_an_older_term_is_refused() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    let world = World::of(&[("paris", &provider)]);
    operator.leads(7);
    operator.declares(&world);
    let sidecar = Sidecar::following(&operator).await;
    operator.sees(&[Standing::Current]).await;

    operator.leads(6);
    operator.declares(&world.clone().policies(&only("EU")));
    operator.sees(&[Standing::Refused]).await;
    assert_eq!(sidecar.chat().await.status, 200, "what an older leader says is not obeyed");

    operator.leads(8);
    operator.declares(&world.policies(&only("EU")));
    operator.sees(&[Standing::Current]).await;
    assert_eq!(sidecar.chat().await.status, 403);
}

#[tokio::test]
async fn a_deleted_pods_stream_ends_and_its_token_opens_no_other() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    let world = World::of(&[("paris", &provider)]);
    operator.declares(&world);
    let _sidecar = Sidecar::following(&operator).await;
    operator.sees(&[Standing::Current]).await;

    operator.deletes("app-0");
    operator.declares(&world);

    operator.sees(&[]).await;
}

#[tokio::test]
async fn a_token_that_is_no_good_gets_nothing_and_is_reviewed_once() {
    let operator = Operator::new().await;
    operator.declares(&World::default());
    std::fs::write(operator.folder.path().join("token"), "another").expect("a file");

    let _sidecar = Sidecar::following(&operator).await;
    operator.is_asked_of_a_token().await;

    assert_eq!(operator.standings(), []);
    assert_eq!(operator.says_to("", "another").await, Err(http::StatusCode::UNAUTHORIZED));
    assert_eq!(operator.reviews(), 1, "the verdict is remembered");
}

#[tokio::test]
async fn an_operator_of_another_authority_never_sees_the_token() {
    let (own, other) = (Authority::default(), Authority::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let (ca, token) = (file("ca.crt", &own.pem()), file("token", "a-token"));

    let flags = ["--operator", &url, "--operator-ca", &ca, "--token", &token];
    let _sidecar = Sidecar::running_with(&flags).await;
    let (stream, _) = listener.accept().await.expect("it comes");
    let handshake = other.h2_server(&["127.0.0.1"]).accept(stream).await;

    // The token is part of the request, and there is no request without a handshake.
    assert!(handshake.is_err(), "it believes another authority");
}

#[tokio::test]
async fn the_authorities_given_at_injection_serve_until_there_is_a_file() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &provider)]));
    std::fs::remove_file(operator.folder.path().join("ca.crt")).expect("it is there");
    let given = operator.authority().pem();

    let sidecar = Sidecar::following_with(&operator, &["--operator-ca-pem", &given]).await;

    assert_eq!(sidecar.chat().await.status, 200);
}

#[tokio::test]
async fn an_old_sidecar_that_would_read_over_a_restriction_gets_no_provider_and_is_told_why() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &provider)]));

    let sent =
        operator.says_to(r#"{"hello": {"version": "0.0.9", "restrictions": ["inferenceRegions"]}}"#, TOKEN).await;

    let tier = &sent.expect("it is let in")["delivery"]["snapshot"]["routes"][0]["tiers"][0];
    assert_eq!(tier["candidates"], serde_json::json!([]));
    assert_eq!(tier["refused"][0]["reasons"][0]["code"], "sidecar_too_old");
}

#[tokio::test]
async fn what_is_no_hello_is_refused_and_nobody_else_is_disturbed() {
    let provider = FakeProvider::says("bonjour").await;
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &provider)]));
    let sidecar = Sidecar::following(&operator).await;
    operator.sees(&[Standing::Current]).await;

    let garbage = ["garbage", "{}", r#"{"ack": {"epoch": {"term": 1, "counter": 1}, "outcome": "applied"}}"#];
    for line in garbage {
        assert_eq!(operator.says_to(line, TOKEN).await, Err(http::StatusCode::BAD_REQUEST), "{line}");
    }
    let endless = "x".repeat(100 * 1024);
    assert_eq!(operator.says_to(&endless, TOKEN).await, Err(http::StatusCode::BAD_REQUEST));

    operator.sees(&[Standing::Current]).await;
    assert_eq!(sidecar.chat().await.status, 200);
}

#[tokio::test]
async fn a_provider_that_refuses_its_credential_is_told_to_the_operator_who_may_renew_it() {
    let (paris, lyon) = (FakeProvider::refuses(401).await, FakeProvider::refuses(503).await);
    let operator = Operator::new().await;
    operator.declares(&World::of(&[("paris", &paris), ("lyon", &lyon)]));
    let sidecar = Sidecar::following(&operator).await;

    let answer = sidecar.chat().await;

    let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.code(), "all_providers_failed");
    assert!(message.contains("lotse-system/paris answered 401: it refuses our credential"), "{message}");
    assert_eq!(operator.hears_of_refused_credentials().await, ["lotse-system/paris"]);
    operator.sees(&[Standing::Current]).await;
}
