//! Tests of the body: what is refused, what is found, and that nothing but what must change does.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn put_together(body: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Kept(range) => body[range.clone()].to_vec(),
        Piece::New(bytes) => bytes.clone(),
    };
    pieces.iter().flat_map(bytes).collect()
}

fn rewritten(body: &str, changes: &[(&str, Value)]) -> String {
    let changes = changes.iter().map(|(key, value)| Change::new(key, value)).collect();
    let scanned = scan(body.as_bytes()).expect("a good body");
    String::from_utf8(put_together(body.as_bytes(), &scanned.rewrite(body.as_bytes(), changes))).expect("UTF-8")
}

#[test]
fn only_what_must_change_changes_white_space_and_escapes_included() {
    let body = " {\n \"mo\\u0064el\" : \"a\" , \"x\":[1, 2.50, \"\\u00e9\"],\"n\":1e2 }\n";

    let changed = rewritten(body, &[("model", json!("b"))]);

    assert_eq!(changed, " {\n \"mo\\u0064el\" : \"b\" , \"x\":[1, 2.50, \"\\u00e9\"],\"n\":1e2 }\n");
}

#[test]
fn a_field_that_is_absent_is_set_first_and_an_empty_object_gets_no_comma_too_many() {
    assert_eq!(rewritten("{\"a\":1}", &[("b", json!(2)), ("c", json!([3]))]), "{\"b\":2,\"c\":[3],\"a\":1}");
    assert_eq!(rewritten("{ }", &[("b", json!(2))]), "{\"b\":2 }");
    assert_eq!(rewritten("{}", &[]), "{}");
}

fn edited(body: &str, edits: Edits<'_>) -> String {
    let scanned = scan(body.as_bytes()).expect("a good body");
    String::from_utf8(put_together(body.as_bytes(), &scanned.edit(body.as_bytes(), edits))).expect("UTF-8")
}

#[test]
fn fields_are_renamed_and_removed_with_their_commas() {
    let body = "{ \"a\": 1 , \"b\": 2 , \"c\": 3 }";
    let removing = |remove: &[&'static str]| edited(body, Edits { remove: remove.to_vec(), ..Edits::default() });

    assert_eq!(removing(&["a"]), "{ \"b\": 2 , \"c\": 3 }");
    assert_eq!(removing(&["b"]), "{ \"a\": 1 , \"c\": 3 }");
    assert_eq!(removing(&["c", "b"]), "{ \"a\": 1 }");
    assert_eq!(removing(&["a", "c"]), "{ \"b\": 2 }");
    assert_eq!(removing(&["a", "b", "c", "d"]), "{  }");
    assert_eq!(
        edited(
            body,
            Edits { set: vec![Change::new("z", &9)], rename: vec![("a", "x"), ("d", "y")], remove: vec!["b"] }
        ),
        "{\"z\":9, \"x\": 1 , \"c\": 3 }"
    );
    assert_eq!(edited(body, Edits { rename: vec![("a", "c")], ..Edits::default() }), "{ \"b\": 2 , \"c\": 3 }");
}

proptest! {
    #[test]
    fn whatever_is_set_renamed_and_removed_the_body_stays_json(
        keys in proptest::collection::btree_set("[a-e]", 0..5), set in proptest::collection::btree_set("[a-g]", 0..3),
        remove in proptest::collection::vec("[a-g]", 0..4), rename in proptest::option::of(("[a-c]", "[d-h]")),
    ) {
        let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\" : 1")).collect();
        let body = format!("{{ {} }}", members.join(" , "));
        let edits = Edits {
            set: set.iter().map(|key| Change::new(key, &2)).collect(),
            rename: rename.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect(),
            remove: remove.iter().map(String::as_str).collect(),
        };

        let result: Value = serde_json::from_str(&edited(&body, edits)).expect("JSON");

        for key in keys.iter().filter(|key| !set.contains(*key)) {
            let gone = remove.contains(key) || rename.as_ref().is_some_and(|(old, _)| old == key);
            prop_assert_eq!(result.get(key).is_none(), gone, "{}: {} of {}", key, result, body);
        }
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_at_any_depth_however_it_is_written() {
    for body in [
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}",
        "{\"x\":{\"a\":1,\"a\":1}}",
        "{\"x\":[[{\"b\":[{\"a\":1,\"b\":2,\"a\":1}]}]]}",
    ] {
        assert_eq!(scan(body.as_bytes()), Err(BodyError::DuplicateKey("a".to_owned())), "{body}");
    }
    assert!(scan(b"{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}}").is_ok());
    let many: String = (0..50).map(|key| format!("\"k{key}\":1,")).collect();
    assert!(scan(format!("{{{many}\"last\":1}}").as_bytes()).is_ok());
    assert!(scan(format!("{{{many}\"k3\":1}}").as_bytes()).is_err());
    assert!(scan(format!("{{{many}\"k40\":1}}").as_bytes()).is_err());
}

#[test]
fn a_hundred_thousand_keys_take_no_quadratic_time() {
    let many: String = (0..100_000).map(|key| format!("\"k{key}\":1,")).collect();

    let scanned = scan(format!("{{\"x\":{{{many}\"last\":1}}}}").as_bytes()).expect("a good body");

    assert_eq!(scanned.members.len(), 1);
}

