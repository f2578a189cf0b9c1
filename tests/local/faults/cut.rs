//! Streams that end as no stream ends: cut, without their last word, or with an error in place of it.

use lotse_tests::provider::{Asked, Step, chunk, event, last_chunk, response, stream, stream_head, whole};
use lotse_tests::{Answer, Asks, Authority, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

use crate::tls::trusting;

const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\n";

/// What came is there, then comes an error in the dialect of who asks, and a transport that breaks.
fn is_cut(asks: Asks, answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), asks.said(answer).as_str()), (200, "bonjour"), "{what}: {}", answer.text());
    assert!(!answer.is_complete, "{what} ends as a whole answer ends: {}", answer.text());
    asks.last_error(answer);
}

/// A stream of two pieces of content, that goes on as told.
fn begun(end: Vec<Step>) -> Vec<Step> {
    let mut steps = vec![Step::Send(stream_head())];
    steps.extend(["bon", "jour"].map(|text| Step::Send(chunk(event(text).as_bytes()))));
    steps.extend(end);
    steps
}

// T26: however the transport breaks. The next is not asked, because content has gone out.
#[tokio::test]
async fn a_transport_that_breaks_after_content_breaks_for_the_app_too() {
    let to_the_end = |head: &str| {
        let mut steps = vec![Step::Send(head.as_bytes().to_vec())];
        steps.extend(["bon", "jour"].map(|text| Step::Send(event(text).into_bytes())));
        steps.push(Step::Close);
        steps
    };
    let in_an_event = chunk(&event("never").as_bytes()[..40]);
    let in_a_chunk = [b"ff\r\n".to_vec(), in_an_event[4..20].to_vec()].concat();
    for (what, steps) in [
        ("closed between chunks", begun(vec![Step::Close])),
        ("closed in an event", begun(vec![Step::Send(in_an_event.clone()), Step::Close])),
        ("closed in a chunk", begun(vec![Step::Send(in_a_chunk.clone()), Step::Close])),
        ("reset between chunks", begun(vec![Step::Yield(50), Step::Reset])),
        ("reset in an event", begun(vec![Step::Send(in_an_event), Step::Yield(50), Step::Reset])),
        ("no size of a chunk", begun(vec![Step::Send(b"zz\r\nhello\r\n".to_vec()), Step::Hang])),
        ("a size that overflows", begun(vec![Step::Send(b"fffffffffffffffff\r\nhello\r\n".to_vec()), Step::Hang])),
        ("a chunk without its end", begun(vec![Step::Send(b"5\r\nhelloworld\r\n".to_vec()), Step::Hang])),
        (
            "shorter than its length",
            to_the_end("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n"),
        ),
        (
            "no length at all",
            to_the_end("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"),
        ),
        ("HTTP/1.0", to_the_end("HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")),
    ] {
        let (cut, paris) = (FakeProvider::plays(move |_| steps.clone()).await, FakeProvider::says("never").await);
        let sidecar = Sidecar::of(&World::of(&[("cut", &cut), ("paris", &paris)])).await;

        let answer = sidecar.stream().await;

        is_cut(Asks::Chat, &answer, what);
        assert_eq!(answer.code(), "all_providers_failed", "{what}");
        assert!(!answer.text().contains("[DONE]"), "{what}");
        assert_eq!((cut.calls(), paris.calls()), (1, 0), "{what}");
        sidecar
            .metric_is("lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/cut\",code=\"all_providers_failed\"} 1")
            .await;
    }
}

// T26: TLS that is closed without saying so may have been cut by somebody on the way.
#[tokio::test]
async fn tls_that_ends_without_a_word_is_a_cut_and_so_is_an_answer_that_only_the_connection_ends() {
    let authority = Authority::default();
    let server = || authority.server(&["127.0.0.1"]);
    let cut = FakeProvider::plays_over_tls(|_| begun(vec![Step::Close]), server()).await;
    let world = |url: &str| World::default().provider("cut", url, &trusting(&authority));
    is_cut(Asks::Chat, &Sidecar::of(&world(&cut.tls_url("127.0.0.1"))).await.stream().await, "TLS");

    // Whole as JSON, but nobody says that it is whole.
    let whole = FakeProvider::plays_over_tls(
        |_| {
            let body = lotse_tests::provider::completion("never");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            vec![Step::Send(format!("{head}{body}").into_bytes()), Step::Close]
        },
        server(),
    )
    .await;
    let paris = FakeProvider::says("bonjour").await;
    let world = world(&whole.tls_url("127.0.0.1")).provider("paris", &paris.url(), "");
    let answer = Sidecar::of(&world).await.chat().await;
    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")));
}

