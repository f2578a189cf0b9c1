//! `lotse explain`: why a model call would go where. The decision is [`lotse_crds`]'s; this shows it.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use jiff::Timestamp;
use lotse_crds::body::{self, Change, Scanned};
use lotse_crds::compile::{Compiled, compile};
use lotse_crds::explain::{ExplainedCandidate, Explanation, Question, explain};
use lotse_crds::finding::{Finding, Severity};
use lotse_crds::manifests::Manifests;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Standing};
use lotse_crds::preferences::{Asked, Preferences, routing_fields};
use lotse_crds::residency::{Memo, utc_day};
use lotse_crds::snapshot::{Candidate, Route, Snapshot};
use lotse_crds::wire::Operation;

use crate::args::{Explain, Output};
use crate::cluster::Cluster;
use crate::folder;

/// Explains, at `now` unless the flags say another time, and writes to `out`.
pub async fn run(flags: &Explain, now: Timestamp, out: &mut dyn Write) -> Result<()> {
    let (manifests, workload) = declared(flags).await?;
    let now = flags.at.unwrap_or(now);
    let Compiled { snapshot, findings, .. } = compile(&manifests, &workload, now);
    let request = flags.request.as_ref().map(|file| Request::read(file, flags.path)).transpose()?;
    let model = match (&flags.model, &request) {
        (Some(model), _) => model.clone(),
        (None, Some(request)) => request.model()?,
        (None, None) => bail!("--model must name the model that the app asks for"),
    };
    let (preferences, needs) = match &request {
        Some(request) => (request.preferences.clone(), request.needs()),
        None => (Preferences::default(), Needs::default()),
    };
    let mut chance = || 0.5;
    let mut moment = Moment {
        now,
        needs: &needs,
        memo: &Memo::default(),
        sticky: None,
        standing: &|_| Standing::default(),
        chance: &mut chance,
    };
    let fields = request.as_ref().map_or(Vec::new(), Request::fields);
    let question = Question { model: &model, preferences: &preferences, fields: &fields };
    let Some(mut explanation) = explain(&snapshot, question, &mut moment)? else {
        let known: Vec<String> =
            snapshot.routes.iter().flat_map(|route| &route.models).map(|pattern| pattern.0.clone()).collect();
        bail!(
            "no ModelRoute answers `{model}` for {}/{}; there are: {}",
            workload.namespace,
            workload.service_account,
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
    };
    // The snapshot keeps only the labels that matter to it; whoever asks should see all that they asked with.
    explanation.workload = workload;
    match flags.output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &explanation)?;
            writeln!(out)?;
        }
        Output::Table => {
            write!(out, "{}", headline(&explanation, now))?;
            writeln!(out, "{}", table(&explanation))?;
            if let Some(request) = &request {
                write!(out, "{}", request.told(&snapshot, &explanation))?;
            }
            write!(out, "{}", remarks(&findings))?;
        }
    }
    Ok(())
}

/// What is declared, and who calls: from a folder and flags, or from the cluster and a pod.
async fn declared(flags: &Explain) -> Result<(Manifests, Workload)> {
    match (&flags.manifests, &flags.from) {
        (Some(path), _) => Ok((folder::manifests(path, &flags.root_namespace)?, flags.workload())),
        (None, Some(pod)) => {
            let cluster = Cluster::connect(flags.context.as_deref(), &flags.root_namespace).await?;
            let (manifests, _) = cluster.manifests().await?;
            Ok((manifests, cluster.workload(&flags.namespace, pod).await?))
        }
        (None, None) => bail!("--manifests must name a folder, or --from a pod"),
    }
}

fn headline(explanation: &Explanation, now: Timestamp) -> String {
    let workload = &explanation.workload;
    let eligible = explanation.candidates.iter().filter(|candidate| candidate.eligible).count();
    format!(
        "{} for {}/{} on {}: {eligible} of {} candidates may be tried (revision {})\n",
        explanation.model,
        workload.namespace,
        workload.service_account,
        utc_day(now),
        explanation.candidates.len(),
        explanation.revision.0,
    )
}

fn table(explanation: &Explanation) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).enforce_styling();
    table.set_header(
        ["TRY", "PROVIDER", "MODEL", "TIER", "SHARE", "WHY"].map(|name| Cell::new(name).add_attribute(Attribute::Bold)),
    );
    for (at, candidate) in explanation.candidates.iter().enumerate() {
        let (order, share, color) = if candidate.eligible {
            ((at + 1).to_string(), share(candidate, explanation), Color::Green)
        } else {
            ("–".to_owned(), String::new(), Color::Red)
        };
        table.add_row([
            Cell::new(order).fg(color),
            Cell::new(&candidate.provider).fg(color),
            Cell::new(&candidate.model),
            Cell::new(candidate.tier),
            Cell::new(share),
            Cell::new(why(candidate)),
        ]);
    }
    table
}

