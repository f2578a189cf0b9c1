//! The record of one call: what happened, told once to the log and to the metrics when the call ends, however it ends.
//! It never holds a prompt, an answer or a key.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use lotse_crds::name::ObjectName;
use lotse_crds::plan::Refusal;
use lotse_crds::price::{Price, Tokens};

use crate::bill::Bill;
use crate::bound::Bound;
use crate::call::Call;
use crate::failure::AttemptNote;
use crate::lane::Lane;
use crate::metadata::{Metadata, Tried};
use crate::metrics::{AttemptLabels, CallLabels, Metrics, PolicyLabels};
use crate::moment;

/// The code of a call that was answered.
pub const OK: &str = "ok";

/// The code of an attempt that was cut off because another answered first.
pub const CANCELLED: &str = "cancelled";

/// The record of one call.
pub struct Record {
    metrics: Arc<Metrics>,
    started: Instant,
    /// Its id, for the caller and the log.
    pub request_id: String,
    model: String,
    stream: bool,
    route: Option<ObjectName>,
    /// Who is being asked; at the end, who has answered.
    trying: Vec<Arc<Lane>>,
    failed: Vec<AttemptNote>,
    /// How many of the failed attempts stand before who answers.
    before: usize,
    /// How the call was routed, if the app wants to be told.
    pub metadata: Option<Metadata>,
    first_content: Option<f64>,
    counted: Option<(Tokens, Option<f64>)>,
    bill: Bill,
    /// The bound of the app's connection.
    pub bound: Bound,
    end: Option<End>,
}

/// How and when a call ended.
#[derive(Clone, Copy)]
struct End {
    status: u16,
    code: &'static str,
    seconds: f64,
}

