//! Server-sent events in every form that the standard and the field know, cut anywhere: they pass untouched, and what is
//! read of them is the same.
//! Source: WHATWG HTML, section 9.2.6.

use lotse_tests::provider::{Asked, Step, chunk, event, events, last_chunk, stream_head};
use lotse_tests::{Answer, FakeProvider, Sidecar, World};
use proptest::prelude::*;
use serde_json::json;

const PRICED: &str =
    "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
const DONE: &str = "data: [DONE]\n\n";

/// A stream whose bytes are these, each piece an HTTP chunk, with a clean end.
async fn streams(pieces: Vec<Vec<u8>>) -> FakeProvider {
    FakeProvider::streams(pieces, vec![Step::Send(last_chunk())]).await
}

/// One that cuts its stream where the prompt says: `3 17 40`.
async fn cuts_as_asked(stream: Vec<u8>) -> FakeProvider {
    FakeProvider::plays(move |asked: &Asked| {
        let prompt = asked.json()["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
        let mut steps = vec![Step::Send(stream_head())];
        let mut from = 0;
        for to in prompt.split(' ').filter_map(|cut| cut.parse().ok()).chain([stream.len()]) {
            if to > from {
                steps.push(Step::Send(chunk(&stream[from..to])));
                // What has come is read before more comes.
                steps.push(Step::Yield(20));
                from = to;
            }
        }
        steps.push(Step::Send(last_chunk()));
        steps
    })
    .await
}

async fn ask(sidecar: &Sidecar, cuts: &[usize]) -> Answer {
    let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
    let messages = json!([{"role": "user", "content": cuts.join(" ")}]);
    sidecar.send(Sidecar::request(&json!({"model": "gpt-4o", "stream": true, "messages": messages}))).await
}

/// Everything that is allowed between events, and text of every length that UTF-8 has.
fn strange() -> Vec<u8> {
    let mut stream = b"\xef\xbb\xbf: first\r\nretry: 1000\r\n\r\n".to_vec();
    stream.extend_from_slice(event("gr\u{fc}\u{df}e \u{20ac} \u{1f6a2} ").replace('\n', "\r\n").as_bytes());
    stream.extend_from_slice(
        b"event: message\rid: 7\rdata: {\"choices\":\rdata: [{\"delta\":{\"content\":\"ligne\"}}]}\r\r",
    );
    stream.extend_from_slice(b"data:{\"choices\":[{\"delta\":{\"content\":\" \xe2\x80\xa8 \"}}]}\n\n\n\n:\n\ndata\n\n");
    stream.extend_from_slice(events("fin").concat().as_bytes());
    stream
}

// T89: the same bytes and the same usage, wherever the stream is cut.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_stream_that_is_cut_anywhere_gives_the_same_bytes_and_the_same_usage(
        cuts in prop::collection::vec(prop::collection::btree_set(0..strange().len(), 0..12), 8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let strange_one = cuts_as_asked(strange()).await;
            let sidecar = Sidecar::of(&World::default().provider("p", &strange_one.url(), PRICED)).await;
            let whole = ask(&sidecar, &[]).await;
            assert!(whole.is_complete, "{}", whole.text());
            assert!(whole.text().contains("\"cost\":0.00005"), "{}", whole.text());
            for cuts in cuts {
                let cuts: Vec<usize> = cuts.into_iter().collect();
                let answer = ask(&sidecar, &cuts).await;
                assert_eq!((answer.text(), answer.is_complete), (whole.text(), true), "{cuts:?}");
            }
        });
    }
}

// T89: one byte a chunk is the worst of all cuts.
#[tokio::test]
async fn a_stream_of_single_bytes_passes_as_it_came_but_for_its_usage() {
    let provider = cuts_as_asked(strange()).await;
    let sidecar = Sidecar::of(&World::default().provider("p", &provider.url(), PRICED)).await;

    let answer = ask(&sidecar, &(0..strange().len()).collect::<Vec<_>>()).await;

    assert!(answer.is_complete);
    let usage = events("fin").into_iter().find(|event| event.contains("total_tokens")).expect("a usage");
    let sent = String::from_utf8(strange()).expect("UTF-8");
    let (before, after) = sent.split_once(&usage).expect("it has a usage");
    let (text, done) = (answer.text(), after);
    assert!(text.starts_with(before) && text.ends_with(done), "{text}");
    assert!(text[before.len()..].contains("\"cost\":0.00005"), "{text}");
}

