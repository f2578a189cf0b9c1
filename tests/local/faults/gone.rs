//! Apps that read slowly or not at all, and apps that go away: what waits for them is bounded, and what is done for them
//! ends at once.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use lotse_tests::provider::{Step, chunk, event, stream_head};
use lotse_tests::sidecar::body;
use lotse_tests::{FakeProvider, Sidecar, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
/// How soon a provider must see that nobody waits any more. Far more than it takes, for machines that are busy.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Content, over and over.
pub(super) fn flood() -> Vec<Step> {
    let content = chunk(event(&"bla ".repeat(4096)).as_bytes());
    vec![Step::Send(stream_head()), Step::Send(chunk(event("bon").as_bytes())), Step::Flood(content)]
}

/// A call whose app has little room for the answer, and has read nothing of it yet.
pub(super) async fn call(address: SocketAddr, stream: bool) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("a size");
    let mut app = socket.connect(address).await.expect("it listens");
    let body = body(stream).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    app.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    app
}

/// The line that counts a call that was given up.
fn given_up(provider: &str) -> String {
    format!(
        "lotse_calls_total{{route=\"lotse-system/route\",provider=\"lotse-system/{provider}\",code=\"client_gone\"}} 1"
    )
}

// T94: who does not read holds the provider back; who reads on gets all that was held.
#[tokio::test]
async fn an_app_that_does_not_read_holds_the_provider_back_and_gets_all_when_it_does() {
    const HELD: usize = 24 * 1024 * 1024;
    let floods = FakeProvider::plays(|_| flood()).await;
    let sidecar = Sidecar::of(&World::of(&[("floods", &floods)]).route("timeouts: {idleMilliseconds: 200}")).await;
    let mut app = call(sidecar.running().calls[0], true).await;

    floods.is_held_back().await;

    // Longer than the idle time: it is not the provider that is silent.
    floods.is_held_back().await;
    let held = floods.taken();
    assert!(held < HELD, "{held} bytes wait for one app");
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    while read < 2 * held {
        let length = app.read(&mut buffer).await.expect("the stream goes on");
        assert!(length > 0, "it ends after {read} of more than {held}");
        assert!(!buffer[..length].windows(7).any(|window| window == b"\"error\""), "it breaks after {read}");
        read += length;
    }
    drop(app);
    floods.is_left_within(AT_ONCE).await;
    sidecar.metric_is(&given_up("floods")).await;
}

// T94: a slow app is no silent provider, and its answer is as whole as any.
#[tokio::test]
async fn a_slow_app_gets_the_whole_of_an_answer_that_the_provider_has_long_ended() {
    let text = "word ".repeat(400_000);
    let steps = [
        vec![Step::Send(stream_head())],
        text.as_bytes()
            .chunks(50_000)
            .map(|part| Step::Send(chunk(event(std::str::from_utf8(part).expect("ASCII")).as_bytes())))
            .collect(),
        vec![Step::Send(chunk(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))],
        vec![Step::Send(b"0\r\n\r\n".to_vec())],
    ]
    .concat();
    let quick = FakeProvider::plays(move |_| steps.clone()).await;
    let sidecar = Sidecar::of(&World::of(&[("quick", &quick)]).route("timeouts: {idleMilliseconds: 100}")).await;
    let mut app = call(sidecar.running().calls[0], true).await;
    let mut got = Vec::new();
    let mut buffer = vec![0; 256 * 1024];

    for read in 0.. {
        // Pauses longer than the idle time.
        if read < 5 {
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        if got.ends_with(b"data: [DONE]\n\n\r\n0\r\n\r\n") {
            break;
        }
        let length = app.read(&mut buffer).await.expect("the stream goes on");
        assert!(length > 0, "it ends after {} bytes", got.len());
        got.extend_from_slice(&buffer[..length]);
    }

    let words = got.windows(5).filter(|window| *window == b"word ").count();
    // Words that a chunk cuts in two are not counted.
    assert!((399_000..=400_000).contains(&words), "{words}");
}

// T94, for the program: what many slow apps hold is bounded. It waits in the kernel's buffers, which are not the program's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn fifty_apps_that_do_not_read_cost_little_memory() {
    const MOST: u64 = 64 * 1024;
    let floods = FakeProvider::plays(|_| flood()).await;
    let sidecar = crate::command::started(&World::of(&[("floods", &floods)]), &[]);
    let address = sidecar.calls.parse().expect("an address");
    let mut apps = Vec::new();
    for _ in 0..50 {
        apps.push(call(address, true).await);
    }

    for _ in 0..3 {
        floods.is_held_back().await;
    }

    let memory = sidecar.kilobytes();
    assert_eq!(floods.calls(), 50);
    assert!(memory < MOST, "{memory} KiB, of which the buffers of 50 streams");
    drop(apps);
    floods.is_left_within(AT_ONCE).await;
}

