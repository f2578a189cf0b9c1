//! Providers that begin and do not go on: an error where content should be, a head and no more, pieces that come slowly,
//! and answers without end.

use std::time::{Duration, Instant};

use lotse_tests::provider::{Step, chunk, completion, event, events, last_chunk, response, stream_head};
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const COMMENT: &str = ": OPENROUTER PROCESSING\n\n";

/// A piece of a stream.
fn piece(text: &str) -> Step {
    Step::Send(chunk(text.as_bytes()))
}

fn wait(milliseconds: u64) -> Step {
    Step::Wait(Duration::from_millis(milliseconds))
}

/// The same piece so many times, each after a while.
fn paced(milliseconds: u64, text: &str, times: usize) -> Vec<Step> {
    (0..times).flat_map(|_| [wait(milliseconds), piece(text)]).collect()
}

// T11: a status of 200, and an error as its first word.
#[tokio::test]
async fn an_overload_that_is_told_in_a_stream_is_told_to_nobody_and_the_next_answers() {
    let started = Speaks::Anthropic.opening();
    let started = String::from_utf8(started).expect("text");
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let chat = "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\",\"code\":529}}\n\n";
    let finished = "data: {\"error\":{\"message\":\"Overloaded\",\"code\":502},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n";
    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"object\":\"response\",\"created_at\":1,\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\n";
    let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{\"id\":\"r\",\"object\":\"response\",\"created_at\":1,\"status\":\"failed\",\"model\":\"m\",\"output\":[],\"error\":{\"code\":\"server_error\",\"message\":\"Overloaded\"}}}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":1,\"code\":\"server_is_overloaded\",\"message\":\"Overloaded\",\"param\":null}\n\n";
    for (asks, pieces) in [
        (Asks::Chat, vec![chat]),
        (Asks::Chat, vec![COMMENT, COMMENT, ROLE, chat]),
        (Asks::Chat, vec![finished]),
        (Asks::Chat, vec![overloaded]),
        (Asks::Completions, vec![chat]),
        (Asks::Messages, vec![overloaded]),
        (Asks::Messages, vec![&started, ping, overloaded]),
        (Asks::Responses, vec![error]),
        (Asks::Responses, vec![created, failed]),
        (Asks::Responses, vec![COMMENT, created, error]),
    ] {
        let mut steps = vec![Step::Send(stream_head())];
        steps.extend(pieces.iter().map(|text| piece(text)));
        steps.push(Step::Hang);
        let ill = FakeProvider::plays(move |_| steps.clone()).await;
        let second = Speaks::Anthropic.says("bonjour").await;
        let world = if asks == Asks::Messages {
            World::default().provider("ill", &Speaks::Anthropic.url(&ill), Speaks::Anthropic.spec())
        } else {
            World::of(&[("ill", &ill)])
        };
        let world = world.provider("second", &Speaks::Anthropic.url(&second), Speaks::Anthropic.spec());
        let sidecar = Sidecar::of(&world).await;

        let answer = sidecar.send(asks.request(true)).await;

        let what = format!("{asks:?}, {pieces:?}: {}", answer.text());
        assert_eq!((asks.said(&answer).as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")), "{what}");
        assert!(answer.is_complete && asks.ends_well(&answer), "{what}");
        assert!(!answer.text().contains("Overloaded") && !answer.text().contains("PROCESSING"), "{what}");
        assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/second"), "{what}");
        assert_eq!((ill.calls(), second.calls()), (1, 1), "{what}");
        ill.is_left_alone().await;
    }
}

// T12: a head is no answer, and a comment no content.
#[tokio::test]
async fn a_head_that_nothing_follows_is_left_in_time_and_its_provider_sees_the_connection_closed() {
    let keeps_busy = [vec![Step::Send(stream_head())], paced(30, COMMENT, 200)].concat();
    let length =
        Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n".to_vec());
    for (what, stream, steps) in [
        ("no head", true, vec![Step::Hang]),
        ("half a head", true, vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text".to_vec()), Step::Hang]),
        ("a head", true, vec![Step::Send(stream_head()), Step::Hang]),
        ("a role", true, vec![Step::Send(stream_head()), piece(ROLE), Step::Hang]),
        ("comments", true, keeps_busy),
        ("half an event", true, vec![Step::Send(stream_head()), piece("data: {\"choices\":[{"), Step::Hang]),
        ("no head", false, vec![Step::Hang]),
        ("a head", false, vec![length, Step::Hang]),
    ] {
        let (silent, paris) = (FakeProvider::plays(move |_| steps.clone()).await, FakeProvider::says("bonjour").await);
        let world = World::of(&[("silent", &silent), ("paris", &paris)]);
        let world = world.route("timeouts: {firstContentMilliseconds: 150, idleMilliseconds: 5000}");
        let sidecar = Sidecar::of(&world).await;
        let began = Instant::now();

        let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };

        assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")), "{what}");
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
        assert_eq!((silent.calls(), paris.calls()), (1, 1), "{what}");
        silent.is_left_alone().await;
    }
}

// T13: whatever comes begins the time anew, be it a comment, a piece of an event or of an answer that is not streamed.
#[tokio::test]
async fn the_idle_time_begins_anew_with_every_byte() {
    let head = || Step::Send(stream_head());
    let rest: Vec<Step> = events("bonjour").iter().map(|text| piece(text)).chain([Step::Send(last_chunk())]).collect();
    let spelled: Vec<Step> =
        event("lentement").chars().flat_map(|letter| [wait(7), piece(&letter.to_string())]).collect();
    let answer = response(200, &[], &completion("bonjour").to_string());
    let parts = answer.chunks(answer.len() / 10 + 1).flat_map(|part| [Step::Send(part.to_vec()), wait(60)]).collect();
    for (what, stream, said, steps) in [
        (
            "comments",
            true,
            "un bonjour",
            [vec![head(), piece(&event("un "))], paced(60, COMMENT, 10), rest.clone()].concat(),
        ),
        ("letters", true, "un lentementbonjour", [vec![head(), piece(&event("un "))], spelled, rest].concat()),
        ("parts", false, "bonjour", parts),
    ] {
        let slow = FakeProvider::plays(move |_| steps.clone()).await;
        let sidecar = Sidecar::of(&World::of(&[("slow", &slow)]).route("timeouts: {idleMilliseconds: 400}")).await;
        let began = Instant::now();

        let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };

        assert!(began.elapsed() > Duration::from_millis(450), "{what} came too fast to prove anything");
        assert_eq!((answer.said().as_str(), answer.is_complete), (said, true), "{what}: {}", answer.text());
    }
}

// T88: a stream that never pauses ends all the same when the whole call's time is over.
#[tokio::test]
async fn a_stream_without_end_ends_with_the_calls_time_in_each_dialect() {
    for asks in [Asks::Chat, Asks::Responses, Asks::Messages] {
        let steps = [vec![Step::Send(stream_head())], paced(20, &event("bla "), 400)].concat();
        let endless = FakeProvider::plays(move |_| steps.clone()).await;
        let paris = FakeProvider::says("never").await;
        let more = if asks == Asks::Responses { "vendor: mistral" } else { "" };
        let world = World::default().provider("endless", &endless.url(), more).provider("paris", &paris.url(), more);
        let sidecar = Sidecar::of(&world.route("timeouts: {totalSeconds: 1}")).await;
        let began = Instant::now();

        let answer = sidecar.send(asks.request(true)).await;

        let elapsed = began.elapsed();
        assert!((900..2500).contains(&elapsed.as_millis()), "{asks:?}: {elapsed:?}");
        assert!(!answer.is_complete && asks.said(&answer).starts_with("bla bla "), "{asks:?}: {}", answer.text());
        let error = asks.last_error(&answer);
        assert!(error["message"].as_str().is_some_and(|told| told.contains("totalSeconds")), "{asks:?}: {error}");
        assert_eq!((endless.calls(), paris.calls()), (1, 0), "{asks:?}");
        endless.is_left_alone().await;
        sidecar
            .metric_is("lotse_calls_total{route=\"lotse-system/route\",provider=\"lotse-system/endless\",code=\"deadline_exceeded\"} 1")
            .await;
    }
}

// T88: all attempts share the time of the call, and none begins when it is over.
#[tokio::test]
async fn no_attempt_begins_when_the_calls_time_is_over() {
    let head =
        || Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n{".to_vec());
    let dribbles = [vec![head()], (0..400).flat_map(|_| [wait(20), Step::Send(b" ".to_vec())]).collect()].concat();
    for (what, stream, last) in
        [("hangs", false, vec![Step::Hang]), ("hangs", true, vec![Step::Hang]), ("dribbles", false, dribbles)]
    {
        let (first, never) = (FakeProvider::hangs().await, FakeProvider::says("never").await);
        let last = FakeProvider::plays(move |_| last.clone()).await;
        let world = World::of(&[("first", &first), ("last", &last), ("never", &never)]);
        let sidecar = Sidecar::of(&world.route("timeouts: {firstContentMilliseconds: 600, totalSeconds: 1}")).await;
        let began = Instant::now();

        let answer = if stream { sidecar.stream().await } else { sidecar.chat().await };

        let elapsed = began.elapsed();
        assert!((900..2500).contains(&elapsed.as_millis()), "{what}: {elapsed:?}");
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "deadline_exceeded"), "{what}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{what}");
        assert_eq!([&first, &last, &never].map(FakeProvider::calls), [1, 1, 0], "{what}");
        last.is_left_alone().await;
    }
}
