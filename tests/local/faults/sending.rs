//! Before an answer begins: connections that are not made, connections that close as they are used again, requests that
//! were read and never answered.

use std::sync::atomic::{AtomicBool, Ordering};

use lotse_tests::provider::{Asked, Step, response, stream, whole};
use lotse_tests::{Authority, FakeProvider, Sidecar, World};
use rustls::server::Acceptor;
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;

use crate::tls::trusting;

/// What a provider says that has nothing to hide.
fn bonjour(asked: &Asked) -> Vec<Step> {
    if asked.wants_stream() { stream("bonjour") } else { whole("bonjour") }
}

/// Asks, streamed or not.
async fn ask(sidecar: &Sidecar, stream: bool) -> lotse_tests::Answer {
    if stream { sidecar.stream().await } else { sidecar.chat().await }
}

// T03: nothing was sent, so the next may have it at once.
#[tokio::test]
async fn who_can_not_be_connected_to_gets_nothing_and_the_next_gets_exactly_one_call() {
    let (own, other) = (Authority::default(), Authority::default());
    let trusted = FakeProvider::says_over_tls("stolen", own.server(&["127.0.0.1"])).await;
    let misnamed = FakeProvider::says_over_tls("stolen", own.server(&["models.example.org"])).await;
    let h2 = FakeProvider::says_over_tls("stolen", own.h2_server(&["127.0.0.1"])).await;
    let plain = FakeProvider::says("stolen").await;
    // Takes connections, and never says a word of TLS.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mute_url = format!("https://{}/v1", mute.local_addr().expect("it is bound"));
    for (what, url, spec, code) in [
        ("refused", FakeProvider::nobody().await, String::new(), "unreachable"),
        ("no such name", "https://nowhere.invalid/v1".to_owned(), String::new(), "unreachable"),
        ("another authority", trusted.tls_url("127.0.0.1"), trusting(&other), "unreachable"),
        ("another name", misnamed.tls_url("127.0.0.1"), trusting(&own), "unreachable"),
        ("HTTP/2 alone", h2.tls_url("127.0.0.1"), trusting(&own), "unreachable"),
        ("no TLS there", plain.tls_url("127.0.0.1"), trusting(&own), "timeout"),
        ("no word of TLS", mute_url, trusting(&own), "timeout"),
    ] {
        let alone = World::default().provider("ill", &url, &spec).route("timeouts: {connectMilliseconds: 300}");
        let failed = Sidecar::of(&alone).await.chat().await;
        assert_eq!(failed.json()["error"]["metadata"]["attempts"][0]["code"], code, "{what}: {}", failed.text());
        for stream in [false, true] {
            let paris = FakeProvider::says("bonjour").await;
            let sidecar = Sidecar::of(&alone.clone().provider("paris", &paris.url(), "")).await;

            let answer = ask(&sidecar, stream).await;

            assert_eq!(
                (answer.said().as_str(), answer.header("x-lotse-attempts")),
                ("bonjour", Some("2")),
                "{what}: {}",
                answer.text()
            );
            assert_eq!(paris.calls(), 1, "{what}");
        }
    }
    assert_eq!([&trusted, &misnamed, &h2, &plain].map(FakeProvider::calls), [0; 4]);
}

// T04: the provider closes at each instant around the reuse of its connection.
#[tokio::test]
async fn a_connection_that_closes_as_it_is_used_again_costs_no_call_and_sends_nothing_twice() {
    const CALLS: usize = 4;
    for yields in 0..30 {
        let closes = FakeProvider::plays(move |asked| {
            let mut steps = bonjour(asked);
            steps.extend([Step::Yield(yields), Step::Close]);
            steps
        })
        .await;
        let paris = FakeProvider::says("salut").await;
        let sidecar = Sidecar::of(&World::of(&[("closes", &closes), ("paris", &paris)])).await;

        for call in 0..CALLS {
            let answer = ask(&sidecar, call % 2 == 1).await;
            let said = answer.said();
            assert!(said == "bonjour" || said == "salut", "after {yields}, call {call}: {}", answer.text());
        }

        assert_eq!(closes.calls() + paris.calls(), CALLS, "each call was read once, after {yields}");
    }
}

// T04, at its worst: the request is on its way when the provider closes, so it may have been read.
#[tokio::test]
async fn a_request_that_is_on_its_way_when_the_connection_closes_goes_on_to_the_next_and_not_to_the_same() {
    let closes = async || {
        FakeProvider::plays(|asked| {
            let mut steps = bonjour(asked);
            steps.push(Step::CloseWhenAsked);
            steps
        })
        .await
    };
    for stream in [false, true] {
        let (first, paris) = (closes().await, FakeProvider::says("salut").await);
        let sidecar = Sidecar::of(&World::of(&[("closes", &first), ("paris", &paris)])).await;
        assert_eq!(ask(&sidecar, stream).await.said(), "bonjour");
        let second = ask(&sidecar, stream).await;
        assert_eq!((second.said().as_str(), second.header("x-lotse-attempts")), ("salut", Some("2")));
        assert_eq!((first.calls(), first.connections(), paris.calls()), (1, 1, 1));

        let alone = closes().await;
        let sidecar = Sidecar::of(&World::of(&[("closes", &alone)])).await;
        assert_eq!(ask(&sidecar, stream).await.said(), "bonjour");
        let second = ask(&sidecar, stream).await;
        assert_eq!((second.status.as_u16(), second.code().as_str()), (502, "all_providers_failed"));
        assert_eq!((alone.calls(), alone.connections()), (1, 1));
    }
}

