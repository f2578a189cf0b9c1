//! Embeddings, as each provider has them, and what is refused.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::format::answer::Told;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

fn call(value: Value) -> EmbeddingCall {
    read(object(value)).expect("a call")
}

fn refused(value: Value) -> String {
    read(object(value)).expect_err("no call").to_string()
}

fn told() -> Told {
    Told { model: "asked".to_owned(), provider: "ns/p".to_owned(), ..Told::default() }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a text")
}

fn two() -> EmbeddingCall {
    call(json!({"model": "m", "input": ["a \"b\"", "c"], "dimensions": 256, "input_type": "search_query"}))
}

#[test]
fn every_form_of_input_is_read() {
    for (input, inputs) in [
        (json!("a"), Inputs::Texts(vec!["a".to_owned()])),
        (json!(["a", "b"]), Inputs::Texts(vec!["a".to_owned(), "b".to_owned()])),
        (json!([1212, 318]), Inputs::Tokens(vec![vec![1212, 318]])),
        (json!([[1, 2], [3]]), Inputs::Tokens(vec![vec![1, 2], vec![3]])),
    ] {
        let read = call(json!({"model": "m", "input": input, "user": null, "dimensions": null}));
        assert_eq!(read, EmbeddingCall { model: "m".to_owned(), inputs, ..EmbeddingCall::default() });
    }
}

#[test]
fn every_field_is_read_and_an_unknown_one_is_kept_by_name() {
    let body = json!({
        "model": "m", "input": "a", "dimensions": 3, "encoding_format": "base64", "user": "u",
        "input_type": "search_document", "truncate": "END",
    });
    assert_eq!(
        call(body),
        EmbeddingCall {
            model: "m".to_owned(),
            inputs: Inputs::Texts(vec!["a".to_owned()]),
            dimensions: Some(3),
            encoding: Encoding::Base64,
            purpose: Some(Purpose::Document),
            user: Some("u".to_owned()),
            unknown: vec![("truncate".to_owned(), json!("END"))],
        }
    );
}

#[test]
fn bad_input_is_refused_by_field() {
    for (body, message) in [
        (json!({"input": "a"}), "`model` is missing"),
        (json!({"model": 1, "input": "a"}), "`model` must be a string"),
        (json!({"model": "m"}), "`input` is missing"),
        (json!({"model": "m", "input": null}), "`input` is missing"),
        (json!({"model": "m", "input": ["a", ""]}), "`input[1]` must be a text that is not empty"),
        (json!({"model": "m", "input": ["a", 1]}), "`input[1]` must be a text that is not empty"),
        (json!({"model": "m", "input": [1, "a"]}), "`input[1]` must be a token: a whole number"),
        (json!({"model": "m", "input": [1, -1]}), "`input[1]` must be a token: a whole number"),
        (json!({"model": "m", "input": [[1], [1.5]]}), "`input[1][0]` must be a token: a whole number"),
        (json!({"model": "m", "input": [[1], []]}), "`input[1]` must be a list of tokens"),
        (json!({"model": "m", "input": [[1], "a"]}), "`input[1]` must be a list of tokens"),
        (json!({"model": "m", "input": vec!["a"; 2049]}), "`input` must have at most 2048 entries"),
        (json!({"model": "m", "input": "a", "dimensions": 0}), "`dimensions` must be a whole number greater than 0"),
        (json!({"model": "m", "input": "a", "dimensions": "3"}), "`dimensions` must be a whole number greater than 0"),
        (
            json!({"model": "m", "input": "a", "encoding_format": "int8"}),
            "`encoding_format` must be `float` or `base64`",
        ),
        (
            json!({"model": "m", "input": "a", "input_type": "x"}),
            "`input_type` must be `search_query`, `search_document`, `classification` or `clustering`",
        ),
        (json!({"model": "m", "input": "a", "user": 1}), "`user` must be a string"),
    ] {
        assert_eq!(refused(body), message);
    }
    for input in [json!(""), json!([]), json!({"content": []}), json!([{"content": []}]), json!(1), json!([null])] {
        assert!(refused(json!({"model": "m", "input": input})).starts_with("`input` must be a text, a list of"));
    }
    // One list of tokens may be as long as it likes.
    assert_eq!(call(json!({"model": "m", "input": vec![1; 4000]})).inputs.count(), 1);
}