// T26: without TLS, HTTP/1.0 and `connection: close` end an answer so, and JSON says where it ends.
#[tokio::test]
async fn an_answer_that_the_connection_ends_is_an_answer_when_it_is_whole() {
    for head in ["HTTP/1.1 200 OK\r\nconnection: close", "HTTP/1.0 200 OK"] {
        let body = lotse_tests::provider::completion("bonjour");
        let bytes = format!("{head}\r\ncontent-type: application/json\r\n\r\n{body}").into_bytes();
        let old = FakeProvider::plays(move |_| vec![Step::Send(bytes.clone()), Step::Close]).await;
        let sidecar = Sidecar::of(&World::of(&[("old", &old)])).await;

        for _ in 0..3 {
            assert_eq!(sidecar.chat().await.said(), "bonjour", "{head}");
        }
        assert_eq!((old.calls(), old.connections()), (3, 3), "{head}");
    }
}

// T27: the transport ends well, the dialect does not. Both when the bytes pass and when they are translated.
#[tokio::test]
async fn a_clean_end_without_the_last_word_of_its_dialect_is_a_cut() {
    for speaks in Speaks::ALL {
        for asks in Asks::ALL {
            let what = format!("{speaks:?} for {asks:?}");
            let pieces = vec![speaks.opening(), speaks.piece("bon"), speaks.piece("jour")];
            let cut = speaks.streams(pieces).await;
            let paris = FakeProvider::says("never").await;
            let world = World::default().provider("cut", &speaks.url(&cut), speaks.spec());
            let sidecar = Sidecar::of(&world.provider("paris", &paris.url(), "")).await;

            let answer = sidecar.send(asks.request(true)).await;

            is_cut(asks, &answer, &what);
            assert_eq!(paris.calls(), 0, "{what}");
        }
    }
    let pieces = |pieces: &[Value]| {
        let each = pieces
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()));
        each.map(String::into_bytes).collect::<Vec<_>>()
    };
    let delta = |at: u8, text: &str| {
        json!({"type": "response.output_text.delta", "sequence_number": at, "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": text, "logprobs": []})
    };
    let cut = FakeProvider::streams(pieces(&[delta(1, "bon"), delta(2, "jour")]), vec![Step::Send(last_chunk())]).await;
    let answer = Sidecar::of(&World::of(&[("cut", &cut)])).await.send(Asks::Responses.request(true)).await;
    // What passes is not gathered, so the last word is the dialect's `error`, and not the whole response as failed.
    let (name, last) = answer.named_events().pop().expect("an event");
    assert_eq!(
        (name.as_str(), &last["type"], answer.is_complete),
        ("error", &json!("error"), false),
        "{}",
        answer.text()
    );
    assert_eq!(Asks::Responses.said(&answer), "bonjour");
    for end in [String::new(), USAGE.to_owned()] {
        let mut sent: Vec<Vec<u8>> = [event("bon"), event("jour"), end].map(String::into_bytes).to_vec();
        sent.retain(|piece| !piece.is_empty());
        let cut = FakeProvider::streams(sent, vec![Step::Send(last_chunk())]).await;
        let sidecar = Sidecar::of(&World::of(&[("cut", &cut)])).await;
        is_cut(Asks::Chat, &sidecar.stream().await, "Chat that passes");
        is_cut(Asks::Messages, &sidecar.send(Asks::Messages.request(true)).await, "Chat that is translated");
    }
}

