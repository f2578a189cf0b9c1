//! Each provider's errors, and the class that each comes to.

use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};

use super::*;

mod bodies;

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn read_as(format: Format, status: u16, body: &str) -> ProviderError {
    read(format, &ErrorResponse { status, headers: &HeaderMap::new(), body: body.as_bytes() })
}

fn bedrock(name: &'static str, status: u16, body: &str) -> ProviderError {
    let headers = map(&[("x-amzn-errortype", name)]);
    read(Format::Converse, &ErrorResponse { status, headers: &headers, body: body.as_bytes() })
}

#[test]
fn every_known_body_has_its_class() {
    for &(from, format, status, body, class) in bodies::BODIES {
        assert_eq!(read_as(format, status, body).class, class, "{from}: {status} {body}");
    }
}

#[test]
fn bedrock_names_its_error_in_a_header() {
    for &(name, status, message, class) in bodies::BEDROCK {
        let error = bedrock(name, status, &format!("{{\"message\":\"{message}\"}}"));
        assert_eq!(error.class, class, "{name}: {message}");
        assert_eq!(error.message, message);
        assert!(name.contains(error.code.as_deref().expect("a code")));
        assert!(!error.code.expect("a code").contains(['#', ':']));
    }
    let error = bedrock(
        "UnknownOperationException",
        404,
        r#"{"Output":{"__type":"a#UnknownOperationException"},"Version":"1.0"}"#,
    );
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::NotFound, Some("UnknownOperationException")));
    let error = read_as(Format::Converse, 400, r#"{"__type":"a.b#ThrottlingException","Message":"slow"}"#);
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::RateLimit, "slow"));
}

#[test]
fn a_body_that_says_nothing_leaves_the_class_to_the_status() {
    let page = "<!DOCTYPE html><html><head><title>api.example.com | 502: Bad gateway</title></head></html>";
    for body in
        ["", page, "error code: 1015", "null", "{}", "[]", "\"\"", "{\"error\":null}", "\u{feff}", "{", "data: x"]
    {
        for (status, class) in [
            (302, ErrorClass::UpstreamProtocol),
            (400, ErrorClass::Caller),
            (401, ErrorClass::Auth),
            (402, ErrorClass::Quota),
            (403, ErrorClass::Auth),
            (404, ErrorClass::NotFound),
            (405, ErrorClass::NotFound),
            (406, ErrorClass::UpstreamProtocol),
            (408, ErrorClass::Timeout),
            (409, ErrorClass::Server),
            (412, ErrorClass::Quota),
            (413, ErrorClass::Caller),
            (422, ErrorClass::Caller),
            (424, ErrorClass::Server),
            (425, ErrorClass::Server),
            (429, ErrorClass::RateLimit),
            (446, ErrorClass::ContentFilter),
            (451, ErrorClass::Residency),
            (499, ErrorClass::Server),
            (500, ErrorClass::Server),
            (502, ErrorClass::Server),
            (503, ErrorClass::Overload),
            (504, ErrorClass::Timeout),
            (522, ErrorClass::Server),
            (524, ErrorClass::Timeout),
            (529, ErrorClass::Overload),
            (999, ErrorClass::UpstreamProtocol),
        ] {
            let error = read_as(Format::Chat, status, body);
            assert_eq!(error.class, class, "{status} {body}");
            assert_eq!(error.message, format!("the provider answered {status} without an error that can be read"));
            assert_eq!((error.code, error.param, error.wait), (None, None, None));
        }
    }
}

#[test]
fn plain_text_is_a_message_only_where_it_explains_what_the_caller_did() {
    let text = "Failed to deserialize the JSON body into the target type: missing field `messages`";
    let read_text = |status, kind, body: &str| {
        let headers = map(&[("content-type", kind)]);
        read(Format::Chat, &ErrorResponse { status, headers: &headers, body: body.as_bytes() }).message
    };
    assert_eq!(read_text(422, "text/plain; charset=utf-8", text), text);
    assert!(read_text(503, "text/plain", text).starts_with("the provider answered 503"));
    assert!(read_text(422, "text/html", text).starts_with("the provider answered 422"));
    assert!(read_text(400, "text/plain", "<html>").starts_with("the provider answered 400"));
    assert!(read_text(400, "text/plain", &"x".repeat(501)).starts_with("the provider answered 400"));
}