// T05: whether a request that was read has been worked on, nobody knows.
#[tokio::test]
async fn a_request_that_was_read_and_not_answered_goes_on_to_the_next_and_never_to_the_same_again() {
    let half = || Step::Send(b"HTTP/1.1 200 OK\r\ncontent-typ".to_vec());
    for (what, end) in [
        ("closes", vec![Step::Close]),
        ("resets", vec![Step::Reset]),
        ("closes in its head", vec![half(), Step::Close]),
        ("resets in its head", vec![half(), Step::Reset]),
    ] {
        for stream in [false, true] {
            for answers_first in [false, true] {
                let what = format!("{what}, stream {stream}, on a connection that is used again {answers_first}");
                let ill = async || {
                    let (end, is_first) = (end.clone(), AtomicBool::new(answers_first));
                    let plays = move |asked: &Asked| {
                        if is_first.swap(false, Ordering::SeqCst) { bonjour(asked) } else { end.clone() }
                    };
                    FakeProvider::plays(plays).await
                };
                let (first, paris) = (ill().await, FakeProvider::says("salut").await);
                let both = Sidecar::of(&World::of(&[("ill", &first), ("paris", &paris)])).await;
                let second = ill().await;
                let alone = Sidecar::of(&World::of(&[("ill", &second)])).await;
                if answers_first {
                    assert_eq!(ask(&both, stream).await.said(), "bonjour", "{what}");
                    assert_eq!(ask(&alone, stream).await.said(), "bonjour", "{what}");
                }
                let before = usize::from(answers_first);

                let answer = ask(&both, stream).await;
                assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("salut", Some("2")), "{what}");
                assert_eq!((first.calls() - before, paris.calls()), (1, 1), "{what}");

                let answer = ask(&alone, stream).await;
                assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"), "{what}");
                assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
                assert_eq!(answer.json()["error"]["metadata"]["attempts"].as_array().map(Vec::len), Some(1), "{what}");
                assert_eq!(second.calls() - before, 1, "{what}");
            }
        }
    }
}

// T06: HTTP/2's GOAWAY and REFUSED_STREAM do not arise, because nothing but HTTP/1.1 is offered.
#[tokio::test]
async fn providers_are_offered_http_1_1_and_nothing_else() {
    let authority = Authority::default();
    for trust in [trusting(&authority), String::new()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}/v1", listener.local_addr().expect("it is bound").port());
        let sidecar = Sidecar::of(&World::default().provider("paris", &url, &trust)).await;
        let heard = async {
            let (stream, _) = listener.accept().await.expect("a caller");
            let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await.expect("a ClientHello");
            let hello = begun.client_hello();
            let offered: Vec<Vec<u8>> = hello.alpn().expect("protocols").map(<[u8]>::to_vec).collect();
            (offered, hello.server_name().map(str::to_owned))
        };

        let (answer, (offered, name)) = tokio::join!(sidecar.chat(), heard);

        assert_eq!(offered, [b"http/1.1".to_vec()]);
        assert_eq!(name.as_deref(), Some("localhost"));
        assert_eq!(answer.json()["error"]["metadata"]["attempts"][0]["code"], "unreachable");
    }
}

// T06.
#[tokio::test]
async fn who_speaks_both_is_asked_by_http_1_1_and_who_answers_in_http_2_all_the_same_is_left() {
    let authority = Authority::default();
    let both = authority.speaking(&["127.0.0.1"], &[b"h2", b"http/1.1"]);
    let paris = FakeProvider::says_over_tls("bonjour", both).await;
    let world = World::default().provider("paris", &paris.tls_url("127.0.0.1"), &trusting(&authority));
    assert_eq!(Sidecar::of(&world).await.chat().await.said(), "bonjour");
    assert!(paris.last().head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", paris.last().head);

    // SETTINGS, then GOAWAY. Source: RFC 9113, sections 6.5 and 6.8.
    let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let goes = FakeProvider::plays(move |_| vec![Step::Send(frames.clone()), Step::Close]).await;
    let upgrades = FakeProvider::plays(|_| {
        vec![Step::Send(response(101, &[("connection", "upgrade"), ("upgrade", "h2c")], "")), Step::Close]
    })
    .await;
    let paris = FakeProvider::says("salut").await;
    let sidecar = Sidecar::of(&World::of(&[("goes", &goes), ("upgrades", &upgrades), ("paris", &paris)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("salut", Some("3")));
    assert_eq!((goes.calls(), upgrades.calls(), paris.calls()), (1, 1, 1));
    assert!(["upgrade", "connection", "http2-settings"].iter().all(|name| upgrades.last().header(name).is_none()));
}
