//! With `X-OpenRouter-Metadata: enabled` answers, streams and errors say how their call was routed, in OpenRouter's words;
//! without it nothing changes.

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use lotse_tests::manifests::policy;
use lotse_tests::provider::{Asked, Step, chunk, last_chunk, response, stream_head};
use lotse_tests::{Answer, Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::{Value, json};

/// The same call, by an app that wants to be told.
fn wanting(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().insert("x-openrouter-metadata", HeaderValue::from_static("enabled"));
    request
}

/// The metadata of an answer, which must be in its one place, and have all that the schema requires.
fn told(asks: Asks, answer: &Answer) -> Value {
    let metadata = if let Ok(whole) = serde_json::from_slice::<Value>(&answer.body) {
        whole["openrouter_metadata"].clone()
    } else {
        let mut events = answer.named_events().into_iter();
        let found = events.find(|(_, event)| event.to_string().contains("openrouter_metadata"));
        assert!(found.is_some(), "{asks:?}: {}", answer.text());
        let (name, event) = found.unwrap_or_default();
        match asks {
            Asks::Responses if name != "error" => event["response"]["openrouter_metadata"].clone(),
            Asks::Chat | Asks::Completions | Asks::Responses | Asks::Messages => event["openrouter_metadata"].clone(),
        }
    };
    assert_eq!(answer.text().matches("openrouter_metadata").count(), 1, "{asks:?}: {}", answer.text());
    for required in ["requested", "strategy", "region", "summary", "attempt", "is_byok", "endpoints"] {
        assert!(metadata.get(required).is_some(), "{asks:?}: no {required} in {}", answer.text());
    }
    metadata
}

/// A provider of OpenAI's dialects, which says `bonjour` in the caller's.
async fn openai(asks: Asks) -> FakeProvider {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let counted = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
    let whole = match asks {
        Asks::Chat | Asks::Messages => {
            json!({"id": "c", "object": "chat.completion", "created": 1, "model": "upstream",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "bonjour"}, "finish_reason": "stop"}],
            "usage": usage})
        }
        Asks::Completions => json!({"id": "c", "object": "text_completion", "created": 1, "model": "upstream",
            "choices": [{"index": 0, "text": "bonjour", "finish_reason": "stop"}], "usage": usage}),
        Asks::Responses => json!({"id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
            "model": "upstream", "error": null, "output": [{"type": "message", "id": "msg_1", "role": "assistant",
            "status": "completed", "content": [{"type": "output_text", "text": "bonjour", "annotations": []}]}],
            "usage": counted}),
    };
    FakeProvider::plays(move |asked: &Asked| {
        if !asked.wants_stream() {
            return vec![Step::Send(response(200, &[], &whole.to_string()))];
        }
        let events = match asks {
            Asks::Chat | Asks::Messages => chunks(&whole, &json!({"delta": {"content": "bonjour"}})),
            Asks::Completions => chunks(&whole, &json!({"text": "bonjour"})),
            Asks::Responses => {
                let delta = json!({"type": "response.output_text.delta", "sequence_number": 0, "item_id": "msg_1",
                    "output_index": 0, "content_index": 0, "delta": "bonjour", "logprobs": []});
                let end = json!({"type": "response.completed", "sequence_number": 1, "response": whole});
                format!(
                    "event: response.output_text.delta\ndata: {delta}\n\nevent: response.completed\ndata: {end}\n\n"
                )
            }
        };
        vec![Step::Send(stream_head()), Step::Send(chunk(events.as_bytes())), Step::Send(last_chunk())]
    })
    .await
}

/// Chunks without a usage.
fn chunks(whole: &Value, said: &Value) -> String {
    let mut head = whole.clone();
    head.as_object_mut().expect("an object").remove("usage");
    head["object"] =
        if whole["object"] == "chat.completion" { "chat.completion.chunk" } else { "text_completion" }.into();
    let mut content = head.clone();
    content["choices"] = json!([said]);
    content["choices"][0]["index"] = 0.into();
    content["choices"][0]["finish_reason"] = Value::Null;
    let mut stop = content.clone();
    stop["choices"][0]["finish_reason"] = "stop".into();
    if let Some(delta) = stop["choices"][0].get_mut("delta") {
        *delta = json!({});
    } else {
        stop["choices"][0]["text"] = "".into();
    }
    format!("data: {content}\n\ndata: {stop}\n\ndata: [DONE]\n\n")
}

