//! The folder is followed: changes come into force, and a broken folder changes nothing.

use std::time::Duration;

use http_body_util::BodyExt;
use lotse_tests::manifests::policy;
use lotse_tests::provider::{Step, chunk, event, stream_head};
use lotse_tests::{FakeProvider, Sidecar, World};

#[tokio::test]
async fn a_tightened_policy_comes_into_force_and_a_loosened_one_too() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let open = std::fs::read_to_string(sidecar.path("policies.yaml")).expect("a file");
    let before = sidecar.revision().await;

    sidecar.write("policies.yaml", &policy("lotse-system", "everything", "inferenceRegions: [EEA]"));
    sidecar.has_changed_from(&before).await;

    assert_eq!(sidecar.chat().await.code(), "policy_denied");
    let tightened = sidecar.revision().await;
    sidecar.write("policies.yaml", &open);
    sidecar.has_changed_from(&tightened).await;
    assert_eq!(sidecar.chat().await.said(), "bonjour");
    assert_eq!(sidecar.revision().await, before, "equal content is the same revision");
}

#[tokio::test]
async fn a_broken_folder_keeps_the_last_good_one_in_force_until_it_is_mended() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let before = sidecar.revision().await;

    let unknown = "apiVersion: lotse.dev/v1alpha1\nkind: DataPolicy\nmetadata: {name: x}\nspec: {regions: [EU]}";
    for (count, broken) in (1..).zip(["a: [b", "kind: Nothing", unknown]) {
        sidecar.write("policies.yaml", broken);
        sidecar.metric_is(&format!("lotse_snapshots_total{{outcome=\"refused\"}} {count}")).await;
        assert_eq!(sidecar.chat().await.said(), "bonjour");
    }
    assert_eq!(sidecar.revision().await, before);

    sidecar.write("policies.yaml", &policy("lotse-system", "everything", "inferenceRegions: [EEA]"));
    sidecar.has_changed_from(&before).await;
    assert_eq!(sidecar.chat().await.code(), "policy_denied");
}

#[tokio::test]
async fn a_folder_that_can_not_be_read_is_no_empty_folder() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let before = sidecar.revision().await;

    std::fs::write(sidecar.path("broken.yaml"), [0xff, 0xfe]).expect("a file");
    sidecar.write("policies.yaml", &policy("lotse-system", "everything", "inferenceRegions: [EEA]"));
    sidecar.metric_is("lotse_snapshots_total{outcome=\"refused\"} 1").await;
    assert_eq!(sidecar.chat().await.said(), "bonjour");
    assert_eq!(sidecar.revision().await, before);

    std::fs::remove_file(sidecar.path("broken.yaml")).expect("it is there");
    sidecar.has_changed_from(&before).await;
    assert_eq!(sidecar.chat().await.code(), "policy_denied");
}

#[tokio::test]
async fn a_deleted_policy_closes_the_door() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let before = sidecar.revision().await;

    std::fs::remove_file(sidecar.path("policies.yaml")).expect("it is there");
    sidecar.has_changed_from(&before).await;

    assert_eq!(sidecar.chat().await.code(), "no_data_policy");
}

#[tokio::test]
async fn a_sidecar_that_stops_lets_calls_end_and_takes_no_more() {
    let slow = FakeProvider::plays(|_| {
        vec![
            Step::Send(stream_head()),
            Step::Send(chunk(event("bon").as_bytes())),
            Step::Wait(Duration::from_millis(500)),
            Step::Send(chunk(format!("{}data: [DONE]\n\n", event("jour")).as_bytes())),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("slow", &slow)])).await;
    let address = sidecar.running().calls[0];
    let mut answer = sidecar.open_stream().await;
    answer.body_mut().frame().await.expect("a frame").expect("content");

    let stopping = tokio::spawn(sidecar.stop());
    let rest = answer.into_body().collect().await.expect("the stream ends").to_bytes();
    stopping.await.expect("it stops");

    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stream_in_flight_ends_as_it_began_while_new_calls_obey_the_new_policy() {
    let begun = FakeProvider::plays(|_| {
        vec![
            Step::Send(stream_head()),
            Step::Send(chunk(event("bon").as_bytes())),
            Step::Wait(Duration::from_millis(1500)),
            Step::Send(chunk(event("jour").as_bytes())),
            Step::Send(chunk(b"data: [DONE]\n\n")),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("begun", &begun)])).await;
    let before = sidecar.revision().await;
    let mut answer = sidecar.open_stream().await;
    answer.body_mut().frame().await.expect("a frame").expect("content");

    sidecar.write("policies.yaml", &policy("lotse-system", "everything", "inferenceRegions: [EEA]"));
    sidecar.has_changed_from(&before).await;

    assert_eq!(sidecar.chat().await.code(), "policy_denied");
    let rest = answer.into_body().collect().await.expect("the stream ends").to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
}