#[test]
fn code_param_and_message_are_the_providers() {
    for (body, code, param, message) in [
        (
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            Some("unsupported_parameter"),
            Some("max_tokens"),
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
        ),
        (
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","messages",0,"foo"],"msg":"Extra inputs are not permitted","input":1},{"type":"missing","loc":["body","model"],"msg":"Field required"}]},"type":"invalid_request_error","param":null,"code":null}"#,
            Some("invalid_request_error"),
            Some("messages[0].foo"),
            "messages[0].foo: Extra inputs are not permitted; model: Field required",
        ),
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"tools.0.custom.strict: Extra inputs are not permitted"}}"#,
            Some("invalid_request_error"),
            Some("tools.0.custom.strict"),
            "tools.0.custom.strict: Extra inputs are not permitted",
        ),
        (
            r#"{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"foo\" at 'generation_config': Cannot find field.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"generation_config","description":"Invalid JSON payload received."}]}]}}"#,
            Some("INVALID_ARGUMENT"),
            Some("generation_config"),
            "Invalid JSON payload received. Unknown name \"foo\" at 'generation_config': Cannot find field.",
        ),
        (
            r#"{"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"Unrecognized request argument supplied: foo\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}","provider_name":"Azure"}},"user_id":"u"}"#,
            Some("invalid_request_error"),
            Some("foo"),
            "Unrecognized request argument supplied: foo",
        ),
        (r#"{"error":"Unauthorized"}"#, Some("Unauthorized"), None, "Unauthorized"),
        (r#"{"error":"model 'x' not found"}"#, None, None, "model 'x' not found"),
        (
            r#"{"error":"invalid_client","error_description":"no such client"}"#,
            Some("invalid_client"),
            None,
            "no such client",
        ),
        (r#"[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]"#, Some("NOT_FOUND"), None, "m"),
        ("event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"c\"}}\n\n", Some("c"), None, "m"),
        (r#"{"success":false,"errors":[{"code":7003,"message":"Could not route"}]}"#, None, None, "Could not route"),
        (r#"{"title":"Bad Request","status":400,"detail":"no model"}"#, None, None, "no model"),
    ] {
        let error = read_as(Format::Chat, 400, body);
        assert_eq!((error.code.as_deref(), error.param.as_deref(), error.message.as_str()), (code, param, message));
    }
}

#[test]
fn messages_are_one_line_and_bounded_and_never_hold_debug_notes() {
    let body =
        serde_json::json!({"error": {"message": format!("a\nb\u{0}\u{1b}[31mc\u{85}{}", "\u{e9}".repeat(3000))}});
    let error = read_as(Format::Chat, 400, &body.to_string());
    assert_eq!(error.message.chars().count(), 2000);
    assert!(error.message.starts_with("a b  [31mc \u{e9}"));
    assert!(!error.message.contains(char::is_control));
    let body = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.DebugInfo","detail":"Invalid API key: key1234"}]}}"#;
    let error = read_as(Format::Gemini, 400, body);
    assert!(!format!("{error:?}").contains("key1234"));
}

#[test]
fn the_wait_of_a_body_is_read() {
    for (body, milliseconds) in [
        (
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}"#,
            Some(34_400),
        ),
        (
            r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":{"seconds":5}}]}}"#,
            Some(5000),
        ),
        (r#"{"error":{"message":"Rate limit reached. Please try again in 1.5s."}}"#, Some(1500)),
        (r#"{"error":{"message":"m"}}"#, None),
    ] {
        let error = read_as(Format::Gemini, 429, body);
        assert_eq!(error.wait, milliseconds.map(Duration::from_millis), "{body}");
    }
}

#[test]
fn an_error_in_an_event_or_in_a_body_with_status_200_is_found() {
    for &(format, data, class, message) in bodies::EVENTS {
        let error = read_event(format, data.as_bytes()).expect(data);
        assert_eq!((error.class, error.message.as_str()), (class, message), "{data}");
    }
}

#[test]
fn an_answer_that_speaks_of_errors_is_none() {
    for (format, data) in [
        (Format::Chat, r#"{"choices":[{"delta":{"content":"\"error\": {\"message\": 1}"}}]}"#),
        (
            Format::Chat,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"error\":"}}]}}],"error":null}"#,
        ),
        (Format::Chat, r#"{"choices":[],"error":{}}"#),
        (Format::Chat, r#"{"choices":[{"index":0,"error":null}]}"#),
        (
            Format::Responses,
            r#"{"type":"response.completed","response":{"status":"completed","error":null,"metadata":{"error":"x"}}}"#,
        ),
        (Format::Responses, r#"{"object":"response","status":"completed","error":null}"#),
        (
            Format::Messages,
            r#"{"type":"message","content":[{"type":"web_fetch_tool_result","content":{"type":"error"}}]}"#,
        ),
        (Format::Messages, r#"{"type":"message_start","message":{"id":"m"}}"#),
        (Format::Converse, r#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"error"}"#),
        (Format::Converse, r#"{"contentBlockIndex":0,"delta":{"text":"message\" error"}}"#),
        (Format::Chat, "[DONE]"),
        (Format::Chat, ""),
        (Format::Chat, "\"error\""),
        (Format::Chat, "[]"),
        (Format::Chat, r#"{"error":"#),
    ] {
        assert_eq!(read_event(format, data.as_bytes()), None, "{data}");
    }
}

#[test]
fn an_exception_of_an_event_stream_has_its_name_in_the_headers() {
    for (name, payload, class) in [
        ("throttlingException", r#"{"message":"Too many tokens, please wait"}"#, ErrorClass::RateLimit),
        ("validationException", r#"{"message":"Input is too long for requested model."}"#, ErrorClass::ContextLength),
        ("validationException", r#"{"message":"x"}"#, ErrorClass::Caller),
        ("serviceUnavailableException", "{}", ErrorClass::Overload),
        ("internalServerException", "", ErrorClass::Server),
        ("modelTimeoutException", r#"{"message":"x"}"#, ErrorClass::Timeout),
        (
            "modelStreamErrorException",
            r#"{"message":"x","originalStatusCode":400,"originalMessage":"y"}"#,
            ErrorClass::Server,
        ),
    ] {
        let error = read_exception(Format::Converse, name, payload.as_bytes());
        assert_eq!((error.class, error.code.as_deref()), (class, Some(name)));
    }
}

#[test]
fn a_caller_is_told_in_its_own_dialect() {
    let error = ProviderError {
        class: ErrorClass::ContextLength,
        code: Some("ValidationException".to_owned()),
        param: Some("messages".to_owned()),
        message: "Input is too long for requested model.".to_owned(),
        wait: None,
    };
    for caller in [Format::Chat, Format::Completions, Format::Responses] {
        let body = write(caller, &error, "r-1").to_string();
        let expected = r#"{"error":{"message":"Input is too long for requested model.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
        assert_eq!(body, expected);
    }
    let expected = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Input is too long for requested model.","code":"context_length_exceeded","param":"messages"},"request_id":"r-1"}"#;
    assert_eq!(write(Format::Messages, &error, "r-1").to_string(), expected);
}

#[test]
fn every_class_has_a_status_and_words_in_each_dialect() {
    for (class, chat, openai, messages, anthropic, said) in [
        (ErrorClass::Caller, 400, "invalid_request_error", 400, "invalid_request_error", "invalid_request"),
        (
            ErrorClass::ContextLength,
            400,
            "invalid_request_error",
            400,
            "invalid_request_error",
            "context_length_exceeded",
        ),
        (ErrorClass::ContentFilter, 400, "invalid_request_error", 400, "invalid_request_error", "content_filter"),
        (ErrorClass::Unsupported, 400, "invalid_request_error", 400, "invalid_request_error", "unsupported_field"),
        (ErrorClass::RateLimit, 429, "rate_limit_error", 429, "rate_limit_error", "rate_limited"),
        (ErrorClass::Quota, 429, "insufficient_quota", 402, "billing_error", "insufficient_quota"),
        (ErrorClass::Overload, 503, "server_error", 529, "overloaded_error", "overloaded"),
        (ErrorClass::Timeout, 504, "server_error", 504, "timeout_error", "timeout"),
        (ErrorClass::Server, 502, "server_error", 502, "api_error", "server_error"),
        (ErrorClass::UpstreamProtocol, 502, "server_error", 502, "api_error", "broken_answer"),
        (ErrorClass::Unreachable, 502, "server_error", 502, "api_error", "unreachable"),
        (ErrorClass::Auth, 502, "authentication_error", 502, "authentication_error", "unauthorized"),
        (ErrorClass::Residency, 502, "permission_error", 502, "permission_error", "region_refused"),
        (ErrorClass::NotFound, 502, "invalid_request_error", 502, "not_found_error", "model_not_found"),
    ] {
        let error = ProviderError { class, code: None, param: None, message: String::new(), wait: None };
        assert_eq!((status(Format::Chat, &error).as_u16(), kind(Format::Chat, &error)), (chat, openai), "{class:?}");
        let told = (status(Format::Messages, &error).as_u16(), kind(Format::Messages, &error));
        assert_eq!(told, (messages, anthropic), "{class:?}");
        assert_eq!(code(class), said);
    }
    let too_large =
        read_as(Format::Messages, 413, r#"{"type":"error","error":{"type":"request_too_large","message":"m"}}"#);
    assert_eq!(status(Format::Messages, &too_large).as_u16(), 413);
    assert_eq!(status(Format::Chat, &too_large).as_u16(), 413);
    assert_eq!(kind(Format::Messages, &too_large), "request_too_large");
    assert_eq!(kind(Format::Chat, &too_large), "invalid_request_error");
}

#[test]
fn a_response_knows_only_listed_codes() {
    for (class, code) in [
        (ErrorClass::Quota, "insufficient_quota"),
        (ErrorClass::RateLimit, "rate_limit_exceeded"),
        (ErrorClass::Overload, "server_is_overloaded"),
        (ErrorClass::ContextLength, "context_length_exceeded"),
        (ErrorClass::Unsupported, "invalid_prompt"),
        (ErrorClass::Auth, "server_error"),
        (ErrorClass::Timeout, "server_error"),
    ] {
        assert_eq!(response_code(class), code);
    }
}

#[test]
fn words_of_codex_openai_and_others_are_known_where_no_status_is() {
    for (words, class) in [
        (&["usage_not_included"][..], ErrorClass::Quota),
        (&["server_is_overloaded", "slow_down"], ErrorClass::Overload),
        (&["tokens", "requests"], ErrorClass::RateLimit),
        (&["timed_out", "TimedOutException"], ErrorClass::Timeout),
        (
            &[
                "string_above_max_length",
                "invalid_image_format",
                "invalid_base64_image",
                "invalid_image_url",
                "image_too_large",
                "image_too_small",
                "image_parse_error",
                "invalid_image_mode",
                "image_file_too_large",
                "unsupported_image_media_type",
                "empty_image_file",
                "failed_to_download_image",
                "image_file_not_found",
            ],
            ErrorClass::Caller,
        ),
    ] {
        for word in words {
            let data = format!(r#"{{"type":"error","error":{{"code":"{word}","message":"m"}}}}"#);
            assert_eq!(read_event(Format::Responses, data.as_bytes()).map(|error| error.class), Some(class), "{word}");
        }
    }
}

#[test]
fn an_event_that_is_an_error_by_its_name_may_hold_plain_text() {
    let read = |payload: &[u8]| read_exception(Format::Messages, "error", payload);
    let silent = "the provider reported an error without a message";
    assert_eq!((read(b"out of order").message.as_str(), read(b"out of order").code), ("out of order", None));
    assert_eq!(read(b"Rate limit reached").class, ErrorClass::RateLimit);
    for nothing in [&b"<html>proxy</html>"[..], b"{}", b"\xff", b"", "x".repeat(501).as_bytes()] {
        assert_eq!(read(nothing).message, silent);
    }
}

#[test]
fn nothing_of_the_platforms_own_affairs_is_told() {
    for class in
        [ErrorClass::Auth, ErrorClass::Quota, ErrorClass::RateLimit, ErrorClass::NotFound, ErrorClass::Residency]
    {
        let message = "organization org-1 has no access".to_owned();
        let error = ProviderError { class, code: None, param: None, message, wait: None };
        assert!(!told(&error).contains("org-1"), "{class:?}");
    }
}

#[test]
fn nothing_of_the_platforms_accounts_is_told() {
    for (status, body) in [
        (401, r#"{"error":{"message":"Incorrect API key provided: secret","code":"invalid_api_key"}}"#),
        (
            403,
            r#"{"error":{"code":403,"message":"Permission denied on projects/secret","status":"PERMISSION_DENIED"}}"#,
        ),
        (
            404,
            r#"{"error":{"code":404,"message":"Publisher Model `projects/secret` was not found","status":"NOT_FOUND"}}"#,
        ),
        (429, r#"{"error":{"message":"Rate limit reached in organization secret","code":"rate_limit_exceeded"}}"#),
        (402, r#"{"error":{"message":"secret has no credits left","code":402}}"#),
        (451, r#"{"error":{"message":"secret may not","code":"region_not_allowed"}}"#),
    ] {
        let error = read_as(Format::Chat, status, body);
        for caller in [Format::Chat, Format::Messages] {
            let body = write(caller, &error, "").to_string();
            assert!(!body.contains("secret"), "{body}");
        }
    }
}

#[test]
fn a_code_is_one_word_that_any_log_can_hold() {
    for code in ["a b", "a\u{1b}[31m", "\u{e9}", "429", "", "None"] {
        let body = serde_json::json!({"error": {"message": "m", "code": code}});
        assert_eq!(read_as(Format::Chat, 400, &body.to_string()).code, None, "{code}");
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// What is recorded, by the end of its path.
const RECORDED: [(&str, ErrorClass); 26] = [
    ("googleai/streaming-failure-image-rejected.txt", ErrorClass::Caller),
    ("googleai/unary-failure-api-key.json", ErrorClass::Auth),
    ("googleai/unary-failure-api-key.txt", ErrorClass::Auth),
    ("googleai/unary-failure-generativelanguage-api-not-enabled.json", ErrorClass::Auth),
    ("googleai/unary-failure-unknown-model.json", ErrorClass::NotFound),
    ("googleai/unary-failure-unknown-model.txt", ErrorClass::NotFound),
    ("vertexai/streaming-failure-api-key.txt", ErrorClass::Auth),
    ("vertexai/streaming-failure-http-error.txt", ErrorClass::Residency),
    ("vertexai/streaming-failure-image-rejected.txt", ErrorClass::Caller),
    ("vertexai/streaming-failure-unknown-model.txt", ErrorClass::NotFound),
    ("vertexai/unary-failure-api-key.json", ErrorClass::Auth),
    ("vertexai/unary-failure-context-cache-model-doesnt-match.json", ErrorClass::Caller),
    ("vertexai/unary-failure-context-cache-not-found.json", ErrorClass::NotFound),
    ("vertexai/unary-failure-firebaseml-api-not-enabled.json", ErrorClass::Auth),
    ("vertexai/unary-failure-firebasevertexai-api-not-enabled.json", ErrorClass::Auth),
    ("vertexai/unary-failure-http-error.json", ErrorClass::Residency),
    ("vertexai/unary-failure-iam-permission-denied.json", ErrorClass::Auth),
    ("vertexai/unary-failure-image-rejected.json", ErrorClass::Caller),
    ("vertexai/unary-failure-invalid-context-cache-id.json", ErrorClass::Caller),
    ("vertexai/unary-failure-model-not-found.json", ErrorClass::NotFound),
    // Its limit is zero, so that no minute mends it.
    ("vertexai/unary-failure-quota-exceeded.json", ErrorClass::Quota),
    ("vertexai/unary-failure-unknown-model.json", ErrorClass::NotFound),
    ("vertexai/unary-failure-unsupported-user-location.json", ErrorClass::Residency),
    ("google/google-429-retry-info.json", ErrorClass::RateLimit),
    ("chat/reasoning-model-legacy-parameter-error.json", ErrorClass::Unsupported),
    ("responses/reasoning-model-temperature-error.json", ErrorClass::Unsupported),
];

#[test]
fn every_recorded_error_has_its_class_and_no_recorded_answer_is_one() {
    let Some(vectors) = std::env::var_os("LOTSE_VECTORS") else {
        println!("skipped: LOTSE_VECTORS is not set");
        return;
    };
    let mut found = Vec::new();
    files(&Path::new(&vectors).join("recorded"), &mut found);
    let mut matched = 0;
    for path in &found {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let name = path.display().to_string();
        let format = if name.contains("gemini") || name.contains("/google") { Format::Gemini } else { Format::Chat };
        if let Some((_, class)) = RECORDED.iter().find(|(end, _)| name.ends_with(end)) {
            matched += 1;
            let status = serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            let status = status.pointer("/error/code").and_then(serde_json::Value::as_u64).unwrap_or(400);
            let error = read_as(format, u16::try_from(status).expect("a status"), &text);
            assert_eq!(error.class, *class, "{name}");
            assert_eq!(read_event(format, text.as_bytes()).map(|error| error.class), Some(*class), "{name}");
        } else if !name.contains("openai-error.1") && !name.contains("error-mid-stream") {
            assert_eq!(read_event(format, text.as_bytes()), None, "{name}");
            for line in text.lines() {
                let data = line.strip_prefix("data: ").unwrap_or(line);
                assert_eq!(read_event(format, data.as_bytes()), None, "{name}: {data}");
            }
        }
    }
    assert_eq!(matched, RECORDED.len());
    let quota = Path::new(&vectors).join("recorded/vercel-ai/openai/responses/openai-error.1.chunks.txt");
    let quota = std::fs::read_to_string(quota).expect("the file");
    let classes: Vec<_> = quota.lines().filter_map(|line| read_event(Format::Responses, line.as_bytes())).collect();
    assert_eq!(classes.iter().map(|error| error.class).collect::<Vec<_>>(), [ErrorClass::Quota; 2]);
}

proptest::proptest! {
    #[test]
    fn whatever_a_provider_sends_is_read_without_a_panic(
        status in 0_u16..1000,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..96),
    ) {
        for format in [Format::Chat, Format::Converse] {
            let headers = HeaderMap::new();
            let error = read(format, &ErrorResponse { status, headers: &headers, body: &bytes });
            proptest::prop_assert!(!error.message.is_empty());
            let _ = read_event(format, &bytes);
            let _ = read_exception(format, "x", &bytes);
        }
    }

    #[test]
    fn no_shape_makes_it_panic(
        key in "(error|message|detail|details|type|code|param|metadata|loc|errors|choices|response)",
        inner in "(error|message|raw|reasons|loc|msg|@type)",
        value in "(null|1|-1|1e9|\"x\"|\"\\{\\}\"|\\[\\]|\\{\\}|\\[\\{\"loc\":\\[1,\"a\"\\],\"msg\":\"m\"\\}\\])",
    ) {
        for body in [
            format!("{{\"{key}\":{value}}}"),
            format!("{{\"{key}\":{{\"{inner}\":{value}}}}}"),
            format!("{{\"{key}\":[{{\"{inner}\":{value}}}]}}"),
            format!("[{{\"error\":{{\"{key}\":{{\"{inner}\":{value}}}}}}}]"),
        ] {
            proptest::prop_assert!(!read_as(Format::Chat, 400, &body).message.is_empty());
            let _ = read_event(Format::Converse, body.as_bytes());
        }
    }
}