// T28: the provider has said itself what went wrong. It is told once, counted, and nobody else is asked.
#[tokio::test]
async fn an_error_after_five_pieces_is_told_once_counted_and_asked_of_nobody_else() {
    let error = "data: {\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"code\":\"oom\"}}\n\n";
    for (what, end) in
        [("and the end", Step::Send(last_chunk())), ("and a reset", Step::Reset), ("and silence", Step::Hang)]
    {
        let mut pieces: Vec<Vec<u8>> = ["b", "o", "nj", "o", "ur"].map(|text| event(text).into_bytes()).to_vec();
        pieces.push(error.as_bytes().to_vec());
        let ill = FakeProvider::streams(pieces, vec![Step::Yield(50), end]).await;
        let paris = FakeProvider::says("never").await;
        let world = World::of(&[("ill", &ill), ("paris", &paris)]).route("timeouts: {idleMilliseconds: 200}");
        let sidecar = Sidecar::of(&world).await;

        let answer = sidecar.stream().await;

        is_cut(Asks::Chat, &answer, what);
        assert_eq!(answer.text().matches("\"error\"").count(), 1, "{what}: {}", answer.text());
        assert!(answer.text().contains("out of memory"), "{what}: {}", answer.text());
        assert_eq!((ill.calls(), paris.calls()), (1, 0), "{what}");
        sidecar
            .metric_is("lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/ill\",code=\"all_providers_failed\"} 1")
            .await;
    }
}

// T26, T28: two streams that break make an outage, and the next call goes elsewhere.
#[tokio::test]
async fn a_provider_whose_streams_break_has_an_outage() {
    let breaks = FakeProvider::plays(
        |asked: &Asked| {
            if asked.wants_stream() { begun(vec![Step::Close]) } else { whole("never") }
        },
    )
    .await;
    let paris = FakeProvider::says("salut").await;
    let sidecar = Sidecar::of(&World::of(&[("breaks", &breaks), ("paris", &paris)])).await;
    for _ in 0..2 {
        is_cut(Asks::Chat, &sidecar.stream().await, "cut");
    }

    assert_eq!(sidecar.stream().await.said(), "salut");
    assert_eq!((breaks.calls(), paris.calls()), (2, 1));
}

// T26: the connection of a stream that broke, or that was left before its end, carries no other call.
#[tokio::test]
async fn a_connection_whose_stream_broke_is_not_used_again() {
    let ends = |asked: &Asked| {
        if asked.json()["messages"][0]["content"] == "break" {
            begun(vec![Step::Send(b"zz\r\n".to_vec()), Step::Hang])
        } else {
            stream("bonjour")
        }
    };
    let paris = FakeProvider::plays(ends).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let ask =
        |content: &str| json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": content}]});

    assert_eq!(sidecar.send(Sidecar::request(&ask("hi"))).await.said(), "bonjour");
    assert_eq!(sidecar.send(Sidecar::request(&ask("hi"))).await.said(), "bonjour");
    assert_eq!(paris.connections(), 1);
    is_cut(Asks::Chat, &sidecar.send(Sidecar::request(&ask("break"))).await, "broken");
    paris.is_left_alone().await;
    assert_eq!(sidecar.send(Sidecar::request(&ask("hi"))).await.said(), "bonjour");
    assert_eq!(paris.connections(), 2);
}

// T26, for answers that are not streamed: half an answer is none.
#[tokio::test]
async fn half_an_answer_goes_on_to_the_next() {
    let bytes = response(200, &[], &lotse_tests::provider::completion("never").to_string());
    let half = || Step::Send(bytes[..bytes.len() - 20].to_vec());
    for (what, end) in [("closed", Step::Close), ("reset", Step::Reset), ("silent", Step::Hang)] {
        let steps = vec![half(), Step::Yield(50), end];
        let ill = FakeProvider::plays(move |_| steps.clone()).await;
        let paris = FakeProvider::says("bonjour").await;
        let world = World::of(&[("ill", &ill), ("paris", &paris)]).route("timeouts: {idleMilliseconds: 150}");

        let answer = Sidecar::of(&world).await.chat().await;

        assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")), "{what}");
        assert_eq!((ill.calls(), paris.calls()), (1, 1), "{what}");
    }
}
