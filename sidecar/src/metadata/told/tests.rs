//! Where the metadata stands in streams of each dialect.

use super::*;

/// A stream as it goes out.
fn told(caller: Format, stream: &str) -> String {
    let mut telling = Telling::new(Metadata(b"{\"a\":1}".to_vec()), caller);
    String::from_utf8(telling.frame(Bytes::copy_from_slice(stream.as_bytes())).to_vec()).expect("text")
}

const TEXT: &str = "data: {\"id\":\"c\",\"object\":\"o\",\"created\":1,\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"usage\"},\"finish_reason\":null}]}\n\n";

#[test]
fn chat_has_it_in_a_chunk_of_its_own_before_the_end() {
    for caller in [Format::Chat, Format::Completions] {
        assert_eq!(
            told(caller, &format!(": hm\n\n{TEXT}data: [DONE]\n\n")),
            format!(
                ": hm\n\n{TEXT}data: {{\"openrouter_metadata\":{{\"a\":1}},\"id\":\"c\",\"object\":\"o\",\"created\":1,\"model\":\"m\",\"choices\":[]}}\n\ndata: [DONE]\n\n"
            )
        );
    }
}

#[test]
fn chat_has_it_in_the_chunk_that_counts_the_whole_answer_and_once() {
    for (counts, is_last) in [
        ("{\"choices\":[],\"usage\":{}}", true),
        ("{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{}}", true),
        ("{\"choices\":[{\"finish_reason\":null}],\"usage\":{}}", false),
        ("{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}", false),
    ] {
        let told = told(Format::Chat, &format!("{TEXT}data: {counts}\n\ndata: [DONE]\n\n"));

        assert_eq!(told.matches("openrouter_metadata").count(), 1, "{told}");
        assert_eq!(told.contains(&format!("{{\"a\":1}},{}", &counts[1..])), is_last, "{told}");
    }
}

#[test]
fn responses_has_it_in_the_response_of_the_last_event() {
    let created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n";
    for kind in ["response.completed", "response.incomplete", "response.failed"] {
        let told = told(
            Format::Responses,
            &format!("{created}event: {kind}\ndata: {{\"type\":\"{kind}\",\"response\":{{\"id\":\"r\"}}}}\n\n"),
        );

        let metadata = "{\"openrouter_metadata\":{\"a\":1},\"id\":\"r\"}";
        assert_eq!(told, format!("{created}event: {kind}\ndata: {{\"type\":\"{kind}\",\"response\":{metadata}}}\n\n"));
    }
}

#[test]
fn messages_has_it_in_the_stop_of_the_message() {
    let delta = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":1}}\n\n";

    assert_eq!(
        told(Format::Messages, &format!("{delta}event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n")),
        format!(
            "{delta}event: message_stop\ndata: {{\"openrouter_metadata\":{{\"a\":1}},\"type\":\"message_stop\"}}\n\n"
        )
    );
}

#[test]
fn an_error_has_it_beside_and_a_text_about_errors_has_not() {
    for (caller, name) in
        [(Format::Chat, ""), (Format::Messages, "event: error\n"), (Format::Responses, "event: error\n")]
    {
        let error = "\"type\":\"error\",\"error\":{\"message\":\"no\"}}\n\n";

        let told = told(caller, &format!("{name}data: {{{error}"));

        assert_eq!(told, format!("{name}data: {{\"openrouter_metadata\":{{\"a\":1}},{error}"));
    }
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\":{}\"}}],\"error\":null}\n\n";
    assert_eq!(told(Format::Chat, text), text);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(512)
    })]

    #[test]
    fn what_is_no_place_for_it_goes_out_as_it_came(
        stream in proptest::collection::vec(proptest::sample::select(b"\n\r: adt{}\"[\xff".to_vec()), 0..64),
        caller in proptest::sample::select(vec![Format::Chat, Format::Responses, Format::Messages]),
    ) {
        let mut telling = Telling::new(Metadata(b"{}".to_vec()), caller);

        let told = telling.frame(Bytes::copy_from_slice(&stream));

        proptest::prop_assert_eq!(&told[..], &stream[..]);
    }
}