#[test]
fn a_call_for_an_openai_provider_asks_for_what_the_provider_can_do() {
    let mut losses = Losses::default();
    let body = openai::write_call(&two(), Encoding::Float, &mut losses);
    let expected = r#"{"model":"m","input":["a \"b\"","c"],"dimensions":256,"encoding_format":"float"}"#;
    assert_eq!(text(body), expected);
    assert_eq!(losses.lost, [Lost::Hint("input_type".to_owned())]);
    let tokens = call(json!({"model": "m", "input": [1, 2], "user": "u"}));
    let expected = r#"{"model":"m","input":[[1,2]],"encoding_format":"base64","user":"u"}"#;
    assert_eq!(text(openai::write_call(&tokens, Encoding::Base64, &mut Losses::default())), expected);
}

#[test]
fn a_call_for_gemini_is_one_request_for_each_text() {
    let mut losses = Losses::default();
    let expected = concat!(
        r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a \"b\""}]},"#,
        r#""taskType":"RETRIEVAL_QUERY","outputDimensionality":256},"#,
        r#"{"model":"models/m","content":{"parts":[{"text":"c"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":256}]}"#,
    );
    assert_eq!(text(gemini::write_call(&two(), &mut losses).expect("a call")), expected);
    assert_eq!(losses, Losses::default());
    let named = call(json!({"model": "models/m", "input": "a", "user": "u", "foo": 1}));
    let expected = r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}"#;
    assert_eq!(text(gemini::write_call(&named, &mut losses).expect("a call")), expected);
    assert_eq!(losses.lost, [Lost::Feature(Feature::User), Lost::Unknown("foo".to_owned())]);
}

#[test]
fn a_call_for_vertex_never_cuts_a_text() {
    let expected = concat!(
        r#"{"instances":[{"content":"a \"b\"","task_type":"RETRIEVAL_QUERY"},{"content":"c","task_type":"RETRIEVAL_QUERY"}],"#,
        r#""parameters":{"autoTruncate":false,"outputDimensionality":256}}"#,
    );
    assert_eq!(text(vertex::write_call(&two(), &mut Losses::default()).expect("a call")), expected);
    let plain = call(json!({"model": "m", "input": "a"}));
    let expected = r#"{"instances":[{"content":"a"}],"parameters":{"autoTruncate":false}}"#;
    assert_eq!(text(vertex::write_call(&plain, &mut Losses::default()).expect("a call")), expected);
}

