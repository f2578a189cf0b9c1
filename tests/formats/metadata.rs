//! Routing metadata by OpenRouter's own description: of whole answers, of streams and of errors, for every caller.

use std::path::PathBuf;

use http::HeaderValue;
use lotse_tests::{Asks, FakeProvider, Sidecar, Speaks, World};
use serde_json::Value;

use crate::schemas::Description;

/// The events of an answer, or its whole body.
async fn events(sidecar: &Sidecar, asks: Asks, stream: bool) -> Vec<Value> {
    let mut request = asks.request(stream);
    request.headers_mut().insert("x-openrouter-metadata", HeaderValue::from_static("enabled"));
    let answer = sidecar.send(request).await;
    match serde_json::from_slice(&answer.body) {
        Ok(whole) => vec![whole],
        Err(_) => answer.named_events().into_iter().map(|(_, event)| event).collect(),
    }
}

/// The metadata in an event, beside its fields or in its response.
fn metadata(event: &Value) -> Option<&Value> {
    let field = "openrouter_metadata";
    event.get(field).or_else(|| event["response"].get(field))
}

#[tokio::test]
#[cfg_attr(not(vectors), ignore = "LOTSE_VECTORS is not set")]
async fn metadata_is_as_openrouter_describes_it_for_every_caller() {
    let vectors = PathBuf::from(std::env::var_os("LOTSE_VECTORS").expect("the folder of vectors"));
    let mut openrouter = Description::anthropic(&vectors);
    let gemini = Speaks::Gemini;
    let (good, ill) = (gemini.says("bonjour").await, FakeProvider::refuses(500).await);
    let promises = "promises: {inference: {regions: [EU]}}";
    let route = "minTokensPerSecond: 1";
    let world = World::of(&[("ill", &ill)]).route(route);
    let failing = Sidecar::of(&world).await;
    let spec = format!("{}\n{promises}", gemini.spec());
    let answering = Sidecar::of(&world.provider("good", &gemini.url(&good), &spec)).await;

    for asks in Asks::ALL {
        for (sidecar, stream) in [(&answering, false), (&answering, true), (&failing, false), (&failing, true)] {
            let events = events(sidecar, asks, stream).await;
            let told: Vec<_> = events.iter().filter(|event| metadata(event).is_some()).collect();

            assert_eq!(told.len(), 1, "{asks:?}, stream {stream}: {events:?}");
            let mut faults = openrouter.faults("OpenRouterMetadata", metadata(told[0]).expect("metadata"));
            let event = match (asks, stream && told[0].get("error").is_none()) {
                (Asks::Messages, true) => Some("MessagesStopEvent"),
                (Asks::Chat, true) => Some("ChatStreamChunk"),
                (Asks::Messages, false) if told[0]["type"] == "error" => Some("AnthropicMessagesErrorResponse"),
                _ => None,
            };
            faults.extend(event.into_iter().flat_map(|schema| openrouter.faults(schema, told[0])));
            assert!(faults.is_empty(), "{asks:?}, stream {stream}: {faults:#?} in {}", told[0]);
        }
    }
}