#[test]
fn model_and_stream_are_of_their_types_or_refused() {
    let model = |body: &str| scan(body.as_bytes()).and_then(|scanned| scanned.model(body.as_bytes()));
    let stream = |body: &str| scan(body.as_bytes()).and_then(|scanned| scanned.stream(body.as_bytes()));

    assert_eq!(model("{\"model\":\"a\\u00e9\"}").as_deref(), Ok("a\u{e9}"));
    assert!(model("{}").is_err() && model("{\"model\":null}").is_err() && model("{\"model\":[]}").is_err());
    assert_eq!(
        (stream("{}"), stream("{\"stream\":null}"), stream("{\"stream\": true}")),
        (Ok(false), Ok(false), Ok(true))
    );
    assert!(stream("{\"stream\":1}").is_err());
}

/// Values, and slips in them.
const WORDS: &[&str] = &[
    "",
    " ",
    "0",
    "-0",
    "-",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5",
    "1.5.5",
    "1e5",
    "1E+5",
    "1e-",
    "1e",
    "1e999",
    "0x1",
    "-1e400",
    "true",
    "tru",
    "truee",
    "false",
    "null",
    "nul",
    "NaN",
    "\"\"",
    "\"",
    "\"a",
    "\"\\\"\"",
    "\"\\",
    "'a'",
    "\"\t\"",
    "\"\u{7f}\"",
    "\"\u{e9}\"",
    r#""\n\/\b\f\r\t\\""#,
    r#""\x""#,
    r#""\u00e9""#,
    r#""\u00e""#,
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\ude00""#,
    r#""\ud83d\u0061""#,
    r#""\ud83dx""#,
    "[]",
    "[ ]",
    "[,]",
    "[1,]",
    "[1 2]",
    "[1",
    "]",
    "{}",
    "{,}",
    "{1:2}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\" :1 , \"b\": [{}]}",
    "{\"a\":1",
    "}",
    "[}",
    "{]",
    "/**/1",
    "\u{c}1",
    "1 1",
    "\"0123456789abcdef\u{1}\"",
    "\"0123456789abcde\\\"\"",
];

#[test]
fn each_word_of_json_and_each_slip_in_one_is_taken_as_a_second_reader_takes_it() {
    let digits = "9".repeat(310);
    for word in WORDS.iter().copied().chain([digits.as_str()]) {
        for body in [
            format!("{{\"a\":{word}}}"),
            format!("{{\"b\":[1,{{\"c\":{word}}}]}}"),
            format!("{{{word}}}"),
            format!("{{}}{word}"),
        ] {
            let judged = serde_json::from_str::<Value>(&body).is_ok();
            let read = serde_json::from_str::<IgnoredAny>(&body).is_ok();
            assert_eq!((scan(body.as_bytes()).is_ok(), outline(body.as_bytes()).is_ok()), (judged, read), "{body}");
        }
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_and_what_a_provider_sends_is_not() {
    let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));

    assert!(scan(nested(127).as_bytes()).is_ok());
    assert!(matches!(scan(nested(128).as_bytes()), Err(BodyError::NotJson(_))));
    assert!(outline(nested(100_000).as_bytes()).is_ok());
}

/// JSON values as apps send them, and as they should not.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\\u{e9}\u{20ac} ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\]{0,2}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_judged_is_what_is_sent(
        object in prop::collection::btree_map("[a-e]{1,2}", values(), 0..8),
        changes in prop::collection::btree_map("[a-e]{1,2}", values(), 0..4),
        pretty in any::<bool>(),
    ) {
        let object = Value::Object(object.into_iter().collect());
        let body = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.expect("JSON");
        let set = changes.iter().map(|(key, value)| Change::new(key, value)).collect();

        let scanned = scan(&body).expect("a good body");
        let sent: Value = serde_json::from_slice(&put_together(&body, &scanned.rewrite(&body, set))).expect("JSON");

        let mut expected = object;
        for (key, value) in changes {
            expected[key] = value;
        }
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn bytes_of_any_kind_are_taken_only_when_they_are_a_json_object(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if scan(&bytes).is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&bytes).expect("JSON").is_object());
        }
    }

    #[test]
    fn a_good_body_with_a_byte_changed_is_judged_as_a_second_reader_would(
        object in prop::collection::btree_map("[a-e]{1,2}", values(), 0..6), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut body = serde_json::to_vec(&object).expect("JSON");
        let at = at.index(body.len());
        body[at] = byte;

        match (scan(&body), serde_json::from_slice::<Value>(&body)) {
            (Ok(scanned), Ok(read)) => {
                for member in &scanned.members {
                    let value: Value = serde_json::from_slice(&body[member.value.clone()]).expect("JSON");
                    let key: String = serde_json::from_slice(&body[member.name.clone()]).expect("a key");
                    prop_assert_eq!(Some(&value), read.get(&key));
                }
            }
            (Ok(_), Err(error)) => prop_assert!(false, "only we read it: {error}"),
            // Duplicate keys, and what is no object.
            (Err(BodyError::DuplicateKey(_) | BodyError::NotAnObject), _) | (Err(_), Err(_)) => {}
            (Err(error), Ok(_)) => prop_assert!(false, "only we refuse it: {error}"),
        }
    }
}