// T89: what has no usage goes out exactly as it came in.
#[tokio::test]
async fn every_form_of_an_event_passes_byte_for_byte() {
    let large = event(&"x".repeat(900_000));
    let unix = format!("{}{}", event("un"), DONE);
    for (what, sent) in [
        ("line feeds", unix.clone().into_bytes()),
        ("carriage returns and line feeds", unix.replace('\n', "\r\n").into_bytes()),
        ("a mixture", unix.replacen("\n\n", "\r\n\n", 1).into_bytes()),
        ("a byte order mark", format!("\u{feff}{unix}").into_bytes()),
        ("no blank behind the colon", unix.replace("data: ", "data:").into_bytes()),
        ("two blanks behind the colon", unix.replacen("data: ", "data:  ", 1).into_bytes()),
        ("comments and other fields", format!(": hi\n\n:\nid: 1\nretry: 5\nevent: message\n{unix}").into_bytes()),
        ("blank lines", format!("\n\n\n{}\n\n{DONE}", event("un")).into_bytes()),
        (
            "several lines of data",
            b"data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"un\"}}]}\n\ndata: [DONE]\n\n".to_vec(),
        ),
        (
            "what is no UTF-8, after content",
            [
                event("un").as_bytes(),
                b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n",
                DONE.as_bytes(),
            ]
            .concat(),
        ),
        ("what is no JSON, after content", format!("{}data: <html>\n\n{DONE}", event("un")).into_bytes()),
        ("a large event", format!("{}{large}{DONE}", event("un")).into_bytes()),
    ] {
        let provider = streams(sent.chunks(4096).map(<[u8]>::to_vec).collect()).await;
        let sidecar = Sidecar::of(&World::of(&[("p", &provider)])).await;

        let answer = sidecar.stream().await;

        assert!(answer.is_complete, "{what}: {}", answer.text().chars().take(400).collect::<String>());
        assert!(answer.body == sent, "{what}: {:?}", answer.text().chars().take(400).collect::<String>());
    }
}

// T90: an event without end is not gathered without end. Before content the next is asked, after it the stream breaks.
#[tokio::test]
async fn an_event_without_end_is_given_up_in_bounded_space() {
    const MOST: usize = 40 * 1024 * 1024;
    let flood = || Step::Flood(chunk(&[b'x'; 16 * 1024]));
    for (what, begins) in [("at once", "data: "), ("a comment", ": "), ("no field", "")] {
        let endless = FakeProvider::plays(move |_| {
            vec![Step::Send(stream_head()), Step::Send(chunk(format!("{begins}x").as_bytes())), flood()]
        })
        .await;
        let paris = FakeProvider::says("bonjour").await;
        let sidecar = Sidecar::of(&World::of(&[("endless", &endless), ("paris", &paris)])).await;

        let answer = sidecar.stream().await;

        assert_eq!((answer.said().as_str(), answer.is_complete), ("bonjour", true), "{what}");
        endless.is_left_alone().await;
        assert!(endless.taken() < MOST, "{what}: {}", endless.taken());
    }
    let endless = FakeProvider::plays(move |_| {
        vec![
            Step::Send(stream_head()),
            Step::Send(chunk(event("bon").as_bytes())),
            Step::Send(chunk(b"data: ")),
            flood(),
        ]
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("endless", &endless)])).await;

    let answer = sidecar.stream().await;

    assert_eq!((answer.said().as_str(), answer.is_complete), ("bon", false));
    assert_eq!(answer.code(), "all_providers_failed");
    endless.is_left_alone().await;
    assert!(endless.taken() < MOST, "{}", endless.taken());
}
