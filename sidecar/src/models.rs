//! `GET /v1/models`: the models that this workload may ask for, as OpenAI lists them, or as Anthropic does for its own SDK.

use http::request::Parts;
use http::{Response, StatusCode};
use lotse_crds::residency;
use lotse_crds::snapshot::{Route, Snapshot};
use serde_json::{Value, json};

use crate::answer;
use crate::failure::Failure;
use crate::format::Format;
use crate::moment;
use crate::record::{OK, Record};
use crate::stream::AnswerBody;
use crate::table::Table;

/// The models that this workload may ask for and that somebody may answer, by name.
pub(crate) fn offered(snapshot: &Snapshot) -> Vec<String> {
    let today = residency::utc_day(moment::now());
    let is_answered = |route: &&Route| {
        let mut candidates = route.tiers.iter().flat_map(|tier| &tier.candidates);
        candidates.any(|candidate| residency::permit(&snapshot.policies, candidate, today).is_ok())
    };
    let mut names: Vec<String> = snapshot
        .routes
        .iter()
        .filter(is_answered)
        .flat_map(|route| &route.models)
        .filter(|pattern| !pattern.is_prefix())
        .map(|pattern| pattern.0.clone())
        .collect();
    names.sort();
    names
}

/// The list.
pub(crate) fn list(table: Option<&Table>, parts: &Parts, record: Record) -> Response<AnswerBody> {
    // Anthropic's SDK sends this header with every request; OpenAI's has none like it.
    let is_anthropic = parts.headers.contains_key("anthropic-version");
    let caller = if is_anthropic { Format::Messages } else { Format::Chat };
    let Some(table) = table else { return answer::fail(caller, &Failure::NotConfigured, record, None) };
    if !table.opens {
        return answer::fail(caller, &Failure::NoDataPolicy(Vec::new()), record, Some(&table.revision));
    }
    let names = offered(&table.snapshot);
    let list = if is_anthropic { of_anthropic(&names) } else { of_openai(&names) };
    let mut response = answer::json(StatusCode::OK, &list);
    response.headers_mut().insert("x-lotse-revision", table.revision.clone());
    record.ends(200, OK);
    response
}

fn of_openai(names: &[String]) -> Value {
    let model = |id: &String| json!({"id": id, "object": "model", "created": 0, "owned_by": "lotse"});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

fn of_anthropic(names: &[String]) -> Value {
    let model =
        |id: &String| json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"});
    json!({
        "data": names.iter().map(model).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": names.first(),
        "last_id": names.last(),
    })
}
