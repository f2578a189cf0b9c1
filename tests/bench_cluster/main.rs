//! The benchmark of the cluster's side: an installation that is there, on the cluster of KUBECONFIG, with a thousand
//! streams that follow it, two hundred routes and a hundred providers.
//!
//! ```text
//! eval "$(tests/cluster/node env)" && cargo run --release -p lotse-tests --bin bench-cluster
//! ```
//!
//! The followers are real in all but their pods, which no node runs: each is a pod that the injector has given a sidecar,
//! with a token bound to it, and a stream of its own. What is measured: from the moment a change is sent to the API server
//! until the last follower has it and has said so; how long the API server waits for the webhook at a hundred pods a
//! second; what the controller's control group holds meanwhile. It makes namespaces `bench-…` and takes them away again.

mod follower;
mod webhook;
mod world;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use follower::{Endpoint, Follower};
use world::World;

/// Measures the cluster's side.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench-cluster")]
struct Args {
    /// How many sidecars follow.
    #[arg(long, default_value_t = 1000)]
    streams: usize,
    /// How many changes of a policy, and of a provider's consumers, are timed.
    #[arg(long, default_value_t = 100)]
    changes: usize,
    /// How many pods a second the webhook is asked for, and for how many seconds.
    #[arg(long, default_value_t = 100)]
    pods_per_second: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Leave what was made.
    #[arg(long)]
    keep: bool,
}

/// What all followers have said, so that a change can be timed to the last of them.
#[derive(Default)]
pub(crate) struct Heard {
    /// How many deliveries have been acknowledged by all followers together.
    acks: AtomicU64,
    told: watch::Sender<u64>,
}

impl Heard {
    /// One more.
    pub(crate) fn ack(&self) {
        let now = self.acks.fetch_add(1, Ordering::Relaxed) + 1;
        self.told.send_replace(now);
    }

    fn count(&self) -> u64 {
        self.acks.load(Ordering::Relaxed)
    }

    async fn reaches(&self, count: u64, within: Duration) -> anyhow::Result<()> {
        let mut told = self.told.subscribe();
        let reached = told.wait_for(|now| *now >= count);
        match tokio::time::timeout(within, reached).await {
            Ok(_) => Ok(()),
            Err(_) => bail!("only {} of {count} acknowledgements came within {within:?}", self.count()),
        }
    }
}

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(&Args::parse())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("KUBECONFIG must name a cluster")?;
    let world = World::new(client.clone());
    world.clear().await?;
    let measured = measure(args, &world, client).await;
    if !args.keep {
        world.clear().await?;
    }
    measured
}

async fn measure(args: &Args, world: &World, client: Client) -> anyhow::Result<()> {
    say(&format!("making {} pods in {} namespaces, 200 routes, 100 providers …", args.streams, world::NAMESPACES));
    world.declare().await?;
    let pods = world.pods(args.streams).await?;
    let idle = world.controller_memory().await?;
    say(&format!("{} followers begin …", pods.len()));
    let endpoint = Arc::new(Endpoint::find(&client).await?);
    let heard = Arc::new(Heard::default());
    let began = Instant::now();
    for pod in pods {
        let token = world.token(&pod).await?;
        tokio::spawn(Follower { endpoint: endpoint.clone(), token, heard: heard.clone() }.run());
    }
    let all = args.streams as u64;
    heard.reaches(all, Duration::from_mins(2)).await?;
    say(&format!(
        "{} followers hold their snapshot after {:.1} s (their tokens included)",
        all,
        began.elapsed().as_secs_f64()
    ));
    tokio::time::sleep(Duration::from_secs(5)).await;

    let mut policy = Vec::new();
    let mut consumers = Vec::new();
    for turn in 0..args.changes {
        policy.push(timed(&heard, all, world.change_policy(turn)).await?);
        // A twentieth of all namespaces loses a provider that each of its pods may use.
        consumers
            .push(timed(&heard, args.streams.div_ceil(world::NAMESPACES) as u64, world.change_consumers(turn)).await?);
    }
    report(&format!("a policy's change to the last of {all} acknowledgements"), &mut policy);
    report("a withdrawn consumer to the last acknowledgement", &mut consumers);
    let loaded = world.controller_memory().await?;
    say(&format!("memory of the controller's control group: {idle:.1} MiB before, {loaded:.1} MiB with all streams"));
    if let Some(sidecar) = world.sidecar_memory().await? {
        say(&format!("memory of an idle sidecar's control group: {sidecar:.1} MiB"));
    }
    webhook::measure(&client, args.pods_per_second, args.seconds).await
}

/// From sending a change until as many more acknowledgements have come.
async fn timed(heard: &Heard, acks: u64, change: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Duration> {
    let expected = heard.count() + acks;
    let began = Instant::now();
    change.await?;
    heard.reaches(expected, Duration::from_secs(30)).await?;
    let took = began.elapsed();
    // What follows the change by itself, such as status, must not run into the next.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(took)
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    say(&format!(
        "{what}: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms ({} changes)",
        at(50),
        at(99),
        at(100),
        times.len()
    ));
}
