//! Bodies of calls: what is scanned is JSON, an edit changes what it names and nothing else, a form keeps all but its model,
//! and nothing unfolds without bound.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lotse_crds::body::{Change, Edits, Piece, scan};
use lotse_fuzz::draw;
use lotse_sidecar::decode::Coding;
use lotse_sidecar::multipart::{Form, boundary};
use serde_json::{Map, Value, json};

fn edit(body: &[u8]) {
    let Ok(scanned) = scan(body) else { return };
    let mut expected: Map<String, Value> = serde_json::from_slice(body).expect("what is scanned is a JSON object");
    assert_eq!(scanned.names(body).count(), expected.len());
    let _ = (scanned.model(body), scanned.stream(body));
    let set = vec![Change::new("model", &"m"), Change::new("a", &json!({"b": [1, null]}))];
    let pieces = scanned.edit(body, Edits { set, rename: vec![("max_tokens", "limit")], remove: vec!["user", "b"] });
    let edited: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Kept(range) => &body[range.clone()],
            Piece::New(bytes) => bytes.as_slice(),
        })
        .copied()
        .collect();
    if let Some(value) = expected.remove("max_tokens") {
        expected.entry("limit").or_insert(value);
    }
    expected.remove("user");
    expected.remove("b");
    expected.insert("model".to_owned(), json!("m"));
    expected.insert("a".to_owned(), json!({"b": [1, null]}));
    let read: Map<String, Value> = serde_json::from_slice(&edited).expect("what is edited is a JSON object");
    assert_eq!(Value::Object(read), Value::Object(expected), "{}", String::from_utf8_lossy(&edited));
    assert!(scan(&edited).is_ok());
}

/// The first line is the Content-Type.
fn form(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(content_type) = std::str::from_utf8(&data[..end]) else { return };
    let body = Bytes::copy_from_slice(&data[end + 1..]);
    let Some(boundary) = boundary(content_type) else { return };
    let Ok(form) = Form::read(&body, &boundary) else { return };
    let written = form.with_model(&body, "other").concat();
    let again = Form::read(&written, &boundary).expect("a form with another model is a form");
    assert_eq!((again.model.as_str(), again.stream), ("other", form.stream));
}

fuzz_target!(|data: &[u8]| {
    let Some((what, data)) = draw(data, &[0, 1, 2, 3, 4]) else { return };
    match what {
        0 => edit(data),
        1 => form(data),
        2 => drop(Coding::Gzip.decode(Bytes::copy_from_slice(data))),
        3 => drop(Coding::Deflate.decode(Bytes::copy_from_slice(data))),
        _ => drop(Coding::Zstd.decode(Bytes::copy_from_slice(data))),
    }
});