#[tokio::test]
async fn whole_answers_and_streams_that_pass_say_how_they_were_routed() {
    for asks in Asks::ALL {
        let claude = Speaks::Anthropic;
        let ill = FakeProvider::refuses(503).await;
        let paris = if asks == Asks::Messages { claude.says("bonjour").await } else { openai(asks).await };
        let promises = "evidence: [{name: dpa, kind: Contractual, source: s}]\npromises: {inference: {regions: [FR], evidence: [dpa]}}";
        let world = if asks == Asks::Messages {
            let spec = format!("{}\n{promises}", claude.spec());
            World::of(&[("ill", &ill)]).provider("paris", &claude.url(&paris), &spec)
        } else {
            World::of(&[("ill", &ill)]).provider("paris", &paris.url(), promises)
        };
        let sidecar = Sidecar::of(&world).await;
        for stream in [false, true] {
            let answer = sidecar.send(wanting(asks.request(stream))).await;

            let metadata = told(asks, &answer);
            assert_eq!((answer.status.as_u16(), asks.said(&answer).as_str()), (200, "bonjour"), "{}", answer.text());
            assert!(answer.is_complete && (!stream || asks.ends_well(&answer)), "{}", answer.text());
            assert_eq!(
                metadata,
                json!({
                    "requested": "gpt-4o", "strategy": "direct", "region": "FR",
                    "summary": "available=2, selected=lotse-system/paris", "attempt": 2, "is_byok": false,
                    "endpoints": {"total": 2, "available": [
                        {"provider": "lotse-system/ill", "model": "m", "selected": false},
                        {"provider": "lotse-system/paris", "model": "m", "selected": true},
                    ]},
                    "attempts": [
                        {"provider": "lotse-system/ill", "model": "m", "status": 503},
                        {"provider": "lotse-system/paris", "model": "m", "status": 200},
                    ],
                }),
                "{asks:?}"
            );
        }
    }
}

