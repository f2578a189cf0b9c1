//! Lengths and codings that do not fit, and bodies that are large: each provider reads all of the request, and the app
//! all of one answer.

use lotse_tests::client::post;
use lotse_tests::provider::{Step, completion, response};
use lotse_tests::{Answer, FakeProvider, Sidecar, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CHAT: &str = "/v1/chat/completions";
const PRICED: &str =
    "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";

/// An answer of these header lines and this body.
fn raw(headers: &str, body: &[u8]) -> Step {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n\r\n");
    Step::Send([head.as_bytes(), body].concat())
}

fn is(answer: &Answer, said: &str, attempts: &str, what: &str) {
    let got = (answer.said(), answer.header("x-lotse-attempts").unwrap_or_default().to_owned());
    assert_eq!(got, (said.to_owned(), attempts.to_owned()), "{what}: {}", answer.text());
}

// T91: what is added to an answer counts in its length.
#[tokio::test]
async fn an_answer_that_grows_has_the_length_that_it_has() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::default().provider("paris", &paris.url(), PRICED)).await;

    let answer = sidecar.chat().await;

    assert!(answer.json()["usage"]["cost"].is_number() && answer.is_complete);
    assert!(answer.body.len() > completion("bonjour").to_string().len());
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!((answer.header("content-encoding"), answer.header("transfer-encoding")), (None, None));
}

// T91: nobody is asked for a compressed answer, and who sends one all the same is left.
#[tokio::test]
async fn codings_are_neither_asked_for_nor_passed_on() {
    for coding in ["gzip", "br", "zstd", "deflate", "gzip, gzip"] {
        let squeezed = FakeProvider::plays(move |asked| {
            let kind = if asked.wants_stream() { "text/event-stream" } else { "application/json" };
            vec![Step::Send(response(200, &[("content-encoding", coding), ("content-type", kind)], "\u{1f}\u{8b}"))]
        })
        .await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("squeezed", &squeezed), ("paris", &paris)])).await;
        for stream in [false, true] {
            let body = lotse_tests::sidecar::body(stream).to_string();
            let answer = sidecar.send(post(CHAT, &[("accept-encoding", "gzip, br, zstd")], body)).await;

            is(&answer, "bonjour", "2", coding);
            assert_eq!(answer.header("content-encoding"), None, "{coding}");
        }
        for provider in [&squeezed, &paris] {
            let accepted = provider.last().header("accept-encoding");
            assert!(matches!(accepted.as_deref(), None | Some("identity")), "{accepted:?}");
        }
    }
    // A refusal that nobody can read is a refusal all the same, told in our words.
    let squeezed = FakeProvider::answers(400, &[("content-encoding", "gzip")], "\u{1f}\u{8b}\u{8}").await;
    let answer = Sidecar::of(&World::of(&[("squeezed", &squeezed)])).await.chat().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (400, None));
    assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
}

// T91: a length that is not the body's leads neither to half an answer nor to somebody else's.
#[tokio::test]
async fn a_length_that_lies_goes_on_to_the_next_and_what_is_left_over_is_read_by_nobody() {
    let body = completion("never").to_string();
    let forged = response(200, &[], &completion("forged").to_string());
    let chunked = [format!("{:x}\r\n{body}\r\n", body.len()).as_bytes(), b"0\r\n\r\n"].concat();
    for (what, answer) in [
        ("too short", raw(&format!("content-length: {}", body.len() - 1), body.as_bytes())),
        ("nothing", raw("content-length: 0", body.as_bytes())),
        ("two lengths", raw(&format!("content-length: {}\r\ncontent-length: 5", body.len()), body.as_bytes())),
        ("a sign", raw(&format!("content-length: -{}", body.len()), body.as_bytes())),
        ("no number", raw("content-length: many", body.as_bytes())),
        ("an unknown coding", raw("transfer-encoding: gzip, identity", &chunked)),
    ] {
        let lies = FakeProvider::plays(move |_| vec![answer.clone(), Step::Close]).await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("lies", &lies), ("paris", &paris)])).await;
        is(&sidecar.chat().await, "bonjour", "2", what);
    }
    // An answer that comes with another behind it, as if that were the answer to the next call.
    let body = completion("bonjour").to_string();
    let stuffed = [response(200, &[], &body), forged].concat();
    let stuffs = FakeProvider::plays(move |_| vec![Step::Send(stuffed.clone())]).await;
    let sidecar = Sidecar::of(&World::of(&[("stuffs", &stuffs)])).await;
    for _ in 0..3 {
        is(&sidecar.chat().await, "bonjour", "1", "stuffed");
    }
    assert_eq!(
        (stuffs.calls(), stuffs.connections()),
        (3, 3),
        "a connection with bytes that nobody asked for is closed"
    );
}

