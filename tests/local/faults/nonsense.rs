//! Answers that are none: pages, wrong words, statuses without sense. The app hears of none of them but our own.

use lotse_tests::provider::{Step, chunk, completion, event, last_chunk, response, stream_head, whole};
use lotse_tests::{FakeProvider, Sidecar, World};

const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx/1.25 at 10.0.0.7</body></html>";

fn head(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n")
}

fn sends(text: String) -> Vec<Step> {
    vec![Step::Send(text.into_bytes()), Step::Close]
}

fn plays(status: u16, kind: &str, body: &str) -> Vec<Step> {
    vec![Step::Send(response(status, &[("content-type", kind)], body))]
}

// T97: for calls that are not streamed, and for streams.
#[tokio::test]
async fn what_is_no_answer_goes_on_to_the_next_and_none_of_it_is_told() {
    let good = completion("stolen").to_string();
    let no_text = br#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    let not_utf8 = [&no_text[..], b"\xff\xfe\"},\"finish_reason\":\"stop\"}]}"].concat();
    let not_utf8 = [
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", not_utf8.len())
            .into_bytes(),
        not_utf8,
    ]
    .concat();
    let events = format!("{}data: [DONE]\n\n", event("stolen"));
    for (what, steps) in [
        ("a page, 502", plays(502, "text/html", PAGE)),
        ("a page, 404", plays(404, "text/html", PAGE)),
        ("a page, 200", plays(200, "text/html", PAGE)),
        ("a page that says it is JSON", plays(200, "application/json", PAGE)),
        ("nothing", plays(200, "application/json", "")),
        ("null", plays(200, "application/json", "null")),
        ("a word", plays(200, "application/json", "\"ok\"")),
        ("a list", plays(200, "application/json", "[]")),
        ("half of JSON", plays(200, "application/json", &good[..good.len() - 2])),
        ("JSON and more", plays(200, "application/json", &format!("{good}{good}"))),
        ("not UTF-8", vec![Step::Send(not_utf8)]),
        ("204", sends(head("204 No Content", ""))),
        (
            "204 with a body",
            sends(format!(
                "{}{good}",
                head("204 No Content", "content-type: application/json\r\ncontent-length: 5\r\n")
            )),
        ),
        ("205", plays(205, "application/json", "")),
        ("304", sends(head("304 Not Modified", ""))),
        (
            "an error with status 200",
            plays(200, "application/json", "{\"error\":{\"message\":\"10.0.0.7 is down\",\"code\":\"x\"}}"),
        ),
        ("101", sends(head("101 Switching Protocols", "connection: upgrade\r\nupgrade: websocket\r\n"))),
        ("no number", sends(head("OK OK", ""))),
        ("a small number", sends(head("099 Low", "content-length: 0\r\n"))),
        ("HTTP/3.0", sends(format!("HTTP/3.0 200 OK\r\ncontent-length: {}\r\n\r\n{good}", good.len()))),
        ("a banner", sends("SSH-2.0-OpenSSH_9.7\r\n".to_owned())),
        (
            "a head without end",
            vec![Step::Send(head("200 OK", &format!("x: {}\r\n", "y".repeat(600_000))).into_bytes()), Step::Close],
        ),
        ("a thousand headers", sends(head("200 OK", &"x: y\r\n".repeat(1000)))),
        ("a broken header", sends(head("200 OK", "no colon\r\n"))),
        ("a NUL in a header", sends(head("200 OK", "x: \0\r\n"))),
    ] {
        let nonsense = FakeProvider::plays(move |_| steps.clone()).await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("nonsense", &nonsense), ("paris", &paris)])).await;
        let alone = Sidecar::of(&World::of(&[("nonsense", &nonsense)])).await;
        for stream in [false, true] {
            let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };
            assert_eq!(
                (answer.said().as_str(), answer.header("x-lotse-attempts")),
                ("bonjour", Some("2")),
                "{what}, {stream}: {}",
                answer.text()
            );

            let answer = if stream { alone.stream().await } else { alone.chat().await };
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (502, "all_providers_failed"),
                "{what}, {stream}"
            );
            assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
            let told = answer.text();
            assert!(
                ["stolen", "10.0.0.7", "nginx", "<html>"].iter().all(|word| !told.contains(word)),
                "{what}: {told}"
            );
        }
        assert_eq!(paris.calls(), 2, "{what}");
    }
    for (what, kind, body) in
        [("events", "text/event-stream", events.as_str()), ("events as JSON", "application/json", &events)]
    {
        let body = body.to_owned();
        let streams = FakeProvider::answers(200, &[("content-type", kind)], &body).await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("streams", &streams), ("paris", &paris)])).await;
        assert_eq!(sidecar.chat().await.said(), "bonjour", "{what} where an answer is asked for");
    }
    for (what, steps) in [
        ("an answer where a stream is asked for", whole("stolen")),
        ("events that say they are a page", vec![Step::Send(response(200, &[("content-type", "text/html")], &events))]),
        ("events that say nothing", vec![Step::Send(response(200, &[("content-type", "")], &events))]),
    ] {
        let nonsense = FakeProvider::plays(move |_| steps.clone()).await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("nonsense", &nonsense), ("paris", &paris)])).await;
        assert_eq!(sidecar.stream().await.said(), "bonjour", "{what}");
    }
}

