//! What all processes of the benchmark share: the clock, free ports, waiting for a port, and what the kernel says of a
//! process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a process may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a port is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_micros(250);

/// The time.
#[expect(clippy::disallowed_methods, reason = "time is what a benchmark measures")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Ports of 127.0.0.1 that were free a moment ago.
pub(crate) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held until the last is known: no two are the same.
    let mut held = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port on 127.0.0.1")?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}

/// Waits until `child` listens on `address`. When it ends instead, its `log` says why.
pub(crate) fn wait_until_listening(child: &mut Child, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
    let began = now();
    while !is_listening(address) {
        let ended = child.try_wait()?;
        if ended.is_some() || began.elapsed() > PATIENCE {
            let why = ended.map_or("does not listen".to_owned(), |status| format!("has ended ({status})"));
            bail!("it {why}:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        thread::sleep(TRY_EVERY);
    }
    Ok(())
}

/// A connection to a free port may happen to be made to itself; that one doesn't count.
fn is_listening(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok_and(|stream| stream.local_addr().is_ok_and(|local| local != address))
}

/// The resident memory of a process, in KiB.
pub(crate) fn memory(pid: u32) -> anyhow::Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// How long the main thread of a process has been on a CPU, where the kernel counts it.
pub(crate) fn on_cpu(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The first child of a process.
pub(crate) fn first_child(pid: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.split_whitespace().next()?.parse().ok()
}

/// How many CPUs this process and its children may use.
pub(crate) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What makes numbers worth less.
pub(crate) fn warnings() -> Vec<String> {
    let mut warnings = Vec::new();
    if cfg!(debug_assertions) {
        warnings.push("warning: this is a debug build; its numbers say little".to_owned());
    }
    let load: Option<f64> = fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next().and_then(|load| load.parse().ok()));
    if let Some(load) = load.filter(|load| *load > 0.5) {
        warnings.push(format!("warning: others use this machine (load {load}); expect noise"));
    }
    warnings
}