/// Sends a body in chunks, without its length, and gives what comes back.
async fn chunked(sidecar: &Sidecar, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(sidecar.running().calls[0]).await.expect("it listens");
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    for piece in body.chunks(64 * 1024) {
        stream.write_all(&lotse_tests::provider::chunk(piece)).await.expect("it reads on");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("it reads to the end");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

fn picture(megabytes: usize) -> String {
    let image = "QUJD".repeat(megabytes * 256 * 1024);
    format!("{{\"messages\":[{{\"content\":\"{image}\"}}],\"model\":\"gpt-4o\"}}")
}

// T93: a large body goes on to the next whole, whether its length was told or not.
#[tokio::test]
async fn a_large_body_is_sent_whole_to_each_who_is_asked() {
    let (ill, paris) = (FakeProvider::refuses(503).await, FakeProvider::says("bonjour").await);
    let sidecar = Sidecar::of(&World::of(&[("ill", &ill), ("paris", &paris)])).await;
    let (body, expected) = (picture(8), picture(8).replace("gpt-4o", "upstream"));

    is(&sidecar.send(post(CHAT, &[], body.clone())).await, "bonjour", "2", "with its length");
    let answer = chunked(&sidecar, body.as_bytes()).await;

    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("bonjour"), "{answer}");
    for asked in ill.asked().iter().chain(&paris.asked()) {
        assert!(asked.body == expected.as_bytes(), "{} bytes", asked.body.len());
        assert_eq!(asked.header("content-length"), Some(expected.len().to_string()));
        assert_eq!((asked.header("transfer-encoding"), asked.header("expect")), (None, None));
    }
    assert_eq!((ill.calls(), paris.calls()), (2, 2));
}

// T93: without a length, a body is too large when it has become so.
#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_and_reaches_nobody() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;

    let answer = chunked(&sidecar, picture(40).as_bytes()).await;

    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload_too_large"), "{answer}");
    assert_eq!(paris.calls(), 0);
    is(&sidecar.chat().await, "bonjour", "1", "and the next call");
}

// T93: who does not read a large body, or answers before its end, is left in time.
#[tokio::test]
async fn a_provider_that_does_not_read_a_large_body_is_left() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let deaf_url = format!("http://{}/v1", deaf.local_addr().expect("it is bound"));
    let hasty = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let hasty_url = format!("http://{}/v1", hasty.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = hasty.accept().await {
            drop(stream.read(&mut [0; 64]).await);
            drop(stream.write_all(&response(429, &[("retry-after", "9"), ("connection", "close")], "{}")).await);
        }
    });
    for (what, url) in [("never reads", deaf_url), ("answers at once", hasty_url)] {
        let paris = FakeProvider::says("bonjour").await;
        let world = World::default().provider("ill", &url, "").provider("paris", &paris.url(), "");
        let sidecar = Sidecar::of(&world.route("timeouts: {firstContentMilliseconds: 2000}")).await;

        is(&sidecar.send(post(CHAT, &[], picture(12))).await, "bonjour", "2", what);

        assert!(paris.last().body == picture(12).replace("gpt-4o", "upstream").as_bytes(), "{what}");
    }
}

// T93: an answer may be large, too; one that is larger than any answer is left.
#[tokio::test]
async fn a_large_answer_passes_and_one_without_end_is_left() {
    let text = "x".repeat(8 * 1024 * 1024);
    let paris = FakeProvider::answers(200, &[], &completion(&text).to_string()).await;
    let endless = FakeProvider::plays(|_| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        vec![Step::Send(head), Step::Flood(lotse_tests::provider::chunk(&[b' '; 16 * 1024]))]
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("endless", &endless), ("paris", &paris)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().len(), answer.header("x-lotse-attempts")), (text.len(), Some("2")));
    endless.is_left_alone().await;
    assert!(endless.taken() < 64 * 1024 * 1024, "{}", endless.taken());
}
