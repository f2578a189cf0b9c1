//! Bodies that are not plain JSON: compressed ones and forms; and endpoints that a provider does not have.

use std::io::Write as _;

use lotse_tests::client::{Answer, post};
use lotse_tests::provider::{Step, response};
use lotse_tests::{FakeProvider, Sidecar, World};

const CALL: &[u8] = br#"{"model":"gpt-4o","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
const CHAT: &str = "/v1/chat/completions";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
/// More than a body may be: 33 MiB.
const TOO_MUCH: usize = 33 * 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text());
}

#[tokio::test]
async fn a_compressed_body_is_unfolded_and_goes_on_as_plain_json() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    for (coding, body) in [("gzip", gzip(CALL)), ("deflate", deflate(CALL)), ("zstd", zstd(CALL)), ("GZIP", gzip(CALL))]
    {
        let answer = sidecar.send(post(CHAT, &[("content-encoding", coding)], body)).await;

        assert_eq!(answer.said(), "bonjour", "{coding}: {}", answer.text());
        let expected = String::from_utf8_lossy(CALL).replace("gpt-4o", "upstream");
        assert_eq!(String::from_utf8_lossy(&paris.last().body), expected, "{coding}");
        assert_eq!(paris.last().header("content-encoding"), None, "{coding}");
    }
    assert_eq!(paris.calls(), 4);
}

#[tokio::test]
async fn a_bomb_is_too_large_and_nonsense_is_no_body_and_none_reaches_a_provider() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let spaces = vec![b' '; TOO_MUCH];
    for (coding, bomb) in [("gzip", gzip(&spaces)), ("deflate", deflate(&spaces)), ("zstd", zstd(&spaces))] {
        assert!(bomb.len() < 1024 * 1024, "{coding}");
        is(&sidecar.send(post(CHAT, &[("content-encoding", coding)], bomb)).await, 413, "payload_too_large");
    }
    let cut = gzip(CALL)[..20].to_vec();
    for (coding, body) in [
        ("gzip", CALL.to_vec()),
        ("deflate", CALL.to_vec()),
        ("zstd", CALL.to_vec()),
        ("gzip", zstd(CALL)),
        ("gzip", cut),
        ("zstd", Vec::new()),
    ] {
        is(&sidecar.send(post(CHAT, &[("content-encoding", coding)], body)).await, 400, "invalid_request");
    }
    is(
        &sidecar.send(post(CHAT, &[("content-encoding", "gzip, zstd")], gzip(CALL))).await,
        415,
        "unsupported_media_type",
    );
    assert_eq!(paris.calls(), 0);
    assert_eq!(sidecar.chat().await.said(), "bonjour");
}

/// A form of these fields: how each is named, and its value.
fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, value) in fields {
        body.extend(format!("--b0\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b0--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=b0");
const FILE: &str = "name=\"file\"; filename=\"gpt-4o.mp3\"\r\nContent-Type: audio/mpeg";

#[tokio::test]
async fn a_recording_goes_on_byte_for_byte_with_the_providers_name_for_the_model() {
    let paris = FakeProvider::answers(200, &[], r#"{"text":"bonjour"}"#).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let sound: Vec<u8> = (0..=255).cycle().take(300_000).chain(*b"\r\n--b1 gpt-4o\r\n\r\n").collect();
    let fields = |model| [(FILE, &sound[..]), ("name=\"model\"", model), ("name=\"language\"", b"fr")];

    let answer = sidecar.send(post(TRANSCRIPTIONS, &[FORM], form(&fields(b"gpt-4o")))).await;

    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, r#"{"text":"bonjour"}"#));
    assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/paris"));
    assert!(paris.last().body == form(&fields(b"upstream")), "only the model changes");
    assert_eq!(paris.last().header("content-type").as_deref(), Some(FORM.1));
    assert!(paris.last().head.starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_form_without_a_model_and_one_where_none_is_taken_are_refused() {
    let paris = FakeProvider::says("never").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let model = ("name=\"model\"", &b"gpt-4o"[..]);

    is(&sidecar.send(post(TRANSCRIPTIONS, &[FORM], form(&[(FILE, b"x")]))).await, 400, "invalid_request");
    is(&sidecar.send(post(TRANSCRIPTIONS, &[FORM], form(&[model, model]))).await, 400, "invalid_request");
    is(&sidecar.send(post(TRANSCRIPTIONS, &[FORM], "--b0\r\n")).await, 400, "invalid_request");
    let unknown = form(&[("name=\"model\"", b"nobody"), (FILE, b"x")]);
    is(&sidecar.send(post(TRANSCRIPTIONS, &[FORM], unknown)).await, 404, "model_not_found");
    is(&sidecar.send(post(CHAT, &[FORM], form(&[model]))).await, 415, "unsupported_media_type");
    is(&sidecar.send(post("/v1/embeddings", &[FORM], form(&[model]))).await, 415, "unsupported_media_type");

    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn who_has_no_such_endpoint_is_left_out_and_who_has_it_answers() {
    let (ollama, paris) = (FakeProvider::says("never").await, FakeProvider::answers(200, &[], r#"{"text":"x"}"#).await);
    let lacking = World::default().provider("ollama", &ollama.url(), "vendor: ollama");
    let recording = || post(TRANSCRIPTIONS, &[FORM], form(&[("name=\"model\"", b"gpt-4o"), (FILE, b"x")]));

    let refused = Sidecar::of(&lacking).await.send(recording()).await;
    let both = Sidecar::of(&lacking.provider("paris", &paris.url(), "")).await;
    let answered = both.send(recording()).await;

    is(&refused, 404, "no_eligible_provider");
    assert_eq!(refused.reasons("lotse-system/ollama"), ["operation_not_served"]);
    assert_eq!((answered.status.as_u16(), answered.text().as_str()), (200, r#"{"text":"x"}"#));
    assert_eq!(answered.header("x-lotse-attempts"), Some("1"));
    assert_eq!((ollama.calls(), paris.calls()), (0, 1));
}

#[tokio::test]
async fn what_a_provider_refuses_of_a_form_comes_back() {
    let body = r#"{"error":{"message":"no sound in it","type":"invalid_request_error","code":null}}"#;
    let strict = FakeProvider::plays(move |_| vec![Step::Send(response(400, &[], body))]).await;
    let sidecar = Sidecar::of(&World::of(&[("strict", &strict)])).await;

    let answer =
        sidecar.send(post(TRANSCRIPTIONS, &[FORM], form(&[("name=\"model\"", b"gpt-4o"), (FILE, b"x")]))).await;

    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["message"]), (400, &"no sound in it".into()));
}
