//! The benchmark: what nginx and Lotse add to a call, measured side by side in one run on loopback.
//!
//! ```text
//! cargo build --release -p lotse-sidecar
//! cargo run --release -p lotse-tests --bin bench
//! ```
//!
//! A fake provider and the load live in this process, each on one thread of its own; nginx (one worker) and the
//! sidecar's release binary are processes of their own. The load calls the provider directly, through nginx and through
//! Lotse in turn, round by round, so that whatever else the machine does hits all three alike.
//!
//! Nothing is pinned, so where the kernel puts three threads on few CPUs is part of the numbers. `taskset -c 1` before
//! the second command puts all of them on one CPU: what a proxy adds is then the work it does and nothing else, and
//! rounds agree to a few microseconds even on a machine that is busy.

mod load;
mod nginx;
mod process;
mod provider;
mod results;
mod sidecar;
mod table;
mod wire;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;

use load::{LOADS, Target};
use nginx::Nginx;
use provider::Provider;
use results::Results;
use sidecar::{Footprint, Sidecar};

/// How often the sidecar is started to see how long that takes.
const STARTS: u32 = 10;

/// Measures what nginx and Lotse add to a call on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Args {
    /// The sidecar's release binary; the one beside this program by default.
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,
    /// The nginx to compare with; the installed one by default.
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// How many rounds; what is shown are medians over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Where all numbers of all rounds are written to, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Exits with 1 when a call was not answered as it should have been, or nothing could be measured; not when an aim is
/// missed.
fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let results = measure(args)?;
    io::stdout().write_all(table::text(&results).as_bytes())?;
    if let Some(path) = &args.json {
        std::fs::write(path, format!("{:#}\n", table::json(&results)))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

fn measure(args: &Args) -> anyhow::Result<Results> {
    for warning in process::warnings() {
        tell(&warning);
    }
    let binary = sidecar::binary(args.sidecar.as_deref())?;
    let provider = Provider::start()?;
    let nginx = Nginx::start(args.nginx.as_deref(), provider.address)?;
    tell(&format!("starting the sidecar {STARTS} times"));
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(Sidecar::start(&binary, provider.address)?.started_in);
    }
    let sidecar = Sidecar::start(&binary, provider.address)?;
    starts.push(sidecar.started_in);
    let idle = sidecar.idle_memory()?;
    let targets = [
        Target { name: "direct", address: provider.address, pid: None },
        Target { name: "nginx", address: nginx.address, pid: nginx.worker() },
        Target { name: "lotse", address: sidecar.address, pid: Some(sidecar.pid()) },
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (rounds, calls) = runtime.block_on(all_rounds(args.rounds, &targets))?;
    let reached = provider.calls();
    ensure!(reached == calls, "{calls} calls were made, but {reached} reached the provider");
    let footprint = Footprint::new(&binary, &starts, (idle, sidecar.idle_memory()?))?;
    Ok(Results { rounds, calls, footprint })
}

/// Every load on every target, round by round; and how many calls that were.
async fn all_rounds(count: u16, targets: &[Target; 3]) -> anyhow::Result<(Vec<results::Round>, u64)> {
    let mut calls = 0;
    for target in targets {
        calls += load::probe(target).await.with_context(|| format!("{} does not answer as it should", target.name))?;
    }
    let mut rounds = Vec::new();
    for number in 1..=count {
        tell(&format!("round {number} of {count}"));
        let mut round = results::Round::default();
        for (load, samples) in LOADS.iter().zip(&mut round.0) {
            for (target, sample) in targets.iter().zip(samples) {
                *sample = load::run(load, target)
                    .await
                    .with_context(|| format!("{}, through {}: the run is invalid", load.name, target.name))?;
                calls += sample.calls;
            }
        }
        rounds.push(round);
    }
    Ok((rounds, calls))
}

/// Tells a person at the terminal what is going on; not part of the results.
fn tell(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}