// T97: what stands before an answer is passed over, in bounded time.
#[tokio::test]
async fn heads_that_announce_an_answer_are_passed_over_and_a_flood_of_them_is_left() {
    let early =
        [head("103 Early Hints", "link: <https://evil.example>; rel=preload\r\n"), head("100 Continue", "")].concat();
    let hints =
        FakeProvider::plays(move |_| [vec![Step::Send(early.clone().into_bytes())], whole("bonjour")].concat()).await;
    let answer = Sidecar::of(&World::of(&[("hints", &hints)])).await.chat().await;
    assert_eq!((answer.said().as_str(), answer.header("link")), ("bonjour", None));

    let floods = FakeProvider::plays(|_| vec![Step::Flood(head("100 Continue", "").into_bytes())]).await;
    let paris = FakeProvider::says("bonjour").await;
    let world = World::of(&[("floods", &floods), ("paris", &paris)]).route("timeouts: {firstContentMilliseconds: 300}");
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")));
    floods.is_left_alone().await;
}

// T97: what is wrong only by the letter is an answer.
#[tokio::test]
async fn an_answer_that_is_whole_is_taken_from_servers_that_are_careless_with_its_head() {
    let body = completion("bonjour").to_string();
    let of = |headers: &str| {
        vec![Step::Send(
            format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes(),
        )]
    };
    let stream = |kind: &str| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
        let all = lotse_tests::provider::events("bonjour").concat();
        vec![Step::Send(head.into_bytes()), Step::Send(chunk(all.as_bytes())), Step::Send(last_chunk())]
    };
    for (what, steps) in [
        ("no type", of("")),
        ("another type", of("content-type: text/plain\r\n")),
        (
            "no reason",
            vec![Step::Send(format!("HTTP/1.1 200\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())],
        ),
        ("201", vec![Step::Send(response(201, &[], &body))]),
        ("white space around it", vec![Step::Send(response(200, &[], &format!("\r\n {body}\n\n")))]),
    ] {
        let careless = FakeProvider::plays(move |_| steps.clone()).await;
        let answer = Sidecar::of(&World::of(&[("careless", &careless)])).await.chat().await;
        assert_eq!((answer.status.as_u16(), answer.said().as_str()), (200, "bonjour"), "{what}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    }
    for kind in ["text/event-stream", "text/event-stream;charset=UTF-8", "Text/Event-Stream ; foo=bar"] {
        let steps = stream(kind);
        let careless = FakeProvider::plays(move |_| steps.clone()).await;
        let answer = Sidecar::of(&World::of(&[("careless", &careless)])).await.stream().await;
        assert_eq!((answer.said().as_str(), answer.is_complete), ("bonjour", true), "{kind}");
    }
    // A stream whose head promises nothing but which is one all the same cannot be told from a page.
    let none = FakeProvider::plays(|_| vec![Step::Send(stream_head()), Step::Send(last_chunk())]).await;
    assert_eq!(Sidecar::of(&World::of(&[("none", &none)])).await.stream().await.status, 502);
}