impl Record {
    /// A call that begins now.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        metrics.active.inc();
        Self {
            metrics,
            started: moment::instant(),
            request_id: moment::request_id(),
            model: String::new(),
            stream: false,
            route: None,
            trying: Vec::new(),
            failed: Vec::new(),
            before: usize::MAX,
            metadata: None,
            first_content: None,
            counted: None,
            bill: Bill::default(),
            bound: Bound::default(),
            end: None,
        }
    }

    /// What is asked for.
    pub fn asks(&mut self, call: &Call) {
        call.model.clone_into(&mut self.model);
        self.stream = call.stream;
        if call.is_repeated {
            self.metrics.sdk_retries.inc();
        }
    }

    /// The route that answers, and who it may not use although its snapshot would have let it.
    pub fn is_routed(&mut self, route: &ObjectName, refused: &[Refusal<'_>]) {
        self.route = Some(route.clone());
        for refusal in refused {
            // What the snapshot itself refuses is counted by its table.
            let Cow::Owned(reasons) = &refusal.reasons else { continue };
            for reason in reasons.iter().filter(|reason| reason.is_policy()) {
                let labels = PolicyLabels::new(refusal.provider, reason);
                self.metrics.excluded.get_or_create(&labels).inc();
            }
        }
    }

    /// A candidate is tried.
    pub fn tries(&mut self, lane: &Arc<Lane>) {
        self.trying.push(lane.clone());
    }

    /// An attempt failed.
    pub fn fails(&mut self, lane: &Arc<Lane>, note: AttemptNote) {
        self.count_attempt(lane, note.code);
        self.failed.push(note);
        self.trying.retain(|trying| !Arc::ptr_eq(trying, lane));
    }

    /// A candidate has answered, for this route and on this bill; who was asked beside it is cut off.
    pub fn answers(&mut self, lane: &Arc<Lane>, route: &ObjectName, bill: Bill) {
        if self.route.as_ref() != Some(route) {
            self.route = Some(route.clone());
        }
        self.bill = bill;
        for other in std::mem::take(&mut self.trying) {
            if Arc::ptr_eq(&other, lane) {
                self.before = self.failed.len();
                self.trying.push(other);
            } else {
                self.count_attempt(&other, CANCELLED);
                self.failed.push(other.note_cancelled());
            }
        }
    }

    /// The attempts that failed.
    pub fn attempts(&self) -> &[AttemptNote] {
        &self.failed
    }

    /// Every attempt, in order; who has not failed has this status.
    pub fn tried(&self, status: u16) -> Vec<Tried<'_>> {
        let (before, behind) = self.failed.split_at(self.before.min(self.failed.len()));
        let trying = self.trying.iter().map(|lane| Tried { provider: &lane.name, model: &lane.model, status });
        before.iter().map(Tried::from).chain(trying).chain(behind.iter().map(Tried::from)).collect()
    }

    /// How many attempts there were.
    pub fn attempt_count(&self) -> usize {
        self.failed.len() + self.trying.len()
    }

    /// An auditing policy would have refused who answers.
    pub fn would_refuse(&self, policy: &ObjectName, provider: &ObjectName, code: &str) {
        let labels =
            PolicyLabels { policy: policy.to_string(), provider: provider.to_string(), reason: code.to_owned() };
        self.metrics.audit_would_refuse.get_or_create(&labels).inc();
        tracing::info!(
            request_id = self.request_id,
            policy = %policy,
            provider = %provider,
            reason = code,
            "an auditing policy would have refused this provider"
        );
    }

    /// The stream's first content has come.
    pub fn has_content(&mut self) {
        self.first_content = Some(self.seconds());
    }

    /// The provider has counted.
    pub fn counts(&mut self, tokens: Tokens, cost: Option<f64>) {
        self.bill.counts(tokens, cost);
        self.counted = Some((tokens, cost));
    }

    /// The provider has not counted: what the answer has is an estimate, which is charged and told to nobody.
    pub fn estimates(&self, output: u64, price: Option<&Price>) {
        self.bill.estimates(output, price);
    }

    fn seconds(&self) -> f64 {
        moment::instant().saturating_duration_since(self.started).as_secs_f64()
    }

    fn count_attempt(&self, lane: &Lane, code: &'static str) {
        if code == OK {
            lane.metrics.attempts.inc();
            return;
        }
        let labels = AttemptLabels { provider: lane.provider.clone(), model: lane.model.clone(), code };
        self.metrics.attempts.get_or_create(&labels).inc();
    }

    /// The call ends: `ok`, or the code of its failure.
    ///
    /// It is told by a task of its own, when the answer is on its way: the app does not wait for the bookkeeping.
    pub fn ends(mut self, status: u16, code: &'static str) {
        self.has_ended(status, code);
        tokio::spawn(async move { drop(self) });
    }

    /// The same, told when this is dropped.
    pub fn has_ended(&mut self, status: u16, code: &'static str) {
        self.end = Some(End { status, code, seconds: self.seconds() });
    }

    fn tell(&self, End { status, code, seconds }: End) {
        self.metrics.active.dec();
        for lane in &self.trying {
            self.count_attempt(lane, code);
        }
        self.count_call(seconds, code);
        let (tokens, cost) = self.counted.unwrap_or_default();
        tracing::info!(
            request_id = self.request_id,
            model = self.model.char_indices().nth(256).map_or(&*self.model, |(end, _)| &self.model[..end]),
            route = self.route.as_ref().map(tracing::field::display),
            provider = self.trying.first().map(|lane| lane.provider.as_str()),
            attempts = self.attempt_count(),
            failed = self.failed_attempts(),
            status,
            code,
            stream = self.stream,
            milliseconds = seconds * 1e3,
            first_content_milliseconds = self.first_content.map(|seconds| seconds * 1e3),
            input_tokens = self.counted.is_some().then_some(tokens.input),
            output_tokens = self.counted.is_some().then_some(tokens.output),
            cost,
            "call"
        );
    }

    fn failed_attempts(&self) -> Option<String> {
        let tell = |note: &AttemptNote| format!("{}: {}", note.provider, note.code);
        (!self.failed.is_empty()).then(|| self.failed.iter().map(tell).collect::<Vec<_>>().join(", "))
    }

    fn count_call(&self, seconds: f64, code: &'static str) {
        let Some(lane) = self.trying.first() else { return self.count_end(String::new(), code) };
        let metrics = &lane.metrics;
        if code == OK {
            metrics.calls.inc();
        } else {
            self.count_end(lane.provider.clone(), code);
        }
        metrics.duration.observe(seconds);
        if let Some(first) = self.first_content {
            metrics.first_content.observe(first);
        }
        if let Some((tokens, cost)) = self.counted {
            metrics.input_tokens.inc_by(tokens.input);
            metrics.output_tokens.inc_by(tokens.output);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cost is small and not negative"
            )]
            metrics.cost.inc_by((cost.unwrap_or(0.0) * 1e6).round() as u64);
        }
    }

    fn count_end(&self, provider: String, code: &'static str) {
        let route = self.route.as_ref().map(ToString::to_string).unwrap_or_default();
        self.metrics.calls.get_or_create(&CallLabels { route, provider, code }).inc();
    }
}

impl Drop for Record {
    /// Tells how the call ended, once. One that nobody ended was given up by the app.
    fn drop(&mut self) {
        let given_up = || End { status: 499, code: "client_gone", seconds: self.seconds() };
        self.tell(self.end.unwrap_or_else(given_up));
    }
}