#[tokio::test]
async fn answers_and_streams_that_are_translated_say_so_too() {
    for speaks in Speaks::ALL {
        for asks in Asks::ALL {
            let provider = speaks.says("bonjour").await;
            let sidecar = Sidecar::of(&World::default().provider("only", &speaks.url(&provider), speaks.spec())).await;
            for stream in [false, true] {
                let answer = sidecar.send(wanting(asks.request(stream))).await;

                let metadata = told(asks, &answer);
                assert_eq!(asks.said(&answer), "bonjour", "{speaks:?} for {asks:?}: {}", answer.text());
                assert!(!stream || asks.ends_well(&answer), "{speaks:?} for {asks:?}: {}", answer.text());
                assert_eq!(
                    metadata["attempts"],
                    json!([{"provider": "lotse-system/only", "model": "m", "status": 200}])
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stream_has_it_in_its_last_chunk_or_in_the_one_that_counts() {
    let paris = openai(Asks::Chat).await;
    let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
    let last = sidecar.send(wanting(Asks::Chat.request(true))).await.events().pop().expect("a chunk");
    assert_eq!(
        (&last["choices"], &last["object"], &last["id"]),
        (&json!([]), &json!("chat.completion.chunk"), &json!("c"))
    );
    assert!(last["openrouter_metadata"].is_object() && last.get("usage").is_none(), "{last}");

    let gemini = Speaks::Gemini;
    let provider = gemini.says("bonjour").await;
    let sidecar = Sidecar::of(&World::default().provider("only", &gemini.url(&provider), gemini.spec())).await;
    let mut body = Asks::Chat.body(true);
    body["stream_options"] = json!({"include_usage": true});
    let last = sidecar.send(wanting(Asks::Chat.with(&body))).await.events().pop().expect("a chunk");
    assert!(last["openrouter_metadata"].is_object() && last["usage"].is_object(), "{last}");
}

#[tokio::test]
async fn without_the_header_or_with_another_word_nothing_is_said() {
    for asks in Asks::ALL {
        for stream in [false, true] {
            let paris = openai(asks).await;
            let sidecar = Sidecar::of(&World::of(&[("paris", &paris)])).await;
            let mut disabled = asks.request(stream);
            disabled.headers_mut().insert("x-openrouter-metadata", HeaderValue::from_static("disabled"));

            for request in [asks.request(stream), disabled] {
                let answer = sidecar.send(request).await;
                assert!(!answer.text().contains("openrouter_metadata"), "{asks:?}: {}", answer.text());
            }
            let plain = sidecar.send(asks.of("nobody", stream)).await;
            assert!(!plain.text().contains("openrouter_metadata"), "{asks:?}: {}", plain.text());
        }
    }
}

#[tokio::test]
async fn errors_say_whom_they_come_from_and_none_when_nobody_was_asked() {
    for asks in Asks::ALL {
        for stream in [false, true] {
            let ill = FakeProvider::refuses(500).await;
            let sidecar = Sidecar::of(&World::of(&[("ill", &ill)])).await;
            let failed = sidecar.send(wanting(asks.request(stream))).await;
            let metadata = told(asks, &failed);
            assert_eq!((failed.status.as_u16(), &metadata["attempt"]), (502, &json!(1)), "{asks:?}");
            assert_eq!(metadata["attempts"], json!([{"provider": "lotse-system/ill", "model": "m", "status": 500}]));
            assert_eq!(metadata["summary"], "available=1, selected=none");
            asks.error(&failed);

            let closed = json!({"provider": {"allow_fallbacks": false}});
            let sidecar = Sidecar::of(&World::of(&[("ill", &ill), ("later", &ill)])).await;
            let metadata = told(asks, &sidecar.send(wanting(asks.also(&closed, stream))).await);
            let first = json!([{"provider": "lotse-system/ill", "model": "m", "selected": false}]);
            assert_eq!(metadata["endpoints"], json!({"total": 2, "available": first}), "{asks:?}");

            let paris = FakeProvider::says("never").await;
            let eu = policy("lotse-system", "eu", "inferenceRegions: [EU]");
            let sidecar = Sidecar::of(&World::of(&[("paris", &paris)]).policies(&[eu])).await;
            let denied = sidecar.send(wanting(asks.request(stream))).await;
            let metadata = told(asks, &denied);
            assert_eq!((denied.status.as_u16(), &metadata["attempt"]), (403, &json!(0)), "{asks:?}");
            assert_eq!(metadata["endpoints"], json!({"total": 1, "available": []}), "{asks:?}");
            asks.error(&denied);

            let unknown = sidecar.send(wanting(asks.of("nobody", stream))).await;
            assert_eq!(unknown.status, 404);
            assert!(!unknown.text().contains("openrouter_metadata"), "nobody was chosen: {}", unknown.text());
        }
    }
}

#[tokio::test]
async fn a_refusal_as_the_callers_fault_says_who_refused() {
    for (speaks, asks) in Speaks::ALL.into_iter().flat_map(|speaks| Asks::ALL.map(|asks| (speaks, asks))) {
        let body = speaks.refusal("the temperature is out of range").to_string();
        let strict = FakeProvider::answers(400, &[("x-amzn-errortype", "ValidationException")], &body).await;
        let sidecar = Sidecar::of(&World::default().provider("strict", &speaks.url(&strict), speaks.spec())).await;

        let answer = sidecar.send(wanting(asks.request(false))).await;

        let metadata = told(asks, &answer);
        assert_eq!((answer.status.as_u16(), &metadata["attempt"]), (400, &json!(1)), "{}", answer.text());
        assert_eq!(metadata["attempts"][0]["status"], 400, "{speaks:?} for {asks:?}");
        assert_eq!(metadata["summary"], "available=1, selected=lotse-system/strict");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_it_in_its_error() {
    for (speaks, asks) in Speaks::ALL.into_iter().flat_map(|speaks| Asks::ALL.map(|asks| (speaks, asks))) {
        let provider = speaks.breaks_off(vec![speaks.opening(), speaks.piece("bon")]).await;
        let sidecar = Sidecar::of(&World::default().provider("only", &speaks.url(&provider), speaks.spec())).await;

        let answer = sidecar.send(wanting(asks.request(true))).await;

        assert!(!answer.is_complete, "{speaks:?} for {asks:?}");
        assert_eq!(told(asks, &answer)["attempt"], 1, "{speaks:?} for {asks:?}");
        asks.last_error(&answer);
    }
}

#[tokio::test]
async fn who_is_cut_off_because_another_answers_first_is_told_as_such() {
    let hangs = FakeProvider::plays(|_| Vec::new()).await;
    let paris = FakeProvider::says("bonjour").await;
    let world = World::of(&[("hangs", &hangs), ("paris", &paris)]).route("hedgeAfterMilliseconds: 10");
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.send(wanting(Asks::Chat.request(false))).await;

    let metadata = told(Asks::Chat, &answer);
    assert_eq!(metadata["attempt"], 2, "{metadata}");
    assert_eq!(
        metadata["attempts"],
        json!([
            {"provider": "lotse-system/hangs", "model": "m", "status": 499},
            {"provider": "lotse-system/paris", "model": "m", "status": 200},
        ])
    );
}

#[tokio::test]
async fn several_models_are_a_fallback_and_a_provider_of_the_apps_own_is_its_own_key() {
    let (ill, own) = (FakeProvider::refuses(503).await, FakeProvider::says("bonjour").await);
    let spec = format!(
        "vendor: vllm\nbaseURL: {}\nallowedAddresses: [127.0.0.0/8]\nmodels: [{{name: m, upstreamName: upstream}}]",
        own.url()
    );
    let manifests = [
        lotse_tests::manifests::object("LLMProvider", "app", "own", &spec),
        lotse_tests::manifests::object(
            "ModelRoute",
            "app",
            "mine",
            "models: [mine]\ntiers: [{balance: Order, targets: [{model: m, provider: {name: own}}]}]",
        ),
    ];
    let world = World::of(&[("ill", &ill)]).file("own.yaml", &manifests.concat());
    let sidecar = Sidecar::of(&world).await;
    let mut body = Asks::Chat.body(false);
    body["models"] = json!(["mine"]);

    let answer = sidecar.send(wanting(Asks::Chat.with(&body))).await;

    let metadata = told(Asks::Chat, &answer);
    assert_eq!((&metadata["strategy"], &metadata["is_byok"]), (&json!("fallback"), &json!(true)), "{metadata}");
    assert_eq!((&metadata["attempt"], &metadata["requested"]), (&json!(2), &json!("gpt-4o")));
    assert_eq!(metadata["endpoints"]["available"][1]["provider"], "app/own");
}