/// How likely a candidate is tried first in its tier.
fn share(candidate: &ExplainedCandidate, explanation: &Explanation) -> String {
    if candidate.is_ordered {
        return "in order".to_owned();
    }
    let is_beside = |other: &&ExplainedCandidate| other.route == candidate.route && other.tier == candidate.tier;
    let tier = explanation.candidates.iter().filter(is_beside);
    let all: f64 = tier.map(|other| other.weight).sum();
    if candidate.weight > 0.0 { format!("{:.0} %", candidate.weight / all * 100.0) } else { "last".to_owned() }
}

fn why(candidate: &ExplainedCandidate) -> String {
    if candidate.eligible {
        return "allowed by every policy".to_owned();
    }
    let mut lines = Vec::new();
    let mut said = None;
    for reason in &candidate.excluded {
        let who = reason.policy.as_ref().map_or("no policy".to_owned(), ToString::to_string);
        if said.as_ref() != Some(&who) {
            if let Some(policy) = &reason.policy {
                lines.push(format!("refused by {policy}:"));
            }
            said = Some(who);
        }
        lines.push(format!("{}: {}", reason.code, reason.message));
    }
    lines.join("\n")
}

fn remarks(findings: &[Finding]) -> String {
    let tell = |finding: &Finding| match finding.severity {
        Severity::Error => format!("error: {finding}\n"),
        Severity::Warning => format!("warning: {finding}\n"),
    };
    let told: String = findings.iter().map(tell).collect();
    if told.is_empty() { told } else { format!("\n{told}") }
}

fn told_change(change: &Change<'_>) -> String {
    format!("{}={}", change.key, String::from_utf8_lossy(&change.json))
}

/// A request's body, and what it asks of routing. It has no headers.
struct Request {
    operation: Operation,
    body: Vec<u8>,
    scanned: Scanned,
    preferences: Preferences,
}

impl Request {
    /// Reads a file as the sidecar reads a body, in the same order.
    fn read(file: &std::path::Path, operation: Operation) -> Result<Self> {
        let named = || file.display().to_string();
        let body = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
        let scanned = body::scan(&body).with_context(named)?;
        let asked = Asked { operation, session_id: None, metadata: None };
        let preferences = Preferences::read(&body, &scanned, asked).with_context(named)?;
        scanned.stream(&body).with_context(named)?;
        Ok(Self { operation, body, scanned, preferences })
    }

    /// The model that it asks for first.
    fn model(&self) -> Result<String> {
        match self.preferences.models.first() {
            Some(first) if self.scanned.value(&self.body, "model").is_none() => Ok(first.clone()),
            Some(_) | None => Ok(self.scanned.model(&self.body)?),
        }
    }

    /// The fields of it that are routing's.
    fn fields(&self) -> Vec<&'static str> {
        routing_fields(&self.body, &self.scanned, self.operation)
    }

    fn needs(&self) -> Needs {
        Needs::read(&self.body, &self.scanned, self.operation)
    }

    /// What becomes of the request: how many would be tried, what of it has no effect, what it needs, and which fields each
    /// candidate's body would have set.
    fn told(&self, snapshot: &Snapshot, explanation: &Explanation) -> String {
        let eligible = explanation.candidates.iter().filter(|candidate| candidate.eligible);
        let mut told = match eligible.clone().count() {
            0 => "\nThe request is refused: 404 no_eligible_provider, or 403 where policies refuse everybody.\n"
                .to_owned(),
            count => format!("\nThe request is taken, and at most {} tried.\n", count.min(explanation.most)),
        };
        let needs = self.needs();
        if !needs.abilities.is_empty() {
            let abilities: Vec<&str> = needs.abilities.iter().map(|ability| ability.name()).collect();
            told.push_str("It needs ");
            told.push_str(&abilities.join(", "));
            told.push_str(".\n");
        }
        if !explanation.left_out.is_empty() {
            told.push_str("Without effect: ");
            told.push_str(&explanation.left_out.join(", "));
            told.push_str(".\n");
        }
        let of = |explained: &ExplainedCandidate| {
            let is_it = |route: &Route, candidate: &Candidate| {
                (&candidate.provider, &candidate.model) == (&explained.provider, &explained.model)
                    && explained.route.as_ref() == Some(&route.name)
            };
            let routes = snapshot.routes.iter();
            let found = routes.flat_map(|route| {
                let candidates = route.tiers.iter().flat_map(|tier| &tier.candidates);
                candidates.map(move |candidate| (route, candidate))
            });
            let (route, candidate) = found.into_iter().find(|(route, candidate)| is_it(route, candidate))?;
            let changes = self.scanned.changes(&self.body, route, candidate);
            let mut fields: Vec<String> = changes.iter().map(told_change).collect();
            fields.extend(self.fields().iter().map(|field| format!("-{field}")));
            Some(format!("  {}: {}\n", candidate.provider, fields.join(" ")))
        };
        let fields: String = eligible.filter_map(of).collect();
        if !fields.is_empty() {
            told.push_str("These fields of its body are set, or taken out (-):\n");
            told.push_str(&fields);
        }
        told
    }
}
