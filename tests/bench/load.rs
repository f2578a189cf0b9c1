//! The load: closed loops over connections that stay open, and what they measure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::process::{self, now};
use crate::provider;
use crate::results::{Percentiles, Sample};
use crate::wire::{Connection, Kind, Took};

/// The longest that a load is put on one target in one round, so that a slow machine ends too.
const LONGEST: Duration = Duration::from_millis(2500);
/// A load that has not ended by then never will.
const HUNG: Duration = Duration::from_secs(30);
/// One call in so many warms up before the clock runs.
const WARM_UP: u64 = 8;

/// Who is called.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The process whose time on the CPU counts.
    pub(crate) pid: Option<u32>,
}

/// One way to call.
pub(crate) struct Load {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is asked for.
    pub(crate) kind: Kind,
    /// Over how many connections at once.
    pub(crate) connections: usize,
    /// How many calls make a round.
    pub(crate) calls: u64,
}

/// All of them.
pub(crate) const LOADS: [Load; 4] = [
    Load { name: "unary, 1 connection", kind: Kind::Unary, connections: 1, calls: 8_000 },
    Load { name: "unary, 32 connections", kind: Kind::Unary, connections: 32, calls: 60_000 },
    Load { name: "stream, 1 connection", kind: Kind::Stream, connections: 1, calls: 2_400 },
    Load { name: "stream, 32 connections", kind: Kind::Stream, connections: 32, calls: 4_800 },
];

/// One call of each kind, read as an app reads it; how many that were.
pub(crate) async fn probe(target: &Target) -> anyhow::Result<u64> {
    let mut calls = 0;
    for kind in [Kind::Unary, Kind::Stream] {
        let mut connection = Connection::open(target.address).await?;
        connection.call(kind, &kind.request()).await?;
        calls += 1;
        let (said, answer) = kind.read(connection.body())?;
        ensure!(said == provider::text(), "the answer says {said:?}");
        // Lotse's price for these tokens: proof that its whole work is measured.
        let is_priced = answer["usage"]["cost"].is_number() && answer["provider"].is_string();
        ensure!(is_priced == (target.name == "lotse"), "the answer was not handled as expected: {answer}");
    }
    Ok(calls)
}

/// Puts a load on a target: warms up, then measures.
pub(crate) async fn run(load: &Load, target: &Target) -> anyhow::Result<Sample> {
    tokio::time::timeout(HUNG, measure(load, target)).await.context("calls hang")?
}

async fn measure(load: &Load, target: &Target) -> anyhow::Result<Sample> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(target.address).await?);
    }
    let cpu = || target.pid.and_then(process::on_cpu);
    let warm_up = phase(connections, load.kind, load.calls / WARM_UP).await?;
    let (cpu_before, began) = (cpu(), now());
    let measured = phase(warm_up.connections, load.kind, load.calls).await?;
    let seconds = began.elapsed().as_secs_f64();
    let spent = cpu().zip(cpu_before).map(|(after, before)| after.saturating_sub(before).as_secs_f64() * 1e6);
    let calls = u32::try_from(measured.took.len()).map(f64::from)?;
    Ok(Sample {
        first: Percentiles::of(measured.took.iter().map(|took| took.first)),
        total: Percentiles::of(measured.took.iter().map(|took| took.total)),
        rate: calls / seconds,
        cpu: spent.map(|micros| micros / calls),
        calls: (measured.took.len() + warm_up.took.len()) as u64,
    })
}

/// Connections that have made their calls, and how long those took.
struct Done {
    connections: Vec<Connection>,
    took: Vec<Took>,
}

/// Makes `calls` calls, each connection one after the other, until all are made or the time is up.
async fn phase(connections: Vec<Connection>, kind: Kind, calls: u64) -> anyhow::Result<Done> {
    let left = Arc::new(AtomicU64::new(calls));
    let request: Arc<[u8]> = kind.request().into();
    let end = now() + LONGEST;
    let mut workers = JoinSet::new();
    for connection in connections {
        let (left, request) = (left.clone(), request.clone());
        workers.spawn(async move { work(connection, (kind, &request), &left, end).await });
    }
    let mut done = Done { connections: Vec::new(), took: Vec::new() };
    let mut errors = Vec::new();
    while let Some(ended) = workers.join_next().await {
        match ended? {
            Ok((connection, took)) => {
                done.connections.push(connection);
                done.took.extend(took);
            }
            Err(error) => errors.push(error),
        }
    }
    let failed = errors.len();
    match errors.into_iter().next() {
        Some(error) => Err(error.context(format!("{failed} calls failed, and their connections were given up"))),
        None => Ok(done),
    }
}

async fn work(
    mut connection: Connection,
    (kind, request): (Kind, &[u8]),
    left: &AtomicU64,
    end: Instant,
) -> anyhow::Result<(Connection, Vec<Took>)> {
    let mut took = Vec::with_capacity(1024);
    let is_left = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    while now() < end && is_left() {
        took.push(connection.call(kind, request).await?);
    }
    Ok((connection, took))
}