#[test]
fn a_call_for_titan_has_one_text() {
    let written = |model: &str, dimensions: Option<u64>| {
        let call = call(json!({"model": model, "input": "a", "dimensions": dimensions}));
        titan::write_call(&call, &mut Losses::default()).map(text).map_err(|error| error.to_string())
    };
    let ok = |body: &str| Ok(body.to_owned());
    assert_eq!(written("amazon.titan-embed-text-v2:0", Some(512)), ok(r#"{"inputText":"a","dimensions":512}"#));
    assert_eq!(written("amazon.titan-embed-text-v1", None), ok(r#"{"inputText":"a"}"#));
    assert_eq!(
        written("amazon.titan-embed-image-v1", Some(384)),
        ok(r#"{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":384}}"#)
    );
    let refused = written("amazon.titan-embed-text-v1", Some(512)).expect_err("one length");
    assert_eq!(refused, "`dimensions` must be absent: this provider's model has one length only");
    let several = titan::write_call(&two(), &mut Losses::default()).expect_err("two texts");
    assert_eq!(several.to_string(), "`input` must be one text: this provider's model embeds one a call");
}

#[test]
fn a_call_for_cohere_says_what_vectors_are_for() {
    let expected = concat!(
        r#"{"texts":["a \"b\"","c"],"input_type":"search_query","truncate":"NONE","embedding_types":["float"],"#,
        r#""output_dimension":256}"#,
    );
    assert_eq!(text(cohere::write_call(&two(), &mut Losses::default()).expect("a call")), expected);
    let plain = call(json!({"model": "cohere.embed-multilingual-v3", "input": "a"}));
    let expected = r#"{"texts":["a"],"input_type":"search_document","truncate":"NONE","embedding_types":["float"]}"#;
    assert_eq!(text(cohere::write_call(&plain, &mut Losses::default()).expect("a call")), expected);
    let third = EmbeddingCall { model: "cohere.embed-english-v3".to_owned(), ..two() };
    let refused = cohere::write_call(&third, &mut Losses::default()).expect_err("one length");
    assert_eq!(refused.field, "dimensions");
}

#[test]
fn only_openai_takes_tokens() {
    let tokens = call(json!({"model": "m", "input": [1, 2]}));
    let mut losses = Losses::default();
    for written in [
        gemini::write_call(&tokens, &mut losses),
        vertex::write_call(&tokens, &mut losses),
        titan::write_call(&tokens, &mut losses),
        cohere::write_call(&tokens, &mut losses),
    ] {
        assert_eq!(written.expect_err("tokens").to_string(), "`input` must be text: this provider takes no tokens");
    }
}

#[test]
fn answers_of_all_providers_are_read() {
    let one = [vec![0.5, -1.0]];
    for (read, model, tokens) in [
        (
            openai::read_answer(
                br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"x","usage":{"prompt_tokens":3,"total_tokens":3}}"#,
                1,
            ),
            Some("x"),
            Some(3),
        ),
        (openai::read_answer(br#"{"data":[{"embedding":"AAAAPwAAgL8="}]}"#, 1), None, None),
        (gemini::read_answer(br#"{"embeddings":[{"values":[0.5,-1]}]}"#, 1), None, None),
        (
            gemini::read_answer(br#"{"embeddings":[{"values":[0.5,-1]}],"usageMetadata":{"promptTokenCount":3}}"#, 1),
            None,
            Some(3),
        ),
        (
            vertex::read_answer(
                br#"{"predictions":[{"embeddings":{"statistics":{"token_count":3.0,"truncated":false},"values":[0.5,-1]}}],"metadata":{}}"#,
                1,
            ),
            None,
            Some(3),
        ),
        (titan::read_answer(br#"{"embedding":[0.5,-1],"inputTextTokenCount":3,"embeddingsByType":{}}"#, 1), None, Some(3)),
        (titan::read_answer(br#"{"embeddingsByType":{"float":[0.5,-1]}}"#, 1), None, None),
        (cohere::read_answer(br#"{"embeddings":[[0.5,-1]],"id":"i","response_type":"embeddings_floats"}"#, 1), None, None),
        (
            cohere::read_answer(br#"{"embeddings":{"float":[[0.5,-1]]},"meta":{"billed_units":{"input_tokens":3}}}"#, 1),
            None,
            Some(3),
        ),
    ] {
        let read = read.expect("an answer");
        assert_eq!((read.vectors.as_slice(), read.model.as_deref()), (one.as_slice(), model));
        assert_eq!(read.usage.map(|usage| usage.input), tokens);
    }
}

#[test]
fn an_answer_with_too_few_vectors_or_none_is_malformed() {
    for read in [
        openai::read_answer(br#"{"data":[{"index":0,"embedding":[1]}]}"#, 2),
        openai::read_answer(br#"{"data":[{"embedding":"AAAA"}]}"#, 1),
        openai::read_answer(br#"{"data":[{"embedding":"AAAAfwAAwH8="}]}"#, 1),
        openai::read_answer(br#"{"data":[{"embedding":"?"}]}"#, 1),
        openai::read_answer(br#"{"data":[{"embedding":[]}]}"#, 1),
        openai::read_answer(br#"{"data":[{"embedding":[1e99]}]}"#, 1),
        openai::read_answer(br#"{"error":{}}"#, 1),
        gemini::read_answer(br#"{"embeddings":[{}]}"#, 1),
        vertex::read_answer(b"{}", 1),
        titan::read_answer(b"{}", 1),
        cohere::read_answer(br#"{"embeddings":{"int8":[[1]]}}"#, 1),
    ] {
        read.expect_err("no answer");
    }
}

#[test]
fn vectors_come_back_in_the_order_of_the_inputs() {
    let body = br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#;
    assert_eq!(openai::read_answer(body, 2).expect("an answer").vectors, [vec![1.0], vec![2.0]]);
    let body = br#"{"data":[{"embedding":[2]},{"embedding":[1]}]}"#;
    assert_eq!(openai::read_answer(body, 2).expect("an answer").vectors, [vec![2.0], vec![1.0]]);
}

#[test]
fn a_caller_gets_the_encoding_that_it_asked_for() {
    let usage = Usage { input: 3, cost: Some(Number::from(1)), ..Usage::default() };
    let answer = EmbeddingAnswer { model: None, vectors: vec![vec![0.5, -1.0], vec![0.1, 3e-8]], usage: Some(usage) };
    let expected = concat!(
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]},"#,
        r#"{"object":"embedding","index":1,"embedding":[0.1,3e-8]}],"model":"asked","#,
        r#""usage":{"prompt_tokens":3,"total_tokens":3,"cost":1},"provider":"ns/p"}"#,
    );
    assert_eq!(text(openai::write_answer(&answer, Encoding::Float, &told())), expected);
    let answer = EmbeddingAnswer { model: Some("x".to_owned()), vectors: vec![vec![0.5, -1.0]], usage: None };
    let expected = concat!(
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}],"model":"x","#,
        r#""usage":{"prompt_tokens":0,"total_tokens":0},"provider":"ns/p"}"#,
    );
    assert_eq!(text(openai::write_answer(&answer, Encoding::Base64, &told())), expected);
}

#[test]
fn recorded_answers_are_read_and_written_for_callers() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let recorded = Path::new(&vectors).join("recorded/vercel-ai");
    let body = |path: &str| std::fs::read(recorded.join(path)).expect("a recorded answer");
    for (read, tokens, first) in [
        (openai::read_answer(&body("openai/embedding/openai-embedding.json"), 2), 12, 0.005_729_319_5),
        (vertex::read_answer(&body("google-vertex/google-vertex-embedding.json"), 2), 11, -0.017_999_588),
        (cohere::read_answer(&body("cohere/cohere-embedding.json"), 2), 10, 0.033_020_02),
    ] {
        let answer = read.expect("an answer");
        assert_eq!(answer.usage.as_ref().map(|usage| usage.input), Some(tokens));
        assert_eq!(answer.vectors[0][0].to_bits(), f32::to_bits(first));
        for encoding in [Encoding::Float, Encoding::Base64] {
            let written = openai::write_answer(&answer, encoding, &told());
            assert_eq!(openai::read_answer(&written, 2).expect("an answer").vectors, answer.vectors);
        }
    }
}

proptest::proptest! {
    #[test]
    fn numbers_survive_both_encodings_bit_by_bit(
        vectors in proptest::collection::vec(proptest::collection::vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO, 1..8), 1..4),
    ) {
        let answer = EmbeddingAnswer { vectors, ..EmbeddingAnswer::default() };
        for encoding in [Encoding::Float, Encoding::Base64] {
            let written = openai::write_answer(&answer, encoding, &told());
            let read = openai::read_answer(&written, answer.vectors.len()).expect("an answer");
            let bits = |answer: &EmbeddingAnswer| answer.vectors.iter().flatten().map(|n| n.to_bits()).collect::<Vec<_>>();
            proptest::prop_assert_eq!(bits(&read), bits(&answer));
        }
    }

    #[test]
    fn a_call_that_is_written_is_read_the_same(
        texts in proptest::collection::vec("\\PC{1,12}", 1..4),
        dimensions in proptest::option::of(1_u64..4000),
        base64 in proptest::bool::ANY,
    ) {
        let encoding = if base64 { Encoding::Base64 } else { Encoding::Float };
        let call = EmbeddingCall {
            model: "m".to_owned(), inputs: Inputs::Texts(texts), dimensions, encoding, ..EmbeddingCall::default()
        };
        let written = openai::write_call(&call, encoding, &mut Losses::default());
        let body = serde_json::from_slice(&written).expect("an object");
        proptest::prop_assert_eq!(read(body).expect("a call"), call);
    }

    #[test]
    fn whatever_a_provider_sends_is_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let _ = (openai::read_answer(&bytes, 1), gemini::read_answer(&bytes, 1), vertex::read_answer(&bytes, 1));
        let _ = (titan::read_answer(&bytes, 1), cohere::read_answer(&bytes, 1));
    }
}
