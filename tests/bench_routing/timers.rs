//! The timers of a hundred thousand streams that are open and say nothing: real calls of the sidecar's own loop, in memory,
//! each with its deadlines set, and what it costs the process to have them while nothing happens.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use lotse_crds::compile::compile;
use lotse_crds::name::Workload;
use lotse_crds::needs::Needs;
use lotse_crds::plan::{Moment, Standing, Wish, plan};
use lotse_crds::preferences::Preferences;
use lotse_crds::read::read;
use lotse_crds::residency::Memo;
use lotse_crds::wire::Operation;
use lotse_sidecar::attempt;
use lotse_sidecar::call::Call;
use lotse_sidecar::record::Record;
use lotse_sidecar::serve::App;
use lotse_tests::manifests::{object, policy};
use tokio::task::JoinSet;

use crate::now;

const STREAMS: usize = 100_000;
/// How long they are watched.
const WATCHED: Duration = Duration::from_secs(20);

fn app() -> anyhow::Result<Arc<App>> {
    let mut text = policy("lotse-system", "all", "inferenceRegions: [Worldwide]");
    let simulated = "vendor: x\napi: Simulated\nconsumers: {namespaceSelector: {}}\nmodels: [{name: m}]\n\
                     simulated: {firstContentMilliseconds: 600000}";
    text += &object("LLMProvider", "lotse-system", "silent", simulated);
    let route = "namespaceSelector: {}\nmodels: [m]\ntiers: [{targets: [{model: m}]}]\n\
                 timeouts: {firstContentMilliseconds: 3600000, totalSeconds: 86400}";
    text += &object("ModelRoute", "lotse-system", "route", route);
    let manifests = read(&BTreeMap::from([("all.yaml".to_owned(), text)]), "lotse-system").expect("good manifests");
    let workload =
        Workload { namespace: "app".to_owned(), service_account: "default".to_owned(), labels: BTreeMap::new() };
    let compiled = compile(&manifests, &workload, Timestamp::UNIX_EPOCH);
    let app = Arc::new(App::default());
    app.apply(compiled.snapshot, &compiled.keys)?;
    Ok(app)
}

/// One call that is never answered.
async fn call(app: Arc<App>) {
    let (parts, ()) = Request::post("/v1/chat/completions").body(()).expect("a request").into_parts();
    let body = Bytes::from_static(br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#);
    let call = Call::read(Operation::ChatCompletions, &parts, body).expect("a call");
    let table = app.table().expect("a table");
    let mut record = Record::new(app.shared.metrics.clone());
    let (preferences, needs) = (Preferences::default(), Needs::default());
    let plan = {
        let mut chance = || 0.5;
        let standing = |_: &_| Standing::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut moment = Moment {
            now,
            needs: &needs,
            memo: &Memo::default(),
            sticky: None,
            standing: &standing,
            chance: &mut chance,
        };
        let wish = Wish { route: &table.snapshot.routes[0], preferences: &preferences };
        plan(&[wish], &table.snapshot.policies, &mut moment)
    };
    drop(attempt::run(&call, (&table, &plan), None, &mut record).await);
}

/// The CPU time that this process has used.
fn cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this benchmark needs Linux's /proc")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).context("a number of ticks");
    // Fields 14 and 15, in hundredths of a second.
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

pub(crate) async fn measure(out: &mut impl Write) -> anyhow::Result<()> {
    let app = app()?;
    let mut calls = JoinSet::new();
    for _ in 0..STREAMS {
        calls.spawn(call(app.clone()));
    }
    // Each has been polled once when this comes to its turn again.
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    anyhow::ensure!(calls.len() == STREAMS && calls.try_join_next().is_none(), "a stream has ended");
    let (began, before) = (now(), cpu()?);
    tokio::time::sleep(WATCHED).await;
    let (passed, used) = (began.elapsed(), cpu()?.saturating_sub(before));
    anyhow::ensure!(calls.try_join_next().is_none(), "a stream has ended");
    let share = used.as_secs_f64() / passed.as_secs_f64() * 100.0;
    writeln!(out, "{STREAMS} idle streams use {share:.2} % of a CPU (aim: 1 %)")?;
    Ok(())
}
