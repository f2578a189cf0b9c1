//! Requests that no app should send. Each gets a clear answer in the caller's dialect, and the sidecar lives on.

use lotse_tests::client::post;
use lotse_tests::{Answer, FakeProvider, Sidecar, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CALL: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text());
    let error = &answer.json()["error"];
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    assert!(error["metadata"]["request_id"].is_string());
}

#[tokio::test]
async fn each_bad_request_gets_its_code_and_none_reaches_a_provider() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let path = "/v1/chat/completions";
    let deep = format!("{{\"model\":\"gpt-4o\",\"messages\":{}{}}}", "[".repeat(500), "]".repeat(500));

    for (body, status, code) in [
        ("", 400, "invalid_request"),
        ("hello", 400, "invalid_request"),
        ("[]", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\"", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\"}{}", 400, "invalid_request"),
        ("\u{feff}{\"model\":\"gpt-4o\"}", 400, "invalid_request"),
        ("{\"messages\":[]}", 400, "invalid_request"),
        ("{\"model\":7}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"stream\":\"yes\"}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"model\":\"gpt-4o\"}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"mod\\u0065l\":\"gpt-4o\"}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"a\":{\"b\":[{\"c\":1,\"c\":2}]}}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"n\":NaN}", 400, "invalid_request"),
        (&deep, 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"provider\":{\"only\":[\"nobody\"]}}", 400, "invalid_request"),
        ("{\"model\":\"gpt-4o\",\"provider\":{\"enforce_distillable_text\":true}}", 400, "unsupported_field"),
        ("{\"model\":\"gpt-4o\",\"models\":\"x\"}", 400, "invalid_request"),
        ("{\"model\":\"nobody\"}", 404, "model_not_found"),
    ] {
        is(&sidecar.send(post(path, &[], body.to_owned())).await, status, code);
    }
    is(&sidecar.send(post(path, &[], vec![b'{', 0xff, b'}'])).await, 400, "invalid_request");
    is(&sidecar.send(post(path, &[("content-type", "text/plain")], CALL)).await, 415, "unsupported_media_type");
    is(&sidecar.send(post(path, &[("content-encoding", "br")], CALL)).await, 415, "unsupported_media_type");
    is(&sidecar.send(post(path, &[("content-encoding", "gzip")], CALL)).await, 400, "invalid_request");
    is(&sidecar.send(post(path, &[("host", "evil.example")], CALL)).await, 421, "misdirected_request");
    is(&sidecar.send(post(path, &[("origin", "https://evil.example")], CALL)).await, 403, "origin_refused");
    is(&sidecar.send(post("/v1/models", &[], CALL)).await, 405, "method_not_allowed");
    is(&sidecar.send(post("/v1/nothing", &[], CALL)).await, 404, "invalid_request");
    is(&sidecar.get(path).await, 405, "method_not_allowed");
    assert_eq!(sidecar.get(path).await.header("allow"), Some("POST"));

    assert_eq!(paris.calls(), 0);
    assert_eq!(sidecar.chat().await.said(), "bonjour");
}

#[tokio::test]
async fn an_unknown_model_is_answered_with_the_known_ones() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = sidecar.send(post("/v1/chat/completions", &[], "{\"model\":\"gpt-5\"}")).await;

    assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| message.ends_with("there are gpt-4o")));
}

#[tokio::test]
async fn a_body_of_forty_megabytes_is_refused_and_one_of_thirty_passes_unchanged() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let of = |megabytes: usize| {
        let image = "x".repeat(megabytes * 1024 * 1024);
        format!("{{\"messages\":[{{\"content\":\"{image}\"}}],\"model\":\"gpt-4o\"}}")
    };

    is(&sidecar.send(post("/v1/chat/completions", &[], of(40))).await, 413, "payload_too_large");
    let passed = sidecar.send(post("/v1/chat/completions", &[], of(30))).await;

    assert_eq!(passed.said(), "bonjour");
    assert!(paris.last().body == of(30).replace("gpt-4o", "upstream").into_bytes());
    assert_eq!(paris.calls(), 1);
}

#[tokio::test]
async fn what_an_app_says_about_hosts_and_keys_goes_nowhere() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let headers = [
        ("authorization", "Bearer app-key"),
        ("x-api-key", "app-key"),
        ("api-key", "app-key"),
        ("cookie", "app-key"),
        ("x-lotse-provider", "app-key"),
        ("x-forwarded-for", "app-key"),
        ("proxy-authorization", "app-key"),
        ("openai-beta", "assistants=v2"),
    ];
    let body = CALL.replace("{\"model\"", "{\"api_base\":\"http://evil.example\",\"model\"");

    let answer = sidecar.send(post("/v1/chat/completions?api_key=app-key", &headers, body)).await;

    assert_eq!(answer.said(), "bonjour");
    let head = paris.last().head;
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("app-key"), "{head}");
    assert_eq!(paris.last().header("openai-beta").as_deref(), Some("assistants=v2"));
}

#[tokio::test]
async fn raw_bytes_that_are_no_request_end_only_their_own_connection() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for bytes in [
        "\x16\x03\x01\x02\x00".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(),
        format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        format!("{head}content-length: +5\r\n\r\nhello"),
        format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(400)),
    ] {
        let mut stream = tokio::net::TcpStream::connect(sidecar.running().calls[0]).await.expect("it listens");
        stream.write_all(bytes.as_bytes()).await.expect("it reads");
        stream.shutdown().await.expect("it is open");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;

        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{bytes:?} got {answer}");
    }
    assert_eq!(paris.calls(), 0);
    assert_eq!(sidecar.chat().await.said(), "bonjour");
}

#[tokio::test]
async fn the_admin_and_probe_ports_answer_what_they_know() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    assert_eq!(sidecar.probe("/livez").await.text(), "ok\n");
    assert_eq!(sidecar.probe("/readyz").await.text(), "ok\n");
    assert_eq!(sidecar.probe("/nothing").await.status, 404);
    assert_eq!(sidecar.admin("/explain").await.status, 400);
    assert_eq!(sidecar.admin("/explain?model=nobody").await.status, 404);
    assert_eq!(sidecar.admin("/explain?model=gpt%2D4o").await.json()["candidates"][0]["eligible"], true);
    assert_eq!(sidecar.get("/v1/models").await.json()["data"][0]["id"], "gpt-4o");
    assert_eq!(sidecar.get("/snapshot").await.status, 404);
}
