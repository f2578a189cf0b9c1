//! What a call leans on, and the ids of answers.

use serde_json::{Value, json};

use super::{Kept, What, answer_id, event_id, kept};

fn found(body: &Value) -> Vec<(String, What)> {
    let body = body.as_object().expect("an object");
    kept(body).into_iter().map(|Kept { field, what }| (field, what)).collect()
}

#[test]
fn a_stateless_call_leans_on_nothing() {
    let body = json!({"model": "m", "store": false, "previous_response_id": null, "conversation": null, "background": false, "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": "y"},
        {"type": "reasoning", "id": "rs_1", "summary": []}
    ], "tools": [{"type": "function", "name": "f"}, {"type": "code_interpreter", "container": {"type": "auto"}}]});

    assert_eq!(found(&body), []);
}

#[test]
fn an_answer_is_kept_unless_the_call_says_no() {
    assert_eq!(found(&json!({"model": "m"})), [("store".to_owned(), What::Store)]);
    assert_eq!(found(&json!({"model": "m", "store": null})), [("store".to_owned(), What::Store)]);
    assert_eq!(found(&json!({"model": "m", "store": true})), [("store".to_owned(), What::Store)]);
}

#[test]
fn everything_that_a_provider_keeps_is_found() {
    let body = json!({
        "store": false,
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "prompt": {"id": "pmpt_1", "version": "2"},
        "background": true,
        "input": [
            {"type": "item_reference", "id": "msg_1"},
            {"id": "msg_2"},
            {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_file", "file_id": "file_1"}]},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "file_id": "file_2"}]}
        ],
        "tools": [
            {"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]},
            {"type": "code_interpreter", "container": "cntr_1"},
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file_3"]}}
        ]
    });

    let expected = [
        ("previous_response_id", What::Response("resp_1".to_owned())),
        ("conversation.id", What::Conversation("conv_1".to_owned())),
        ("prompt.id", What::Prompt("pmpt_1".to_owned())),
        ("background", What::Background),
        ("input[0].id", What::Item("msg_1".to_owned())),
        ("input[1].id", What::Item("msg_2".to_owned())),
        ("input[2].content[1].file_id", What::File("file_1".to_owned())),
        ("input[3].output[0].file_id", What::File("file_2".to_owned())),
        ("tools[0].vector_store_ids[0]", What::VectorStore("vs_1".to_owned())),
        ("tools[0].vector_store_ids[1]", What::VectorStore("vs_2".to_owned())),
        ("tools[1].container", What::Container("cntr_1".to_owned())),
        ("tools[2].container.file_ids[0]", What::File("file_3".to_owned())),
    ]
    .map(|(field, what)| (field.to_owned(), what));
    assert_eq!(found(&body), expected);
    assert_eq!(What::Store.id(), None);
    assert_eq!(What::File("file_1".to_owned()).id(), Some("file_1"));
    assert_eq!(
        found(&json!({"store": false, "conversation": "conv_1"})),
        [("conversation".to_owned(), What::Conversation("conv_1".to_owned()))]
    );
}

#[test]
fn the_id_of_an_answer_is_read_no_further_than_to_it() {
    assert_eq!(
        answer_id(br#"{"object":"response","metadata":{"id":"no"},"id":"resp_1","output":[ broken"#).as_deref(),
        Some("resp_1")
    );
    assert_eq!(answer_id(br#"{"error":{"id":"no"}}"#), None);
    assert_eq!(answer_id(br#"{"id":null,"x":1}"#), None);
    assert_eq!(answer_id(br#"{"id":5}"#), None);
    assert_eq!(answer_id(br#"["id"]"#), None);
    assert_eq!(answer_id(b""), None);
}

#[test]
fn the_id_of_a_stream_is_in_the_response_of_its_first_event() {
    let created = br#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","output":[ broken"#;
    assert_eq!(event_id(created).as_deref(), Some("resp_1"));
    assert_eq!(event_id(br#"{"type":"response.output_item.added","item":{"id":"msg_1"}}"#), None);
    assert_eq!(event_id(br#"{"response":"resp_1"}"#), None);
    assert_eq!(event_id(b"[DONE]"), None);
}