// T93, for the program: a large body is held once, however many are asked.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_large_body_is_held_once_however_many_are_asked() {
    const BODY: usize = 24 * 1024 * 1024;
    const MOST: u64 = 2 * 24 * 1024 + 32 * 1024;
    let ill = [FakeProvider::refuses(503).await, FakeProvider::refuses(503).await, FakeProvider::refuses(503).await];
    let paris = FakeProvider::says("bonjour").await;
    let world = World::of(&[("a", &ill[0]), ("b", &ill[1]), ("c", &ill[2]), ("paris", &paris)]);
    let sidecar = crate::command::started(&world, &[]);
    let body = format!("{{\"messages\":[{{\"content\":\"{}\"}}],\"model\":\"gpt-4o\"}}", "QUJD".repeat(BODY / 4));
    let request = lotse_tests::client::post("/v1/chat/completions", &[], body);

    let answer = lotse_tests::client::send(sidecar.calls.parse().expect("an address"), request).await;

    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("4")));
    let memory = sidecar.most_kilobytes();
    assert!(memory < MOST, "{memory} KiB at most, for a body of {} KiB", BODY / 1024);
}

// T95: while the app still speaks.
#[tokio::test]
async fn an_app_that_goes_away_in_its_request_costs_no_call() {
    let paris = FakeProvider::says("bonjour").await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let body = body(false).to_string();
    for begun in [
        head.to_owned(),
        format!("{head}content-length: {}\r\n\r\n", body.len()),
        format!("{head}content-length: {}\r\n\r\n{}", body.len(), &body[..body.len() - 1]),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
    ] {
        let mut app = TcpStream::connect(sidecar.running().calls[0]).await.expect("it listens");
        app.write_all(begun.as_bytes()).await.expect("it reads");
        drop(app);
    }

    assert_eq!(sidecar.chat().await.said(), "bonjour");
    sidecar.metric_is("lotse_active_calls 0").await;
    assert_eq!(paris.calls(), 1);
}

// T95: while a connection is made that nobody takes.
#[tokio::test]
async fn an_app_that_goes_away_while_its_provider_is_dialled_is_not_dialled_for() {
    let full = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = full.local_addr().expect("it is bound");
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        queue.push(stream);
    }
    let paris = FakeProvider::says("never").await;
    let world =
        World::default().provider("full", &format!("http://{address}/v1"), "").provider("paris", &paris.url(), "");
    let sidecar = Sidecar::of(&world.route("timeouts: {connectMilliseconds: 60000}")).await;

    let given = tokio::time::timeout(Duration::from_millis(200), sidecar.chat()).await;

    assert!(given.is_err(), "it is not dialled for that long");
    sidecar.metric_is(&given_up("full")).await;
    sidecar.metric_is("lotse_active_calls 0").await;
    assert_eq!(paris.calls(), 0);
}

// T95: while the provider works, begins, or speaks.
#[tokio::test]
async fn an_app_that_goes_away_is_worked_for_no_longer_whatever_its_provider_does() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"choices\"".to_vec();
    let begun = || vec![Step::Send(stream_head()), Step::Send(chunk(event("bon").as_bytes()))];
    for (what, stream, steps) in [
        ("no head, not streamed", false, vec![Step::Hang]),
        ("no head", true, vec![Step::Hang]),
        ("a head", true, vec![Step::Send(stream_head()), Step::Hang]),
        ("a role", true, vec![Step::Send(stream_head()), Step::Send(chunk(ROLE.as_bytes())), Step::Hang]),
        ("half an answer", false, vec![Step::Send(whole), Step::Hang]),
        ("silence after content", true, [begun(), vec![Step::Hang]].concat()),
        ("content without end", true, flood()),
    ] {
        for is_second in [false, true] {
            let what = format!("{what}, as the second {is_second}");
            let plays = steps.clone();
            let busy = FakeProvider::plays(move |_| plays.clone()).await;
            let (ill, never) = (FakeProvider::refuses(500).await, FakeProvider::says("never").await);
            let world = World::default();
            let world = if is_second { world.provider("ill", &ill.url(), "") } else { world };
            let world = world.provider("busy", &busy.url(), "").provider("never", &never.url(), "");
            let sidecar = Sidecar::of(&world).await;
            let app = call(sidecar.running().calls[0], stream).await;
            let asked = async {
                while busy.calls() == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), asked).await.expect("it is asked");

            drop(app);

            busy.is_left_within(AT_ONCE).await;
            sidecar.metric_is(&given_up("busy")).await;
            sidecar.metric_is("lotse_active_calls 0").await;
            assert_eq!((busy.calls(), never.calls()), (1, 0), "{what}");
        }
    }
}

// T95: what was given up is no fault of the provider.
#[tokio::test]
async fn a_provider_whose_calls_are_given_up_has_no_outage() {
    let busy = FakeProvider::streams(vec![event("bon").into_bytes()], vec![Step::Hang]).await;
    let paris = FakeProvider::says("never").await;
    let sidecar = Sidecar::of(&World::of(&[("busy", &busy), ("paris", &paris)])).await;

    for call in 1..=5 {
        let mut answer = sidecar.open_stream().await;
        answer.body_mut().frame().await.expect("a frame").expect("content");
        drop(answer);
        busy.is_left_within(AT_ONCE).await;
        assert_eq!((busy.calls(), paris.calls()), (call, 0));
    }
}
