//! What operators of the pod ask: the snapshot and explanations on loopback, health and metrics for probes. Nothing here
//! has a secret to show.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use lotse_crds::explain::{Question, explain};
use lotse_crds::needs::Needs;
use lotse_crds::plan::Moment;
use lotse_crds::preferences::Preferences;
use lotse_crds::residency::Memo;
use lotse_crds::snapshot::Candidate;
use serde_json::json;

use crate::answer;
use crate::guard;
use crate::moment;
use crate::serve::App;
use crate::stream::AnswerBody;

/// Answers on the loopback admin port: `/snapshot`, `/explain?model=`.
pub fn admin(app: &App, parts: &Parts) -> Response<AnswerBody> {
    if let Err(failure) = guard::caller(parts).and_then(|()| guard::method(parts, "GET")) {
        return problem(failure.status(), &failure.message());
    }
    let Some(table) = app.table() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "no configuration has arrived yet");
    };
    match parts.uri.path() {
        "/snapshot" => {
            let revision = table.snapshot.revision();
            answer::json(StatusCode::OK, &json!({"revision": revision, "snapshot": table.snapshot}))
        }
        "/explain" => {
            let query = parts.uri.query().unwrap_or_default();
            let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model");
            let Some((_, model)) = asked else {
                return problem(StatusCode::BAD_REQUEST, "the query must name a model: /explain?model=gpt-4o");
            };
            let instant = moment::instant();
            let standing = |candidate: &Candidate| table.standing(candidate, (instant, true));
            let mut chance = || 0.5;
            let (now, needs) = (moment::now(), Needs::default());
            let mut moment = Moment {
                now,
                needs: &needs,
                memo: &Memo::default(),
                sticky: None,
                standing: &standing,
                chance: &mut chance,
            };
            let question = Question { model: &model, preferences: &Preferences::default(), fields: &[] };
            match explain(&table.snapshot, question, &mut moment) {
                Err(refused) => problem(StatusCode::BAD_REQUEST, &refused.to_string()),
                Ok(Some(explanation)) => answer::json(StatusCode::OK, &json!(explanation)),
                Ok(None) => problem(StatusCode::NOT_FOUND, "no ModelRoute answers this model for this workload"),
            }
        }
        _ => problem(StatusCode::NOT_FOUND, "there are /snapshot and /explain?model="),
    }
}

/// Answers on the probe port: `/livez`, `/readyz`, `/metrics`.
///
/// `/readyz` says that calls are answered, if only with a refusal: a policy that has run out must not take the pod from
/// its Service.
pub fn probes(app: &App, parts: &Parts) -> Response<AnswerBody> {
    match parts.uri.path() {
        "/livez" | "/readyz" => text("text/plain; charset=utf-8", "ok\n".to_owned()),
        "/metrics" => text("application/openmetrics-text; version=1.0.0; charset=utf-8", app.shared.metrics.text()),
        _ => problem(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics"),
    }
}

fn text(kind: &'static str, body: String) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn problem(status: StatusCode, message: &str) -> Response<AnswerBody> {
    answer::json(status, &json!({"error": {"message": message}}))
}
