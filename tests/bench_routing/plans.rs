//! Planning one call over 64 candidates, under two policies.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;

use jiff::Timestamp;
use lotse_crds::body;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Standing, Wish, plan};
use lotse_crds::preferences::{Asked, Preferences};
use lotse_crds::read::read;
use lotse_crds::residency::Memo;
use lotse_crds::snapshot::Snapshot;
use lotse_crds::wire::Operation;
use lotse_tests::manifests::{object, policy};

use crate::{now, percentile};

const CANDIDATES: usize = 64;
const ROUNDS: usize = 20_000;

fn snapshot(balance: &str) -> Snapshot {
    let mut text =
        policy("lotse-system", "europe", "inferenceRegions: [EU]\nmaxRetentionDays: 30\nforbidTraining: true");
    text += &policy("lotse-system", "jurisdiction", "inferenceRegions: [EEA]\njurisdictions: {denied: [US]}");
    for at in 0..CANDIDATES {
        let spec = format!(
            "vendor: x\napi: Simulated\nconsumers: {{namespaceSelector: {{}}}}\n\
             evidence: [{{name: dpa, kind: Contractual, source: 'contract 1', reviewedOn: 2026-01-01}}]\n\
             promises: {{inference: {{regions: [DE], evidence: [dpa]}}, storage: {{regions: [DE], evidence: [dpa]}}, \
             access: {{regions: [DE], evidence: [dpa]}}, retention: {{days: 0, evidence: [dpa]}}, \
             training: {{onCustomerData: false, evidence: [dpa]}}, \
             jurisdiction: {{contractingEntity: DE, ultimateParent: DE, evidence: [dpa]}}}}\n\
             models: [{{name: m, price: {{inputPerMillion: \"{}\", outputPerMillion: \"1\"}}}}]",
            at + 1
        );
        text += &object("LLMProvider", "lotse-system", &format!("p{at}"), &spec);
    }
    let route =
        format!("namespaceSelector: {{}}\nmodels: [m]\ntiers: [{{balance: {balance}, targets: [{{model: m}}]}}]");
    text += &object("ModelRoute", "lotse-system", "route", &route);
    let manifests = read(&BTreeMap::from([("all.yaml".to_owned(), text)]), "lotse-system").expect("good manifests");
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    let at: Timestamp = "2026-11-01T12:00:00Z".parse().expect("a time");
    compile(&manifests, &workload, at).snapshot
}

pub(crate) fn measure(out: &mut impl Write) -> anyhow::Result<()> {
    let fields = br#"{"model":"m","provider":{"ignore":["p7"],"sort":"price","max_price":{"prompt":50},"zdr":true}}"#;
    let asked = Asked { operation: Operation::ChatCompletions, session_id: None, metadata: None };
    let wishes = Preferences::read(fields, &body::scan(fields)?, asked)?;
    for (name, balance, preferences) in [
        ("by price", "Price", &Preferences::default()),
        ("in order", "Order", &Preferences::default()),
        ("by latency", "Latency", &Preferences::default()),
        ("by the app's own preferences", "Price", &wishes),
    ] {
        let snapshot = snapshot(balance);
        let measured = lotse_crds::preferences::Percentiles { p50: Some(0.3), ..Default::default() };
        let standing = Standing { latency: measured, ..Standing::default() };
        let (at, needs): (Timestamp, _) = ("2026-11-01T12:00:00Z".parse()?, Needs::default());
        let mut chance = || black_box(0.37);
        let memo = Memo::default();
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began = now();
            let mut moment = Moment {
                now: at,
                needs: &needs,
                memo: &memo,
                sticky: None,
                standing: &|_| standing,
                chance: &mut chance,
            };
            let wish = Wish { route: &snapshot.routes[0], preferences };
            let plan = plan(&[wish], &snapshot.policies, &mut moment);
            black_box(&plan);
            times.push(began.elapsed());
            assert!(plan.attempts.len() >= 49, "{} candidates", plan.attempts.len());
        }
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        writeln!(out, "planning {CANDIDATES} candidates, {name}: p50 {p50:?}, p99 {p99:?} (aim: 5 µs)")?;
    }
    Ok(())
}
